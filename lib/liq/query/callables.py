"""Queries as functions: ``liq.hit.top_symbols(window="15m")``, with signature and docstring.

Both come from the catalogue, at run time for `inspect` and as text for the stub ``hits.pyi``, which
editors and mypy read. A test compares the stub with the shipped catalogue.
"""

import inspect
import json
import keyword
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from liq.config import Settings, choose_settings
from liq.errors import LiqError, QueryError, QuestDBError
from liq.query import queries, questdb
from liq.query.catalogue import Column, Query, describe_values
from liq.query.coverage import (
    LACKS_UNKNOWN,
    UNKNOWN,
    can_be_read,
    describe_left_out,
    find_window,
    share_filters,
    summarise_feeds,
)
from liq.query.parameters import Kind, Parameter

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 88
_BESIDE_S = 2.0  # for what a result lacks
_FEEDS, _LEFT_OUT = "feed_coverage", "left_out"
_TYPES: dict[Kind, Any] = {
    "duration": str | float | timedelta,
    "int": int,
    "float": float,
    "timestamp": str | date | datetime,
    "list": Sequence[str],  # a text with commas too
}

_TYPE_NAMES: dict[Kind, str] = {
    "duration": "str | float | datetime.timedelta",
    "int": "int",
    "float": "float",
    "timestamp": "str | datetime.date | datetime.datetime",
    "list": "collections.abc.Sequence[str]",
}


class Hit:
    """The queries of the catalogue: ``liq.hit.top_symbols(window="15m")`` returns its rows.

    Each query is a function with its parameters and a docstring. ``liq.hit("top_symbols", …)`` and
    ``liq.hit["top_symbols"](…)`` are the same, for a name in a variable. `liq.queries` lists all
    queries.

    Timestamps are UTC. ``frame.attrs`` holds the ``query`` and the ``units`` of its columns. Its
    ``notes`` report names that no row has, feeds that were disconnected in the window, and odd rows
    that were left out. Notebooks show them below the rows.
    """

    def __call__(
        self, key: str = "", /, *unnamed: Any, settings: Settings | None = None, **params: Any
    ) -> "pd.DataFrame":
        """Run the query ``key`` of the catalogue and return its rows.

        Names of symbols and the like match in any case. If no row has a given name, a `LiqWarning`
        reports it with the nearest names.

        Args:
            key: A query of the catalogue; `liq.queries` lists them.
            settings: The process's settings by default.
            params: Parameters of the query, e.g. ``window="15m"``.

        Returns:
            The rows, with the columns that the catalogue declares.

        Raises:
            QueryError: The key or a parameter is unknown, or a value is out of range. The message
                lists the valid ones. Or there is no key, or a parameter is not given by its name.
            QuestDBError: QuestDB is unreachable.

        Example:
            >>> top = liq.hit("top_symbols", window="1h")
            >>> list(top.columns)
            ['symbol', 'asset', 'long_usd', 'short_usd', ...]
            >>> top.attrs["units"]["total_usd"]
            'USD'
            >>> liq.hit.top_symbols(window="1h").equals(top)
            True
        """
        if not isinstance(key, str) or not key:
            raise QueryError(
                'liq.hit takes the name of a query first, e.g. liq.hit("totals");'
                " liq.queries() lists them"
            )
        _refuse_unnamed(queries.find(key, settings), unnamed)
        noted = fetch_noted(key, settings, params)
        queries.warn(noted.warnings)
        return noted.frame

    def __getattr__(self, name: str) -> "Callable[..., pd.DataFrame]":
        # tools ask for names of their own, like __wrapped__ and _repr_html_
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return build_function(queries.find(name))
        except LiqError as error:
            raise AttributeError(str(error)) from error

    def __getitem__(self, key: str) -> "Callable[..., pd.DataFrame]":
        return build_function(queries.find(key))

    def __dir__(self) -> list[str]:
        return self._ipython_key_completions_()

    def __repr__(self) -> str:
        return f"<liq.hit: {len(self._ipython_key_completions_())} queries, see liq.queries()>"

    def _ipython_key_completions_(self) -> list[str]:
        try:
            return [*queries.load_catalogue().queries]
        except LiqError:
            return []


