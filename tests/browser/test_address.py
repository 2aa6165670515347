"""The address as people use it: opened, changed, reloaded, copied, and its links followed."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from browser.conftest import (
    POOL,
    Visit,
    Visiting,
    kernels,
    opened,
    publishing,
    serving,
    threaded,
)
from browser.test_dashboard import kernel_of
from liq.common import files
from liq.config import Settings
from liq.delivery.producer import Producer
from support.helpers import PATIENCE_S, eventually, find_free_ports

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
PRESSED = ".liq-tabs [aria-selected=true]"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: Settings, server: psutil.Popen) -> AsyncIterator[Producer]:
    async with publishing(settings, seed=7) as producer:
        yield producer


@pytest.fixture
def base(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.dashboard_port}/"


@pytest.fixture
def token(settings: Settings) -> str:
    return settings.token.get_secret_value()


async def has_query(visitor: Visit, **expected: str) -> None:
    """Fail unless the address comes to have these parameters and no others."""
    wanted = {name: [value] for name, value in expected.items()}
    async with asyncio.timeout(PATIENCE_S):
        while parse_qs(urlsplit(visitor.page.url).query) != wanted:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)


async def test_a_link_opens_what_it_names_in_a_preheated_kernel_once_the_token_is_typed(
    visit: Visiting, market: Producer, base: str, token: str, server: psutil.Popen
) -> None:
    await asyncio.to_thread(eventually, lambda: len(kernels(server)) >= POOL)
    known = {kernel.pid for kernel in kernels(server)}
    query = "board=Prices&window=4h&asset=BTC&minimum=1000&theme=light"
    async with visit(f"{base}?{query}") as visitor:
        await visitor.page.fill("#password_input", "wrong")
        await visitor.page.click("#login_submit")
        await visitor.shows("Invalid credentials")
        visitor.complaints.clear()  # of that answer's status
        await visitor.page.fill("#password_input", token)
        await visitor.page.click("#login_submit")
        await visitor.shows("Prices", PRESSED)
        await visitor.shows("BTC price and liquidations per")
        assert await visitor.page.get_by_label("Window", exact=True).input_value() == "4h"
        assert await visitor.page.get_by_label("Min size (USD)").input_value() == "1000"
        await visitor.page.wait_for_selector(".liq-root.liq-light")
        await has_query(visitor, **dict(each.split("=") for each in query.split("&")))
        assert (await kernel_of(visitor, server)).pid in known
        assert visitor.complaints == []
        assert visitor.outside == []


async def test_a_hostile_address_gives_the_default_and_one_line(
    visit: Visiting, market: Producer, base: str, token: str
) -> None:
    hostile = (
        "template=none&board=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&window=99999999999w&minimum=NaN"
        "&symbols=%27)%3BDROP%20TABLE%20liquidations%3B--&asset=%3Cscript%3E&from=x&bucket[]=1"
    )
    async with visit(f"{base}?token={token}&{hostile}") as visitor:
        await visitor.shows("Ignored from the address:", ".liq-ignored")
        await visitor.shows("there is no parameter 'template'", ".liq-ignored")
        await visitor.shows("No liquidations match.", ".liq-notices")
        await visitor.shows("Overview", PRESSED)
        assert await visitor.page.locator(".liq-ignored img, .liq-ignored script").count() == 0
        assert await visitor.page.locator(".liq-ignored .liq-notice").count() == 1
        assert await visitor.page.locator(".liq-fault p").count() == 0
        await visitor.page.get_by_label("Bucket", exact=True).select_option("5m")
        await visitor.page.wait_for_selector(".liq-ignored", state="hidden")
        await visitor.page.get_by_role("button", name="Clear all filters").click()
        await visitor.redraws()
        await has_query(visitor, bucket="5m")
        assert visitor.complaints == []


async def test_a_changed_control_changes_the_address_without_a_reload(
    share: Visiting, market: Producer, server: psutil.Popen
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await has_query(visitor)
        kernel = await kernel_of(visitor, server)
        await visitor.page.get_by_label("Bucket", exact=True).select_option("5m")
        await visitor.page.get_by_role("button", name="Light", exact=True).click()
        await has_query(visitor, bucket="5m", theme="light")
        assert await kernel_of(visitor, server) == kernel
        await visitor.page.reload()
        await visitor.shows("per 5m", ".liq-bars")
        await visitor.page.wait_for_selector(".liq-root.liq-light")
        await has_query(visitor, bucket="5m", theme="light")


async def test_a_page_whose_kernel_died_gets_another_at_the_same_address(
    share: Visiting, market: Producer, server: psutil.Popen
) -> None:
    async with share() as visitor:
        await visitor.bars()
        symbols = visitor.page.get_by_role("combobox", name="Symbols")
        await symbols.fill("BTCUSDT")
        await symbols.press("Enter")
        await visitor.page.get_by_label("Bucket", exact=True).select_option("30s")
        await has_query(visitor, symbols="BTCUSDT", bucket="30s")
        kernel = await kernel_of(visitor, server)
        kernel.kill()
        await visitor.shows("Connection lost", "#liq-notice")
        await visitor.drawn()
        await visitor.shows("per 30s", ".liq-bars")
        await visitor.shows("BTCUSDT", ".liq-chips")
        await visitor.redraws()
        assert await kernel_of(visitor, server) != kernel


async def test_the_browsers_back_keeps_the_theme_and_leads_forward_again(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.get_by_role("tab", name="Prices", exact=True).click()
        await has_query(visitor, board="Prices")
        await visitor.page.get_by_role("button", name="Light", exact=True).click()
        await has_query(visitor, board="Prices", theme="light")
        await visitor.page.go_back()
        await visitor.shows("Overview", PRESSED)
        await has_query(visitor, theme="light")
        await visitor.page.wait_for_selector(".liq-root.liq-light")
        await visitor.page.go_forward()
        await visitor.shows("Prices", PRESSED)
        await has_query(visitor, board="Prices", theme="light")
        assert visitor.complaints == []


async def test_a_reply_that_comes_after_back_is_no_step(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        # a page sends a control's next change only when the kernel has done the one before
        await visitor.open_board("Prices")
        await has_query(visitor, board="Prices")
        entries = await visitor.page.evaluate("history.length")
        # the kernel's reply to the tab comes when the browser has gone back
        await visitor.page.get_by_role("tab", name="Feeds", exact=True).evaluate(
            "tab => { tab.click(); history.back(); }"
        )
        await has_query(visitor)
        await visitor.shows("Overview", PRESSED)
        await visitor.redraws()
        assert await visitor.page.evaluate("history.length") == entries
        await visitor.page.go_forward()
        await visitor.shows("Prices", PRESSED)
        await has_query(visitor, board="Prices")
        assert visitor.complaints == []


async def test_copy_link_copies_the_address_without_the_token(
    share: Visiting, market: Producer, base: str, token: str
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await visitor.page.get_by_role("tab", name="Alerts", exact=True).click()
        await has_query(visitor, board="Alerts")
        await visitor.page.get_by_role("button", name="Copy link").click()
        await visitor.shows("copied", ".liq-address")
        copied = await visitor.page.evaluate("navigator.clipboard.readText()")
        assert copied == f"{base}?board=Alerts"
        assert token not in copied


async def test_a_cascade_is_followed_without_a_reload(
    share: Visiting, market: Producer, server: psutil.Popen
) -> None:
    async with share() as visitor:
        await visitor.bars()
        kernel = await kernel_of(visitor, server)
        await visitor.page.get_by_role("tab", name="Cascades", exact=True).click()
        await visitor.page.locator(".liq-greatest a").first.hover()
        await visitor.page.mouse.down()
        href = await visitor.page.locator(".liq-greatest a:active").get_attribute("href")
        assert href
        await asyncio.sleep(3)  # new numbers each second: the pressed link stays nevertheless
        await visitor.page.mouse.up()
        await visitor.shows("Overview", PRESSED)
        query = parse_qs(urlsplit(href).query)
        assert {"board", "from", "to", "asset", "bucket"} == query.keys()
        await visitor.page.wait_for_selector(".liq-fresh")
        await expect(visitor.page.get_by_role("combobox", name="Asset")).to_have_attribute(
            "placeholder", query["asset"][0]
        )
        assert await kernel_of(visitor, server) == kernel
        assert visitor.complaints == []


async def test_a_link_can_be_copied_where_the_browser_gives_no_clipboard(
    share: Visiting, market: Producer, base: str
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.evaluate(
            "() => { Object.defineProperty(navigator, 'clipboard', { value: undefined });"
            " document.execCommand = () => false; }"
        )
        await visitor.page.get_by_role("button", name="Copy link").click()
        await visitor.shows("press Ctrl+C", ".liq-address")
        assert await visitor.page.get_by_label("link", exact=True).input_value() == base
        await visitor.leave()


async def test_a_link_to_jupyterlab_keeps_its_times_through_the_login_and_the_dashboard_its_address(
    chromium: Browser, settings: Settings, tmp_path: Path
) -> None:
    own = settings.model_copy(update={"lab_port": find_free_ports()["lab_port"]}).with_lab_token()
    shutil.copy(files.find_asset("notebooks") / "dashboard.ipynb", tmp_path / "at 11:05.ipynb")
    lab = serving(own, tmp_path / "log", "--folder", str(tmp_path), command="lab")
    address = f"{own.find_url('lab')}/lab/tree/at%2011:05.ipynb"
    link = f"{address}?theme=light&from=2026-03-02T11:05:00Z"
    async with threaded(lab), opened(chromium, link) as visitor:
        page = visitor.page
        await page.fill("#password_input", own.lab_token.get_secret_value())
        await page.click("#login_submit")
        await page.locator(".jp-NotebookPanel").wait_for()
        await expect(page.get_by_role("tab", name="at 11:05.ipynb").first).to_be_visible()
        assert link.replace("11:05", "11%3A05").replace("05:00Z", "05%3A00Z") in visitor.requests

        await page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        await visitor.run_cells(".liq-root.liq-dark")
        await page.locator(".liq-root select").first.select_option("5m")
        await visitor.shows("per 5m", ".liq-bars")
        await page.get_by_role("tab", name="Prices", exact=True).click()
        await page.wait_for_selector(".liq-candles .uplot canvas")  # the kernel sends uPlot
        assert await page.get_by_role("button", name="Copy link").count() == 0
        assert "bucket" not in page.url
        assert "/lab/tree/at%2011" in page.url
