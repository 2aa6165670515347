"""Charts of liquidations by time, symbol and exchange, and of the price around them."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

import pandas as pd

from liq.analysis.charts import base
from liq.analysis.charts.base import THEMES, Chart, Spec, Theme, ThemeName
from liq.records.model import Completeness

_FULL = Completeness.FULL
_MOST_EXCHANGES = 12  # for whose names a panel has room
NO_PATH = "no prints with a price in this window"
_ON_THE_RIGHT = {
    "overlaying": "y",
    "side": "right",
    "showgrid": False,
    "tickmode": "auto",  # round prices; by default ticks follow the axis of dollars
    "tickformat": ",~g",
    "automargin": True,  # prices have few digits or many
}


@Chart
def bars(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
    price: pd.DataFrame | None = None,
    zone: tzinfo = UTC,
    now: Any = None,
    window: tuple[Any, Any] | None = None,
    bucket: str | None = None,
) -> Spec:
    """Stacked long and short notional a bucket, from ``liquidations_by_bucket``.

    Args:
        frame: Rows of the query.
        theme: Colours.
        span: Fixes the time axis.
        gaps: Rows of ``coverage``, which are shaded, since liquidations may be missing there.
        badge: Replaces the badge derived from the frame.
        price: Rows of ``price_by_bucket``, drawn over the bars on an axis of its own.
        zone: Time zone of the time axis.
        now: Marks the bucket that runs at this moment; no price is drawn after it.
        window: Exact start and end of the rows; marks the buckets that they cut.
        bucket: Width of a bucket, as in the query; by default the least step between rows.

    Example:
        >>> frame = liq.hit("liquidations_by_bucket", bucket="1m", window="1h")
        >>> [trace.name for trace in liq.charts.bars(frame).data]
        ['long', 'short']
    """
    colours = THEMES[theme]
    times = base.format_moments(frame["ts"], zone)
    buckets = base.find_buckets(frame["ts"], bucket, window, now)
    period = base.create_period(buckets.width)
    bounds = base.find_bounds(frame, gaps, buckets.times)
    cuts = base.find_cuts(buckets, zone)
    parts = _match_cuts(frame["ts"], cuts)
    traces = [
        _mark_parts(
            base.create_bars(
                side, colour, bounds=bounds, x=times, y=frame[f"{side}_usd"], **period
            ),
            parts,
        )
        for side, colour in (("long", colours.long), ("short", colours.short))
    ]
    if badge is None and price is not None:
        badge = base.source_badge(frame) or base.source_badge(price)
    layout = base.create_layout(theme, frame, badge) | {
        "barmode": "stack",
        "hovermode": "x unified",
    }
    layout |= base.create_time_axis(colours, span, gaps, zone)
    layout["shapes"] += base.create_cut_marks(colours, cuts, zone)
    layout["yaxis"] = base.create_usd_axis(colours, "liquidated", frame, gaps=gaps)
    if price is not None and len(price):
        lines, layout["yaxis2"] = create_overlay(
            colours, base.find_buckets(price["ts"], bucket, now=now), price, zone
        )
        traces += lines
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
    zone: tzinfo = UTC,
    now: Any = None,
    window: tuple[Any, Any] | None = None,
    bucket: str | None = None,
) -> Spec:
    """Running long minus short notional, from ``cumulative_net``; the rest as in `bars`.

    The line has the sum until each moment: of a bucket at its end, of the newest at ``now`` or at
    the end of the ``window``.

    Example:
        >>> frame = liq.hit("cumulative_net", bucket="1m", window="1h")
        >>> [trace.name for trace in liq.charts.cumulative_net(frame).data]
        ['long minus short']
    """
    colours = THEMES[theme]
    moments, sums = base.sum_over_time(frame, base.find_buckets(frame["ts"], bucket, window, now))
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": "long minus short",
        "x": base.format_moments(moments, zone),
        "y": sums,
        "line": {"color": colours.net, "width": 2},
        "fill": "tozeroy",
        "fillcolor": base.fade(colours.net),
        "hovertemplate": "%{y:$,.0f}<extra>long minus short</extra>",
    }
    layout = base.create_layout(theme, frame, badge) | {"hovermode": "x unified"}
    layout |= base.create_time_axis(colours, span, gaps, zone)
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
    frame = frame.assign(label=frame["symbol"], is_bound=base.find_bounds(frame, gaps))
    return _draw_ranking(frame, theme, gaps, badge, kind="symbols")


@Chart
def by_exchange(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
) -> Spec:
    """Long and short notional an exchange, from ``by_exchange``; ``≥`` marks lower bounds.

    Sums of partial feeds, and of feeds with ``gaps``, from ``coverage``, are lower bounds. Of more
    than 12 exchanges, the smallest share a bar.

    Example:
        >>> frame = liq.hit("by_exchange", window="1h")
        >>> [trace.name for trace in liq.charts.by_exchange(frame).data]
        ['long', 'short']
    """
    whole = (frame["completeness"] == _FULL) & ~base.find_away(frame["exchange"], gaps)
    frame = frame.assign(label=frame["exchange"], is_bound=~whole)
    frame = _merge_others(frame)
    frame["label"] = frame["is_bound"].map({True: base.BOUND, False: ""}) + frame["label"]
    return _draw_ranking(frame, theme, gaps, badge, kind="exchanges")


def _merge_others(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the greatest exchanges, and the sum of the others in a row that has only a label."""
    if len(frame) <= _MOST_EXCHANGES:
        return frame
    own, rest = base.split_greatest(frame, _MOST_EXCHANGES)
    others = (
        rest.sum(numeric_only=True)
        .to_frame()
        .T.assign(
            exchange="",
            label=f"{len(rest)} others",
            completeness=next((each for each in rest["completeness"] if each != _FULL), _FULL),
            is_bound=bool(rest["is_bound"].any()),
        )
    )
    return pd.concat([own, others[own.columns]], ignore_index=True)


