"""The catalogue of named queries: what an entry of ``queries.json`` may say, and it as Markdown.

An entry is either a plain SQL string or an object (`Entry`). In its SQL

- ``%(name)s`` is a parameter's value, sent bound; a list becomes ``%(name_0)s, %(name_1)s, …``;
- ``%(end)s`` is the end of the window, ``until`` or now; ``%(since)s`` is ``window`` before that;
  ``%(until)s`` always has a value: a minute from now when none is given;
- ``%(known_exchanges)s`` are all exchanges of `liq.ingest.venues.list_known_exchanges`, your own
  ones too: only their feeds are expected;
- ``{table}`` is the settings' table of liquidations. ``{<stream>_table}`` is the table of any other
  stream of `liq.records.streams`: ``{health_table}``, ``{price_table}``, ``{alerts_table}``,
  ``{cascades_table}``, ``{sums_table}``. Each shows only the rows that keep `liq.records.rules`.
  ``{odd_table}`` and so on show the other rows, with the columns ``ts``, ``broken`` and
  ``fields``. ``{any_table}`` and so on show all rows. ``{odd_rows}`` shows the odd rows of all
  streams in the window; its column ``kind`` is the stream's usual table;
- ``{name}`` is an ``interval`` or ``column`` parameter, one of its choices: these are syntax in
  QuestDB and cannot be bound;
- ``{bars}`` becomes ``{table} WHERE …`` with the window and the filters that the entry declares
  (`FILTERS`), but may be read from a materialized view, and so may ``{reports}`` and
  ``{last_reports}`` of feed health; `liq.query.views` describes how to write for them;
- ``{live_sources}`` and ``{all_sources}`` are the values of `liq.records.model.Source` that are
  real, and all of them, as in ``source IN ({live_sources})``;
- ``[[ … ]]`` is kept only when every parameter in it has a value.

A parameter whose ``names`` is ``symbol``, ``base``, ``asset``, ``exchange`` or ``rule`` takes names
of that column in any case, and a note reports unknown names (`liq.query.names`).

An entry with the parameter ``window`` has ``since`` too, which replaces the window's length.

``$common`` holds parameters that entries share by name. ``$parts`` holds SQL that entries share:
``{name}`` is replaced by the part in brackets, in entries and in later parts. ``$schema`` may name
the JSON schema, which ships as ``queries.schema.json``, so that editors complete and check entries.

``LIQ_QUERIES`` names a file, or a folder of files, that adds entries to the shipped ones. An entry
replaces an earlier entry of the same name. A file may use ``$common`` and ``$parts`` of earlier
files; its own do not change earlier entries.

A fault stops only the names that it is about. An entry that cannot be used does not fall back to
the earlier entry that it replaces, and neither do the names in a file that is no JSON.
"""

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec

from liq.common import places
from liq.common.text import shorten, suggest
from liq.errors import QueryError
from liq.query.parameters import Parameter, create_since
from liq.records.model import LIVE_SOURCES, Source
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS, STREAMS

