"""Materialized views: liquidations a minute and an hour, feed health a minute, for long windows.

A catalogue entry writes ``FROM {bars}`` instead of ``FROM {table} WHERE …`` for the window and its
filters. The entry may then be answered from a view, with the same numbers:

- ``{bars}`` has columns ``ts`` (start of the bucket), ``exchange``, ``symbol``, ``base``,
  ``asset``, ``side``, ``source``, ``completeness``, ``notional`` (USD); ``ts`` only where there is
  a ``bucket``;
- a row may summarise many prints: ``sum({prints})`` counts them, ``max({largest})`` is the greatest
  in USD, ``min({first})`` and ``max({last})`` are their first and last ``ts``.

A view is read for windows longer than two days, if it has the columns that the SQL names, neither
``min_notional`` nor ``max_notional`` is given, and its width divides the bucket. The window's ends,
and the last few minutes, come from the table. QuestDB refreshes views later than the table. So each
query compares the count of prints in the view with the table, and reads the table unless they are
equal. Only rows that replace others (a replay of live rows) show up late, by a minute at most.

Feed health has two such sources, for ``coverage`` and the queries that use it:

- ``{reports}`` of the window has ``ts``, ``last_ts``, ``exchange``, ``source``, ``broken`` (a gap,
  or not connected), ``first_received`` and ``last_received`` (with messages, or stopped while
  connected, else null), ``stops`` (1 or 0). A row is one report, or all reports of a minute in
  which no two neighbours were more than 5 s apart;
- ``{last_reports}`` has ``ts``, ``exchange``, ``source``, ``stopped`` of reports in the window and
  ``look_back`` before it: the last report of each feed, and at least one of each hour that has any.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from liq.config import Settings, choose_settings
from liq.errors import QuestDBAwayError, QuestDBError, QuestDBTimeoutError
from liq.query import questdb
from liq.query.catalogue import BARS, FILTERS, LAST_REPORTS, LOOK_BACK, REPORTS, Query
from liq.query.parameters import parse_duration
from liq.records import rules
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS, Stream

_LEAST = timedelta(days=2)  # the table answers shorter windows in no time
_LEAST_HEALTH = timedelta(hours=1)
_OUTDATED = "outdated"
_FRESH = timedelta(minutes=3)  # newer rows come from the table, since a view may lack them
_REFRESH = "1m"  # a view that follows each commit would slow the table's writer
_SUMS = (
    "sum(notional) AS notional, sum(prints) AS prints, max(largest) AS largest,"
    " min(first_ts) AS first_ts, max(last_ts) AS last_ts"
)
_RAW_SUMS = (
    "sum(notional) AS notional, count() AS prints, max(notional) AS largest,"
    " min(ts) AS first_ts, max(ts) AS last_ts"
)
# Reports in each slot of 2.5 s are nowhere more than 5 s apart.
_SLOTS = 24
_RECEIVED = "CASE WHEN messages > 0 OR (stopped AND connected) THEN ts END"
_HEALTH_SUMS = (
    "count() AS reports, min(ts) AS first_ts, max(ts) AS last_ts,"
    f" min({_RECEIVED}) AS first_received, max({_RECEIVED}) AS last_received,"
    " max(CASE WHEN stopped THEN ts END) AS stopped_ts,"
    " sum(CASE WHEN gaps > 0 OR stopped OR NOT connected THEN 1 ELSE 0 END) AS faults,"
    " count_distinct(ts::long / 2500000) AS slots"
)
_VIEW_S = 60.0  # to create or repair one
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIXED = re.compile(r"\d+[smhd]")  # months and years differ in length


@dataclass(frozen=True, slots=True)
class View:
    """``sums`` over ``width`` (an interval) of the rows that have the same ``keys``.

    The column ``counts`` is the number of rows. Rows that break `liq.records.rules` are summed
    separately, with ``odd`` set, so that the counts show whether a row is missing.
    """

    width: str
    keys: tuple[str, ...]
    sums: str = _RAW_SUMS
    counts: str = "prints"
    stream: Stream = LIQUIDATIONS

    def name(self, settings: Settings) -> str:
        """Return the view's name, derived from the table's."""
        return f"{self.stream.table(settings)}_{self.width}"

    def render_ddl(self, settings: Settings) -> str:
        """Return the statement that creates it beside its table."""
        return (
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {self.name(settings)}"
            f" WITH BASE {self.stream.table(settings)} REFRESH EVERY {_REFRESH} AS ("
            f"{self.render_sql(settings)}) PARTITION BY DAY"
        )

    def render_sql(self, settings: Settings) -> str:
        """Return the SELECT that the view stores the rows of."""
        valid = rules.render_valid_condition(self.stream.record)
        odd = f"CASE WHEN {valid} THEN false ELSE true END AS odd"
        return (
            f"SELECT ts, {', '.join(self.keys)}, {odd}, {self.sums}"
            f" FROM {self.stream.table(settings)} SAMPLE BY {self.width}"
        )


_MARKET = ("exchange", "side", "source", "completeness")
# Of 10 million prints in 30 days the minute by symbol would have 6.8 million rows, the second
# without symbols 7.1 million: those give nothing.
_BARS = (View("1m", _MARKET), View("1h", (*_MARKET, "symbol", "base", "asset")))
_HEALTH = View("1m", ("exchange", "source"), _HEALTH_SUMS, "reports", FEED_HEALTH)
VIEWS = (*_BARS, _HEALTH)
_KEYS = _BARS[-1].keys
_FILTERED = {"symbols": "symbol", "bases": "base", "assets": "asset", "exchange": "exchange"}


def ensure(settings: Settings | None = None, *, changed: Collection[Stream] = ()) -> None:
    """Create missing views and repair views that QuestDB declared invalid.

    A view with an earlier definition is recreated, and so are the views of ``changed`` streams,
    whose rows were updated: QuestDB declares them invalid a moment later. Views have the retention
    of their tables. A view takes a minute at most. Raises `QuestDBError`.
    """
    settings = choose_settings(settings)
    for view in VIEWS:
        with questdb.within(_VIEW_S):
            _ensure(view, changed, settings)


def _ensure(view: View, changed: Collection[Stream], settings: Settings) -> None:
    status = _read_status(view, settings)
    if status == _OUTDATED or (status and view.stream in changed):
        questdb.execute(f"DROP MATERIALIZED VIEW {view.name(settings)}", settings=settings)
    questdb.execute(view.render_ddl(settings), settings=settings)
    if days := view.stream.ttl_days(settings):
        sql = f"ALTER MATERIALIZED VIEW {view.name(settings)} SET TTL {days} DAYS"
        questdb.execute(sql, settings=settings)
    if _read_status(view, settings) == "invalid":
        questdb.execute(f"REFRESH MATERIALIZED VIEW {view.name(settings)} FULL", None, settings)


def expand(
    query: Query, values: Mapping[str, Any], settings: Settings
) -> tuple[Query, Mapping[str, Any]]:
    """Return ``query`` with sources in place of ``{bars}`` and the like, ``values`` with bounds."""
    if f"{{{LAST_REPORTS}}}" in query.sql:
        return _expand_health(query, values, settings)
    if "{bars}" not in query.sql:
        return query, values
    for view in VIEWS:
        span = _find_span(view, query, values) if view.stream is LIQUIDATIONS else None
        if span and _has_all(view, span, settings):
            return _expand_from_view(view, query, settings), {**values, **_bind_span(span)}
    return _expand_from_table(query), values


def _bind_span(span: tuple[datetime, datetime]) -> dict[str, datetime]:
    return {"view_from": span[0], "view_to": span[1]}


def _expand_from_table(query: Query) -> Query:
    """Return ``query`` with the table itself in place of ``{bars}``."""
    source = f"{{table}} WHERE ts >= %(since)s {_render_filters(query)}"
    return _fill(query, source, "1", "notional", "ts", "ts")


def _expand_from_view(view: View, query: Query, settings: Settings) -> Query:
    named = _find_words(query.sql)
    keys = [key for key in view.keys if key in named]
    if "bucket" in query.params:
        keys.insert(0, "timestamp_floor('{bucket}', ts) AS ts")
    columns, filters = ", ".join(keys), _render_filters(query)
    table = f"SELECT {columns}, {_RAW_SUMS} FROM {{table}}"
    parts = (
        f"SELECT {columns}, {_SUMS} FROM {view.name(settings)}"
        f" WHERE ts >= %(view_from)s AND ts < %(view_to)s AND odd = false {filters}",
        f"{table} WHERE ts >= %(since)s AND ts < %(view_from)s {filters}",
        f"{table} WHERE ts >= %(view_to)s {filters}",
    )
    order = " ORDER BY ts" if "bucket" in query.params else ""
    source = f"(SELECT * FROM ({' UNION ALL '.join(parts)}){order}) AS bars"
    return _fill(query, source, "prints", "largest", "first_ts", "last_ts")


def _fill(query: Query, *texts: str) -> Query:
    sql = query.sql
    for name, text in zip(BARS, texts, strict=True):
        sql = sql.replace(f"{{{name}}}", text)
    return replace(query, sql=sql)


def _render_filters(query: Query) -> str:
    return " ".join(_render_filter(query, name) for name in FILTERS)


def _render_filter(query: Query, name: str) -> str:
    return f"[[ AND {FILTERS[name]} ]]" if name in query.params else ""


def _find_words(sql: str) -> set[str]:
    return set(re.findall(r"\w+", sql))


def _find_span(
    view: View, query: Query, values: Mapping[str, Any]
) -> tuple[datetime, datetime] | None:
    """Return the span that ``view`` could answer; None when it cannot answer ``query``."""
    width, bucket = parse_duration(view.width), values.get("bucket", view.width)
    needed = _find_words(query.sql) & set(_KEYS)
    needed |= {column for name, column in _FILTERED.items() if values.get(name)}
    if (
        not needed <= set(view.keys)
        or any(values.get(name) is not None for name in ("min_notional", "max_notional"))
        or not _FIXED.fullmatch(bucket)
        or parse_duration(bucket) % width
    ):
        return None
    begin = _floor(values["since"] + width - timedelta(microseconds=1), width)
    end = _floor(_find_settled_end(values), width)
    return (begin, end) if end - begin >= _LEAST else None


def _find_settled_end(values: Mapping[str, Any]) -> datetime:
    """Return the end of the part of the window that a view should have by now."""
    end: datetime = values["end"]
    return min(end, datetime.now(UTC) - _FRESH)


def _expand_health(
    query: Query, values: Mapping[str, Any], settings: Settings
) -> tuple[Query, Mapping[str, Any]]:
    reports = _select_reports(query, "%(since)s", "%(end)s")
    last_reports = _select_last_reports(query, "%(reported_from)s")
    minute, since = parse_duration(_HEALTH.width), values["since"]
    begin, end = _floor(since, minute) + minute, _floor(_find_settled_end(values), minute)
    values = {**values, "reported_from": since - values[LOOK_BACK]}
    first = _floor(values["reported_from"], minute)
    if _HEALTH in VIEWS and end > first and _has_all(_HEALTH, (first, end), settings):
        name, exchange = _HEALTH.name(settings), _render_filter(query, "exchange")
        values = {**values, **_bind_span((begin, end)), "view_first": first}
        last_reports = (
            f"SELECT last_ts AS ts, exchange, source, stopped_ts = last_ts AS stopped FROM {name}"
            f" WHERE ts >= %(view_first)s AND ts < %(view_to)s AND odd = false"
            f" AND last_ts >= %(reported_from)s {exchange}"
            f" UNION ALL {_select_last_reports(query, '%(view_to)s')}"
        )
        if end - begin >= _LEAST_HEALTH:
            reports = _select_reports_from_view(query, name)
    sql = query.sql.replace(f"{{{LAST_REPORTS}}}", f"({last_reports})")
    return replace(query, sql=sql.replace(f"{{{REPORTS}}}", f"({reports})")), values


def _select_last_reports(query: Query, since: str) -> str:
    within = f"ts >= {since} AND ts < %(end)s {_render_filter(query, 'exchange')}"
    return f"SELECT ts, exchange, source, stopped FROM {{health_table}} WHERE {within}"


def _select_reports(query: Query, since: str, end: str) -> str:
    return (
        "SELECT ts, ts AS last_ts, exchange, source, gaps > 0 OR NOT connected AS broken,"
        f" {_RECEIVED} AS first_received, {_RECEIVED} AS last_received,"
        " CASE WHEN stopped THEN 1 ELSE 0 END AS stops"
        f" FROM {{health_table}} WHERE ts >= {since} AND ts < {end}"
        f" {_render_filter(query, 'exchange')}"
    )


def _select_reports_from_view(query: Query, name: str) -> str:
    """Return one row for a minute without faults, and single reports of all other minutes.

    A minute without any message is one row too: the time of a fault in it makes no difference.
    """
    whole = f"(faults = 0 AND slots = {_SLOTS} OR faults > 0 AND first_received IS NULL)"
    exchange = _render_filter(query, "exchange")
    within = f"ts >= %(view_from)s AND ts < %(view_to)s AND odd = false {exchange}"
    torn = f"FROM {name} WHERE {within} AND NOT {whole}"
    single = _select_reports(query, "%(view_from)s", "%(view_to)s")
    parts = (
        f"SELECT first_ts AS ts, last_ts, exchange, source, faults > 0 AS broken, first_received,"
        f" last_received, 0 AS stops FROM {name} WHERE {within} AND {whole}",
        # joining by the minute first leaves few of millions of reports, at a third of the cost
        "SELECT one.ts, last_ts, one.exchange, one.source, broken, first_received, last_received,"
        " stops"
        f" FROM (SELECT timestamp_floor('{_HEALTH.width}', ts) AS minute, * FROM ({single})) one"
        f" JOIN (SELECT DISTINCT ts AS minute {torn}) minutes ON (minute)"
        f" JOIN (SELECT ts AS minute, exchange, source {torn}) feeds ON (minute, exchange, source)",
        _select_reports(query, "%(since)s", "%(view_from)s"),
        _select_reports(query, "%(view_to)s", "%(end)s"),
    )
    return " UNION ALL ".join(parts)


def _floor(moment: datetime, width: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % width


def _has_all(view: View, span: tuple[datetime, datetime], settings: Settings) -> bool:
    """Return True if the view exists, is valid and covers every row of ``span``."""
    table, name = view.stream.table(settings), view.name(settings)
    within = "WHERE ts >= %(begin)s AND ts < %(end)s"
    try:
        if _read_status(view, settings) in {"", "invalid", _OUTDATED}:
            return False
        counts = questdb.fetch(
            f"SELECT stored.n AS stored, coalesce(seen.n, 0) AS seen"
            f" FROM (SELECT count() AS n FROM {table} {within}) stored"
            f" CROSS JOIN (SELECT sum({view.counts}) AS n FROM {name} {within}) seen",
            {"begin": span[0], "end": span[1]},
            settings,
        )
    except (QuestDBAwayError, QuestDBTimeoutError):
        raise  # reading the table would take as long
    except QuestDBError:
        return False  # e.g. dropped in between
    return bool((counts["stored"] == counts["seen"]).all())


def _read_status(view: View, settings: Settings) -> str:
    """Return the view's status, `_OUTDATED` for another definition, "" if there is no view."""
    sql = "SELECT view_status AS status, view_sql FROM materialized_views() WHERE view_name = %s"
    frame = questdb.fetch(sql, [view.name(settings)], settings)
    if frame.empty:
        return ""
    status, definition = frame.iloc[0]
    return str(status) if definition == view.render_sql(settings) else _OUTDATED
