"""What an update of a chart costs the kernel: plotly's FigureWidget and ours, side by side."""

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import comm
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from comm.base_comm import BaseComm

from liq import charts
from liq.charts import Spec
from liq.dashboard.plot import Plot

_POINTS = 5_000
_REPETITIONS = 9


class _Counting(BaseComm):
    """Serializes each message as a kernel does, and counts instead of sending."""

    messages = 0
    size = 0

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any
    ) -> None:
        content = json.dumps({"type": msg_type, "data": data, "metadata": metadata})
        _Counting.messages += 1
        _Counting.size += len(content.encode()) + sum(memoryview(b).nbytes for b in buffers or ())


def updates(points: int = _POINTS) -> dict[str, float]:
    """Return messages, bytes and milliseconds of CPU of an update of longs and shorts, and ratios.

    The bars' times stay the same, as within a bucket: a FigureWidget does not send them again.

    The figures' data is ready before, and both get the same: what is measured is the widget. A
    FigureWidget also hears from its page what each update changed, which is not counted here.
    """
    comm.create_comm = _Counting
    specs = [charts.bars.spec(_frame(points, seed)) for seed in range(_REPETITIONS + 1)]
    ours, theirs = Plot(), go.FigureWidget(specs[0])
    opening = [_cost(lambda make=make: make())[1] for make in (Plot, go.FigureWidget)]
    figures = dict(zip(("Plot bytes to open", "FigureWidget bytes to open"), opening, strict=True))
    measured: dict[str, list[tuple[float, float, float]]] = {"ours": [], "theirs": []}
    for spec in specs[1:]:  # interleaved: what else the machine does meets both
        measured["ours"].append(_cost(lambda spec=spec: ours.set_trait("spec", spec)))
        measured["theirs"].append(_cost(lambda spec=spec: _assign(theirs, spec)))
    for at, name in enumerate(("messages", "bytes", "cpu_ms")):
        plot, widget = (median(row[at] for row in measured[whose]) for whose in ("ours", "theirs"))
        figures |= {f"Plot {name}": plot, f"FigureWidget {name}": widget}
        figures |= {f"ratio of {name}": widget / plot}
    return figures


def _assign(figure: go.FigureWidget, spec: Spec) -> None:
    with figure.batch_update():
        for trace, new in zip(figure.data, spec["data"], strict=True):
            trace.x, trace.y = new["x"], new["y"]


def _cost(update: Callable[[], object]) -> tuple[float, float, float]:
    before = _Counting.messages, _Counting.size
    begin = time.process_time()
    update()
    spent = time.process_time() - begin
    return _Counting.messages - before[0], _Counting.size - before[1], 1000 * spent


def _frame(points: int, seed: int) -> pd.DataFrame:
    """Return rows as of ``liquidations_by_bucket``: half of the points are longs, half shorts."""
    rng = np.random.default_rng(seed)
    rows = points // 2
    return pd.DataFrame(
        {
            "ts": pd.date_range("2026-01-01", periods=rows, freq="1min", tz="UTC"),
            "long_usd": rng.exponential(1e6, rows),
            "short_usd": rng.exponential(1e6, rows),
            "long_count": rng.poisson(9, rows),
            "short_count": rng.poisson(9, rows),
            "not_live": np.ones(rows, np.int64),
            "partial": np.ones(rows, np.int64),
        }
    )
