"""Results with their origin: as a frame and its `Stamp`, or as a file by `export`.

A stamp has the query, parameters, window, coverage, and a hash of the rows.
"""

import contextlib
import hashlib
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from liq.common import files
from liq.common.waiting import show_wait
from liq.config import Settings, choose_settings
from liq.errors import ExportError, QueryError
from liq.query import queries
from liq.query.catalogue import END, SINCE, Column
from liq.query.coverage import (
    PARTLY,
    UNKNOWN,
    Window,
    can_be_read,
    can_have_rows,
    describe_gaps,
    is_about_prints,
    share_filters,
)
from liq.query.formats import (
    UNREADABLE,
    Format,
    decode_arrow,
    decode_csv,
    decode_parquet,
    encode,
    encode_parquet,
    format_times,
    read_head,
    read_parquet_notes,
)

if TYPE_CHECKING:
    import pandas as pd

_KEY = "liq"
_UNCLEAR = Column("str")
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

    ``sql`` is the text that QuestDB ran, with values bound by name. ``params`` are all parameters
    but ``since``, as text that `liq.hit` accepts. ``since`` and ``until`` (exclusive) are the
    window in absolute time, None for a query without a window. ``known_until`` is the end of the
    window, or the time of the query if that is earlier: no row or gap after it could be known.
    ``coverage`` holds the gaps up to then, None if no feed was expected, because gaps are then
    unknown. ``notes`` report names that no row has, a limit that is reached, and a window in the
    future.
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
    known_until: datetime | None = None


def export(
    key: str,
    path: str | Path,
    /,
    *,
    spreadsheet: bool = False,
    settings: Settings | None = None,
    **params: Any,
) -> Stamp:
    """Write the rows of the query ``key`` to a ``.csv`` or ``.parquet`` file.

    A ``.csv`` file is exact. A Parquet file carries the stamp, which `read_stamp` reads. The file
    is written whole or not at all. A window without an end ends now.

    Args:
        key: A query of the catalogue.
        path: The file; its suffix is the format.
        spreadsheet: Put an apostrophe before each text that a spreadsheet would run as a formula;
            for ``.csv`` only.
        settings: The process's settings by default.
        params: Parameters of the query, as for `liq.hit`.

    Returns:
        The stamp of the rows.

    Raises:
        ExportError: The suffix is unknown or not for ``spreadsheet``, or the file cannot be
            written.
        LiqError: As for `liq.hit`.

    Example:
        >>> stamp = liq.export("totals", "totals.parquet", window="1d")
        >>> stamp.query, stamp.rows
        ('totals', 1)
    """
    _, stamp = export_noted(key, Path(path), params, spreadsheet=spreadsheet, settings=settings)
    queries.warn(stamp.notes)
    return stamp


def export_noted(
    key: str,
    path: Path,
    params: Mapping[str, Any],
    *,
    spreadsheet: bool = False,
    settings: Settings | None = None,
) -> "tuple[pd.DataFrame, Stamp]":
    """Do what `export` does, without warnings; return the rows and their stamp."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ExportError(f"cannot export to {path.name}: end its name with .csv or .parquet")
    if spreadsheet and suffix != ".csv":
        raise ExportError(f"spreadsheet is for .csv files, and {path.name} is none")
    out = Format.SPREADSHEET if spreadsheet else Format(suffix[1:])
    require_folder(path)
    settings = choose_settings(settings)
    with queries.show_query(key, settings):
        frame, stamp = fetch_stamped(key, settings=settings, **params)
    with show_wait(f"writing {path.name}", settings.progress_after):
        write_export(path, _encode(frame, stamp, out))
    return frame, stamp


def export_bytes(
    key: str, out: Format, /, *, settings: Settings | None = None, **params: Any
) -> tuple[bytes, Stamp]:
    """Return the bytes that `export` writes in the format ``out``, and the stamp."""
    frame, stamp = fetch_stamped(key, settings=settings, **params)
    return _encode(frame, stamp, out), stamp


def _encode(frame: "pd.DataFrame", stamp: Stamp, out: Format) -> bytes:
    if out is Format.PARQUET:
        return encode_parquet(frame, {_KEY: msgspec.json.encode(stamp).decode()})
    return encode(frame, out)


def read(path: str | Path, key: str = "", /, *, settings: Settings | None = None) -> "pd.DataFrame":
    """Return the rows of a file of `export`, of `liq hit` or of the HTTP API, with their types.

    Times are UTC with microseconds. ``frame.attrs`` has the ``units``, and of Parquet files of
    `export` the ``notes``. A CSV file says neither its query nor types, so they come from the
    catalogue: of the query ``key``, or by the columns. Files for spreadsheets are not exact, see
    `export`.

    Args:
        path: A ``.csv``, ``.parquet`` or ``.arrow`` file.
        key: The query of a CSV file, if several of your own have columns of that name.
        settings: The process's settings by default.

    Raises:
        ExportError: The file cannot be read, or a value does not have the type of its column.
        QueryError: The catalogue has no query ``key``.

    Example:
        >>> _ = liq.export("by_exchange", "venues.csv", window="1d")
        >>> venues = liq.read("venues.csv")
        >>> venues.attrs["units"]["long_usd"]
        'USD'
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _DECODERS:
        raise ExportError(f"cannot read {path.name}: its name ends with none of {_SUFFIXES}")
    settings = choose_settings(settings)
    try:
        with show_wait(f"reading {path.name}", settings.progress_after):
            return _DECODERS[suffix](path.read_bytes(), key, settings)
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.strerror:
            raise ExportError(f"cannot read {path}: {error.strerror}") from error
        reason = str(error).partition("\n")[0]
        raise ExportError(f"cannot read {path}: {reason}; is it a file of liq?") from error


