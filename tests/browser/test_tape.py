"""The tape as people read it: still below the pointer, and looking and sounding as they chose."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from playwright.async_api import expect

from browser.conftest import Visit, Visiting, own_dashboard, served
from liq.config import Settings
from liq.records.model import Source, Text
from support.rows import insert, liquidation

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
ROWS = ".liq-tape tr[data-key]"
FIRST = f"document.querySelector('{ROWS}').cells[2].textContent"
LISTEN = """() => {
  window.tones = [];
  window.startTone ??= OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (when) {
    tones.push(this.frequency.value);
    return startTone.call(this, when);
  };
}"""

HIDE = """() => {
  Object.defineProperty(document, "visibilityState", { value: "hidden" });
  document.dispatchEvent(new Event("visibilitychange"));
  window.requestAnimationFrame = () => 0; // as in a hidden tab, which draws nothing
}"""


@pytest.fixture(scope="module")
def market(stack: Settings) -> Settings:
    """A table of these tests' own, with some prints."""
    own = own_dashboard(stack)
    start = datetime.now(UTC) - timedelta(minutes=5)
    insert(own, [liquidation(start + timedelta(seconds=each), 1_000) for each in range(50)])
    return own


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page_url(
    market: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    async with served(market, tmp_path_factory.mktemp("tape") / "log") as url:
        yield url


async def add_prints(market: Settings, *sizes: float, symbol: str = "NEWUSDT") -> None:
    """Write prints of now."""
    prints = [liquidation(datetime.now(UTC), usd, symbol=Text(symbol)) for usd in sizes]
    await asyncio.to_thread(insert, market, prints)


async def open_settings(visitor: Visit) -> None:
    await visitor.page.locator(".liq-tape summary").click()


async def reset_settings(visitor: Visit) -> None:
    await visitor.page.locator(".liq-tape form").get_by_role("button", name="Reset").click()


async def test_the_tape_holds_still_below_the_pointer_and_counts_what_is_new(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        row = page.locator(ROWS).nth(3)
        await row.hover()
        key = await row.get_attribute("data-key")
        await add_prints(market, 2_000, 3_000, symbol="HELD1")
        await visitor.shows("2 new", ".liq-new")
        await add_prints(market, 4_000, symbol="HELD2")
        await visitor.shows("3 new", ".liq-new")
        assert await row.get_attribute("data-key") == key
        await page.get_by_role("button", name="3 new").click()
        await visitor.until(f"{FIRST} === 'HELD2'")
        await row.hover()
        symbol = await row.locator("td").nth(2).inner_text()
        await add_prints(market, 5_000, symbol="HELD3")
        await visitor.shows("1 new", ".liq-new")
        await row.locator("td").nth(0).click()  # the print that was aimed at, and no other
        await visitor.shows(symbol, ".liq-inspection")
        await page.keyboard.press("Escape")
        await page.mouse.move(5, 5)
        await page.locator(".liq-shown").click()  # the focus leaves the row, too
        await visitor.until(f"{FIRST} === 'HELD3'")
        await expect(page.locator(".liq-new")).to_be_hidden()
        assert visitor.complaints == []


async def test_the_newest_row_alone_has_a_badge_where_all_are_simulated(
    share: Visiting, market: Settings
) -> None:
    real, simulated = (datetime(2026, 3, 2, hour, 30, tzinfo=UTC) for hour in (10, 11))
    prints = [
        liquidation(real, 1_000),
        liquidation(simulated, 1_000, source=Source.SIMULATOR),
        liquidation(simulated, 2_000, source=Source.SIMULATOR),
    ]
    await asyncio.to_thread(insert, market, prints)
    for start, badge, badges in (
        ("11", "SIMULATED DATA", [True, False]),
        ("10", "PARTLY SIMULATED DATA", [True, True]),
    ):
        span = f"from=2026-03-02T{start}:00Z&to=2026-03-02T12:00Z"
        async with share(span) as visitor:
            await visitor.bars()
            shown = visitor.page.locator(".liq-badge")
            await expect(shown).to_have_text(badge)
            cells = visitor.page.locator(f"{ROWS} td.liq-unreal")
            await expect(cells.last).to_have_attribute("title", "simulated")
            assert "simulated" in await cells.last.inner_text()  # for screen readers
            seen = "all => all.map((mark) => mark.offsetWidth > 20)"
            assert await cells.locator("mark").evaluate_all(seen) == badges
            assert visitor.complaints == []


async def test_the_tape_is_one_stop_of_the_tab_key_and_keeps_the_focus(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page, press = visitor.page, visitor.page.keyboard.press
        assert await page.locator(f"{ROWS}[tabindex='0']").count() == 1
        await page.locator(f"{ROWS}[tabindex='0']").focus()
        await press("ArrowDown")
        await press("ArrowDown")
        row = page.locator(ROWS).nth(2)
        await expect(row).to_be_focused()
        key = await row.get_attribute("data-key")
        await add_prints(market, 2_000, symbol="FOCUS1")
        await visitor.shows(" new", ".liq-new")  # prints of the test before may come late
        await expect(row).to_be_focused()
        assert await row.get_attribute("data-key") == key
        await press("ArrowRight")
        await expect(row.get_by_role("button").first).to_be_focused()
        await press("ArrowLeft")
        await press("Home")
        await expect(page.locator(ROWS).first).to_be_focused()
        await press("Tab")
        await visitor.until(f"{FIRST} === 'FOCUS1'")
        assert visitor.complaints == []


async def test_another_filter_shows_its_rows_though_the_pointer_is_on_the_tape(
    share: Visiting, market: Settings
) -> None:
    await add_prints(market, 2_000, symbol="OTHER")
    async with share() as visitor:
        await visitor.bars()
        name = visitor.page.locator(".liq-tape").get_by_role("button", name="OTHER", exact=True)
        await name.click()
        await expect(visitor.page.locator(ROWS)).to_have_count(1)
        await expect(visitor.page.locator(".liq-new")).to_be_hidden()


async def test_sizes_have_bars_and_thresholds_their_colour(
    share: Visiting, market: Settings
) -> None:
    await add_prints(market, 150_000, symbol="LARGE")
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        large = page.locator(ROWS, has_text="LARGE").first
        small = page.locator(ROWS).last
        shares = [
            await row.evaluate("row => parseFloat(row.cells[3].style.getPropertyValue('--share'))")
            for row in (small, large)
        ]
        assert 0 < shares[0] < shares[1] < 100
        await expect(large).to_have_class("liq-marked")
        await open_settings(visitor)
        await page.get_by_label("threshold 1 in USD").fill("200000")
        await page.get_by_label("threshold 1 in USD").press("Enter")
        await expect(large).not_to_have_class("liq-marked")
        await page.get_by_role("button", name="Add a threshold").click()
        await page.get_by_label("threshold 3 in USD").fill("120000")
        await page.get_by_label("colour of threshold 3").fill("#00ff00")
        await expect(large).to_have_class("liq-marked")
        assert await large.evaluate("row => row.style.getPropertyValue('--mark')") == "#00ff00"
        await page.get_by_role("button", name="remove threshold 1").click()
        await visitor.open_board("Feeds")
        await visitor.open_board("Overview")  # whose tape reads the settings again
        await open_settings(visitor)
        values = [
            await page.get_by_label(f"threshold {each} in USD").input_value() for each in (1, 2)
        ]
        assert values == ["1000000", "120000"]
        await reset_settings(visitor)
        assert visitor.complaints == []


async def choose_sound(visitor: Visit) -> None:
    """Choose the second threshold's sound, which is played as a sample."""
    await open_settings(visitor)
    await visitor.page.get_by_label("sound of threshold 2").select_option("high")
    await visitor.until("tones.length === 1")


async def test_a_large_print_sounds_where_that_was_asked_for(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        await page.evaluate(LISTEN)
        await add_prints(market, 5_000_000, symbol="QUIET")
        await visitor.until(f"{FIRST} === 'QUIET'")
        assert await page.evaluate("tones") == []  # nobody asked for a sound
        await choose_sound(visitor)
        await page.keyboard.press("Escape")
        await page.mouse.move(5, 5)
        await add_prints(market, 2_000, symbol="SMALL")
        await visitor.until(f"{FIRST} === 'SMALL'")
        assert await page.evaluate("tones.length") == 1
        await add_prints(market, 3_000_000, symbol="LOUD")
        await visitor.until("tones.length === 2")
        await page.get_by_label("Window", exact=True).select_option(
            "4h"
        )  # large prints of before are no news
        await visitor.until("location.search.includes('window=4h')")
        await visitor.bars()
        assert await page.evaluate("tones.length") == 2
        await open_settings(visitor)
        await reset_settings(visitor)
        assert visitor.complaints == []


async def test_columns_are_chosen_and_kept(share: Visiting) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        head = page.locator(".liq-tape th:visible")
        usual = ["time (UTC)", "side", "symbol", "size (USD)", "price", "exchange"]
        await expect(head).to_have_text(usual)
        await open_settings(visitor)
        await page.get_by_label("price", exact=True).uncheck()
        await page.get_by_label("quantity", exact=True).check()
        chosen = [*usual[:4], "exchange", "quantity (base)"]
        await expect(head).to_have_text(chosen)
        await page.reload()
        await visitor.bars()
        await expect(head).to_have_text(chosen)
        await open_settings(visitor)
        await reset_settings(visitor)
        await expect(head).to_have_text(usual)
        assert visitor.complaints == []


async def test_odd_settings_of_the_browser_are_ignored(share: Visiting) -> None:
    odd = [
        "{", "null", '{"hidden": 5, "thresholds": []}',
        '{"hidden": ["x"], "thresholds": [{"usd": "<b>", "colour": "red;background:url(x)"}]}',
    ]  # fmt: skip
    async with share() as visitor:
        await visitor.bars()
        for stored in odd:
            await visitor.page.evaluate("text => localStorage.setItem('liq-tape', text)", stored)
            await visitor.open_board("Feeds")
            await visitor.open_board("Overview")  # whose tape reads the settings again
            await expect(visitor.page.locator(ROWS).first).to_be_visible()
            await open_settings(visitor)
            await reset_settings(visitor)
        assert visitor.complaints == []


async def test_a_tape_with_sounds_goes_on_while_its_page_is_hidden(
    share: Visiting, market: Settings
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        await page.evaluate(LISTEN)
        await choose_sound(visitor)
        await page.evaluate(HIDE)
        await asyncio.sleep(16)  # longer than a kernel waits for a page that is gone
        await add_prints(market, 3_000_000, symbol="UNSEEN")
        await visitor.until("tones.length === 2")
        assert visitor.complaints == []
        await visitor.leave()
