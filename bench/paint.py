"""Event to paint: from an event's time to the animation frame after the redraw that first shows it.

The page notes each print when it first stands in the dashboard's tape, which is the last part of a
redraw, and two animation frames later the moment: by then the charts of that redraw are drawn.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pandas as pd
from playwright.sync_api import Browser, Page, sync_playwright

from bench.environment import count, liq, own_names, prepare, wait_until
from bench.first_bar import BAR, CHROMIUM, FLAGS
from liq import serve
from liq.config import Settings

_WARM_UP_S = 10
_WATCH = """() => {
    window.shown = new Map();
    const note = () => requestAnimationFrame(() => requestAnimationFrame(() => {
        const now = Date.now();
        for (const row of document.querySelectorAll(".liq-tape tr[data-key]")) {
            if (!window.shown.has(row.dataset.key)) window.shown.set(row.dataset.key, now);
        }
    }));
    window.redraws = 0;
    const options = { childList: true, subtree: true };
    new MutationObserver(() => { window.redraws += 1; note(); })
        .observe(document.querySelector(".liq-tape"), options);
}"""


def paint(stack: Settings, rate: float = 50, seconds: float = 60) -> dict[str, float]:
    """Return p50 and p99 (milliseconds) from an event's venue time to its paint in Chromium.

    Events are ``rate`` a second; as many as ``events_per_s`` were seen, the others left the tape
    between two redraws.
    """
    settings = own_names(stack)
    prepare(settings)
    url = f"ws://{settings.host}:{settings.simulator_port}/market/ws/!forceOrder@arr"
    with (
        liq(settings, "simulate", "--rate", str(rate)),
        liq(settings, "produce", "--no-prices", "--url", url),
        dashboard(settings),
        chromium() as browser,
    ):
        wait_until(lambda: count(settings) > 0, timeout=60)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(serve.dashboard_url(settings))
        page.wait_for_selector(BAR, state="attached", timeout=120_000)
        time.sleep(_WARM_UP_S)
        page.evaluate(_WATCH)
        time.sleep(seconds)
        return _figures(page, seconds)


def _figures(page: Page, seconds: float) -> dict[str, float]:
    shown: list[tuple[str, float]] = page.evaluate("Array.from(window.shown)")
    first = min(ms for _, ms in shown)
    moments = [(pd.Timestamp(key.split("/")[0]), ms) for key, ms in shown if ms > first]
    delays = np.array([ms - ts.timestamp() * 1000 for ts, ms in moments])
    span = (moments[-1][1] - first) / 1000
    return {
        "p50_ms": float(np.percentile(delays, 50)),
        "p99_ms": float(np.percentile(delays, 99)),
        "events": len(delays),
        "events_per_s": len(delays) / span,
        "redraws_per_s": page.evaluate("window.redraws") / seconds,
    }


@contextmanager
def dashboard(settings: Settings, pool: int = 2) -> Iterator[int]:
    """Serve the dashboard until the block ends; give the process's id once it answers."""
    health = f"http://{settings.host}:{settings.dashboard_port}/health"

    def answers() -> bool:
        try:
            return httpx.get(health).is_success
        except httpx.TransportError:
            return False

    with liq(settings, "dashboard", "--no-browser", "--pool", str(pool)) as process:
        wait_until(answers, timeout=120)
        yield process.pid


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield browser
        browser.close()
