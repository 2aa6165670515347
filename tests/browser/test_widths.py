"""The dashboard on a phone, a tablet and three wider screens: what fits, what fingers can press."""

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psutil
import pytest
import pytest_asyncio
from msgspec.structs import replace
from PIL import Image
from playwright.async_api import Browser, Page, expect

from browser.conftest import SharedPage, Visit, own_dashboard, served, trading
from browser.test_address import has_query
from liq.config import Settings
from liq.delivery.producer import Producer
from liq.ingest import venues
from liq.query import questdb
from liq.records.model import Alert, Severity, Source, Text
from liq.records.streams import ALERTS
from liq.web.dashboard.board_queries import BOARDS
from support.rows import health, insert, insert_alerts, liquidation, report

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


class Screen(NamedTuple):
    """A size in CSS pixels, and whether fingers press on it."""

    width: int
    height: int
    has_touch: bool = False


SCREENS = {
    "phone": Screen(390, 844, has_touch=True),
    "tablet": Screen(820, 1180, has_touch=True),
    "laptop": Screen(1280, 800),
    "desktop": Screen(1920, 1080),
    "wide": Screen(3440, 1440),
}
FIRST_BAR_PX = 260
PHONE_PX = 640
IS_CUT = """each => each.scrollWidth > each.clientWidth + 1
  || each.scrollHeight > each.clientHeight + 1"""
TARGET_PX = 40
LINE_PX = 20
COLUMN_PX = 240  # a narrower column of the details breaks lines in the middle of words

