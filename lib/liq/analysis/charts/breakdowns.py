"""Charts by venue, by price, by time and by hour of the day, and when cascades began."""

import math
from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Any

import numpy as np
import pandas as pd

from liq.analysis import links
from liq.analysis.charts import base
from liq.analysis.charts.base import BOUND, THEMES, Chart, Spec, Theme, ThemeName
from liq.common.text import format_compact

_ROWS = 12  # of the timeline of cascades
_LARGEST_BUBBLE = 44  # pixels across
_OTHERS = "others"


@Chart
def venue_share(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
    zone: tzinfo = UTC,
    bucket: str | None = None,
) -> Spec:
    """Each exchange's share of a bucket's notional in percent, stacked, from ``venue_share``.

    The exchanges with most notional in the window come first. Those for which no colour is left
    are summed as "others".
    ``span``, ``gaps``, ``badge``, ``zone`` and ``bucket`` as in `bars`.

    Example:
        >>> frame = liq.hit("venue_share", bucket="5m", window="1h")
        >>> [trace.name for trace in liq.charts.venue_share(frame).data]
        ['bybit', 'binance_usdm']
    """
    colours = THEMES[theme]
    known = set(frame["exchange"])
    frame = frame.assign(is_bound=base.find_bounds(frame, None).astype("f8"))
    usd, share, bound = _group_others(frame, "exchange", len(colours.venues) - 1)
    times = pd.Series(share.index)
    buckets = base.find_buckets(times, bucket)
    bound |= _find_lost(share.columns, gaps, buckets)
    traces = [
        base.create_bars(
            venue,
            colour,
            x=base.format_moments(times, zone),
            hover=_SHARE_HOVER,
            bounds=bound[venue],
            y=100 * share[venue],
            **base.create_period(buckets.width),
        )
        | {"customdata": usd[venue].tolist()}
        | ({"meta": {"filter": "exchanges", "name": venue}} if venue in known else {})
        for venue, colour in _assign_colours(colours, share.columns.tolist())
    ]
    layout = base.create_layout(theme, frame, badge) | {
        "barmode": "stack",
        "hovermode": "x unified",
    }
    layout |= base.create_time_axis(colours, span, gaps, zone)
    note = ", partial feeds" if base.completeness_note(frame) else ""
    layout["yaxis"] = base.create_axis(colours, f"share of USD (%{note})")
    layout["yaxis"] |= {"range": [0, 100]}
    return {"data": traces, "layout": layout}


@Chart
def cascades(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
    zone: tzinfo = UTC,
    here: links.Place = links.Place(),  # noqa: B008 - immutable
) -> Spec:
    """When cascades began, a line for each name, from ``cascades``.

    A bubble's area is the notional in USD, its colour the side with more of it. The names with most
    notional have lines of their own. ``span``, ``gaps``, ``badge`` and ``zone`` as in `bars`. On
    the dashboard a click on a bubble shows its time with the filters of ``here``.

    Example:
        >>> frame = liq.hit("cascades", window="1h", min_prints=3)
        >>> [trace.name for trace in liq.charts.cascades(frame).data]
        ['long', 'short']
    """
    colours = THEMES[theme]
    totals = frame.groupby("name")["total_usd"].sum().sort_values(ascending=False)
    own = list(totals.index[:_ROWS])
    lines = own + [_OTHERS] * (len(totals) > _ROWS)
    frame = frame.assign(
        begun=base.format_moments(frame["from_ts"], zone),
        is_bound=base.find_bounds(frame, gaps, (frame["from_ts"], frame["to_ts"])),
    )
    long = frame["long_usd"] >= frame["short_usd"]
    greatest = float(frame["total_usd"].max()) if len(frame) else 1.0
    traces = [
        _create_bubbles("long", colours.long, frame[long], own, greatest, here=here),
        _create_bubbles("short", colours.short, frame[~long], own, greatest, here=here),
    ]
    layout = base.create_layout(theme, frame, badge) | {"hovermode": "closest"}
    layout |= base.create_time_axis(colours, span, gaps, zone)
    unit = base.format_usd_unit(frame, gaps)
    layout["legend"] |= {
        "title": {"text": f"area: liquidated ({unit})", "font": {"size": 11}},
        "itemsizing": "constant",
    }
    layout["yaxis"] = base.NAMES_AXIS | {
        "categoryorder": "array",
        "categoryarray": lines,
        "range": [max(len(lines), 1) - 0.5, -0.6 - 0.1 * len(lines)],  # room for a large bubble
        "gridcolor": colours.grid,
    }
    return {"data": traces, "layout": layout}


