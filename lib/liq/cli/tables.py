"""DataFrames as tables that fit a terminal.

A table shows exact numbers if they fit, else short ones, else as many columns as fit. One row is
shown as a line for each field, and so are all rows in a terminal too narrow for a number.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice, zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.padding import Padding
from rich.table import Table

from liq.cli.output import console, printable, styled
from liq.common.text import format_compact, format_number, suggest
from liq.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

_GAP = 2  # characters between two columns
_AT_ONCE = 500  # rows: the first of many are there at once
_LONGEST_TEXT = 24  # characters of a text where numbers are short
_WIDEST_UNIT = 8  # characters, about those of a short number
_LEAST_ID = 10**15
_LEAST_FIELDS = 16  # characters of a line of fields, at least
_LEAST_TABLE = 40  # characters of a line that has room for a table without numbers
_MISSING, _AT_LEAST = "-", "≥"
_LINE_ENDS = dict(zip(b"\t\n\v\f\r", "␉␊␋␌␍", strict=True)) | {0x2028: "␊", 0x2029: "␊"}


@dataclass(frozen=True, slots=True)
class Style:
    """How a table shows its rows.

    Args:
        columns: The names of the columns to print, with commas between them; None for all.
        wide: Print all columns with exact numbers, however long the lines become.
        most: Print no more rows than these; 0 for all.
        leads: The columns that are shown rather than others where not all fit.
        bounds: The columns that get a ``≥``, each with the rows in which it is a lower bound.
    """

    columns: str | None = None
    wide: bool = False
    most: int = 0
    leads: Sequence[str] = ()
    bounds: "Mapping[str, pd.Series[bool]]" = field(default_factory=dict)


def print_table(frame: "pd.DataFrame", style: Style = Style()) -> None:
    """Print rows within the width of the terminal; ``attrs["units"]`` has the columns' units."""
    frame, left_out = _cut(frame, style.most)  # by the time, which may not be among the columns
    frame = frame if style.columns is None else select_columns(frame, style.columns)
    if frame.empty:
        console.print("no rows")
    elif style.wide:
        _print_columns(_build_columns(frame, _format_exact, style))
    elif len(frame) == 1 and len(frame.columns) > 1:
        print_fields(frame, style)
    else:
        _print_fitting(frame, style)
    if left_out:
        console.print(styled(f"not shown: {left_out}; --rows 0 shows all", "dim"))


def _cut(frame: "pd.DataFrame", most: int) -> "tuple[pd.DataFrame, str]":
    """Return at most ``most`` rows, and how many others there are in words; "" for none.

    They are the newest ones of rows in the order of time, else the first ones.
    """
    others = len(frame) - most
    if not most or others <= 0:
        return frame, ""
    first = frame.iloc[:, 0]
    is_series = first.dtype.kind == "M" and first.is_monotonic_increasing
    if is_series and first.iloc[0] < first.iloc[-1]:
        return frame.tail(most), _count(others, "earlier")
    return frame.head(most), _count(others, "further")


def _count(rows: int, which: str) -> str:
    return f"{rows:,} {which} row{'s' if rows > 1 else ''}"


def print_fields(frame: "pd.DataFrame", style: Style = Style()) -> None:
    """Print a line for each field, in whole, with an empty line between two rows.

    A narrow terminal has each value below its name.
    """
    table = Table(box=None, pad_edge=False, show_header=False)
    headings = _name_columns(frame, " ")
    columns = [_format_cells(frame, place, _format_exact, style) for place in range(len(headings))]
    room = console.width - _GAP - max(map(cell_len, headings), default=0)
    longest = max((cell_len(cell) for cells in columns for cell in cells), default=0)
    is_narrow = room < min(longest, _LEAST_FIELDS)
    if not is_narrow:
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # a truncated number would be wrong
    for number, row in enumerate(zip(*columns, strict=True)):
        if number:
            table.add_row()
        for heading, cell in zip(headings, row, strict=True):
            if is_narrow:
                table.add_row(heading)
                table.add_row(Padding(cell, (0, 0, 0, _GAP)))
            else:
                table.add_row(heading, cell)
    console.print(table)


