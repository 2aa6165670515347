"""Event to SQL-visible: from the receipt of a frame to the first query that shows its row."""

import time

import numpy as np

from bench.environment import liq, own_names, prepare
from liq import questdb
from liq.config import Settings

_WARM_UP = 500


def latency(stack: Settings, rate: float = 50, events: int = 3_000) -> dict[str, float]:
    """Return p50, p99 (milliseconds) and the number of events, simulated at ``rate`` a second."""
    settings = own_names(stack)
    prepare(settings)
    total = _WARM_UP + events
    url = f"ws://{settings.host}:{settings.simulator_port}/market/ws/!forceOrder@arr"
    with (
        liq(settings, "simulate", "--rate", str(rate), "--count", str(total)),
        liq(settings, "produce", "--url", url),
    ):
        visible = _watch(settings, total, timeout=120 + total / rate)
    delays = np.array(visible[_WARM_UP:]) / 1000
    return {
        "p50_ms": float(np.percentile(delays, 50)),
        "p99_ms": float(np.percentile(delays, 99)),
        "events": len(delays),
    }


def _watch(settings: Settings, total: int, timeout: float) -> list[int]:
    """Return each row's delay in microseconds, in the order in which they show."""
    sql = (
        "SELECT event_id, cast(recv_ts AS LONG) AS received "  # noqa: S608 - our own name
        f"FROM {settings.table} WHERE ts > dateadd('s', -5, now())"
    )
    seen: dict[int, int] = {}
    end = time.monotonic() + timeout
    while len(seen) < total and time.monotonic() < end:
        frame = questdb.fetch(sql, None, settings)
        now = time.time_ns() // 1000
        for event, received in zip(frame["event_id"], frame["received"], strict=True):
            if event not in seen:
                seen[event] = now - received
    if len(seen) < total:
        raise TimeoutError(f"{total - len(seen)} of {total} events never showed")
    return list(seen.values())
