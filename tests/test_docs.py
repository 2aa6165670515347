"""The README is short, and the documentation names everything that a user can call."""

import re
from pathlib import Path

import pytest
import typer
from document import documents
from screenshot import SCREENS, THEMES

from liq import config
from liq.cli import app
from liq.query.queries import queries
from liq.records.streams import STREAMS, Stream
from liq.web.dashboard.board_queries import BOARDS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
README = (ROOT / "README.md").read_text()
COMMAND_PAGE = (ROOT / "docs" / "commands.md").read_text()
QUERY_PAGE = (ROOT / "docs" / "queries.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()
COMMANDS = sorted(typer.main.get_group(app).commands)


def test_readme_has_150_lines_at_most() -> None:
    assert len(README.splitlines()) <= 150


def test_readme_shows_the_two_commands_and_a_picture() -> None:
    assert re.findall(r"^make \w+", README, re.MULTILINE) == ["make run", "make test"]
    assert re.search(r"^!\[.+\]\(docs/\w+\.png\)$", README, re.MULTILINE)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_readme_links_to_the_page(page: Path) -> None:
    home = page.name == "index.md"  # of the site that `make reference` builds
    assert home or f"(docs/{page.name})" in README


@pytest.mark.parametrize("board", BOARDS)
def test_docs_show_the_board_on_each_screen_in_both_themes(board: str) -> None:
    shown = (ROOT / "docs" / "screens.md").read_text()
    for screen in SCREENS:
        for theme in THEMES:
            picture = f"screens/{board.lower()}-{screen}-{theme}.png"
            assert f"![{board}, {screen}, {theme}]({picture})" in shown
            assert (ROOT / "docs" / picture).is_file(), "run: make screenshot"


@pytest.mark.parametrize("command", COMMANDS)
def test_docs_name_the_command(command: str) -> None:
    assert re.search(rf"^\| `liq {command}\b", COMMAND_PAGE, re.MULTILINE)


def test_docs_name_no_command_that_is_not_there() -> None:
    assert set(re.findall(r"^\| `liq ([a-z-]+)", COMMAND_PAGE, re.MULTILINE)) == set(COMMANDS)


def test_generated_files_are_up_to_date() -> None:
    stale = [path.name for path, text in documents().items() if path.read_text() != text]
    assert not stale, "run: make docs"


@pytest.mark.parametrize("key", sorted(queries()))
def test_docs_have_the_summary_of_the_query(key: str) -> None:
    assert f"| [`{key}`](#{key}) | {queries()[key].summary} |" in QUERY_PAGE
    assert f"\n## {key}\n" in QUERY_PAGE


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")))
def test_readme_names_the_notebook(notebook: Path) -> None:
    assert f"| `{notebook.stem}` |" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target, _, heading in re.findall(r"\]\((?!http)([^)#]*)(#([^)]+))?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not heading or heading in _anchors(file), f"{target}#{heading}"


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of ``page``."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_promise_of_security_names_a_test_that_is_there() -> None:
    promises, _, _ = SECURITY.partition("\n## What does not hold\n")
    assert promises != SECURITY
    for line in re.findall(r"^(?:- |\| (?!port|---)).*", promises, re.MULTILINE):
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", line)
        assert named, f"this promise names no test: {line}"
        for file, test in named:
            code = (ROOT / "tests" / file).read_text()
            assert re.search(rf"^(?:async )?def {test}\(", code, re.MULTILINE), f"{file}::{test}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_docs_name_no_setting_that_is_not_there(page: Path) -> None:
    named = set(re.findall(r"LIQ_[A-Z_]*[A-Z]", page.read_text()))
    assert named <= {*config.list_variables()}


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_docs_list_each_stream_with_its_defaults(stream: Stream) -> None:
    usual = stream.defaults
    kept = f"{usual.ttl_days} days" if usual.ttl_days else "for ever"
    names = f"`{usual.topic}` | `{usual.table}`"
    line = f"| `{stream.name}` | {names} | `{usual.connector}` | {kept} |"
    assert line in (ROOT / "docs" / "settings.md").read_text()
    line = f"| {names} | {kept} | `{config.name_variable(stream.name, 'ttl_days')}` |"
    assert line in (ROOT / "docs" / "scale.md").read_text()
