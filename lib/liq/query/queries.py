"""Run the named queries of ``queries.json``: ``liq.hit("top_symbols", window="15m")``."""

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from liq.common import files
from liq.common.text import suggest
from liq.common.waiting import poll_until, show_wait
from liq.config import Settings, choose_settings
from liq.errors import (
    LiqWarning,
    QueryError,
    QuestDBAwayError,
    QuestDBError,
    QuestDBMemoryError,
    QuestDBTimeoutError,
)
from liq.ingest import venues
from liq.query import names, questdb, views
from liq.query.catalogue import (
    ANY,
    END,
    IDENTIFIER,
    KNOWN,
    ODD,
    ODD_ROWS,
    OPTIONAL,
    SINCE,
    TABLE,
    VALUE,
    WINDOW,
    Catalogue,
    Query,
    load,
)
from liq.query.listing import Listing
from liq.query.parameters import Parameter, parse_duration
from liq.records.streams import STREAMS

if TYPE_CHECKING:
    import pandas as pd

UNTIL = "until"
FUTURE = "the window is in the future"
_POLL_S = 0.2
_MOST_BUCKETS = 100_000  # that a query returns, by the greatest limit of each
_NEWEST = "LIMIT -%(limit)s"  # the last rows of a series, whose first ones are left out
_WORDS = re.compile(r"[()]|\w+")
_CLAUSES = {"GROUP", "ORDER", "SAMPLE", "LATEST", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "WINDOW"}
AHEAD = timedelta(minutes=1)  # so far may a venue's clock be ahead of ours


class Run(NamedTuple):
    """The rows of a query, the SQL text that QuestDB ran, and the values it was given.

    ``notes`` report names that no row has; ``frame.attrs["notes"]`` has them too.
    """

    frame: "pd.DataFrame"
    sql: str
    values: Mapping[str, Any]
    notes: list[str]


def hit(key: str, /, *, settings: Settings | None = None, **params: Any) -> "pd.DataFrame":
    """Return the rows of `fetch`, and emit its notes as warnings. Users have `liq.hit`."""
    frame = fetch(key, settings, **params)
    warn(frame.attrs.get("notes", ()))
    return frame


def fetch(key: str, settings: Settings | None = None, /, **params: Any) -> "pd.DataFrame":
    """Run the query ``key`` and return its rows, as `liq.hit` does but for its notes.

    ``frame.attrs["notes"]`` report names that no row has; callers show them themselves.
    """
    settings = choose_settings(settings)
    query = find(key, settings)
    return execute(query, resolve(query, params), settings).frame


def warn(notes: Iterable[str]) -> None:
    """Emit a warning for each note, located at the line that called our caller."""
    caller = sys._getframe(2)
    for note in notes:
        warnings.warn_explicit(
            note,
            LiqWarning,
            caller.f_code.co_filename,
            caller.f_lineno,
            registry={},  # the line's own registry would silence a cell that is run again
        )


def fetch_page(
    key: str, rows: int, offset: int = 0, /, *, settings: Settings | None = None, **params: Any
) -> "tuple[pd.DataFrame, bool]":
    """Return at most ``rows`` rows of `hit` after the first ``offset``, and whether more follow.

    QuestDB sends only these rows. Pages of one result need a fixed ``until``.
    """
    settings = choose_settings(settings)
    query = find(key, settings)
    return execute_page(query, resolve(query, params), rows, offset, settings)


def execute_page(
    query: Query, values: Mapping[str, Any], rows: int, offset: int, settings: Settings
) -> "tuple[pd.DataFrame, bool]":
    """Return the page of `fetch_page` for values of `resolve`."""
    most = f"SELECT * FROM ({{}}\n) LIMIT {offset}, {offset + rows + 1}"  # noqa: S608 - numbers
    frame = execute(query, values, settings, most).frame
    return frame.head(rows), len(frame) > rows


def queries(settings: Settings | None = None) -> Listing:
    """Return the valid queries of the catalogue by key, shown as a table.

    The table has what each query answers, its parameters and the units of its columns.
    ``to_frame()`` returns it as a DataFrame. A warning says if entries of ``LIQ_QUERIES`` cannot be
    used. Raises `QueryError` if a file cannot be opened.

    Example:
        >>> liq.queries()
        latest_timestamp        Newest and oldest venue time and the number of rows up…
        ...
        >>> liq.queries()["totals"].summary
        'One row: the totals of the window.'
        >>> list(liq.queries().to_frame().columns)
        ['query', 'answers', 'parameters', 'units']
    """
    found = load_catalogue(settings)
    warn(_summarise_faults(found.list_faults()))
    return Listing(found.queries)


