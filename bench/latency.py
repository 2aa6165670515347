"""Event to SQL-visible: from when a simulated event was due to the first query that shows its row.

Events are due by a schedule, whether anybody keeps up or not, so a stall counts for each that comes
while it lasts.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from bench import ways
from bench.compare import Figure, Figures, Row
from bench.environment import create_stamped_topic, liq, own_names
from bench.sizes import Sizes
from bench.watch import Seen, faults, watch
from bench.ways import Way
from liq.config import Settings
from liq.delivery import messaging
from liq.records.model import decode
from liq.records.streams import LIQUIDATIONS

_PATIENCE_S = 60
_STAGES = ("due to received", "received to broker", "broker to visible", "due to visible")


def latency(stack: Settings, sizes: Sizes) -> list[Row]:
    """Compare liq with the official connector, with a script, and with doing without Kafka."""
    compared = {
        "liq": ways.through(ways.own_sink),
        ways.named_official(stack): ways.through(ways.official_sink),
        "kafka-python to psycopg": ways.through(ways.script),
        "line protocol over HTTP, no Kafka": ways.direct,
    }
    row = Row(
        key="latency",
        title=f"Event to SQL-visible, {sizes.rate:g} events/s",
        figures=(Figure("p50", "ms"), Figure("p99", "ms")),
        contenders={name: partial(_latency, stack, way, sizes) for name, way in compared.items()},
        note=f"From the scheduled time of {sizes.watched:,} events to the query that shows them.",
    )
    return [row]


def stages(stack: Settings, sizes: Sizes) -> list[Row]:
    """Split liq's latency into steps; the broker stamps appends with whole milliseconds."""
    names = [f"{stage}, {which}" for stage in _STAGES for which in ("p50", "p99")]
    row = Row(
        key="stages",
        title=f"Where liq's time goes, {sizes.rate:g} events/s",
        figures=tuple(Figure(name, "ms") for name in names),
        contenders={"liq": partial(_stages, stack, sizes)},
        note=f"{sizes.watched:,} events; the broker stamps them as it appends them.",
    )
    return [row]


def _latency(stack: Settings, way: Way, sizes: Sizes) -> Figures:
    seen, lost = _run(own_names(stack), way, sizes)
    delays = [one.visible - one.due for one in seen.values()]
    return _percentiles("", delays) | lost


def _stages(stack: Settings, sizes: Sizes) -> Figures:
    settings = own_names(stack)
    create_stamped_topic(settings)
    seen, figures = _run(settings, ways.through(ways.own_sink), sizes)
    appended = {
        decode(record.value).event_id: record.time + 500  # in the middle of its millisecond
        for record in messaging.read(LIQUIDATIONS.topic(settings), settings)
        if record.value
    }
    moments = [(one.due, one.received, appended[event], one.visible) for event, one in seen.items()]
    steps = np.diff(np.array(moments), axis=1).T
    for name, delays in zip(_STAGES, [*steps, steps.sum(axis=0)], strict=True):
        figures |= _percentiles(f"{name}, ", delays)
    return figures


def _run(settings: Settings, way: Way, sizes: Sizes) -> tuple[dict[int, Seen], dict[str, float]]:
    """Return what was seen of the events after the warm-up, and how many were lost or doubled."""
    total = sizes.warm_up + sizes.watched
    timeout = _PATIENCE_S + total / sizes.rate
    plan = ("--rate", f"{sizes.rate}", "--count", f"{total}")
    with way(settings), liq(settings, "simulate", *plan):
        seen = watch(settings, total, timeout)
        lost = faults(settings, total)
    by_time = sorted(seen.items(), key=lambda item: item[1].due)
    return dict(by_time[sizes.warm_up :]), lost


def _percentiles(prefix: str, delays: Sequence[int] | npt.NDArray[np.int64]) -> dict[str, float]:
    p50, p99 = np.percentile(np.asarray(delays) / 1000, [50, 99])
    return {f"{prefix}p50": float(p50), f"{prefix}p99": float(p99)}