def select_columns(frame: "pd.DataFrame", columns: str) -> "pd.DataFrame":
    """Return the columns that a user named, separated by commas, in this order.

    Raises `QueryError` as `check_columns` does.
    """
    return frame[check_columns(columns, list(frame.columns))]


def check_columns(columns: str, known: Sequence[str]) -> list[str]:
    """Return the names in a text with commas between them, each once.

    Raises `QueryError`, with the nearest name, unless all are ``known``.
    """
    names = list(dict.fromkeys(name for name in map(str.strip, columns.split(",")) if name))
    for name in names:
        if name not in known:
            raise QueryError(f"there is no column {name!r}{suggest(name, known)}")
    if not names:
        raise QueryError(f"--columns names no column; valid are: {', '.join(known)}")
    return names


def _print_fitting(frame: "pd.DataFrame", style: Style) -> None:
    """Print the rows in exact numbers, else in short ones, else only as many columns as fit.

    Print the fields of each row where none of the numbers fits and the terminal is narrow.
    """
    columns = _build_columns(frame, _format_exact, style)
    names = [*map(str, frame.columns)]
    shown = _choose_fitting(columns, names, style.leads)
    if len(shown) < len(columns):
        columns = _build_columns(_shorten_times(frame), _format_short, style)
        shown = _choose_fitting(columns, names, style.leads)
    if console.width >= _LEAST_FIELDS and _is_too_narrow(columns, shown):
        print_fields(frame, style)
        return
    _print_columns([columns[place].crop(console.width) for place in shown])
    if left_out := [name for place, name in enumerate(names) if place not in shown]:
        line = f"not shown: {', '.join(left_out)}; --columns chooses, --wide shows all"
        console.print(styled(line, "dim"))


def _is_too_narrow(columns: Sequence["_Column"], shown: Sequence[int]) -> bool:
    """Return whether no number is ``shown``, nor fits beside one of the columns that are.

    A line below `_LEAST_TABLE` characters is too narrow for any table without a number.
    """
    numbers = {place: column.width for place, column in enumerate(columns) if column.is_number}
    if not numbers or not numbers.keys().isdisjoint(shown):
        return False
    least = min(numbers.values()) + _GAP + min(columns[place].width for place in shown)
    return console.width < max(least, _LEAST_TABLE)


@dataclass(frozen=True, slots=True)
class _Column:
    heading: Sequence[str]  # its lines, the last one first
    cells: Sequence[str]
    width: int
    is_number: bool

    def pad(self, text: str) -> str:
        blanks = " " * (self.width - cell_len(text))
        return f"{blanks}{text}" if self.is_number else f"{text}{blanks}"

    def crop(self, width: int) -> "_Column":
        if self.width <= width:
            return self
        heading, cells = (
            [
                text if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"
                for text in texts
            ]
            for texts in (self.heading, self.cells)
        )
        return _Column(heading, cells, width, self.is_number)


def _build_columns(
    frame: "pd.DataFrame", format_value: Callable[[object, str], str], style: Style
) -> list[_Column]:
    columns = []
    for place, heading in enumerate(_name_columns(frame, "\n")):
        lines = printable(heading).split("\n")[::-1]
        cells = [*map(printable, _format_cells(frame, place, format_value, style))]
        width = max(map(cell_len, [*lines, *cells]))
        columns.append(_Column(lines, cells, width, frame.dtypes.iloc[place].kind in "if"))
    return columns


def _format_cells(
    frame: "pd.DataFrame", place: int, format_value: Callable[[object, str], str], style: Style
) -> list[str]:
    """Return the values of a column as text, lower bounds with their mark."""
    unit, bounds = _list_units(frame)[place], style.bounds.get(str(frame.columns[place]))
    cells = [format_value(value, unit) for value in frame.iloc[:, place]]
    if bounds is None:
        return cells
    return [
        f"{_AT_LEAST}{cell}" if is_bound and cell != _MISSING else cell
        for cell, is_bound in zip(cells, bounds.loc[frame.index], strict=True)
    ]


