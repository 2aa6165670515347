"""Charts of query results: pure functions from a DataFrame to a plotly figure.

``bars(frame)`` is a ``plotly.graph_objects.Figure``; ``bars.spec(frame)`` is the same figure as
plain data, which the live dashboard sends to the browser many times a second without plotly's
validation in between. Colours are Okabe and Ito's, told apart by the colour-blind as well.

A frame that holds simulated or replayed prints (column ``not_live`` or ``source``) is badged, one
with prints of throttled or sampled feeds (``partial`` or ``completeness``) noted as lower bounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec

import numpy as np
import pandas as pd

from liq.model import Completeness, Source

if TYPE_CHECKING:
    import plotly.graph_objects as go

Spec = dict[str, Any]
ThemeName = Literal["dark", "light"]
P = ParamSpec("P")

LIVE_SOURCES = (Source.LIVE, Source.CRYPTOFEED)
LOWER_BOUND = "sums are lower bounds: the venue's feed shows only part of its liquidations"
_LEAST_LINES = 4
EMPTY = "no liquidations in this window"


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a page and its charts."""

    page: str
    card: str
    text: str
    muted: str
    grid: str
    long: str
    short: str
    net: str
    warning: str


THEMES: dict[ThemeName, Theme] = {
    "dark": Theme(
        page="#0e1116",
        card="#161b22",
        text="#e6edf3",
        muted="#9aa4b0",
        grid="#2a313b",
        long="#e8702a",
        short="#56b4e9",
        net="#f0e442",
        warning="#e69f00",
    ),
    "light": Theme(
        page="#f4f6f8",
        card="#ffffff",
        text="#1c2430",
        muted="#5a6675",
        grid="#e3e7ec",
        long="#d55e00",
        short="#0072b2",
        net="#8a3f72",
        warning="#8a5a00",
    ),
}


class Chart(Generic[P]):
    """A chart function: call it for a plotly ``Figure``, call ``spec`` for plain data."""

    def __init__(self, spec: Callable[P, Spec]) -> None:
        self.spec = spec
        update_wrapper(self, spec)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> "go.Figure":
        """Return the figure, checked by plotly."""
        import plotly.graph_objects as go  # noqa: PLC0415 - the dashboard needs only the spec

        return go.Figure(self.spec(*args, **kwargs))


@Chart
def bars(
    frame: pd.DataFrame,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any] | None = None,
    gaps: pd.DataFrame | None = None,
    badge: str | None = None,
) -> Spec:
    """Stacked long and short notional a bucket, from ``liquidations_by_bucket``.

    ``span`` fixes the time axis; ``gaps``, from ``coverage``, are shaded: nothing drawn there does
    not mean that nothing happened; ``badge`` replaces the one derived from the frame.
    """
    colours = THEMES[theme]
    times = _times(frame["ts"])
    period = _period(frame["ts"])
    traces = [
        _bar("long", colours.long, x=times, y=frame["long_usd"], **period),
        _bar("short", colours.short, x=times, y=frame["short_usd"], **period),
    ]
    layout = _layout(theme, frame, badge) | {"barmode": "stack", "hovermode": "x unified"}
    layout |= _time_axis(colours, span, gaps)
    layout["yaxis"] = _usd_axis(colours, "liquidated", frame)
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
    """Running long minus short notional, from ``cumulative_net``; the rest as in `bars`."""
    colours = THEMES[theme]
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": "long minus short",
        "x": _times(frame["ts"]),
        "y": frame["cumulative_usd"].tolist(),
        "line": {"color": colours.net, "width": 2, "shape": "hv"},
        "fill": "tozeroy",
        "fillcolor": _faded(colours.net),
        "hovertemplate": "%{y:$,.0f}<extra>long minus short</extra>",
    }
    layout = _layout(theme, frame, badge) | {"hovermode": "x unified"}
    layout |= _time_axis(colours, span, gaps)
    layout["yaxis"] = _usd_axis(colours, "cumulative", frame, "partial feed")
    layout["yaxis"] |= {"zeroline": True, "zerolinecolor": colours.muted}
    return {"data": [trace], "layout": layout}


@Chart
def top_symbols(
    frame: pd.DataFrame, theme: ThemeName = "light", *, badge: str | None = None
) -> Spec:
    """Long and short notional a symbol, greatest on top, from ``top_symbols``."""
    return _ranking(frame, frame["symbol"].tolist(), theme, badge)


@Chart
def by_exchange(
    frame: pd.DataFrame, theme: ThemeName = "light", *, badge: str | None = None
) -> Spec:
    """Long and short notional an exchange, from ``by_exchange``; ``≥`` marks lower bounds."""
    marks = frame["completeness"].map(lambda text: "" if text == Completeness.FULL else "≥ ")
    return _ranking(frame, (marks + frame["exchange"]).tolist(), theme, badge)


def source_badge(frame: pd.DataFrame) -> str:
    """Return what must be shown with ``frame`` when not all of its prints are live, else ``""``."""
    if "source" in frame:
        kinds = set(frame["source"]) - set(LIVE_SOURCES)
        names = {Source.SIMULATOR: "SIMULATED", Source.REPLAY: "REPLAYED"}
        marked = " + ".join(sorted(names.get(Source(kind), kind.upper()) for kind in kinds))
        partly = "PARTLY " if set(frame["source"]) & set(LIVE_SOURCES) else ""
        return f"{partly}{marked} DATA" if marked else ""
    return "NOT LIVE DATA" if _total(frame, "not_live") else ""


