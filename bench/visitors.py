"""Ten visitors at once on one server: what each costs, and what is left when they are gone."""

import time
from collections.abc import Callable

import psutil
from playwright.sync_api import Page

from bench.environment import count, liq, own_names, prepare, wait_until
from bench.first_bar import BAR
from bench.paint import chromium, dashboard
from liq import serve
from liq.config import Settings

_POOL = 2
_BARS = f"Array.from(document.querySelectorAll('{BAR}'), bar => bar.getAttribute('d')).join()"


def visitors(stack: Settings, visitors: int = 10, rate: float = 20) -> dict[str, float]:
    """Return seconds until all see bars, how many see them move, and MiB of a visitor's kernel.

    ``gone_s`` is from their leaving until only the kernels that wait for the next ones are left;
    `TimeoutError` if more stay.
    """
    settings = own_names(stack)
    prepare(settings)
    url = f"ws://{settings.host}:{settings.simulator_port}/market/ws/!forceOrder@arr"
    with (
        liq(settings, "simulate", "--rate", str(rate)),
        liq(settings, "produce", "--no-prices", "--url", url),
        dashboard(settings, _POOL) as server,
        chromium() as browser,
    ):
        wait_until(lambda: count(settings) > 0, timeout=60)
        wait_until(lambda: len(_kernels(server)) >= _POOL, timeout=60)
        begin = time.monotonic()
        pages = [browser.new_context().new_page() for _ in range(visitors)]
        for page in pages:
            page.goto(serve.dashboard_url(settings), wait_until="commit", timeout=300_000)
        for page in pages:
            page.wait_for_selector(BAR, state="attached", timeout=300_000)
        opened = time.monotonic() - begin
        live = sum(map(_moves, pages))
        memory = sorted(psutil.Process(pid).memory_full_info().pss for pid in _kernels(server))
        for page in pages:
            page.goto("about:blank")
        gone = _seconds(lambda: len(_kernels(server)) <= _POOL)
        return {
            "visitors": visitors,
            "all_open_s": opened,
            "see_live_bars": live,
            "kernel_mib": sum(memory[-visitors:]) / visitors / 2**20,
            "gone_s": gone,
        }


def _moves(page: Page) -> bool:
    before = page.evaluate(_BARS)
    page.wait_for_function(f"before => {_BARS} !== before", arg=before, timeout=60_000)
    return True


def _kernels(server: int) -> list[int]:
    return [child.pid for child in psutil.Process(server).children()]


def _seconds(condition: Callable[[], bool]) -> float:
    begin = time.monotonic()
    wait_until(condition, timeout=180, every=0.1)
    return time.monotonic() - begin
