"""How soon all is there again after QuestDB was killed and away while events went on coming."""

import os
import signal
import time
from collections.abc import Mapping

from bench import ways
from bench.compare import Figure, Row
from bench.environment import liq, own_names, wait_until
from bench.sizes import Sizes
from bench.watch import events, faults
from bench.ways import Way
from liq import stack as local
from liq.config import Settings
from liq.stack.servers import QUESTDB

_BEFORE_S = 2  # of events
_PATIENCE_S = 30.0
_POLL_S = 0.05


def recovery(stack: Settings, sizes: Sizes) -> list[Row]:
    """Compare liq with a script that tries again."""

    def measure(way: Way) -> Mapping[str, float]:
        return _outage(own_names(stack), way, sizes)

    row = Row(
        key="recovery",
        title=f"QuestDB killed and away for {sizes.away:g} s, {sizes.away_rate:,.0f} events/s",
        figures=(Figure("recovered", "s"),),
        contenders={
            "liq": lambda: measure(ways.through(ways.own_sink)),
            "kafka-python to psycopg": lambda: measure(ways.through(ways.script)),
        },
        note="From its start to when all is visible that was due before it.",
    )
    return [row]


def _outage(settings: Settings, way: Way, sizes: Sizes) -> Mapping[str, float]:
    total = round(sizes.away_rate * (_BEFORE_S + sizes.away + sizes.after))
    plan = ("--rate", f"{sizes.away_rate}", "--count", f"{total}")
    with way(settings), liq(settings, "simulate", *plan):
        flowing = sizes.away_rate * _BEFORE_S / 2
        wait_until(lambda: events(settings) > flowing, timeout=60)
        _kill(settings)
        time.sleep(sizes.away)
        return _recover(settings, total)


def _recover(settings: Settings, total: int) -> Mapping[str, float]:
    """Start QuestDB; return the seconds until it had recovered all rows."""
    begin, started = time.monotonic(), time.time_ns() // 1000
    local.start(QUESTDB, settings)
    looks: list[tuple[float, int]] = []
    seen, since = 0, time.monotonic()
    while seen < total and time.monotonic() - since < _PATIENCE_S:
        older, count = events(settings, until=started), events(settings)
        looks.append((time.monotonic(), older))
        if count > seen:
            seen, since = count, time.monotonic()
        time.sleep(_POLL_S)
    recovered = next(moment for moment, older in looks if older == looks[-1][1])
    return {"recovered": recovered - begin, **faults(settings, total)}


def _kill(settings: Settings) -> None:
    [pid] = [one.pid for one in local.status(settings) if one.name == QUESTDB and one.pid]
    os.kill(pid, signal.SIGKILL)
