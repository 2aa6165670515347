"""The chart of an asset's price with its liquidations: candles, bubbles, sums by price, net."""

from dataclasses import asdict
from datetime import UTC, tzinfo
from typing import Any

import numpy as np
import pandas as pd

from liq.analysis.charts import base
from liq.analysis.charts.base import THEMES, Chart, Spec, Theme, ThemeName

NO_PRICES = "no mark price and no liquidations recorded in this window"
_MOST_BUBBLES = 300  # more hide the candles, and each takes the page's time
_LARGEST_BUBBLE = 40  # pixels across
_LEAST_ROOM = 0.002  # of the price, above and below the candles
_PRICE, _NET = [0.29, 1.0], [0.0, 0.2]  # heights of the panels
_TIME, _BY_PRICE = [0.0, 0.85], [0.865, 1.0]  # widths
_SIDES = ("long", "short")
_CANDLE = ["open", "high", "low", "close"]


@Chart
def candles(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    cells: pd.DataFrame,
    net: pd.DataFrame,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
    zone: tzinfo = UTC,
    now: Any = None,
    window: tuple[Any, Any] | None = None,
    bucket: str | None = None,
) -> Spec:
    """Candles of the mark price with liquidations, from ``price_by_bucket``.

    A bubble is what was liquidated of a side in a bucket and a range of prices. Its area is the
    notional in USD; the 300 greatest are drawn. On the right are the sums by price, below the
    running long minus short. All three need the same asset, bucket and window.

    Args:
        frame: Rows of ``price_by_bucket``.
        theme: Colours.
        cells: Rows of ``heatmap``, for the bubbles and the sums by price.
        net: Rows of ``cumulative_net``.
        span: Fixes the time axis.
        gaps: Rows of ``coverage``, which are shaded.
        badge: Replaces the badge derived from the frames.
        zone: Time zone of the time axis.
        now: Marks the bucket that runs at this moment.
        window: Exact start and end of the rows; marks the buckets that they cut.
        bucket: Width of a bucket, as in the query; by default the least step between rows.

    Example:
        >>> given = {"bucket": "1m", "window": "1h"}
        >>> figure = liq.charts.candles(
        ...     liq.hit("price_by_bucket", asset="BTC", **given),
        ...     cells=liq.hit("heatmap", asset="BTC", **given),
        ...     net=liq.hit("cumulative_net", assets=["BTC"], **given),
        ... )
        >>> [trace.type for trace in figure.data]
        ['candlestick', 'scatter', 'scatter', 'bar', 'bar', 'scatter']
    """
    colours = THEMES[theme]
    buckets = base.find_buckets(_list_starts(frame, cells, net), bucket, window, now)
    period = base.create_period(buckets.width)
    period.pop("width", None)
    cells = _add_bounds(cells, gaps, buckets)
    shown = frame.dropna(subset=_CANDLE)
    low, high = _find_price_range(shown, cells)
    if badge is None:
        badge = _find_badge(frame, cells)
    any_rows = shown if len(shown) else cells
    layout = base.create_layout(theme, any_rows, badge, empty=NO_PRICES)
    layout |= {"barmode": "stack", "hovermode": "x unified", "hoversubplots": "axis", "bargap": 0}
    layout |= base.create_time_axis(colours, span, gaps, zone)
    cuts = base.find_cuts(buckets, zone)
    layout["shapes"] += base.create_cut_marks(colours, cuts, zone)
    crosshair = _create_crosshair(colours)
    layout["xaxis"] |= {"domain": _TIME, "anchor": "y2", "rangeslider": {"visible": False}}
    layout["xaxis"] |= crosshair
    axes = _create_axes(colours, shown, cells, net, gaps)
    layout["yaxis"] = axes["price"] | crosshair | {"domain": _PRICE, "tickformat": ",~g"}
    if low < high:
        layout["yaxis"]["range"] = [low, high]
    layout["yaxis2"] = axes["net"] | {"domain": _NET, "nticks": 4}
    layout["yaxis2"] |= {"zeroline": True, "zerolinecolor": colours.muted}
    layout["xaxis2"] = axes["by_price"] | {"domain": _BY_PRICE, "anchor": "y"}
    layout["xaxis2"] |= {"nticks": 3, "fixedrange": True}
    title = layout["xaxis2"]["title"]  # in lines, for a narrow panel
    title["text"] = title["text"].replace(" (", "<br>(").replace(", ", ",<br>")
    layout["legend"] |= {"itemsizing": "constant"}
    sums = _sum_by_price(cells)
    traces = [
        _create_candles(colours, shown, zone) | period,
        *(_create_bubbles(colours, cells, side, zone) | period for side in _SIDES),
        *(_create_sums(colours, sums, side) for side in _SIDES),
        _create_net(colours, net, zone, base.sum_over_time(net, buckets)),
    ]
    return {"data": traces, "layout": layout}


