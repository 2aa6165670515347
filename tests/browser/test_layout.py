"""The panels of a board as people arrange them, and the board on the whole screen."""

import json
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from browser.conftest import Visit, Visiting, opened, publishing
from liq.config import Settings
from liq.delivery.producer import Producer
from liq.web.dashboard.board_queries import BOARDS

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
PANELS = """Array.from(document.querySelectorAll(".liq-board > .liq-card"))
    .filter(panel => panel.checkVisibility())
    .map(panel => panel.querySelector("h2").firstChild.textContent)"""

SIZES = """Object.fromEntries(
  Array.from(document.querySelectorAll(".liq-board > .liq-card"), panel => {
    const { width, height, top } = panel.getBoundingClientRect();
    return [panel.querySelector("h2").firstChild.textContent, [width, height, Math.round(top)]];
  })
)"""
HOLES = """Array.from(Map.groupBy(
  Array.from(document.querySelectorAll(".liq-board > .liq-card"))
    .filter(panel => panel.checkVisibility())
    .map(panel => panel.getBoundingClientRect()),
  ({ top }) => Math.round(top),
).values(), (row) => Math.max(
  Math.abs(document.querySelector(".liq-board").getBoundingClientRect().right - row.at(-1).right),
  ...row.map(({ bottom }) => Math.abs(bottom - row[0].bottom)),
))"""  # pixels beside and below the panels of each row
IS_WHOLE = "each => each.scrollHeight <= each.clientHeight"
LOWEST_PX = 160  # of an arranged panel
MANY_FEEDS = """
const sheet = new CSSStyleSheet();
sheet.replaceSync(".liq-health tr { height: 160px; }");
document.adoptedStyleSheets.push(sheet);
"""  # the table of feeds is as high as that of many
COVERAGE_HAS = """([width, height]) => {
    const box = document.querySelector(".liq-coverage").getBoundingClientRect();
    return box.width === width && box.height === height;
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: Settings, server: psutil.Popen) -> AsyncIterator[Producer]:
    async with publishing(settings, seed=12) as producer:
        yield producer


async def has_panels(visitor: Visit, *names: str) -> None:
    """Fail unless the board comes to have these panels, in this order."""
    await visitor.until(f"names => {PANELS}.join() === names.join()", list(names))


async def press(visitor: Visit, panel: str, action: str) -> None:
    """Press a button of a panel by keyboard."""
    tools = visitor.page.get_by_role("toolbar", name=f"arrange {panel}", exact=True)
    await tools.get_by_role("button", name=f"{panel}: {action}", exact=True).press("Enter")


async def measure(visitor: Visit, panel: str) -> tuple[float, float]:
    """Return the width and height of a panel."""
    found = visitor.page.locator(".liq-board > .liq-card").filter(has_text=panel)
    box = await found.first.bounding_box()
    assert box
    return box["width"], box["height"]


async def test_panels_are_moved_sized_and_hidden_and_stay_so(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        feeds = "Feed coverage", "Feeds"
        await visitor.open_board("Feeds")
        await has_panels(visitor, *feeds)
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()
        before = await measure(visitor, "Feed coverage")
        await press(visitor, "Feed coverage", "move forward")
        await has_panels(visitor, "Feeds", "Feed coverage")
        moved = visitor.page.get_by_role("status").filter(has_text="Feed coverage: move forward")
        await expect(moved).to_have_text("Feed coverage: move forward, 2 of 2")
        await press(visitor, "Feed coverage", "narrower")
        await press(visitor, "Feed coverage", "taller")
        focus = await visitor.page.evaluate("document.activeElement.title")
        assert focus == "taller"
        width, height = await measure(visitor, "Feed coverage")
        assert width == pytest.approx(before[0] * 11 / 12, abs=4)
        assert height == before[1] + 80
        await press(visitor, "Feeds", "hide")
        await has_panels(visitor, "Feed coverage")

        await visitor.page.reload(wait_until="commit")
        await has_panels(visitor, "Feed coverage")
        await visitor.until(COVERAGE_HAS, [width, height])
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()
        await visitor.page.get_by_role("button", name="Show Feeds", exact=True).click()
        await has_panels(visitor, "Feeds", "Feed coverage")
        await visitor.page.get_by_role("button", name="Reset", exact=True).click()
        await has_panels(visitor, *feeds)
        # where panels are in one column sizes have no effect, so their buttons are not there
        await visitor.page.get_by_role("button", name="Arrange", exact=True).wait_for()
        tools = visitor.page.get_by_role("toolbar", name="arrange Feeds", exact=True)
        for width, count in ((900, 3), (901, 7)):
            await visitor.page.set_viewport_size({"width": width, "height": 900})
            await expect(tools.get_by_role("button")).to_have_count(count)
            assert await tools.get_by_text("sizes are for wider screens").count() == (count == 3)
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()
        await visitor.open_board("Overview")
        await visitor.redraws()
        assert visitor.complaints == []


async def test_a_panel_is_dragged_to_the_place_of_another(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        first, second, *others = await visitor.page.evaluate(PANELS)
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()
        tools = visitor.page.get_by_role("toolbar", name=f"arrange {second}", exact=True)
        await tools.drag_to(visitor.page.locator(".liq-card", has_text=first).first)
        await has_panels(visitor, second, first, *others)
        await visitor.redraws()
        await visitor.page.get_by_role("button", name="Reset", exact=True).click()
        await has_panels(visitor, first, second, *others)
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()
        assert visitor.complaints == []


async def keep(visitor: Visit, **texts: str) -> None:
    """Have the browser keep texts, as another program or an older page may have left them."""
    await visitor.page.evaluate("texts => Object.assign(localStorage, texts)", texts)


DAMAGED = [
    "{",
    "[1]",
    json.dumps({"liq-overview": {"order": "x", "sizes": 3, "hidden": {"liq-bars": 1}}}),
    json.dumps({"liq-overview": {"order": ["liq-gone"], "sizes": {"liq-bars": ["x", 1e9]}}}),
]


async def test_a_damaged_layout_hides_no_panel(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        panels = await visitor.page.evaluate(PANELS)
        for stored in DAMAGED:
            await visitor.open_board("Feeds")
            await keep(visitor, **{"liq-layout": stored})
            await visitor.open_board("Overview")  # each board is placed when it opens
            await has_panels(visitor, *panels)
            await visitor.page.evaluate("localStorage.clear()")
        await visitor.bars()
        await visitor.open_board("Feeds")
        assert visitor.complaints == []


async def test_panels_moved_in_one_column_keep_their_sizes_on_a_wide_screen(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.open_board("Patterns")
        await visitor.page.set_viewport_size({"width": 1280, "height": 900})
        names = await visitor.page.evaluate(PANELS)
        before = await visitor.page.evaluate(SIZES)
        assert len({width for width, *_ in before.values()}) > 1  # not in one column
        await visitor.page.set_viewport_size({"width": 800, "height": 1100})
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()
        await press(visitor, names[0], "move forward")
        await has_panels(visitor, names[1], names[0], *names[2:])
        cards = visitor.page.locator(".liq-board > .liq-card")
        tops = await cards.evaluate_all("all => all.map(each => each.getBoundingClientRect().top)")
        assert tops == sorted(tops)
        await visitor.page.set_viewport_size({"width": 1280, "height": 900})
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()
        await has_panels(visitor, names[1], names[0], *names[2:])
        await expect(visitor.page.locator(".liq-tools")).to_have_count(0)
        now = await visitor.page.evaluate(SIZES)
        for name, (*size, _) in before.items():
            assert now[name][:2] == pytest.approx(size, abs=60), name
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()
        await visitor.page.get_by_role("button", name="Reset", exact=True).click()
        await has_panels(visitor, *names)
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()


async def measure_feeds(visitor: Visit) -> float:
    """Open the board of feeds, and return the height of its table's panel."""
    await visitor.open_board("Feeds")
    await visitor.page.locator(".liq-reports td").first.wait_for()
    height: float = (await visitor.page.evaluate(SIZES))["Feeds"][1]
    return height


