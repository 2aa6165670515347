"""Event to paint: from an event's time to the animation frame after the redraw that shows it.

A page tells the newest print it knows of, in a few characters. Whenever those change, the moment
two animation frames later is noted; by then the charts of a redraw of liq's are drawn (Streamlit
draws its own after that text, so this is kind to it). An event is painted with the first page that
knows of it or of a later one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import httpx
import numpy as np
import pandas as pd
from playwright.sync_api import Browser, sync_playwright

from bench.compare import Figure, Figures, Row
from bench.environment import count, liq, own_names, prepare, wait_until
from bench.first_bar import BAR, CHROMIUM, FLAGS
from bench.sizes import Sizes
from liq import questdb, serve
from liq.config import Settings

_WARM_UP_S = 5
_WATCH = """newest => {
    window.paints = [];
    let told = newest(), asked = false;
    new MutationObserver(() => {
        if (asked) return;
        asked = true;
        requestAnimationFrame(() => requestAnimationFrame(() => {
            asked = false;
            const now = newest();
            if (now && now !== told) window.paints.push([told = now, Date.now()]);
        }));
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""
_TAPE = "() => document.querySelector('.liq-tape tr[data-key]')?.dataset.key.split('/')[0]"
Served = tuple[str, tuple[int, ...]]  # the page's URL, and the ids of the processes behind it
Serving = Callable[[Settings], AbstractContextManager[Served]]

_CAPTION = """() => document.querySelector('[data-testid=stCaptionContainer]')
    ?.textContent.match(/newest (.*) UTC/)?.[1]"""


def painting(stack: Settings, sizes: Sizes) -> list[Row]:
    """Return the comparison of our dashboard with Streamlit's."""

    def painted(serving: Serving, newest: str) -> Callable[[], Figures]:
        return partial(_painted, stack, sizes, serving, newest)

    return [
        Row(
            key="paint",
            title=f"event to paint, {sizes.rate:g} events/s",
            figures=(
                Figure("p50", "ms"),
                Figure("p99", "ms"),
                Figure("redraws", "/s", more_is_better=True),
            ),
            contenders={
                "liq dashboard": painted(dashboard, _TAPE),
                "liq streamlit, polling each second": painted(streamlit, _CAPTION),
            },
            note="From the venue's time of an event to the animation frame that shows it or a later"
            " one, in Chromium on the same machine.",
        )
    ]


def _painted(stack: Settings, sizes: Sizes, serving: Serving, newest: str) -> Figures:
    settings = own_names(stack)
    prepare(settings)
    with fed(settings, sizes.rate), serving(settings) as (url, _), chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        page.wait_for_selector(BAR, state="attached", timeout=120_000)
        time.sleep(_WARM_UP_S)
        page.evaluate(f"() => ({_WATCH})({newest})")
        time.sleep(sizes.painted_s)
        paints: list[tuple[str, float]] = page.evaluate("window.paints")
    return _figures(settings, paints)


def _figures(settings: Settings, paints: list[tuple[str, float]]) -> Figures:
    known = pd.to_datetime([text for text, _ in paints], format="ISO8601", utc=True).as_unit("us")
    at = np.maximum.accumulate([ms for _, ms in paints])
    events = questdb.fetch(f"SELECT ts FROM {settings.table}", None, settings)["ts"]  # noqa: S608 - our own name
    events = events[(events > known[0]) & (events <= known.max())]
    first = np.searchsorted(np.maximum.accumulate(known.asi8), events.astype("int64"))
    delays = at[first] - events.astype("int64") / 1000
    return {
        "p50": float(np.percentile(delays, 50)),
        "p99": float(np.percentile(delays, 99)),
        "redraws": float(1000 * len(paints) / (at[-1] - at[0])),
    }


@contextmanager
def fed(settings: Settings, rate: float) -> Iterator[None]:
    """Simulate ``rate`` events a second and publish them until the block ends; wait for a row."""
    url = f"ws://{settings.host}:{settings.simulator_port}/market/ws/!forceOrder@arr"
    with (
        liq(settings, "simulate", "--rate", str(rate)),
        liq(settings, "produce", "--no-prices", "--url", url),
    ):
        wait_until(lambda: count(settings) > 0, timeout=60)
        yield


@contextmanager
def dashboard(settings: Settings, pool: int = 2) -> Iterator[Served]:
    """Serve the dashboard until the block ends; give its URL, and its processes' ids."""
    with liq(settings, "dashboard", "--no-browser", "--pool", str(pool)) as process:
        _await(f"http://{settings.host}:{settings.dashboard_port}/health")
        yield serve.dashboard_url(settings), (process.pid,)


@contextmanager
def streamlit(settings: Settings) -> Iterator[Served]:
    """Serve dashapp.py, and the API that it asks, until the block ends; as `dashboard` does."""
    with liq(settings, "api") as api, liq(settings, "streamlit", "--no-browser") as process:
        _await(f"{settings.api_url}/latest_timestamp")
        _await(f"{settings.streamlit_url}/_stcore/health")
        yield settings.streamlit_url, (process.pid, api.pid)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield browser
        browser.close()


def _await(url: str) -> None:
    def answers() -> bool:
        try:
            return httpx.get(url).is_success
        except httpx.TransportError:
            return False

    wait_until(answers, timeout=120, every=0.1)