def create_panels(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    cells: pd.DataFrame,
    net: pd.DataFrame,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
    zone: tzinfo = UTC,
    now: Any = None,
    window: tuple[Any, Any] | None = None,
    bucket: str | None = None,
    most_cells: int | None = None,
) -> Spec:
    """Return what `candles` shows as plain columns, which the dashboard's prices.js draws.

    The arguments are those of `candles`. With ``most_cells`` rows, the limit of their query, older
    cells are missing: their sums are unknown, and those by price are lower bounds. Texts are plain.
    Times are milliseconds on the clock of ``zone``, as if it were UTC. ``tables`` has a list for
    each column:

    - ``buckets``: ``ts``; the candle, NaN without a price; liquidated ``long`` and ``short`` (USD),
      NaN where cells are missing; ``net`` and its sum so far ``total``, NaN without a row of
      ``net``; ``bound``, 1 where ``long`` and ``short`` are lower bounds, else 0.
    - ``long`` and ``short``: bubbles with ``ts``, ``low``, ``high``, ``usd`` and ``bound``.
    - ``sums``: ``low`` and ``high`` of a range of prices, and its ``long`` and ``short``.
    """
    colours = THEMES[theme]
    buckets = base.find_buckets(_list_starts(frame, cells, net), bucket, window, now)
    cells = _add_bounds(cells, gaps, buckets)
    shown = frame.dropna(subset=_CANDLE)
    is_empty = shown.empty and cells.empty
    axes = _create_axes(colours, shown, cells, net, gaps)
    lost = base.find_shades(gaps) if gaps is not None else pd.DataFrame()
    cuts = base.find_cuts(buckets, zone)
    is_cut = most_cells is not None and len(cells) >= most_cells
    rows = _join_buckets(shown, cells, net)
    is_lost = base.find_lost(gaps, buckets._replace(starts=rows["ts"]).times)
    rows["bound"] = (rows["bound"].gt(0) | is_lost).astype("f8")
    if is_cut:
        rows.loc[rows["ts"] <= cells["ts"].min(), list(_SIDES)] = np.nan
    edges = pd.Series(pd.to_datetime(list(span), utc=True)) if span else None
    return {
        "colours": asdict(colours),
        "titles": {name: axis["title"]["text"] for name, axis in axes.items()}
        | {"time": base.title_time(zone, gaps)},
        "badge": "" if is_empty else _find_badge(frame, cells) if badge is None else badge,
        "empty": NO_PRICES if is_empty else "",
        "range": None if edges is None else _list_milliseconds(edges, zone),
        "width": base.create_period(buckets.width).get("xperiod"),
        "prices": list(_find_price_range(shown, cells)),
        "gaps": [
            list(each)
            for each in zip(
                *(_list_milliseconds(lost[name], zone) for name in lost.columns), strict=True
            )
        ],
        "window": [
            None if edge is None else _list_milliseconds(pd.Series([edge]), zone)[0]
            for edge in (buckets.since, buckets.until)
        ],
        "cuts": [
            [*_list_milliseconds(pd.Series([cut.start, cut.end]), zone), cut.part] for cut in cuts
        ],
        "tables": {
            "buckets": _list_columns(rows, zone),
            **{side: _list_columns(_select_bubbles(cells, side), zone) for side in _SIDES},
            "sums": _list_columns(_sum_by_price(cells), zone),
        },
    }


