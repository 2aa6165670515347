"""From the rows of a rule's query to an alert or none: pure functions."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from liq.alerts.rules import Comparison, Rule
from liq.charts import LIVE_SOURCES
from liq.errors import RuleError
from liq.model import Alert, Text

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
    """What a rule sees: a value (None: nothing to compare), whether it is met, the row, if any.

    ``live`` is whether all prints that count came from exchanges.
    """

    value: float | None
    met: bool
    row: Mapping[str, Any]
    rows: int
    live: bool


def measure(rule: Rule, frame: pd.DataFrame) -> Measured:
    """Return what the rows mean to ``rule``. Raises `RuleError` if they lack its column."""
    if rule.column not in frame:
        raise RuleError(f"{rule.query} gave no column {rule.column!r}")
    if rule.aggregate == "any":
        return _extreme(rule, frame)
    column = frame[rule.column].dropna()
    value = _aggregated(column, rule.aggregate)
    met = value is not None and bool(compare(rule.comparison, value, rule.threshold))
    return Measured(value, met, {}, len(frame), _live(frame))


def decide(
    name: str, rule: Rule, frame: pd.DataFrame, now: datetime, fired: datetime | None
) -> Alert | None:
    """Return the alert that ``rule`` raises at ``now``: none if it fired within its cool-down.

    ``frame`` holds the rows of its query, ``fired`` is when it fired last. Raises `RuleError` if
    the rows lack what the rule names.
    """
    seen = measure(rule, frame)
    if not seen.met or seen.value is None or (fired and now - fired < rule.rest):
        return None
    return Alert(
        ts=round(now.timestamp() * 1_000_000),
        rule=name,
        severity=rule.severity,
        query=rule.query,
        measure=rule.column,
        value=seen.value,
        threshold=rule.threshold,
        message=Text(_message(name, rule, seen)),
        live=seen.live,
    )


def compare(comparison: Comparison, values: Any, threshold: float) -> Any:
    """Return whether a number meets the condition, of a column for each of its rows."""
    return _COMPARE[comparison](values, threshold)


def _extreme(rule: Rule, frame: pd.DataFrame) -> Measured:
    """Of the rows that meet the condition the one that does so most; else the nearest."""
    known = frame[frame[rule.column].notna()]
    hits = known[compare(rule.comparison, known[rule.column], rule.threshold)]
    chosen = hits if len(hits) else known
    if chosen.empty:
        return Measured(None, met=False, row={}, rows=len(frame), live=_live(frame))
    ordered = chosen.sort_values(
        rule.column, ascending=rule.comparison in ("<", "<="), kind="stable"
    )
    row = {str(column): value for column, value in ordered.iloc[0].items()}
    return Measured(float(row[rule.column]), bool(len(hits)), row, len(frame), _live(ordered[:1]))


def _aggregated(column: "pd.Series[Any]", aggregate: str) -> float | None:
    if aggregate == "count":
        return float(len(column))
    if column.empty:
        return 0.0 if aggregate == "sum" else None
    value = column.iloc[-1] if aggregate == "last" else column.agg(aggregate)
    return float(value)


def _live(frame: pd.DataFrame) -> bool:
    if "source" in frame:
        return bool(frame["source"].isin(LIVE_SOURCES).all())
    return "not_live" not in frame or not frame["not_live"].fillna(0).any()


def _message(name: str, rule: Rule, seen: Measured) -> str:
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
    except (LookupError, ValueError, TypeError) as error:
        raise RuleError(f"its message cannot be written: {error!r}") from error
