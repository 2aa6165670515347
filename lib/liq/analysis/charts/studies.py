"""Charts of `liq.analysis.studies`: who led cascades, how one went, how prices reacted, alerts."""

import math
from typing import Any

import pandas as pd

from liq.analysis.charts import base
from liq.analysis.charts.base import THEMES, Chart, Spec, Theme, ThemeName
from liq.analysis.charts.flows import bars, create_overlay
from liq.common.text import format_compact

NO_LEADERS = "no cascade over several exchanges in this window"
NO_CASCADE = "no such cascade in this window"
NO_REACTIONS = "too few prints with a price in this window"
NO_HISTORY = "the rule's query gave no value in this window"
_SECONDS = {10: "10 s", 60: "1 min", 300: "5 min"}
_OTHERS = "others"
_WIDE = 30  # times the least threshold: then the axis is logarithmic


@Chart
def leaders(frame: pd.DataFrame, theme: ThemeName = "light", *, badge: str | None = None) -> Spec:
    """How often each exchange led, in percent of cascades, from ``studies.rank_leaders``.

    The whiskers are 95 percent intervals. A diamond is the exchange's share of all prints, with
    which it would lead by chance. ``badge`` as in `bars`.

    Example:
        >>> from liq.analysis import studies
        >>> found = liq.hit("cascades", window="1h", min_prints=3)
        >>> led = studies.rank_leaders(found, liq.hit("by_exchange", window="1h"))
        >>> [trace.name for trace in liq.charts.leaders(led).data]
        ['led', 'by chance: share of all prints']
    """
    colours = THEMES[theme]
    names, share = frame["exchange"].tolist(), 100 * frame["share"]
    whiskers = {
        "type": "data",
        "symmetric": False,
        "array": (100 * frame["high"] - share).tolist(),
        "arrayminus": (share - 100 * frame["low"]).tolist(),
        "color": colours.text,
    }
    led = base.create_bars(
        "led", colours.venues[0], x=share, y=names, orientation="h", width=0.6
    ) | {
        "error_x": whiskers,
        "marker": {"color": colours.venues[0], "opacity": 0.7},  # whiskers show on it
        "customdata": base.select(frame, "led", "cascades").to_numpy().tolist(),
        "hovertemplate": "%{x:.0f} %: %{customdata[0]} of %{customdata[1]}<extra>led</extra>",
    }
    traces = [led]
    if frame["expected"].notna().any():
        traces.append(_create_chance(colours, names, frame["expected"]))
    layout = base.create_layout(theme, frame, badge, badge_height=0, empty=NO_LEADERS)
    count = int(frame["cascades"].iloc[0]) if len(frame) else 0
    layout["xaxis"] = base.create_axis(
        colours, f"share of {count} cascades over several exchanges (%)"
    )
    layout["xaxis"] |= {"rangemode": "tozero"}
    layout["yaxis"] = base.create_lines_axis(len(names))
    return {"data": traces, "layout": layout}


@Chart
def cascade(
    prints: pd.DataFrame,
    price: pd.DataFrame | None = None,
    theme: ThemeName = "light",
    *,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
) -> Spec:
    """Cumulative notional of a cascade, stacked by exchange, in the order of their first prints.

    From ``cascade_prints``; ``price``, from ``price_by_bucket``, is laid over it. Sums of feeds
    with ``gaps``, from ``coverage``, in the time of the cascade are lower bounds. ``badge`` as in
    `bars`.

    Example:
        >>> from liq.analysis import studies
        >>> found = liq.hit("cascades", window="1h", min_prints=3)
        >>> prints = liq.hit("cascade_prints", **studies.select_prints(found, rank=1))
        >>> price = liq.hit("price_by_bucket", **studies.select_price(found, rank=1))
        >>> [trace.name for trace in liq.charts.cascade(prints, price).data]
        ['bybit', 'binance_usdm', 'mark price', 'mark price']
    """
    colours = THEMES[theme]
    *own, others = colours.venues
    totals = prints.groupby("exchange")["notional"].sum().nlargest(len(own))
    named = prints["exchange"].where(prints["exchange"].isin(totals.index), _OTHERS)
    if gaps is not None:
        begin, end = prints["ts"].min(), prints["ts"].max()
        gaps = gaps[(gaps["from_ts"] <= end) & (gaps["to_ts"] >= begin)]
    bounds = base.find_bounds(prints, None) | base.find_away(prints["exchange"], gaps)
    first = prints["exchange"][named != _OTHERS].drop_duplicates().tolist()
    names = first + [_OTHERS] * bool((named == _OTHERS).any())
    usd = prints.assign(name=named).pivot_table(
        index="ts", columns="name", values="notional", aggfunc="sum", fill_value=0.0
    )
    moments = base.format_moments(pd.Series(usd.index)) if names else []
    traces = [
        _create_layer(
            name,
            others if name == _OTHERS else own[number],
            moments,
            usd[name].cumsum(),
            is_bound=bool(bounds[named == name].any()),
        )
        for number, name in enumerate(names)
    ]
    layout = base.create_layout(theme, prints, badge, empty=NO_CASCADE) | {"hovermode": "x unified"}
    layout |= base.create_time_axis(colours, None, None)
    layout["yaxis"] = base.create_usd_axis(colours, "liquidated so far", prints, gaps=gaps)
    if names and price is not None and len(price):
        lines, layout["yaxis2"] = create_overlay(colours, base.find_buckets(price["ts"]), price)
        traces += lines
        layout["margin"] |= {"r": 72}
    return {"data": traces, "layout": layout}


