"""Rules of the fields of records: one set for publishers, the sink and readers.

The rules are the types of `liq.records.model`. Publishers and redrives call `check`. The sink gets
`describe` as a part of its configuration. Readers add `render_valid_condition` to their window, so
rows that another program wrote into a table break no rule either.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from liq.errors import RejectedMessage

RULES = "record.rules"  # the sink's key
_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "min_length": ">=", "max_length": "<="}
_KINDS: dict[Any, str] = {
    inspect.IntType: "whole",
    inspect.FloatType: "number",
    inspect.StrType: "text",
    inspect.EnumType: "one",
    inspect.BoolType: "flag",
}
_TIME = "time"
_LARGEST_LONG = 2**63 - 1
_BLANK_FIRST = b'" '  # a text that begins so, or JSON with room between its parts
_BLANKS = "".join(map(chr, range(33)))
_LAST_OF_BASIC_PLANE = "\uffff"  # QuestDB's client spoils what is beyond it


def render_moment(micros: int) -> str:
    """Return microseconds as QuestDB reads a time."""
    return f"'{time.strftime('%Y-%m-%dT%H:%M:%S.000000Z', time.gmtime(micros // 1_000_000))}'"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """The rule of one field.

    ``kind`` is time, whole, number, text, one or flag. ``bounds`` are pairs of comparison and
    number, for the value or for a text's length in characters. A text that must not be empty has
    more than blanks. ``choices`` are the values of a field of kind one. A time may be at most
    ``ahead`` microseconds after now. A ``nullable`` field may be null. A ``later`` field may be
    missing, since earlier versions did not have it; in their rows it is null.
    """

    name: str
    kind: str
    bounds: tuple[tuple[str, float], ...] = ()
    choices: tuple[str, ...] = ()
    ahead: int = 0
    nullable: bool = False
    later: bool = False

    @property
    def is_required_text(self) -> bool:
        """Whether it is a text that must not be empty."""
        return self.kind == "text" and (">=", 1) in self.bounds


@cache
def list_rules(record: type[msgspec.Struct]) -> tuple[FieldRule, ...]:
    """Return the rule of each field of ``record``, in order."""
    info = inspect.type_info(record)
    assert isinstance(info, inspect.StructType)  # noqa: S101 - for the type checker
    return tuple(
        replace(_rule(field.name, field.type), later=not field.required) for field in info.fields
    )


def check(record: msgspec.Struct, message: bytes) -> None:
    """Raise `RejectedMessage` if ``record``, just decoded, breaks a rule that no type expresses.

    ``message`` is what it was decoded from.
    """
    named = list_rules(type(record))
    now = time.time_ns() // 1000
    for rule in named:
        if rule.ahead and getattr(record, rule.name) > now + rule.ahead:
            raise RejectedMessage(
                f"{rule.name} is {getattr(record, rule.name)}, more than"
                f" {rule.ahead // 1_000_000} s ahead of now"
            )
    if message.isascii() and b"\\" not in message and _BLANK_FIRST not in message:
        return
    for rule in named:
        text = getattr(record, rule.name) if rule.kind == "text" else None
        if text and max(text) > _LAST_OF_BASIC_PLANE:
            raise RejectedMessage(f"{rule.name} has characters that QuestDB's client cannot send")
        if text and rule.is_required_text and not text.strip(_BLANKS):
            raise RejectedMessage(f"{rule.name} has nothing but blanks")


def describe(record: type[msgspec.Struct]) -> str:
    """Return the rules for the sink's configuration, e.g. ``price number >=2e-10 <1e+18,…``.

    ``?`` after a field's name means that it may be null, ``*`` that it may be missing. ``now+``
    begins a bound in microseconds.
    """
    return ",".join(_describe(rule) for rule in list_rules(record))


@cache
def render_valid_condition(
    record: type[msgspec.Struct], moment: Callable[[int], str] = render_moment
) -> str:
    """Return the SQL condition of rows of ``record`` that break no rule.

    ``moment`` writes microseconds as a time, for engines other than QuestDB. The condition leaves
    out ``ts``: readers have their window, and in a view's key QuestDB 9.3 would then group by the
    other columns too. It leaves out texts that are too long, which break no reader and cost most
    to find. It must check that names are not empty: this keeps QuestDB from compiling the terms
    to machine code, and 9.3 crashes when it compiles that many.
    """
    return " AND ".join(term for rule in list_rules(record) for term in _valid_terms(rule, moment))


@cache
def render_odd_condition(record: type[msgspec.Struct]) -> str:
    """Return the SQL condition of rows of ``record`` that break a rule.

    ``NOT`` of `render_valid_condition` misses nulls, because QuestDB rewrites it into other
    comparisons.
    """
    return " OR ".join(term for rule in list_rules(record) for term in _odd_terms(rule))


@cache
def render_broken_fields(record: type[msgspec.Struct]) -> str:
    """Return the SQL text that names the fields by which a row breaks a rule."""
    parts = [
        f"CASE WHEN {' OR '.join(terms)} THEN '{rule.name} ' ELSE '' END"
        for rule in list_rules(record)
        if (terms := _odd_terms(rule))
    ]
    return f"trim(concat({', '.join(parts)}))"


@cache
def render_fields(record: type[msgspec.Struct]) -> str:
    """Return the SQL text of all fields of a row but ``ts``, each with its name."""
    parts = (
        f"'{rule.name}=', {rule.name}, ' '" for rule in list_rules(record) if rule.name != "ts"
    )
    return f"trim(concat({', '.join(parts)}))"


def _rule(name: str, kind: Any) -> FieldRule:
    extra: dict[str, Any] = {}
    nullable = isinstance(kind, inspect.UnionType)
    if nullable:
        [kind] = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
    if isinstance(kind, inspect.Metadata):
        kind, extra = kind.type, kind.extra or {}
    bounds = tuple(
        (sign, bound)
        for key, sign in _BOUNDS.items()
        if (bound := getattr(kind, key, None)) is not None
    )
    choices = tuple(map(str, kind.cls)) if isinstance(kind, inspect.EnumType) else ()
    ahead = extra.get("ahead", 0)
    named = _TIME if ahead else _KINDS[type(kind)]
    return FieldRule(name, named, bounds, choices, ahead, nullable)


def _describe(rule: FieldRule) -> str:
    marks = "?" * rule.nullable + "*" * rule.later
    words = [f"{rule.name}{marks}", rule.kind, *rule.choices]
    words += [f"{sign}{bound}" for sign, bound in rule.bounds]
    words += [f"<=now+{rule.ahead}"] if rule.ahead else []
    return " ".join(words)


def _is_checked(rule: FieldRule) -> bool:
    """Return True if readers check the field; flags are never odd, and ``ts`` has its own check."""
    return not (rule.nullable or rule.later or rule.kind == "flag" or rule.name == "ts")


def _valid_terms(rule: FieldRule, moment: Callable[[int], str]) -> Iterator[str]:
    if not _is_checked(rule):
        return
    if rule.kind == "one":
        yield f"{rule.name} IN ({_quoted(rule)})"
    bounds = _bounds(rule, moment)
    if rule.is_required_text:
        yield f"{rule.name} != ''"
    if rule.kind != "one" and not bounds:
        yield f"{rule.name} IS NOT NULL"
    for sign, bound in bounds:
        yield f"{rule.name} {sign} {bound}"


def _odd_terms(rule: FieldRule) -> list[str]:
    if not _is_checked(rule):
        return []
    terms = [f"{rule.name} IS NULL"]
    if rule.is_required_text:
        terms.append(f"{rule.name} = ''")
    if rule.kind == "one":
        terms.append(f"{rule.name} NOT IN ({_quoted(rule)})")
    opposite = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}
    return terms + [
        f"{rule.name} {opposite[sign]} {bound}" for sign, bound in _bounds(rule, render_moment)
    ]


def _bounds(rule: FieldRule, moment: Callable[[int], str]) -> list[tuple[str, str]]:
    """Return the bounds that a stored value could break, as SQL."""
    if rule.kind == _TIME:
        return [(">=", moment(int(bound))) for sign, bound in rule.bounds if sign == ">="]
    if rule.kind == "text":
        return []
    return [
        (sign, f"{bound}".replace("e+", "e"))
        for sign, bound in rule.bounds
        if abs(bound) != _LARGEST_LONG
    ]


def _quoted(rule: FieldRule) -> str:
    return ", ".join(f"'{choice}'" for choice in rule.choices)