def _summarise_faults(faults: Sequence[str]) -> list[str]:
    if not faults:
        return []
    more = f" (1 of {len(faults)} faults)" if len(faults) > 1 else ""
    return [f"not all queries can be used{more}: {faults[0]}; `liq queries check` lists all"]


def load_catalogue(settings: Settings | None = None) -> Catalogue:
    """Return the shipped queries and those of ``LIQ_QUERIES``, reloaded when a file has changed.

    Raises `QueryError` if a file cannot be opened.
    """
    own = choose_settings(settings).queries
    try:
        paths = [files.find_asset("queries.json"), *_list_files(own)]
        states = tuple((path, (state := path.stat()).st_mtime_ns, state.st_size) for path in paths)
    except OSError as error:
        raise QueryError(
            f"cannot read {error.filename}: {error.strerror};"
            " LIQ_QUERIES names a file or a folder of them"
        ) from error
    streams = tuple(stream.name for stream in STREAMS)  # each declares placeholders
    found = _load(states, streams)
    if own and len(paths) == 1:
        return found._replace(file_faults={str(own): f"{own}: this folder has no file NAME.json"})
    return found


def _list_files(own: Path | None) -> list[Path]:
    """Return the file ``own``, or the JSON files of this folder in the order of their names."""
    if own is None:
        return []
    if not own.is_dir():
        return [own]
    with os.scandir(own) as found:
        shown = [entry for entry in found if _is_shown(entry.name)]
    # a link that leads nowhere is not left out: its queries are missing
    names = [entry.name for entry in shown if entry.is_symlink() or entry.is_file()]
    return [own / name for name in sorted(names)]


def _is_shown(name: str) -> bool:
    """Whether a file may hold queries: an editor's draft does not, nor the schema for editors."""
    return name.lower().endswith(".json") and name[0] != "." and ".schema." not in name


def find(key: str, settings: Settings | None = None) -> Query:
    """Return the query named ``key``.

    Raises `QueryError` listing the valid keys, or saying why that entry cannot be used.
    """
    found = load_catalogue(settings)
    if key in found.faults:
        raise QueryError(found.faults[key])
    if key not in found.queries:
        unknown = f"unknown query {key!r}{suggest(key, sorted(found.queries))}"
        raise QueryError("; ".join([unknown, *found.file_faults.values()]))
    return found.queries[key]


def list_queries(settings: Settings | None = None) -> "pd.DataFrame":
    """Return the catalogue as a frame: key, description, parameters and columns, as text."""
    import pandas as pd  # noqa: PLC0415 - importing this module stays quick

    rows = [
        (query.key, query.description, ", ".join(query.params), ", ".join(query.columns))
        for query in load_catalogue(settings).queries.values()
    ]
    return pd.DataFrame(rows, columns=["key", "description", "parameters", "columns"])


def show_query(key: str, settings: Settings) -> AbstractContextManager[None]:
    """Show people that the query ``key`` runs, if that takes long."""
    return show_wait(f"querying QuestDB: {key}", settings.progress_after)


def wait_for_rows(
    seconds: float | None, *, settings: Settings | None = None, **params: Any
) -> None:
    """Wait at most ``seconds`` for a print that matches ``params``, parameters of ``totals``.

    Returns at once when ``seconds`` is None. Raises `QueryError` if no print arrives.
    """
    if seconds is None:
        return
    settings = choose_settings(settings)

    def has_rows() -> bool:
        return bool(fetch("totals", settings, **params)["prints"].sum())

    with show_wait("waiting for liquidations", settings.progress_after):
        arrived = poll_until(has_rows, seconds, every_s=_POLL_S)
    if not arrived:
        raise QueryError(f"no liquidations within {seconds:g} s; start a producer: liq run")


def substitute(
    query: Query,
    values: Mapping[str, Any],
    tables: Mapping[str, str],
    conditions: Mapping[str, str] | None = None,
) -> tuple[str, dict[str, Any] | None]:
    """Return the SQL text and the values to bind (None when there are none).

    ``values`` are validated. ``tables`` is SQL of our own around table names of the settings, which
    are identifiers. A table with an entry in ``conditions`` shows only the rows that meet it.
    """
    identifiers = {**values, **tables}
    sql = OPTIONAL.sub(lambda match: _keep_clause(match[1], values), query.sql)
    sql = TABLE.sub(lambda match: _render_source(match, tables, conditions or {}), sql)
    sql = IDENTIFIER.sub(lambda match: identifiers[match[1]], sql)
    bound: dict[str, Any] = {}
    sql = VALUE.sub(lambda match: _bind(match[1], values, bound), sql)
    return sql, bound or None


