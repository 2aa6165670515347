"""Filters as people use them: searched, typed in any case, clicked, removed, by keyboard too."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from browser.conftest import REOPEN, Visit, Visiting, own_dashboard, served
from browser.test_address import has_query
from liq.config import Settings
from liq.records.model import Liquidation, Text
from support.rows import insert, liquidation

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
MARKUP = "<img src=x onerror=document.title='pwned'>"
LONG = "L" * 200


def create_market() -> Sequence[Liquidation]:
    """Return prints of 300 contracts and of names as nobody should choose them."""
    now = datetime.now(UTC)

    def one(symbol: str, base: str, usd: float, **changes: Any) -> Liquidation:
        ts = now - timedelta(seconds=30)
        return liquidation(
            ts, usd, symbol=Text(symbol), base=Text(base), asset=Text(base), **changes
        )

    prints = [one(f"C{number:03}USDT", f"C{number:03}", 1_000 + number) for number in range(300)]
    prints += [one("BTCUSDT", "BTC", 900_000), one("BTC-PERP", "BTC", 800_000, exchange="okx")]
    prints += [one("ETHUSDT", "ETH", 700_000, exchange="bybit"), one(MARKUP, MARKUP, 600_000)]
    return [*prints, one(LONG, LONG, 500_000)]


@pytest.fixture(scope="module")
def market(stack: Settings) -> Settings:
    """A table of these tests' own, with rows."""
    own = own_dashboard(stack)
    insert(own, create_market())
    return own


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page_url(
    market: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    async with served(market, tmp_path_factory.mktemp("filters") / "log") as url:
        yield url


def find_picker(visitor: Visit, name: str) -> Locator:
    return visitor.page.get_by_role("combobox", name=name, exact=True)


def find_options(visitor: Visit) -> Locator:
    return visitor.page.locator(".liq-picker [role=option]")


def find_chip(visitor: Visit, text: str) -> Locator:
    return visitor.page.get_by_role("button", name=f"remove {text}", exact=True)


async def test_symbols_are_grouped_by_asset_and_searched_in_any_case(
    share: Visiting,
) -> None:
    async with share() as visitor:
        await visitor.bars()
        symbols = find_picker(visitor, "Symbols")
        await symbols.click()
        await expect(symbols).to_have_attribute("aria-expanded", "true")
        group = visitor.page.get_by_role("group", name="BTC", exact=True)
        assert await group.get_by_role("option").all_inner_texts() == ["BTCUSDT", "BTC-PERP"]
        await visitor.shows("more: type to find them", ".liq-hint")
        await symbols.press_sequentially("btc")
        await expect(find_options(visitor)).to_have_text(["BTCUSDT", "BTC-PERP"])
        await symbols.fill("c2")
        await expect(find_options(visitor)).to_have_count(100)
        await symbols.press("Escape")
        await expect(symbols).to_have_attribute("aria-expanded", "false")
        assert await find_options(visitor).count() == 0
        await symbols.press("Escape")  # once more empties the field
        await expect(symbols).to_have_value("")
        assert visitor.complaints == []


async def test_names_are_chosen_and_removed_by_keyboard(share: Visiting) -> None:
    async with share() as visitor:
        await visitor.bars()
        symbols, press = find_picker(visitor, "Symbols"), visitor.page.keyboard.press
        await symbols.focus()
        await visitor.page.keyboard.type("usdt")
        for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
            await press(key)
        active = await symbols.get_attribute("aria-activedescendant")
        chosen = await visitor.page.locator(f"#{active}").inner_text()
        await press("Enter")
        await has_query(visitor, symbols=chosen)
        await visitor.page.keyboard.type("ethusdt")
        await press("Enter")
        await has_query(visitor, symbols=f"{chosen},ETHUSDT")
        await expect(symbols).to_be_focused()
        assert await symbols.get_attribute("placeholder") == "2 symbols"
        await press("Backspace")
        await has_query(visitor, symbols=chosen)
        await press("ArrowDown")  # a chosen name is chosen no more when it is chosen again
        await expect(visitor.page.locator("[role=option][aria-selected=true]")).to_have_text(chosen)
        await press("Escape")
        await find_chip(visitor, f"symbol {chosen}").focus()
        await press("Delete")
        await has_query(visitor)
        await expect(visitor.page.locator(".liq-picker input").first).to_be_focused()
        assert visitor.complaints == []


async def test_an_asset_is_searched_in_any_case_replaced_and_removed_by_keyboard(
    share: Visiting,
) -> None:
    async with share() as visitor:
        await visitor.bars()
        assets, press = find_picker(visitor, "Asset"), visitor.page.keyboard.press
        await expect(assets).to_have_attribute("placeholder", "all assets")
        await assets.focus()
        await visitor.page.keyboard.type("Bt")
        await expect(find_options(visitor)).to_have_text(["BTC"])
        await press("ArrowDown")
        await press("Enter")
        await has_query(visitor, asset="BTC")
        await expect(assets).to_have_attribute("placeholder", "BTC")
        await visitor.page.keyboard.type("eth")  # another one takes its place
        await press("Enter")
        await has_query(visitor, asset="ETH")
        await visitor.page.reload()
        await expect(assets).to_have_attribute("placeholder", "ETH")
        await assets.fill("btc,eth")
        await press("Enter")
        await visitor.shows("choose one asset, not 2", ".liq-error")
        await has_query(visitor, asset="ETH")
        await press("Backspace")
        await has_query(visitor)
        await expect(assets).to_have_attribute("placeholder", "all assets")
        assert visitor.complaints == []


async def test_the_first_option_removes_what_is_chosen(share: Visiting) -> None:
    kept = {"asset": "BTC", "venues": "okx", "symbols": "BTC-PERP"}
    async with share("&".join(f"{name}={value}" for name, value in kept.items())) as visitor:
        await visitor.bars()
        for name in ("Symbols", "Venues", "Asset"):
            picker, every = find_picker(visitor, name), f"all {name.lower().rstrip('s')}s"
            await expect(picker).not_to_have_attribute("placeholder", every)
            await picker.focus()
            await visitor.page.keyboard.press("ArrowDown")
            await expect(find_options(visitor).first).to_have_text(every)
            await visitor.page.keyboard.press("Enter")
            del kept[name.lower()]
            await has_query(visitor, **kept)
            await expect(picker).to_have_attribute("placeholder", every)
            await picker.click()
            await expect(find_options(visitor).first).not_to_have_text(every)
            await visitor.page.keyboard.press("Escape")
        assert visitor.complaints == []


async def test_a_name_that_no_row_has_is_reported_and_changes_nothing(share: Visiting) -> None:
    async with share() as visitor:
        await visitor.bars()
        symbols = find_picker(visitor, "Symbols")
        await symbols.fill("BTCUSDX")
        await visitor.shows("none in view is like “BTCUSDX”", ".liq-hint")
        await symbols.press("Enter")
        await visitor.shows("no row has the symbol 'BTCUSDX'; nearest: BTCUSDT", ".liq-error")
        await expect(symbols).to_have_attribute("aria-invalid", "true")
        await symbols.fill("<script>alert(1)</script>")
        await symbols.press("Enter")
        await visitor.shows("no row has the symbol '<script>alert(1)</script>'", ".liq-error")
        await has_query(visitor)
        await symbols.fill("btcusdt")
        await symbols.press("Enter")
        await has_query(visitor, symbols="BTCUSDT")
        await expect(
            visitor.page.locator(".liq-picker .liq-error", has_text="no row")
        ).to_have_count(0)
        await expect(symbols).to_have_attribute("aria-invalid", "false")
        assert visitor.complaints == []


async def test_an_odd_name_is_text_that_can_be_chosen_and_removed(share: Visiting) -> None:
    async with share() as visitor:
        await visitor.bars()
        symbols = find_picker(visitor, "Symbols")
        for name in (MARKUP, LONG):
            await symbols.fill(name[:20])
            await find_options(visitor).first.click()
            chip = find_chip(visitor, f"symbol {name}")
            box = await chip.bounding_box()
            assert box
            assert box["width"] <= 260
            assert await visitor.page.evaluate("document.title") != "pwned"
            assert await visitor.page.locator(".liq-root img").count() == 0
            width = await visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert width <= 0
            await chip.click()
            await expect(chip).to_have_count(0)
        assert visitor.complaints == []


async def test_chips_show_every_filter_and_clear_it(share: Visiting) -> None:
    query = "asset=BTC&venues=okx,binance_usdm&minimum=1000&symbols=BTC-PERP"
    async with share(query) as visitor:
        await visitor.bars()
        chips = visitor.page.get_by_role("group", name="filters").get_by_role("button")
        shown = ["asset BTC", "venue okx", "venue binance_usdm", "symbol BTC-PERP"]
        shown.append(r"at least \$1k")
        await expect(chips).to_have_text(
            [re.compile(f"^{text}.$") for text in shown] + [re.compile("^Clear all$")]
        )
        for chip in await chips.all():
            box = await chip.bounding_box()
            assert box
            assert box["height"] >= 24
            assert box["width"] >= 24
        await find_chip(visitor, "venue okx").click()
        await has_query(
            visitor, asset="BTC", venues="binance_usdm", symbols="BTC-PERP", minimum="1000"
        )
        await visitor.page.get_by_role("button", name="Clear all filters").click()
        await has_query(visitor)
        await expect(chips).to_have_count(0)
        assert visitor.complaints == []


async def test_300_chosen_symbols_leave_the_page_usable(share: Visiting) -> None:
    async with share() as visitor:
        await visitor.bars()
        symbols = find_picker(visitor, "Symbols")
        await symbols.fill(",".join(f"c{number:03}usdt" for number in range(300)))
        await symbols.press("Enter")
        chips = visitor.page.get_by_role("group", name="filters")
        await expect(chips.get_by_role("button")).to_have_count(301)
        box = await chips.bounding_box()
        assert box
        assert box["height"] <= 100
        assert await symbols.get_attribute("placeholder") == "300 symbols"
        await visitor.page.get_by_role("button", name="Clear all filters").click()
        await has_query(visitor)


async def test_a_clicked_bar_filters_and_once_more_shows_all(share: Visiting) -> None:
    async with share() as visitor:
        await visitor.bars()
        for card, field, name in (
            ("symbols", "symbols", "BTCUSDT"),
            ("exchanges", "venues", "binance_usdm"),
        ):
            bar = visitor.page.locator(f".liq-{card} .bars .point path").first
            await visitor.until(
                "card => document.querySelectorAll(`.liq-${card} .ytick`).length > 1", card
            )
            await click_middle(visitor, bar)
            await has_query(visitor, **{field: name})
            await visitor.until(
                "card => document.querySelectorAll(`.liq-${card} .ytick`).length === 1", card
            )
            await click_middle(visitor, bar)
            await has_query(visitor)
        assert visitor.complaints == []


async def test_a_clicked_asset_of_the_map_filters_and_back_or_a_click_shows_all(
    share: Visiting,
) -> None:
    async with share() as visitor:
        await visitor.bars()
        tiles = visitor.page.locator(".liq-assets .bars .point path")
        await visitor.until("document.querySelectorAll('.liq-assets .bars .point path').length > 1")
        await click_middle(visitor, tiles.first)  # the greatest
        await has_query(visitor, asset="BTC")
        await visitor.shows("asset BTC", ".liq-chips")
        await expect(tiles).to_have_count(1)
        await visitor.page.evaluate("globalThis.isSame = true")
        await visitor.page.go_back()
        await visitor.page.wait_for_selector(".liq-chips button", state="detached")
        await has_query(visitor)
        await visitor.page.go_forward()
        await visitor.shows("asset BTC", ".liq-chips")
        assert await visitor.page.evaluate("globalThis.isSame")  # without a reload
        await expect(tiles).to_have_count(1)
        await click_middle(visitor, tiles.first)
        await has_query(visitor)
        assert visitor.complaints == []


async def test_a_clicked_part_of_the_venues_shares_filters_by_its_venue(
    share: Visiting, market: Settings
) -> None:
    start = datetime(2026, 3, 2, 11, tzinfo=UTC)
    sizes = {"binance_usdm": 5_000, "okx": 3_000, "bybit": 2_000}  # the greatest is the lowest part
    prints = [
        liquidation(start + timedelta(minutes=minute, seconds=5), usd, exchange=venue)
        for minute in range(10)
        for venue, usd in sizes.items()
    ]
    await asyncio.to_thread(insert, market, prints)
    span = "from=2026-03-02T11:00Z&to=2026-03-02T11:10Z"
    async with share(f"board=Patterns&{span}") as visitor:
        traces = visitor.page.locator(".liq-share .trace.bars")
        await expect(traces).to_have_count(3)
        for number, venue in enumerate(sizes):
            await click_middle(visitor, traces.nth(number).locator(".point path").nth(5))
            await find_chip(visitor, f"venue {venue}").wait_for()
            await expect(traces).to_have_count(1)
            await find_chip(visitor, f"venue {venue}").click()
            await expect(traces).to_have_count(3)
        assert visitor.complaints == []


async def test_a_clicked_size_class_shows_its_prints_alone_and_a_chip_clears_it(
    share: Visiting,
) -> None:
    async with share() as visitor:
        await visitor.bars()
        bars = visitor.page.locator(".liq-classes .bars .point path")
        await click_middle(visitor, bars.last)  # the smallest class is the lowest
        await has_query(visitor, maximum="10000")
        await visitor.until("document.querySelectorAll('.liq-classes .ytick').length === 1")
        await visitor.shows("below $10k", ".liq-chips")
        sizes = await visitor.page.locator(".liq-tape .liq-size").all_inner_texts()
        assert sizes
        assert max(int(size.replace(",", "")) for size in sizes) < 10_000
        await visitor.page.evaluate(REOPEN, "maximum=10000")  # as a link does
        await visitor.shows("below $10k", ".liq-chips")
        least = visitor.page.get_by_label("Min size (USD)", exact=True)
        await least.fill("-50")
        await least.press("Enter")
        await visitor.shows("'-50' is no size in USD", ".liq-amount .liq-error")
        await expect(least).to_have_attribute("aria-invalid", "true")
        await least.fill("1.2k")  # a typed minimum narrows the class
        await least.press("Enter")
        await has_query(visitor, minimum="1200", maximum="10000")
        await expect(least).to_have_value("1200")
        await expect(visitor.page.locator(".liq-amount .liq-error")).to_be_empty()
        await find_chip(visitor, "$1.2k to $10k").click()
        await has_query(visitor)
        await expect(least).to_have_value("0")
        await visitor.until("document.querySelectorAll('.liq-classes .ytick').length === 2")
        assert visitor.complaints == []


async def click_middle(visitor: Visit, mark: Locator) -> None:
    """Click a bar, over which plotly lays what catches the pointer."""
    await mark.scroll_into_view_if_needed()
    before, box = None, await mark.bounding_box()
    while box is None or box != before:  # it moves while the chart is drawn
        await asyncio.sleep(0.1)
        before, box = box, await mark.bounding_box()
    await visitor.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


async def test_names_in_tables_filter(share: Visiting) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        await page.locator(".liq-tape").get_by_role("button", name="okx").first.click()
        await has_query(visitor, venues="okx")
        await expect(page.locator(".liq-tape tr[data-key]")).to_have_count(1)
        assert not await page.locator(".liq-inspector").is_visible()  # it was no click on the row
        await find_chip(visitor, "venue okx").click()
        await page.get_by_role("tab", name="Patterns").click()
        size = page.locator(".liq-sizes").get_by_role("button").last
        title = await size.get_attribute("title")
        await size.click()
        await visitor.shows("at least", ".liq-chips")
        assert title
        assert title.startswith("only prints of $")
        assert await page.get_by_label("Min size (USD)").input_value() != "0"
        assert visitor.complaints == []


async def test_a_clicked_cascade_travels(share: Visiting, market: Settings) -> None:
    start = datetime.now(UTC) - timedelta(minutes=20)
    run = [liquidation(start + timedelta(seconds=0.2 * each), 50_000, symbol=Text("SOLUSDT"),
                       base=Text("SOL"), asset=Text("SOL")) for each in range(30)]  # fmt: skip
    await asyncio.to_thread(insert, market, run)
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.get_by_role("tab", name="Cascades").click()
        row = visitor.page.locator(".liq-greatest tr", has_text="SOL")
        await row.get_by_role("button", name="SOL").click()
        await has_query(visitor, board="Cascades", asset="SOL")
        await expect(visitor.page.locator(".liq-greatest tbody tr")).to_have_count(1)
        bubble = visitor.page.locator(".liq-timeline .point").first
        await click_middle(visitor, bubble)
        await visitor.until("location.search.includes('from=')")
        await visitor.shows("asset SOL", ".liq-chips")
        await visitor.shows("Overview", ".liq-tabs [aria-selected=true]")
        assert visitor.complaints == []