NEWEST_MARKED = """() => {
  const [first, ...others] = Array.from(document.querySelectorAll(".liq-tape mark"))
    .map((mark) => mark.offsetWidth);
  return first > 1 && others.length && Math.max(...others) <= 1; // it says it for all
}"""
DIMMED_BY = """form => {
  const above = [form];
  while (above[0].parentElement) above.unshift(above[0].parentElement);
  return above.filter((each) => getComputedStyle(each).opacity < 1).map((each) => each.className);
}"""
INDENT = """each => {
  const text = document.createRange();
  text.selectNodeContents(each);
  return text.getBoundingClientRect().left - each.getBoundingClientRect().left;
}"""  # of a button's text, in pixels
IS_TAB_IN_VIEW = """name => {
  const tabs = document.querySelector("[role=tablist]");
  const tab = tabs.querySelector("[aria-selected=true]");
  const [all, own] = [tabs, tab].map((each) => each.getBoundingClientRect());
  return tab.textContent === name && own.left >= all.left && own.right <= all.right;
}"""
NOTE_TEXTS = """
const { clearRect, fillText } = CanvasRenderingContext2D.prototype;
Object.assign(CanvasRenderingContext2D.prototype, {
  clearRect(...area) {
    this.canvas.texts = []; // uPlot clears the whole canvas before it draws
    clearRect.apply(this, area);
  },
  fillText(text, x, y, ...more) {
    const size = this.measureText(text);
    const [begin, end] = [x - size.actualBoundingBoxLeft, x + size.actualBoundingBoxRight];
    const [high, low] = [y - size.actualBoundingBoxAscent, y + size.actualBoundingBoxDescent];
    const corners = [[begin, high], [end, low]]
      .map((corner) => this.getTransform().transformPoint(new DOMPoint(...corner)));
    const [left, right] = corners.map((corner) => corner.x).sort((one, other) => one - other);
    const [top, bottom] = corners.map((corner) => corner.y).sort((one, other) => one - other);
    (this.canvas.texts ??= []).push([text, { left, right, top, bottom }]);
    fillText.call(this, text, x, y, ...more);
  },
});
"""  # keeps the boxes of the texts that a canvas shows
MEASURE = """() => {
  const scrollers = ".liq-rows-box, .liq-list, .liq-health, .liq-inspector, [role=tablist]";
  const nameOf = (each) =>
    `${each.localName}.${each.getAttribute("class")} "${each.textContent.slice(0, 30)}"`;
  const isSeen = (each) => each.checkVisibility() && !each.closest(".liq-spoken")
    && each.getBoundingClientRect().width > 1;
  const all = (selector) => Array.from(document.querySelectorAll(selector)).filter(isSeen);
  const meet = (a, b, atMost) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > atMost
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > atMost;
  const textBox = (each) => {
    const range = document.createRange();
    range.selectNodeContents(each);
    return range.getBoundingClientRect();
  };
  const listOverlaps = (parts, atMost) => parts.flatMap(([a, boxA], at) => parts.slice(at + 1)
    .filter(([b, boxB]) => !a.contains(b) && !b.contains(a) && meet(boxA, boxB, atMost))
    .map(([b]) => `${nameOf(a)} and ${nameOf(b)}`));

  const html = all(".liq-root *, .liq-nav, .liq-nav *").filter((each) => !each.closest("svg"));
  // a notice in one line ends with dots, its title and the button More have the rest
  const isBehindDots = ({ parentElement }) => {
    const line = parentElement.closest("[title]");
    return line && getComputedStyle(line).textOverflow === "ellipsis";
  };
  const outside = html.filter((each) => {
    const { left, right } = each.getBoundingClientRect();
    const isOut = left < -1 || right > innerWidth + 1;
    return isOut && !each.parentElement.closest(scrollers) && !isBehindDots(each);
  });
  const clipped = html.filter((each) => {
    const { overflowX, overflowY, textOverflow } = getComputedStyle(each);
    const isCut = (overflowX !== "visible" && each.scrollWidth > each.clientWidth + 1)
      || (overflowY !== "visible" && each.scrollHeight > each.clientHeight + 1);
    const isExplained = textOverflow === "ellipsis" && each.title;
    return isCut && !isExplained && !each.matches(scrollers) && each.localName !== "input";
  });
  const canvasClipped = [];
  const fixed = all(".liq-root :is(button, select, input, a, label, h1, h2, .liq-figure, .liq-card)"
    + ", .liq-badge, .liq-shown, .liq-fresh, .liq-notice, .liq-fault p, .liq-nav a, .liq-tile");
  const loose = fixed.filter((each) => !each.closest(`${scrollers}, .modebar`));
  const overlaps = listOverlaps(loose.map((each) => [each, each.getBoundingClientRect()]), 1);
  for (const card of all(".liq-card")) {
    const texts = [...card.querySelectorAll("h2")].map((each) => [each, textBox(each)]);
    for (const each of card.querySelectorAll(".legend, .annotation, [class$=title]")) {
      const box = each.getBoundingClientRect();
      if (box.width) texts.push([each, box]);
      const { left, right, top, bottom } = card.getBoundingClientRect();
      const isInside = box.left >= left && box.right <= right
        && box.top >= top && box.bottom <= bottom;
      if (box.width && !isInside) clipped.push(each);
    }
    overlaps.push(...listOverlaps(texts, 0));
    for (const legend of card.querySelectorAll(".legend"))
      for (const plot of card.querySelectorAll(".nsewdrag")) {
        const both = [legend, plot].map((each) => [each, each.getBoundingClientRect()]);
        overlaps.push(...listOverlaps(both, 1));
      }
    const turned = (each) => /rotate.[1-9]/.test(each.getAttribute("transform"));
    clipped.push(...[...card.querySelectorAll(".xtick text")].filter(turned));
    for (const tick of card.querySelectorAll(":is(.xtick, .ytick, .y2tick) text"))
      for (const each of texts)
        overlaps.push(...listOverlaps([each, [tick, tick.getBoundingClientRect()]], 0));
  }
  for (const canvas of all(".liq-price-panels canvas")) {
    const { texts = [], width, height } = canvas;
    if (!texts.length) overlaps.push("no text of the canvas was measured");
    texts.forEach(([text, box], at) => {
      const isIn = box.left >= 0 && box.right <= width && box.top >= 0 && box.bottom <= height;
      if (!isIn) canvasClipped.push(`canvas "${text}"`);
      for (const [other, otherBox] of texts.slice(at + 1))
        if (meet(box, otherBox, 0)) overlaps.push(`canvas "${text}" and "${other}"`);
    });
  }
  const targets = all(".liq-root :is(button, select, input, summary, a[href], tr[data-key])"
    + ", .liq-root [role=option], .liq-nav a");
  const small = targets.filter((each) => {
    const { width, height } = each.getBoundingClientRect();
    return width < TARGET || height < TARGET;
  });
  return {
    scrolls: document.documentElement.scrollWidth > innerWidth,
    outside: outside.map(nameOf), clipped: [...clipped.map(nameOf), ...canvasClipped], overlaps,
    small: small.map(nameOf),
  };
}""".replace("TARGET", str(TARGET_PX))

