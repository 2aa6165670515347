"""The origin of a result: query, parameters, window, coverage, and a hash of its rows."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from liq.config import Settings
from liq.config import settings as current_settings
from liq.query import queries
from liq.query.catalogue import END, SINCE
from liq.query.formats import iso

if TYPE_CHECKING:
    import pandas as pd

_COVERAGE, _FEEDS = "coverage", "feed_coverage"


class Gap(msgspec.Struct, frozen=True):
    """A time in the window when a feed was disconnected."""

    exchange: str
    source: str
    from_ts: datetime
    to_ts: datetime
    missing_s: float


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """Enough to run a query again and to compare the rows.

    ``sql`` is the text that QuestDB ran, with values bound by name. ``params`` are all parameters,
    as text that `liq.hit` accepts. ``since`` and ``until`` (exclusive) are the window in absolute
    time, None for a query without a window. ``coverage`` holds the gaps in the window, None if no
    feed was expected, because gaps are then unknown. ``notes`` report names that no row has.
    """

    query: str
    sql: str
    params: dict[str, Any]
    since: datetime | None
    until: datetime | None
    coverage: list[Gap] | None
    rows: int
    row_hash: str
    version: str
    notes: list[str] = []


def fetch_stamped(
    key: str,
    /,
    *,
    gaps: "pd.DataFrame | None" = None,
    settings: Settings | None = None,
    **params: Any,
) -> "tuple[pd.DataFrame, Stamp]":
    """Return the rows of `liq.hit` with their stamp; a window without an end ends now.

    ``gaps`` are the rows of the query ``coverage`` for the window, if the caller has them.
    Raises as `liq.hit`.
    """
    settings = settings or current_settings()
    query = queries.find(key, settings)
    if "until" in query.params and params.get("until") is None:
        params["until"] = datetime.now(UTC)
    values: Mapping[str, Any] = queries.resolve(query, params)
    since = values.get(SINCE) if "until" in query.params else None
    until = values[END] if since else None
    if gaps is None and since and until:
        gaps = coverage(since, until, settings)
    frame, sql, values, notes = queries.execute(query, values, settings)
    return frame, Stamp(
        query=key,
        sql=sql,
        params={name: _text(values[name]) for name in query.params},
        since=since,
        until=until,
        coverage=None if gaps is None or since is None else _gaps(gaps),
        rows=len(frame),
        row_hash=row_hash(frame),
        version=version("liq"),
        notes=notes,
    )


def coverage(since: datetime, until: datetime, settings: Settings) -> "pd.DataFrame | None":
    """Return the gaps between two times; None if no feed was expected, so gaps are unknown."""
    if not {_COVERAGE, _FEEDS} <= queries.queries(settings).keys():
        return None
    window = {"window": until - since, "until": until}
    gaps = queries.hit(_COVERAGE, settings=settings, **window)
    if gaps.empty and queries.hit(_FEEDS, settings=settings, **window).empty:
        return None
    return gaps


def row_hash(frame: "pd.DataFrame") -> str:
    """Return the SHA-256 of the rows, in hex: equal rows give equal hashes, on any machine.

    The hashed text has UTF-8 lines, each a JSON array of strings ended by a newline. The first line
    holds the column names, the others hold the rows, sorted, since QuestDB may return them in any
    order. Times are ISO 8601 in UTC with six digits of microseconds, and nulls are empty. Floats
    have nine significant digits, because the last ones of a sum depend on QuestDB's threads.
    """
    columns = [_texts(frame[name]) for name in frame.columns]
    lines = sorted(msgspec.json.encode(row) for row in zip(*columns, strict=True))
    head = msgspec.json.encode([str(name) for name in frame.columns])
    return hashlib.sha256(b"".join(line + b"\n" for line in (head, *lines))).hexdigest()


def _texts(column: "pd.Series[Any]") -> list[str]:
    if column.dtype.kind == "M":
        return [text or "" for text in iso(column)]
    if column.dtype.kind == "f":
        return ["" if math.isnan(number) else f"{number + 0.0:.9g}" for number in column.tolist()]
    return ["" if null else str(value) for value, null in zip(column, column.isna(), strict=True)]


def _gaps(frame: "pd.DataFrame") -> list[Gap]:
    rows: Iterator[Any] = frame.itertuples(index=False)
    return [
        Gap(
            exchange=row.exchange,
            source=row.source,
            from_ts=row.from_ts.to_pydatetime(),
            to_ts=row.to_ts.to_pydatetime(),
            missing_s=row.missing_s,
        )
        for row in rows
    ]


def _text(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.15g}"
    return value.isoformat() if isinstance(value, datetime) else value