def _simplify_signature(function: Any) -> None:
    """Leave out of the signature that editors show what only explains errors of callers."""
    shown = inspect.signature(function)
    params = [each for each in shown.parameters.values() if each.name != "unnamed"]
    needed = [each.replace(default=each.empty) if each.name == "key" else each for each in params]
    function.__signature__ = shown.replace(parameters=needed)


_simplify_signature(Hit.__call__)


def _refuse_unnamed(query: Query, unnamed: Sequence[Any]) -> None:
    """Raise `QueryError` if values were given without their names."""
    if unnamed and query.params:
        example = f"{next(iter(query.params))}={unnamed[0]!r}"
        raise QueryError(
            f"parameters are given by name: liq.hit.{query.key}({example}); valid are:"
            f" {', '.join(query.params)}"
        )
    if unnamed:
        raise QueryError(f"{query.key} takes no parameters")


_built: dict[str, "tuple[Query, Callable[..., pd.DataFrame]]"] = {}


def build_function(query: Query) -> "Callable[..., pd.DataFrame]":
    """Return a function that runs ``query``, the same one until its entry changes.

    So it can be pickled, as for a process pool.
    """
    known, function = _built.get(query.key, (None, None))
    if known != query or function is None:
        function = _build(query)
        _built[query.key] = query, function
    return function


def _build(query: Query) -> "Callable[..., pd.DataFrame]":
    def run(*unnamed: Any, settings: Settings | None = None, **params: Any) -> "pd.DataFrame":
        _refuse_unnamed(query, unnamed)
        noted = fetch_noted(query.key, settings, params)
        queries.warn(noted.warnings)
        return noted.frame

    run.__name__ = query.key
    run.__qualname__ = f"hit.{query.key}"
    run.__module__ = "liq"
    run.__doc__ = render_docstring(query)
    run.__signature__ = build_signature(query)  # type: ignore[attr-defined] # inspect reads it
    return run


def build_signature(query: Query) -> inspect.Signature:
    """Return the parameters of a query with types and defaults, and ``settings``.

    A parameter like ``from``, which Python has other uses for, can be given in ``**others`` only.
    """
    import pandas as pd  # noqa: PLC0415 - `import liq` stays quick

    params = [
        _build_parameter(name, param)
        for name, param in query.params.items()
        if not keyword.iskeyword(name)
    ]
    own = inspect.Parameter("settings", inspect.Parameter.KEYWORD_ONLY, default=None)
    params.append(own.replace(annotation=Settings | None))
    if any(map(keyword.iskeyword, query.params)):
        params.append(inspect.Parameter("others", inspect.Parameter.VAR_KEYWORD))
    return inspect.Signature(params, return_annotation=pd.DataFrame)


def render_docstring(query: Query) -> str:
    """Return what a query answers, its parameters, and its columns with types and units."""
    lines = textwrap.wrap(query.description or "A query of the catalogue.", _WIDTH)
    if query.params:
        facts = {name: describe_values(param) for name, param in query.params.items()}
        facts["settings"] = "the process's settings by default"
        entries = ((name, f"{text[:1].upper()}{text[1:]}") for name, text in facts.items())
        lines += ["", "Args:", *_list_entries(entries)]
    if query.columns:
        columns = ((name, _describe_column(column)) for name, column in query.columns.items())
        lines += ["", "Returns:", "    The rows, with the columns", "", *_list_entries(columns)]
    return "\n".join(lines)


def render_stub(known: Mapping[str, Query]) -> str:
    """Return the type stub of ``liq.query.hits`` for the queries ``known``."""
    keys = ", ".join(json.dumps(key) for key in known)
    methods = "".join(_render_method(query) for query in known.values())
    return _STUB.format(keys=keys, methods=methods)


_STUB = '''\
"""`liq.hit`, with the shipped queries. `make docs` writes this file from queries.json."""

import collections.abc
import datetime
from typing import Any, Literal

from pandas import DataFrame

import liq.config

_Key = Literal[{keys}]

class Hit:
    """The queries of the catalogue: ``liq.hit.top_symbols(window="15m")`` returns its rows.

    Your own queries of ``LIQ_QUERIES`` are ``liq.hit("mine", …)``.
    """

    def __call__(
        self,
        key: _Key | str,
        /,
        *,
        settings: liq.config.Settings | None = None,
        **params: Any,
    ) -> DataFrame: ...
    def __getitem__(self, key: _Key | str) -> collections.abc.Callable[..., DataFrame]: ...
{methods}
hit: Hit
'''