async def test_a_table_has_room_for_its_rows_though_they_come_after_its_panel(
    chromium: Browser, page_url: str, market: Producer
) -> None:
    async with opened(chromium, page_url, MANY_FEEDS) as visitor:
        page, arrange = visitor.page, visitor.page.get_by_role("button", name="Arrange", exact=True)
        await visitor.bars()
        before = await measure_feeds(visitor)
        assert before > 2 * LOWEST_PX
        await page.set_viewport_size({"width": 800, "height": 900})
        await arrange.click()
        await press(visitor, "Feeds", "move back")
        await has_panels(visitor, "Feeds", "Feed coverage")
        await arrange.click()
        await visitor.open_board("Overview")
        await page.set_viewport_size({"width": 1280, "height": 900})
        assert await measure_feeds(visitor) == pytest.approx(before, abs=60)
        await page.reload(wait_until="commit")
        await has_panels(visitor, "Feeds", "Feed coverage")
        assert await measure_feeds(visitor) == pytest.approx(before, abs=60)

        await arrange.click()
        await press(visitor, "Feeds", "lower")
        assert await page.locator(".liq-reports").evaluate(IS_WHOLE)
        assert not await page.locator(".liq-health").evaluate(IS_WHOLE)  # it scrolls
        assert visitor.complaints == []


