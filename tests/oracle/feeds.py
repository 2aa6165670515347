"""Queries of feed health, and of alerts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from oracle.compare import Answer
from oracle.tables import Values, ordered, since, span, times, until, window
from oracle.world import VENUES, World

_LIMIT = 5_000_000  # microseconds without a report after which a feed counts as lost
_HOUR = 3_600_000_000


def feed_health(world: World, values: Values) -> Answer:
    feeds = _reporting(world, values)
    feeds["known"] = feeds["exchange"].isin(VENUES)
    reports = window(world.health, values).sort_values("ts")
    open_at = reports["ts"].astype("Int64").where(reports["connected"].astype(bool))
    groups = reports.assign(open_at=open_at).groupby(["exchange", "source"], as_index=False)
    summed = groups.agg(
        completeness=("completeness", "last"), open=("connected", "last"),
        connected_ts=("open_at", "max"), first_ts=("ts", "min"),
        messages=("messages", "sum"), gaps=("gaps", "sum"), reconnects=("reconnects", "sum"),
        lag_s=("lag", "mean"), max_lag_s=("lag", "max"), max_queued=("queued", "max"),
        passed=("passed", "sum"), too_old=("too_old", "sum"),
        contracts=("contracts", _last), contracts_age_s=("contracts_age", _last),
        contracts_fault=("contracts_fault", _last),
    )  # fmt: skip
    rows = feeds.merge(summed, on=["exchange", "source"], how="left")
    young = rows["ts"] > until(values) - _LIMIT
    rows["connected"] = (rows["open"] == 1) & young & ~rows["stopped"]
    rows["silent"] = rows["known"] & ~rows["connected"] & ~rows["stopped"]
    counts = ["messages", "gaps", "reconnects", "max_queued", "passed", "too_old"]
    rows[counts] = rows[counts].fillna(0).astype(np.int64)
    names = [
        "exchange", "source", "known", "completeness", "ts", "connected", "connected_ts",
        "stopped", "silent", "first_ts", "messages", "gaps", "reconnects", "lag_s", "max_lag_s",
        "max_queued", "passed", "too_old", "contracts", "contracts_age_s", "contracts_fault",
    ]  # fmt: skip
    rows = ordered(rows[names], exchange=True, source=True)
    return Answer(times(rows, "ts", "connected_ts", "first_ts"), ("exchange", "source"))


def _last(values: pd.Series) -> Any:
    """Return the last value, null or not: pandas' own looks for one that is not."""
    return values.iloc[-1]


def coverage(world: World, values: Values) -> Answer:
    table = ordered(_lost(world, values), from_ts=True, exchange=True, source=True)
    return Answer(times(table, "from_ts", "to_ts"), ("from_ts", "exchange", "source"))


def feed_coverage(world: World, values: Values) -> Answer:
    lost = _lost(world, values).groupby(["exchange", "source"], as_index=False)
    sums = lost.agg(missing_s=("missing_s", "sum"), lost_to=("to_ts", "max"))
    rows = _expected(world, values).merge(sums, on=["exchange", "source"], how="left")
    rows["connected"] = ~rows["stopped"] & (rows["lost_to"] != rows["expected_to"])
    rows["missing_s"] = rows["missing_s"].astype(float).fillna(0)
    rows["missing"] = rows["missing_s"] * 1e6 / (until(values) - since(values))
    names = ["exchange", "source", "ts", "stopped", "connected", "missing_s", "missing"]
    rows = ordered(rows[names], exchange=True, source=True)
    return Answer(times(rows, "ts"), ("exchange", "source"))


def covered(world: World, values: Values) -> Answer:
    return Answer(times(covered_hours(world, values), "ts"), ("ts",))


