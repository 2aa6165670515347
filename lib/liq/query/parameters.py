"""Typed query parameters: validate the value of a caller, a command line or a URL.

========= ================================================= ===============================
type      accepts                                           value
========= ================================================= ===============================
interval  one of ``choices``                                ``str``, an enum: it is syntax
column    one of ``choices``, names of columns              ``str``, an enum: it is syntax
duration  ``"15m"``, ``"7d"``, seconds or a ``timedelta``   ``timedelta``
int       an integer, also as text                          ``int``
float     a finite number, also as text                     ``float``
timestamp ISO 8601, a datetime or a date; UTC without a zone ``datetime`` in UTC
list      strings, or one string with commas                ``list[str]``; empty: no limit
string    text                                              ``str``
========= ================================================= ===============================
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

import msgspec

from liq.common.text import match, shorten, suggest
from liq.errors import QueryError

Kind = Literal["interval", "column", "duration", "int", "float", "timestamp", "list", "string"]
NameColumn = Literal["", "symbol", "base", "asset", "exchange", "rule"]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SYNTAX: dict[Kind, tuple[str, str]] = {
    "interval": (r"\d+[smhdwMy]", "5s, 1m, 4h or 1d"),
    "column": (r"[a-z][a-z0-9_]*", "base or symbol"),
}
_WORDS: dict[Kind, str] = {
    "int": "whole number",
    "float": "number",
    "list": "list of texts",
    "string": "text",
}
# an M may be meant as minutes or as months
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdwSHDW])")
_SPANS = "a span of time is like 30s, 15m, 4h, 7d or 2w, or a number of seconds"
_LONGEST_SHOWN = 200  # characters of a value in an error, which an assistant reads whole
# two digits alone may be of another format of time
_WEEK = re.compile(r"\d{4}-?W\d\d")
_BLANK_ZONE = re.compile(r"(\d[Tt ]\d\d\S*) (\d\d:?\d\d)$")
_MOMENTS = "give ISO 8601, like 2026-01-31T12:00 (UTC unless it names a zone)"


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One parameter of a query. A null ``default`` means: no value unless the caller gives one.

    ``names`` is the column whose names its values are, see `liq.query.names`. Without a ``needed``
    one the query has no rows, and a note says so.
    """

    type: Kind
    names: NameColumn = ""
    description: str = ""
    needed: bool = False
    default: Any = None
    choices: list[str | float] = []
    min: float | str | None = None
    max: float | str | None = None

    def value(self, name: str, given: Any) -> Any:
        """Return ``given`` as this parameter's type. Raises `QueryError` naming what is valid."""
        if given is None:
            return None
        try:
            value = _PARSERS[self.type](given)
        except (TypeError, ValueError, OverflowError) as error:
            reason = str(error).removesuffix(f"; not {_show(given)}")  # which is there already
            kind = _WORDS.get(self.type, self.type)
            raise QueryError(f"{name}={_show(given)} is no {kind}: {reason}") from error
        value = self._match_choice(name, given, value)
        self._check_bounds(name, given, value)
        return value

    def check(self, name: str) -> None:
        """Raise `QueryError` unless the declaration makes sense, its default included."""
        if self.names and self.type not in ("list", "string"):
            raise QueryError(f"parameter {name}: names are texts, a list or a string")
        if self.is_syntax and not self.choices:
            raise QueryError(f"parameter {name}: a {self.type} needs choices")
        pattern, like = _SYNTAX.get(self.type, ("", ""))
        if pattern and not all(re.fullmatch(pattern, str(choice)) for choice in self.choices):
            raise QueryError(f"parameter {name}: {self.type}s are like {like}")
        try:
            self.value(name, self.default)
        except (QueryError, TypeError, ValueError) as error:
            raise QueryError(f"parameter {name}: bad default or bounds: {error}") from error

    def list_constraints(self) -> dict[str, Any]:
        """Return the keywords of a JSON schema that limit its values, and its default."""
        found: dict[str, Any] = {"enum": self.choices} if self.choices else {}
        if self.type in ("int", "float"):
            bounds = {"minimum": self.min, "maximum": self.max}
            found |= {key: bound for key, bound in bounds.items() if bound is not None}
        return found | ({} if self.default is None else {"default": self.default})

    @property
    def is_syntax(self) -> bool:
        """Whether its value, one of its choices, is put into the SQL text instead of bound."""
        return self.type in _SYNTAX

    def _match_choice(self, name: str, given: Any, value: Any) -> Any:
        """Return the choice that ``value`` is, in another case if just one is meant."""
        choices = [_PARSERS[self.type](choice) for choice in self.choices]
        if not choices or value in choices:
            return value
        texts = [choice for choice in choices if isinstance(choice, str)]
        is_months = self.type == "interval" and str(value).endswith("M")  # 1m is a minute
        if isinstance(value, str) and not is_months and (meant := match(value, texts)):
            return meant
        raise QueryError(f"{name}={_show(given)} is not a choice{self._suggest(str(given))}")

    def _suggest(self, given: str) -> str:
        """Return the end of an error message: the nearest choice and all choices."""
        near = _find_nearest_interval(given, self.choices) if self.type == "interval" else ""
        return suggest(near or given, [*map(str, self.choices)])

    def _check_bounds(self, name: str, given: Any, value: Any) -> None:
        parse = _PARSERS[self.type]

        def write(bound: float | str) -> object:
            return parse(bound) if self.type == "int" else bound  # JSON gives 1.0

        if self.min is not None and value < parse(self.min):
            raise QueryError(f"{name}={_show(given)} is below the least, {write(self.min)}")
        if self.max is not None and value > parse(self.max):
            raise QueryError(f"{name}={_show(given)} is above the greatest, {write(self.max)}")


