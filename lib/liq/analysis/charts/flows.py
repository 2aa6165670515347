"""Charts of liquidations by time, symbol and exchange."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from liq.analysis.charts import base
from liq.analysis.charts.base import THEMES, Chart, Spec, ThemeName
from liq.analysis.charts.prices import create_overlay
from liq.records.model import Completeness


@Chart
def bars(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
    price: pd.DataFrame | None = None,
) -> Spec:
    """Stacked long and short notional a bucket, from ``liquidations_by_bucket``.

    Args:
        frame: Rows of the query.
        theme: Colours.
        span: Fixes the time axis.
        gaps: Rows of ``coverage``, which are shaded, since liquidations may be missing there.
        badge: Replaces the badge derived from the frame.
        price: Rows of ``price_by_bucket``, drawn over the bars on an axis of its own.

    Example:
        >>> frame = liq.hit("liquidations_by_bucket", bucket="1m", window="1h")
        >>> [trace.name for trace in liq.charts.bars(frame).data]
        ['long', 'short']
    """
    colours = THEMES[theme]
    times = base.format_moments(frame["ts"])
    period = base.create_period(frame["ts"])
    traces = [
        base.create_bars("long", colours.long, x=times, y=frame["long_usd"], **period),
        base.create_bars("short", colours.short, x=times, y=frame["short_usd"], **period),
    ]
    if badge is None and price is not None:
        badge = base.source_badge(frame) or base.source_badge(price)
    layout = base.create_layout(theme, frame, badge) | {
        "barmode": "stack",
        "hovermode": "x unified",
    }
    layout |= base.create_time_axis(colours, span, gaps)
    layout["yaxis"] = base.create_usd_axis(colours, "liquidated", frame, gaps=gaps)
    if price is not None and len(price):
        line, layout["yaxis2"] = create_overlay(colours, price)
        traces.append(line)
        layout["margin"] |= {"r": 72}
    return {"data": traces, "layout": layout}


@Chart
def cumulative_net(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
) -> Spec:
    """Running long minus short notional, from ``cumulative_net``; the rest as in `bars`.

    Example:
        >>> frame = liq.hit("cumulative_net", bucket="1m", window="1h")
        >>> [trace.name for trace in liq.charts.cumulative_net(frame).data]
        ['long minus short']
    """
    colours = THEMES[theme]
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": "long minus short",
        "x": base.format_moments(frame["ts"]),
        "y": frame["cumulative_usd"].tolist(),
        "line": {"color": colours.net, "width": 2, "shape": "hv"},
        "fill": "tozeroy",
        "fillcolor": base.fade(colours.net),
        "hovertemplate": "%{y:$,.0f}<extra>long minus short</extra>",
    }
    layout = base.create_layout(theme, frame, badge) | {"hovermode": "x unified"}
    layout |= base.create_time_axis(colours, span, gaps)
    layout["yaxis"] = base.create_usd_axis(colours, "cumulative", frame, "partial feed", gaps=gaps)
    layout["yaxis"] |= {"zeroline": True, "zerolinecolor": colours.muted}
    return {"data": [trace], "layout": layout}


@Chart
def top_symbols(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
) -> Spec:
    """Long and short notional a symbol, greatest on top, from ``top_symbols``.

    With ``gaps``, from ``coverage``, the sums are lower bounds.

    Example:
        >>> frame = liq.hit("top_symbols", window="1h", limit=10)
        >>> [trace.name for trace in liq.charts.top_symbols(frame).data]
        ['long', 'short']
    """
    return _draw_ranking(frame, frame["symbol"].tolist(), theme, gaps, badge)


@Chart
def by_exchange(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
) -> Spec:
    """Long and short notional an exchange, from ``by_exchange``; ``≥`` marks lower bounds.

    Sums of partial feeds, and of feeds with ``gaps``, from ``coverage``, are lower bounds.

    Example:
        >>> frame = liq.hit("by_exchange", window="1h")
        >>> [trace.name for trace in liq.charts.by_exchange(frame).data]
        ['long', 'short']
    """
    away = set() if gaps is None else set(gaps["exchange"])
    whole = (frame["completeness"] == Completeness.FULL) & ~frame["exchange"].isin(list(away))
    marks = whole.map({True: "", False: "≥ "})
    return _draw_ranking(frame, (marks + frame["exchange"]).tolist(), theme, gaps, badge)


def _draw_ranking(
    frame: pd.DataFrame,
    names: Sequence[str],
    theme: ThemeName,
    gaps: pd.DataFrame | None,
    badge: str | None,
) -> Spec:
    colours = THEMES[theme]
    traces = [
        base.create_bars("long", colours.long, x=frame["long_usd"], y=names, orientation="h"),
        base.create_bars("short", colours.short, x=frame["short_usd"], y=names, orientation="h"),
    ]
    layout = base.create_layout(theme, frame, badge)
    for note in layout["annotations"] if len(frame) else ():
        note["yshift"] = 16  # a narrow chart has no room for it beside the legend
    layout["margin"] |= {"t": 44}
    layout |= {"barmode": "stack", "hovermode": "y unified"}
    layout["xaxis"] = base.create_usd_axis(colours, "liquidated", frame, gaps=gaps) | {"nticks": 5}
    layout["yaxis"] = base.create_lines_axis(len(names))
    return {"data": traces, "layout": layout}
