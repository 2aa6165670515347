"""Visitors of one server: how soon each sees a chart, what each costs, what is left of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import psutil
from playwright.sync_api import Browser, Page

from bench.compare import Figure, Figures, Row
from bench.environment import own_names, prepare, wait_until
from bench.first_bar import BAR
from bench.paint import Serving, chromium, dashboard, fed, streamlit
from bench.sizes import Sizes
from liq.config import Settings

_POOL = 2
_RATE = 20.0  # events a second
_REPORTED = (1, 5, 10)  # of which visitors, and after how many
_BARS = f"Array.from(document.querySelectorAll('{BAR}'), bar => bar.getAttribute('d')).join()"


def opening(stack: Settings, sizes: Sizes) -> list[Row]:
    """Return the comparison of our dashboard with Streamlit's, for visitors who come in turn."""

    def opened(serving: Serving) -> Callable[[], Figures]:
        return partial(_opened, stack, sizes, serving)

    ours = partial(dashboard, pool=min(_POOL, sizes.visitors))
    reported = [number for number in _REPORTED if number <= sizes.visitors]
    figures = [Figure(f"first chart of visitor {number}", "s") for number in reported]
    figures += [Figure(f"a visitor of {number}", "MiB") for number in reported]
    return [
        Row(
            key="visitors",
            title=f"{sizes.visitors} visitors, each a page that stays open and follows",
            figures=tuple(figures),
            contenders={"liq dashboard": opened(ours), "liq streamlit": opened(streamlit)},
            note=f"{_RATE:g} events/s. One comes {sizes.apart_s:g} s after the other's first chart."
            " Memory is what the servers and their kernels have grown by, a visitor; all pages are"
            " drawn by one Chromium on the same machine.",
        )
    ]


def _opened(stack: Settings, sizes: Sizes, serving: Serving) -> Figures:
    settings = own_names(stack)
    prepare(settings)
    figures: dict[str, float] = {}
    with ExitStack() as ends:
        ends.enter_context(fed(settings, _RATE))
        url, servers = ends.enter_context(serving(settings))
        browser = ends.enter_context(chromium())
        time.sleep(2 * sizes.apart_s)  # kernels that wait for visitors start
        before = _memory(servers)
        for number, seconds in enumerate(_comers(browser, url, sizes.visitors), 1):
            time.sleep(sizes.apart_s)
            figures[f"first chart of visitor {number}"] = seconds
            figures[f"a visitor of {number}"] = (_memory(servers) - before) / number
    return figures


def _comers(browser: Browser, url: str, visitors: int) -> Iterator[float]:
    """Let one visitor after the other come and stay; yield the seconds until its first chart."""
    for _ in range(visitors):
        begin = time.monotonic()
        page = browser.new_context().new_page()
        page.goto(url, wait_until="commit", timeout=300_000)
        page.wait_for_selector(BAR, state="attached", timeout=300_000)
        yield time.monotonic() - begin


def crowd(stack: Settings, visitors: int = 10) -> dict[str, float]:
    """Let visitors of the dashboard come all at once.

    Return seconds until all see bars, how many see them move, and MiB of a visitor's kernel.
    ``gone_s`` is from their leaving until only the kernels that wait for the next ones are left;
    `TimeoutError` if more stay.
    """
    settings = own_names(stack)
    prepare(settings)
    with (
        fed(settings, _RATE),
        dashboard(settings, _POOL) as (url, (server, *_)),
        chromium() as browser,
    ):
        wait_until(lambda: len(_kernels(server)) >= _POOL, timeout=60)
        begin = time.monotonic()
        pages = [browser.new_context().new_page() for _ in range(visitors)]
        for page in pages:
            page.goto(url, wait_until="commit", timeout=300_000)
        for page in pages:
            page.wait_for_selector(BAR, state="attached", timeout=300_000)
        opened = time.monotonic() - begin
        live = sum(map(_moves, pages))
        memory = sorted(map(_pss, _kernels(server)))
        for page in pages:
            page.goto("about:blank")
        gone = _seconds(lambda: len(_kernels(server)) <= _POOL)
        return {
            "visitors": visitors,
            "all_open_s": opened,
            "see_live_bars": live,
            "kernel_mib": sum(memory[-visitors:]) / visitors,
            "gone_s": gone,
        }


def _moves(page: Page) -> bool:
    before = page.evaluate(_BARS)
    # not wait_for_function, which evaluates text in the page: its policy refuses that
    wait_until(lambda: page.evaluate(_BARS) != before, timeout=60)
    return True


def _memory(servers: tuple[int, ...]) -> float:
    processes = map(psutil.Process, servers)
    return sum(_pss(each) for one in processes for each in (one, *one.children(recursive=True)))


def _pss(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 2**20


def _kernels(server: int) -> list[psutil.Process]:
    """Return what the server's fork server has forked."""
    return [kernel for child in psutil.Process(server).children() for kernel in child.children()]


def _seconds(condition: Callable[[], bool]) -> float:
    begin = time.monotonic()
    wait_until(condition, timeout=180, every=0.1)
    return time.monotonic() - begin
