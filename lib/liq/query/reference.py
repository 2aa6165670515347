"""The catalogue as Markdown: the table and the reference of ``docs/queries.md``."""

from collections.abc import Iterator, Mapping
from typing import Any

from liq.query.catalogue import Column, Query
from liq.query.parameters import Parameter


def table(queries: Mapping[str, Query]) -> str:
    """Return a Markdown table with one line for each query: its name, linked, and its summary."""
    rows = ((f"[`{key}`](#{key})", each.summary) for key, each in queries.items())
    return "".join(_lines("query", "returns", rows=rows))


def reference(queries: Mapping[str, Query]) -> str:
    """Return a section for each query: its description, parameters and columns."""
    return "\n".join(_section(query) for query in queries.values())


def _section(query: Query) -> str:
    parameters = ((f"`{name}`", *_facts(param)) for name, param in query.params.items())
    columns = ((f"`{name}`", *_described(column)) for name, column in query.columns.items())
    parts = [f"## {query.key}\n\n{query.description}\n"]
    if query.params:
        parts.append("".join(_lines("parameter", "type", "default", "meaning", rows=parameters)))
    if query.columns:
        parts.append("".join(_lines("column", "dtype", "unit", "meaning", rows=columns)))
    return "\n".join(parts)


def _facts(param: Parameter) -> tuple[str, str, str]:
    default = "" if param.default in (None, []) else f"`{param.default}`"
    bounds = {"from": param.min, "to": param.max}
    limits = " ".join(f"{word} {_bound(at)}" for word, at in bounds.items() if at is not None)
    choices = f"one of {', '.join(map(str, param.choices))}" if param.choices else ""
    meaning = "; ".join(filter(None, (param.description, choices, limits)))
    return param.type, default, meaning


def _bound(bound: float | str) -> str:
    return f"{bound:,.15g}" if isinstance(bound, float) else str(bound)


def _described(column: Column) -> tuple[str, str, str]:
    return column.dtype, column.unit, column.description


def _lines(*names: str, rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    for cells in (names, ("---",) * len(names), *rows):
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"