def create_paging(
    default: int, most: int, description: str = "maximum number of rows"
) -> dict[str, Parameter]:
    """Return the parameters of a page of rows: ``rows``, by default ``default``, and ``offset``."""
    return {
        "rows": Parameter(type="int", default=default, min=1, max=most, description=description),
        "offset": Parameter(
            type="int", default=0, min=0, max=100_000_000, description="number of rows to skip"
        ),
    }


def create_since() -> Parameter:
    """Return the parameter that each query with a window has beside ``window``."""
    return Parameter(
        type="timestamp",
        description="start of the window (inclusive), in place of its length; until may be its end",
    )


def list_days() -> list[str]:
    """Return timestamps to choose from: today, and days before it, in UTC."""
    today = datetime.now(UTC).date()
    return [str(today - timedelta(days=days)) for days in (0, 1, 7, 30)]


def parse_duration(given: str | float | timedelta) -> timedelta:
    """Return a positive span of time from ``"15m"``, seconds or a ``timedelta``.

    Raises `ValueError` for anything else.
    """
    try:
        if isinstance(given, timedelta):
            span = given
        elif isinstance(given, str) and (match := _DURATION.fullmatch(given.strip())):
            span = timedelta(seconds=float(match[1]) * _UNITS[match[2].lower()])
        else:
            span = timedelta(seconds=_parse_float(given))
    except OverflowError as error:
        raise ValueError(f"{_SPANS}; {shorten(str(given))!r} is too long") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{_SPANS}; not {_show(given)}") from error
    if span <= timedelta(0):
        raise ValueError(f"{_SPANS}; greater than 0")
    return span


def format_duration(span: timedelta) -> str:
    """Return a span of time in the greatest unit of which it is a whole number: ``90m``, ``7d``.

    Fractions of a second are rounded; the least is ``1s``.
    """
    seconds = max(round(span.total_seconds()), 1)
    unit = next((unit for unit in "dhm" if seconds % _UNITS[unit] == 0), "s")
    return f"{seconds // _UNITS[unit]}{unit}"


def _show(given: Any) -> str:
    return shorten(repr(given), _LONGEST_SHOWN)


def _find_nearest_interval(given: str, choices: Sequence[str | float]) -> str:
    """Return the choice that is nearest in length, as 7s and 1s differ little in letters alone.

    "" if ``given`` is no span of time, as ``1M``, which is a month.
    """
    try:
        wanted = parse_duration(given)
        spans = {str(choice): parse_duration(choice) for choice in choices}
    except ValueError:
        return ""
    return min(spans, key=lambda choice: abs(spans[choice] - wanted))


def _parse_int(given: Any) -> int:
    try:
        given = _check_digits(given)
        if isinstance(given, str):
            whole, _, fraction = given.strip().partition(".")
            given = given if fraction.strip("0") else whole  # as JSON has it, 5.0 is an integer too
        number = int(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("give a whole number, like 5") from error
    if not isinstance(given, str) and number != given:
        raise ValueError("it has a fraction")
    return number


def _parse_float(given: Any) -> float:
    try:
        number = float(_check_digits(given))
    except (TypeError, ValueError) as error:
        raise ValueError("give a number, like 5 or 0.5") from error
    if not math.isfinite(number):
        raise ValueError("it is not finite")
    return number


def _check_digits(given: Any) -> Any:
    """Return ``given``; refuse what only Python takes as a number: ``5\xa0``, ``1_0``, True."""
    is_truth = isinstance(given, bool) or getattr(given, "dtype", None) == "bool"  # of numpy
    if is_truth or isinstance(given, bytes | bytearray):
        raise ValueError("no number")
    if isinstance(given, str) and not (given.isascii() and "_" not in given):
        raise ValueError("no ASCII digits")
    return given


def _parse_timestamp(given: Any) -> datetime:
    is_day = isinstance(given, date) and not isinstance(given, datetime)
    moment = datetime.combine(given, time()) if is_day else given
    if not isinstance(moment, str | datetime):
        raise TypeError(f"{_MOMENTS}, or a datetime or a date")
    try:
        moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except ValueError as error:  # also of NaT, which is a datetime
        raise ValueError(_MOMENTS) from error


def is_day(text: str) -> bool:
    """Return whether a timestamp names a day without a time; a week is not a day."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return not _WEEK.fullmatch(text)


def restore_plus(text: str) -> str:
    """Return a timestamp of an address with the ``+`` of its zone, which arrives as a blank.

    Example:
        >>> from liq.query.parameters import restore_plus
        >>> restore_plus("2026-01-31T12:00 01:00"), restore_plus("2026-01-31 12:00")
        ('2026-01-31T12:00+01:00', '2026-01-31 12:00')
    """
    return _BLANK_ZONE.sub(r"\1+\2", text)


def _parse_list(given: Any) -> list[str]:
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise TypeError("give texts")
    items = given.split(",") if isinstance(given, str) else given
    return [text for text in map(_parse_string, items) if text]


def _parse_string(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError("give text")
    if "\0" in given:
        raise ValueError("text cannot hold a NUL")
    if max(given, default="") > "\uffff":  # such text is never stored, and QuestDB misreads some
        raise ValueError("no row has characters beyond U+FFFF")
    return given.strip()


_PARSERS: dict[Kind, Callable[[Any], Any]] = {
    "interval": _parse_string,
    "column": _parse_string,
    "duration": parse_duration,
    "int": _parse_int,
    "float": _parse_float,
    "timestamp": _parse_timestamp,
    "list": _parse_list,
    "string": _parse_string,
}