COMMON, PARTS, SCHEMA = "$common", "$parts", "$schema"
ODD, ANY = "odd_", "any_"  # before their names: the rows that break a rule, and all
BARS = ("bars", "prints", "largest", "first", "last")
ODD_ROWS = "odd_rows"
REPORTS, LAST_REPORTS = "reports", "last_reports"
FILTERS = {  # parameters that choose rows of {bars}
    "until": "ts < %(until)s",
    "symbols": "symbol IN (%(symbols)s)",
    "bases": "base IN (%(bases)s)",
    "assets": "asset IN (%(assets)s)",
    "exchange": "exchange IN (%(exchange)s)",
    "min_notional": "notional >= %(min_notional)s",
    "max_notional": "notional < %(max_notional)s",
}
_SOURCES = {
    name: ", ".join(f"'{source}'" for source in sources)
    for name, sources in {"live_sources": LIVE_SOURCES, "all_sources": tuple(Source)}.items()
}
WINDOW, SINCE, END, KNOWN = "window", "since", "end", "known_exchanges"
# how long before the window a feed's last report may be, for {last_reports}
LOOK_BACK = "look_back"
# arguments of every endpoint of the API, of `liq.hit` and of `liq.export`: no parameter can share
# their names
RESERVED = ("format", "offset", "rows", "settings", "spreadsheet", "token")
# of the API: no query can have their place
PAGES = ("docs", "health", "metrics", "openapi.json", "v1")
VALUE = re.compile(r"%\((\w+)\)s")
IDENTIFIER = re.compile(r"\{(\w+)\}")
TABLE = re.compile(r"\{((?:\w+_)?table)\}(\s+WHERE\b)?", re.IGNORECASE)  # and what follows it
_SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z])")
OPTIONAL = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_NO_SOURCE = re.compile(r"\b(?:SAMPLE BY \S+|RANGE|extract\(\w+) FROM\b", re.IGNORECASE)
_SOURCE = re.compile(r"\b(?:FROM|JOIN)\s+([^\s()]+)", re.IGNORECASE)
_NAMED = re.compile(r"\b(\w+) AS \(", re.IGNORECASE)  # WITH name AS (…
# what gives other rows while no table changes
_CLOCK = re.compile(
    r"\b(?:now|systimestamp\w*|sysdate|today|tomorrow|yesterday|rnd_\w+)\b", re.IGNORECASE
)
_STREAM_OF = {"bars": LIQUIDATIONS, REPORTS: FEED_HEALTH, LAST_REPORTS: FEED_HEALTH}
_TABLE_OF = {name: stream.placeholder for name, stream in _STREAM_OF.items()}

_QUERY_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}")  # liq.hit.NAME, a tool of assistants
_MEMBER = rf"^(\$schema|\$common|\$parts|{_QUERY_NAME.pattern})$"
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


