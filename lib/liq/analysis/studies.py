"""Studies of cascades and prices: pure functions from the rows of queries to smaller tables."""

import math
from typing import Any

import numpy as np
import pandas as pd

from liq.records.model import LIVE_SOURCES

_HORIZONS = {"moved_10s_bps": 10, "moved_1m_bps": 60, "moved_5m_bps": 300}
_Z = 1.96  # of a 95 % interval
_LEAST = 5  # prints in a group: quartiles of fewer mean nothing


def rank_leaders(cascades: pd.DataFrame, exchanges: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return how often each exchange had the first print of a cascade, most often first.

    Args:
        cascades: Rows of the query ``cascades``. Cascades of a single exchange are ignored.
        exchanges: Rows of ``by_exchange``, which add exchanges that never led.

    Returns:
        Columns ``exchange``; ``led`` and ``cascades``, counts; ``share``, 0 to 1, with its 95
        percent interval (Wilson's) ``low`` to ``high``; ``expected``, the exchange's share of all
        prints, with which it would lead by chance, NaN without ``exchanges``; ``not_live`` and
        ``partial``, prints in these cascades.
    """
    shared = cascades[cascades["exchanges"] > 1]
    expected = _compute_shares(exchanges) if len(shared) else {}
    led = dict.fromkeys(expected, 0) | shared["first_exchange"].value_counts().to_dict()
    frame = pd.DataFrame({"exchange": pd.Series(led, dtype="int64").index.astype("str")})
    frame["led"] = pd.Series(list(led.values()), dtype="int64")
    frame["cascades"] = len(shared)
    frame["share"] = frame["led"] / frame["cascades"]
    frame["low"], frame["high"] = _compute_wilson(frame["share"], len(shared))
    frame["expected"] = frame["exchange"].map(expected).astype("float64")
    for column in ("not_live", "partial"):
        frame[column] = int(shared[column].sum())
    return frame.sort_values(["led", "exchange"], ascending=[False, True], ignore_index=True)


def select_prints(cascades: pd.DataFrame, rank: int = 1) -> dict[str, Any]:
    """Return the parameters with which ``cascade_prints`` shows the cascade in row ``rank``.

    ``rank`` counts from 1. If there are fewer rows, the parameters match no prints. ``cascades``
    are by asset.
    """
    if not 1 <= rank <= len(cascades):
        return {}
    one = cascades.iloc[rank - 1]
    return {"assets": [one["name"]], "from_ts": one["from_ts"], "to_ts": one["to_ts"]}


def select_price(cascades: pd.DataFrame, rank: int = 1) -> dict[str, Any]:
    """Return the parameters with which ``price_by_bucket`` shows the price around a cascade.

    From ten seconds before its first print to as long after its last; else as in `select_prints`.
    """
    if not 1 <= rank <= len(cascades):
        return {}
    one = cascades.iloc[rank - 1]
    margin = pd.Timedelta(seconds=10)
    until = one["to_ts"] + margin
    window = until - (one["from_ts"] - margin)
    return {"asset": one["name"], "bucket": "1s", "window": window.to_pytimedelta(), "until": until}


def measure_reactions(prints: pd.DataFrame, groups: int = 10) -> pd.DataFrame:
    """Return price moves after prints, by the prints' size.

    Args:
        prints: Rows of ``print_reactions``. Prints without a price at their time are ignored.
        groups: The number of groups of equal count (deciles) by notional; fewer are made if a group
            would have less than five prints.

    Returns:
        Columns ``decile`` from 1, the smallest; ``from_usd``, ``to_usd``; ``horizon_s``, seconds
        since the print; ``prints`` with a price then; ``mean_bps``, ``q1_bps``, ``median_bps``,
        ``q3_bps``; ``not_live``, prints.
    """
    known = prints[prints["mark_price"].notna()]
    groups = min(groups, len(known) // _LEAST)
    if groups < 1:
        return pd.DataFrame({name: pd.Series(dtype="float64") for name in _REACTIONS})
    ranks = known["notional"].rank(method="first") - 1
    decile = (ranks * groups // len(known)).astype("int64") + 1
    marked = known.assign(decile=decile, not_live=~known["source"].isin(LIVE_SOURCES))
    long = marked.melt(
        id_vars=["decile", "notional", "not_live"],
        value_vars=list(_HORIZONS),
        var_name="horizon_s",
        value_name="bps",
    ).dropna(subset=["bps"])
    long["horizon_s"] = long["horizon_s"].map(_HORIZONS)
    frame = long.groupby(["decile", "horizon_s"], as_index=False).agg(
        prints=("bps", "size"),
        mean_bps=("bps", "mean"),
        q1_bps=("bps", lambda values: values.quantile(0.25)),
        median_bps=("bps", "median"),
        q3_bps=("bps", lambda values: values.quantile(0.75)),
        not_live=("not_live", "sum"),
    )
    sizes = marked.groupby("decile")["notional"].agg(from_usd="min", to_usd="max")
    return frame.join(sizes, on="decile")[list(_REACTIONS)]


_REACTIONS = (
    "decile", "from_usd", "to_usd", "horizon_s", "prints", "mean_bps", "q1_bps", "median_bps",
    "q3_bps", "not_live",
)  # fmt: skip


def _compute_wilson(share: "pd.Series[float]", count: int) -> tuple[Any, Any]:
    """Return the ends of the 95 percent interval: it holds for few cascades as well."""
    if not count:
        return share, share
    squared = _Z**2 / count
    centre = (share + squared / 2) / (1 + squared)
    spread = _Z * np.sqrt(share * (1 - share) / count + squared / (4 * count)) / (1 + squared)
    return (centre - spread).clip(lower=0), (centre + spread).clip(upper=1)


def _compute_shares(exchanges: pd.DataFrame | None) -> dict[str, float]:
    if exchanges is None:
        return {}
    prints = exchanges.groupby("exchange")["prints"].sum()
    total = float(prints.sum()) or math.nan
    return {str(name): float(count) / total for name, count in prints.items()}
