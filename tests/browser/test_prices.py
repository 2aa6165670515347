"""The board of prices as a person uses it: numbers under the pointer, a drag, gaps, the legend."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import expect

from browser.conftest import Visit, Visiting, own_dashboard, served
from liq.analysis.charts.base import BOUND
from liq.config import Settings
from liq.records.model import Completeness, FeedHealth, Price, Side
from support.helpers import PATIENCE_S
from support.rows import health, insert, insert_prices, liquidation, price, report

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
FEED = "binance_usdm"
START = datetime(2026, 3, 2, 11, tzinfo=UTC)
MINUTES = 60
BUSY = 20  # the minute with liquidations
LOST = (30, 36)  # minutes without reports of the feed
WINDOW = "board=Prices&asset=BTC&from=2026-03-02T11:00:00Z&to=2026-03-02T12:00:00Z"
COUNT = """name => {
  const mark = document.querySelector(`.liq-price-${name} i`);
  const [red, green, blue] = getComputedStyle(mark).borderTopColor.match(/\\d+/g).map(Number);
  let count = 0;
  for (const canvas of document.querySelectorAll(".liq-candles canvas")) {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4)
      count += data[at] === red && data[at + 1] === green && data[at + 2] === blue;
  }
  return count;
}"""  # pixels in the colour of a mark


def list_reports(start: datetime, seconds: int, without: tuple[int, int]) -> Iterator[FeedHealth]:
    """Yield a report a second, but for the minutes of an outage."""
    for second in range(seconds):
        if not without[0] * 60 <= second < without[1] * 60:
            yield health(start + timedelta(seconds=second), exchange=FEED)


def list_prices(start: datetime) -> Iterator[Price]:
    """Yield four prices of each minute: its open, high, low and close."""
    for minute in range(MINUTES):
        for second, amount in ((5, 103.75), (20, 104.0), (40, 99.5), (55, 100.25)):
            yield price(start + timedelta(minutes=minute, seconds=second), amount)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page_url(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The board over an hour with an outage."""
    settings = own_dashboard(stack)
    insert_prices(settings, list(list_prices(START)))
    moment = START + timedelta(minutes=BUSY, seconds=30)
    full: dict[str, Any] = {"completeness": Completeness.FULL, "price": 101.0}
    insert(settings, [
        liquidation(moment, 5_000.0, **full),
        liquidation(moment, 2_000.0, side=Side.SHORT, raw_side="BUY", **full),
        liquidation(START, 10.0, **full),  # the axis begins with the first
        liquidation(START + timedelta(minutes=50), 1_000.0, **full),
    ])  # fmt: skip
    report(settings, list(list_reports(START, MINUTES * 60, LOST)))
    async with served(settings, tmp_path_factory.mktemp("prices") / "log") as served_url:
        yield f"{served_url}&{WINDOW}"


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(share: Visiting) -> AsyncIterator[Visit]:
    async with share() as visitor:
        await visitor.page.wait_for_selector(".liq-candles .uplot canvas")
        await shows_hour(visitor)
        await visitor.page.mouse.move(0, 0)
        yield visitor
        assert visitor.complaints == []  # the content security policy's too
        assert visitor.outside == []


async def locate(visitor: Visit, minute: float, share: float = 0.5) -> tuple[float, float]:
    """Return the pixel of a minute of the hour, and of a share of the height of the candles."""
    box = await visitor.page.locator(".liq-candles .u-over").first.bounding_box()
    assert box
    return box["x"] + minute / MINUTES * box["width"], box["y"] + share * box["height"]


async def read(visitor: Visit, minute: float, share: float = 0.5) -> dict[str, str]:
    """Return what the board shows of a minute under the pointer, by name."""
    await visitor.page.mouse.move(*await locate(visitor, minute, share))
    hover = visitor.page.locator(".liq-price-hover")
    await expect(hover).to_be_visible()
    lines = await hover.locator("> div").all_inner_texts()
    parts = (line.split("\n") for line in lines)
    return {name: value[0] if value else "" for name, *value in parts}