@Chart
def reactions(frame: pd.DataFrame, theme: ThemeName = "light", *, badge: str | None = None) -> Spec:
    """Price moves after prints, in bps by decile of size.

    ``frame`` is of ``liq.analysis.studies.measure_reactions``.

    A box holds the middle half of the prints, its line is the median, the dashed one the mean; each
    decile says how many prints (n) there are. ``badge`` as in `bars`.

    Example:
        >>> from liq.analysis import studies
        >>> moves = studies.measure_reactions(liq.hit("print_reactions", window="1h"))
        >>> [trace.name for trace in liq.charts.reactions(moves).data]
        ['after 10 s', 'after 1 min', 'after 5 min']
    """
    colours = THEMES[theme]
    labels = _label_deciles(frame)
    traces = [
        _create_boxes(colours.venues[number], f"after {name}", part, labels)
        for number, (seconds, name) in enumerate(_SECONDS.items())
        if len(part := frame[frame["horizon_s"] == seconds])
    ]
    layout = base.create_layout(theme, frame, badge, empty=NO_REACTIONS) | {"boxmode": "group"}
    layout["xaxis"] = base.create_axis(colours, "decile of size: notional of the prints (USD)")
    layout["xaxis"] |= {"type": "category", "showgrid": False}
    layout["yaxis"] = base.create_axis(colours, "moved on as the forced order pushed (bps)")
    layout["yaxis"] |= {"zerolinecolor": colours.muted, "zerolinewidth": 1.5}
    layout["margin"] |= {"b": 84}
    return {"data": traces, "layout": layout}


@Chart
def raised(
    frame: pd.DataFrame,
    alerts: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
) -> Spec:
    """Long and short notional a bucket, as `bars`, with marks where alerts were raised.

    ``alerts`` has ``ts``, ``rule`` and ``message``, as the query ``alerts`` and a backtest give it.

    Example:
        >>> history = liq.alerts.backtest("long_burst", window="30m", step="1m")
        >>> frame = liq.hit("liquidations_by_bucket", bucket=history.bucket, window="30m")
        >>> [trace.name for trace in liq.charts.raised(frame, history.alerts).data]
        ['long', 'short', 'alerts (1)']
    """
    colours = THEMES[theme]
    spec = bars.draw(frame, theme, span=span, gaps=gaps, badge=badge)
    spec["layout"]["hovermode"] = "closest"
    totals = (frame["long_usd"] + frame["short_usd"]).tolist()
    places = frame["ts"].searchsorted(alerts["ts"], side="right") - 1
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": f"alerts ({len(alerts)})",
        "x": base.format_moments(alerts["ts"]),
        "y": [totals[place] if totals and place >= 0 else 0.0 for place in places],
        "cliponaxis": False,
        "customdata": alerts[["rule", "message"]].to_numpy(dtype=object).tolist(),
        "hovertemplate": "<b>%{customdata[0]}</b> %{x}<br>%{customdata[1]}<extra></extra>",
        "marker": {
            "symbol": "triangle-down",
            "size": 12,
            "color": colours.net,
            "line": {"color": colours.text, "width": 1},
        },
    }
    return {"data": [*spec["data"], marks], "layout": spec["layout"]}