def covered_hours(world: World, values: Values) -> pd.DataFrame:
    """Return ``ts`` of each hour of the window, how many seconds it has, how many were covered."""
    begin, end = since(values), until(values)
    feeds, lost = _expected(world, values), _lost(world, values)
    reported, printed = (
        set(_chosen(window(frame, values), values)["ts"] // _HOUR * _HOUR)
        for frame in (_of_venues(world.health), world.prints)
    )
    rows = []
    for hour in range(begin // _HOUR * _HOUR, end, _HOUR):
        first, last = max(hour, begin), min(hour + _HOUR, end)
        covered = float(last - first) if hour in printed else 0.0
        if hour in reported:
            due = (feeds["expected_to"].clip(upper=last) - first).clip(lower=0)
            away = lost["to_ts"].clip(upper=last) - lost["from_ts"].clip(lower=first)
            part = 1 - away.clip(lower=0).sum() / due.sum() if due.sum() else 0.0
            covered = due.max() * part
        rows.append((hour, (last - first) / 1e6, covered / 1e6))
    return pd.DataFrame(rows, columns=["ts", "window_s", "covered_s"])


def _chosen(frame: pd.DataFrame, values: Values) -> pd.DataFrame:
    return frame[frame["exchange"].isin(values["exchange"])] if values["exchange"] else frame


def _of_venues(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of exchanges that liq knows: of no other one a feed is expected."""
    return frame[frame["exchange"].isin(VENUES)]


def _reports_of_window(world: World, values: Values) -> pd.DataFrame:
    """Return the reports about the window's feeds, and earlier ones."""
    health = _chosen(world.health, values)
    begin = since(values) - span(values["look_back"])
    return health[(health["ts"] >= begin) & (health["ts"] < until(values))].sort_values("ts")


def _expected(world: World, values: Values) -> pd.DataFrame:
    """Return those of `_reporting` that are missed when they are disconnected."""
    return _of_venues(_reporting(world, values))


def _reporting(world: World, values: Values) -> pd.DataFrame:
    """Return the feeds, their last report, whether it reports a stop, and up to when they count.

    A stop before the window ends all.
    """
    groups = _reports_of_window(world, values).groupby(["exchange", "source"], as_index=False)
    feeds = groups.agg(ts=("ts", "last"), stopped=("stopped", "last"))
    feeds = feeds[~feeds["stopped"].astype(bool) | (feeds["ts"] >= since(values))]
    stopped = feeds["stopped"].astype(bool)
    return feeds.assign(stopped=stopped, expected_to=feeds["ts"].where(stopped, until(values)))


def _lost(world: World, values: Values) -> pd.DataFrame:
    reports = _reports_of_window(world, values)
    feeds: Iterator[Any] = _expected(world, values).itertuples()
    rows = [
        (feed.exchange, feed.source, begin, end, (end - begin) / 1e6)
        for feed in feeds
        for begin, end in _gaps(
            reports[(reports["exchange"] == feed.exchange) & (reports["source"] == feed.source)],
            since(values),
            feed.expected_to,
        )
    ]
    names = ["exchange", "source", "from_ts", "to_ts", "missing_s"]
    return pd.DataFrame(rows, columns=names)


def _gaps(reports: pd.DataFrame, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield when a feed was missing: from its last message before a fault to the first after it.

    A fault is a report of a lost connection, one after a stop, and more than five
    seconds without any. A stop while connected is as good as a message.
    """
    reported = known_to = begin
    faulty = after_stop = False
    columns = ("ts", "gaps", "connected", "messages", "stopped")
    rows = zip(*(reports[name] for name in columns), strict=True)
    for ts, gaps, connected, messages, stopped in rows:
        if ts < begin:
            continue
        faulty |= bool(gaps) or not connected or after_stop or ts - reported > _LIMIT
        reported, after_stop = ts, stopped
        if messages or (stopped and connected):
            if faulty and known_to < ts:
                yield known_to, ts
            known_to, faulty = ts, False
    if (faulty or end - max(reported, begin) > _LIMIT) and known_to < end:
        yield known_to, end


def alerts(world: World, values: Values) -> Answer:
    rows = window(world.alerts, values)
    if chosen := values["rules"]:
        rows = rows[rows["rule"].isin(chosen)]
    names = [
        "ts",
        "rule",
        "severity",
        "message",
        "value",
        "threshold",
        "query",
        "measure",
        "live",
        "subject",
    ]
    return Answer(times(ordered(rows[names], ts=False), "ts"), ("ts",), values["limit"])
