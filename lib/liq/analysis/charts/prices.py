"""Prices drawn over liquidations, and price moves after prints."""

from typing import Any

import pandas as pd

from liq.analysis.charts import base
from liq.analysis.charts.base import THEMES, Chart, Spec, Theme, ThemeName

NO_PATH = "no prints with a price in this window"
_ON_THE_RIGHT = {
    "overlaying": "y",
    "side": "right",
    "showgrid": False,
    "tickmode": "auto",  # round prices; by default ticks follow the axis of dollars
    "tickformat": ",~g",
}


@Chart
def price_path(
    frame: pd.DataFrame, theme: ThemeName = "light", *, badge: str | None = None
) -> Spec:
    """Mean move of the price around a print, in bps by seconds since it, from ``price_path``.

    Above zero the price moved further in the direction of the forced order. The bands hold the
    middle half of the prints. ``badge`` as in `bars`.

    Example:
        >>> frame = liq.hit("price_path", window="1h", min_notional=100_000)
        >>> liq.charts.price_path(frame).layout.xaxis.title.text
        'time since the print (s)'
    """
    colours = THEMES[theme]
    traces = [
        trace
        for side, colour in (("long", colours.long), ("short", colours.short))
        if (frame["side"] == side).any()
        for trace in _create_path(frame[frame["side"] == side], side, colour)
    ]
    layout = base.create_layout(theme, frame, badge, empty=NO_PATH) | {"hovermode": "x unified"}
    layout["xaxis"] = base.create_axis(colours, "time since the print (s)")
    layout["xaxis"] |= {"dtick": 60, "zerolinecolor": colours.muted}
    layout["yaxis"] = base.create_axis(colours, "with the forced order (bps)")
    layout["yaxis"] |= {"zerolinecolor": colours.muted}
    return {"data": traces, "layout": layout}


def create_overlay(colours: Theme, frame: pd.DataFrame) -> tuple[Spec, Spec]:
    """Return the closing prices of ``price_by_bucket`` as a line, and its axis on the right."""
    low, high = frame["low"], frame["high"]
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "mark price",
        "x": base.format_moments(frame["ts"]),
        "y": _replace_nan(frame["close"]),
        "yaxis": "y2",
        "line": {"color": colours.text, "width": 1.5},  # hues are the sides'
        "customdata": list(map(list, zip(*map(_replace_nan, (low, high)), strict=True))),
        "hovertemplate": "%{y:,.6~g} (%{customdata[0]:,.6~g} to %{customdata[1]:,.6~g})"
        "<extra>mark price</extra>",
    }
    period = base.create_period(frame["ts"])
    if period:  # a bucket closes at its end
        line |= {"xperiod": period["xperiod"], "xperiodalignment": "end"}
    axis = base.create_axis(colours, "mark price (quote per base)")
    return line, axis | _ON_THE_RIGHT


def _create_path(frame: pd.DataFrame, side: str, colour: str) -> list[Spec]:
    seconds = frame["offset_s"].tolist()
    common = {"type": "scatter", "mode": "lines", "legendgroup": side}
    band = common | {
        "name": f"{side}: middle half",
        "x": [*seconds, *reversed(seconds)],
        "y": [*frame["q3_bps"].tolist(), *reversed(frame["q1_bps"].tolist())],
        "fill": "toself",
        "fillcolor": base.fade(colour),
        "line": {"color": colour, "width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    mean = common | {
        "name": side,
        "x": seconds,
        "y": frame["mean_bps"].tolist(),
        "line": {"color": colour, "width": 2},
        "customdata": frame["prints"].tolist(),
        "hovertemplate": f"%{{y:+.1f}} bps, %{{customdata:,}} prints<extra>{side}</extra>",
    }
    return [band, mean]


def _replace_nan(values: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value for value in values.tolist()]
