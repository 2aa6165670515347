"""Compare what a rule measures with the past: with the usual, or by percentile.

Amounts are compared as rates, for each covered second. A past window of which less than half was
covered counts as no window at all, so that missing data is not a quiet market.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from liq.analysis.alerts.decision import Measured, compare, measure
from liq.analysis.alerts.rules import (
    LEAST_HOURS,
    Percentile,
    Rule,
    Usual,
    choose_stride,
    count_needed_windows,
)
from liq.config import Settings
from liq.errors import RuleError
from liq.query import queries

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
LEAST_COVERED = 0.5  # of a window
_AT_ONCE = 3  # queries; a backtest does so for 4 moments at once
_MOST_KEPT = 50_000  # windows
_COVERED = "covered"

Against = Usual | Percentile
Rates = Mapping[str | None, float]  # by subject, per covered second
_UNREAD: Rates = {"": math.nan}


class Compared(NamedTuple):
    """Measured values as multiples or percentiles, and why there are none, if there are none."""

    seen: list[Measured]
    notes: tuple[str, ...] = ()


class History:
    """Rates of past windows, each of which is read once.

    A call of `measure` reads windows for ``seconds`` at most, and the next call goes on. ``report``
    is called with the number of windows that are known, after each that was read, in any thread.
    """

    def __init__(
        self,
        settings: Settings,
        seconds: float = math.inf,
        report: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._seconds = seconds
        self._report = report
        self._kept: dict[object, Rates | None] = {}

    def measure(self, rule: Rule, moment: datetime | None = None) -> Compared:
        """Return what ``rule`` measures as of ``moment``, by default now.

        Raises:
            RuleError: The rows lack a column, or are several where one was expected.
            LiqError: A query fails.
        """
        until = {"until": moment} if moment else {}
        frame = queries.fetch(rule.query, self._settings, **rule.given | until)
        seen = measure(rule, frame)
        notes = tuple(frame.attrs.get("notes", ()))
        if rule.against is None:
            return Compared(seen, notes)
        _check_single(rule, seen)
        found = self._compare(rule, rule.against, seen, moment or datetime.now(UTC))
        return found._replace(notes=(*notes, *found.notes))

    def _compare(
        self, rule: Rule, against: Against, seen: list[Measured], moment: datetime
    ) -> Compared:
        share = self._read_share(rule, rule.window_span, moment)
        if share < LEAST_COVERED:  # without a number, which would be logged at each tick
            return _give_up(seen, "feeds cover less than half of its window")
        read = self._read_past(rule, *_list_windows(rule, against, moment))
        if any(rates is _UNREAD for rates in read):
            return _give_up(seen, "its history is still being read")
        past = [rates for rates in read if rates is not None]
        needed = _count_needed(rule)
        if len(past) < needed:
            what = "hour(s) of the week" if isinstance(against, Usual) else "window(s)"
            return _give_up(
                seen, f"too little history: {len(past)} covered {what} in the past, needs {needed}"
            )
        seconds = share * rule.window_span.total_seconds()
        compared = [
            _rate(
                rule,
                one,
                (one.value or 0.0) / seconds,
                [each.get(one.subject, 0.0) for each in past],
            )
            for one in seen
        ]
        idle = [one for one in compared if one.value is None]
        notes = ("the usual is 0, of which there is no multiple",) if idle and not rule.by else ()
        return Compared(compared, notes)

    def _read_past(
        self, rule: Rule, ends: Sequence[datetime], span: timedelta
    ) -> list[Rates | None]:
        late = time.monotonic() + self._seconds
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            return list(pool.map(lambda end: self._read_rates(rule, span, end, late), ends))
        finally:
            pool.shutdown(cancel_futures=True)

    def _read_rates(self, rule: Rule, span: timedelta, end: datetime, late: float) -> Rates | None:
        """Return a past window's rates, None if it was not covered, `_UNREAD` if it is late."""
        key = (rule.source, span, end)
        rates = self._kept.get(key, _UNREAD)
        if rates is _UNREAD and time.monotonic() < late:
            rates = self._fetch_rates(rule, span, end)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = rates
            self._report(len(self._kept))
        return rates

    def _fetch_rates(self, rule: Rule, span: timedelta, end: datetime) -> Rates | None:
        share = self._read_share(rule, span, end)
        if share < LEAST_COVERED:
            return None
        given = rule.given | {"window": span, "until": end}
        seen = measure(rule, queries.fetch(rule.query, self._settings, **given))
        _check_single(rule, seen)
        return {one.subject: (one.value or 0.0) / (share * span.total_seconds()) for one in seen}

    def _read_share(self, rule: Rule, span: timedelta, end: datetime) -> float:
        """Return the covered share of a window, for the rule's exchanges."""
        given: dict[str, Any] = {"window": span, "until": end}
        if "exchange" in rule.given:
            given["exchange"] = rule.given["exchange"]
        covered = queries.fetch(_COVERED, self._settings, **given)["covered_s"].sum()
        return float(covered) / span.total_seconds()


def _rate(rule: Rule, seen: Measured, rate: float, past: Sequence[float]) -> Measured:
    """Return the rate as a multiple of the usual, or as a percentile, of ``past`` rates."""
    median = statistics.median(past)
    if isinstance(rule.against, Percentile):
        value: float | None = 100 * sum(each < rate for each in past) / len(past)
    else:
        value = rate / median if median > 0 else None
    seconds = rule.window_span.total_seconds()
    about = {"measured": rate * seconds, "usual": median * seconds}
    met = value is not None and bool(compare(rule.comparison, value, rule.threshold))
    return replace(seen, value=value, met=met, row={**seen.row, **about})


def _give_up(seen: Sequence[Measured], reason: str) -> Compared:
    """Return values that raise nothing, and the reason."""
    return Compared([replace(one, value=None, met=False) for one in seen], (reason,))


def _check_single(rule: Rule, seen: Sequence[Measured]) -> None:
    if rule.aggregate == "any" and any(one.rows > 1 for one in seen):
        raise RuleError(
            f"{rule.query} gave several rows, which have no common rate; give an aggregate"
        )


def _count_needed(rule: Rule) -> int:
    return LEAST_HOURS if isinstance(rule.against, Usual) else count_needed_windows(rule.threshold)


def _list_windows(
    rule: Rule, against: Against, moment: datetime
) -> tuple[list[datetime], timedelta]:
    """Return the ends of the past windows, and their length.

    Those of a percentile are spread evenly, and the window of ``moment`` overlaps none of them.
    """
    if isinstance(against, Usual):
        middle = moment - rule.window_span / 2
        hour = floor(middle, HOUR) + HOUR
        return [hour - week * WEEK for week in range(1, against.weeks + 1)], HOUR
    stride = choose_stride(rule.window_span, against.days)
    last = floor(moment - rule.window_span, stride)
    count = timedelta(days=against.days) // stride
    return [last - number * stride for number in range(count)], rule.window_span


def floor(moment: datetime, span: timedelta) -> datetime:
    """Return the start of the ``span`` that ``moment`` is in."""
    return _EPOCH + (moment - _EPOCH) // span * span
