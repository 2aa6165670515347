"""What was liquidated in the last minutes and hours, as multiples of the usual.

The usual of a time is the median rate of the same hours of the last four weeks, each divided by the
time that feeds covered. Hours of which less than half was covered do not count, so that missing
data is not a quiet market. Rules against the usual mean the same (`liq.analysis.alerts.history`).
"""

import statistics
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd

from liq.analysis.alerts.history import HOUR, LEAST_COVERED, WEEK, floor
from liq.analysis.alerts.rules import LEAST_HOURS
from liq.config import Settings
from liq.query import queries

SPANS: Mapping[str, timedelta] = {
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "24h": timedelta(hours=24),
}
UNREAD = "the usual is being read"
_INTERVAL_S = 30.0  # between two readings of the covered shares, which take a quarter of a second
_WEEKS = 4
_BACK = _WEEKS * WEEK + timedelta(hours=26)  # the longest span, and hours that the window cuts
_SIDES = ("long", "short")


class Past(NamedTuple):
    """Hours of the last weeks: notional by side, from ``liquidations_by_bucket``, and ``covered``.

    ``shares`` is the covered share of each of `SPANS` as of ``moment``.
    """

    hours: pd.DataFrame
    covered: pd.DataFrame
    shares: Mapping[str, float]
    moment: datetime


class PaceReader:
    """Reads the sums of `SPANS` at once, and the past on a thread of its own, an hour's once.

    The past takes a second with many feeds, for which no page should wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None
        self._past: tuple[object, Past | Exception | None] = (None, None)  # and of which filters
        self._read_at = float("-inf")

    def read(self, filters: Mapping[str, Any], until: datetime | None = None) -> pd.DataFrame:
        """Return what `compare` returns of the newest past; ``filters`` are those of ``totals``.

        Raises:
            LiqError: The sums cannot be read.
        """
        end = {"until": until} if until else {}
        rows = [
            self._fetch("totals", window=span, **end, **filters).assign(span=name)
            for name, span in SPANS.items()
        ]
        self._start(filters, until)
        key, past = self._past
        known = past if key == _identify(filters, until) else None
        return compare(pd.concat(rows, ignore_index=True), known)

    def wait(self, seconds: float) -> None:
        """Wait until the past is read."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _start(self, filters: Mapping[str, Any], until: datetime | None) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        is_old = time.monotonic() - self._read_at > _INTERVAL_S
        if is_old or self._past[0] != _identify(filters, until):
            run = (dict(filters), until)
            self._thread = threading.Thread(target=self._read_past, args=run, daemon=True)
            self._thread.start()

    def _read_past(self, filters: Mapping[str, Any], until: datetime | None) -> None:
        key, moment = _identify(filters, until), until or datetime.now(UTC)
        found: Past | Exception
        try:
            shares = self._read_shares(filters, moment)
            known, past = self._past
            if known == key and isinstance(past, Past) and _is_same_hour(past.moment, moment):
                found = past._replace(shares=shares, moment=moment)
            else:
                found = self._read_hours(filters, shares, moment)
        except Exception as error:  # no caller receives it
            found = error
        self._past, self._read_at = (key, found), time.monotonic()

    def _read_shares(self, filters: Mapping[str, Any], moment: datetime) -> Mapping[str, float]:
        return {
            name: float(
                self._fetch("covered", window=span, until=moment, **_choose_feeds(filters))[
                    "covered_s"
                ].sum()
                / span.total_seconds()
            )
            for name, span in SPANS.items()
        }

    def _read_hours(
        self, filters: Mapping[str, Any], shares: Mapping[str, float], moment: datetime
    ) -> Past:
        given = {"window": _BACK, "until": moment}
        hours = self._fetch("liquidations_by_bucket", bucket="1h", **given, **filters)
        covered = self._fetch("covered", **given, **_choose_feeds(filters))
        return Past(hours, covered, shares, moment)

    def _fetch(self, key: str, **params: Any) -> pd.DataFrame:
        return queries.fetch(key, self._settings, **params)


def compare(totals: pd.DataFrame, past: Past | Exception | None) -> pd.DataFrame:
    """Return ``totals`` of `SPANS` with the multiples of the usual.

    Args:
        totals: Rows of ``totals``, each with its ``span``.
        past: What `PaceReader` read; None while it is not known.

    Returns:
        ``totals`` with ``covered`` (share of the span), ``long_times`` and ``short_times``
        (multiples of the usual, NaN if there is none), ``note`` (why there is none) and ``unreal``
        (whether the usual has simulated or replayed prints).
    """
    rows: Any = totals.itertuples(index=False)
    compared = [_compare_span(str(row.span), row, past) for row in rows]
    names = ["covered", "long_times", "short_times", "note", "unreal"]
    return totals.join(pd.DataFrame(compared, columns=names, index=totals.index))


def _identify(filters: Mapping[str, Any], until: datetime | None) -> object:
    return sorted(filters.items()), until


def _is_same_hour(one: datetime, other: datetime) -> bool:
    """Whether both have the same hours as their usual, of each span."""
    half = HOUR / 2
    return floor(one, half) == floor(other, half)


def _choose_feeds(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if name == "exchange"}


def _compare_span(
    name: str, row: Any, past: Past | Exception | None
) -> tuple[float, float, float, str, bool]:
    nothing = float("nan")
    if not isinstance(past, Past):
        note = UNREAD if past is None else f"the usual could not be read: {past}"
        return nothing, nothing, nothing, note, False
    share = min(past.shares[name], 1.0)
    if share < LEAST_COVERED:
        return share, nothing, nothing, f"feeds covered {share:.0%} of it", False
    rates, unreal = find_usual(past, SPANS[name])
    if rates is None:
        return share, nothing, nothing, "too little history for the usual", False
    seconds = share * SPANS[name].total_seconds()
    long, short = (
        getattr(row, f"{side}_usd") / seconds / rate if rate > 0 else nothing
        for side, rate in zip(_SIDES, rates, strict=True)
    )
    never = [f"{side}s" for side, rate in zip(_SIDES, rates, strict=True) if not rate]
    return share, long, short, f"usually no {' or '.join(never)}" if never else "", unreal


def find_usual(past: Past, span: timedelta) -> tuple[list[float] | None, bool]:
    """Return the usual USD a covered second, of longs and of shorts, and whether it is unreal."""
    length = max(span, HOUR)
    end = floor(past.moment - span / 2, HOUR) + HOUR if span <= HOUR else floor(past.moment, HOUR)
    rates: list[list[float]] = []
    unreal = False
    for week in range(1, _WEEKS + 1):
        until = end - week * WEEK
        hours, covered = (
            frame[(frame["ts"] >= until - length) & (frame["ts"] < until)]
            for frame in (past.hours, past.covered)
        )
        seconds = float(covered["covered_s"].sum())
        if seconds >= LEAST_COVERED * length.total_seconds():
            rates.append([float(hours[f"{side}_usd"].sum()) / seconds for side in _SIDES])
            unreal = unreal or bool(hours["not_live"].sum())
    if len(rates) < LEAST_HOURS:
        return None, False
    return [statistics.median(side) for side in zip(*rates, strict=True)], unreal
