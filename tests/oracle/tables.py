"""What the computations share: a window's rows, their filters, and the sums over them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd

from liq.query.parameters import parse_duration
from oracle.world import micros

Values = Mapping[str, Any]
LIVE = ("live", "cryptofeed")
SUMS = ("long_usd", "short_usd", "total_usd", "prints", "largest_usd", "not_live", "partial")


def window(frame: pd.DataFrame, values: Values) -> pd.DataFrame:
    """Return the rows of the window: from its start on, before its end."""
    ts = frame["ts"]
    return frame[(ts >= since(values)) & (ts < until(values))]


def since(values: Values) -> int:
    return micros(values["since"])


def until(values: Values) -> int:
    return micros(values["until"])


def span(width: str | timedelta) -> int:
    """Return microseconds."""
    return parse_duration(width) // timedelta(microseconds=1)


def filtered(frame: pd.DataFrame, values: Values) -> pd.DataFrame:
    """Return the rows that the filters let through; an empty list lets all through."""
    for name, column in (
        ("symbols", "symbol"),
        ("assets", "asset"),
        ("exchange", "exchange"),
    ):
        if chosen := values.get(name):
            frame = frame[frame[column].isin(chosen)]
    if (least := values.get("min_notional")) is not None:
        frame = frame[frame["notional"] >= least]
    if (most := values.get("max_notional")) is not None:
        frame = frame[frame["notional"] < most]
    return frame


def measured(prints: pd.DataFrame) -> pd.DataFrame:
    """Return prints with the columns that sums are made of."""
    usd, side = prints["notional"], prints["side"]
    return prints.assign(
        long_usd=usd.where(side == "long", 0.0),
        short_usd=usd.where(side == "short", 0.0),
        net_usd=usd.where(side == "long", 0.0) - usd.where(side == "short", 0.0),
        total_usd=usd,
        largest_usd=usd,
        long_count=(side == "long").astype(np.int64),
        short_count=(side == "short").astype(np.int64),
        prints=1,
        not_live=(~prints["source"].isin(LIVE)).astype(np.int64),
        partial=(prints["completeness"] != "full").astype(np.int64),
    )


def grouped(prints: pd.DataFrame, *keys: str, sums: tuple[str, ...] = SUMS) -> pd.DataFrame:
    """Return a row for each of ``keys`` with the ``sums`` of its prints."""
    how = {name: "max" if name == "largest_usd" else "sum" for name in sums}
    return measured(prints).groupby(list(keys), dropna=False, as_index=False).agg(how)


def bucketed(frame: pd.DataFrame, bucket: str) -> pd.DataFrame:
    """Return the rows with the start of their bucket as ``ts``."""
    return frame.assign(ts=frame["ts"] // span(bucket) * span(bucket))


def filled(sums: pd.DataFrame, values: Values, empty: Any = 0) -> pd.DataFrame:
    """Return a row for each bucket from that of the window's start to the last of ``sums``."""
    if sums.empty:
        return sums
    width = span(values["bucket"])
    every = np.arange(since(values) // width * width, sums["ts"].max() + width, width)
    return sums.set_index("ts").reindex(every, fill_value=empty).rename_axis("ts").reset_index()


def ordered(frame: pd.DataFrame, **directions: bool) -> pd.DataFrame:
    """Return the rows in order of columns, ascending where true; nulls are less than all else."""
    frame = frame.reset_index(drop=True)
    for name, ascending in reversed(directions.items()):
        first: Literal["first", "last"] = "first" if ascending else "last"
        frame = frame.sort_values(
            name, ascending=ascending, kind="stable", na_position=first, ignore_index=True
        )
    return frame


def times(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return the frame with microseconds as times."""
    changed = {
        name: pd.to_datetime(frame[name].astype("Int64"), unit="us", utc=True) for name in names
    }
    return frame.assign(**changed).astype(dict.fromkeys(names, "datetime64[us, UTC]"))
