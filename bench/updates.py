"""What an update of a chart costs the kernel: plotly's FigureWidget and ours, side by side."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from statistics import median
from typing import Any
from unittest.mock import patch

import comm
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from comm.base_comm import BaseComm

from bench.compare import Figure, Figures, Row
from bench.sizes import Sizes
from liq.analysis import charts
from liq.analysis.charts import Spec
from liq.web.dashboard.widgets import Plot

_UPDATES = 5  # of a round


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


def _counted() -> AbstractContextManager[object]:
    """Let widgets that are made meanwhile count what they send."""
    return patch.object(comm, "create_comm", _Counting)


def updates(sizes: Sizes) -> list[Row]:
    """Return the comparison of updates of longs and shorts.

    The bars' times stay the same, as within a bucket: a FigureWidget does not send them again. The
    figures' data is ready before, and both get the same: what is measured is the widget. A
    FigureWidget also receives from its page the changes of each update, which are not counted here.
    """
    frames = [charts.bars.spec(_frame(sizes.points, seed)) for seed in range(_UPDATES + 1)]
    with _counted():
        ours, theirs = Plot(), go.FigureWidget(frames[0])

    def update_ours(spec: Spec) -> None:
        ours.spec = spec

    def update_theirs(spec: Spec) -> None:
        with theirs.batch_update():
            for trace, new in zip(theirs.data, spec["data"], strict=True):
                trace.x, trace.y = new["x"], new["y"]

    def measured(
        make: Callable[[], object], update: Callable[[Spec], None]
    ) -> Callable[[], Figures]:
        return partial(_measured, make, update, frames)

    return [
        Row(
            key="updates",
            title=f"an update of a chart of {sizes.points:,} points: the kernel's part",
            figures=(
                Figure("CPU", "ms"),
                Figure("messages", ""),
                Figure("size", "kB"),
                Figure("size to open", "kB"),
            ),
            contenders={
                "liq Plot": measured(Plot, update_ours),
                "plotly FigureWidget": measured(lambda: go.FigureWidget(frames[0]), update_theirs),
            },
            note=f"Median of {_UPDATES} updates, all values new, times the same.",
        )
    ]


def _measured(
    make: Callable[[], object], update: Callable[[Spec], None], frames: Sequence[Spec]
) -> Figures:
    with _counted():
        _, opening, _ = _cost(make)
    update(frames[0])
    costs = [_cost(partial(update, frame)) for frame in frames[1:]]
    messages, size, cpu = (median(column) for column in zip(*costs, strict=True))
    return {"CPU": cpu, "messages": messages, "size": size / 1e3, "size to open": opening / 1e3}


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