@Chart
def heatmap(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
    zone: tzinfo = UTC,
) -> Spec:
    """Where longs (above) and shorts (below) were liquidated, by price and time, from ``heatmap``.

    Colour is notional in USD on a logarithmic scale that both panels share; no colour is no print.
    ``span``, ``gaps``, ``badge`` and ``zone`` as in `bars`.

    Example:
        >>> frame = liq.hit("heatmap", asset="BTC", bucket="1m", window="1h")
        >>> liq.charts.heatmap(frame).layout.xaxis.title.text
        'time (UTC)'
    """
    colours = THEMES[theme]
    unit = base.format_usd_unit(frame, gaps)
    scale = _create_log_scale(frame)
    panels = (("long", colours.long, "y", [0.53, 1.0]), ("short", colours.short, "y2", [0.0, 0.47]))
    layout = base.create_layout(theme, frame, badge) | base.create_time_axis(
        colours, span, gaps, zone
    )
    layout |= {"hovermode": "closest", "margin": layout["margin"] | {"r": 88}}
    layout["xaxis"] |= {"anchor": "y2", "showgrid": False}
    traces = []
    for side, colour, name, domain in panels:
        legend = {"colorbar": _create_log_bar(domain, f"{side} ({unit})")}
        cells = _create_cells(frame, side, colours.card, colour, zone, gaps=gaps)
        traces.append(cells | {"yaxis": name} | scale | legend)
        axis = base.create_axis(colours, "price (quote per base)")
        layout["yaxis" + name[1:]] = axis | {"domain": domain, "showgrid": False}
    layout["yaxis2"] |= {"matches": "y"}
    return {"data": traces, "layout": layout}


@Chart
def hour_of_day(
    frame: pd.DataFrame, theme: ThemeName = "light", *, badge: str | None = None
) -> Spec:
    """Mean long and short notional by hour of the day (UTC), from ``hour_of_day``.

    The mean is over the covered time only, whose length hovering shows. All weekdays are combined;
    pass some of the frame's rows to show some weekdays only.

    Example:
        >>> frame = liq.hit("hour_of_day", window="7d")
        >>> [trace.name for trace in liq.charts.hour_of_day(frame).data]
        ['long', 'short']
    """
    colours = THEMES[theme]
    named = ["long_usd", "short_usd", "hours", "window"]
    named += ["partial"] if "partial" in frame else []
    sums = frame.assign(window=frame["hours"] / frame["covered"]).groupby("hour")[named].sum()
    covered = sums["hours"].where(sums["hours"] > 0)
    traces = [
        base.create_bars(
            side,
            colour,
            hover=_HOUR_HOVER,
            bounds=base.find_bounds(sums, None),
            x=sums.index.tolist(),
            y=_list_values(sums[f"{side}_usd"] / covered),
        )
        | {"customdata": sums[["hours", "window"]].to_numpy().tolist()}
        for side, colour in (("long", colours.long), ("short", colours.short))
    ]
    layout = base.create_layout(theme, frame, badge) | {
        "barmode": "stack",
        "hovermode": "x unified",
    }
    layout["xaxis"] = base.create_axis(colours, "hour of the day (UTC)")
    layout["xaxis"] |= {"range": [-0.5, 23.5], "dtick": 3, "showgrid": False}
    layout["yaxis"] = base.create_usd_axis(colours, "mean of a covered hour", frame)
    return {"data": traces, "layout": layout}


_SHARE_HOVER = f"%{{y:.1f}} % ({BOUND}%{{customdata:$,.0f}})"
_HOUR_HOVER = (
    f"{BOUND}%{{y:$,.0f}}, of %{{customdata[0]:.3~g}} h covered in %{{customdata[1]:.3~g}} h"
)
_CASCADE_HOVER = (
    "<b>%{customdata[0]}</b> %{x}, %{customdata[1]:,.1f} s<br>"
    f"{BOUND}%{{customdata[2]:$,.0f}} in {BOUND}%{{customdata[3]:,}} prints,"
    f" peak {BOUND}%{{customdata[4]:$,.0f}} in 1 s<br>"
    f"long {BOUND}%{{customdata[5]:$,.0f}}, short {BOUND}%{{customdata[6]:$,.0f}}<br>"
    "%{customdata[7]} exchanges, %{customdata[8]} first; burst score %{customdata[9]:,.1f}"
)
_CASCADE_FIELDS = [
    "name", "duration_s", "total_usd", "prints", "peak_1s_usd", "long_usd", "short_usd",
    "exchanges", "first_exchange", "burst_score",
]  # fmt: skip


def _list_values(column: "pd.Series[float]") -> list[float | None]:
    return [None if pd.isna(value) else value for value in column]


def _group_others(frame: pd.DataFrame, by: str, most: int) -> tuple[pd.DataFrame, ...]:
    """Return USD, share and whether they are bounds, a row for each moment.

    They have a column for each of the ``most`` greatest and the others.
    """
    totals = frame.groupby(by)["total_usd"].sum().sort_values(ascending=False)
    names = frame[by].where(frame[by].isin(totals.index[:most]), _OTHERS)
    order = [name for name in (*totals.index[:most], _OTHERS) if (names == name).any()]
    usd, share, bounds = (
        frame.assign(name=names)
        .pivot_table(index="ts", columns="name", values=column, aggfunc="sum", fill_value=0.0)
        .reindex(columns=order)
        for column in ("total_usd", "share", "is_bound")
    )
    return usd, share, bounds > 0


