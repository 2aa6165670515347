"""Event to paint, and control to paint: until the animation frame after the redraw that shows it.

A page shows the time of its newest print as text. Two times are noted: the arrival of a message
with that text, and two animation frames after the text has changed. By then liq's charts are drawn;
Streamlit draws its charts after the text, which favours Streamlit. An event has arrived, or is
painted, with the first text that is no older.

Then the control "Bucket" is changed to five minutes and back to one. A change is painted with the
frame after the one in which plotly has drawn bars as far apart.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import NamedTuple

import httpx
import numpy as np
import numpy.typing as npt
import pandas as pd
from playwright.sync_api import Browser, Page, sync_playwright

from bench import ways
from bench.compare import Figure, Figures, Row
from bench.environment import liq, own_names, prepare, wait_until
from bench.first_bar import BAR, CHROMIUM, FLAGS
from bench.sizes import Sizes
from bench.watch import rows
from liq.config import Settings
from liq.query import questdb
from liq.records.streams import LIQUIDATIONS
from liq.web import serve

_TIMES = ("message", "paint", "control")
# notes the text of each message of a websocket, once the page is watched
_LISTEN = """() => {
    window.WebSocket = class extends WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", ({ data }) => window.received?.(data));
        }
    };
}"""
# `read` is written into the text: the page's policy refuses to evaluate it there
_WATCH = """message => {
    const read = %s, pattern = new RegExp(message);
    window.messages = [];
    window.paints = [];
    window.received = async data => {
        const now = Date.now();
        const text = typeof data === "string" ? data : await new Response(data).text();
        const found = text.match(pattern);
        if (found) window.messages.push([found[1], now]);
    };
    let shown = read(), asked = false;
    new MutationObserver(() => {
        if (asked) return;
        asked = true;
        requestAnimationFrame(() => requestAnimationFrame(() => {
            asked = false;
            const now = read();
            if (now && now !== shown) window.paints.push([shown = now, Date.now()]);
        }));
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""

# notes when bars are as far apart as those of a bucket, from the visitor's last act
_AWAIT_BARS = """([selector, ms]) => {
    let begin;
    window.took = null;
    const act = () => { begin = performance.now(); };
    for (const name of ["change", "click"]) addEventListener(name, act, true);
    (function look() {
        const x = document.querySelector(selector)?._fullData?.[0]?.x;
        const isDrawn = begin !== undefined && x && new Date(x.at(-1)) - new Date(x.at(-2)) === ms;
        if (!isDrawn) return requestAnimationFrame(look);
        requestAnimationFrame(() => { window.took = performance.now() - begin; });
    })();
}"""
# percentiles need some of both, which a busy machine shows late
_SEEN = "Math.min(window.messages.length, window.paints.length) > 2"
_BUCKETS_MS = {"5m": 300_000, "1m": 60_000}


class Face(NamedTuple):
    """A page's newest print: JavaScript that reads it, a pattern of its message; and a control.

    ``bars`` is the place of the chart that the control "Bucket" changes.
    """

    newest: str
    message: str
    bars: str
    choose_bucket: Callable[[Page, str], None]


def _choose_in_list(page: Page, bucket: str) -> None:
    page.get_by_label("Bucket", exact=True).select_option(bucket)


def _choose_in_streamlit(page: Page, bucket: str) -> None:
    page.get_by_label("Bucket").click()
    page.get_by_role("option", name=bucket, exact=True).click()


_DASHBOARD = Face(
    "() => JSON.parse(document.querySelector('.liq-tape tr[data-key]')?.dataset.key ?? '[]')[0]",
    r'data-key=\\?"\[&#34;([^&]+)&#34;',
    ".liq-bars",
    _choose_in_list,
)
_STREAMLIT = Face(
    "() => document.querySelector('[data-testid=stCaptionContainer]')"
    "?.textContent.match(/newest (.*) UTC/)?.[1]",
    r"newest (\S+ \S+) UTC",
    ".st-key-bars",
    _choose_in_streamlit,
)
Served = tuple[str, tuple[int, ...]]  # the page's URL, and the ids of the processes behind it
Numbers = npt.NDArray[np.int64]
Serving = Callable[[Settings], AbstractContextManager[Served]]


def painting(stack: Settings, sizes: Sizes) -> list[Row]:
    """Return the comparison of our dashboard with Streamlit's."""

    def painted(serving: Serving, face: Face) -> Callable[[], Figures]:
        return partial(_painted, stack, sizes, serving, face)

    names = [f"{what} {name}" for what in _TIMES for name in ("p50", "p99")]
    return [
        Row(
            key="paint",
            title=f"event to paint and control to paint, {sizes.rate:g} events/s",
            figures=(
                *(Figure(name, "ms") for name in names),
                Figure("redraws", "/s", more_is_better=True),
            ),
            contenders={
                # no kernel starts for the next visitor while this one is watched
                "liq dashboard": painted(partial(dashboard, pool=0), _DASHBOARD),
                "liq streamlit, polling each second": painted(streamlit, _STREAMLIT),
            },
            note="From the venue's time of an event to the message that brings it, or a later one,"
            " to the page, and to the animation frame that shows it; from a change of the bucket"
            " to the frame with its bars. Chromium on the same machine.",
        )
    ]


def _painted(stack: Settings, sizes: Sizes, serving: Serving, face: Face) -> Figures:
    settings = own_names(stack)
    prepare(settings)
    with fed(settings, sizes.rate), serving(settings) as (url, _), chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(f"({_LISTEN})()")
        page.goto(url, wait_until="commit")
        page.wait_for_selector(BAR, state="attached", timeout=120_000)
        time.sleep(sizes.opened_s)
        page.evaluate(_WATCH % face.newest, face.message)
        time.sleep(sizes.painted_s)
        wait_until(lambda: page.evaluate(_SEEN), timeout=120, every=0.2)
        messages, paints = page.evaluate("[window.messages, window.paints]")
        changes = [_change(page, face, bucket) for bucket in sizes.changes * [*_BUCKETS_MS]]
    sql = f"SELECT ts FROM {LIQUIDATIONS.table(settings)}"  # noqa: S608 - our own name
    events: Numbers = questdb.fetch(sql, None, settings)["ts"].to_numpy(np.int64)
    spent = (paints[-1][1] - paints[0][1]) / 1000
    return {
        **_percentiles("message", events, messages),
        **_percentiles("paint", events, paints),
        **_name_percentiles("control", changes),
        "redraws": len(paints) / spent,
    }


def _percentiles(what: str, events: Numbers, shown: list[tuple[str, float]]) -> Figures:
    """Return p50 and p99 of the milliseconds from each event to the first that is no older."""
    texts = [text for text, _ in shown]
    known = pd.to_datetime(texts, format="ISO8601", utc=True).as_unit("us").asi8
    at = np.array([ms for _, ms in shown])
    counted = events[(events > known[0]) & (events <= known.max())]
    first = np.searchsorted(np.maximum.accumulate(known), counted)
    return _name_percentiles(what, at[first] - counted / 1000)


def _name_percentiles(what: str, times: list[float] | npt.NDArray[np.float64]) -> dict[str, float]:
    p50, p99 = np.percentile(times, [50, 99])
    return {f"{what} p50": float(p50), f"{what} p99": float(p99)}


def _change(page: Page, face: Face, bucket: str) -> float:
    """Choose a bucket as a visitor does; return the milliseconds until its bars are painted."""
    page.evaluate(_AWAIT_BARS, [f"{face.bars} .js-plotly-plot", _BUCKETS_MS[bucket]])
    face.choose_bucket(page, bucket)
    wait_until(lambda: page.evaluate("window.took !== null"), timeout=120, every=0.05)
    return float(page.evaluate("window.took"))


@contextmanager
def fed(settings: Settings, rate: float) -> Iterator[None]:
    """Simulate ``rate`` events a second and publish them until the block ends; wait for a row."""
    with (
        liq(settings, "simulate", "--rate", str(rate)),
        liq(settings, "produce", "--no-prices", "--url", ways.url(settings)),
    ):
        wait_until(lambda: rows(settings) > 0, timeout=60)
        yield


@contextmanager
def dashboard(settings: Settings, pool: int = 2) -> Iterator[Served]:
    """Serve the dashboard until the block ends; give its URL, and its processes' ids."""
    with liq(settings, "dashboard", "--no-browser", "--pool", str(pool)) as process:
        _await(f"http://{settings.host}:{settings.dashboard_port}/health")
        yield serve.build_dashboard_url(settings), (process.pid,)


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
