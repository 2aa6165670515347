"""The board of prices: liq's own by uPlot, plotly (whole and finance bundle), lightweight-charts.

The kernel sends plotly a figure, liq's board its panels, and the others the same rows as plain
columns. Each page draws the same candles, bubbles, sums by price and net. npm provides the
libraries that liq does not have.
"""

import gzip
import json
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from playwright.sync_api import CDPSession, Page, sync_playwright

from bench.compare import Figure, Figures, Row
from bench.first_bar import CHROMIUM, FLAGS
from bench.sizes import Sizes
from liq.analysis import charts
from liq.analysis.charts.prices import create_panels
from liq.web.dashboard import widgets

OURS = "liq's board, by uPlot"  # the contenders from npm are loaded when their turn comes
_BUCKETS = 240  # four hours of minutes
_CELLS = 600
_UPDATES = 20  # of a round
_WARM_UP = 5
_DRAWN = Path(__file__).with_name("candles.js")
_DASHBOARD = Path(widgets.__file__).parent
_PLOT, _BOARD = _DASHBOARD / "plot.js", _DASHBOARD / "prices.js"


class Rows(NamedTuple):
    """Rows of ``price_by_bucket``, ``heatmap`` and ``cumulative_net``."""

    price: pd.DataFrame
    cells: pd.DataFrame
    net: pd.DataFrame


class Library(NamedTuple):
    """A script, what draws with it, and what the kernel sends it."""

    find: Callable[[], Path]
    draw: str
    encode: Callable[[Rows], Mapping[str, Any]]


def candles(_sizes: Sizes) -> list[Row]:
    """Return the comparison of redraws of the board of prices."""
    rows = [_create_rows(seed) for seed in range(_UPDATES + _WARM_UP)]
    libraries = {
        OURS: Library(lambda: widgets.UPLOT_JS, "board", _encode_panels),
        "plotly": Library(widgets.find_plotly_js, "plotly", _encode_figure),
        "plotly, finance bundle": Library(
            partial(_load, "plotly.js-finance-dist-min@4.1.0", "plotly-finance.min.js"),
            "plotly",
            _encode_figure,
        ),
        "lightweight-charts": Library(
            partial(
                _load,
                "lightweight-charts@5.2.1",
                "dist/lightweight-charts.standalone.production.js",
            ),
            "lightweight",
            _encode_columns,
        ),
        "uPlot": Library(
            partial(_load, "uplot@1.6.32", "dist/uPlot.iife.min.js"), "uplot", _encode_columns
        ),
    }
    return [
        Row(
            key="candles",
            title=f"a redraw of {_BUCKETS} candles with their liquidations",
            figures=(
                Figure("tab CPU", "ms"),
                Figure("tab scripts", "ms"),
                Figure("to the 2nd frame", "ms"),
                Figure("kernel CPU", "ms"),
                Figure("message", "kB"),
                Figure("library", "kB"),
                Figure("library, gzip", "kB"),
                Figure("to load", "ms"),
            ),
            contenders={
                name: partial(_measure, library, rows) for name, library in libraries.items()
            },
            note=f"Mean of {_UPDATES} redraws, all values new; Chromium, 1280 x 560. Tab CPU is"
            " the main thread's. Loading is without a network.",
        )
    ]


@cache
def _load(package: str, name: str) -> Path:
    folder = Path(mkdtemp(prefix="liq-bench-"))
    subprocess.run(
        ["npm", "pack", package, "--silent"],  # noqa: S607 - npm of the PATH
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    [packed] = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / name


def _measure(library: Library, rows: list[Rows]) -> Figures:
    begun = time.process_time()
    updates = [json.dumps(library.encode(each)) for each in rows]
    encoding = 1000 * (time.process_time() - begun) / len(rows)
    source = library.find().read_bytes()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        page = browser.new_page(viewport={"width": 1280, "height": 600})
        page.set_content("<body style='margin:0'><div id='chart'></div>")
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        before = _read_metrics(devtools)
        page.add_script_tag(content=source.decode())
        loading = _read_metrics(devtools)["TaskDuration"] - before["TaskDuration"]
        page.add_script_tag(content=_DRAWN.read_text())
        page.add_style_tag(content=(_DASHBOARD / "style.css").read_text())
        unpacking = f"{_PLOT.read_text()}; window.unpack = unpack"
        board = f"{_BOARD.read_text()}; window.Board = Board"
        for module in (unpacking, board):
            page.add_script_tag(content=module, type="module")
        page.wait_for_function("Boolean(window.unpack && window.Board)")
        page.evaluate(f"void (window.draw = {library.draw}(document.getElementById('chart')))")
        _redraw(page, updates[:_WARM_UP])
        before = _read_metrics(devtools)
        took = _redraw(page, updates[_WARM_UP:])
        after = _read_metrics(devtools)
        browser.close()
    spent = {name: 1000 * (after[name] - before[name]) / _UPDATES for name in before}
    return {
        "tab CPU": spent["TaskDuration"],
        "tab scripts": spent["ScriptDuration"],
        "to the 2nd frame": median(took),
        "kernel CPU": encoding,
        "message": median(len(update) for update in updates) / 1e3,
        "library": len(source) / 1e3,
        "library, gzip": len(gzip.compress(source)) / 1e3,
        "to load": 1000 * loading,
    }


def _redraw(page: Page, updates: list[str]) -> list[float]:
    took: list[float] = page.evaluate("updates => redraw(window.draw, updates)", updates)
    return took


def _read_metrics(devtools: CDPSession) -> dict[str, float]:
    found = devtools.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in found if each["name"].endswith("Duration")}


