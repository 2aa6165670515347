"""Names that rows have: correct the case of a given name, report unknown names with near ones.

``names`` of a parameter is the column whose names its values are. If no row has a given name, and
exactly one stored name differs from it by case only, the stored name is used. A base asset, such as
``1000PEPE``, names its asset. Any other unknown name stays unchanged, which may give no rows, and
a note reports it.
"""

import time
from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

from liq.common.text import Spellings, find_nearest, shorten
from liq.config import Settings
from liq.errors import QueryError, QuestDBError
from liq.ingest.venues import VENUES
from liq.query import questdb
from liq.query.catalogue import Query
from liq.records.coins import find_coin
from liq.records.streams import STREAMS

_BUILT_IN = {"exchange": VENUES.keys()}
_MOST = 5  # notes
_NO_ROW = "no row has the"
_KEPT_S = 60.0  # a name of another case that is stored meanwhile is seen after so long


class Names(NamedTuple):
    """A query's values with names as they are stored, and notes about unknown names."""

    values: Mapping[str, Any]
    notes: list[str]


def match_stored(query: Query, values: Mapping[str, Any], settings: Settings) -> Names:
    """Return ``values`` with names as rows have them, where the match is unambiguous.

    It queries QuestDB only for names that it has not seen lately. It raises nothing: if QuestDB is
    unreachable, the query itself raises.
    """
    found, notes = dict(values), []
    for name, param in query.params.items():
        given = values.get(name)
        if param.names and given and given != param.default:  # which nobody typed
            texts = given if isinstance(given, list) else [given]
            meant, unknown, known = _match_all(texts, param.names, settings)
            found[name] = meant if isinstance(given, list) else meant[0]
            found_none = [_describe_unknown(text, param.names, known) for text in unknown[:_MOST]]
            notes += [f"{name}: {note}" for note in found_none]
            if len(unknown) > _MOST:
                notes.append(f"{name}: {len(unknown) - _MOST} more that no row has")
    return Names(found, notes)


def begin_note(name: str, column: str) -> str:
    """Return the begin of each note on a value of the parameter ``name`` that no row has."""
    return f"{name}: {_NO_ROW} {column} "


def parse_names(text: str, column: str, settings: Settings) -> list[str]:
    """Return the names in a text that a reader typed, separated by commas.

    Raises `QueryError` for one that no row has, with the nearest ones.
    """
    texts = [part for part in map(str.strip, text.split(",")) if part]
    meant, unknown, known = _match_all(texts, column, settings)
    if unknown:
        raise QueryError(
            "; ".join(_describe_unknown(name, column, known) for name in unknown[:_MOST])
        )
    return meant


def find_names(texts: Sequence[str], column: str, settings: Settings) -> list[str]:
    """Return the names that rows have for ``texts``; a text that no row has stays as it is."""
    meant, _, _ = _match_all(texts, column, settings)
    return meant


def list_names(column: str, settings: Settings, seconds: float) -> list[str]:
    """Return the names of a column, the built-in ones alone if QuestDB does not answer in time."""
    known = set(_BUILT_IN.get(column, ()))
    with questdb.within(seconds):
        for stream in (each for each in STREAMS if column in each.names):
            table = stream.table(settings)
            kept = _cache.get(_build_key(table, column, settings))
            if kept and time.monotonic() - kept.read < _KEPT_S:
                known |= kept.names
            else:
                known |= _fetch_names(table, column, settings) or set()
    return sorted(known)


def _match_all(
    texts: Sequence[str], column: str, settings: Settings
) -> tuple[list[str], list[str], Set[str]]:
    """Return the matched names, the texts without a match, and all names of the column."""
    known, answered = set(_BUILT_IN.get(column, ())), True
    found = Spellings(known)
    for stream in (each for each in STREAMS if column in each.names):
        if all(_match(found, text, column) for text in texts):
            break
        names = _read_names(stream.table(settings), column, texts, settings)
        answered &= names is not None
        found = Spellings(known := known | (names or set()))
    matched = {text: _match(found, text, column) for text in texts}
    unknown = [text for text, name in matched.items() if not name]
    meant = list(dict.fromkeys(name or text for text, name in matched.items()))
    return meant, unknown if answered else [], known


def _match(found: Spellings, text: str, column: str) -> str | None:
    name = found.match(text)
    return name or (found.match(find_coin(text).asset) if column == "asset" else None)


def _describe_unknown(text: str, column: str, known: Set[str]) -> str:
    near = Spellings(known).find_alike(text) or find_nearest(text, known)
    hint = f"; nearest: {', '.join(map(shorten, near))}" if near else ""
    return f"{_NO_ROW} {column} {shorten(text)!r}{hint}"


class _Cached(NamedTuple):
    """The names of a column, and when they were read, by `time.monotonic`."""

    names: Set[str]
    read: float


_cache: dict[tuple[str, int, str, str], _Cached] = {}


def _read_names(
    table: str, column: str, texts: Sequence[str], settings: Settings
) -> Set[str] | None:
    """Return a column's names, from the cache if it has all ``texts``; None if reading fails."""
    if (seen := _cache.get(_build_key(table, column, settings))) and _has_all(seen, texts):
        return seen.names
    return _fetch_names(table, column, settings)


def _fetch_names(table: str, column: str, settings: Settings) -> Set[str] | None:
    """Return a column's names, and keep them in the cache; None if reading fails."""
    sql = f"SELECT DISTINCT {column} AS name FROM {table}"  # noqa: S608 - identifiers of ours
    try:
        names = questdb.fetch(sql, None, settings, timeout=settings.query_timeout)["name"].dropna()
    except QuestDBError:
        return None
    kept = _cache[_build_key(table, column, settings)] = _Cached(frozenset(names), time.monotonic())
    return kept.names


def _build_key(table: str, column: str, settings: Settings) -> tuple[str, int, str, str]:
    return settings.questdb_host, settings.questdb_pg_port, table, column


def _has_all(seen: _Cached, texts: Sequence[str]) -> bool:
    if seen.names >= set(texts):
        return True
    is_fresh = time.monotonic() - seen.read < _KEPT_S
    return is_fresh and all(map(Spellings(seen.names).match, texts))
