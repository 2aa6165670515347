"""Queries of feed health, and of alerts."""

from collections.abc import Iterator

import pandas as pd

from oracle.compare import Answer
from oracle.tables import Values, ordered, since, times, until, window
from oracle.world import World

_LIMIT = 5_000_000  # microseconds without a report after which a feed counts as lost
_WEEK = 7 * 86_400_000_000


def feed_health(world: World, values: Values) -> Answer:
    reports = window(world.health, values).sort_values("ts")
    if chosen := values["exchange"]:
        reports = reports[reports["exchange"].isin(chosen)]
    open_at = reports["ts"].astype("Int64").where(reports["connected"].astype(bool))
    groups = reports.assign(open_at=open_at).groupby(["exchange", "source"], as_index=False)
    rows = groups.agg(
        completeness=("completeness", "last"), ts=("ts", "max"), connected=("connected", "last"),
        connected_ts=("open_at", "max"),
        messages=("messages", "sum"), gaps=("gaps", "sum"), reconnects=("reconnects", "sum"),
        lag_s=("lag", "mean"), max_lag_s=("lag", "max"), max_queued=("queued", "max"),
        passed=("passed", "sum"), too_old=("too_old", "sum"),
    )  # fmt: skip
    rows["connected"] &= rows["ts"] > until(values) - _LIMIT
    rows = ordered(rows, exchange=True, source=True)
    return Answer(times(rows, "ts", "connected_ts"), ("exchange", "source"))


def coverage(world: World, values: Values) -> Answer:
    health = world.health
    if chosen := values["exchange"]:
        health = health[health["exchange"].isin(chosen)]
    within = (health["ts"] >= since(values) - _WEEK) & (health["ts"] < until(values))
    rows = [
        (exchange, source, begin, end, (end - begin) / 1e6)
        for (exchange, source), reports in health[within].groupby(["exchange", "source"])
        for begin, end in _gaps(reports.sort_values("ts"), since(values), until(values))
    ]
    names = ["exchange", "source", "from_ts", "to_ts", "missing_s"]
    table = ordered(pd.DataFrame(rows, columns=names), from_ts=True, exchange=True, source=True)
    return Answer(times(table, "from_ts", "to_ts"), ("from_ts", "exchange", "source"))


def _gaps(reports: pd.DataFrame, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield when a feed was away: from its last message before a fault to the first after it.

    A fault is a report that tells of a lost connection, and more than five seconds without any.
    """
    reported = heard = begin
    faulty = False
    columns = ("ts", "gaps", "connected", "messages")
    for ts, gaps, connected, messages in zip(*(reports[name] for name in columns), strict=True):
        if ts < begin:
            continue
        faulty |= bool(gaps) or not connected or ts - reported > _LIMIT
        reported = ts
        if messages:
            if faulty:
                yield heard, ts
            heard, faulty = ts, False
    if faulty or end - max(reported, begin) > _LIMIT:
        yield heard, end


def alerts(world: World, values: Values) -> Answer:
    rows = window(world.alerts, values)
    if chosen := values["rules"]:
        rows = rows[rows["rule"].isin(chosen)]
    names = ["ts", "rule", "severity", "message", "value", "threshold", "query", "measure", "live"]
    return Answer(times(ordered(rows[names], ts=False), "ts"), ("ts",), values["limit"])
