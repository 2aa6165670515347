"""How fast a backlog comes into the table."""

import time
from collections.abc import Mapping

from bench import ways
from bench.compare import Figure, Row
from bench.environment import own_names
from bench.events import events
from bench.publishing import send
from bench.sizes import Sizes
from bench.watch import faults, rows
from bench.ways import Way
from liq.config import Settings
from liq.delivery import messaging
from liq.records.streams import LIQUIDATIONS

_POLL_S = 0.02
_PATIENCE_S = 120.0


def drain(stack: Settings, sizes: Sizes) -> list[Row]:
    """Compare liq's sink with the official connector, and with a script on a smaller backlog."""
    full = _queued(stack, sizes.drained)
    small = _queued(stack, sizes.drained_by_script)

    def measure(sink: Way, topic: str, total: int) -> Mapping[str, float]:
        settings = own_names(stack).with_streams(liquidations={"topic": topic})
        with sink(settings):
            rate = drain_rate(settings, total)
            return {"rate": rate, **faults(settings, total)}

    row = Row(
        key="drain",
        title=f"Draining {sizes.drained:,} queued events",
        figures=(Figure("rate", "rows/s", more_is_better=True),),
        contenders={
            "liq": lambda: measure(ways.own_sink, full, sizes.drained),
            "liq, without its rules": lambda: measure(ways.unchecked_sink, full, sizes.drained),
            ways.named_official(stack): lambda: measure(ways.official_sink, full, sizes.drained),
            "kafka-python to psycopg": lambda: measure(ways.script, small, sizes.drained_by_script),
        },
        note="From the first rows visible to the last; the script's backlog was"
        f" {sizes.drained_by_script:,} events.",
    )
    return [row]


def drain_rate(settings: Settings, total: int) -> float:
    """Return rows/s from the first rows seen to the last, or to the last before none came."""
    seen: list[tuple[float, int]] = [(time.monotonic(), 0)]
    while seen[-1][1] < total and time.monotonic() < seen[-1][0] + _PATIENCE_S:
        count = rows(settings)
        if count > seen[-1][1]:
            seen.append((time.monotonic(), count))
        time.sleep(_POLL_S)
    if len(seen) < 2:
        raise TimeoutError(f"no row of {LIQUIDATIONS.topic(settings)} within {_PATIENCE_S:.0f} s")
    (begin, before), (end, after) = seen[1 if len(seen) > 2 else 0], seen[-1]
    return (after - before) / (end - begin)


def _queued(stack: Settings, count: int) -> str:
    """Return a topic of its own that holds ``count`` events."""
    settings = own_names(stack)
    messaging.ensure_topics(settings)
    send(settings, events(count))
    return LIQUIDATIONS.topic(settings)