@Chart
def price_path(
    frame: pd.DataFrame, theme: ThemeName = "light", *, badge: str | None = None
) -> Spec:
    """Mean move of the price around a print, in bps by seconds since it, from ``price_path``.

    Above zero the price moved further in the direction of the forced order: down where longs are
    liquidated, up where shorts are. The bands hold the middle half of the prints. ``badge`` as in
    `bars`.

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
    layout["yaxis"] = base.create_axis(colours, "move with the order (bps)")
    layout["yaxis"] |= {"zerolinecolor": colours.muted}
    return {"data": traces, "layout": layout}


def _match_cuts(moments: pd.Series, cuts: Sequence[base.Cut]) -> list[str]:
    """Return the part that the rows have of each bucket, "" for a whole bucket; [] if all are."""
    parts = {cut.start: cut.part for cut in cuts}
    return [parts.get(moment, "") for moment in moments] if parts else []


def _mark_parts(trace: Spec, parts: Sequence[str]) -> Spec:
    """Return bars that are lighter, and say so under the pointer, where ``parts`` has words."""
    if not parts:
        return trace
    trace["marker"] |= {"opacity": [0.6 if part else 1 for part in parts]}
    return trace | {
        "hovertemplate": trace["hovertemplate"].replace("<extra>", "%{customdata}<extra>"),
        "customdata": [part and f" ({part})" for part in parts],
    }


def _draw_ranking(
    frame: pd.DataFrame,
    theme: ThemeName,
    gaps: pd.DataFrame | None,
    badge: str | None,
    *,
    kind: str,
) -> Spec:
    """Return bars of rows that have a ``label`` and ``is_bound``."""
    colours = THEMES[theme]
    sides = (("long", colours.long), ("short", colours.short))
    traces = [
        base.create_bars(
            side,
            colour,
            bounds=frame["is_bound"],
            x=frame[f"{side}_usd"],
            y=frame["label"],
            orientation="h",
        )
        for side, colour in sides
    ]
    for trace in traces:  # a click on a bar chooses its name
        trace |= {"meta": {"filter": kind}, "customdata": frame.iloc[:, 0].tolist()}
    layout = base.create_layout(theme, frame, badge)
    for note in layout["annotations"] if len(frame) else ():
        note["yshift"] = 16  # a narrow chart has no room for it beside the legend
    layout["margin"] |= {"t": 44}
    layout |= {"barmode": "stack", "hovermode": "y unified"}
    layout["xaxis"] = base.create_usd_axis(colours, "liquidated", frame, gaps=gaps) | {"nticks": 5}
    layout["yaxis"] = base.create_lines_axis(len(frame))
    return {"data": traces, "layout": layout}


def create_overlay(
    colours: Theme, buckets: base.Buckets, frame: pd.DataFrame, zone: tzinfo = UTC
) -> tuple[list[Spec], Spec]:
    """Return the closing prices of ``price_by_bucket`` as a line, and their axis on the right.

    A bucket closes at its end. A bucket that runs has its newest price now. The pointer reads the
    bucket that it is over, by a second trace that is not seen: ends of the line are also starts.
    """
    axis = base.create_axis(colours, "mark price (quote per base)") | _ON_THE_RIGHT
    starts, ends = buckets.times or (buckets.starts, buckets.starts)
    if buckets.is_running:
        ends = ends.where(ends <= buckets.now, buckets.now)
    common = {
        "type": "scatter",
        "mode": "lines",
        "name": "mark price",
        "legendgroup": "mark price",  # a click on it hides both
        "y": _replace_nan(frame["close"]),
        "yaxis": "y2",
    }
    line = common | {
        "x": base.format_moments(ends, zone),
        "line": {"color": colours.text, "width": 1.5},  # hues are the sides'
        "hoverinfo": "skip",
    }
    low, high = _replace_nan(frame["low"]), _replace_nan(frame["high"])
    period = base.create_period(buckets.width)
    period.pop("width", None)  # of a bar
    hover = common | {
        "x": base.format_moments(starts, zone),
        **period,
        "line": {"color": colours.text, "width": 0},
        "showlegend": False,
        "customdata": list(map(list, zip(low, high, strict=True))),
        "hovertemplate": "%{y:,.6~g} (%{customdata[0]:,.6~g} to %{customdata[1]:,.6~g})"
        "<extra>mark price</extra>",
    }
    return [line, hover], axis


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
