"""The dashboard's last frame, which the next page shows while its kernel starts."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio
from playwright.async_api import CDPSession, Route

from browser.conftest import Visit, Visiting, publishing, stay_outlined
from liq.config import Settings
from liq.delivery.producer import Producer

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]
ELEMENT = "liq-last-frame"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: Settings, server: psutil.Popen) -> AsyncIterator[Producer]:
    async with publishing(settings, seed=11) as producer:
        yield producer


def list_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of the developer tools and all nodes in it, those of closed trees too."""
    yield node
    for inner in (*node.get("children", ()), *node.get("shadowRoots", ())):
        yield from list_nodes(inner)


async def read_frame(tools: CDPSession) -> list[dict[str, Any]]:
    """Return all nodes of the last frame; none without one."""
    tree = await tools.send("DOM.getDocument", {"depth": -1, "pierce": True})
    frames = (node for node in list_nodes(tree["root"]) if node["nodeName"].lower() == ELEMENT)
    return [node for frame in frames for node in list_nodes(frame)]


async def list_shown(visitor: Visit) -> str:
    """Return the classes of all elements in the closed tree, as the developer tools show it."""
    tools = await visitor.page.context.new_cdp_session(visitor.page)
    nodes = await read_frame(tools)
    return "\n".join(f"{each['nodeName']} {' '.join(each.get('attributes', ()))}" for each in nodes)


async def find_styles(visitor: Visit, css_class: str) -> dict[str, str]:
    """Return the style with which the last frame draws its element of a class."""
    tools = await visitor.page.context.new_cdp_session(visitor.page)
    await tools.send("DOM.enable")
    await tools.send("CSS.enable")
    nodes = await read_frame(tools)
    (found,) = (node for node in nodes if css_class in " ".join(node.get("attributes", ())).split())
    drawn = await tools.send("CSS.getComputedStyleForNode", {"nodeId": found["nodeId"]})
    return {each["name"]: each["value"] for each in drawn["computedStyle"]}


async def test_a_reload_shows_the_last_frame_until_the_page_has_drawn(
    share: Visiting, market: Producer
) -> None:
    released = asyncio.Event()

    async def hold(route: Route) -> None:
        await released.wait()
        await route.continue_()

    async with share() as visitor:
        await visitor.bars()
        await visitor.drawn()
        assert not await visitor.page.locator(ELEMENT).count()
        await visitor.page.get_by_label("Bucket", exact=True).select_option("5m")
        await visitor.shows("per 5m", ".liq-bars")
        await visitor.page.route("**/page.js", hold)  # so that nothing is drawn meanwhile
        await visitor.page.reload(wait_until="commit")
        await visitor.shows("Loading. What is dimmed was seen on", "#liq-notice")
        shown = await list_shown(visitor)
        assert "main-svg" in shown
        assert "liq-root" in shown
        assert not await visitor.page.locator(".liq-root .main-svg").count(), "it counts as live"
        box = await visitor.page.locator(ELEMENT).bounding_box()
        assert box
        assert box["height"] > 600
        # it says LIVE, which the frame is no more
        assert (await find_styles(visitor, "liq-header"))["visibility"] == "hidden"
        assert (await find_styles(visitor, "liq-figures"))["visibility"] == "visible"
        released.set()
        await visitor.page.wait_for_selector(ELEMENT, state="detached")
        await visitor.drawn()
        await visitor.redraws()
        await visitor.page.unroute("**/page.js")
        assert visitor.complaints == []


async def test_the_last_frame_of_the_prices_is_a_picture_shown_only_at_its_own_address(
    share: Visiting, market: Producer, page_source: httpx.Response
) -> None:
    async with share() as visitor:
        await visitor.bars()
        elsewhere = visitor.page.url
        await visitor.page.get_by_role("tab", name="Prices", exact=True).click()
        await visitor.page.wait_for_selector(".liq-candles .uplot canvas")
        await visitor.until("location.search.includes('board=Prices')")
        await stay_outlined(visitor.page, page_source)
        here = visitor.page.url
        await visitor.page.goto(elsewhere, wait_until="commit")
        await visitor.page.wait_for_selector(".liq-outline")
        assert "liq-picture" not in await list_shown(visitor)
        await visitor.page.goto(here, wait_until="commit")
        await visitor.shows("What is dimmed was seen on", "#liq-notice")
        assert (await list_shown(visitor)).count("liq-picture") == 2


async def test_a_stored_frame_that_is_none_leaves_the_outlines(
    visit: Visiting, page_url: str, page_source: httpx.Response
) -> None:
    async with visit("about:blank") as visitor:
        page = visitor.page
        await stay_outlined(page, page_source)
        await page.goto(page_url, wait_until="commit")
        odd = '{"address": "/?", "time": "soon"}', '{"address": "/?", "time": 0}'
        for stored in ("", "{", "null", "[]", *odd):
            await page.evaluate("text => localStorage.setItem('liq-last-frame', text)", stored)
            await page.reload(wait_until="commit")
            await page.wait_for_selector(".liq-outline")
            assert await page.locator("#liq-notice").text_content() == "Loading…"
