"""Visits of a page, without servers: which address counts, and what stays meanwhile."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from liq.analysis.links import Place
from liq.config import Settings
from liq.web.dashboard import Dashboard
from liq.web.dashboard.widgets import PageAddress
from support.helpers import find_free_ports, reached
from web.dashboard.test_view import find

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def dashboard() -> Dashboard:
    ports = find_free_ports()  # where no QuestDB answers
    return Dashboard(settings=Settings.load(questdb_pg_port=ports["questdb_pg_port"]))


@contextmanager
def slow(monkeypatch: pytest.MonkeyPatch, dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    """Have the names of an asset be checked when its event is set."""
    events = {asset: threading.Event() for asset in ("BTC", "ETH")}

    def match_names(place: Place, default: Place) -> Place:
        events[place.asset].wait(30)
        return place

    monkeypatch.setattr(dashboard, "_match_names", match_names)
    try:
        yield events
    finally:
        for event in events.values():
            event.set()


def report(dashboard: Dashboard, kind: str, query: str, number: int) -> PageAddress:
    """Send what a page sends about its address."""
    address: PageAddress = find(dashboard, PageAddress)
    address._handle_custom_msg({"type": kind, "query": query, "number": number}, [])
    return address


async def idle(dashboard: Dashboard) -> None:
    await reached(lambda: not dashboard._visits.is_busy)


async def test_the_newest_visit_counts_though_an_older_one_ends_later(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow(monkeypatch, dashboard) as checked:
        report(dashboard, "returned", "board=Prices&asset=BTC&old=1", 1)
        address = report(dashboard, "returned", "board=Cascades&asset=ETH&new=1", 2)
        checked["ETH"].set()
        await reached(lambda: address.answered == 2)
        assert (dashboard.model.board, dashboard.model.asset) == ("Cascades", "ETH")
        checked["BTC"].set()
        await idle(dashboard)
    assert (dashboard.model.board, dashboard.model.asset) == ("Cascades", "ETH")
    assert (address.query, address.answered) == ("board=Cascades&asset=ETH", 2)
    assert "new" in dashboard._ignored.value


async def test_a_visit_is_not_answered_before_the_newest_ends(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow(monkeypatch, dashboard) as checked:
        report(dashboard, "returned", "asset=BTC", 1)
        address = report(dashboard, "returned", "asset=ETH", 2)
        checked["BTC"].set()
        await asyncio.sleep(0.1)
        assert (address.query, address.answered) == ("", 0)
        checked["ETH"].set()
        await idle(dashboard)
    assert (address.query, address.answered) == ("asset=ETH", 2)


async def test_a_control_that_is_changed_meanwhile_stays(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = dashboard.model
    with slow(monkeypatch, dashboard) as checked:
        report(dashboard, "opened", "board=Prices&asset=BTC&window=12h&bucket=5m&maximum=10", 1)
        model.travel(NOON - timedelta(hours=2), NOON)
        model.min_notional = 20.0
        checked["BTC"].set()
        await idle(dashboard)
    assert (model.board, model.asset, model.bucket) == ("Prices", "BTC", "5m")
    assert (model.window, model.until) == ("2h", NOON)
    assert (model.min_notional, model.max_notional) == (20.0, 0.0)


async def test_a_window_that_grows_meanwhile_is_no_change_of_the_visitor(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = dashboard.model
    model.travel(datetime.now(UTC) - timedelta(hours=2))
    with slow(monkeypatch, dashboard) as checked:
        report(dashboard, "returned", "asset=BTC&window=4h", 1)
        monkeypatch.setattr("liq.web.dashboard.model._measure_since", lambda _: "125m")
        model.extend()
        checked["BTC"].set()
        await idle(dashboard)
    assert (model.asset, model.window, model.since) == ("BTC", "4h", None)


async def test_the_browsers_back_keeps_the_theme_and_the_time_zone(dashboard: Dashboard) -> None:
    model = dashboard.model
    report(dashboard, "opened", "theme=light&zone=local&board=Prices", 1)
    await idle(dashboard)
    assert (model.theme, model.zone, model.board) == ("light", "local", "Prices")
    address = report(dashboard, "returned", "bucket=5m", 2)
    await idle(dashboard)
    assert (model.theme, model.zone, model.board, model.bucket) == (
        "light", "local", "Overview", "5m"
    )  # fmt: skip
    assert (address.query, address.answered) == ("bucket=5m&theme=light&zone=local", 2)


async def test_a_visit_that_fails_is_answered_too(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(place: Place) -> None:
        raise RuntimeError(place.board)

    monkeypatch.setattr(dashboard.model, "show", fail)
    address = report(dashboard, "returned", "board=Prices", 1)
    await idle(dashboard)
    assert address.answered == 1
    assert "Prices" in dashboard._actions.fault
