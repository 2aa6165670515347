"""The rows in the table, and since when they are visible."""

import time
from typing import NamedTuple

from liq.config import Settings
from liq.errors import QuestDBAwayError
from liq.query import questdb
from liq.records.streams import LIQUIDATIONS

_RECENT_S = 5
_ALL_EVERY_S = 1.0
_BEFORE_FIRST_S = 0.05  # between two looks: the first events are of the warm-up


class Seen(NamedTuple):
    """When an event was due, received and seen by a query, UTC microseconds."""

    due: int
    received: int
    visible: int


def watch(settings: Settings, total: int, timeout: float) -> dict[int, Seen]:
    """Look, query after query, until ``total`` events were seen; return them by ``event_id``.

    After ``timeout`` seconds those that were seen till then.
    """
    everything = (
        "SELECT event_id, cast(ts AS LONG) AS due, cast(recv_ts AS LONG) AS received"  # noqa: S608
        f" FROM {LIQUIDATIONS.table(settings)}"
    )
    recent = f"{everything} WHERE ts > dateadd('s', -{_RECENT_S}, now())"
    seen: dict[int, Seen] = {}
    end, last = time.monotonic() + timeout, 0.0
    while len(seen) < total and time.monotonic() < end:
        late = time.monotonic() - last > _ALL_EVERY_S
        last = time.monotonic() if late else last
        frame = questdb.fetch(everything if late else recent, None, settings)
        now = time.time_ns() // 1000
        columns = (frame[name].tolist() for name in ("event_id", "due", "received"))
        for event, due, received in zip(*columns, strict=True):
            if event not in seen:
                seen[event] = Seen(due, received, now)
        if not seen:
            time.sleep(_BEFORE_FIRST_S)
    return seen


def faults(settings: Settings, total: int) -> dict[str, float]:
    """Return how many of ``total`` events the table lacks, and how many stand there again."""
    table = LIQUIDATIONS.table(settings)
    sql = f"SELECT count() AS n, count_distinct(event_id) AS events FROM {table}"  # noqa: S608
    frame = questdb.fetch(sql, None, settings)
    rows, events = int(frame["n"].item()), int(frame["events"].item())
    return {"lost": total - events, "doubled": rows - events}


def rows(settings: Settings) -> int:
    """Return how many rows there are, 0 while QuestDB is unreachable."""
    return _count(settings, "count()")


def events(settings: Settings, until: int | None = None) -> int:
    """Return how many different events, due ``until`` then, exist; 0 if QuestDB is unreachable."""
    return _count(settings, "count_distinct(event_id)", "" if until is None else f"ts <= {until}")


def _count(settings: Settings, what: str, where: str = "") -> int:
    sql = f"SELECT {what} AS n FROM {LIQUIDATIONS.table(settings)} {where and 'WHERE ' + where}"  # noqa: S608
    try:
        return int(questdb.fetch(sql, None, settings)["n"].item())
    except QuestDBAwayError:
        return 0
