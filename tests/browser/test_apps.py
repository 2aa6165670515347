"""Each app of the gallery as a visitor sees it: it draws, in silence, with files of its server."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from browser.conftest import Visiting, kernels, serving
from liq.common import files
from liq.config import Settings
from liq.records.model import Completeness, FeedHealth, Side, Source
from liq.web import serve
from liq.web.voila_app import gallery
from support.helpers import eventually, find_free_ports
from support.rows import insert, insert_prices, liquidation, micros_of, own_table, price, report

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

APPS = [app for app in gallery.list_apps(files.find_asset("notebooks")) if app.name != gallery.HOME]
# apps with buttons, and one whose bar of progress is a widget in a notebook
WIDGETS = ("01-start-producers", "03-pipeline", "06-backtest", "07-spark")
VENUES = ("binance_usdm", "bybit", "okx")
# a figure that nothing is drawn in: no bar, line, point, box, or cell of a heatmap
EMPTY_FIGURES = """Array.from(document.querySelectorAll(".js-plotly-plot"))
    .filter(figure => !figure.querySelector(".trace path, .hm image")).length"""


@pytest.fixture(scope="module")
def settings(stack: Settings) -> Settings:
    """Tables with an hour of a market: prints in bursts at several venues, and the price."""
    settings = own_table(stack).model_copy(
        update={"dashboard_port": find_free_ports()["dashboard_port"]}
    )
    now = datetime.now(UTC)
    ago = [timedelta(minutes=2 + n // 8 * 2, seconds=n % 8) for n in range(200)]
    venues = [VENUES[n % 3] for n in range(200)]
    insert(
        settings,
        [
            liquidation(
                now - ago[n],
                100_000 * (1 + n % 17),
                exchange=venues[n],
                side=Side.LONG if n % 5 else Side.SHORT,
            )
            for n in range(200)
        ],
    )
    moments = [now - timedelta(seconds=5 * n) for n in range(720)]
    insert_prices(settings, [price(ts, 100 + n % 13) for n, ts in enumerate(moments)])
    report(
        settings, [health(now - timedelta(seconds=n), venue) for n in range(60) for venue in VENUES]
    )
    return settings


def health(ts: datetime, venue: str) -> FeedHealth:
    return FeedHealth(
        ts=micros_of(ts),
        exchange=venue,
        source=Source.LIVE,
        completeness=Completeness.FULL,
        connected=True,
        messages=1,
        gaps=0,
        reconnects=0,
        lag=0.01,
        queued=0,
    )


@pytest.fixture(scope="module")
def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psutil.Popen]:
    """``liq dashboard`` on these tables, no kernel ahead of its visitors."""
    with serving(settings, tmp_path_factory.mktemp("apps") / "log", "--pool", "0") as process:
        yield process


def address(settings: Settings, path: str) -> str:
    return serve.build_dashboard_url(settings).replace("/?", f"/{path}?")


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
async def test_an_app_draws_without_complaint_and_without_widgets_keeps_no_kernel(
    visit: Visiting, settings: Settings, server: psutil.Popen, app: gallery.App
) -> None:
    before = set(kernels(server))
    async with visit(address(settings, app.path)) as visitor:
        await visitor.drawn()
        assert await visitor.page.title() == app.title
        await visitor.until(f"{EMPTY_FIGURES} === 0")
        await visitor.page.wait_for_selector(
            "main table, main .js-plotly-plot, main .jupyter-widgets"
        )
        assert await visitor.page.locator("text=--show-tracebacks").count() == 0

        def ended() -> bool:
            return not [kernel for kernel in kernels(server) if kernel not in before]

        if app.name not in WIDGETS:
            await asyncio.to_thread(eventually, ended)
        assert app.name != "02-explore" or await visitor.page.locator(".js-plotly-plot").count() > 3
        assert visitor.complaints == []
        assert visitor.outside == []


async def test_the_gallery_and_the_apps_lead_to_each_other(
    visit: Visiting, settings: Settings, server: psutil.Popen
) -> None:
    async with visit(address(settings, "apps")) as visitor:
        await visitor.page.click("text=Explore liquidations")
        await visitor.drawn()
        await visitor.page.wait_for_selector(".trace path", state="attached")
        await visitor.page.click("text=Live dashboard")
        await visitor.bars()
        await visitor.page.click("text=All apps")
        await visitor.shows("Explore liquidations")
        assert visitor.complaints == []
        assert visitor.outside == []