def _render_method(query: Query) -> str:
    params = "".join(f"        {_render_param(*item)},\n" for item in query.params.items())
    text = textwrap.indent(render_docstring(query), " " * 8).strip()
    text = text.replace("\\", "\\\\").replace('"""', '\\"""')
    return (
        f"    def {query.key}(\n        self,\n        *,\n{params}"
        "        settings: liq.config.Settings | None = None,\n    ) -> DataFrame:\n"
        f'        """{text}\n        """\n'
    )


def _render_param(name: str, param: Parameter) -> str:
    default = _choose_default(param)
    kind = _TYPE_NAMES.get(param.type, "str")
    if param.choices:
        kind = f"Literal[{', '.join(map(_render_value, param.choices))}]"
    optional = " | None" if default is None else ""
    return f"{name}: {kind}{optional} = {_render_value(default)}"


def _render_value(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _build_parameter(name: str, param: Parameter) -> inspect.Parameter:
    kind = _TYPES.get(param.type, str)
    if param.choices:
        kind = Literal[tuple(param.choices)]
    default = _choose_default(param)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=kind | None if default is None else kind,
    )


def _choose_default(param: Parameter) -> Any:
    return tuple(param.default) if isinstance(param.default, list) else param.default


def _describe_column(column: Column) -> str:
    unit = f"{column.dtype}, {column.unit}" if column.unit else column.dtype
    return f"{unit}; {column.description}" if column.description else unit


def _list_entries(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    first, further = " " * 4, " " * 8
    for name, text in entries:
        entry = f"{name}: {text}"
        yield from textwrap.wrap(entry, _WIDTH, initial_indent=first, subsequent_indent=further)


class Noted(NamedTuple):
    """The rows of `liq.hit`, with all notes in their attrs, and the notes to warn of.

    ``has_gaps`` says whether feeds were disconnected in the window.
    """

    frame: "pd.DataFrame"
    warnings: list[str]
    has_gaps: bool = False


def fetch_noted(key: str, settings: Settings | None, params: Mapping[str, Any]) -> Noted:
    """Return the rows of `liq.hit`, and what is to be said about them.

    Raises as `liq.hit` does.
    """
    settings = choose_settings(settings)
    query = queries.find(key, settings)
    values = queries.resolve(query, params)
    with queries.show_query(key, settings):
        frame, _, _, warnings = queries.execute(query, values, settings)
        lacks, has_gaps = _list_lacks(query, frame, values, settings)
    if notes := [*warnings, *lacks]:
        frame.attrs["notes"] = notes
    return Noted(frame, warnings, has_gaps)


def _list_lacks(
    query: Query, frame: "pd.DataFrame", values: Mapping[str, Any], settings: Settings
) -> tuple[list[str], bool]:
    """Return what a result about liquidations lacks in its window, in words.

    The second value says whether feeds were disconnected.
    """
    window = find_window(query, frame, values)
    past = window and window.cut()
    if past is None:
        return [], False

    def fetch(key: str) -> "pd.DataFrame":
        found = queries.find(key, settings)  # a faulty one of the user's own is an error
        return queries.fetch(key, settings, **share_filters(found, values, past))

    try:
        with questdb.within(_BESIDE_S):
            feeds, odd = fetch(_FEEDS), fetch(_LEFT_OUT)
    except (QuestDBError, QueryError) as error:
        return [f"{LACKS_UNKNOWN}: {error}"], False
    has_gaps = can_be_read(_FEEDS, feeds) and (feeds["missing_s"] > 0).any()
    return [line for line in (_describe_feeds(feeds), _count(odd)) if line], bool(has_gaps)


def _count(odd: "pd.DataFrame") -> str:
    if not can_be_read(_LEFT_OUT, odd):
        return f"not known whether rows were left out: your query {_LEFT_OUT} has other columns"
    return describe_left_out(int(odd["rows"].sum()))


def _describe_feeds(feeds: "pd.DataFrame") -> str:
    if not can_be_read(_FEEDS, feeds):
        return f"coverage is unknown: your query {_FEEDS} has other columns"
    if feeds.empty:
        return UNKNOWN
    return summarise_feeds(feeds)
