"""Queries of single prints, and of what a window's prints come to."""

import numpy as np
import pandas as pd

from oracle.compare import Answer
from oracle.tables import SUMS, Values, filtered, grouped, measured, ordered, times, window
from oracle.world import World, micros

_TAPE = [
    "ts", "exchange", "symbol", "side", "price", "quantity", "notional", "completeness", "source",
]  # fmt: skip


def latest_timestamp(world: World, values: Values) -> Answer:
    seen = world.prints["ts"][world.prints["ts"] < micros(values["until"])]
    rows = len(seen) + int((world.odd["ts"] < micros(values["until"])).sum())
    row = pd.DataFrame({"ts": [seen.max()], "first_ts": [seen.min()], "rows": [rows]})
    return Answer(times(row, "ts", "first_ts"))


def left_out(world: World, values: Values) -> Answer:
    found = window(world.odd, values).assign(kind="liquidations")
    counted = found.groupby(["kind", "broken"], as_index=False).agg(
        rows=("ts", "size"), first_ts=("ts", "min"), last_ts=("ts", "max")
    )
    ordered_rows = counted.sort_values(
        ["rows", "kind", "broken"], ascending=[False, True, True], ignore_index=True
    )
    return Answer(times(ordered_rows, "first_ts", "last_ts"), ("rows", "kind", "broken"))


def totals(world: World, values: Values) -> Answer:
    found = measured(filtered(window(world.prints, values), values))
    names = ["long_usd", "short_usd", "net_usd", "long_count", "short_count", "prints"]
    row = {name: [found[name].sum()] for name in names}
    row["largest_usd"] = [found["notional"].max() if len(found) else 0.0]
    row |= {name: [found[name].sum()] for name in ("not_live", "partial")}
    return Answer(pd.DataFrame(row))


def one_sided(world: World, values: Values) -> Answer:
    found = measured(filtered(window(world.prints, values), values))
    long, short, total = (found[name].sum() for name in ("long_usd", "short_usd", "total_usd"))
    row = {"side": "long" if long >= short else "short", "share": max(long, short) / (total or 1)}
    row |= {name: found[name].sum() for name in ("total_usd", "prints", "not_live", "partial")}
    return Answer(pd.DataFrame([row]).head(int(total >= values["least_usd"])))


def top_symbols(world: World, values: Values) -> Answer:
    found = filtered(window(world.prints, values), values)
    answer = _ranking(world, values, "symbol")
    assets = found.groupby("symbol")["asset"].max()
    answer.rows.insert(1, "asset", answer.rows["symbol"].map(assets))
    return answer


def top_assets(world: World, values: Values) -> Answer:
    return _ranking(world, values, "asset")


def _ranking(world: World, values: Values, name: str) -> Answer:
    sums = grouped(filtered(window(world.prints, values), values), name)
    rows = ordered(sums, total_usd=False, **{name: True})
    return Answer(rows[[name, *SUMS]], ("total_usd", name), values["limit"])


def by_exchange(world: World, values: Values) -> Answer:
    keys = ["exchange", "completeness"]
    sums = grouped(filtered(window(world.prints, values), values), *keys)
    rows = ordered(sums, total_usd=False, exchange=True, completeness=True)
    return Answer(rows[[*keys, *SUMS]], ("total_usd", *keys))


def sources(world: World, values: Values) -> Answer:
    keys = ["exchange", "source", "completeness"]
    groups = filtered(window(world.prints, values), values).groupby(keys, as_index=False)
    rows = groups.agg(prints=("ts", "count"), first_ts=("ts", "min"), last_ts=("ts", "max"))
    rows = ordered(rows, prints=False, exchange=True, source=True, completeness=True)
    return Answer(times(rows, "first_ts", "last_ts"), ("prints", *keys))


def size_distribution(world: World, values: Values) -> Answer:
    rows = []
    for side, group in filtered(window(world.prints, values), values).groupby("side"):
        sizes = np.sort(group["notional"].to_numpy())
        ranks = np.arange(1, len(sizes) + 1)
        sums = measured(group)
        row = {"side": side, "prints": len(sizes), "total_usd": sizes.sum()}
        for part in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
            row[f"p{round(part * 100)}_usd"] = sizes[np.argmax(ranks >= part * len(sizes))]
        row["largest_usd"] = sizes[-1]
        rows.append(row | {name: sums[name].sum() for name in ("not_live", "partial")})
    quantiles = [f"p{part}_usd" for part in (10, 25, 50, 75, 90, 99)]
    columns = ["side", "prints", "total_usd", *quantiles, "largest_usd", "not_live", "partial"]
    loose = dict.fromkeys(quantiles, 0.01)
    return Answer(pd.DataFrame(rows, columns=columns), ("side",), loose=loose)


def size_classes(world: World, values: Values) -> Answer:
    found = filtered(window(world.prints, values), values)
    edges = np.array([0.0, 1e4, 1e5, 1e6, np.nan])
    classes = np.searchsorted(edges[1:4], found["notional"].to_numpy(), side="right")
    sums = grouped(found.assign(from_usd=edges[classes]), "from_usd")
    sums["to_usd"] = [edges[list(edges).index(low) + 1] for low in sums["from_usd"]]
    rows = ordered(sums, from_usd=True)
    return Answer(rows[["from_usd", "to_usd", *SUMS]], ("from_usd",))


def largest_prints(world: World, values: Values) -> Answer:
    rows = ordered(filtered(window(world.prints, values), values), notional=False, ts=False)
    return Answer(times(rows[_TAPE], "ts"), ("notional", "ts"), values["limit"])


def latest_prints(world: World, values: Values) -> Answer:
    rows = ordered(filtered(window(world.prints, values), values), ts=False)
    return Answer(times(rows[[*_TAPE, "event_id"]], "ts"), ("ts",), values["limit"])


def prints(world: World, values: Values) -> Answer:
    rows = ordered(filtered(window(world.prints, values), values), ts=True)
    return Answer(times(rows, "ts", "recv_ts"), ("ts",))


def print_(world: World, values: Values) -> Answer:
    rows = world.prints
    rows = rows.head(0) if values["ts"] is None else rows[rows["ts"] == micros(values["ts"])]
    for name in ("exchange", "symbol", "event_id"):
        rows = rows[rows[name] == values[name]]
    columns = [name for name in rows.columns if name not in ("event_id", "completeness", "source")]
    return Answer(times(rows, "ts", "recv_ts")[[*columns, "completeness", "source", "event_id"]])
