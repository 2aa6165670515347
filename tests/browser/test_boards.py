"""The boards as a trader reads them: the price, the last hours, assets and sizes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import expect

from browser.conftest import Visit, Visiting, trading
from browser.test_prices import COUNT
from liq.config import Settings
from liq.delivery.producer import Producer
from liq.records.model import Side
from support.helpers import PATIENCE_S
from support.rows import insert, liquidation

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
TIMES = "{}\N{MULTIPLICATION SIGN}"
WAIT = 1_000 * PATIENCE_S
# each tile says why it has no multiple
UNUSUAL_IN_WORDS = """Array.from(document.querySelectorAll(".liq-tile small")).every(
    ({ textContent }) => /too little history|feeds covered/.test(textContent))"""
NAMES = "all => all.map(each => each.ariaLabel)"
HOVERED = "document.querySelector('.liq-price-hover').textContent"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: Settings, server: psutil.Popen) -> AsyncIterator[list[Producer]]:
    """Liquidations of an exchange, and mark prices that fit them."""
    async with trading(settings, seed=5) as producers:
        yield producers


async def count(visitor: Visit, selector: str) -> int:
    return await visitor.page.locator(selector).count()


async def test_candles_stand_with_bubbles_sums_and_net(
    share: Visiting, market: list[Producer]
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.open_board("Prices")
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
    share: Visiting, market: list[Producer]
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.open_board("Prices")
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
    share: Visiting, market: list[Producer]
) -> None:
    async with share() as visitor:
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
        await visitor.until(UNUSUAL_IN_WORDS)
        await visitor.shows("simulated or replayed", ".liq-tile")
        net = visitor.page.locator(".liq-net")
        await net.locator(".liq-plot").hover()  # which shows the buttons of plotly
        buttons = await net.locator(".modebar-group").bounding_box()
        names = await visitor.page.locator(".modebar-btn").evaluate_all(NAMES)
        assert "Cumulative long minus short: Zoom" in names
        assert len({*names}) == len(names)  # each has its chart
        badge = await net.locator(".annotation", has_text="SIMULATED DATA").bounding_box()
        assert buttons
        assert badge
        assert buttons["y"] + buttons["height"] <= badge["y"] + 2  # the text has room within
        assert await count(visitor, ".liq-tile i:not(:empty)") == 0
        assert visitor.complaints == []


async def test_tiles_say_how_many_times_the_usual_it_is_or_why_that_is_unknown(
    share: Visiting, settings: Settings
) -> None:
    now = datetime(2026, 5, 4, 12, 20, tzinfo=UTC)
    weeks = [now.replace(minute=0) - timedelta(weeks=week) for week in range(1, 5)]
    prints = [
        *(liquidation(hour + timedelta(minutes=5), 1_200) for hour in weeks),
        *(liquidation(hour - timedelta(minutes=55), 1_200) for hour in weeks),
        liquidation(now - timedelta(minutes=2), 300),
        liquidation(now - timedelta(minutes=50), 300),
    ]
    await asyncio.to_thread(insert, settings, prints)
    span = "from=2026-05-04T11:20:00Z&to=2026-05-04T12:20:00Z"
    async with share(span) as visitor:
        await visitor.bars()
        tiles = {
            name: visitor.page.locator(f".liq-tile[data-window='{name}']")
            for name in ("5m", "1h", "24h")
        }
        # $300 in 5 minutes, of usually $100; $600 in the hour, of usually $1,200
        await expect(tiles["5m"].locator(".liq-long")).to_contain_text(
            TIMES.format("3.0"), timeout=WAIT
        )
        await expect(tiles["1h"].locator(".liq-long")).to_contain_text(TIMES.format("0.5"))
        await expect(tiles["5m"].locator("i.liq-unusual")).to_have_count(1)
        await expect(tiles["5m"].locator("small")).to_have_text("usually no shorts")
        await expect(tiles["24h"].locator("small")).to_have_text("feeds covered 6% of it")
        # in the evening there was nothing in the weeks before
        await visitor.page.get_by_label("From", exact=True).fill("2026-05-04 20:00")
        await visitor.page.get_by_label("To", exact=True).fill("2026-05-04 21:00")
        await visitor.page.keyboard.press("Enter")
        await visitor.shows("20:00:00 to 21:00:00", ".liq-shown")
        await visitor.until(UNUSUAL_IN_WORDS)
        assert await count(visitor, ".liq-tile i:not(:empty)") == 0
        assert visitor.complaints == []


async def test_a_tile_tells_little_from_nothing(
    visit: Visiting, settings: Settings, page_url: str
) -> None:
    now = datetime(2026, 6, 8, 12, 20, tzinfo=UTC)
    weeks = [now.replace(minute=0) - timedelta(weeks=week) for week in range(1, 5)]
    usual = [
        liquidation(hour + timedelta(minutes=minutes), 1_200_000, side=side)
        for hour in weeks
        for minutes in (5, -55)
        for side in Side
    ]
    await asyncio.to_thread(
        insert, settings, [*usual, liquidation(now - timedelta(minutes=2), 300)]
    )
    span = "from=2026-06-08T11:20:00Z&to=2026-06-08T12:20:00Z"
    async with visit(f"{page_url}&{span}") as visitor:
        await visitor.bars()
        tile = visitor.page.locator(".liq-tile[data-window='5m']")
        await expect(tile.locator(".liq-long i")).to_have_text(TIMES.format("<0.1"), timeout=WAIT)
        await expect(tile.locator(".liq-short i")).to_have_text(TIMES.format("0"))


async def test_assets_are_a_map_and_sizes_are_classes(
    share: Visiting, market: list[Producer]
) -> None:
    async with share() as visitor:
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