def _choose_fitting(
    columns: Sequence[_Column], names: Sequence[str], leads: Sequence[str]
) -> list[int]:
    """Return the places of columns that fit the terminal, one at least, ``leads`` before others."""
    ranks = {name: rank for rank, name in enumerate(leads)}
    by_worth = sorted(range(len(columns)), key=lambda place: ranks.get(names[place], len(ranks)))
    needed = accumulate(_GAP + columns[place].width for place in by_worth)
    fitting = sum(width - _GAP <= console.width for width in needed)
    return sorted(by_worth[: max(fitting, 1)])


def _print_columns(columns: Sequence[_Column]) -> None:
    headings = [*zip_longest(*(column.heading for column in columns), fillvalue="")][::-1]
    for cells in headings:
        console.print(styled(_join(columns, cells), "bold"), soft_wrap=True)
    rows = zip(*(column.cells for column in columns), strict=True)
    lines = (_join(columns, cells) for cells in rows)
    while some := [*islice(lines, _AT_ONCE)]:
        console.print("\n".join(some), soft_wrap=True)


def _join(columns: Sequence[_Column], cells: Sequence[str]) -> str:
    texts = (column.pad(cell) for column, cell in zip(columns, cells, strict=True))
    return (" " * _GAP).join(texts).rstrip()


def _shorten_times(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows with times as text in seconds; the day of all rows becomes the unit."""
    short, units = frame.copy(), dict(frame.attrs.get("units", {}))
    for name in frame.columns[[dtype.kind == "M" for dtype in frame.dtypes]]:
        days = frame[name].dt.strftime("%Y-%m-%d").dropna().unique()
        units[name] = f"{days[0]} UTC" if len(days) == 1 else "UTC"
        clock = "%H:%M:%S" if len(days) == 1 else "%Y-%m-%d %H:%M:%S"
        short[name] = frame[name].dt.strftime(clock)
    short.attrs = {"units": units}
    return short


def _list_units(frame: "pd.DataFrame") -> list[str]:
    """Return the unit of each column, empty for none; times are in UTC."""
    units: dict[str, str] = frame.attrs.get("units", {})
    times = ["UTC" if dtype.kind == "M" else "" for dtype in frame.dtypes]
    return [units.get(name, time) for name, time in zip(map(str, frame), times, strict=True)]


def _name_columns(frame: "pd.DataFrame", separator: str) -> list[str]:
    """Return the columns' names, each with its unit if it has one."""
    units = zip(frame.columns, _list_units(frame), strict=True)
    return [
        f"{name}{separator}{_wrap_unit(unit, separator)}" if unit not in ("", name) else str(name)
        for name, unit in units
    ]


def _wrap_unit(unit: str, separator: str) -> str:
    """Return a unit in brackets, its words apart where its column would become wide."""
    return separator.join(
        textwrap.wrap(f"({unit})", _WIDEST_UNIT, break_on_hyphens=False, break_long_words=False)
    )


def _format_exact(value: object, unit: str) -> str:
    if _is_missing(value):
        return _MISSING
    if isinstance(value, float):
        return format_number(value, unit)
    if hasattr(value, "isoformat"):
        return str(value).removesuffix("+00:00")
    return f"{value:,}" if _is_quantity(value) else _print_line(value)


def _format_short(value: object, _unit: str) -> str:
    if _is_missing(value):
        return _MISSING
    if isinstance(value, int | float) and _is_quantity(value):
        is_plain = 1_000 <= abs(value) < 1_000_000
        return f"{value:,.0f}" if is_plain else format_compact(value, 4)
    text = _print_line(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _print_line(value: object) -> str:
    """Return a value as text in one line: what begins a line would look like another row."""
    return str(value).translate(_LINE_ENDS)


def _is_quantity(value: object) -> bool:
    """Return whether it is a number, and no id: people copy ids into the next command."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < _LEAST_ID
    return isinstance(value, float)


def _is_missing(value: object) -> bool:
    import pandas as pd  # noqa: PLC0415 - it would slow all commands

    return pd.isna(value) is True  # type: ignore[call-overload] # a list is not missing
