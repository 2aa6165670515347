"""The queries of a catalogue as a mapping that notebooks and terminals show as a table."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from markupsafe import Markup

from liq.common.html import join, render_table
from liq.common.text import suggest
from liq.query.catalogue import Query

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 80
_WIDEST_KEY = 40
_COLUMNS = ("query", "answers", "parameters", "units")
# JupyterLab aligns cells to the right
_ROW = Markup("<tr>{}</tr>")
_CELL = Markup('<td style="text-align: left; vertical-align: top">{}</td>')


class Listing(Mapping[str, Query]):
    """The queries by key. ``to_frame()`` returns the table that is shown."""

    def __init__(self, queries: Mapping[str, Query]) -> None:
        self._queries = queries

    def __getitem__(self, key: str) -> Query:
        if key not in self._queries:
            raise KeyError(f"unknown query {key!r}{suggest(str(key), sorted(self._queries))}")
        return self._queries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each query: what it answers, its parameters, and units of columns."""
        import pandas as pd  # noqa: PLC0415 - importing this module stays quick

        return pd.DataFrame(self._list_rows(), columns=[*_COLUMNS])

    def __repr__(self) -> str:
        width = min(max(map(len, self), default=0), _WIDEST_KEY)
        most = _WIDTH - width - 2
        lines = [
            f"{key:<{width}}  {textwrap.shorten(query.summary, most, placeholder='…')}"
            for key, query in self.items()
        ]
        return "\n".join([*lines, "liq.hit.NAME? describes one: its parameters and columns"])

    def _repr_html_(self) -> str:
        rows = (_ROW.format(join(map(_CELL.format, row))) for row in self._list_rows())
        return render_table(_COLUMNS, rows)

    def _list_rows(self) -> list[tuple[str, str, str, str]]:
        return [
            (key, query.summary, ", ".join(query.params), describe_units(query.units))
            for key, query in self.items()
        ]

    def _ipython_key_completions_(self) -> list[str]:
        return [*self]


def describe_units(units: Mapping[str, str]) -> str:
    """Return units by column as text: ``long_usd, short_usd in USD; prints in prints``."""
    by_unit: dict[str, list[str]] = {}
    for name, unit in units.items():
        by_unit.setdefault(unit, []).append(name)
    return "; ".join(f"{', '.join(columns)} in {unit}" for unit, columns in by_unit.items())
