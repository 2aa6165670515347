"""A page whose kernel does not start: it says so, and is loaded again, but not for ever."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser

from browser.conftest import Visit, opened, serving, threaded
from liq.config import Settings
from liq.web import serve
from support.helpers import find_free_ports

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

# `liq dashboard`, but for the kernels' starts that are to fail, the first of them 0
_SERVER = """
from itertools import count
from voila.execute import VoilaExecutor
from liq.web import serve

async def start(self, **options):
    if next(starts) in {fails}:
        raise RuntimeError("made on purpose")
    return await started(self, **options)

starts, started = count(), VoilaExecutor.async_start_new_kernel_client
VoilaExecutor.async_start_new_kernel_client = start
serve.run_dashboard(pool={pool}, browser=False)
"""

# a page keeps what its notice said, which is there for two seconds only
_KEEP = """new MutationObserver(() => {
  const text = document.getElementById("liq-notice")?.textContent;
  if (text) sessionStorage.setItem(text, "said");
}).observe(document, { childList: true, subtree: true });"""
_RELOADED = "sessionStorage.getItem('The page is incomplete. Reloading…')"


@asynccontextmanager
async def visited(
    chromium: Browser, settings: Settings, log: Path, fails: set[int], pool: int = 0
) -> AsyncIterator[Visit]:
    """Open the page of such a server."""
    own = settings.model_copy(update={"dashboard_port": find_free_ports()["dashboard_port"]})
    program = ("-c", _SERVER.format(fails=fails, pool=pool))
    async with (
        threaded(serving(own, log, program=program)),
        opened(chromium, serve.build_dashboard_url(own), _KEEP) as visitor,
    ):
        yield visitor


async def test_a_page_whose_preheated_kernel_does_not_start_is_loaded_again(
    chromium: Browser, settings: Settings, tmp_path: Path
) -> None:
    async with visited(chromium, settings, tmp_path / "log", {0, 1}, pool=1) as visitor:
        await visitor.until(_RELOADED)
        await visitor.drawn()
    assert "made on purpose" in (tmp_path / "log").read_text()


async def test_a_page_whose_kernel_does_not_start_is_loaded_again_and_then_says_where_to_look(
    chromium: Browser, settings: Settings, tmp_path: Path
) -> None:
    async with visited(chromium, settings, tmp_path / "log", {0, 1, 3, 4, 5, 6}) as visitor:
        await visitor.until(_RELOADED)
        await visitor.drawn()
        await visitor.page.goto(visitor.page.url, wait_until="commit")
        await visitor.shows("liq logs dashboard", "#liq-notice")
        await visitor.page.goto(visitor.page.url, wait_until="commit")
        await visitor.drawn()
    assert "made on purpose" in (tmp_path / "log").read_text()
