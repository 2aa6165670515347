"""Decide from the rows of a rule's query whether it raises alerts: pure functions."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from liq.analysis.alerts.rules import Comparison, Rule
from liq.errors import RuleError
from liq.records.model import LIVE_SOURCES, Alert, Text

SUBJECT_SEPARATOR = ", "
_COMPARE: dict[Comparison, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured value (None if there is none), whether the condition is met, and the row, if any.

    ``live`` is whether all counted prints came from exchanges. ``subject`` holds the values of the
    columns in the rule's ``by``, None for a rule without ``by``.
    """

    value: float | None
    met: bool
    row: Mapping[str, Any]
    rows: int
    live: bool
    subject: str | None = None


Fired = Mapping[str | None, datetime]  # when a rule fired last, by its subject


def measure(rule: Rule, frame: pd.DataFrame) -> list[Measured]:
    """Return the measured value of each of the rule's subjects.

    Raises `RuleError` if the rows lack a column that the rule names.
    """
    for column in (rule.column, *rule.by):
        if column not in frame:
            raise RuleError(f"{rule.query} gave no column {column!r}")
    return list(_measure_groups(rule, frame)) if rule.by else [_measure_rows(rule, frame)]


def find_nearest(rule: Rule, seen: Sequence[Measured]) -> Measured | None:
    """Return the value that exceeds the threshold most, or misses it least."""
    known = [one for one in seen if one.value is not None]
    best = min if rule.comparison in ("<", "<=") else max
    chosen = [one for one in known if one.met] or known
    return best(chosen, key=lambda one: one.value or 0.0) if chosen else None


def _measure_groups(rule: Rule, frame: pd.DataFrame) -> Iterator[Measured]:
    for values, rows in frame.groupby(list(rule.by), sort=True, dropna=False):
        seen = _measure_rows(rule, rows)
        named = dict(zip(rule.by, values, strict=True))
        yield replace(
            seen, row={**named, **seen.row}, subject=SUBJECT_SEPARATOR.join(map(str, values))
        )


def _measure_rows(rule: Rule, frame: pd.DataFrame) -> Measured:
    if rule.aggregate == "any":
        return _find_extreme(rule, frame)
    column = frame[rule.column].dropna()
    value = _aggregate(column, rule.aggregate)
    met = value is not None and bool(compare(rule.comparison, value, rule.threshold))
    return Measured(value, met, {}, len(frame), _is_live(frame))


def decide(
    name: str, rule: Rule, seen: Sequence[Measured], now: datetime, fired: Fired
) -> list[Alert]:
    """Return the alerts that ``rule`` raises at ``now`` for the values ``seen``.

    A subject in its cool-down raises none. Raises `RuleError` if the rows lack a column that the
    message names.
    """
    return [
        _build_alert(name, rule, one, one.value, now)
        for one in seen
        if one.met and one.value is not None and not is_cooling_down(rule, one.subject, now, fired)
    ]


def is_cooling_down(rule: Rule, subject: str | None, now: datetime, fired: Fired) -> bool:
    """Return True if ``rule`` fired for ``subject`` within its cool-down."""
    return subject in fired and now - fired[subject] < rule.cool_down_span


def _build_alert(name: str, rule: Rule, seen: Measured, value: float, now: datetime) -> Alert:
    return Alert(
        ts=round(now.timestamp() * 1_000_000),
        rule=name,
        severity=rule.severity,
        query=rule.query,
        measure=rule.column,
        value=value,
        threshold=rule.threshold,
        message=Text(_format_message(name, rule, seen)),
        live=seen.live,
        subject=seen.subject,
    )


def compare(comparison: Comparison, values: Any, threshold: float) -> Any:
    """Return whether a number, or each number of a column, meets the condition."""
    return _COMPARE[comparison](values, threshold)


def _find_extreme(rule: Rule, frame: pd.DataFrame) -> Measured:
    """Return the row that exceeds the threshold most, or misses it least."""
    known = frame[frame[rule.column].notna()]
    hits = known[compare(rule.comparison, known[rule.column], rule.threshold)]
    chosen = hits if len(hits) else known
    if chosen.empty:
        return Measured(None, met=False, row={}, rows=len(frame), live=_is_live(frame))
    ordered = chosen.sort_values(
        rule.column, ascending=rule.comparison in ("<", "<="), kind="stable"
    )
    row = {str(column): value for column, value in ordered.iloc[0].items()}
    return Measured(
        float(row[rule.column]), bool(len(hits)), row, len(frame), _is_live(ordered[:1])
    )


def _aggregate(column: "pd.Series[Any]", aggregate: str) -> float | None:
    if aggregate == "count":
        return float(len(column))
    if column.empty:
        return 0.0 if aggregate == "sum" else None
    value = column.iloc[-1] if aggregate == "last" else column.agg(aggregate)
    return float(value)


def _is_live(frame: pd.DataFrame) -> bool:
    if "source" in frame:
        return bool(frame["source"].isin(LIVE_SOURCES).all())
    return "not_live" not in frame or not frame["not_live"].fillna(0).any()


def _format_message(name: str, rule: Rule, seen: Measured) -> str:
    about = {
        **seen.row,
        "rule": name,
        "value": seen.value,
        "threshold": rule.threshold,
        "window": rule.window,
        "rows": seen.rows,
    }
    try:
        return rule.message.format_map(about)
    except (LookupError, ArithmeticError, ValueError, TypeError) as error:
        raise RuleError(f"its message cannot be written: {error!r}") from error
