"""The catalogue of named queries: what an entry of ``queries.json`` may say, checked at load.

An entry is either a plain SQL string or an object (`Entry`). In its SQL

- ``%(name)s`` is a parameter's value, sent bound; a list becomes ``%(name_0)s, %(name_1)s, …``;
- ``%(end)s`` is the end of the window, ``until`` or now; ``%(since)s`` is ``window`` before that;
- ``{table}`` is the settings' table of liquidations, ``{health_table}`` that of feed health,
  ``{name}`` an ``interval`` parameter, one of its choices: these are syntax in QuestDB and cannot
  be bound;
- ``[[ … ]]`` is kept only when every parameter in it has a value.

``$common`` holds parameters that entries share by name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from liq.errors import QueryError
from liq.parameters import Parameter

COMMON = "$common"
TABLES = ("table", "health_table")
SINCE, END = "since", "end"
VALUE = re.compile(r"%\((\w+)\)s")
IDENTIFIER = re.compile(r"\{(\w+)\}")
OPTIONAL = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A result column: its pandas dtype and, for a measure, its unit."""

    dtype: _Text
    unit: str = ""
    description: str = ""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One named query as ``queries.json`` spells it; ``sql`` may be a list of lines."""

    sql: _Text | Annotated[list[str], msgspec.Meta(min_length=1)]
    description: _Text
    common: list[_Name] = []
    params: dict[_Name, Parameter] = {}
    columns: dict[str, Column] = {}


@dataclass(frozen=True, slots=True)
class Query:
    """A checked query; a plain string entry has no params and says nothing of its columns."""

    key: str
    sql: str
    description: str
    params: Mapping[str, Parameter]
    columns: Mapping[str, Column]


def load(path: Path) -> dict[str, Query]:
    """Read and check a catalogue. Raises `QueryError` naming the file, the entry and the reason."""
    try:
        raw = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    except (OSError, msgspec.DecodeError) as error:
        raise QueryError(f"cannot read {path}: {error}") from error
    common = _decode(path, COMMON, raw.pop(COMMON, msgspec.Raw(b"{}")), dict[_Name, Parameter])
    queries = {}
    for key, text in raw.items():
        entry = _decode(path, key, text, _Text | Entry)
        try:
            queries[key] = _query(key, entry, common)
        except QueryError as error:
            raise _fault(path, key, error) from error
    return queries


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of ``queries.json``, for editors and other tools."""
    (common, entry), components = msgspec.json.schema_components(
        (dict[_Name, Parameter], _Text | Entry), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {COMMON: common},
        "additionalProperties": entry,
        "$defs": dict(components),
    }


def _decode(path: Path, key: str, text: msgspec.Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise _fault(path, key, error) from error


def _fault(path: Path, key: str, error: Exception) -> QueryError:
    return QueryError(f"{path}: entry {key!r}: {error}")


def _query(key: str, entry: str | Entry, common: Mapping[str, Parameter]) -> Query:
    if isinstance(entry, str):
        entry = Entry(sql=entry, description="")
    shared = {name: _shared(name, common) for name in entry.common}
    sql = entry.sql if isinstance(entry.sql, str) else "\n".join(entry.sql)
    query = Query(key, sql, entry.description, {**shared, **entry.params}, entry.columns)
    for fault in _faults(query):
        raise QueryError(fault)
    return query


def _shared(name: str, common: Mapping[str, Parameter]) -> Parameter:
    if name not in common:
        raise QueryError(f"no parameter {name!r} in {COMMON}; it has: {', '.join(sorted(common))}")
    return common[name]


def _faults(query: Query) -> Iterator[str]:
    values, identifiers = set(VALUE.findall(query.sql)), set(IDENTIFIER.findall(query.sql))
    intervals = {name for name, param in query.params.items() if param.type == "interval"}
    implied = {SINCE: {"window", "until"}, END: {"until"}}
    for name in values & implied.keys():
        values = values - {name} | implied[name]
    if unknown := sorted(values - query.params.keys()):
        yield f"its sql binds {', '.join(unknown)}, which params do not declare"
    if unknown := sorted(identifiers - intervals - set(TABLES)):
        yield f"its sql has {{{unknown[0]}}}; only tables and intervals may stand in braces"
    if unused := sorted(query.params.keys() - values - identifiers):
        yield f"its sql does not use the parameter {', '.join(unused)}"
    for name, param in query.params.items():
        try:
            param.check(name)
        except QueryError as error:
            yield str(error)
