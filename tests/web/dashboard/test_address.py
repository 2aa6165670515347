"""The dashboard follows its page's address, and the address follows the dashboard."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import ipywidgets as widgets
import pytest

from liq.config import Settings
from liq.records.model import Alert, Severity, Text
from liq.web.dashboard import Dashboard, filters
from liq.web.dashboard.widgets import Chips, PageAddress, Tabs
from support.helpers import find_free_ports, reached
from support.rows import insert, insert_alerts
from web.dashboard.conftest import fresh
from web.dashboard.test_view import find, page

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("unhurried")]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def filled(own: Settings) -> Settings:
    insert(own, [fresh(100), fresh(50, symbol="ETHUSDT", base="ETH", exchange="okx")])
    return own


async def open_at(dashboard: Dashboard, query: str) -> None:
    """Open the dashboard's page at an address, and wait until it has the dashboard's reply."""
    address = find(dashboard, PageAddress)
    address._handle_custom_msg({"type": "opened", "query": query}, [])
    await reached(lambda: not dashboard._visits.is_busy)


async def test_an_opened_address_sets_every_control(filled: Settings) -> None:
    dashboard = Dashboard(settings=filled)
    await open_at(
        dashboard,
        "board=cascades&bucket=5m&from=2026-03-02T10:30Z&to=2026-03-02T12:00Z&asset=eth"
        "&venues=okx&symbols=ethusdt&minimum=10&theme=light",
    )
    model = dashboard.model
    assert (model.board, model.bucket, model.window, model.until) == ("Cascades", "5m", "90m", NOON)
    assert (model.asset, model.exchanges, model.symbols) == ("ETH", ["okx"], ["ETHUSDT"])
    assert (model.min_notional, dashboard.theme) == (10.0, "light")
    assert "liq-light" in dashboard.widget._dom_classes
    assert find(dashboard, widgets.Button, description="Dark").tooltip  # what it would show
    assert "Ignored" not in page(dashboard)
    assert find(dashboard, PageAddress).query == (
        "board=Cascades&bucket=5m&from=2026-03-02T10:30:00Z&to=2026-03-02T12:00:00Z&asset=ETH"
        "&venues=okx&symbols=ETHUSDT&minimum=10&theme=light"
    )


async def test_a_changed_control_is_in_the_address(filled: Settings) -> None:
    dashboard = Dashboard(settings=filled, window="4h")
    address = find(dashboard, PageAddress)
    assert address.query == ""
    find(dashboard, Tabs).value = "Prices"
    find(dashboard, widgets.Button, description="Light").click()
    assert address.query == "board=Prices&theme=light"
    dashboard.model.travel(NOON - timedelta(hours=1), NOON)
    assert "from=2026-03-02T11:00:00Z&to=2026-03-02T12:00:00Z" in address.query
    dashboard.model.until = None
    assert "window=1h" in address.query


async def test_unusable_parts_are_named_in_a_line_until_a_control_changes(
    filled: Settings,
) -> None:
    dashboard = Dashboard(settings=filled)
    await open_at(
        dashboard,
        "board=%3Cscript%3Ealert(1)%3C/script%3E&window=9999999999w&minimum=4",
    )
    model = dashboard.model
    assert (model.board, model.window, model.min_notional) == ("Overview", "1h", 4.0)
    shown = page(dashboard)
    for text in (
        "Ignored from the address:",
        "board=&#39;&lt;script&gt;alert(1)&lt;/script&gt;&#39; is not a choice",
        "window=&#39;9999999999w&#39; is no duration",
    ):
        assert text in shown
    assert "<script>" not in shown
    assert find(dashboard, PageAddress).query == "minimum=4"
    model.min_notional = 5
    assert "Ignored" not in page(dashboard)


async def test_unknown_names_of_the_address_are_filters_and_show_no_other_market(
    filled: Settings,
) -> None:
    dashboard = Dashboard(settings=filled)
    query = "asset=%3Cb%3EX%3C/b%3E&venues=%27%3B+DROP+TABLE--&symbols=ETHUSDX"
    await open_at(dashboard, query)
    model = dashboard.model
    assert (model.asset, model.exchanges, model.symbols) == (
        "<b>X</b>",
        ["'; DROP TABLE--"],
        ["ETHUSDX"],
    )
    model.poll()
    dashboard.draw()
    assert model.frames is not None
    assert model.frames.totals["prints"].sum() == 0
    shown = page(dashboard)
    for text in (
        "No liquidations match.",
        "no row has the symbol &#39;ETHUSDX&#39;; nearest: ETHUSDT",
        "no row has the asset &#39;&lt;b&gt;X&lt;/b&gt;&#39;",
        "no row has the exchange",
    ):
        assert shown.count(text) == 1
    assert "<b>X" not in shown
    await open_at(dashboard, "symbols=BTCUSDT,ETHUSDX")
    model.poll()
    dashboard.draw()
    assert model.symbols == ["BTCUSDT", "ETHUSDX"]
    assert model.frames.totals["prints"].sum() == 1
    assert "<b>Unknown names.</b> symbols: no row has the symbol" in page(dashboard)
    assert [chip[2] for chip in find(dashboard, Chips).chips] == [
        "symbol BTCUSDT",
        "symbol ETHUSDX",
    ]
    filters.remove(model, "symbols", "ETHUSDX")
    model.poll()
    dashboard.draw()
    assert "no row has" not in page(dashboard)


async def test_many_faults_are_one_line(filled: Settings) -> None:
    dashboard = Dashboard(settings=filled)
    await open_at(dashboard, "&".join(f"x{number}=1" for number in range(400)))
    assert "; 395 more<" in page(dashboard)


async def test_names_that_cannot_be_checked_are_kept(own: Settings) -> None:
    away = own.model_copy(update={"questdb_pg_port": find_free_ports()["questdb_pg_port"]})
    dashboard = Dashboard(settings=away)
    await open_at(dashboard, "symbols=BTCUSDT&asset=BTC")
    assert (dashboard.model.symbols, dashboard.model.asset) == (["BTCUSDT"], "BTC")
    assert "Ignored" not in page(dashboard)


async def test_a_window_that_ends_in_the_future_is_live_and_keeps_its_start(
    filled: Settings,
) -> None:
    dashboard = Dashboard(settings=filled)
    now = datetime.now(UTC)
    start, end = (f"{now + timedelta(minutes=each):%Y-%m-%dT%H:%M:00Z}" for each in (-50, 10))
    await open_at(dashboard, f"from={start}&to={end}&board=Feeds")
    assert dashboard.model.until is None
    assert dashboard.model.span[0] == datetime.fromisoformat(start)
    shown = parse_qs(find(dashboard, PageAddress).query)
    assert shown == {"board": ["Feeds"], "from": [start]}


async def test_names_of_the_notebook_are_not_checked(own: Settings) -> None:
    dashboard = Dashboard(settings=own, symbols=["NEWUSDT"])
    await open_at(dashboard, "window=4h")
    assert dashboard.model.symbols == ["NEWUSDT"]
    assert "Ignored" not in page(dashboard)


async def test_alerts_and_cascades_link_to_their_moment_in_the_page(own: Settings) -> None:
    insert(own, [fresh(100, age=60 + each) for each in range(5)])
    micros = round((datetime.now(UTC) - timedelta(minutes=7)).timestamp()) * 1_000_000
    alert = Alert(
        ts=micros, rule="a", severity=Severity.INFO, message=Text("<i>"), value=1.0, threshold=1.0,
        query="totals", measure="prints", live=True,
    )  # fmt: skip
    insert_alerts(own, [alert])
    dashboard = Dashboard(settings=own, board="Cascades", theme="light")
    assert "asset=BTC" in page(dashboard)
    moment = datetime.fromtimestamp(micros / 1e6, UTC)
    start, end = moment - timedelta(minutes=55), moment + timedelta(minutes=5)
    query = f"board=Overview&bucket=1m&from={start:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}"
    assert f'href="?{query.replace("&", "&amp;")}"' in page(dashboard)
    dashboard._alerts._handle_custom_msg({"type": "follow", "query": query}, [])
    await reached(lambda: dashboard.model.until == end)
    assert (dashboard.model.board, dashboard.model.window) == ("Overview", "1h")
    assert dashboard.theme == "light"