def _list_columns(table: pd.DataFrame, zone: tzinfo) -> dict[str, list[float]]:
    return {
        str(name): _list_milliseconds(column, zone) if name == "ts" else column.tolist()
        for name, column in table.items()
    }


def _list_milliseconds(moments: pd.Series, zone: tzinfo) -> list[float]:
    clock = moments.dt.tz_convert(zone).dt.tz_localize(None).to_numpy()
    return list(clock.astype("datetime64[ms]").astype("f8").tolist())


def _join_buckets(shown: pd.DataFrame, cells: pd.DataFrame, net: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each bucket that any frame has."""
    sums = cells.groupby("ts")[[*(f"{side}_usd" for side in _SIDES), "bound"]].sum()
    sums = sums.set_axis([*_SIDES, "bound"], axis=1)
    flow = net.set_index("ts")[["net_usd", "cumulative_usd"]].set_axis(["net", "total"], axis=1)
    joined = pd.concat([shown.set_index("ts")[_CANDLE], sums, flow], axis=1, sort=True)
    joined = joined.fillna(dict.fromkeys([*_SIDES, "bound"], 0.0)).astype("f8")
    return joined.rename_axis("ts").reset_index()


def _add_bounds(
    cells: pd.DataFrame, gaps: pd.DataFrame | None, buckets: base.Buckets
) -> pd.DataFrame:
    times = buckets._replace(starts=cells["ts"]).times
    return cells.assign(bound=base.find_bounds(cells, gaps, times).astype("f8"))


def _list_starts(*frames: pd.DataFrame) -> pd.Series:
    """Return the starts of the buckets that any frame has: prices may end before the prints."""
    starts = [each["ts"] for each in frames if len(each)] or [frames[0]["ts"]]
    return pd.Series(pd.concat(starts).drop_duplicates().sort_values())


def _find_badge(frame: pd.DataFrame, cells: pd.DataFrame) -> str:
    return base.source_badge(cells) or base.source_badge(frame)


def _create_axes(
    colours: Theme,
    shown: pd.DataFrame,
    cells: pd.DataFrame,
    net: pd.DataFrame,
    gaps: pd.DataFrame | None,
) -> dict[str, Spec]:
    return {
        "price": base.create_axis(colours, _title_prices(shown, cells)),
        "net": base.create_usd_axis(colours, "net", net, "partial feed", gaps=gaps),
        "by_price": base.create_usd_axis(colours, "by price", cells, gaps=gaps),
    }


def count_beyond(frame: pd.DataFrame, cells: pd.DataFrame) -> float:
    """Return the notional (USD) in ``cells`` at prices beyond the chart's axis.

    A print far from the price would press the candles of ``frame`` into a line.
    """
    low, high = _find_price_range(frame, cells)
    beyond = (cells["price_to"] < low) | (cells["price_from"] > high)
    return float(cells.loc[beyond, ["long_usd", "short_usd"]].to_numpy().sum())


def _find_price_range(frame: pd.DataFrame, cells: pd.DataFrame) -> tuple[float, float]:
    """Return the prices of the candles and of the cells near them; equal without any price."""
    edges = [*cells["price_from"], *cells["price_to"]]
    lows, highs = frame["low"].dropna(), frame["high"].dropna()
    if lows.empty:
        return (min(edges), max(edges)) if edges else (0.0, 0.0)
    low, high = float(lows.min()), float(highs.max())
    room = max(high - low, _LEAST_ROOM * high)
    near = [edge for edge in edges if low - room <= edge <= high + room]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.04 * (high - low) or _LEAST_ROOM * high
    return low - margin, high + margin


def _title_prices(frame: pd.DataFrame, cells: pd.DataFrame) -> str:
    lacking = len(cells) and frame.empty
    return "price (no mark price received)" if lacking else "mark price (quote per coin)"


def _create_crosshair(colours: Theme) -> Spec:
    return {
        "showspikes": True,
        "spikemode": "across",
        "spikesnap": "cursor",
        "spikethickness": 1,
        "spikedash": "dot",
        "spikecolor": colours.muted,
    }


def _create_candles(colours: Theme, frame: pd.DataFrame, zone: tzinfo) -> Spec:
    """Return candles: hollow where the price rose, since hues are the sides'."""
    line = {"color": colours.text, "width": 1}
    return {
        "type": "candlestick",
        "name": "mark price",
        "x": base.format_moments(frame["ts"], zone),
        **{name: frame[name].tolist() for name in ("open", "high", "low", "close")},
        "increasing": {"line": line, "fillcolor": colours.card},
        "decreasing": {"line": line, "fillcolor": colours.text},
        "hovertemplate": "%{close:,.7~g} (open %{open:,.7~g}, %{low:,.7~g} to %{high:,.7~g})"
        "<extra>mark price</extra>",
    }


def _create_bubbles(colours: Theme, cells: pd.DataFrame, side: str, zone: tzinfo) -> Spec:
    drawn = _select_bubbles(cells, side)
    most = cells[["long_usd", "short_usd"]].to_numpy().max(initial=0.0)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{side}s liquidated",
        "x": base.format_moments(drawn["ts"], zone),
        "y": np.sqrt(drawn["low"] * drawn["high"]).tolist(),
        "customdata": drawn[["usd", "low", "high"]].to_numpy().tolist(),
        **base.mark_bounds(
            f"{base.BOUND}%{{customdata[0]:$,.0f}} from %{{customdata[1]:,.6~g}} to"
            f" %{{customdata[2]:,.6~g}}<extra>most {side}s</extra>",
            drawn["bound"],
        ),
        "marker": {
            "color": base.fade(getattr(colours, side), 0.35),  # candles are seen through it
            "line": {"width": 1, "color": getattr(colours, side)},
            "size": drawn["usd"].tolist(),
            "sizemode": "area",
            "sizeref": 2 * max(float(most), 1.0) / _LARGEST_BUBBLE**2,
            "sizemin": 2,
        },
    }


