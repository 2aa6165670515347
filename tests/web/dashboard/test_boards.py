import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from markupsafe import Markup

from liq.config import Settings
from liq.errors import QueryError
from liq.query.queries import queries
from liq.web.dashboard.board_queries import BOARDS
from liq.web.dashboard.boards import DrawOptions, Inspector, Prices, create_boards
from liq.web.dashboard.inspector import Inspection
from liq.web.dashboard.model import DashboardModel, Frames, Results
from support.helpers import reached

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

OWN = {
    "Liquidated per bucket",
    "Price and liquidations",
    "Last 5m to 24h",
    "Rules",
}  # drawn with the data


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
    boards = create_boards(Settings.load(home=tmp_path, queries=tmp_path / "none.json"))
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
        return Inspection({"symbol": "BTCUSDT", "ts": NOON}, {}, None, "")

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
    await reached(lambda: "BTCUSDT" in inspector._content.html)
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
    assert inspector._content.html == ""
    inspector.show("works")
    assert inspector._boundary.fault == ""


async def test_the_details_follow_the_time_zone_of_the_page(
    answers: dict[str, threading.Event], tmp_path: Path
) -> None:
    inspector = Inspector(Settings.load(home=tmp_path))
    inspector.set_zone(ZoneInfo("Asia/Kolkata"))
    inspector.show("works")
    answers["works"].set()
    await reached(lambda: "2026-03-02 17:30:00.000000+05:30" in inspector._content.html)
    inspector.set_zone(UTC)
    assert "2026-03-02 12:00:00.000000 UTC" in inspector._content.html
    inspector.show("fails")
    answers["fails"].set()
    await reached(lambda: "no such print" in inspector._boundary.fault)
    inspector.set_zone(ZoneInfo("Asia/Kolkata"))
    assert "no such print" in inspector._boundary.fault
    assert inspector._content.html == ""


async def test_a_message_that_is_not_recorded_yet_is_shown_once_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = {"symbol": "BTCUSDT"}
    awaited = Inspection(shown, {}, None, "", "not yet: soon", wait_s=0.05)
    readings = [awaited, awaited, Inspection(shown, {}, None, "the message")]
    monkeypatch.setattr("liq.web.dashboard.boards.inspect", lambda *_: readings.pop(0))
    inspector = Inspector(Settings.load(home=tmp_path))
    inspector.show("any")
    await reached(lambda: "not yet" in inspector._content.html)
    inspector._close._handle_custom_msg({"type": "close"}, [])
    await reached(lambda: not inspector._tasks.is_busy)
    assert len(readings) == 2  # nobody sees what a second reading would find
    inspector.show("any")
    await reached(lambda: "the message" in inspector._content.html)
    await reached(lambda: not inspector._tasks.is_busy)
    assert readings == []


def test_the_path_of_the_price_has_the_badge_of_the_page(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    path = {
        "side": "long", "offset_s": 60.0, "mean_bps": 1.0, "q1_bps": 0.0, "median_bps": 1.0,
        "q3_bps": 2.0, "prints": 1, "not_live": 1,
    }  # fmt: skip
    sources = {"exchange": "okx", "source": "simulator", "completeness": "full", "prints": 1}
    totals = pd.DataFrame([{"prints": 1, "partial": 0}])
    away = QueryError("away")
    frames = Frames(
        common=Results({"sources": pd.DataFrame([sources]), "totals": totals}),
        board=Results({"path": pd.DataFrame([path]), "price": away, "cells": away, "net": away}),
        controls=DashboardModel(settings).controls, bucket="1m", start=now, end=now, read=now,
    )  # fmt: skip
    board = Prices(settings)
    board.draw(frames, DrawOptions("dark", None, UTC))
    notes = [note["text"] for note in board.path.spec["layout"]["annotations"]]
    assert notes == ["SIMULATED DATA"]
    board.mark("")
    path_label = board.path.label
    assert path_label.startswith("Price around large prints: longs +1.0")
    assert board.candles.label == "Price and liquidations: not read."  # its query failed
    board.mark("loading")
    assert board.path.label == "Price around large prints: loading."
    board.mark("")
    assert board.path.label == path_label
