"""Queries by bucket of time, and by hour of the week."""

import numpy as np
import pandas as pd

from oracle.compare import Answer
from oracle.feeds import covered_hours
from oracle.tables import (
    LIVE,
    Values,
    bucketed,
    filled,
    filtered,
    grouped,
    ordered,
    times,
    window,
)
from oracle.world import World

_HOUR = 3_600_000_000


def _chosen(world: World, values: Values) -> pd.DataFrame:
    return bucketed(filtered(window(world.prints, values), values), values["bucket"])


def liquidations_by_bucket(world: World, values: Values) -> Answer:
    names = ("long_usd", "short_usd", "long_count", "short_count", "not_live", "partial")
    rows = filled(grouped(_chosen(world, values), "ts", sums=names), values)
    return Answer(times(rows, "ts"), ("ts",), values["limit"], newest=True)


def cumulative_net(world: World, values: Values) -> Answer:
    names = ("net_usd", "not_live", "partial")
    rows = filled(grouped(_chosen(world, values), "ts", sums=names), values)
    rows.insert(2, "cumulative_usd", rows["net_usd"].cumsum())
    return Answer(times(rows, "ts"), ("ts",), values["limit"], newest=True)


def venue_share(world: World, values: Values) -> Answer:
    names = ("long_usd", "short_usd", "total_usd", "prints", "not_live", "partial")
    rows = grouped(_chosen(world, values), "ts", "exchange", sums=names)
    rows.insert(5, "share", rows["total_usd"] / rows.groupby("ts")["total_usd"].transform("sum"))
    rows = ordered(rows, ts=True, exchange=True)
    return Answer(times(rows, "ts"), ("ts", "exchange"), values["limit"], newest=True)


def by_symbol_bucket(world: World, values: Values) -> Answer:
    names = ("long_usd", "short_usd", "prints", "largest_usd", "not_live", "partial")
    rows = grouped(_chosen(world, values), "ts", "exchange", "symbol", "base", "asset", sums=names)
    rows = ordered(rows, ts=True, exchange=True, symbol=True)
    return Answer(times(rows, "ts"), ("ts", "exchange", "symbol"), values["limit"], newest=True)


def heatmap(world: World, values: Values) -> Answer:
    chosen = _chosen(world, values)
    chosen = chosen[chosen["asset"] == values["asset"]]
    price = chosen["price"] * (chosen["quantity"] / chosen["asset_quantity"])
    step = np.log(1 + values["bps"] / 10_000)
    chosen = chosen.assign(bin=np.floor(np.log(price) / step))
    names = ("long_usd", "short_usd", "prints", "not_live", "partial")
    rows = ordered(grouped(chosen, "ts", "bin", sums=names), ts=True, bin=True)
    rows.insert(1, "price_from", np.exp(rows["bin"] * step))
    rows.insert(2, "price_to", np.exp((rows["bin"] + 1) * step))
    rows = times(rows.drop(columns="bin"), "ts")
    return Answer(rows, ("ts", "price_from"), values["limit"], newest=True)


def hour_of_day(world: World, values: Values) -> Answer:
    hours = _hours(covered_hours(world, values)).groupby(["weekday", "hour"], as_index=False)
    slots = hours.agg(seconds=("covered_s", "sum"), window_s=("window_s", "sum"))
    slots.insert(2, "hours", slots["seconds"] / 3600)
    slots.insert(3, "covered", slots["seconds"] / slots["window_s"])
    names = ("long_usd", "short_usd", "prints", "not_live", "partial")
    chosen = _hours(filtered(window(world.prints, values), values))
    sums = grouped(chosen, "weekday", "hour", sums=names)
    rows = slots.drop(columns=["seconds", "window_s"])
    rows = rows.merge(sums, on=["weekday", "hour"], how="left").fillna(0)
    rows = rows[(rows["hours"] > 0) | (rows["prints"] > 0)]
    both = rows["long_usd"] + rows["short_usd"]
    rows.insert(6, "mean_usd", both / rows["hours"].where(rows["hours"] > 0))
    return Answer(ordered(rows, weekday=True, hour=True), ("weekday", "hour"))


def _hours(frame: pd.DataFrame) -> pd.DataFrame:
    begin = frame["ts"] // _HOUR  # hours since 1970
    weekday = (begin // 24 + 3) % 7 + 1  # 1970 began on a Thursday
    return frame.assign(weekday=weekday, hour=begin % 24)


def price_by_bucket(world: World, values: Values) -> Answer:
    chosen = window(world.prices, values)
    chosen = chosen[chosen["asset"] == values["asset"]].sort_values("ts")
    chosen = chosen.assign(not_live=(~chosen["source"].isin(LIVE)).astype(np.int64))
    groups = bucketed(chosen, values["bucket"]).groupby("ts", as_index=False)
    rows = groups.agg(
        open=("asset_price", "first"), high=("asset_price", "max"), low=("asset_price", "min"),
        close=("asset_price", "last"), not_live=("not_live", "sum"),
    )  # fmt: skip
    rows = filled(rows, values, np.nan)
    rows["not_live"] = rows["not_live"].fillna(0).astype(np.int64)
    return Answer(times(rows, "ts"), ("ts",), values["limit"], newest=True)


def stored_sums(world: World, values: Values) -> Answer:
    rows = filtered(window(world.sums, values), values)
    if values["width"] is not None:
        rows = rows[rows["bucket"] == values["width"]]
    order = ("ts", "exchange", "symbol", "bucket")
    rows = ordered(rows, **dict.fromkeys(order, True))
    return Answer(times(rows, "ts"), order, values["limit"], newest=True)