def _decode_parquet(data: bytes, _key: str, settings: Settings) -> "pd.DataFrame":
    """Return the rows of a Parquet file, with the notes that their query had."""
    frame = decode_parquet(data)
    with contextlib.suppress(ValueError, KeyError):  # a file of the API has no stamp
        if notes := list_stamped_notes(_parse_stamp(io.BytesIO(data)), frame, settings):
            frame.attrs["notes"] = notes
    return frame


def read_stamp(path: str | Path) -> Stamp:
    """Return the stamp that a Parquet file of `export` carries. Raises `ExportError`."""
    try:
        return _parse_stamp(Path(path))
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(f"{path} carries no stamp of liq: {error}") from error


def _parse_stamp(source: Path | io.BytesIO) -> Stamp:
    return msgspec.json.decode(read_parquet_notes(source)[_KEY], type=Stamp)


def list_stamped_notes(
    stamp: Stamp, frame: "pd.DataFrame", settings: Settings | None = None
) -> list[str]:
    """Return what ``frame``, the rows of ``stamp``, lack: names, and feeds of its window."""
    try:
        query = queries.find(stamp.query, settings)
    except QueryError:  # of a file from another machine
        query = None
    if not (stamp.since and stamp.until and is_about_prints(query, frame)):
        return stamp.notes
    if stamp.coverage is None:
        # a note says already why no feed can have reported
        is_noted = any(note.startswith(queries.FUTURE) for note in stamp.notes)
        is_noted |= not can_have_rows(stamp.params, stamp.notes)
        return stamp.notes if is_noted else [*stamp.notes, UNKNOWN]
    gaps = describe_stamped_gaps(stamp)
    return [*stamp.notes, *([f"{PARTLY}: {gaps}"] if gaps else [])]


def _find_columns(
    head: Sequence[str], key: str, settings: Settings
) -> tuple[str, Mapping[str, Column]]:
    """Return the query that has columns of these names, "" if several do, and the columns.

    Only columns are returned that have one type in all queries that match.
    """
    known = (
        [queries.find(key, settings)]
        if key
        else [*queries.load_catalogue(settings).queries.values()]
    )
    exact = [query for query in known if [*query.columns] == [*head]]
    found: dict[str, Column] = {}
    for query in exact or known:
        for name, column in query.columns.items():
            if name in head:
                found[name] = column if found.get(name, column).dtype == column.dtype else _UNCLEAR
    clear = {name: column for name, column in found.items() if column is not _UNCLEAR}
    return key or (exact[0].key if len(exact) == 1 else ""), clear


def _decode_csv(data: bytes, key: str, settings: Settings) -> "pd.DataFrame":
    query, columns = _find_columns(read_head(data), key, settings)
    frame = decode_csv(data, {name: column.dtype for name, column in columns.items()})
    units = {name: column.unit for name, column in columns.items() if column.unit}
    frame.attrs = ({"query": query} if query else {}) | {"units": units}
    return frame


