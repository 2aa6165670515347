"""Cascades: runs of prints that follow each other within a gap."""

import numpy as np
import pandas as pd

from oracle.compare import Answer
from oracle.feeds import covered_hours
from oracle.tables import Values, filtered, measured, ordered, span, times, window
from oracle.world import World, micros

_SECOND = 1_000_000
_COLUMNS = (
    "name", "from_ts", "to_ts", "duration_s", "prints", "exchanges", "symbols", "first_exchange",
    "long_usd", "short_usd", "total_usd", "peak_1s_usd", "burst_score", "covered", "not_live",
    "partial",
)  # fmt: skip


def cascades(world: World, values: Values) -> Answer:
    found = measured(filtered(window(world.prints, values), values)).sort_values("ts")
    hours = covered_hours(world, values)[["window_s", "covered_s"]].sum()
    seconds, part = hours["covered_s"], hours["covered_s"] / hours["window_s"]
    rows = []
    for name, prints in found.groupby(values["by"], dropna=False):
        mean = prints["notional"].sum() / seconds if seconds else np.nan
        for _, run in prints.groupby((prints["ts"].diff() > span(values["gap"])).cumsum()):
            if len(run) >= values["min_prints"]:
                rows.append(_cascade(name, run, mean, part))
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    table = ordered(table, total_usd=False, from_ts=True, name=True)
    table = times(table, "from_ts", "to_ts")
    return Answer(table, ("total_usd", "from_ts", "name"), values["limit"])


def _cascade(name: object, run: pd.DataFrame, mean: float, part: float) -> tuple[object, ...]:
    ts, usd = run["ts"].to_numpy(), run["notional"].to_numpy()
    seconds = (ts[-1] - ts[0]) / _SECOND
    upto = np.concatenate([[0.0], np.cumsum(usd)])
    # the prints of less than a second up to each: those that tie with it count too
    begins, ends = np.searchsorted(ts, ts - _SECOND, "right"), np.searchsorted(ts, ts, "right")
    first = run["exchange"][run["ts"] == ts[0]].min()
    long, short, total = (run[part].sum() for part in ("long_usd", "short_usd", "notional"))
    return (
        name, ts[0], ts[-1], seconds, len(run), run["exchange"].nunique(), run["symbol"].nunique(),
        first, long, short, total, (upto[ends] - upto[begins]).max(),
        total / max(seconds, 1.0) / mean, part, run["not_live"].sum(), run["partial"].sum(),
    )  # fmt: skip


def cascade_prints(world: World, values: Values) -> Answer:
    rows = filtered(world.prints, values)
    if values["from_ts"] is None or values["to_ts"] is None:
        rows = rows.head(0)
    else:
        rows = rows[rows["ts"].between(micros(values["from_ts"]), micros(values["to_ts"]))]
    rows = ordered(rows, ts=True)
    names = ["ts", "exchange", "symbol", "base", "asset", "side", "price"]
    rows = rows.assign(cumulative_usd=rows["notional"].cumsum())
    rows = rows[
        [*names, "price_kind", "quantity", "notional", "cumulative_usd", "completeness", "source"]
    ]
    running = ("cumulative_usd", "notional")
    return Answer(times(rows, "ts"), ("ts",), values["limit"], running=running)


def stored_cascades(world: World, values: Values) -> Answer:
    rows = filtered(window(world.cascades, values), {"assets": values["assets"]})
    names = ["ts", "asset", "gap", "to_ts", "prints", "exchanges", "symbols", "first_exchange"]
    rows = rows[[*names, "long_usd", "short_usd", "not_live", "partial"]]
    rows = ordered(rows, ts=False, asset=True, gap=True)
    return Answer(times(rows, "ts", "to_ts"), ("ts", "asset", "gap"), values["limit"])