MEASURE_LIVE = f"""() => {{
  document.querySelector(".liq-badge").remove(); // it comes back within a second
  document.querySelector(".liq-title").classList.add("liq-alone"); // as the kernel would
  return ({MEASURE})();
}}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: Settings, server: psutil.Popen) -> AsyncIterator[list[Producer]]:
    async with trading(settings, seed=23) as producers:
        yield producers


@pytest.fixture(scope="module", params=SCREENS)
def screen(request: pytest.FixtureRequest) -> Screen:
    return SCREENS[request.param]


class ScreenPages:
    """A page of each address, for the screens that fingers press on or for the others.

    The page is resized from one screen to the next, whose boards are drawn at their own size.
    """

    def __init__(self, chromium: Browser, session: pytest.Session) -> None:
        self._chromium, self._session = chromium, session
        self._pages: dict[str, SharedPage] = {}
        self._has_touch = False

    async def find(self, url: str, screen: Screen) -> SharedPage:
        """Return a page of an address, whose canvases keep the boxes of their texts."""
        if screen.has_touch != self._has_touch:
            await self.close()
            self._has_touch = screen.has_touch
        page = self._pages.setdefault(
            url,
            SharedPage(self._chromium, url, self._session, NOTE_TEXTS, has_touch=screen.has_touch),
        )
        page.resize({"width": screen.width, "height": screen.height})
        return page

    async def close(self) -> None:
        """Leave all pages."""
        while self._pages:
            await self._pages.popitem()[1].close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pages(
    chromium: Browser, market: list[Producer], request: pytest.FixtureRequest
) -> AsyncIterator[ScreenPages]:
    pages = ScreenPages(chromium, request.session)
    yield pages
    await pages.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(pages: ScreenPages, screen: Screen, page_url: str) -> AsyncIterator[Visit]:
    live_page = await pages.find(page_url, screen)
    async with live_page() as visitor:
        await visitor.bars()
        yield visitor


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    """Simulated prints of the last hour, of a feed that was disconnected and is silent now."""
    settings, now = own_dashboard(stack), datetime.now(UTC)
    minutes = range(5, 60)
    simulated: dict[str, Any] = {"source": Source.SIMULATOR, "exchange": "okx"}
    insert(
        settings,
        [liquidation(now - timedelta(minutes=each), 1e3 * each, **simulated) for each in minutes],
    )
    reports = [
        health(now - timedelta(seconds=second), **simulated)
        for second in range(300, 3600)
        if not 1200 <= second < 1500
    ]
    report(settings, reports)
    return settings


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_url(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A dashboard of these tests' own, with notices, and alerts that no other test is shown."""
    async with served(own, tmp_path_factory.mktemp("widths") / "log") as url:
        yield url


@pytest.fixture
def alerted(own: Settings) -> Iterator[Settings]:
    """The same tables, whose alerts are removed again: a page shows them for ten minutes."""
    yield own
    questdb.execute(f"TRUNCATE TABLE {ALERTS.table(own)}", None, own)


@pytest_asyncio.fixture(loop_scope="session")
async def own_page(pages: ScreenPages, screen: Screen, own_url: str) -> SharedPage:
    return await pages.find(own_url, screen)


