"""The README tells of everything that a user can call."""

import re
from pathlib import Path

import pytest
import typer
from document import documents

from liq.cli import app
from liq.query.queries import queries

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()
COMMANDS = sorted(typer.main.get_group(app).commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_names_the_command(command: str) -> None:
    assert re.search(rf"^\| `liq {command}\b", README, re.MULTILINE)


def test_readme_names_no_command_that_is_not_there() -> None:
    assert set(re.findall(r"^\| `liq ([a-z]+)", README, re.MULTILINE)) == set(COMMANDS)


def test_what_is_generated_is_up_to_date() -> None:
    stale = [path.name for path, text in documents().items() if path.read_text() != text]
    assert not stale, "run: make docs"


@pytest.mark.parametrize("key", sorted(queries()))
def test_readme_tells_what_the_query_tells(key: str) -> None:
    assert f"| [`{key}`](docs/queries.md#{key}) | {queries()[key].summary} |" in README
    assert f"\n## {key}\n" in (ROOT / "docs" / "queries.md").read_text()


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")))
def test_readme_names_the_notebook(notebook: Path) -> None:
    assert f"| `{notebook.stem}` |" in README


@pytest.mark.parametrize("document", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_each_promise_of_security_names_a_test_that_is_there() -> None:
    promises, _, _ = SECURITY.partition("\n## What does not hold\n")
    assert promises != SECURITY
    for line in re.findall(r"^(?:- |\| (?!port|---)).*", promises, re.MULTILINE):
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", line)
        assert named, f"this promise names no test: {line}"
        for file, test in named:
            code = (ROOT / "tests" / file).read_text()
            assert re.search(rf"^(?:async )?def {test}\(", code, re.MULTILINE), f"{file}::{test}"


def test_readme_names_no_setting_that_is_not_there() -> None:
    from liq.config import Settings  # noqa: PLC0415

    named = set(re.findall(r"LIQ_[A-Z_]+", README))
    assert named <= {f"LIQ_{name.upper()}" for name in Settings.model_fields}