def render_sql(
    query: Query, values: Mapping[str, Any], settings: Settings
) -> tuple[str, dict[str, Any] | None]:
    """Return the SQL and the bound values for values of `resolve`.

    A later call may return another text, because a view may have become usable meanwhile.
    """
    expanded, values = views.expand(query, values, settings)
    return substitute(expanded, values, *_map_tables(settings))


def _map_tables(settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """Return the SQL of each table placeholder, and the condition that its rows must meet."""
    tables, conditions = {}, {}
    for stream in STREAMS:
        name = stream.placeholder
        tables[name] = tables[ANY + name] = stream.table(settings)
        tables[ODD + name] = stream.odd_rows(settings)
        conditions[name] = stream.valid_condition
    odd = (
        f"SELECT '{stream.default_table}' AS kind, ts, broken, fields"  # noqa: S608 - our own texts
        f" FROM {stream.odd_rows(settings)}"
        " WHERE ts >= %(since)s AND ts < %(until)s"
        for stream in STREAMS
    )
    return tables | {ODD_ROWS: f"({' UNION ALL '.join(odd)})"}, conditions


def execute(query: Query, values: Mapping[str, Any], settings: Settings, around: str = "{}") -> Run:
    """Run ``query`` with values of `resolve`; ``{}`` in ``around`` is replaced by its SQL.

    Raises `QuestDBError`.
    """
    # one time limit for all reads: names and views may be queried first
    with questdb.within(settings.query_timeout):
        values, notes = names.match_stored(query, values, settings)
        text, bound = render_sql(query, values, settings)
        sql = around.format(text)
        try:
            frame = questdb.fetch(sql, bound, settings, timeout=settings.query_timeout)
        except (QuestDBTimeoutError, QuestDBMemoryError) as error:
            if reason := _describe_buckets(query, values):
                raise type(error)(f"{reason}; {error}") from error
            raise
    needed = [name for name, each in query.params.items() if each.needed]
    if frame.empty and not all(values[name] for name in needed):
        notes = [*notes, f"{query.key} has no rows without {' and '.join(needed)}"]
    if _NEWEST in query.sql and len(frame) == values["limit"]:
        notes = [*notes, f"limit={len(frame)} is reached: older rows may be left out"]
    since = values.get(SINCE) or values.get("from_ts")  # of a cascade
    if isinstance(since, datetime) and since > datetime.now(UTC):
        # without the present time: equal answers have equal notes
        notes = [*notes, f"{FUTURE}: it begins at {since:%Y-%m-%dT%H:%M:%SZ}"]
    frame.attrs = {"query": query.key, "units": query.units, **({"notes": notes} if notes else {})}
    return Run(frame, sql, values, notes)


def _describe_buckets(query: Query, values: Mapping[str, Any]) -> str:
    """Return that the window has more buckets than any result can have; "" if it has not."""
    window, bucket = values.get(WINDOW), values.get("bucket")
    if not bucket or not isinstance(window, timedelta):
        return ""
    if query.params["bucket"].type != "interval":  # a query of the user's may mean anything by it
        return ""
    with contextlib.suppress(ValueError):  # a month, of a query of the user's
        if (count := window // parse_duration(bucket)) > _MOST_BUCKETS:
            return f"the window has {count:,} buckets of {bucket}: choose a longer bucket"
    return ""


def explain_refusal(error: QueryError | QuestDBError) -> str:
    """Return in a line why a query cannot be run; raise ``error`` if QuestDB did not answer."""
    if isinstance(error, QuestDBAwayError | QuestDBTimeoutError):
        raise error
    return str(error).partition("\n")[0]  # the rest repeats the statement


def validate(key: str, params: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each of ``params``: the ``given`` value, or the default for None or none.

    Raises `QueryError` for an unknown name or a value out of range, naming the valid ones.
    """
    for name in given:
        if name not in params:
            raise QueryError(f"{key} has no parameter {name!r}{suggest(name, sorted(params))}")
    chosen = {name: value for name, value in given.items() if value is not None}
    values = {
        name: param.value(name, chosen.get(name, param.default)) for name, param in params.items()
    }
    _check_sizes(values)
    return values | _measure_window(params, values)


def _check_sizes(values: Mapping[str, Any]) -> None:
    least, below = values.get("min_notional"), values.get("max_notional")
    if least is not None and below is not None and below <= least:
        raise QueryError(
            f"no print has at least min_notional={least:.15g} and less than"
            f" max_notional={below:.15g}"
        )


def _measure_window(params: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the length of a window with ``since`` and ``until``; `QueryError` if it makes none."""
    since, window = values.get(SINCE), params.get(WINDOW)
    if since is None or window is None:
        return {}
    if values.get(UNTIL) is None and values[WINDOW] != window.value(WINDOW, window.default):
        raise QueryError("give since or window; both say where a window without until begins")
    until = values.get(UNTIL) or datetime.now(UTC)
    if since >= until:
        raise QueryError(f"since={since.isoformat()} is not before the end, {until.isoformat()}")
    try:
        length = window.value(WINDOW, until - since)
    except QueryError as error:
        raise QueryError(
            f"since={since.isoformat()} to {until.isoformat()} is no window;"
            f" it has from {window.min} to {window.max}"
        ) from error
    return {WINDOW: length} if values.get(UNTIL) else {}


def resolve(query: Query, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values for all parameters, ``end``, ``since`` and the known exchanges.

    Without a given ``until`` it is `AHEAD` of now, so no window holds a row far in the future.
    Raises `QueryError` as `validate` does.
    """
    return complete(validate(query.key, query.params, given))


def complete(validated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of `resolve` for values of `validate`.

    Raises `QueryError` for a window that begins before the calendar.
    """
    values = dict(validated)
    values[KNOWN] = venues.list_known_exchanges()
    values[END] = values.get(UNTIL) or datetime.now(UTC)
    if UNTIL in values:
        values[UNTIL] = values[UNTIL] or values[END] + AHEAD
    if isinstance(window := values.get(WINDOW), timedelta):
        try:
            values[SINCE] = values.get(SINCE) or values[END] - window
        except OverflowError as error:
            raise QueryError(f"no window of {window} ends at {values[END]}") from error
        values[WINDOW] = values[END] - values[SINCE]
    return values


def end_now(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of `validate` whose window ends now, unless it has another end."""
    if UNTIL not in values or values[UNTIL]:
        return dict(values)
    until = datetime.now(UTC)
    since = values.get(SINCE)
    return {**values, UNTIL: until, **({WINDOW: until - since} if since else {})}


@lru_cache(maxsize=8)
def _load(states: tuple[tuple[Path, int, int], ...], _streams: tuple[str, ...]) -> Catalogue:
    return load(*(path for path, _mtime_ns, _size in states))


def _keep_clause(clause: str, values: Mapping[str, Any]) -> str:
    return clause if all(values[name] not in (None, []) for name in VALUE.findall(clause)) else ""


def _render_source(
    match: re.Match[str], tables: Mapping[str, str], conditions: Mapping[str, str]
) -> str:
    """Return a table in FROM with its condition, and the WHERE after it if there is one.

    Some clauses of QuestDB need a single scan of one table, so the condition is put beside the
    entry's own terms. Beside an ``OR`` it would change their meaning, so it gets a subquery there.
    """
    name, where = match[1], match[2]
    table, condition = tables[name], conditions.get(name)
    if condition is None:
        return f"{table}{where or ''}"
    if where and not _has_alternatives(match.string[match.end() :]):
        return f"{table}{where} {condition} AND"
    return f"(SELECT * FROM {table} WHERE {condition}){where or ''}"  # noqa: S608 - our own texts


def _has_alternatives(sql: str) -> bool:
    """Whether the terms that ``sql`` begins with are joined by ``OR``, outside of brackets."""
    depth = 0
    for word in _WORDS.findall(sql.upper()):
        depth += (word == "(") - (word == ")")
        if depth < 0 or (depth == 0 and word in _CLAUSES):
            return False
        if depth == 0 and word == "OR":
            return True
    return False


def _bind(name: str, values: Mapping[str, Any], bound: dict[str, Any]) -> str:
    value = values[name]
    if isinstance(value, timedelta):
        value = value // timedelta(microseconds=1)
    if not isinstance(value, list):
        bound[name] = value
        return f"%({name})s"
    items = {f"{name}_{number}": item for number, item in enumerate(value)}
    bound |= items
    return ", ".join(f"%({item})s" for item in items)
