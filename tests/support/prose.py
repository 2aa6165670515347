"""The prose of a Markdown page: sentences without its code, tables and generated parts."""

import re
from collections.abc import Iterator

_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_GENERATED = re.compile(r"^<!-- [\w ]+ -->$.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)
_NO_PROSE = re.compile(r"^(?:#+ |\||!\[).*$", re.MULTILINE)  # headings, tables, pictures
_ITEM = re.compile(r"^ *(?:[-*]|\d+\.) ", re.MULTILINE)
_TEST = re.compile(r"`[^`]+\.py::\w+`,?")
_SPAN = re.compile(r"`[^`]+`")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_END = re.compile(r"(?<=[.!?])[*)\"]*\s+(?=[A-Z*\"(]|liq\b|cryptofeed\b)")


def words(page: str) -> str:
    """Return ``page`` without fenced code, code spans and generated parts."""
    return _SPAN.sub("X", _written(page))


def sentences(page: str) -> Iterator[str]:
    """Yield the sentences of paragraphs and list items; a code span is one word, ``X``.

    The name of a test (``file.py::test_name``) is a reference and no word. A colon and a semicolon
    end no sentence.
    """
    text = _ITEM.sub("\n\n", _NO_PROSE.sub("\n", _written(page)))
    for paragraph in re.split(r"\n\s*\n", text):
        plain = _LINK.sub(r"\1", _SPAN.sub("X", _TEST.sub("", paragraph)))
        yield from filter(None, _END.split(" ".join(plain.split())))


def length(sentence: str) -> int:
    """Return how many words ``sentence`` has; signs alone are none."""
    return sum(1 for each in sentence.split() if re.search(r"\w", each))


def _written(page: str) -> str:
    return _GENERATED.sub("", _CODE.sub("", page))
