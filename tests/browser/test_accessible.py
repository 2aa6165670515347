"""The dashboard by keyboard, by screen reader, and as the system's preferences have it."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Literal

import httpx
import psutil
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from browser.conftest import Visit, Visiting, opened, publishing, stay_outlined
from browser.test_address import has_query
from liq.config import Settings
from liq.delivery.producer import Producer
from liq.web.dashboard.board_queries import BOARDS

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: Settings, server: psutil.Popen) -> AsyncIterator[Producer]:
    async with publishing(settings, seed=13) as producer:
        yield producer


async def focused(visitor: Visit) -> str:
    """Return the text of the element that has the focus."""
    text: str = await visitor.page.evaluate("document.activeElement.textContent")
    return text


async def test_the_outlines_have_the_theme_that_the_page_will_have(
    chromium: Browser, page_url: str, page_source: httpx.Response, market: Producer
) -> None:
    cases: list[tuple[Literal["light", "dark"], str, str]] = [
        ("light", "", "light"),
        ("dark", "", "dark"),
        ("light", "&theme=dark", "dark"),
        ("dark", "&theme=Light", "light"),
        ("light", "&theme=odd", "light"),
    ]
    async with opened(chromium, "about:blank") as visitor:
        page = visitor.page
        for scheme, query, theme in cases:
            await stay_outlined(page, page_source)
            await page.emulate_media(color_scheme=scheme)
            await page.goto(f"{page_url}{query}", wait_until="commit")
            await page.wait_for_selector(".liq-outline")
            colour = await page.evaluate(
                "getComputedStyle(document.documentElement).backgroundColor"
            )
            assert colour == {"light": "rgb(244, 246, 248)", "dark": "rgb(14, 17, 22)"}[theme]
            await page.unroute_all()
            if query in ("&theme=Light", "&theme=odd"):  # other tests open pages with the others
                await page.reload(wait_until="commit")
                await page.wait_for_selector(".liq-root", state="attached")
                await page.wait_for_selector("liq-last-frame", state="detached")
                shown = await page.evaluate("document.querySelector('.liq-root').className")
                assert f"liq-{theme}" in shown  # as soon as the outlines are gone


async def test_the_theme_is_the_systems_until_one_is_chosen(
    chromium: Browser, page_url: str, market: Producer
) -> None:
    scheme: Literal["light"] = "light"  # all other tests begin with a dark one
    other: Literal["dark"] = "dark"
    async with opened(chromium, page_url, color_scheme=scheme) as visitor:
        page = visitor.page
        await page.wait_for_selector(f".liq-root.liq-{scheme}")
        await has_query(visitor)
        await page.emulate_media(color_scheme=other)  # as systems do in the evening
        await page.wait_for_selector(f".liq-root.liq-{other}")
        await page.emulate_media(color_scheme=scheme)
        await page.wait_for_selector(f".liq-root.liq-{scheme}")
        # the button has the name of what it shows, and says nothing about being pressed
        button = page.locator(".liq-top").get_by_role("button", name=re.compile("Light|Dark"))
        assert await button.inner_text() == other.capitalize()
        assert await button.get_attribute("title") == f"show the page in the {other} theme"
        await button.click()
        await page.wait_for_selector(f".liq-root.liq-{other}")
        await expect(button).to_have_text(scheme.capitalize())
        await has_query(visitor, theme=other)
        await page.reload()
        await page.wait_for_selector(f".liq-root.liq-{other}")
        assert visitor.complaints == []


async def test_tabs_are_one_stop_and_follow_the_arrow_keys(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        tabs = page.get_by_role("tablist", name="boards").get_by_role("tab")
        assert await tabs.all_inner_texts() == list(BOARDS)
        await tabs.first.focus()
        for key, board in (
            ("ArrowRight", "Prices"),
            ("ArrowLeft", "Overview"),
            ("ArrowLeft", "Feeds"),
            ("Home", "Overview"),
            ("End", "Feeds"),
        ):
            await page.keyboard.press(key)
            await page.get_by_role("tab", name=board, selected=True).wait_for()
            assert await focused(visitor) == board
            await page.get_by_role("tabpanel", name=board).wait_for()
        await has_query(visitor, board="Feeds")
        assert await page.locator("[role=tab][tabindex='0']").count() == 1
        assert visitor.complaints == []


async def test_escape_closes_the_details_and_returns_to_the_row(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        page = visitor.page
        await page.get_by_role("button", name="Pause").click()
        row = page.locator(".liq-tape tr[data-key]").nth(2)
        await row.focus()
        key = await row.get_attribute("data-key")
        for _ in range(2):
            await page.keyboard.press("Enter")
            await page.get_by_role("dialog", name="Details of a print").wait_for()
            await visitor.until("document.activeElement.textContent === 'Close'")
            await page.keyboard.press("Escape")
            await page.wait_for_selector(".liq-inspector", state="hidden")
            assert await page.evaluate("document.activeElement.dataset.key") == key
        assert visitor.complaints == []


async def test_charts_are_spoken_as_sentences(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.page.get_by_role("figure", name="Liquidated per 1m: longs $").wait_for()
        for board in BOARDS:
            await visitor.open_board(board)
            await visitor.until(
                "Array.from(document.querySelectorAll('.liq-plot'))"
                ".every(plot => plot.getAttribute('aria-label').endsWith('.'))"
            )
        assert visitor.complaints == []


async def test_screen_readers_are_told_the_state_and_not_each_event(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        await visitor.shows("liquidated in", ".liq-spoken [role=status]")
        spoken, clock = set(), asyncio.get_running_loop()
        begun = clock.time()
        for _ in range(4):
            await visitor.redraws()
            spoken.add(await visitor.page.inner_text(".liq-spoken"))
        assert len(spoken) <= 2 + (clock.time() - begun) // 5  # seconds between two sentences
        await visitor.page.get_by_role("button", name="Pause").click()
        await visitor.shows("paused.", ".liq-spoken [role=status]")


MOVING = """Array.from(document.querySelectorAll(".liq-root *")).filter(each => {
  const style = getComputedStyle(each);
  return style.transitionDuration !== "0s" && style.transitionProperty !== "none";
}).map(each => each.className)"""


async def test_nothing_moves_where_the_system_asks_for_it(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        await visitor.bars()
        assert await visitor.page.evaluate(MOVING) != []
        await visitor.page.emulate_media(reduced_motion="reduce")
        assert await visitor.page.evaluate(MOVING) == []
        await visitor.page.emulate_media(reduced_motion="no-preference")


async def test_drop_downs_have_an_arrow_that_can_be_seen(share: Visiting, market: Producer) -> None:
    async with share() as visitor:
        select = visitor.page.get_by_label("Window", exact=True)
        for muted in ("rgb(154, 164, 176)", "rgb(83, 94, 108)"):
            arrow = await select.evaluate("select => getComputedStyle(select).backgroundImage")
            assert arrow.count(muted) == 2
            await change_theme(visitor.page)
        await restore_media(visitor.page)


async def test_axe_finds_nothing_serious_on_any_board_in_either_theme(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        page = visitor.page
        await visitor.bars()
        first, *others = BOARDS
        await has_nothing_serious(page)
        await page.get_by_role("button", name="Pause").click()  # axe need not wait for redraws
        for board in others:
            await visitor.open_board(board)
            await has_nothing_serious(page)
        await visitor.open_board(first)
        await page.locator(".liq-tape tr[data-key]").first.click()
        await page.get_by_role("dialog").locator("h3").last.wait_for()
        await has_nothing_serious(page)
        await page.keyboard.press("Escape")
        await restore_media(page)


async def test_axe_finds_nothing_serious_in_what_opens_in_either_theme(
    share: Visiting, market: Producer
) -> None:
    async with share() as visitor:
        page = visitor.page
        await visitor.bars()
        await page.get_by_role("button", name="Pause").click()
        symbols = page.get_by_role("combobox", name="Symbols", exact=True)
        options = page.locator(".liq-picker [role=option]")
        await symbols.press("ArrowDown")
        await options.first.wait_for()
        await has_nothing_serious(page, ".liq-rows")
        await symbols.fill("no such name")  # a hint in place of options
        await visitor.shows("none in view is like", ".liq-picker")
        await has_nothing_serious(page, ".liq-rows")
        await symbols.fill("")
        await symbols.press("ArrowDown")
        await symbols.press("Enter")
        await page.get_by_role("button", name="Clear all filters").wait_for()
        await symbols.press("ArrowDown")  # with names that are chosen, and one to remove all
        await page.locator(".liq-picker [aria-selected=true]").first.wait_for()
        await has_nothing_serious(page, ".liq-rows", ".liq-chips")
        await symbols.press("Escape")
        for menu in (".liq-alarm", ".liq-tape"):
            await page.locator(f"{menu} summary").click()
            await page.locator(f"{menu} form").wait_for()
            await has_nothing_serious(page, menu)
            await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Arrange", exact=True).click()
        tools = page.get_by_role("toolbar", name="arrange Tape", exact=True)
        await tools.get_by_role("button", name="Tape: hide", exact=True).click()
        await page.get_by_role("button", name="Show Tape", exact=True).wait_for()
        await has_nothing_serious(page)
        await page.get_by_role("button", name="Show Tape", exact=True).click()
        await page.get_by_role("button", name="Arrange", exact=True).click()
        await visitor.open_board("Alerts")
        await page.get_by_role("button", name="New rule").click()
        await page.get_by_role("form", name="rule").wait_for()
        await has_nothing_serious(page, ".liq-rules")
        await page.get_by_role("button", name="Try", exact=True).click()
        await visitor.shows("in the last 1d", ".liq-tried")
        await has_nothing_serious(page, ".liq-rules")
        await page.get_by_role("button", name="Cancel", exact=True).click()
        await restore_media(page)
        assert visitor.complaints == []


async def has_nothing_serious(page: Page, *parts: str) -> None:
    """Fail if axe finds something serious or critical, or a heading that skips a level.

    It leaves the page in the other theme, and checks the contrasts of that one too. With ``parts``,
    selectors, only there: axe takes a second for a board.
    """
    within = {"include": [[part] for part in parts]} if parts else None
    for rules in ({}, {"runOnly": ["color-contrast"]}):  # other rules know no colours
        if rules:
            await change_theme(page)
        found = await Axe().run(page, within, {"resultTypes": ["violations"], **rules})
        faults = {
            each["id"]: each["nodes"]
            for each in found.response["violations"]
            if each["impact"] in ("serious", "critical") or each["id"] == "heading-order"
        }
        assert faults == {}, found.generate_report()


async def change_theme(page: Page) -> None:
    """Have the system ask for the other theme; wait for the colours of the page and its charts."""
    is_dark = await page.locator(".liq-root.liq-dark").count()
    scheme: Literal["light", "dark"] = "light" if is_dark else "dark"
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await page.wait_for_selector(f".liq-root.liq-{scheme}")
    warning = await page.evaluate(
        "getComputedStyle(document.querySelector('.liq-root')).getPropertyValue('--warn').trim()"
    )
    for chart in await page.locator(".liq-price-plot").all():
        await expect(chart).to_have_css("--chart-warning", warning)


async def restore_media(page: Page) -> None:
    """Have the system ask for what `opened` says, for the page's next test."""
    await page.emulate_media(color_scheme="dark", reduced_motion="no-preference")
