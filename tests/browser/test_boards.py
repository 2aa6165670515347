"""The boards as a trader reads them: the price, the last hours, assets and sizes."""

from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from browser.conftest import Visit, Visiting, trading
from browser.test_prices import COUNT
from liq.config import Settings
from liq.delivery.producer import Producer

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
HOVERED = "document.querySelector('.liq-price-hover').textContent"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: Settings, server: psutil.Popen) -> AsyncIterator[list[Producer]]:
    """Liquidations of an exchange, and mark prices that fit them."""
    async with trading(settings, seed=5) as producers:
        yield producers


async def open_board(visitor: Visit, name: str) -> None:
    await visitor.bars()
    await visitor.page.get_by_role("tab", name=name, exact=True).click()


async def count(visitor: Visit, selector: str) -> int:
    return await visitor.page.locator(selector).count()


async def test_candles_stand_with_bubbles_sums_and_net(
    visit: Visiting, market: list[Producer]
) -> None:
    async with visit() as visitor:
        await open_board(visitor, "Prices")
        await visitor.page.wait_for_selector(".liq-candles .uplot canvas")
        for mark in ("price", "long", "short", "net"):
            await visitor.until(COUNT, mark)
        await visitor.shows("BTC price and liquidations per 1m", ".liq-candles")
        label = await visitor.page.locator(".liq-candles .liq-plot").get_attribute("aria-label")
        assert label is not None
        assert "most liquidated from" in label
        scripts = {url.rsplit("/", 1)[1] for url in visitor.requests if "plotly" in url}
        assert scripts == {"plotly-finance.min.js"}  # a quarter of plotly.js
        assert visitor.complaints == []


async def test_the_crosshair_shows_the_numbers_of_its_bucket(
    visit: Visiting, market: list[Producer]
) -> None:
    async with visit() as visitor:
        await open_board(visitor, "Prices")
        await visitor.page.wait_for_selector(".liq-candles .uplot canvas")
        await visitor.until(COUNT, "price")
        area = await visitor.page.locator(".liq-candles .u-over").first.bounding_box()
        assert area
        await visitor.page.mouse.move(area["x"] + 5, area["y"] + 5)
        await visitor.page.mouse.move(area["x"] + area["width"] - 3, area["y"] + 40, steps=5)
        await visitor.until(f"{HOVERED}.includes('still running')")
        await visitor.until(f"{HOVERED}.includes('close')")
        await visitor.until(f"{HOVERED}.includes('long minus short')")  # of the panel below
        lines = visitor.page.locator(".liq-candles .u-cursor-x")
        assert [await line.is_visible() for line in await lines.all()] == [True, True]
        await visitor.page.screenshot()  # the redraws of a live market leave it in place
        await visitor.until(f"{HOVERED}.includes('close')")


async def test_the_overview_shows_the_last_hours_at_once(
    visit: Visiting, market: list[Producer]
) -> None:
    async with visit() as visitor:
        await visitor.bars()
        await visitor.shows("$", ".liq-tile .liq-long b")
        tiles = await visitor.page.locator(".liq-tile h3").all_inner_texts()
        assert [tile.split()[0] for tile in tiles] == ["5m", "1h", "4h", "24h"]
        heading = await visitor.page.locator(".liq-pace h2").bounding_box()
        first = await visitor.page.locator(".liq-tile").first.bounding_box()
        assert heading
        assert first
        assert heading["y"] + heading["height"] <= first["y"]
        # a market of minutes has no usual, and says why
        await visitor.until(
            """Array.from(document.querySelectorAll(".liq-tile small")).every(
                ({ textContent }) => /too little history|feeds covered/.test(textContent))"""
        )
        await visitor.shows("not live", ".liq-tile")
        assert await count(visitor, ".liq-tile i:not(:empty)") == 0
        assert visitor.complaints == []


async def test_assets_are_a_map_and_sizes_are_classes(
    visit: Visiting, market: list[Producer]
) -> None:
    async with visit() as visitor:
        await visitor.bars()
        await visitor.page.wait_for_selector(".liq-assets .bars .point", state="attached")
        await visitor.until("document.querySelector('.liq-assets').textContent.includes('BTC')")
        await visitor.page.wait_for_selector(".liq-classes .bars .point", state="attached")
        await visitor.until(
            "document.querySelector('.liq-classes').textContent.includes('below $10k')"
        )
        tile = visitor.page.locator(".liq-assets .bars .point").first
        await tile.hover(force=True)
        await visitor.until(
            "document.querySelector('.liq-assets .hoverlayer').textContent.includes('prints')"
        )
