"""The page of a visitor who waits: it shows the place in the queue, then becomes the dashboard."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from browser.conftest import opened, serving, threaded
from liq.config import Settings
from liq.web import serve
from support.helpers import PATIENCE_S, find_free_ports

pytestmark = pytest.mark.browser

KERNEL, XSRF = r'id="liq-page">\{"kernel": "([^"]+)"', r'id="liq-visit">\{"xsrf": "([^"]+)"'


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def settings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Settings]:
    """A dashboard of one kernel; it has no QuestDB to read."""
    home = tmp_path_factory.mktemp("queue")
    settings = Settings.load(home=home, dashboard_kernels=1, **find_free_ports())
    async with threaded(serving(settings, home / "log", "--pool", "0")):
        yield settings


@pytest.mark.asyncio(loop_scope="session")
async def test_the_queue_page_turns_into_the_dashboard_which_lets_the_next_visitor_in_when_closed(
    chromium: Browser, settings: Settings
) -> None:
    url = serve.build_dashboard_url(settings)
    inside, before = (httpx.AsyncClient(timeout=PATIENCE_S, follow_redirects=True) for _ in "12")
    async with inside, before:
        page = (await inside.get(url)).text
        assert (await before.get(url)).status_code == 503
        async with opened(chromium, url) as visitor:
            await visitor.shows("1 ahead of you", "h1")
            assert "1 ahead of you" in await visitor.page.title()
            await visitor.shows("You are next", "h1")  # the other one does not ask any more
            kernel, xsrf = (re.findall(pattern, page)[0] for pattern in (KERNEL, XSRF))
            end = httpx.URL(url).join(f"/voila/api/shutdown/{kernel}")
            (await inside.post(end, data={"_xsrf": xsrf})).raise_for_status()
            await visitor.page.wait_for_selector(".liq-root")
            assert not visitor.outside
            async with opened(chromium, url) as second:
                await second.shows("You are next", "h1")
                await visitor.page.goto("about:blank")
                await second.page.wait_for_selector(".liq-root")