_Sql = _Text | Annotated[list[str], msgspec.Meta(min_length=1)]
_Path = tuple[str, ...]  # keys of nested objects
_LISTS = (list, tuple)
_TYPES = {  # of msgspec, in words
    "str": "a text in double quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A result column: its pandas dtype and, for a measure, its unit."""

    dtype: _Text
    unit: str = ""
    description: str = ""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One named query as ``queries.json`` spells it; ``sql`` may be a list of lines.

    ``leads`` are the columns that a narrow terminal shows rather than others, the first ones first.
    """

    sql: _Sql
    description: _Text
    common: list[_Name] = []
    params: dict[_Name, Parameter] = {}
    columns: dict[str, Column] = {}
    leads: list[str] = []


@dataclass(frozen=True, slots=True)
class Query:
    """A validated query; a plain string entry declares no parameters and no columns."""

    key: str
    sql: str
    description: str
    params: Mapping[str, Parameter]
    columns: Mapping[str, Column]
    place: str = ""  # file:line:column
    leads: Sequence[str] = ()

    @property
    def file(self) -> str:
        """The path of its file."""
        return self.place.rsplit(":", 2)[0]

    @property
    def summary(self) -> str:
        """The first sentence of the description."""
        return _SENTENCE_END.split(self.description, maxsplit=1)[0]

    @property
    def units(self) -> dict[str, str]:
        """The units of the columns that have one."""
        return {name: column.unit for name, column in self.columns.items() if column.unit}

    @property
    def reads(self) -> frozenset[str]:
        """Placeholders of the tables whose rows and the parameters alone make the answer.

        Empty where that is not certain: the SQL reads something else too, or asks the clock.
        """
        sources = {*_SOURCE.findall(_NO_SOURCE.sub("", self.sql))} - {*_NAMED.findall(self.sql)}
        names = {_TABLE_OF.get(source[1:-1], source[1:-1]) for source in sources}
        names = {name.removeprefix(ANY).removeprefix(ODD) for name in names}
        certain = names <= _list_placeholders() and all(source[:1] == "{" for source in sources)
        return frozenset() if not certain or _CLOCK.search(self.sql) else frozenset(names)


class Catalogue(NamedTuple):
    """The validated queries, and the faults of invalid entries by key.

    An invalid entry does not affect the others, so pages keep working while it is edited.
    ``file_faults`` are not of one entry: they have the path of a file that is no JSON, or the place
    of what entries share.
    """

    queries: Mapping[str, Query]
    faults: Mapping[str, str]
    file_faults: Mapping[str, str] = MappingProxyType({})

    def list_faults(self) -> list[str]:
        """Return a line for each fault; a fault of a file may stop several entries."""
        return list(dict.fromkeys([*self.file_faults.values(), *self.faults.values()]))


def load(*paths: Path) -> Catalogue:
    """Read and check the files of a catalogue, in which later entries replace earlier ones.

    A fault names the file, line and column, the entry and the reason. Raises `QueryError` if a file
    cannot be opened, since any query may be in it.
    """
    catalogue = _Loader()
    for path in paths:
        try:
            catalogue.add(_File(places.read_document(path)))
        except OSError as error:
            raise QueryError(f"cannot read {path}: {error.strerror}") from error
        except places.MalformedError as error:
            catalogue.refuse(path, error)
    return Catalogue(catalogue.queries, catalogue.faults, catalogue.file_faults)


class _Loader:
    """The entries of the files read so far, and what they may share."""

    def __init__(self) -> None:
        self.common: dict[str, Parameter] = {}
        self.parts = dict(_SOURCES)
        self.queries: dict[str, Query] = {}
        self.faults: dict[str, str] = {}
        self.file_faults: dict[str, str] = {}

    def add(self, file: "_File") -> None:
        """Add a file's entries; a name with a fault does not keep what an earlier file had."""
        given, faults = file.parse_shared(COMMON, Parameter)
        _replace(self.common, given, faults)
        given, more = file.parse_shared(PARTS, _Sql)
        _replace(self.parts, {}, more)
        for name, sql in given.items():
            self.parts[name] = f"(\n{_expand_parts(sql, self.parts)}\n)"
        self.file_faults |= {
            line.partition(": ")[0]: line for line in [*faults.values(), *more.values()]
        }
        for key in (key for key in file.members if key not in (SCHEMA, COMMON, PARTS)):
            self.queries.pop(key, None)
            self.faults.pop(key, None)
            try:
                self.queries[key] = file.parse_query(key, self.common, self.parts)
            except QueryError as error:
                self.faults[key] = str(error)

    def refuse(self, path: Path, error: places.MalformedError) -> None:
        """Note a file that is no JSON: the names in its text cannot be used.

        Its damage may hide what is a name, so each word that is one of an earlier file counts.
        """
        words = places.list_words(error.text)
        known = words & (self.queries.keys() | self.faults.keys())
        self.file_faults[str(path)] = str(error)
        for key in (known | places.list_outer_names(error.text)) - {SCHEMA, COMMON, PARTS}:
            self.queries.pop(key, None)
            self.faults[key] = str(error)
        if {COMMON, PARTS} & words:  # later files cannot use what it replaces
            for shared in (self.common, self.parts):
                _replace(shared, {}, dict.fromkeys(words, ""))


def _replace(shared: dict[str, Any], given: Mapping[str, Any], faults: Mapping[str, str]) -> None:
    """Put ``given`` into ``shared``, and remove the names with a fault."""
    shared.update(given)
    for name in faults:
        shared.pop(name, None)


class _File:
    """A file of a catalogue, whose members are read one by one."""

    def __init__(self, document: places.Document) -> None:
        self._document = document
        self.members = document.members

    def parse_shared(self, key: str, kind: Any) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what entries may share by name, and the faults of what cannot be used."""
        if key not in self.members:
            return {}, {}
        found, faults = dict[str, Any](), dict[str, str]()
        given: Any = None
        reason = self._document.twice.get(key, "")
        try:
            given = self._document.decode(key)
            msgspec.convert(given, dict)
        except ValueError as error:
            reason = _explain_value(str(error), given)
        if reason:
            names = given if isinstance(given, dict) else [key]
            return {}, dict.fromkeys(names, self._describe_fault((key,), f"{key}: {reason}"))
        for name, value in given.items():
            try:
                found |= msgspec.convert({name: value}, dict[_Name, kind])
            except msgspec.ValidationError as error:
                path, reason = explain_mismatch(error, dict[_Name, kind], {name: value})
                faults[name] = self._describe_fault((key, *path), f"{key}: {reason}")
        return found, faults

    def parse_query(
        self, key: str, common: Mapping[str, Parameter], parts: Mapping[str, str]
    ) -> Query:
        """Return the entry ``key``. Raises `QueryError` with its place."""
        value: Any = None
        try:
            value = self._decode(key)
            entry = msgspec.convert(value, _Text | Entry)
            query = _build_query(key, entry, common, parts, self._document.find_place(key))
            path, reason = next(_find_faults(query), ((), ""))
        except msgspec.ValidationError as error:
            path, reason = explain_mismatch(error, Entry, value)
        except QueryError as error:
            path, reason = ("common",), str(error)
        except ValueError as error:
            path, reason = (), str(error)
        if reason:
            raise QueryError(self._describe_fault((key, *path), f"entry {key!r}: {reason}"))
        return query

    def _decode(self, key: str) -> Any:
        """Return a member. Raises `ValueError` if it is no value, or has a name twice."""
        if key in self._document.twice:
            raise ValueError(self._document.twice[key])
        return self._document.decode(key)

    def _describe_fault(self, path: _Path, text: str) -> str:
        return f"{self._document.find_place(*path)}: {text}"


def explain_mismatch(
    error: msgspec.ValidationError, kind: Any, value: Any
) -> tuple[tuple[str, ...], str]:
    """Return where in ``value`` it is not of its kind, and why, with the valid names."""
    kind = _pick_member(kind, value)
    key = get_args(kind)[0] if get_origin(kind) is dict else str
    for name, each, inner in _list_inner(kind, value):
        try:
            msgspec.convert({name: each}, dict[key, inner])  # type: ignore[valid-type]
        except msgspec.ValidationError as found:
            path, reason = explain_mismatch(found, inner, each)
            return (name, *path), reason
    reason = str(error).partition(" - at ")[0]
    names = [each.encode_name for each in msgspec.structs.fields(kind)] if _is_struct(kind) else []
    if field := re.search(r"unknown field `(.*)`", reason, re.DOTALL):
        return (field[1],), f"there is no field {field[1]!r}{suggest(field[1], names)}"
    if field := re.search(r"missing required field `(.*)`", reason):
        choices = names or _list_choices(kind)  # a union has the tags of its structs
        return (), f"the field {field[1]!r} is missing; valid are: {', '.join(choices)}"
    if wrong := re.search(r"Invalid (?:enum )?value '(.*)'", reason, re.DOTALL):
        return (), f"{wrong[1]!r} is not a choice{suggest(wrong[1], _list_choices(kind))}"
    valid = f"; its fields are: {', '.join(names)}" if names else ""
    return (), f"{_explain_value(reason, value)}{valid}"


def _explain_value(reason: str, value: Any) -> str:
    """Return in plain words what msgspec says of a value's type, length or bounds."""
    if "matching regex" in reason:
        return "a name has small letters, digits and _, a letter first"
    if "of length >= 1" in reason:
        return "it is empty; give it a value"
    if bound := re.search(r"(>=|<=) (.*)", reason):
        return f"give {bound[2]} or {'more' if bound[1] == '>=' else 'less'}, not {value}"
    if types := re.search(r"Expected `(.*)`, got", reason):
        wanted = " or ".join(_TYPES.get(name, name) for name in types[1].split(" | "))
        return f"give {wanted}, not {_describe_value(value)}"
    return reason


def _describe_value(value: Any) -> str:
    """Return a value of JSON in words: a short one as it is written, another by its type."""
    if isinstance(value, dict | list):
        return _TYPES["object" if isinstance(value, dict) else "array"]
    return shorten(msgspec.json.encode(value).decode())


def _list_inner(kind: Any, value: Any) -> list[tuple[str, Any, Any]]:
    """Return name, value and kind of each member of ``value`` that can be checked by itself."""
    if isinstance(value, list) and get_origin(kind) in _LISTS:
        inner = get_args(kind)[0]
        return [(f"item {number}", each, inner) for number, each in enumerate(value, 1)]
    if not isinstance(value, dict):
        return []
    if get_origin(kind) is dict:
        return [(name, each, get_args(kind)[1]) for name, each in value.items()]
    fields = (
        {each.encode_name: each.type for each in msgspec.structs.fields(kind)}
        if _is_struct(kind)
        else {}
    )
    return [(name, value[name], inner) for name, inner in fields.items() if name in value]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _pick_member(kind: Any, value: Any) -> Any:
    """Return the list of a union, the struct that ``value`` has the tag of, or its only struct."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    if isinstance(value, list):
        plain = [
            get_args(each)[0] if get_origin(each) is Annotated else each for each in get_args(kind)
        ]
        return next((each for each in plain if get_origin(each) in _LISTS), kind)
    if not isinstance(value, Mapping):
        return kind
    structs = [each for each in get_args(kind) if _is_struct(each)]
    configs = [each.__struct_config__ for each in structs]
    tagged = [
        each.tag_field is not None and value.get(each.tag_field) == each.tag for each in configs
    ]
    found = [each for each, is_tagged in zip(structs, tagged, strict=True) if is_tagged] or structs
    return found[0] if len(found) == 1 else kind


def _list_choices(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [choice.value for choice in kind]
    tags = [each.__struct_config__.tag for each in get_args(kind) if _is_struct(each)]
    return [choice for choice in (*tags, *get_args(kind)) if isinstance(choice, str)]


def create_json_schema() -> dict[str, Any]:
    """Return the JSON schema of ``queries.json``, for editors and other tools."""
    (common, parts, entry), components = msgspec.json.schema_components(
        (dict[_Name, Parameter], dict[_Name, _Sql], _Text | Entry), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {SCHEMA: {"type": "string"}, COMMON: common, PARTS: parts},
        "propertyNames": {"pattern": _MEMBER},
        "additionalProperties": entry,
        "$defs": dict(components),
    }


def _list_placeholders() -> set[str]:
    return {stream.placeholder for stream in STREAMS}


def _build_query(
    key: str,
    entry: str | Entry,
    common: Mapping[str, Parameter],
    parts: Mapping[str, str],
    place: str,
) -> Query:
    if isinstance(entry, str):
        entry = Entry(sql=entry, description="")
    shared = {name: _find_shared(name, common) for name in entry.common}
    params = _add_since({**shared, **entry.params})
    sql = _expand_parts(entry.sql, parts)
    return Query(key, sql, entry.description, params, entry.columns, place, entry.leads)


def _add_since(params: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Return ``params`` with ``since`` after ``window``."""
    found: dict[str, Parameter] = {}
    for name, param in params.items():
        found[name] = param
        if name == WINDOW and param.type == "duration":
            found[SINCE] = create_since()
    return found


def _expand_parts(sql: _Sql, parts: Mapping[str, str]) -> str:
    text = sql if isinstance(sql, str) else "\n".join(sql)
    # without an end: the API puts it in brackets, to ask for a page of its rows
    return IDENTIFIER.sub(lambda match: parts.get(match[1], match[0]), text.rstrip("; \n"))


def _find_shared(name: str, common: Mapping[str, Parameter]) -> Parameter:
    if name not in common:
        raise QueryError(f"no parameter {name!r} in {COMMON}{suggest(name, sorted(common))}")
    return common[name]


def _find_faults(query: Query) -> Iterator[tuple[_Path, str]]:
    """Yield where in an entry a fault is, and the reason."""
    yield from (((), fault) for fault in _find_name_faults(query))
    yield from ((("sql",), fault) for fault in _find_sql_faults(query))
    for name in query.leads:
        if name not in query.columns:
            reason = f"leads: there is no column {name!r}{suggest(name, [*query.columns])}"
            yield ("leads",), reason
    for name, param in query.params.items():
        try:
            param.check(name)
        except QueryError as error:
            yield ("params", name), str(error)


def _find_name_faults(query: Query) -> Iterator[str]:
    if query.key in PAGES:
        yield f"/{query.key} is a page of the HTTP API; give the query another name"
    if not _QUERY_NAME.fullmatch(query.key):
        yield "a query's name has letters, digits and _, 64 at most, a letter first"
    if keyword.iskeyword(query.key):
        yield "its name is a word of Python's; give the query another name"
    if SINCE in query.params and query.params[SINCE].type != "timestamp":
        yield "its parameter since is the start of the window: give it the type timestamp"
    if taken := sorted(query.params.keys() & set(RESERVED)):
        yield (
            f"its parameter {taken[0]} has a name that liq.hit or the HTTP API uses itself; "
            f"rename it (taken are: {', '.join(RESERVED)})"
        )


def _find_sql_faults(query: Query) -> Iterator[str]:
    if not query.sql.strip():
        yield "its sql is empty"
    values, identifiers = set(VALUE.findall(query.sql)), set(IDENTIFIER.findall(query.sql))
    syntax = {name for name, param in query.params.items() if param.is_syntax}
    implied = {SINCE: {WINDOW, "until"}, END: {"until"}, KNOWN: set()}
    if "bars" in identifiers:
        values |= {SINCE} | (query.params.keys() & FILTERS.keys())
    elif alone := sorted(identifiers & set(BARS)):
        yield f"its sql has {{{alone[0]}}} without {{bars}}"
    if ODD_ROWS in identifiers:
        values |= {SINCE, "until"}
    if identifiers & {REPORTS, LAST_REPORTS}:
        values |= {SINCE, END, LOOK_BACK} | (query.params.keys() & {"exchange"})
    for name in values & implied.keys():
        values = values - {name} | implied[name]
    if unknown := sorted(values - query.params.keys()):
        yield f"its sql binds {', '.join(unknown)}, which params do not declare"
    tables = {f"{which}{name}" for which in ("", ODD, ANY) for name in _list_placeholders()}
    if unknown := sorted(identifiers - syntax - {*tables, *BARS, ODD_ROWS, REPORTS, LAST_REPORTS}):
        yield f"its sql has {{{unknown[0]}}}; braces are for tables, intervals and columns"
    replaces_window = {SINCE} if WINDOW in query.params else set()
    if unused := sorted(query.params.keys() - values - identifiers - replaces_window):
        yield f"its sql does not use the parameter {', '.join(unused)}"


def render_table(queries: Mapping[str, Query]) -> str:
    """Return a Markdown table with one line for each query: its name, linked, and its summary."""
    rows = ((f"[`{key}`](#{key})", each.summary) for key, each in queries.items())
    return "".join(_render_lines("query", "returns", rows=rows))


def render_reference(queries: Mapping[str, Query]) -> str:
    """Return a section for each query: its description, parameters and columns."""
    return "\n".join(_render_section(query) for query in queries.values())


def _render_section(query: Query) -> str:
    parameters = (
        (f"`{name}`", *_describe_parameter(param)) for name, param in query.params.items()
    )
    columns = ((f"`{name}`", *_describe_column(column)) for name, column in query.columns.items())
    parts = [f"## {query.key}\n\n{query.description}\n"]
    if query.params:
        parts.append(
            "".join(_render_lines("parameter", "type", "default", "meaning", rows=parameters))
        )
    if query.columns:
        parts.append("".join(_render_lines("column", "dtype", "unit", "meaning", rows=columns)))
    return "\n".join(parts)


def _describe_parameter(param: Parameter) -> tuple[str, str, str]:
    default = "" if param.default in (None, []) else f"`{param.default}`"
    return param.type, default, describe_values(param)


def describe_values(param: Parameter) -> str:
    """Return what a parameter means, its choices and its bounds, as text."""
    bounds = {"from": param.min, "to": param.max}
    limits = " ".join(
        f"{word} {_format_bound(at)}" for word, at in bounds.items() if at is not None
    )
    choices = f"one of {', '.join(map(str, param.choices))}" if param.choices else ""
    return "; ".join(filter(None, (param.description, choices, limits)))


def _format_bound(bound: float | str) -> str:
    return f"{bound:,.15g}" if isinstance(bound, float) else str(bound)


def _describe_column(column: Column) -> tuple[str, str, str]:
    return column.dtype, column.unit, column.description


def _render_lines(*names: str, rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    for cells in (names, ("---",) * len(names), *rows):
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"
