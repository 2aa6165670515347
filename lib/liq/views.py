"""Materialized views: sums of liquidations a minute and an hour, which long windows read.

A catalogue entry says ``FROM {bars}`` where it would say ``FROM {table} WHERE …`` for the window
and its filters. Then it may be answered from a view, to the same numbers:

- ``{bars}`` has columns ``ts`` (start of the bucket), ``exchange``, ``symbol``, ``base``, ``side``,
  ``source``, ``completeness``, ``notional`` (USD); ``ts`` only where there is a ``bucket``;
- a row may stand for many prints: ``sum({prints})`` counts them, ``max({largest})`` is the greatest
  in USD, ``min({first})`` and ``max({last})`` are their first and last ``ts``.

A view is read in windows longer than a day, when it has the columns that the SQL names, no
``min_notional`` is given, and its width divides the bucket. The window's ends, and all that is
newer than a few minutes, come from the table. QuestDB refreshes views a while after the table, so
each time the prints that the view stands for are counted against the table's: unless it has every
one, the table is read. Only rows that replace others (a replay of what was live) show up late, by
a minute at most.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from liq import questdb
from liq.catalogue import BARS, FILTERS, Query
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import QuestDBAwayError, QuestDBError
from liq.parameters import duration

_LEAST = timedelta(days=1)  # the table answers shorter windows in no time
_FRESH = timedelta(minutes=3)  # so long a view may lack new rows without being passed over
_REFRESH = "1m"  # a view that follows each commit would slow the table's writer
_SUMS = (
    "sum(notional) AS notional, sum(prints) AS prints, max(largest) AS largest,"
    " min(first_ts) AS first_ts, max(last_ts) AS last_ts"
)
_RAW_SUMS = (
    "sum(notional) AS notional, count() AS prints, max(notional) AS largest,"
    " min(ts) AS first_ts, max(ts) AS last_ts"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIXED = re.compile(r"\d+[smhd]")  # months and years differ in length


@dataclass(frozen=True, slots=True)
class View:
    """Sums over ``width`` (an interval) of the prints that have the same ``keys``."""

    width: str
    keys: tuple[str, ...]

    def name(self, settings: Settings) -> str:
        """Return the view's name, derived from the table's."""
        return f"{settings.table}_{self.width}"

    def ddl(self, settings: Settings) -> str:
        """Return the statement that creates it beside its table."""
        return (
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {self.name(settings)}"
            f" WITH BASE {settings.table} REFRESH EVERY {_REFRESH} AS ("
            f"SELECT ts, {', '.join(self.keys)}, {_RAW_SUMS}"
            f" FROM {settings.table} SAMPLE BY {self.width})"
        )


_MARKET = ("exchange", "side", "source", "completeness")
# Of 10 million prints in 30 days the minute by symbol would have 6.8 million rows, the second
# without symbols 7.1 million: those give nothing.
VIEWS = (View("1m", _MARKET), View("1h", (*_MARKET, "symbol", "base")))
_KEYS = VIEWS[-1].keys
_FILTERED = {"symbols": "symbol", "bases": "base", "exchange": "exchange"}


def ensure(settings: Settings | None = None) -> None:
    """Create the views unless they are there; mend those that QuestDB declared invalid.

    Raises `QuestDBError`.
    """
    settings = settings or current_settings()
    for view in VIEWS:
        questdb.execute(view.ddl(settings), settings=settings)
        if _status(view, settings) == "invalid":
            questdb.execute(f"REFRESH MATERIALIZED VIEW {view.name(settings)} FULL", None, settings)


def expand(
    query: Query, values: Mapping[str, Any], settings: Settings
) -> tuple[Query, Mapping[str, Any]]:
    """Return ``query`` with a source in place of ``{bars}``, and ``values`` with its bounds."""
    if "{bars}" not in query.sql:
        return query, values
    for view in VIEWS:
        span = _span(view, query, values)
        if span and _has_all(view, span, settings):
            bounds = {"bars_from": span[0], "bars_to": span[1]}
            return _from_view(view, query, settings), {**values, **bounds}
    return from_table(query), values


def from_table(query: Query) -> Query:
    """Return ``query`` with the table itself in place of ``{bars}``."""
    source = f"{{table}} WHERE ts >= {_start(query)} {_filters(query)}"
    return _filled(query, source, "1", "notional", "ts", "ts")


def _from_view(view: View, query: Query, settings: Settings) -> Query:
    named = _words(query.sql)
    keys = [key for key in view.keys if key in named]
    if "bucket" in query.params:
        keys.insert(0, "timestamp_floor('{bucket}', ts) AS ts")
    columns, filters = ", ".join(keys), _filters(query)
    table = f"SELECT {columns}, {_RAW_SUMS} FROM {{table}}"
    parts = (
        f"SELECT {columns}, {_SUMS} FROM {view.name(settings)}"
        f" WHERE ts >= %(bars_from)s AND ts < %(bars_to)s {filters}",
        f"{table} WHERE ts >= {_start(query)} AND ts < %(bars_from)s {filters}",
        f"{table} WHERE ts >= %(bars_to)s {filters}",
    )
    order = " ORDER BY ts" if "bucket" in query.params else ""
    source = f"(SELECT * FROM ({' UNION ALL '.join(parts)}){order}) AS bars"
    return _filled(query, source, "prints", "largest", "first_ts", "last_ts")


def _filled(query: Query, *texts: str) -> Query:
    sql = query.sql
    for name, text in zip(BARS, texts, strict=True):
        sql = sql.replace(f"{{{name}}}", text)
    return replace(query, sql=sql)


def _start(query: Query) -> str:
    bucketed = "bucket" in query.params
    return "timestamp_floor('{bucket}', %(since)s)" if bucketed else "%(since)s"


def _filters(query: Query) -> str:
    return " ".join(f"[[ AND {sql} ]]" for name, sql in FILTERS.items() if name in query.params)


def _words(sql: str) -> set[str]:
    return set(re.findall(r"\w+", sql))


def _span(view: View, query: Query, values: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """Return from when to when ``view`` could be read; None when it cannot answer ``query``."""
    width, bucket = duration(view.width), values.get("bucket", view.width)
    needed = _words(query.sql) & set(_KEYS)
    needed |= {column for name, column in _FILTERED.items() if values.get(name)}
    if (
        not needed <= set(view.keys)
        or values.get("min_notional") is not None
        or not _FIXED.fullmatch(bucket)
        or duration(bucket) % width
    ):
        return None
    start = values["since"]
    if "bucket" in query.params:
        start = _floor(start, duration(bucket))
    begin = _floor(start + width - timedelta(microseconds=1), width)
    end = _floor(min(values["end"], datetime.now(UTC) - _FRESH), width)
    return (begin, end) if end - begin >= _LEAST else None


def _floor(moment: datetime, width: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % width


def _has_all(view: View, span: tuple[datetime, datetime], settings: Settings) -> bool:
    """Tell whether ``view`` is there, valid, and stands for each print of ``span``."""
    within = "WHERE ts >= %(begin)s AND ts < %(end)s"
    try:
        if _status(view, settings) in {"", "invalid"}:
            return False
        counts = questdb.fetch(
            f"SELECT stored.n AS stored, coalesce(seen.n, 0) AS seen"
            f" FROM (SELECT count() AS n FROM {settings.table} {within}) stored"
            f" CROSS JOIN (SELECT sum(prints) AS n FROM {view.name(settings)} {within}) seen",
            {"begin": span[0], "end": span[1]},
            settings,
        )
    except QuestDBAwayError:
        raise
    except QuestDBError:
        return False  # e.g. dropped in between
    return bool((counts["stored"] == counts["seen"]).all())


def _status(view: View, settings: Settings) -> str:
    sql = "SELECT view_status AS status FROM materialized_views() WHERE view_name = %s"
    frame = questdb.fetch(sql, [view.name(settings)], settings)
    return str(frame["status"].iloc[0]) if len(frame) else ""