def _select_bubbles(cells: pd.DataFrame, side: str) -> pd.DataFrame:
    """Return a side's greatest cells; the greatest of a bucket comes last, and is hovered."""
    column = f"{side}_usd"
    sizes = cells[["long_usd", "short_usd"]].to_numpy()
    least = np.sort(sizes, axis=None)[-_MOST_BUBBLES:][0] if len(cells) else 0.0
    drawn = cells[(cells[column] > 0) & (cells[column] >= least)].sort_values(column)
    chosen = drawn[["ts", "price_from", "price_to", column, "bound"]]
    return chosen.set_axis(["ts", "low", "high", "usd", "bound"], axis=1)


def _sum_by_price(cells: pd.DataFrame) -> pd.DataFrame:
    """Return each range of prices from ``low`` to ``high`` with its notional by side."""
    sums = cells.groupby(["price_from", "price_to"], as_index=False)[["long_usd", "short_usd"]]
    return sums.sum().set_axis(["low", "high", *_SIDES], axis=1)


def _create_sums(colours: Theme, sums: pd.DataFrame, side: str) -> Spec:
    """Return a side's bars by price, each as high as its range of prices."""
    return base.create_bars(
        side,
        getattr(colours, side),
        x=sums[side],
        y=(sums["low"] + sums["high"]) / 2,
        orientation="h",
        xaxis="x2",
    ) | {
        "width": (0.9 * (sums["high"] - sums["low"])).tolist(),
        "showlegend": False,
        "hoverinfo": "skip",
        "hovertemplate": None,
    }


def _create_net(
    colours: Theme, net: pd.DataFrame, zone: tzinfo, over_time: tuple[pd.Series, list[float]]
) -> Spec:
    moments, sums = over_time
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "long minus short",
        "x": base.format_moments(moments, zone),
        "y": sums,
        "yaxis": "y2",
        "line": {"color": colours.net, "width": 2},
        "fill": "tozeroy",
        "fillcolor": base.fade(colours.net),
        "customdata": [0.0, *net["net_usd"], 0.0][: len(sums)],
        "hovertemplate": "%{y:$,.0f}, in the bucket until here %{customdata:$,.0f}"
        "<extra>long minus short</extra>",
    }