async def look(visitor: Visit, minute: float, share: float) -> tuple[int, ...]:
    """Return the colour of a pixel on the screen."""
    await visitor.page.mouse.move(0, 0)
    x, y = await locate(visitor, minute, share)
    picture = await visitor.page.screenshot(clip={"x": x, "y": y, "width": 1, "height": 1})
    pixel = Image.open(io.BytesIO(picture)).convert("RGB").getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return tuple(int(part) for part in pixel)


async def drag(visitor: Visit, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the candles, between a minute and share of the height each."""
    await visitor.page.mouse.move(*await locate(visitor, *start))
    await visitor.page.mouse.down()
    await visitor.page.mouse.move(*await locate(visitor, *end), steps=5)
    await visitor.page.mouse.up()


async def shows_span(visitor: Visit, pattern: str) -> None:
    """Fail unless the header comes to show a span."""
    shown = visitor.page.locator(".liq-shown")
    await expect(shown).to_have_text(re.compile(pattern))


async def shows_hour(visitor: Visit) -> None:
    """Fail unless the header and then the chart come to show the whole hour."""
    await visitor.shows("11:00:00 to 12:00:00 UTC", ".liq-shown")
    shown = visitor.page.locator(".liq-price-hover").filter(has_text="2026-03-02 11:41 to 11:42")
    async with asyncio.timeout(PATIENCE_S):
        while not await shown.is_visible():
            for minute in (41.2, 41.5):  # a chart that was drawn since notices movements only
                await visitor.page.mouse.move(*await locate(visitor, minute))
            await asyncio.sleep(0.1)


async def test_the_pointer_reads_the_numbers_of_a_bucket(visitor: Visit) -> None:
    shown = await read(visitor, BUSY + 0.5)
    assert next(iter(shown)) == "2026-03-02 11:20 to 11:21"
    candle = {name: shown[name] for name in ("open", "high", "low", "close")}
    assert candle == {"open": "103.75", "high": "104", "low": "99.5", "close": "100.25"}
    assert shown["longs liquidated"] == "$5,000"  # the gap of the hour is later
    assert shown["shorts liquidated"] == "$2,000"
    assert shown["long minus short"] == "$3,000"
    assert shown["most longs"].startswith("$5,000 from 100.9")
    assert not any("disconnected" in line for line in shown)
    quiet = await read(visitor, 45.5)
    assert quiet["long minus short"] == "$0"
    assert quiet["its sum so far"] == "$3,010"
    # the crosshair is in both panels, at the same time
    lines = visitor.page.locator(".liq-candles .u-cursor-x")
    edges = [await line.bounding_box() for line in await lines.all()]
    assert len({round(edge["x"] + edge["width"]) for edge in edges if edge}) == 1
    await visitor.page.mouse.move(0, 0)
    await expect(visitor.page.locator(".liq-price-hover")).to_be_hidden()


async def test_a_candle_is_seen_through_its_bubbles(visitor: Visit) -> None:
    bubble = 0.65  # of the height: the price of 101, within the body of each candle
    assert await look(visitor, BUSY + 0.5, bubble) == await look(visitor, 45.5, bubble)


async def test_a_gap_is_seen_and_read(visitor: Visit) -> None:
    middle = sum(LOST) / 2 + 0.5
    assert await look(visitor, middle, 0.99) != await look(visitor, 41.5, 0.99)
    assert await look(visitor, middle, 1.4) != await look(visitor, 41.5, 1.4)  # the net's panel
    shown = await read(visitor, middle)
    assert "a feed was disconnected: events are missing" in shown
    assert shown["longs liquidated"] == f"{BOUND}$0"
    after = await read(visitor, 41.5)
    assert "a feed was disconnected: events are missing" not in after


async def test_a_drag_narrows_the_window_and_back_undoes_it(visitor: Visit) -> None:
    await drag(visitor, (10, 0.4), (25, 0.45))
    await shows_span(visitor, r"11:(09:5|10:0)\d to 11:(24:5|25:0)\d")
    await visitor.page.get_by_role("button", name="Back", exact=True).click()
    await shows_hour(visitor)
    await drag(visitor, (10, 0.97), (25, 1.02))  # slips out of the panel
    await shows_span(visitor, r"11:(09:5|10:0)\d to 11:(24:5|25:0)\d")
    await visitor.page.get_by_role("button", name="Back", exact=True).click()
    await shows_hour(visitor)
    await visitor.page.keyboard.down("Shift")  # moves the window in place of narrowing it
    await drag(visitor, (40, 0.4), (30, 0.4))
    await visitor.page.keyboard.up("Shift")
    await shows_span(visitor, r"11:(09:5|10:0)\d to 12:(09:5|10:0)\d")
    await visitor.page.mouse.dblclick(*await locate(visitor, 30))
    await visitor.until("!location.search.includes('from=')")  # live


async def test_a_drag_upwards_enlarges_the_prices_alone(visitor: Visit) -> None:
    before = visitor.page.url
    red = await look(visitor, BUSY + 0.5, 0.02)
    await drag(visitor, (BUSY + 0.5, 0.4), (BUSY + 0.6, 0.7))
    assert await look(visitor, BUSY + 0.5, 0.02) != red  # a full candle from top to bottom
    assert visitor.page.url == before
    await visitor.page.get_by_role("button", name="show all prices again").click()
    assert await look(visitor, BUSY + 0.5, 0.02) == red


async def test_a_zoom_of_prices_ends_with_another_choice_of_prints(visitor: Visit) -> None:
    whole = await look(visitor, BUSY + 0.5, 0.02)
    await drag(visitor, (BUSY + 0.5, 0.4), (BUSY + 0.6, 0.7))
    assert await look(visitor, BUSY + 0.5, 0.02) != whole
    least = visitor.page.get_by_label("Min size (USD)", exact=True)
    await least.fill("500")
    await least.press("Enter")
    await visitor.shows("at least $500", ".liq-chips")
    async with asyncio.timeout(PATIENCE_S):
        while await look(visitor, BUSY + 0.5, 0.02) != whole:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.1)


async def test_the_legend_hides_marks_and_the_picture_can_be_saved(visitor: Visit) -> None:
    for name, label in (("long", "longs"), ("short", "shorts"), ("net", "long minus short")):
        assert await visitor.page.evaluate(COUNT, name) > 0, name
        button = visitor.page.locator(".liq-price-legend").get_by_role("button", name=label)
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", "false")
        await visitor.until(f"name => !({COUNT})(name)", name)
        await button.click()
        await visitor.until(f"name => ({COUNT})(name)", name)
    async with visitor.page.expect_download() as download:
        await visitor.page.locator(".liq-price-tools").get_by_title("save the chart").click()
    name = (await download.value).suggested_filename
    assert re.fullmatch(
        r"BTC-price-and-liquidations-per-\w+_2026-03-02-11-00-00-to-12-00-00-UTC_asset-BTC\.png",
        name,
    )
    with Image.open(await (await download.value).path()) as picture:
        assert picture.width > 800
        assert picture.height > 400


async def test_the_button_that_moves_the_window_says_whether_it_is_pressed(
    visitor: Visit,
) -> None:
    name = re.compile("^BTC price and liquidations per 1m: drag to move the window")
    moves = visitor.page.get_by_role("button", name=name)
    for is_pressed in ("false", "true", "false", "true"):
        await expect(moves).to_have_attribute("aria-pressed", is_pressed)
        await moves.click()


async def test_a_picture_of_plotly_is_named_by_its_chart_and_time(share: Visiting) -> None:
    async with share(WINDOW.replace("board=Prices&", "")) as visitor:
        await visitor.bars()
        await visitor.shows("11:00:00 to 12:00:00 UTC", ".liq-shown")
        await visitor.page.locator(".liq-bars .liq-plot").hover()
        async with visitor.page.expect_download() as download:
            await visitor.page.locator(".liq-bars .modebar-btn").first.click()
        assert re.fullmatch(
            r"Liquidated-per-\w+_2026-03-02-11-00-00-to-12-00-00-UTC_asset-BTC\.png",
            (await download.value).suggested_filename,
        )
        assert visitor.complaints == []


async def test_a_window_without_anything_says_so(share: Visiting) -> None:
    async with share("board=Prices&asset=BTC") as visitor:
        await expect(visitor.page.locator(".liq-price-note")).to_have_text(
            "no mark price and no liquidations recorded in this window"
        )
        await expect(visitor.page.locator(".liq-price-panels")).to_be_hidden()  # no made-up axes
        assert visitor.complaints == []
