import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from markupsafe import Markup

from liq.config import Settings
from liq.errors import QueryError
from liq.query.queries import queries
from liq.web.dashboard.board_queries import BOARDS
from liq.web.dashboard.boards import Inspector, create_boards
from liq.web.dashboard.inspector import Inspection
from support.helpers import reached

OWN = {"Liquidated per bucket", "Price and liquidations", "Now", "Rules"}  # drawn with the data


@pytest.mark.parametrize("board", BOARDS)
def test_a_heading_has_what_its_query_answers_as_a_tooltip(board: str, tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path)
    hints = [Markup('<h2 title="{}">').format(each.summary) for each in queries(settings).values()]
    cards = [card for card in create_boards(settings)[board].cards if card.name not in OWN]
    assert cards
    for card in cards:
        heading = card.widget.children[1].value
        assert heading.striptags().startswith(card.name)
        assert any(heading.startswith(hint) for hint in hints), heading


@pytest.mark.parametrize("board", BOARDS)
def test_the_grid_of_a_board_has_the_boards_name_as_its_class(board: str, tmp_path: Path) -> None:
    grid = create_boards(Settings.load(home=tmp_path))[board].widget
    assert grid._dom_classes == ("liq-board", f"liq-{board.lower()}")


def test_without_a_catalogue_headings_have_no_tooltip(tmp_path: Path) -> None:
    broken = tmp_path / "queries.json"
    broken.write_text("{")
    boards = create_boards(Settings.load(home=tmp_path, queries=broken))
    headings = [card.widget.children[1].value for card in boards["Overview"].cards]
    assert not any("title" in heading for heading in headings)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, threading.Event]]:
    """Have the inspector read two prints, of which one fails, when their events are set."""
    events = {"fails": threading.Event(), "works": threading.Event()}

    def inspect(key: str, _settings: Settings) -> Inspection:
        events[key].wait(30)
        if key == "fails":
            raise QueryError("no such print")
        return Inspection({"symbol": "BTCUSDT"}, {}, None, "")

    monkeypatch.setattr("liq.web.dashboard.boards.inspect", inspect)
    yield events
    for event in events.values():
        event.set()


async def test_an_error_of_an_older_print_is_not_shown_over_a_newer_one(
    answers: dict[str, threading.Event], tmp_path: Path
) -> None:
    inspector = Inspector(Settings.load(home=tmp_path))
    inspector.show("fails")
    inspector.show("works")
    answers["works"].set()
    await reached(lambda: "BTCUSDT" in inspector._content.value)
    answers["fails"].set()
    await reached(lambda: not inspector._tasks.is_busy)
    assert inspector._boundary.fault == ""


async def test_an_older_print_does_not_remove_the_error_of_a_newer_one(
    answers: dict[str, threading.Event], tmp_path: Path
) -> None:
    inspector = Inspector(Settings.load(home=tmp_path))
    inspector.show("works")
    inspector.show("fails")
    answers["fails"].set()
    await reached(lambda: "no such print" in inspector._boundary.fault)
    answers["works"].set()
    await reached(lambda: not inspector._tasks.is_busy)
    assert "no such print" in inspector._boundary.fault
    assert inspector._content.value == ""
    inspector.show("works")
    assert inspector._boundary.fault == ""