async def test_arranging_ends_when_another_board_opens(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        arrange = visitor.page.get_by_role("button", name="Arrange", exact=True)
        await arrange.click()
        await visitor.open_board("Feeds")
        table = visitor.page.locator(".liq-reports td").first
        await table.wait_for()
        heading = await visitor.page.get_by_role("heading", name="Feeds").bounding_box()
        row = await table.bounding_box()
        assert heading
        assert row
        assert heading["y"] + heading["height"] <= row["y"]
        await expect(visitor.page.locator(".liq-tools")).to_have_count(0)
        await expect(arrange).to_have_attribute("aria-pressed", "false")
        await visitor.open_board("Overview")
        assert visitor.complaints == []


async def test_panels_without_sizes_are_as_wide_as_before_and_as_high_as_their_row(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        before = [await measure_board(visitor, board) for board in BOARDS]
        nothing: dict[str, list[str]] = {"order": [], "hidden": []}
        arranged = {f"liq-{board.lower()}": nothing for board in BOARDS}
        await keep(visitor, **{"liq-layout": json.dumps(arranged)})
        now = [await measure_board(visitor, board) for board in BOARDS]
        for was, panels in zip(before, now, strict=True):
            was.pop("Raised", None)  # was as high as the rules beside it
            for name, (width, height, _) in was.items():
                assert panels[name][0] == pytest.approx(width, abs=60), name
                row = [was[other][1] for other in was if panels[other][2] == panels[name][2]]
                assert height - 60 <= panels[name][1] <= max(row) + 60, name
        for names in (["liq-assets", "liq-symbols"], ["liq-pace"]):
            hidden = {"liq-overview": {"order": [], "hidden": names}}
            await keep(visitor, **{"liq-layout": json.dumps(hidden)})
            await measure_board(visitor, "Feeds")  # each board is placed when it opens
            await measure_board(visitor, "Overview")
            await visitor.until(f"!document.querySelector('.{names[0]}').checkVisibility()")
            assert max(await visitor.page.evaluate(HOLES)) < 1
        await visitor.page.get_by_role("button", name="Arrange", exact=True).click()
        await press(visitor, "By exchange", "taller")  # it has grown, since a panel is hidden
        kept = await visitor.page.evaluate("JSON.parse(localStorage['liq-layout'])['liq-overview']")
        assert kept["sizes"]["liq-exchanges"][0] == 4  # columns of the start
        assert visitor.complaints == []
        await visitor.leave()  # the page keeps its layout beside what the browser keeps


async def measure_board(visitor: Visit, board: str) -> dict[str, list[float]]:
    """Open a board, and return the widths, heights and tops of its panels."""
    await visitor.open_board(board)
    await visitor.until(
        "Array.from(document.querySelectorAll('.liq-plot')).every(each => each.children.length)"
    )
    sizes: dict[str, list[float]] = await visitor.page.evaluate(SIZES)
    return {
        name: [width, max(height, LOWEST_PX), top] for name, (width, height, top) in sizes.items()
    }


async def test_the_wall_shows_the_board_and_its_warnings_alone(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.get_by_role("button", name="Wall", exact=True).click()
        await visitor.page.wait_for_selector(".liq-wall")
        await visitor.page.get_by_label("Bucket", exact=True).wait_for(state="hidden")
        await visitor.shows("SIMULATED DATA", ".liq-header")
        await visitor.redraws()
        await visitor.page.keyboard.press("Escape")
        await visitor.page.get_by_label("Bucket", exact=True).wait_for(state="visible")
        assert visitor.complaints == []


async def test_a_button_ends_the_wall_whether_it_has_the_whole_screen_or_not(
    share: Visiting, market: Producer
) -> None:
    ways = {
        "missing": "delete Element.prototype.requestFullscreen",  # as on a phone of Apple
        "refused": "Element.prototype.requestFullscreen = async () => { throw new TypeError(); }",
        "granted": "Element.prototype.requestFullscreen = whole",
    }
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.evaluate("window.whole = Element.prototype.requestFullscreen; 0")
        leave = visitor.page.get_by_role("button", name="Exit wall", exact=True)
        for way, script in ways.items():
            await visitor.page.evaluate(f"{script}; 0")
            assert not await leave.is_visible()
            await visitor.page.get_by_role("button", name="Wall", exact=True).click()
            await visitor.page.get_by_label("Bucket", exact=True).wait_for(state="hidden")
            if way == "granted":
                await visitor.until("document.fullscreenElement")
            await leave.click()
            await visitor.page.get_by_label("Bucket", exact=True).wait_for(state="visible")
            await visitor.until("!document.fullscreenElement")
            assert not await leave.is_visible()
        assert visitor.complaints == []


async def test_escape_closes_the_details_of_a_print_before_the_wall(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.get_by_role("button", name="Wall", exact=True).click()
        await visitor.page.wait_for_selector(".liq-wall")
        await visitor.page.locator(".liq-tape tr[data-key] td").first.click()
        await visitor.page.wait_for_selector(".liq-inspector", state="visible")
        await visitor.page.keyboard.press("Escape")
        await visitor.page.wait_for_selector(".liq-inspector", state="hidden")
        assert await visitor.page.locator(".liq-wall").count() == 1
        await visitor.page.keyboard.press("Escape")
        await visitor.page.get_by_label("Bucket", exact=True).wait_for(state="visible")
        assert await visitor.page.locator(".liq-wall").count() == 0
        assert visitor.complaints == []


async def test_a_page_opens_though_all_that_the_browser_keeps_is_damaged(
    share: Visiting, market: Producer
) -> None:
    tape = {"hidden": ["x"], "thresholds": [{"usd": "<b>", "colour": "red;background:url(x)"}]}
    alarms = {"critical": 5, "info": ["x"]}
    async with share() as visitor:
        await visitor.bars()
        panels = await visitor.page.evaluate(PANELS)
        kept = {"layout": DAMAGED[2], "tape": json.dumps(tape), "alarms": json.dumps(alarms)}
        await keep(visitor, **{f"liq-{name}": text for name, text in kept.items()})
        await visitor.page.reload(wait_until="commit")
        await visitor.bars()
        await has_panels(visitor, *panels)
        await visitor.shows("Alarms off", ".liq-alarm")
        await expect(visitor.page.locator(".liq-tape tr[data-key]").first).to_be_visible()
        assert visitor.complaints == []
        await visitor.leave()