@Chart
def thresholds(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    unit: str = "",
    current: float | None = None,
) -> Spec:
    """How many alerts a day there would be, by threshold.

    ``frame`` is of `liq.analysis.alerts.Backtest.thresholds`.

    ``unit`` is that of the threshold, e.g. ``USD``; ``current`` is marked.

    Example:
        >>> history = liq.alerts.backtest("long_burst", window="30m", step="1m")
        >>> figure = liq.charts.thresholds(history.thresholds(), unit=history.unit)
        >>> [trace.name for trace in figure.data]
        ['alerts']
    """
    colours = THEMES[theme]
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "alerts",
        "x": frame["threshold"].tolist(),
        "y": frame["per_day"].tolist(),
        "line": {"color": colours.venues[0], "width": 2},
        "customdata": frame["alerts"].tolist(),
        "hovertemplate": "%{x:,.6~g}: %{y:,.3~g} a day (%{customdata:,} here)<extra></extra>",
    }
    layout = base.create_layout(theme, frame, "", empty=NO_HISTORY) | {"hovermode": "closest"}
    layout["showlegend"] = False
    layout["xaxis"] = base.create_axis(colours, f"threshold ({unit})" if unit else "threshold")
    layout["xaxis"] |= {"exponentformat": "B", "minexponent": 3}
    if len(frame) and frame["threshold"].max() > _WIDE * frame["threshold"].min() > 0:
        layout["xaxis"] |= {"type": "log", "dtick": "D2"}
    layout["yaxis"] = base.create_axis(colours, "alerts a day") | {"rangemode": "tozero"}
    if current is not None and len(frame):
        layout["shapes"], note = _create_mark(colours, current)
        # plotly takes the position of a line as a value, but of a note as its logarithm
        if "type" in layout["xaxis"]:
            note["x"] = math.log10(current)
        layout["annotations"] = [*layout["annotations"], note]
    return {"data": [line], "layout": layout}


def _create_chance(colours: Theme, names: list[str], expected: pd.Series) -> Spec:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "by chance: share of all prints",
        "x": [None if pd.isna(share) else 100 * share for share in expected],
        "y": names,
        "marker": {
            "symbol": "diamond",
            "size": 11,
            "color": colours.venues[1],
            "line": {"color": colours.text, "width": 1},
        },
        "hovertemplate": "%{x:.0f} % of all prints<extra>by chance</extra>",
    }


def _create_layer(
    name: str, colour: str, moments: list[str], usd: "pd.Series[float]", *, is_bound: bool
) -> Spec:
    hover = f"{base.BOUND}%{{y:$,.0f}}<extra>{name}</extra>"
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": moments,
        "y": usd.tolist(),
        "stackgroup": "exchanges",
        "line": {"color": colour, "width": 1, "shape": "hv"},
        "fillcolor": base.fade(colour, 0.6),
        **base.mark_bounds(hover, [is_bound]),
    }


def _label_deciles(frame: pd.DataFrame) -> dict[int, str]:
    """Return the label of each decile: its sizes and its number of prints."""
    sums = frame.groupby("decile").agg(
        {"from_usd": "min", "to_usd": "max", "prints": ["min", "max"]}
    )
    return {
        int(str(decile)): f"{decile}<br>{format_compact(least)} to<br>{format_compact(most)}<br>"
        f"n={_format_range(few, many)}"
        for decile, least, most, few, many in sums.itertuples(name=None)
    }


def _format_range(least: int, most: int) -> str:
    return f"{most:,}" if least == most else f"{least:,}-{most:,}"


def _create_boxes(colour: str, name: str, frame: pd.DataFrame, labels: dict[int, str]) -> Spec:
    return {
        "type": "box",
        "name": name,
        "x": [labels[decile] for decile in frame["decile"]],
        "q1": frame["q1_bps"].tolist(),
        "median": frame["median_bps"].tolist(),
        "q3": frame["q3_bps"].tolist(),
        "mean": frame["mean_bps"].tolist(),
        # no whiskers: the extremes are those of single prints
        "lowerfence": frame["q1_bps"].tolist(),
        "upperfence": frame["q3_bps"].tolist(),
        "boxmean": True,
        "fillcolor": base.fade(colour, 0.35),
        "line": {"color": colour, "width": 1.5},
    }


def _create_mark(colours: Theme, current: float) -> tuple[list[Spec], Spec]:
    line = {
        "type": "line",
        "x0": current,
        "x1": current,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": colours.warning, "width": 2, "dash": "dot"},
    }
    note = {
        "text": "now",
        "x": current,
        "yref": "paper",
        "y": 1,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"color": colours.warning, "size": 11},
    }
    return [line], note
