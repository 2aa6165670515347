"""Checks of the catalogue against QuestDB, without reading rows: ``liq queries check``."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from liq.common.text import suggest
from liq.config import Settings, choose_settings
from liq.errors import QueryError, QuestDBError
from liq.query import queries, questdb
from liq.query.catalogue import Query
from liq.query.parameters import Kind, Parameter

if TYPE_CHECKING:
    import pandas as pd

_SAMPLES: dict[Kind, Any] = {
    "duration": timedelta(hours=1),
    "int": 1,
    "float": 1.0,
    "list": ["x", "y"],
    "string": "x",
}
_ABOVE_ALL = 1e15  # USD, more than any min_notional


def check_catalogue(
    settings: Settings | None = None, *, show: Callable[[int, int], object] | None = None
) -> dict[str, str]:
    """Have QuestDB explain every entry; return each entry's fault by key, "" for none.

    Each entry is explained with its defaults, and with a value for every parameter, so that the
    clauses in ``[[ ]]`` are checked too. ``show`` is called after each entry with the number of
    checked entries, and of all.

    Raises:
        QueryError: A file of the catalogue cannot be read.
        QuestDBAwayError: QuestDB is unreachable.
        QuestDBTimeoutError: QuestDB does not answer.
    """
    settings = choose_settings(settings)
    found, faults, _ = queries.load_catalogue(settings)
    explained = {}
    for done, (key, query) in enumerate(found.items(), 1):
        explained[key] = _explain(query, settings)
        if show:
            show(done, len(found))
    return {**explained, **faults}


def _explain(query: Query, settings: Settings) -> str:
    """Return why QuestDB cannot run ``query`` as declared, in a line with its place; "" if it can.

    An answer without rows has its columns.
    """
    for given in ({}, _give_all(query.params)):
        try:
            sql, bound = queries.render_sql(query, queries.resolve(query, given), settings)
            questdb.fetch(f"EXPLAIN {sql}", bound, settings, timeout=settings.query_timeout)
            empty = f"SELECT * FROM ({sql}\n) LIMIT 0"  # noqa: S608 - of the catalogue
            frame = questdb.fetch(empty, bound, settings, timeout=settings.query_timeout)
            _compare_columns(query, frame)
        except (QueryError, QuestDBError) as error:
            return f"{query.place}: entry {query.key!r}: {queries.explain_refusal(error)}"
    return ""


def _compare_columns(query: Query, frame: "pd.DataFrame") -> None:
    """Raise `QueryError` for a declared column that ``frame`` lacks, or has with another dtype."""
    returned = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    for name, column in query.columns.items():
        if name not in returned:
            missing = f"its sql does not return the column {name!r}{suggest(name, [*frame])}"
            raise QueryError(missing)
        if returned[name] != column.dtype:
            raise QueryError(f"the column {name!r} is {returned[name]}, declared {column.dtype}")


def _give_all(params: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return a value for each parameter without a default, but none for both ends of a window."""
    return {
        name: _ABOVE_ALL if name == "max_notional" else _pick(param)
        for name, param in params.items()
        if param.default in (None, []) and name not in ("since", "until")
    }


def _pick(param: Parameter) -> Any:
    if param.choices:
        return param.choices[0]
    if param.type == "timestamp":
        return datetime.now(UTC)
    return _SAMPLES[param.type] if param.min is None else param.min