@pytest_asyncio.fixture(loop_scope="session")
async def reader(own_page: SharedPage) -> AsyncIterator[Visit]:
    """A visitor of the dashboard with notices and alerts."""
    async with own_page() as visitor:
        await visitor.bars()
        yield visitor


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test on some of the `SCREENS`."""
    return pytest.mark.parametrize("screen", names, indirect=True, scope="module")


async def find_faults(page: Page, screen: Screen) -> dict[str, list[str]]:
    """Return what sticks out, is cut off, lies on something else or is too small to press.

    It is measured twice: plotly draws a narrow chart a second time once its legend has a height.
    """
    once = await page.evaluate(MEASURE)
    await asyncio.sleep(1 if any(once.values()) else 0)
    found = await page.evaluate(MEASURE) if any(once.values()) else once
    if not screen.has_touch:
        del found["small"]
    return {name: faults for name, faults in found.items() if faults}


async def test_every_board_fits_every_screen(visitor: Visit, screen: Screen) -> None:
    page, faults = visitor.page, {}
    for board in reversed(BOARDS):  # the first one is open, and is drawn again when it is the last
        await visitor.open_board(board)
        await visitor.until(
            "Array.from(document.querySelectorAll('.liq-plot')).every(each => each.children.length)"
        )
        if board == "Overview":  # with the mark price, which has an axis of its own
            await page.locator(".liq-bars .y2tick").first.wait_for()
            await visitor.until(NEWEST_MARKED)
            live = await page.evaluate(MEASURE_LIVE)
            assert (live["overlaps"], live["outside"]) == ([], [])
        faults[board] = await find_faults(page, screen)
    assert faults == {board: {} for board in BOARDS}
    assert visitor.complaints == []


@on("phone")
async def test_the_legend_of_all_venues_leaves_a_phone_room_for_the_chart(
    own: Settings, own_page: SharedPage, screen: Screen
) -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    prints = [
        liquidation(noon - timedelta(minutes=minute), 1e3 * number, exchange=venue)
        for number, venue in enumerate(venues.list_known_exchanges(), start=1)
        for minute in range(5, 60, 10)
    ]
    await asyncio.to_thread(insert, own, prints)
    span = "from=2026-03-02T11:00:00Z&to=2026-03-02T12:00:00Z"
    async with own_page(f"board=Patterns&{span}") as visitor:
        chart = visitor.page.locator(".liq-share .nsewdrag")
        await chart.wait_for()
        await visitor.until("document.querySelector('.liq-share .legend')")
        assert await find_faults(visitor.page, screen) == {}
        box = await chart.bounding_box()
        assert box
        assert box["height"] >= 120
        assert box["width"] >= 0.7 * screen.width


async def test_the_first_chart_is_within_reach_whatever_notices_are_above_it(
    reader: Visit, screen: Screen
) -> None:
    page = reader.page
    await reader.shows("SIMULATED DATA", ".liq-badge")
    await reader.shows("sums are lower bounds", ".liq-strip")  # of the outage
    await page.wait_for_selector(".liq-notices .liq-notice", state="attached")  # a silent feed
    assert await find_faults(page, screen) == {}
    card = await page.locator(".liq-bars").bounding_box()
    bars = await page.locator(".liq-bars .nsewdrag").bounding_box()
    assert card
    assert bars
    assert card["y"] + card["height"] <= screen.height
    if screen.width <= PHONE_PX:
        assert card["y"] <= FIRST_BAR_PX
        assert not await page.locator(".liq-bars .ytitle").is_visible()
        await page.set_viewport_size({"width": screen.height, "height": screen.width})
        await page.locator(".liq-bars .ytitle").wait_for()  # a chart fits its size without new rows
        assert await find_faults(page, screen) == {}
        card = await page.locator(".liq-bars").bounding_box()
        assert card
        assert card["y"] <= FIRST_BAR_PX
        await page.set_viewport_size({"width": screen.width, "height": screen.height})
        await page.locator(".liq-bars .ytitle").wait_for(state="hidden")
    elif not screen.has_touch:
        assert bars["y"] <= FIRST_BAR_PX
        await page.locator(".liq-tape .liq-name").first.click()
        await page.get_by_role("button", name="Clear all filters").wait_for()  # in their line
        await page.evaluate("scrollTo(0, 0)")
        await reader.shows("sums are lower bounds", ".liq-strip")
        assert await find_faults(page, screen) == {}
        bars = await page.locator(".liq-bars .nsewdrag").bounding_box()
        assert bars
        assert bars["y"] <= FIRST_BAR_PX


@on("phone")
async def test_a_shadow_is_where_a_table_goes_on_at_its_side(reader: Visit, screen: Screen) -> None:
    await reader.open_board("Feeds")
    assert await reader.page.locator(".liq-health .liq-name").first.evaluate(INDENT) < 1
    await reader.open_board("Alerts")
    table = reader.page.locator(".liq-rules .liq-list").filter(has=reader.page.locator("td"))
    head = await table.locator("th").first.bounding_box()
    assert head
    assert head["height"] < TARGET_PX  # one line, as its width is free
    await table.scroll_into_view_if_needed()
    for far, shaded in ((0, [False, True]), (10_000, [True, False])):
        await table.evaluate("(each, far) => (each.scrollLeft = far)", far)
        picture = Image.open(io.BytesIO(await table.screenshot())).convert("RGB")
        edges = [
            {picture.getpixel((x, y)) for y in range(picture.height // 2, picture.height)}
            for x in (0, picture.width - 1)
        ]
        counts = picture.getcolors(picture.width * picture.height)
        assert counts
        _, plain = max(counts)  # the card's colour
        assert [plain not in colours for colours in edges] == shaded
    await reader.leave()


@on("phone", "laptop")
async def test_notices_can_be_read_in_full_by_keyboard(
    own_page: SharedPage, screen: Screen
) -> None:
    ignored = 0 if screen.width <= PHONE_PX else 5
    unknown = "&".join(f"unknown{number}=1" for number in range(ignored))  # each is named
    async with own_page(unknown) as reader:
        page, notice = reader.page, reader.page.locator(".liq-notices .liq-notice")
        await reader.shows("sums are lower bounds", ".liq-strip")
        await notice.wait_for(state="attached")
        await expect(page.locator(".liq-ignored .liq-notice")).to_have_count(min(ignored, 1))
        more = page.get_by_role("button", name="More", exact=True)
        await more.wait_for()
        line = await page.locator(".liq-strip").bounding_box()
        await more.focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Less", exact=True, expanded=True).wait_for()
        assert await find_faults(page, screen) == {}
        assert not await notice.evaluate(IS_CUT)
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Less", exact=True)).to_have_count(0)
        assert await page.locator(".liq-strip").bounding_box() == line
        assert reader.complaints == []


@on("phone", "laptop")
async def test_a_notice_is_in_view_on_the_wall(reader: Visit, screen: Screen) -> None:
    if await reader.page.locator(".liq-fold").is_visible():
        await reader.page.locator(".liq-fold button").click()
    await reader.page.get_by_role("button", name="Wall", exact=True).click()
    await reader.page.get_by_label("Bucket", exact=True).wait_for(state="hidden")
    await reader.shows("sums are lower bounds", ".liq-strip")
    await expect(reader.page.locator(".liq-disconnections .liq-notice")).to_be_in_viewport()


@on("phone")
async def test_the_tabs_of_a_phone_are_one_line_with_the_chosen_one_in_view(
    visitor: Visit, screen: Screen
) -> None:
    tabs = visitor.page.get_by_role("tablist", name="boards")
    line = await tabs.bounding_box()
    assert line
    assert TARGET_PX <= line["height"] < 2 * TARGET_PX
    for name in BOARDS:
        await visitor.page.get_by_role("tab", name=name, exact=True).tap()
        await visitor.until(IS_TAB_IN_VIEW, name)
    await has_query(visitor, board=name)  # the kernel has written it
    await visitor.page.reload()
    await visitor.page.get_by_role("tab", name=name, selected=True).wait_for()
    await visitor.until(IS_TAB_IN_VIEW, name)
    assert visitor.complaints == []


@on("phone", "laptop", "desktop")
async def test_a_moment_is_at_the_same_place_in_both_charts_of_the_overview(
    visitor: Visit, screen: Screen
) -> None:
    await visitor.page.locator(".liq-bars .y2tick").first.wait_for()  # its prices take room
    await visitor.page.locator(".liq-net .nsewdrag").wait_for()
    await visitor.until(
        """() => {
          const [bars, net] = ["bars", "net"].map((name) => {
            const chart = document.querySelector(`.liq-${name} .liq-plot`);
            const { left, right } = chart.querySelector(".nsewdrag").getBoundingClientRect();
            return { left, right, range: chart._fullLayout.xaxis.range };
          });
          return Math.abs(bars.left - net.left) < 1 && Math.abs(bars.right - net.right) < 1
            && String(bars.range) === String(net.range);
        }"""
    )


@on("phone", "laptop")
async def test_the_controls_of_a_phone_are_behind_a_button(visitor: Visit, screen: Screen) -> None:
    page, fold = visitor.page, visitor.page.get_by_role("button", name="Filters, time")
    if screen.width > PHONE_PX:
        assert not await fold.is_visible()
        assert await page.get_by_label("Window", exact=True).is_visible()
        await page.set_viewport_size({"width": 900, "height": 450})  # no phone on its side
        assert not await fold.is_visible()
        await page.set_viewport_size({"width": screen.width, "height": screen.height})
        return
    assert not await page.get_by_label("Window", exact=True).is_visible()
    for is_open in (True, False, True):
        await fold.tap()
        await page.locator(f".liq-fold [aria-expanded={str(is_open).lower()}]").wait_for()
        assert await page.get_by_label("Window", exact=True).is_visible() == is_open
    assert await find_faults(page, screen) == {}
    await page.get_by_label("Window", exact=True).select_option("4h")
    await visitor.shows("Window", ".liq-controls")
    await visitor.until("location.search.includes('window=4h')")


async def test_the_details_of_a_print_can_be_read(visitor: Visit, screen: Screen) -> None:
    page = visitor.page
    if await page.locator(".liq-fold").is_visible():
        await page.locator(".liq-fold [aria-expanded=false]").click()
    await page.get_by_role("button", name="Pause").click()
    await page.locator(".liq-tape tr[data-key]").nth(2).locator("td").first.click()
    details = page.get_by_role("dialog", name="Details of a print")
    await details.locator("h3").last.wait_for()
    box = await details.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= screen.width
    assert box["y"] >= 0
    widths = await details.locator("section").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().width)"
    )
    assert min(widths) >= COLUMN_PX
    assert await details.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    close = await details.get_by_role("button", name="Close").bounding_box()
    text = await details.locator("h3").first.bounding_box()
    assert close
    assert text
    assert close["y"] + close["height"] <= text["y"] or close["x"] >= text["x"] + text["width"]
    await page.keyboard.press("Escape")
    await details.wait_for(state="hidden")
    # the page's next test finds this button behind the one of a phone's controls
    await page.get_by_role("button", name="Resume").click()


@on("phone", "tablet")
async def test_a_finger_scrolls_the_page_over_a_chart(visitor: Visit, screen: Screen) -> None:
    assert screen.has_touch
    box = await visitor.page.locator(".liq-bars .nsewdrag").bounding_box()
    assert box
    devtools = await visitor.page.context.new_cdp_session(visitor.page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, up in [("touchStart", 0), *(("touchMove", 30 * step) for step in range(1, 8))]:
        points = [{"x": x, "y": y - up}]
        await devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    await devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await visitor.until("scrollY > 100")
    assert "from=" not in visitor.page.url


@on("phone", "laptop")
async def test_alerts_are_one_line_that_can_be_read_with_a_counter_that_opens_them(
    reader: Visit, screen: Screen, alerted: Settings
) -> None:
    page = reader.page
    usual = "$5,622,677 AVAXUSDT long liquidated on binance_usdm at 39.743"
    for message, may_be_cut in ((usual, False), (10 * "as long as they get ", True)):
        raised = [next(raise_alerts(1))]
        text = f"{raised[0].ts % 10_000} {message}"  # another one in each test
        await asyncio.to_thread(insert_alerts, alerted, [replace(raised[0], message=Text(text))])
        shown = page.get_by_role("list", name="newest alert").locator("div")
        await expect(shown).to_have_text(text)
        is_cut, lines = await shown.evaluate(
            f"""each => [
              ({IS_CUT})(each),
              each.clientHeight / parseFloat(getComputedStyle(each).lineHeight),
            ]"""
        )
        assert may_be_cut or not is_cut
        assert round(lines) <= (2 if screen.has_touch else 1)
    await asyncio.to_thread(insert_alerts, alerted, list(raise_alerts(3)))
    line = page.get_by_role("list", name="newest alert").get_by_role("listitem")
    await line.filter(has_text="odd market <b>0</b>").wait_for()
    assert await line.count() == 1
    assert await find_faults(page, screen) == {}
    box = await page.locator(".liq-recent").bounding_box()
    assert box
    assert screen.has_touch or box["height"] < 2 * LINE_PX
    counter = page.get_by_role("link", name=re.compile(r"^\d+ alerts in 10m$"))
    await counter.click()
    await page.get_by_role("tab", name="Alerts", selected=True).wait_for()
    await reader.shows("odd market <b>2</b>", ".liq-raised")
    await reader.until("location.search.includes('board=Alerts')")
    assert reader.complaints == []
    await reader.leave()  # the alerts stay in view for a while


@on("phone", "tablet")
async def test_fingers_can_press_options_chips_and_the_form_of_a_rule(
    visitor: Visit, screen: Screen
) -> None:
    page = visitor.page
    assert screen.has_touch
    if await page.locator(".liq-fold").is_visible():
        await page.locator(".liq-fold button").tap()
    await page.get_by_role("combobox", name="Symbols", exact=True).tap()
    option = page.locator(".liq-picker [role=option]").first
    await option.wait_for()
    assert (await page.evaluate(MEASURE))["small"] == []
    await option.tap()
    await page.get_by_role("button", name="Clear all filters").wait_for()
    assert (await page.evaluate(MEASURE))["small"] == []
    await page.get_by_role("tab", name="Alerts", exact=True).tap()
    await page.get_by_role("button", name="New rule").tap()
    await page.locator(".liq-rule-form select").first.wait_for()
    assert (await page.evaluate(MEASURE))["small"] == []


@on("phone", "tablet")
async def test_an_open_menu_lies_within_the_screen(visitor: Visit, screen: Screen) -> None:
    page = visitor.page
    if await page.locator(".liq-fold").is_visible():
        await page.locator(".liq-fold button").tap()
    mark = "([name, isOn]) => document.querySelector('.liq-root').classList.toggle(name, isOn)"
    for state in ("liq-live", "liq-outdated", "liq-awaiting"):
        await page.evaluate(mark, [state, True])
        for name in ("Alarms off", "Tape settings"):
            menu = page.locator(".liq-menu", has_text=name)
            await menu.locator("summary").tap()
            form = menu.locator("form")
            box = await form.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= screen.width
            assert box["y"] + box["height"] <= screen.height
            assert await form.evaluate(DIMMED_BY) == []
            await page.keyboard.press("Escape")
        await page.evaluate(mark, [state, False])


def raise_alerts(count: int) -> Iterator[Alert]:
    """Yield alerts of the last seconds, the newest first, with long messages."""
    now = time.time_ns() // 1000
    for number in range(count):
        message = Text(f"odd market <b>{number}</b>: " + 10 * "as long as they get ")
        yield Alert(
            ts=now - 1_000_000 * number, rule="odd", message=message, severity=Severity.WARNING,
            value=2.0, threshold=1.0, query="totals", measure="long_usd", live=False,
        )  # fmt: skip