def _encode_figure(rows: Rows) -> Mapping[str, Any]:
    spec = charts.candles.spec(rows.price, "dark", cells=rows.cells, net=rows.net)
    return {"spec": widgets.pack_spec(spec)}


def _encode_panels(rows: Rows) -> Mapping[str, Any]:
    span = (rows.price["ts"].iloc[0], rows.price["ts"].iloc[-1] + pd.Timedelta("1min"))
    spec = create_panels(rows.price, "dark", cells=rows.cells, net=rows.net, span=span)
    return {"spec": widgets.pack_panels(spec | {"revision": ""})}


def _encode_columns(rows: Rows) -> Mapping[str, Any]:
    cells = rows.cells.assign(price=np.sqrt(rows.cells["price_from"] * rows.cells["price_to"]))
    cells = cells.assign(ts=_list_milliseconds(cells["ts"]))
    bubbles = [
        {"ts": row.ts, "price": row.price, "usd": usd, "side": side}
        for row in cells.nlargest(300, "total_usd").itertuples()
        for side, usd in (("long", row.long_usd), ("short", row.short_usd))
        if usd
    ]
    sums = cells.groupby(["price_from", "price_to"], as_index=False)[["long_usd", "short_usd"]]
    return {
        "frame": {
            "ts": _list_milliseconds(rows.price["ts"]),
            **{name: rows.price[name].tolist() for name in ("open", "high", "low", "close")},
            "net": rows.net["cumulative_usd"].tolist(),
            "bubbles": bubbles,
            "sums": sums.sum()
            .set_axis(["low", "high", "long", "short"], axis=1)
            .to_dict("records"),
        }
    }


def _list_milliseconds(moments: pd.Series) -> list[int]:
    return [int(each) for each in moments.astype("int64") // 1000]  # of microseconds


def _create_rows(seed: int) -> Rows:
    """Return four hours of a price that wanders, and of liquidations near it."""
    random = np.random.default_rng(seed)
    moments = pd.Series(
        pd.date_range("2026-01-01", periods=_BUCKETS, freq="1min", tz="UTC", unit="us")
    )
    steps = random.normal(0, 2e-4, (_BUCKETS, 20))
    path = 60_000 * np.exp(steps.cumsum().reshape(steps.shape))
    price = pd.DataFrame(
        {"ts": moments, "open": path[:, 0], "high": path.max(1), "low": path.min(1),
         "close": path[:, -1], "not_live": 0}
    )  # fmt: skip
    at = random.integers(0, _BUCKETS, _CELLS)
    bins = np.floor(np.log(path[at, random.integers(0, 20, _CELLS)]) / np.log(1.001))
    usd, is_long = random.lognormal(10, 1.6, _CELLS), random.random(_CELLS) < 0.5
    cells = pd.DataFrame(
        {"ts": moments.iloc[at].to_numpy(), "price_from": 1.001**bins,
         "price_to": 1.001 ** (bins + 1), "long_usd": np.where(is_long, usd, 0.0),
         "short_usd": np.where(is_long, 0.0, usd), "total_usd": usd, "not_live": 0, "partial": 0}
    )  # fmt: skip
    cells["ts"] = pd.to_datetime(cells["ts"], utc=True)
    cells = cells.groupby(["ts", "price_from", "price_to"], as_index=False).sum()
    sums = cells.groupby("ts")[["long_usd", "short_usd"]].sum().reindex(moments, fill_value=0.0)
    each = (sums["long_usd"] - sums["short_usd"]).to_numpy()
    net = pd.DataFrame(
        {"ts": moments, "net_usd": each, "cumulative_usd": each.cumsum(), "not_live": 0,
         "partial": 0}
    )  # fmt: skip
    return Rows(price, cells, net)