def completeness_note(frame: pd.DataFrame) -> str:
    """Return the note that sums of ``frame`` are lower bounds, or ``""`` if its feeds are full."""
    if "completeness" in frame:
        partial = bool((frame["completeness"] != Completeness.FULL).any())
    else:
        partial = _total(frame, "partial") > 0
    return LOWER_BOUND if partial else ""


def _total(frame: pd.DataFrame, column: str) -> int:
    return int(frame[column].sum()) if column in frame else 0


def _ranking(
    frame: pd.DataFrame, names: Sequence[str], theme: ThemeName, badge: str | None
) -> Spec:
    colours = THEMES[theme]
    traces = [
        _bar("long", colours.long, x=frame["long_usd"], y=names, orientation="h"),
        _bar("short", colours.short, x=frame["short_usd"], y=names, orientation="h"),
    ]
    # bottom right is free: the last bars are the shortest
    layout = _layout(theme, frame, badge, badge_height=0)
    layout |= {"barmode": "stack", "hovermode": "y unified"}
    layout["xaxis"] = _usd_axis(colours, "liquidated", frame) | {"nticks": 5}
    lines = max(len(names), _LEAST_LINES)  # the first on top; few ones are not blown up
    layout["yaxis"] = {"range": [lines - 0.5, -0.5], "type": "category", "automargin": True}
    return {"data": traces, "layout": layout}


def _bar(name: str, colour: str, **more: Any) -> Spec:
    amount = "x" if more.get("orientation") == "h" else "y"
    values = {key: _plain(value) for key, value in more.items()}
    return {
        "type": "bar",
        "name": name,
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": f"%{{{amount}:$,.0f}}<extra>{name}</extra>",
        **values,
    }


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, pd.Series) else value


def _layout(
    theme: ThemeName, frame: pd.DataFrame, badge: str | None, badge_height: float = 1
) -> Spec:
    colours = THEMES[theme]
    badge = source_badge(frame) if badge is None else badge
    notes = []
    if badge and len(frame):
        notes.append(_corner(badge, colours.warning) | {"y": badge_height})
    if frame.empty:
        notes.append(_centre(EMPTY, colours.muted))
    return {
        "paper_bgcolor": colours.card,
        "plot_bgcolor": colours.card,
        "font": {"color": colours.text, "family": "Inter, system-ui, sans-serif", "size": 12},
        "margin": {"l": 64, "r": 16, "t": 28, "b": 42},
        "legend": {
            "orientation": "h",
            "traceorder": "normal",
            "font": {"size": 11},
            "x": 0,
            "y": 1,
            "yanchor": "bottom",
        },
        "hoverlabel": {"bgcolor": colours.page, "font": {"color": colours.text}},
        "bargap": 0.12,
        "annotations": notes,
        "uirevision": "kept",  # a redraw keeps the reader's zoom
    }


def _corner(text: str, colour: str) -> Spec:
    return {
        "text": text,
        "font": {"color": colour, "size": 11},
        "xref": "paper",
        "yref": "paper",
        "x": 1,
        "y": 1,
        "xanchor": "right",
        "yanchor": "bottom",
        "showarrow": False,
    }


def _centre(text: str, colour: str) -> Spec:
    return _corner(text, colour) | {
        "x": 0.5,
        "y": 0.5,
        "xanchor": "center",
        "yanchor": "middle",
        "font": {"color": colour, "size": 15},
    }


def _time_axis(colours: Theme, span: tuple[Any, Any] | None, gaps: pd.DataFrame | None) -> Spec:
    shades = _shades(colours, gaps) if gaps is not None else []
    axis = {
        "type": "date",
        "title": {
            "text": "time (UTC); shaded: a feed was not heard" if shades else "time (UTC)",
            "standoff": 6,
        },
        "gridcolor": colours.grid,
        "linecolor": colours.grid,
    }
    if span:
        axis["range"] = _times(pd.Series(pd.to_datetime(list(span), utc=True)))
    return {"xaxis": axis, "shapes": shades}


def _shades(colours: Theme, gaps: pd.DataFrame) -> list[Spec]:
    shade = {
        "type": "rect",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "fillcolor": _faded(colours.muted, 0.22),
        "line": {"width": 0},
        "layer": "below",
    }
    spans = zip(_times(gaps["from_ts"]), _times(gaps["to_ts"]), strict=True)
    return [shade | {"x0": start, "x1": end} for start, end in spans]


def _usd_axis(colours: Theme, what: str, frame: pd.DataFrame, caveat: str = "lower bound") -> Spec:
    unit = f"USD, {caveat}" if completeness_note(frame) else "USD"
    return {
        "title": {"text": f"{what} ({unit})", "standoff": 6},
        "gridcolor": colours.grid,
        "zerolinecolor": colours.grid,
        "exponentformat": "B",  # k, M, B
        "minexponent": 3,
        "rangemode": "tozero",
    }


def _times(moments: pd.Series) -> list[str]:
    naive = moments.dt.tz_convert("UTC").dt.tz_localize(None)  # plotly draws what the text says
    texts = np.datetime_as_string(naive.to_numpy().astype("datetime64[ms]"))
    return [str(text) for text in texts]


def _period(moments: pd.Series) -> Spec:
    """Draw a bar over all of its bucket, from its start on, and not centred on that."""
    gaps = moments.diff().dropna()
    if gaps.empty:
        return {}
    width = gaps.min() / pd.Timedelta(milliseconds=1)
    return {"xperiod": width, "xperiodalignment": "middle", "width": 0.88 * width}


def _faded(colour: str, opacity: float = 0.15) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