def _find_lost(
    exchanges: "pd.Index[str]", gaps: pd.DataFrame | None, buckets: base.Buckets
) -> np.ndarray:
    """Return for each bucket and each of ``exchanges`` whether its feed has a gap there."""
    lost = np.zeros((len(buckets.starts), len(exchanges)), dtype=bool)
    if gaps is None or gaps.empty:
        return lost
    if "exchange" not in gaps:  # any feed may have them
        lost |= np.reshape(base.find_lost(gaps, buckets.times), (-1, 1))
        return lost
    names = gaps["exchange"].where(gaps["exchange"].isin(exchanges), _OTHERS)
    for number, name in enumerate(exchanges):
        lost[:, number] = base.find_lost(gaps[names == name], buckets.times)
    return lost


def _assign_colours(colours: Theme, names: list[str]) -> Iterator[tuple[str, str]]:
    *own, others = colours.venues
    for number, name in enumerate(names):
        yield name, others if name == _OTHERS else own[number]


def _create_bubbles(
    side: str,
    colour: str,
    frame: pd.DataFrame,
    own: list[str],
    greatest: float,
    *,
    here: links.Place,
) -> Spec:
    names = frame["name"].where(frame["name"].isin(own), _OTHERS)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": side,
        "x": frame["begun"].tolist(),
        "y": names.tolist(),
        "cliponaxis": False,
        "customdata": frame[_CASCADE_FIELDS].to_numpy(dtype=object).tolist(),
        "ids": [links.build_link(_locate(run, here)) for run in frame.itertuples()],
        **base.mark_bounds(f"{_CASCADE_HOVER}<extra>mostly {side}</extra>", frame["is_bound"]),
        "marker": {
            "color": colour,
            "opacity": 0.7,
            "line": {"width": 0},
            "size": frame["total_usd"].tolist(),
            "sizemode": "area",
            "sizeref": 2 * greatest / _LARGEST_BUBBLE**2,
            "sizemin": 2,
        },
    }


def _locate(run: Any, here: links.Place) -> links.Place:
    """Return the time and the asset of a cascade, to which a click on its bubble travels."""
    return links.locate_cascade(run.from_ts, run.to_ts, run.name, here=here)


def _create_cells(
    frame: pd.DataFrame,
    side: str,
    paper: str,
    colour: str,
    zone: tzinfo,
    *,
    gaps: pd.DataFrame | None,
) -> Spec:
    """Return a panel: cells between the edges of buckets and bins; nothing where none are."""
    starts = frame["ts"].drop_duplicates().sort_values()
    known = base.find_buckets(starts).width
    width = pd.Timedelta(minutes=1) if known is None else known
    moments = pd.concat([starts, starts + width]).drop_duplicates().sort_values()
    prices = np.unique(base.select(frame, "price_from", "price_to").to_numpy())
    usd = np.full((max(len(prices) - 1, 0), max(len(moments) - 1, 0)), np.nan)
    rows = np.searchsorted(prices, frame["price_from"])
    columns = np.searchsorted(moments.to_numpy(), frame["ts"].to_numpy())
    usd[rows, columns] = frame[f"{side}_usd"].where(frame[f"{side}_usd"] > 0)
    marks = np.full(usd.shape, "", dtype=object)
    times = None if known is None else (frame["ts"], frame["ts"] + known)
    is_bound = base.find_bounds(frame, gaps, times)
    marks[rows, columns] = is_bound.map({True: BOUND, False: ""})
    return {
        "type": "heatmap",
        "name": side,
        "x": base.format_moments(moments, zone),
        "y": prices.tolist(),
        "z": _replace_nan(np.log10(usd)),
        "customdata": _replace_nan(usd),
        "text": marks.tolist(),
        "colorscale": [[0, base.blend(paper, colour, 0.25)], [1, colour]],
        "hovertemplate": f"%{{x}}<br>%{{y:,.6~g}}: %{{text}}%{{customdata:$,.0f}}"
        f"<extra>{side}</extra>",
        "hoverongaps": False,
    }


def _create_log_scale(frame: pd.DataFrame) -> Spec:
    usd = base.select(frame, "long_usd", "short_usd").to_numpy()
    least, most = (usd[usd > 0].min(), usd.max()) if (usd > 0).any() else (1.0, 10.0)
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return {"zmin": low, "zmax": max(high, low + 1)}


def _create_log_bar(domain: list[float], title: str) -> Spec:
    powers = range(-2, 13)
    return {
        "title": {"text": title, "side": "right", "font": {"size": 11}},
        "tickvals": list(powers),
        "ticktext": [f"${format_compact(10.0**power)}" for power in powers],
        "y": sum(domain) / 2,
        "len": domain[1] - domain[0],
        "thickness": 12,
        "outlinewidth": 0,
    }


def _replace_nan(values: np.ndarray) -> list[list[float | None]]:
    return [[None if math.isnan(value) else value for value in row] for row in values.tolist()]
