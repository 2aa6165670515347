"""Queries that put prints beside the prices around them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from oracle.compare import Answer
from oracle.tables import Values, filtered, measured, ordered, span, times, window
from oracle.world import World

_SECOND = 1_000_000
_MOVES = {"moved_10s_bps": 10, "moved_1m_bps": 60, "moved_5m_bps": 300}


class AmbiguousError(Exception):
    """The limit cuts between prints of one moment, and each choice gives other numbers."""


def price_path(world: World, values: Values) -> Answer:
    found = measured(_newest(world, values))
    paths = _paths(world, found, range(-60, 301, 10), values)
    rows = []
    for offset, bps in paths.items():
        for side in ("SELL", "long", "short"):
            known = (found["side"] == side).to_numpy() & ~np.isnan(bps)
            if known.any():
                moved, others = np.sort(bps[known]), known.sum() - 1
                quartiles = [moved[int(np.floor(part * others))] for part in (0.25, 0.5, 0.75)]
                not_live = found["not_live"].to_numpy()[known].sum()
                rows.append((side, offset, moved.mean(), *quartiles, others + 1, not_live))
    names = ["side", "offset_s", "mean_bps", "q1_bps", "median_bps", "q3_bps", "prints", "not_live"]
    table = ordered(pd.DataFrame(rows, columns=names), side=True, offset_s=True)
    return Answer(table, ("side", "offset_s"))


def print_reactions(world: World, values: Values) -> Answer:
    found = _newest(world, values)
    paths = _paths(world, found, _MOVES.values(), values)
    moves = {name: paths[offset] for name, offset in _MOVES.items()}
    units = found["asset_quantity"] / found["quantity"]
    at = marks(world.prices, found, 0, values) * units
    names = ["ts", "exchange", "symbol", "base", "asset", "side", "price", "notional", "mark_price"]
    rows = found.assign(mark_price=at, **moves)[[*names, *_MOVES, "source"]]
    return Answer(times(ordered(rows, ts=False, notional=False), "ts"), ("ts", "notional"))


def _newest(world: World, values: Values) -> pd.DataFrame:
    every = ordered(filtered(window(world.prints, values), values), ts=True)
    found = every.tail(values["limit"])
    if len(found) and (every["ts"] >= found["ts"].min()).sum() > len(found):
        raise AmbiguousError
    return found


def _paths(
    world: World, found: pd.DataFrame, offsets: Iterable[int], values: Values
) -> dict[int, np.ndarray]:
    """Return how far the price has moved on after each offset: down where longs were closed."""
    sign = np.where(found["side"] == "long", -10_000.0, 10_000.0)
    at = marks(world.prices, found, 0, values)
    return {
        offset: sign * (marks(world.prices, found, offset, values) / at - 1) for offset in offsets
    }


def marks(prices: pd.DataFrame, prints: pd.DataFrame, offset: int, values: Values) -> np.ndarray:
    """Return the price of each print's coin ``offset`` seconds after it, NaN where none is known.

    It is the newest one up to that moment, unless that is older than the tolerance, or one of the
    two is simulated and the other is not.
    """
    found = np.full(len(prints), np.nan)
    ts, simulated = prints["ts"].to_numpy(), (prints["source"] == "simulator").to_numpy()
    for asset in prints["asset"].unique():
        quoted = prices[prices["asset"] == asset]
        if quoted.empty:
            continue
        mine = (prints["asset"] == asset).to_numpy()
        moments, quote_ts = ts[mine] + offset * _SECOND, quoted["ts"].to_numpy()
        place = np.searchsorted(quote_ts, moments, "right") - 1
        young = moments - quote_ts[place] <= span(values["tolerance"])
        theirs = (quoted["source"] == "simulator").to_numpy()[place]
        known = (place >= 0) & young & (theirs == simulated[mine])
        found[mine] = np.where(known, quoted["asset_price"].to_numpy()[place], np.nan)
    return found
