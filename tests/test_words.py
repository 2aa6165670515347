"""The documentation is written in plain words and short sentences."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.prose import length, sentences, words

ROOT = Path(__file__).parents[1]
# Files whose words are checked, as patterns; add a folder when its words are plain.
PARTS = (
    "*.md",
    "*.json",
    "*.py",
    "*.yml",
    "docs/*.md",
    "notebooks/**/*.ipynb",
    "lib/liq/**/*.py",
    "lib/liq/**/*.js",
    "lib/liq/**/*.html",
    "lib/liq/**/*.css",
    "lib/liq/**/*.j2",
    "connect/**/*.java",
    "bench/**/*.py",
    "tools/**/*",
    "tests/**/*.py",
)
GENERATED = {"docs/queries.md"}  # its words come from queries.json
ITSELF = "tests/test_words.py"
MOST_WORDS = 25
# A reader greps for the field's word: receive, report, log, repair, restart, provision, cool-down.
FORBIDDEN = re.compile(
    r"\b(?:tells?|told|telling|hears?|heard|mend(?:s|ed|ing)?|anew|furnish(?:es|ed)?|rests|rested"
    r"|stands|stood|knocks?|fares?|fared|so many|so much|look(?:s|ed)? at)\b",
    re.IGNORECASE,
)
# Phrases in which such a word is meant literally, by file.
ALLOWED: dict[str, tuple[str, ...]] = {
    "lib/liq/ingest/recording.py": ("file.tell()",),  # where the file is read
}


def _files() -> Iterator[str]:
    for part in PARTS:
        found = (path for path in sorted(ROOT.glob(part)) if path.is_file())
        yield from (str(path.relative_to(ROOT)) for path in found)


CHECKED = [file for file in _files() if file not in {ITSELF, *GENERATED}]


@pytest.mark.parametrize("file", CHECKED)
def test_words_of_the_list_do_not_come_back(file: str) -> None:
    text = (ROOT / file).read_text()
    text = words(text) if file.endswith(".md") else text
    for phrase in ALLOWED.get(file, ()):
        assert phrase in text, f"no longer needed in ALLOWED: {phrase}"
        text = text.replace(phrase, "")
    found = [
        f"{found[0]!r} in {line.strip()!r}"
        for line in text.splitlines()
        for found in FORBIDDEN.finditer(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("file", [file for file in CHECKED if file.endswith(".md")])
def test_sentences_have_25_words_at_most(file: str) -> None:
    longer = [
        f"{length(each)}: {each}"
        for each in sentences((ROOT / file).read_text())
        if length(each) > MOST_WORDS
    ]
    assert not longer, "\n".join(longer)


def test_sentences_are_measured_without_code_tables_and_generated_parts() -> None:
    page = """# A title that is no sentence

A `span of code` is a word: so is 1,000. A [link](to/somewhere.md) too.

| a | table |
|---|---|

- An item; it goes on
  here. `Code` begins a sentence: `tests/a.py::test_b`.
- liq is an item.

```sh
no prose
```

<!-- a part -->
Generated. Prose.
<!-- end -->
"""
    assert [(each, length(each)) for each in sentences(page)] == [
        ("A X is a word: so is 1,000.", 8),
        ("A link too.", 3),
        ("An item; it goes on here.", 6),
        ("X begins a sentence: .", 4),
        ("liq is an item.", 4),
    ]