_DECODERS: Mapping[str, "Callable[[bytes, str, Settings], pd.DataFrame]"] = {
    ".csv": _decode_csv,
    ".parquet": _decode_parquet,
    ".arrow": lambda data, _key, _settings: decode_arrow(data),
}
_SUFFIXES = ", ".join(_DECODERS)


def require_folder(path: Path) -> None:
    """Raise `ExportError` if a file cannot be written as its folder is missing or closed to us.

    Callers check it before they query QuestDB, which may take long.
    """
    try:
        is_folder = path.parent.is_dir()
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from error
    if not is_folder:
        raise ExportError(f"cannot write {path}: there is no folder {path.parent}")


def write_export(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises `ExportError`."""
    try:
        files.write_whole(path, data, mode=0o644)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from error


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
    settings = choose_settings(settings)
    query = queries.find(key, settings)
    if "until" in query.params and params.get("until") is None:
        params["until"] = datetime.now(UTC)
    values: Mapping[str, Any] = queries.resolve(query, params)
    since = values.get(SINCE) if "until" in query.params else None
    until = values[END] if since else None
    window = Window(since, until) if since and until else None
    past = window and window.cut()
    if gaps is None and past:
        gaps = fetch_coverage(past, settings, values)
    frame, sql, values, notes = queries.execute(query, values, settings)
    return frame, Stamp(
        query=key,
        sql=sql,
        # the window's length and end give its beginning
        params={name: _format_value(values[name]) for name in query.params if name != SINCE},
        since=since,
        until=until,
        coverage=None if gaps is None or since is None else _list_gaps(gaps),
        rows=len(frame),
        row_hash=hash_rows(frame),
        version=version("liq"),
        notes=notes,
        known_until=past and past.until,
    )


def fetch_coverage(
    window: Window, settings: Settings, filters: Mapping[str, Any] | None = None
) -> "pd.DataFrame | None":
    """Return the gaps in a window up to now; None if no feed was expected, so gaps are unknown.

    ``filters`` are parameters of a query for the window; an exchange among them limits the gaps.
    """
    known, past = queries.load_catalogue(settings).queries, window.cut()
    if past is None or not {_COVERAGE, _FEEDS} <= known.keys():
        return None

    def fetch(key: str) -> "pd.DataFrame":
        return queries.fetch(key, settings, **share_filters(known[key], filters or {}, past))

    gaps = fetch(_COVERAGE)
    if not can_be_read(_COVERAGE, gaps):
        return None
    return None if gaps.empty and fetch(_FEEDS).empty else gaps


def describe_stamped_gaps(stamp: Stamp) -> str:
    """Return each feed with the share of the window, up to its ``known_until``, that it missed.

    "" if no feed was disconnected, or that is unknown.
    """
    end = stamp.known_until or stamp.until
    if not stamp.coverage or not stamp.since or not end:
        return ""
    return describe_gaps(stamp.coverage, (end - stamp.since).total_seconds())


def hash_rows(frame: "pd.DataFrame") -> str:
    """Return the SHA-256 of the rows, in hex: equal rows give equal hashes, on any machine.

    The hashed text has UTF-8 lines, each a JSON array of strings ended by a newline. The first line
    holds the column names, the others hold the rows, sorted, since QuestDB may return them in any
    order. Times are ISO 8601 in UTC with six digits of microseconds, and nulls are empty. Floats
    have nine significant digits, because the last ones of a sum depend on QuestDB's threads.
    """
    columns = [_format_column(frame[name]) for name in frame.columns]
    lines = sorted(msgspec.json.encode(row) for row in zip(*columns, strict=True))
    head = msgspec.json.encode([str(name) for name in frame.columns])
    return hashlib.sha256(b"".join(line + b"\n" for line in (head, *lines))).hexdigest()


def _format_column(column: "pd.Series[Any]") -> list[str]:
    if column.dtype.kind == "M":
        return [text or "" for text in format_times(column)]
    if column.dtype.kind == "f":
        return ["" if math.isnan(number) else f"{number + 0.0:.9g}" for number in column.tolist()]
    return ["" if null else str(value) for value, null in zip(column, column.isna(), strict=True)]


def _list_gaps(frame: "pd.DataFrame") -> list[Gap]:
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


def _format_value(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.15g}"
    return value.isoformat() if isinstance(value, datetime) else value
