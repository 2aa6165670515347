import asyncio
import io
import math
import re
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from liq.analysis import charts
from liq.analysis.charts.base import BOUND
from liq.common import files
from liq.config import Settings
from liq.errors import QueryError
from liq.query import questdb
from liq.records.model import Alert, Severity, Text
from liq.records.streams import LIQUIDATIONS
from liq.web.dashboard import Dashboard, State, model, view
from liq.web.dashboard.board_queries import BOARDS
from liq.web.dashboard.boards import Overview, Prices
from liq.web.dashboard.widgets import (
    UPLOT_JS,
    AmountField,
    CloseButton,
    Download,
    PageAddress,
    PageHeartbeat,
    Picker,
    PickTable,
    Plot,
    PricePlot,
    RuleForm,
    Tabs,
    find_plotly_js,
)
from support.helpers import PATIENCE_S, eventually, find_free_ports, reached
from support.proxy import Proxy
from support.rows import insert, insert_alerts
from web.dashboard.conftest import fresh

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("unhurried")]
LIVE = ">live</b>"  # in the page's header


def everything(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything(child)


def find(dashboard: Dashboard, kind: type, **traits: Any) -> Any:
    (found,) = (
        widget
        for widget in everything(dashboard.widget)
        if isinstance(widget, kind)
        and all(getattr(widget, name) == value for name, value in traits.items())
    )
    return found


def page(dashboard: Dashboard) -> str:
    shown = (
        getattr(w, "html", "") or getattr(w, "value", "")
        for w in everything(dashboard.widget)
        if isinstance(w, (widgets.HTML, PickTable, RuleForm))
    )
    return "".join(text for text in shown if not text.startswith("<style>"))


def overview(dashboard: Dashboard) -> Overview:
    panel = dashboard.boards["Overview"]
    assert isinstance(panel, Overview)
    return panel


def drawn(plot: Plot, trace: int = 0) -> list[float]:
    return [value for value in plot.spec["data"][trace]["y"] if value]


def open_page(dashboard: Dashboard, *, paint: bool = True) -> None:
    """Send the messages of a visible page; without ``paint`` it never reports a painted update."""
    found = find(dashboard, PageHeartbeat)
    if paint:
        found.observe(lambda change: report_painted(found, change["new"]), "update")
    found._handle_custom_msg({"type": "visible"}, [])


def note_readings(monkeypatch: pytest.MonkeyPatch) -> list[model.Reading]:
    """Return a list that gets each reading which a dashboard applies."""
    readings: list[model.Reading] = []
    apply = model.DashboardModel.apply

    def noted(self: model.DashboardModel, reading: model.Reading) -> bool:
        readings.append(reading)
        return apply(self, reading)

    monkeypatch.setattr(model.DashboardModel, "apply", noted)
    return readings


def type_into(picker: AmountField | Picker, text: str) -> None:
    """Send what a page sends for a typed text."""
    picker._handle_custom_msg({"type": "typed", "text": text}, [])


def report_painted(heartbeat: PageHeartbeat, update: int) -> None:
    heartbeat._handle_custom_msg({"type": "painted", "update": update}, [])


def test_first_frames_are_drawn_when_it_is_built(own: Settings) -> None:
    insert(own, [fresh(100), fresh(40, side="short", source="simulator")])
    dashboard = Dashboard(settings=own)
    assert drawn(overview(dashboard).bars) == [100]
    assert drawn(overview(dashboard).bars, 1) == [40]
    assert drawn(overview(dashboard).net) == [60]
    assert overview(dashboard).symbols.spec["data"][0]["y"] == ["BTCUSDT"]
    assert overview(dashboard).exchanges.spec["data"][0]["y"] == [f"{BOUND}binance_usdm"]
    shown = page(dashboard)
    for text in ("PARTLY SIMULATED DATA", "$100", "BTCUSDT", f"{BOUND}$40", "Liquidated per 1m"):
        assert text in shown
    notes = [note["text"] for note in overview(dashboard).bars.spec["layout"]["annotations"]]
    assert notes == ["PARTLY SIMULATED DATA"]


def test_a_window_that_grows_keeps_the_zoom_and_what_the_tape_holds(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(own, [fresh(100)])
    dashboard = Dashboard(settings=own)
    prices = dashboard.boards["Prices"]
    assert isinstance(prices, Prices)

    def list_marks() -> list[object]:
        for board in ("Overview", "Prices"):
            dashboard.model.board = board
            dashboard._show(dashboard.model.read())
        zoom = overview(dashboard).bars.spec["layout"]["uirevision"]
        return [overview(dashboard).tape.scope, prices.candles.spec["revision"], zoom]

    dashboard.model.travel(datetime.now(UTC) - timedelta(hours=2))
    before, window = list_marks(), dashboard.model.window
    monkeypatch.setattr(model, "_measure_since", lambda _: "125m")
    dashboard.model.extend()
    assert dashboard.model.window != window
    assert list_marks() == before
    dashboard.model.window = "4h"
    assert not {*list_marks()} & {*before}


async def test_the_dashboard_redraws_only_for_newer_rows(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "_SLIDE", timedelta(hours=1))  # which would redraw as well
    insert(own, [fresh(100)])
    readings = note_readings(monkeypatch)
    dashboard = Dashboard(settings=own, interval=0.1)
    redraws: list[object] = []
    overview(dashboard).bars.observe(redraws.append, "spec")
    dashboard.start()
    dashboard.start()  # once more changes nothing
    open_page(dashboard)
    before = len(readings)
    await reached(lambda: len(readings) > before + 5)
    assert redraws == []
    await asyncio.to_thread(insert, own, [fresh(200)])
    await reached(lambda: sum(drawn(overview(dashboard).bars)) == 300)
    assert len(redraws) == 1
    tasks = list(dashboard._tasks)
    dashboard.stop()
    await asyncio.wait(tasks)
    await asyncio.to_thread(insert, own, [fresh(400)])
    assert sum(drawn(overview(dashboard).bars)) == 300


async def test_the_dashboard_pauses_while_the_page_is_hidden(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dashboard = Dashboard(settings=own, interval=0.1)
    dashboard.start()
    await asyncio.to_thread(insert, own, [fresh(100)])
    await asyncio.sleep(0.5)  # five intervals: a dashboard that pauses gives no event
    assert drawn(overview(dashboard).bars) == []
    open_page(dashboard)
    await reached(lambda: drawn(overview(dashboard).bars) == [100])
    monkeypatch.setattr("liq.web.dashboard.widgets.TIMEOUT_S", 0.0)
    await asyncio.sleep(3)  # a reading that was on its way ends, which gives no event
    await asyncio.to_thread(insert, own, [fresh(200)])
    await asyncio.sleep(0.5)  # five intervals, as above
    assert drawn(overview(dashboard).bars) == [100]
    dashboard.stop()


async def test_a_slow_page_is_sent_no_more_until_it_has_painted(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.web.dashboard.widgets.PAINT_TIMEOUT_S", PATIENCE_S)
    insert(own, [fresh(100)])
    dashboard = Dashboard(settings=own, interval=0.1)
    dashboard.start()
    open_page(dashboard, paint=False)
    page = find(dashboard, PageHeartbeat)
    await asyncio.to_thread(insert, own, [fresh(200)])
    await reached(lambda: sum(drawn(overview(dashboard).bars)) == 300)
    await asyncio.to_thread(insert, own, [fresh(400)])
    await asyncio.sleep(1)  # ten intervals: a dashboard that waits for the page gives no event
    assert sum(drawn(overview(dashboard).bars)) == 300
    report_painted(page, page.update - 1)  # an earlier update
    await asyncio.sleep(0.5)  # five intervals, as above
    assert sum(drawn(overview(dashboard).bars)) == 300
    report_painted(page, page.update)
    await reached(lambda: sum(drawn(overview(dashboard).bars)) == 700)
    dashboard.stop()


async def test_a_page_that_never_reports_painting_is_not_waited_for_long(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.web.dashboard.widgets.PAINT_TIMEOUT_S", 0.2)
    insert(own, [fresh(100)])
    dashboard = Dashboard(settings=own, interval=0.1)
    dashboard.start()
    open_page(dashboard, paint=False)
    for more in (200, 400):
        total = sum(drawn(overview(dashboard).bars)) + more
        await asyncio.to_thread(insert, own, [fresh(more)])
        await reached(partial(_adds_up_to, dashboard, total))
    dashboard.stop()


def _adds_up_to(dashboard: Dashboard, total: float) -> bool:
    return sum(drawn(overview(dashboard).bars)) == total


async def test_lives_through_an_outage(own: Settings) -> None:
    insert(own, [fresh(100)])
    with Proxy(own.questdb_pg_port) as proxy:
        settings = own.model_copy(update={"questdb_pg_port": proxy.port})
        dashboard = Dashboard(settings=settings, interval=0.1)
        dashboard.start()
        open_page(dashboard)
        proxy.cut()
        await reached(lambda: dashboard.model.state is State.FAILED)
        assert "Cannot read the data" in page(dashboard)
        assert "liq-outdated" in dashboard.widget._dom_classes
        assert drawn(overview(dashboard).bars) == [100]
        await asyncio.to_thread(insert, own, [fresh(200)])
        proxy.restore()
        await reached(lambda: sum(drawn(overview(dashboard).bars)) == 300)
        assert "Cannot read the data" not in page(dashboard)
        assert "liq-outdated" not in dashboard.widget._dom_classes
        dashboard.stop()


async def test_says_when_questdb_hangs(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_SLOW", 0.3)
    insert(own, [fresh(100)])
    with Proxy(own.questdb_pg_port) as proxy:
        settings = own.model_copy(update={"questdb_pg_port": proxy.port})
        dashboard = Dashboard(settings=settings, interval=0.1)
        dashboard.start()
        open_page(dashboard)
        proxy.stall()
        await reached(lambda: "QuestDB does not answer" in page(dashboard))
        proxy.restore()
        await reached(lambda: dashboard.model.state is State.LIVE)
        dashboard.stop()


async def test_the_page_shows_its_errors_and_goes_on(own: Settings, tmp_path: Path) -> None:
    insert(own, [fresh(100)])
    shipped = files.find_asset("queries.json").read_text()
    catalogue = tmp_path / "queries.json"
    catalogue.write_text(shipped)
    settings = own.model_copy(update={"queries": catalogue})
    dashboard = Dashboard(settings=settings, interval=0.1)
    dashboard.start()
    open_page(dashboard)
    catalogue.write_text(shipped.replace("AS largest_usd", "AS biggest"))  # a column less
    await asyncio.to_thread(insert, own, [fresh(200)])
    await reached(lambda: "Figures: AttributeError" in page(dashboard))
    assert dashboard.model.state is State.BROKEN
    catalogue.write_text(shipped)
    await reached(lambda: dashboard.model.state is State.LIVE)
    assert "$300" in page(dashboard)
    dashboard.stop()


def raise_(error: Exception) -> None:
    raise error


async def test_an_error_of_a_panel_is_shown_in_that_panel_until_it_is_gone(
    own: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    insert(own, [fresh(100)])
    dashboard = Dashboard(settings=own, interval=0.1)
    dashboard.start()
    open_page(dashboard)
    await reached(lambda: dashboard.model.state is State.LIVE)
    with monkeypatch.context() as patch:
        odd = ValueError("<img src=x onerror=alert(1)>")
        patch.setattr(charts.top_symbols, "spec", lambda *_args, **_more: raise_(odd))
        await asyncio.to_thread(insert, own, [fresh(200)])
        await reached(lambda: sum(drawn(overview(dashboard).bars)) == 300)
        await reached(lambda: dashboard.model.state is State.BROKEN)
        shown = page(dashboard)
        assert "Top symbols: ValueError: &lt;img src=x" in shown
        assert "<code>liq logs dashboard</code>" in shown
        assert "part of the page is broken" in shown
        assert LIVE not in shown
        assert "Traceback" in caplog.text
        assert "raise error" in caplog.text
    await asyncio.to_thread(insert, own, [fresh(400)])
    await reached(lambda: dashboard.model.state is State.LIVE)
    assert "ValueError" not in page(dashboard)
    dashboard.stop()


@pytest.mark.parametrize("part", ["header", "notice"])
async def test_a_header_that_raises_does_not_look_live(
    own: Settings, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    insert(own, [fresh(100)])
    dashboard = Dashboard(settings=own, interval=0.1)
    dashboard.start()
    open_page(dashboard)
    await reached(lambda: LIVE in page(dashboard))
    with monkeypatch.context() as patch:
        patch.setattr(
            f"liq.web.dashboard.markup.render_{part}", lambda _model: raise_(KeyError("odd"))
        )
        await reached(lambda: "the header is broken" in page(dashboard))
        assert LIVE not in page(dashboard)
        assert "Header: KeyError" in page(dashboard)
    await reached(lambda: LIVE in page(dashboard))
    dashboard.stop()


@pytest.mark.parametrize("step", ["apply", "read"])
async def test_the_page_lives_on_after_an_error_of_the_model(
    own: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    insert(own, [fresh(100)])
    failures: list[RuntimeError] = []

    def fail(*_args: object) -> None:
        failures.append(RuntimeError("odd"))
        raise failures[-1]

    with monkeypatch.context() as patch:
        patch.setattr(model.DashboardModel, step, fail)
        dashboard = Dashboard(settings=own, interval=0.1)
        assert "RuntimeError: odd" in page(dashboard)
        dashboard.start()
        before = len(failures)
        open_page(dashboard)
        await reached(lambda: len(failures) > before)
        assert LIVE not in page(dashboard)
    await reached(lambda: LIVE in page(dashboard))
    assert drawn(overview(dashboard).bars) == [100]
    dashboard.stop()


def test_an_error_of_a_control_is_shown_until_the_next_control_works(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dashboard = Dashboard(settings=own)
    back = find(dashboard, widgets.Button, description="Earlier")
    with monkeypatch.context() as patch:
        patch.setattr(
            model.DashboardModel, "step", lambda *_args: raise_(OverflowError("too long ago"))
        )
        back.click()
        assert "Controls: OverflowError: too long ago" in page(dashboard)
    back.click()
    assert "OverflowError" not in page(dashboard)
    brush = {"type": "brush", "from": 0, "to": 1e30}
    overview(dashboard).bars._handle_custom_msg(brush, [])
    assert "Controls: " in page(dashboard)


def test_odd_rows_of_another_program_are_counted_and_stop_nothing(own: Settings) -> None:
    insert(own, [fresh(100)])
    columns = "ts, recv_ts, event_id, notional, source, side, completeness"
    table = LIQUIDATIONS.table(own)
    sql = f"INSERT INTO {table} ({columns}) VALUES (now(), now(), 1, 5.0, %s, %s, %s)"  # noqa: S608
    for odd in (["martian", "sideways", "some"], [None, None, None]):
        questdb.execute(sql, odd, own)
    eventually(lambda: questdb.read_wal_state(LIQUIDATIONS.table(own), own).pending == 0)
    dashboard = Dashboard(settings=own)
    for board in BOARDS:
        dashboard.model.board = board
        dashboard.wait(0.1)
        assert dashboard.model.faults == ()
        assert "2 odd row(s) left out" in page(dashboard)


async def test_the_page_gets_signs_of_life_and_an_age_that_grows(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "_BEAT", 0.05)
    insert(own, [fresh(100)])
    dashboard = Dashboard(settings=own, interval=60)
    found = find(dashboard, PageHeartbeat)
    dashboard.start()
    await asyncio.sleep(0.3)  # six heartbeats: a hidden page gets none
    assert found.beat == 0
    open_page(dashboard)
    await reached(lambda: found.beat > 3)
    before = dashboard._header.value
    await reached(lambda: dashboard._header.value != before)
    dashboard.stop()


async def test_a_page_is_built_though_questdb_hangs(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "_FIRST_TIMEOUT", 0.3)
    insert(own, [fresh(100)])
    with Proxy(own.questdb_pg_port) as proxy:
        proxy.stall()
        settings = own.model_copy(update={"questdb_pg_port": proxy.port})
        dashboard = await asyncio.to_thread(Dashboard, settings=settings, interval=0.1)
        assert "the reading takes long" in page(dashboard)
        assert "Cannot read" not in page(dashboard)  # nothing has failed yet
        proxy.restore()
        dashboard.start()
        open_page(dashboard)
        await reached(lambda: dashboard.model.state is State.LIVE)
        dashboard.stop()


async def test_a_control_is_followed_at_once(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(own, [fresh(100), fresh(5000, symbol="ETHUSDT")])
    readings = note_readings(monkeypatch)
    dashboard = Dashboard(settings=own, interval=60)
    dashboard.start()
    before = len(readings)
    open_page(dashboard)
    await reached(lambda: len(readings) > before)
    least = find(dashboard, AmountField)
    type_into(least, "-50")
    assert "'-50' is no size" in least.error
    type_into(least, "1K")
    assert (least.value, least.error) == ("1000", "")
    await reached(lambda: drawn(overview(dashboard).bars) == [5000])
    type_into(find(dashboard, Picker, label="Symbols"), "btcusdt")
    await reached(lambda: drawn(overview(dashboard).bars) == [])
    assert "No liquidations match" in page(dashboard)
    dashboard.stop()


def test_figures_of_controls_that_were_not_read_are_unknown(own: Settings) -> None:
    dashboard = Dashboard(settings=own, symbols=["NONE"])
    assert "nothing recorded" in page(dashboard)
    dashboard.model.disconnections = "okx was disconnected"
    dashboard.draw()
    assert "okx was disconnected" in page(dashboard)
    dashboard.model.symbols = []
    assert "okx was disconnected" not in page(dashboard)
    assert "nothing recorded" not in page(dashboard)
    assert "No liquidations match" not in page(dashboard)
    assert "no row has" not in page(dashboard)
    assert "<b>…</b>" in page(dashboard)


def test_numbers_of_other_controls_are_marked_until_those_of_the_chosen_are_read(
    own: Settings,
) -> None:
    insert(own, [fresh(100)])
    dashboard = Dashboard(settings=own)
    shown, now = dashboard.model, datetime.now(UTC)

    def is_marked() -> bool:
        figures, classes = dashboard._figures.value, dashboard.widget._dom_classes
        assert ("$100" in figures, "<b>…</b>" in figures) in ((True, False), (False, True))
        assert ("<b>…</b>" in figures) == ("liq-awaiting" in classes)
        bars = overview(dashboard).bars.label
        assert bars.endswith(": loading.") == ("liq-awaiting" in classes)
        assert find(dashboard, Tabs).is_busy == ("liq-awaiting" in classes)
        return "liq-awaiting" in classes

    assert not is_marked()
    headers: list[bool] = []  # the mark must not come after a header with the new time
    dashboard._header.observe(
        lambda _: headers.append("liq-awaiting" in dashboard.widget._dom_classes), "value"
    )
    shown.choose_window("7d")
    assert headers
    assert all(headers)
    shown.go_back()
    changes: list[Callable[[], None]] = [
        lambda: shown.choose_window("4h"),
        lambda: shown.travel(now - timedelta(days=1)),
        lambda: shown.travel(now - timedelta(days=1), now - timedelta(minutes=1)),
    ]
    for change in changes:
        change()
        assert is_marked()
        shown.go_back()
        assert not is_marked()
    for trait, value in (
        ("bucket", "5m"), ("asset", "BTC"), ("exchanges", ["binance_usdm"]),
        ("symbols", ["BTCUSDT"]), ("min_notional", 1.0), ("max_notional", 1e6),
    ):  # fmt: skip
        reading = shown.read()
        shown.set_trait(trait, value)
        dashboard._show(reading)  # it began before the change
        assert is_marked()
        dashboard._show(shown.read())
        assert not is_marked()
    shown.board, shown.theme = "Feeds", "light"
    assert not is_marked()


def test_controls_and_model_are_linked_both_ways(own: Settings) -> None:
    insert(own, [fresh(100), fresh(50, symbol="ETHUSDT")])
    dashboard = Dashboard(
        settings=own, bucket="5s", window="2h", symbols=["XRPUSDT"], min_notional=5
    )
    assert find(dashboard, widgets.Dropdown, description="Bucket").value == "5s"
    window = find(dashboard, widgets.Dropdown, description="Window")
    assert window.value == "2h"  # none of the usual ones, but offered
    window.value = "15m"
    assert dashboard.model.window == "15m"
    symbols = find(dashboard, Picker, label="Symbols")
    assert symbols.options == [["BTCUSDT", "BTC"], ["ETHUSDT", "BTC"]]
    assert symbols.value == ["XRPUSDT"]
    symbols.value = []
    assert dashboard.model.symbols == []
    pause = find(dashboard, widgets.ToggleButton, description="Pause")
    pause.value = True
    assert dashboard.model.paused
    assert pause.description == "Resume"


def test_symbols_of_the_chosen_asset_are_offered(own: Settings) -> None:
    insert(own, [fresh(100), fresh(500, symbol="ETHUSDT", asset="ETH")])
    dashboard = Dashboard(settings=own, asset="ETH")
    symbols = find(dashboard, Picker, label="Symbols")
    assert symbols.options == [["ETHUSDT", "ETH"]]  # others have no prints of it
    dashboard.model.asset = ""
    assert symbols.options == [["ETHUSDT", "ETH"], ["BTCUSDT", "BTC"]]


def test_an_asset_is_typed_in_any_case_and_another_one_takes_its_place(own: Settings) -> None:
    insert(own, [fresh(100), fresh(500, symbol="ETHUSDT", asset="ETH")])
    dashboard = Dashboard(settings=own, asset="BTC")
    asset = find(dashboard, Picker, label="Asset")
    assert asset.options == [["ETH", ""], ["BTC", ""]]  # the largest first
    assert asset.value == ["BTC"]
    type_into(asset, "eth")
    assert (dashboard.model.asset, asset.value) == ("ETH", ["ETH"])
    type_into(asset, "btc, eth")
    assert "choose one asset, not 2" in asset.error
    type_into(asset, "ETC")
    assert asset.error.startswith("no row has the asset 'ETC'; nearest: ETH")
    assert dashboard.model.asset == "ETH"
    asset.value = []
    assert dashboard.model.asset == ""
    dashboard.model.asset = "BTC"  # as a click on a chart
    assert asset.value == ["BTC"]


def test_a_name_is_typed_in_any_case_and_a_wrong_one_is_reported(own: Settings) -> None:
    insert(own, [fresh(100), fresh(50, symbol="ETHUSDT")])
    dashboard = Dashboard(settings=own)
    symbols = find(dashboard, Picker, label="Symbols")
    type_into(symbols, "ethusdt, BTCUSDT")
    assert dashboard.model.symbols == symbols.value == ["ETHUSDT", "BTCUSDT"]
    type_into(symbols, "ETHUSDT")  # once is enough
    type_into(symbols, "ETHUSD")
    assert dashboard.model.symbols == ["ETHUSDT", "BTCUSDT"]
    assert symbols.error.startswith("no row has the symbol 'ETHUSD'; nearest: ETHUSDT")
    assert "no row has" not in page(dashboard)  # the field alone shows it
    type_into(find(dashboard, Picker, label="Venues"), "ByBit")
    assert dashboard.model.exchanges == ["bybit"]
    type_into(symbols, "ETHUSDT")
    assert symbols.error == ""


def test_theme_is_of_page_and_charts(own: Settings) -> None:
    dashboard = Dashboard(settings=own)
    dark = overview(dashboard).bars.spec["layout"]["paper_bgcolor"]
    assert "liq-dark" in dashboard.widget._dom_classes
    button = find(dashboard, widgets.Button, description="Light")  # the other theme's name
    button.click()
    assert overview(dashboard).bars.spec["layout"]["paper_bgcolor"] != dark
    assert "liq-light" in dashboard.widget._dom_classes
    assert "liq-dark" not in dashboard.widget._dom_classes
    assert (button.description, button.tooltip) == ("Dark", "show the page in the dark theme")
    button.click()
    assert (dashboard.theme, button.description) == ("dark", "Light")


def test_unknown_theme_is_answered_with_the_valid_ones(own: Settings) -> None:
    with pytest.raises(QueryError, match="theme='drak' is not a choice, did you mean 'dark'"):
        Dashboard(settings=own, theme="drak")  # type: ignore[arg-type]


def test_every_board_has_its_panel_and_only_one_is_on_the_page(own: Settings) -> None:
    insert(own, [fresh(100)])
    dashboard = Dashboard(settings=own)
    assert list(dashboard.boards) == list(BOARDS)
    tabs = find(dashboard, Tabs)
    for board, panel in dashboard.boards.items():
        tabs.value = board
        dashboard.wait(0.1)
        assert panel.widget in everything(dashboard.widget)
        others = [other for other in dashboard.boards.values() if other is not panel]
        assert not any(other.widget in everything(dashboard.widget) for other in others)


def test_alerts_stand_above_every_board_while_they_are_young(own: Settings) -> None:
    now = datetime.now(UTC)
    young, old = (
        Alert(
            ts=round((now - age).timestamp() * 1e6), rule=rule, message=Text(f"{rule} fell"),
            severity=Severity.CRITICAL, value=2.0, threshold=1.0, query="totals",
            measure="long_usd", live=False,
        )
        for rule, age in (("young", timedelta(minutes=1)), ("old", timedelta(hours=2)))
    )  # fmt: skip
    insert_alerts(own, [young, old])
    dashboard = Dashboard(settings=own)
    assert "young fell" in page(dashboard)
    assert "old fell" not in page(dashboard)
    dashboard.model.board = "Alerts"
    assert dashboard.model.poll()
    dashboard.draw()
    assert "old fell" in page(dashboard)
    assert "long_burst" in page(dashboard)


def test_a_range_drawn_on_a_chart_becomes_the_window(own: Settings) -> None:
    insert(own, [fresh(100, age=1800), fresh(7)])
    dashboard = Dashboard(settings=own)
    before = overview(dashboard).bars.spec["layout"]["uirevision"]
    now = time.time() * 1000
    half_an_hour_ago = {"type": "brush", "from": now - 1_860_000, "to": now - 1_740_000}
    overview(dashboard).net._handle_custom_msg(half_an_hour_ago, [])
    assert find(dashboard, widgets.Dropdown, description="Window").value == "2m"
    dashboard.wait(0.1)
    assert dashboard.model.state is State.HISTORY
    assert drawn(overview(dashboard).bars) == [100]
    assert "The window ends in the past" in page(dashboard)
    assert overview(dashboard).bars.spec["layout"]["uirevision"] != before
    find(dashboard, widgets.Button, description="Live").click()
    assert find(dashboard, widgets.Dropdown, description="Window").value == "1h"
    dashboard.wait(0.1)
    assert sorted(drawn(overview(dashboard).bars)) == [7, 100]
    find(dashboard, widgets.Button, description="Earlier").click()
    assert dashboard.model.until is not None
    overview(dashboard).bars._handle_custom_msg({"type": "unbrush"}, [])
    assert dashboard.model.until is None


def test_a_range_drawn_on_the_future_part_of_the_running_bucket_is_undone(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dashboard = Dashboard(settings=own)
    chart, sent = overview(dashboard).bars, list[object]()
    monkeypatch.setattr(chart, "send", lambda content, *_args: sent.append(content))
    soon = time.time() * 1000 + 60_000
    chart._handle_custom_msg({"type": "brush", "from": soon, "to": soon + 60_000}, [])
    assert sent == [{"type": "undo"}]
    assert (dashboard.model.since, dashboard.model.until) == (None, None)
    assert "Controls: " not in page(dashboard)


def test_a_range_drawn_on_a_chart_of_local_times_is_the_range_that_was_seen(own: Settings) -> None:
    insert(own, [fresh(100)])
    dashboard = Dashboard(settings=own)
    find(dashboard, PageAddress)._handle_custom_msg(
        {"type": "visitor", "zone": "Asia/Kolkata", "theme": "dark"}, []
    )
    before = overview(dashboard).bars.spec["layout"]["xaxis"]["range"]
    find(dashboard, widgets.Dropdown, description="Time zone").value = "local"
    after = overview(dashboard).bars.spec["layout"]["xaxis"]["range"]
    shift = pd.Timestamp(after[0]) - pd.Timestamp(before[0])
    assert shift == pd.Timedelta(hours=5, minutes=30)
    assert "time (Asia/Kolkata)" in page(dashboard)
    assert find(dashboard, PageAddress).query == "zone=local"
    seen = [pd.Timestamp(after[0], tz="UTC").timestamp() * 1000 + each for each in (0, 60_000)]
    overview(dashboard).bars._handle_custom_msg(
        {"type": "brush", "from": seen[0], "to": seen[1]}, []
    )
    assert dashboard.model.until == pd.Timestamp(before[0], tz="UTC") + pd.Timedelta("60s")
    assert dashboard.model.window == "1m"


def test_the_theme_is_the_browsers_unless_one_was_chosen(own: Settings) -> None:
    light = {"type": "visitor", "zone": "UTC", "theme": "light"}
    dashboard = Dashboard(settings=own)
    address = find(dashboard, PageAddress)
    address._handle_custom_msg(light, [])
    assert (dashboard.theme, address.query) == ("light", "")
    find(dashboard, widgets.Button, description="Dark").click()
    assert (dashboard.theme, address.query) == ("dark", "theme=dark")
    address._handle_custom_msg(light, [])  # the browser's preference changes nothing now
    assert dashboard.theme == "dark"
    address._handle_custom_msg({"type": "visitor", "zone": None, "theme": "<b>"}, [])
    assert dashboard.theme == "dark"
    chosen = Dashboard(settings=own, theme="dark")
    find(chosen, PageAddress)._handle_custom_msg(light, [])
    assert chosen.theme == "dark"


async def test_the_last_cascade_is_one_click_away(own: Settings) -> None:
    large = [fresh(1000, age=7200 + each) for each in range(5)]
    newest = [fresh(10, age=3600 + each) for each in range(5)]
    await asyncio.to_thread(insert, own, [*large, *newest])
    dashboard = Dashboard(settings=own)
    find(dashboard, widgets.Button, description="Last cascade").click()
    await reached(lambda: dashboard.model.until is not None)
    start, end = dashboard.model.span
    assert start.timestamp() < newest[-1].ts / 1e6 < newest[0].ts / 1e6 < end.timestamp()
    assert end - start < timedelta(minutes=11)
    find(dashboard, widgets.Button, description="Back").click()
    assert (dashboard.model.window, dashboard.model.until) == ("1h", None)
    dashboard.model.min_notional = 5000
    find(dashboard, widgets.Button, description="Last cascade").click()
    await reached(lambda: "no cascade matches the controls in the last 1d" in page(dashboard))
    assert dashboard.model.until is None


def test_charts_have_their_numbers_in_a_sentence(own: Settings) -> None:
    insert(own, [fresh(100), fresh(50, side="short", symbol="ETHUSDT", base="ETH")])
    dashboard = Dashboard(settings=own)
    for board in BOARDS:
        dashboard.model.board = board
        dashboard.wait(0.1)
        plots = [
            each for each in everything(dashboard.boards[board].widget) if isinstance(each, Plot)
        ]
        assert all(plot.label.endswith(".") for plot in plots)
    assert overview(dashboard).bars.label.startswith("Liquidated per 1m: longs $100, shorts $50;")
    assert overview(dashboard).symbols.label == (  # the venue's feed shows part of its prints
        "Top symbols: BTCUSDT $100, ETHUSDT $50. Sums are at least these."
    )


async def test_a_picked_print_is_inspected(own: Settings) -> None:
    await asyncio.to_thread(insert, own, [fresh(100, age=60)])
    dashboard = Dashboard(settings=own)
    tape = overview(dashboard).tape
    (escaped,) = re.findall('data-key="(.+?)"', tape.html)
    key = Markup(escaped).unescape()  # noqa: S704 - only to be read
    tape._handle_custom_msg({"type": "pick", "key": key}, [])
    await reached(lambda: "As stored" in page(dashboard))
    for text in ("not recorded", "the venue's documentation", "forceOrder"):
        assert text in page(dashboard)
    tape._handle_custom_msg({"type": "pick", "key": key.replace("USDT", "EUR")}, [])
    await reached(lambda: "no print of binance_usdm BTCEUR" in page(dashboard))
    assert "As stored" not in page(dashboard)
    tape._handle_custom_msg({"type": "pick", "key": "no key"}, [])
    await reached(lambda: "Inspector: DecodeError" in page(dashboard))
    find(dashboard, CloseButton)._handle_custom_msg({"type": "close"}, [])
    assert "liq-hidden" in dashboard._inspector.widget._dom_classes


Sent = list[tuple[dict[str, str], list[bytes]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What a download sends to its page."""
    messages: Sent = []
    monkeypatch.setattr(
        Download, "send", lambda _self, content, buffers=(): messages.append((content, buffers))
    )
    return messages


@pytest.mark.parametrize(("kind", "read"), [("CSV", pd.read_csv), ("Parquet", pd.read_parquet)])
async def test_prints_can_be_saved(
    own: Settings, kind: str, read: Callable[[Any], pd.DataFrame], sent: Sent
) -> None:
    await asyncio.to_thread(insert, own, [fresh(100), fresh(50, symbol="ETHUSDT"), fresh(900)])
    dashboard = Dashboard(settings=own, symbols=["BTCUSDT"])
    download = find(dashboard, Download)
    download._handle_custom_msg({"type": "request", "kind": "exe"}, [])
    download._handle_custom_msg({"type": "request", "kind": kind}, [])
    await reached(lambda: bool(sent))
    [(message, [content])] = sent
    assert message["type"] == "file"
    dates = r"\d{8}T\d{6}Z_\d{8}T\d{6}Z"
    assert re.fullmatch(rf"liquidations_{dates}_BTCUSDT\.{kind.lower()}", message["name"])
    assert sorted(read(io.BytesIO(content))["notional"]) == [100, 900]


async def test_a_download_that_fails_shows_its_reason(
    own: Settings, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(insert, own, [fresh(100), fresh(900)])
    dashboard = Dashboard(settings=own)
    download = find(dashboard, Download)

    async def answer() -> str:
        sent.clear()
        download._handle_custom_msg({"type": "request", "kind": "CSV"}, [])
        await reached(lambda: bool(sent))
        return sent[0][0]["text"]

    with monkeypatch.context() as patch:
        patch.setattr("liq.web.dashboard.controls._MAX_PRINTS", 1)
        assert 'liq.export("prints", "prints.csv", window="1h")' in await answer()
    dashboard.model.symbols = ["ETHUSDT"]  # the prints on the page are not of this choice
    assert await answer() == "the prints of this choice are being read: try again"
    dashboard.model.symbols = []
    dashboard.model.settings = own.model_copy(update=find_free_ports())
    assert "liq up" in await answer()
    monkeypatch.setattr(download, "_make", lambda _kind: 1 / 0)
    assert "ZeroDivisionError" in await answer()


def test_bounded_run_draws_or_fails(own: Settings, tmp_path: Path) -> None:
    empty = Dashboard(settings=own, interval=0.1)
    empty.wait(None)
    with pytest.raises(QueryError, match=r"nothing to draw after 0\.3 s: .*start a producer"):
        empty.wait(0.3)
    insert(own, [fresh(100)])
    empty.wait(0.3)
    assert drawn(overview(empty).bars) == [100]
    away = Dashboard(settings=Settings.load(home=tmp_path, **find_free_ports()))
    assert "Cannot read the data" in page(away)
    with pytest.raises(QueryError, match="liq up"):
        away.wait(0.1)


def test_a_chart_sends_long_columns_as_typed_arrays() -> None:
    moments = pd.date_range("2026-01-01", periods=40, freq="s", tz="UTC")
    texts = [f"{moment:%Y-%m-%dT%H:%M:%S}.000" for moment in moments]
    values = [None, *range(39)]
    names = [f"A{number}" for number in range(40)]
    trace = {"x": texts, "y": values, "close": values, "name": "long"}
    short = {"x": texts[:3], "y": [1, 2, 3]}
    plot = Plot(spec={"data": [trace, short, {"x": values, "y": names}], "layout": {}})
    first, second, third = plot.get_state()["spec"]["data"]
    packed = {"dtype": "f8", "bdata": first["x"]["times"]}
    assert unpacked(packed) == [moment.timestamp() * 1000 for moment in moments]
    assert math.isnan(unpacked(first["y"])[0])
    assert unpacked(first["y"])[1:] == unpacked(first["close"])[1:] == values[1:]
    assert first["name"] == "long"
    assert second == short
    assert third["y"] == names
    assert plot.spec["data"][0] == trace


def test_the_panels_of_prices_are_sent_as_typed_arrays() -> None:
    spec = {"badge": "", "tables": {"sums": {"low": [1.0, math.nan], "high": []}}}
    plot = PricePlot(spec=spec)
    sent = plot.get_state()["spec"]
    assert sent["badge"] == ""
    low, high = (b64decode(sent["tables"]["sums"][name]) for name in ("low", "high"))
    assert np.frombuffer(low, "<f8")[0] == 1
    assert math.isnan(np.frombuffer(low, "<f8")[1])
    assert high == b""
    assert plot.spec == spec


def test_a_board_of_prices_sends_uplot_once_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    plot = PricePlot()
    sent: list[tuple[object, list[bytes]]] = []
    monkeypatch.setattr(plot, "send", lambda content, buffers: sent.append((content, buffers)))
    plot._handle_custom_msg({"type": "plotly.js"}, [])
    assert sent == []
    plot._handle_custom_msg({"type": "uPlot.js"}, [])
    assert sent == [({"type": "uPlot.js"}, [UPLOT_JS.read_bytes()])]


def unpacked(column: dict[str, str]) -> list[float]:
    assert column["dtype"] == "f8"
    return list(np.frombuffer(b64decode(column["bdata"]), "<f8"))


def test_a_chart_sends_plotly_once_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    plot = Plot()
    sent: list[tuple[object, list[bytes]]] = []
    monkeypatch.setattr(plot, "send", lambda content, buffers: sent.append((content, buffers)))
    plot._handle_custom_msg({"type": "other"}, [])
    assert sent == []
    plot._handle_custom_msg({"type": "plotly.js"}, [])
    assert sent == [({"type": "plotly.js"}, [find_plotly_js().read_bytes()])]
    assert b"plotly.js v" in sent[0][1][0][:100]
    assert len(str(plot._esm)) < 20_000  # and not 4.6 MB with every chart
