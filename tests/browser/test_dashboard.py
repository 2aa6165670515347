"""The dashboard as a visitor sees it: Chromium, Voila, QuestDB, Connect, Kafka, all real."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from browser.conftest import (
    POOL,
    SharedPage,
    Visit,
    Visiting,
    kernels,
    opened,
    publishing,
    serving,
    threaded,
)
from liq.config import Settings
from liq.delivery.producer import Producer
from liq.web import serve
from liq.web.dashboard.board_queries import BOARDS
from support.helpers import eventually, find_free_ports

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: Settings, server: psutil.Popen) -> AsyncIterator[Producer]:
    """A simulated exchange whose liquidations are published; the server is older than they are."""
    async with publishing(settings, seed=3) as producer:
        yield producer


async def kernel_of(visitor: Visit, server: psutil.Popen) -> psutil.Process:
    page = json.loads(await visitor.page.inner_text("#liq-page"))
    return await asyncio.to_thread(process_of, page["kernel"], server)


def process_of(kernel: str, server: psutil.Popen) -> psutil.Process:
    """Return the kernel's process, by its unix sockets: all have the same command line."""
    return next(
        process
        for process in kernels(server)
        if any(kernel in str(each.laddr) for each in process.net_connections("unix"))
    )


async def test_bars_are_drawn_and_follow_new_events(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.redraws()
        await visitor.redraws()

        await visitor.shows("SIMULATED", ".liq-badge")
        await visitor.shows("simulated", ".liq-prints tbody tr")
        assert visitor.outside == []
        assert visitor.complaints == []
        asked = [url for url in visitor.requests if not url.startswith("blob:")]
        assert len(asked) < 35  # Voila's own page asks for a hundred files


async def test_the_page_reports_painted_updates(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        for _ in range(2):  # after the first bars
            await visitor.redraws()
        painted = re.findall(r'"painted".{0,20}"update": ?(\d+)', "\n".join(visitor.sent))
        assert len(set(painted)) >= 3


async def test_controls_reach_the_kernel(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.redraws()
        await visitor.page.get_by_label("Bucket", exact=True).select_option("5m")
        await visitor.shows("per 5m", ".liq-bars")
        symbols = visitor.page.get_by_role("combobox", name="Symbols")
        await symbols.fill("btcusdt")
        await symbols.press("Enter")
        await visitor.shows("BTCUSDT", ".liq-chips")
        await symbols.fill("BTCUSDX")
        await symbols.press("Enter")
        await visitor.shows("no row has the symbol 'BTCUSDX'; nearest: BTCUSDT", ".liq-error")
        await visitor.page.get_by_role("button", name="Pause").click()
        await visitor.shows("Paused", ".liq-notices")
        assert visitor.complaints == []


async def test_every_board_draws_without_complaint(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        for board in BOARDS:
            await visitor.open_board(board)
            shown = f".liq-{board.lower()} :is(svg, canvas, .liq-list)"
            await visitor.page.wait_for_selector(shown)
        assert visitor.complaints == []
        assert visitor.outside == []


async def test_a_range_drawn_on_the_bars_becomes_the_window_and_is_left(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        box = await visitor.page.locator(".liq-bars .nsewdrag").bounding_box()
        assert box
        height = box["y"] + box["height"] / 2
        await visitor.page.mouse.move(box["x"] + 0.3 * box["width"], height)
        await visitor.page.mouse.down()
        await visitor.page.mouse.move(box["x"] + 0.6 * box["width"], height, steps=5)
        await visitor.page.mouse.up()
        await visitor.until("location.search.includes('from=')")
        await visitor.page.get_by_role("button", name="Live", exact=True).click()
        await visitor.until("!location.search.includes('from=')")
        await visitor.redraws()
        assert visitor.complaints == []


async def test_a_clicked_print_shows_its_making(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.get_by_role("button", name="Pause").click()
        await visitor.shows("Paused", ".liq-notices")
        row = visitor.page.locator(".liq-tape tr[data-key]").first
        symbol = await row.locator("td").nth(2).inner_text()
        await row.focus()
        await visitor.page.keyboard.press("Enter")
        await visitor.shows(symbol, ".liq-inspection")
        await visitor.shows("forceOrder", ".liq-inspection")
        await visitor.page.get_by_role("button", name="Close").click()
        await visitor.page.wait_for_selector(".liq-inspector", state="hidden")
        assert visitor.complaints == []


async def test_prints_are_saved_as_a_file(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        async with visitor.page.expect_download() as started:
            await visitor.page.get_by_role("button", name="CSV").click()
        download = await started.value
        prints = pd.read_csv(await download.path())
        dates = r"\d{8}T\d{6}Z_\d{8}T\d{6}Z"
        assert re.fullmatch(rf"liquidations_{dates}\.csv", download.suggested_filename)
        assert set(prints["source"]) == {"simulator"}


async def test_a_shared_page_is_as_it_was_opened_and_another_one_after_a_failure(
    share: Visiting, market: Producer, server: psutil.Popen
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page, kernel = visitor.page, await kernel_of(visitor, server)
        await page.get_by_label("Bucket", exact=True).select_option("5m")
        await page.get_by_label("Time zone").select_option(index=1)
        await page.get_by_role("button", name="Light", exact=True).click()
        await visitor.open_board("Feeds")
        await visitor.until("location.search.includes('board=Feeds')")
        await page.get_by_role("button", name="Pause").click()
        await visitor.shows("Paused", ".liq-notices")
        await page.locator(".liq-alarm summary").click()
        await page.evaluate("localStorage.setItem('liq-layout', '{}'); scrollTo(0, 100)")
    async with share() as visitor:
        assert await kernel_of(visitor, server) == kernel
        assert urlsplit(visitor.page.url).query == ""
        assert await page.get_by_label("Bucket", exact=True).input_value() == "1m"
        assert await page.get_by_label("Time zone").input_value() == "UTC"
        assert await page.locator(".liq-root.liq-dark .liq-overview").count() == 1
        assert await page.locator("details[open]").count() == 0
        assert await page.evaluate("[localStorage.length, scrollY]") == [0, 0]
        await visitor.redraws()
    with pytest.raises(ValueError, match="on purpose"):
        async with share():
            raise ValueError("on purpose")
    async with share() as visitor:
        assert await kernel_of(visitor, server) != kernel


async def test_a_page_that_is_left_frees_its_kernel(
    share: Visiting, market: Producer, server: psutil.Popen
) -> None:
    async with share() as visitor:
        await visitor.bars()
        kernel = await kernel_of(visitor, server)
        await visitor.leave()
        await asyncio.to_thread(eventually, lambda: not kernel.is_running())


FRAMES = """window.drawn = [];
let frame = 0;
const count = () => { frame += 1; requestAnimationFrame(count); };
requestAnimationFrame(count);
const charts = new Set();
new MutationObserver(() => {
    for (const chart of document.querySelectorAll(".js-plotly-plot"))
        if (!charts.has(chart)) window.drawn.push(frame), charts.add(chart);
}).observe(document, { childList: true, subtree: true, attributeFilter: ["class"] });
"""


async def test_visitors_at_once_see_charts_one_a_frame_then_live_bars_and_leave_no_kernel_behind(
    chromium: Browser, visit: Visiting, market: Producer, server: psutil.Popen, page_url: str
) -> None:
    pages = [opened(chromium, page_url, FRAMES), *(visit() for _ in range(POOL))]
    async with AsyncExitStack() as left:
        visitors = [await left.enter_async_context(page) for page in pages]
        await visitors[0].until("window.drawn.length >= 4")
        frames = await visitors[0].page.evaluate("window.drawn")
        assert len(set(frames)) == len(frames)  # the first one shows before the last is drawn
        await asyncio.gather(*(visitor.redraws() for visitor in visitors))
        used = {await kernel_of(visitor, server) for visitor in visitors}
        assert len(used) == len(visitors)  # those who found none ahead got one too
        assert [visitor.complaints for visitor in visitors] == [[]] * len(visitors)

    def ended() -> bool:
        return not any(kernel.is_running() for kernel in used)

    await asyncio.to_thread(eventually, ended)


async def test_an_open_page_outlives_a_restart_of_the_server(
    visit: Visiting, market: Producer, settings: Settings, tmp_path: Path
) -> None:
    own = settings.model_copy(update={"dashboard_port": find_free_ports()["dashboard_port"]})
    async with AsyncExitStack() as left:
        async with threaded(serving(own, tmp_path / "first", "--pool", "0")):
            visitor = await left.enter_async_context(visit(serve.build_dashboard_url(own)))
            await visitor.bars()
        await visitor.shows("Connection lost", "#liq-notice")
        await visitor.shows("Then reload the page", "#liq-notice")  # after a while
        async with threaded(serving(own, tmp_path / "second", "--pool", "0")):
            await visitor.drawn()
            await visitor.redraws()


async def test_the_pool_is_filled_again(share: SharedPage, server: psutil.Popen) -> None:
    await share.close()

    def idle() -> bool:
        return len(kernels(server)) == POOL

    await asyncio.to_thread(eventually, idle)
