"""Themes, badges, notes and axes of all charts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import update_wrapper
from inspect import signature
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, ParamSpec

import numpy as np
import pandas as pd

from liq.common.text import suggest
from liq.errors import QueryError
from liq.query import coverage
from liq.query.parameters import parse_duration
from liq.records.model import LIVE_SOURCES, Completeness, Source

if TYPE_CHECKING:
    import plotly.graph_objects as go

Spec = dict[str, Any]
Times = tuple[pd.Series, pd.Series]  # the starts and ends of rows
ThemeName = Literal["dark", "light"]
P = ParamSpec("P")

_PARTLY = "are lower bounds: the venue's feed shows only part of its liquidations"
LOWER_BOUND = f"sums {_PARTLY}"
EMPTY = "no liquidations recorded in this window"
AT_LEAST = "≥"
BOUND = f"{AT_LEAST}\N{NO-BREAK SPACE}"  # before a sum that is a lower bound, also in a hover text
_LEAST_LINES = 4
# plotly would leave out every other name where they are close
NAMES_AXIS: Spec = {
    "type": "category",
    "automargin": True,
    "dtick": 1,
    "tickfont": {"size": 10},
}


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a page and its charts.

    Example:
        >>> liq.charts.THEMES["dark"].long
        '#e8702a'
    """

    page: str
    card: str
    text: str
    muted: str
    grid: str
    long: str
    short: str
    net: str
    warning: str
    venues: tuple[str, ...]  # used in this order; the last is for all other venues


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
        venues=(
            "#e69f00",
            "#56b4e9",
            "#009e73",
            "#f0e442",
            "#cc79a7",
            "#d55e00",
            "#4a90d9",
            "#8b949e",
        ),
    ),
    "light": Theme(
        page="#f4f6f8",
        card="#ffffff",
        text="#1c2430",
        muted="#535e6c",
        grid="#e3e7ec",
        long="#b04a00",
        short="#00588f",
        net="#8a3f72",
        warning="#8a5a00",
        venues=(
            "#0072b2",
            "#d55e00",
            "#009e73",
            "#b8568f",
            "#a67c00",
            "#3a8fc4",
            "#5a4a9c",
            "#6e7781",
        ),
    ),
}


class Chart(Generic[P]):
    """A chart function: call it for a plotly ``Figure``, call ``spec`` for plain data.

    All text in its arguments, also in frames, is shown literally, see `escape_literal`. Other
    charts call ``draw``, the function itself, whose arguments are literal already.

    Example:
        >>> totals = liq.hit("top_symbols", window="1h")
        >>> liq.charts.top_symbols(totals)
        Figure({...})
        >>> sorted(liq.charts.top_symbols.spec(totals))
        ['data', 'layout']
    """

    __name__: str

    def __init__(self, draw: Callable[P, Spec]) -> None:
        self.draw = draw
        self._theme_at = [*signature(draw).parameters].index("theme")
        update_wrapper(self, draw)

    def spec(self, *args: P.args, **kwargs: P.kwargs) -> Spec:
        """Return the figure as plain data."""
        theme = args[self._theme_at] if len(args) > self._theme_at else kwargs.get("theme")
        if isinstance(theme, str) and theme not in THEMES:
            raise ValueError(f"unknown theme {theme!r}{suggest(theme, THEMES)}")
        given: Any = [_escape_value(value) for value in args]
        named: Any = {name: _escape_value(value) for name, value in kwargs.items()}
        try:
            figure = self.draw(*given, **named)
        except KeyError as error:
            frames = [each for each in args if isinstance(each, pd.DataFrame)]
            if not frames or error.args[0] in frames[0]:
                raise
            raise KeyError(
                f"{self.__name__} draws the column {error.args[0]!r}, which these rows do not have;"
                f" liq.charts.{self.__name__}? names its query"
            ) from error
        _hide_axes_without_data(figure)
        return figure

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> "go.Figure":
        """Return the figure, validated by plotly."""
        import plotly.graph_objects as go  # noqa: PLC0415 - the dashboard needs only the spec

        return go.Figure(self.spec(*args, **kwargs))


def _hide_axes_without_data(figure: Spec) -> None:
    """Hide axes that no trace has data for: plotly would invent numbers, and the year 2000.

    The window is known without data, so a time axis with a range stays.
    """
    used = {
        trace.get(f"{name}axis", name)
        for trace in figure["data"]
        if any(len(trace.get(name, ())) for name in ("x", "y"))
        for name in ("x", "y")
    }
    for name, axis in figure["layout"].items():
        is_axis = name.startswith(("xaxis", "yaxis")) and name.replace("axis", "") not in used
        if is_axis and not (axis.get("type") == "date" and "range" in axis):
            axis["visible"] = False


def escape_literal(text: str) -> str:
    """Escape ``text`` so that plotly shows it literally.

    Plotly reads some characters as tags, entities or TeX, and in a hover template as placeholders.
    """
    return text.translate(_ESCAPES)


# plotly knows few entities by name, and all by number
_ESCAPES = {ord(char): f"&#{ord(char)};" for char in "&<>$%"}


def _escape_value(value: Any) -> Any:
    if isinstance(value, str):
        return escape_literal(value)
    if not isinstance(value, pd.DataFrame):
        return value
    shown = value.copy(deep=False)
    shown.attrs = {}  # pandas copies them, deeply, with every column that is read
    for name in shown.columns[[dtype.kind == "O" for dtype in shown.dtypes]]:
        texts = shown[name].tolist()
        escaped = [_escape_value(text) for text in texts]
        if escaped != texts:
            shown[name] = pd.Series(escaped, shown.index, shown[name].dtype)
    return shown


def source_badge(frame: pd.DataFrame) -> str:
    """Return the badge for ``frame`` if some of its prints are not live, else ``""``.

    Example:
        >>> liq.charts.source_badge(liq.hit("totals", window="1h"))
        ''
    """
    if "source" in frame:
        kinds = set(frame["source"]) - set(LIVE_SOURCES)
        names: dict[str, str] = {source: source.kind.upper() for source in Source}
        # another program's row may hold any text
        marked = " + ".join(sorted(names.get(kind, str(kind).upper()) for kind in kinds))
        partly = "PARTLY " if set(frame["source"]) & set(LIVE_SOURCES) else ""
        return f"{partly}{marked} DATA" if marked else ""
    return "SIMULATED OR REPLAYED DATA" if _sum_column(frame, "not_live") else ""


def completeness_note(frame: pd.DataFrame) -> str:
    """Return the note that sums of ``frame`` are lower bounds, or ``""`` if its feeds are full.

    Example:
        >>> liq.charts.completeness_note(liq.hit("totals", window="1h"))
        "sums are lower bounds: the venue's feed shows only part of its liquidations"
    """
    if "completeness" in frame:
        partial = bool((frame["completeness"] != Completeness.FULL).any())
    else:
        partial = _sum_column(frame, "partial") > 0
    return LOWER_BOUND if partial else ""


def list_limits(frame: pd.DataFrame) -> list[str]:
    """Return notes on rows that are not live, and on sums that are lower bounds, as text."""
    badge, note = source_badge(frame), completeness_note(frame)
    counted = ": not_live counts its prints" if "not_live" in frame else ""
    if not coverage.list_sums(frame) and "notional" in frame:
        note = note and f"sums of these prints {_PARTLY}"
    is_bound = note and coverage.has_prints(frame)
    return [
        *([f"{badge}{counted}"] if badge else []),
        *([f"{AT_LEAST} {note}"] if is_bound else []),
    ]


def select(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return these columns of ``frame``; the KeyError of a missing one has its name alone."""
    return pd.DataFrame({name: frame[name] for name in columns})


def split_greatest(frame: pd.DataFrame, most: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows with the greatest sums, and those that share one of ``most`` places."""
    order = (frame["long_usd"] + frame["short_usd"]).sort_values(ascending=False).index
    own = most if len(order) <= most else most - 1
    return frame.loc[order[:own]], frame.loc[order[own:]]


def _sum_column(frame: pd.DataFrame, column: str) -> int:
    return int(frame[column].sum()) if column in frame else 0


def create_layout(
    theme: ThemeName,
    frame: pd.DataFrame,
    badge: str | None,
    badge_height: float = 1,
    empty: str = EMPTY,
) -> Spec:
    """Return the layout of all charts: colours, legend, badge, or a note that there is no data."""
    colours = THEMES[theme]
    badge = source_badge(frame) if badge is None else badge
    notes = []
    if badge and len(frame):
        notes.append(_create_corner_note(badge, colours.warning) | {"y": badge_height})
    if frame.empty:
        notes.append(_create_centre_note(empty, colours.muted))
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


def _create_corner_note(text: str, colour: str) -> Spec:
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


def _create_centre_note(text: str, colour: str) -> Spec:
    return _create_corner_note(text, colour) | {
        "x": 0.5,
        "y": 0.5,
        "xanchor": "center",
        "yanchor": "middle",
        "font": {"color": colour, "size": 15},
    }


def create_time_axis(
    colours: Theme,
    span: tuple[Any, Any] | None,
    gaps: pd.DataFrame | None,
    zone: tzinfo = UTC,
) -> Spec:
    """Return the x axis of a timeline in ``zone``, and the shades of ``gaps`` on it."""
    shades = _create_shades(colours, gaps, zone) if gaps is not None else []
    axis = {
        "type": "date",
        "title": {"text": escape_literal(title_time(zone, gaps)), "standoff": 6},
        "gridcolor": colours.grid,
        "linecolor": colours.grid,
        "automargin": True,  # dates are below the hours, and the title below both
    }
    if span:
        axis["range"] = format_moments(pd.Series(pd.to_datetime(list(span), utc=True)), zone)
    return {"xaxis": axis, "shapes": shades}


def title_time(zone: tzinfo, gaps: pd.DataFrame | None) -> str:
    """Return the title of a time axis, which explains the shades of ``gaps``."""
    is_shaded = gaps is not None and _is_known(gaps).any()
    return f"time ({zone}){'; shaded: a feed was disconnected' if is_shaded else ''}"


def _create_shades(colours: Theme, gaps: pd.DataFrame, zone: tzinfo) -> list[Spec]:
    shade = {
        "type": "rect",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "fillcolor": fade(colours.muted, 0.22),
        "line": {"width": 0},
        "layer": "below",
    }
    spans = find_shades(gaps)
    edges = (format_moments(spans[name], zone) for name in ("from_ts", "to_ts"))
    shaded = zip(*edges, strict=True)
    return [shade | {"x0": start, "x1": end} for start, end in shaded]


def merge_gaps(gaps: pd.DataFrame) -> pd.DataFrame:
    """Return the times at which any feed has a gap, each once: shades would add up."""
    ordered = gaps.sort_values("from_ts")
    starts, ends = ordered["from_ts"].array, ordered["to_ts"].cummax().array
    begins = np.flatnonzero(np.append(True, starts[1:] > ends[:-1])[: len(gaps)])
    lasts = np.append(begins[1:], len(gaps)) - 1
    return pd.DataFrame({"from_ts": starts[begins], "to_ts": ends[lasts[: len(begins)]]})


_EVER = pd.to_datetime([pd.Timestamp.min, pd.Timestamp.max], utc=True).as_unit("us")
# gaps that could not be read: any feed may have one at any time, so sums are lower bounds
UNKNOWN_GAPS = pd.DataFrame({"from_ts": _EVER[:1], "to_ts": _EVER[1:]})


def find_shades(gaps: pd.DataFrame) -> pd.DataFrame:
    """Return the times to shade: those of `merge_gaps`, unless the gaps are unknown."""
    return merge_gaps(gaps[_is_known(gaps)])


def _is_known(gaps: pd.DataFrame) -> "pd.Series[bool]":
    return gaps["from_ts"] > _EVER[0]


def has_gaps(gaps: pd.DataFrame | None) -> bool:
    """Return True if a feed was, or may have been, disconnected: sums are lower bounds."""
    return gaps is not None and not gaps.empty


def has_bounds(frame: pd.DataFrame, gaps: pd.DataFrame | None = None) -> bool:
    """Return True if sums of ``frame`` are lower bounds, by partial feeds or ``gaps``."""
    return bool(completeness_note(frame)) or has_gaps(gaps)


def format_usd_unit(
    frame: pd.DataFrame, gaps: pd.DataFrame | None = None, caveat: str = "lower bound"
) -> str:
    """Return the unit of sums of ``frame``, with the ``caveat`` where they are lower bounds."""
    return f"USD, {caveat}" if has_bounds(frame, gaps) else "USD"


def find_bounds(
    frame: pd.DataFrame, gaps: pd.DataFrame | None, times: Times | None = None
) -> "pd.Series[bool]":
    """Return for each row of ``frame``, which has these ``times``, if its sums are lower bounds.

    They are where a row counts prints of partial feeds, and where a feed was disconnected.
    """
    return coverage.find_bounds(frame, has_gaps=find_lost(gaps, times))


def find_away(exchanges: pd.Series, gaps: pd.DataFrame | None) -> "pd.Series[bool]":
    """Return for each of ``exchanges`` if its feed has ``gaps``; any has those without one."""
    if gaps is None or gaps.empty:
        return pd.Series(data=False, index=exchanges.index)
    return exchanges.isin(gaps.get("exchange", exchanges).tolist())


def find_lost(gaps: pd.DataFrame | None, times: Times | None) -> "bool | pd.Series[bool]":
    """Return for each of ``times`` if one of ``gaps`` is in it; None is the whole window."""
    if times is None or gaps is None or gaps.empty:
        return has_gaps(gaps)
    starts, ends = times
    lost = merge_gaps(gaps)
    place = lost["to_ts"].searchsorted(starts, side="right")  # of the first gap that ends later
    begin = lost["from_ts"].reset_index(drop=True).reindex(place)
    return pd.Series(begin.array < ends.array, index=starts.index)


def mark_bounds(hover: str, bounds: Iterable[bool]) -> Spec:
    """Return ``hover`` of a trace, with `BOUND` only at marks whose sums are lower bounds.

    Marks that differ have `BOUND` or nothing in ``hovertext``: a hover text each would be long.
    """
    signs = [BOUND if is_bound else "" for is_bound in bounds] or [""]
    if len({*signs}) == 1:
        return {"hovertemplate": hover.replace(BOUND, signs[0])}
    return {"hovertemplate": hover.replace(BOUND, "%{hovertext}"), "hovertext": signs}


class Cut(NamedTuple):
    """A bucket of which the rows have a part: its start, its end, and the part as words."""

    start: Any
    end: Any
    part: str


class Buckets(NamedTuple):
    """When rows are from: their buckets' starts and width, and the exact start and end.

    ``width`` is None if it is unknown. Without a window, ``since`` is None, and ``until`` is
    ``now`` or None.
    """

    starts: pd.Series
    width: pd.Timedelta | None
    since: pd.Timestamp | None
    until: pd.Timestamp | None
    now: pd.Timestamp | None

    @property
    def times(self) -> Times | None:
        """Their starts and ends; None if the ends are unknown."""
        return None if self.width is None else (self.starts, self.starts + self.width)

    @property
    def is_running(self) -> bool:
        """Whether ``now`` is within the last bucket."""
        if self.now is None or self.width is None or self.starts.empty:
            return False
        return bool(self.starts.max() <= self.now < self.starts.max() + self.width)


def find_buckets(
    starts: pd.Series,
    bucket: str | None = None,
    window: tuple[Any, Any] | None = None,
    now: Any = None,
) -> Buckets:
    """Return the buckets of rows that begin at ``starts``.

    Without ``bucket`` their width is the least step between starts. Raises `QueryError` unless
    ``window`` is a pair of moments.
    """
    width = pd.Timedelta(parse_duration(bucket)) if bucket else starts.diff().min()
    since, until = (None, None) if window is None else _parse_window(window)
    moment = None if now is None else pd.to_datetime(now, utc=True)
    known = None if pd.isna(width) else width
    return Buckets(starts, known, since, until if moment is None else moment, moment)


def _parse_window(window: tuple[Any, Any]) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the start and end of ``window`` in UTC; a moment is a datetime or ISO 8601 text."""
    try:
        since, until = () if isinstance(window, str) else window
        return pd.to_datetime(since, utc=True), pd.to_datetime(until, utc=True)
    except (TypeError, ValueError) as error:
        raise QueryError(
            f"window={window!r} is no pair of moments: give the start and the end of the rows"
        ) from error


def find_cuts(buckets: Buckets, zone: tzinfo = UTC) -> list[Cut]:
    """Return the first and last bucket if the rows begin or end within."""
    starts, width, since, until, _ = buckets
    if width is None or starts.empty:
        return []
    first, last = starts.min(), starts.max()
    cuts = []
    if since is not None and first < since < first + width:
        cuts.append(Cut(first, first + width, f"only from {_format_clock(since, zone, width)}"))
    if buckets.is_running:
        cuts.append(Cut(last, last + width, "still running"))
    elif until is not None and last < until < last + width:
        cuts.append(Cut(last, last + width, f"only until {_format_clock(until, zone, width)}"))
    if first == last and cuts:  # both are parts of one bucket
        return [cuts[0]._replace(part=", ".join(cut.part for cut in cuts))]
    return cuts


def _format_clock(moment: pd.Timestamp, zone: tzinfo, width: pd.Timedelta) -> str:
    """Return the time of day; a second has milliseconds, since its part would say nothing."""
    text = moment.tz_convert(zone).isoformat(timespec="milliseconds")
    return text[11:23] if width <= pd.Timedelta(seconds=1) else text[11:19]


def sum_over_time(net: pd.DataFrame, buckets: Buckets) -> tuple[pd.Series, list[float]]:
    """Return the moments at which the running sum of ``cumulative_net`` is known, and its values.

    They are the start of the first bucket, the end of each, and the end of the rows: there are no
    buckets after the last print. Buckets that the window or now cuts begin or end there.
    """
    starts, sums = net["ts"], net["cumulative_usd"].tolist()
    if not sums:
        return starts, sums
    ends = starts + (buckets.width or pd.Timedelta(0))
    until = buckets.until
    moments = pd.concat([starts.iloc[:1], ends]).clip(buckets.since, until)
    sums = [sums[0] - float(net["net_usd"].iloc[0]), *sums]
    if until is not None and until > moments.max():
        return pd.concat([moments, pd.Series([until])]), [*sums, sums[-1]]
    return moments, sums


def create_cut_marks(colours: Theme, cuts: Sequence[Cut], zone: tzinfo) -> list[Spec]:
    """Return the shapes that mark the buckets of `find_cuts`."""
    mark = {
        "type": "rect",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "fillcolor": fade(colours.text, 0.07),
        "line": {"width": 1, "dash": "dot", "color": colours.muted},
        "layer": "below",
    }
    edges = [format_moments(pd.Series([cut.start, cut.end]), zone) for cut in cuts]
    return [
        mark | {"x0": start, "x1": end, "name": cut.part}
        for cut, (start, end) in zip(cuts, edges, strict=True)
    ]


def create_usd_axis(
    colours: Theme,
    what: str,
    frame: pd.DataFrame,
    caveat: str = "lower bound",
    *,
    gaps: pd.DataFrame | None = None,
) -> Spec:
    """Return an axis of dollars, which says when sums are lower bounds."""
    return create_axis(colours, f"{what} ({format_usd_unit(frame, gaps, caveat)})") | {
        "exponentformat": "B",  # k, M, B
        "minexponent": 3,
        "rangemode": "tozero",
    }


def create_axis(colours: Theme, title: str) -> Spec:
    """Return an axis with a title, which names its unit."""
    return {
        "title": {"text": title, "standoff": 6},
        "gridcolor": colours.grid,
        "zerolinecolor": colours.grid,
    }


def create_lines_axis(count: int) -> Spec:
    """Return an axis of names, a line each: the first on top, and few ones not blown up."""
    lines = max(count, _LEAST_LINES)
    return NAMES_AXIS | {"range": [lines - 0.5, -0.5]}


def format_moments(moments: pd.Series, zone: tzinfo = UTC) -> list[str]:
    """Return moments as plotly draws them, in ``zone``."""
    naive = moments.dt.tz_convert(zone).dt.tz_localize(None)  # plotly draws what the text says
    texts = np.datetime_as_string(naive.to_numpy().astype("datetime64[ms]"))
    return [str(text) for text in texts]


def create_period(width: pd.Timedelta | None) -> Spec:
    """Draw a bar over its whole bucket, instead of centred on the bucket's start."""
    if width is None:
        return {}
    length = width / pd.Timedelta(milliseconds=1)
    return {"xperiod": length, "xperiodalignment": "middle", "width": 0.88 * length}


def blend(paper: str, colour: str, share: float) -> str:
    """Return ``paper`` with a ``share`` of ``colour`` in it."""
    mixed = (
        round(under + share * (over - under))
        for under, over in zip(_parse_rgb(paper), _parse_rgb(colour), strict=True)
    )
    return "rgb({},{},{})".format(*mixed)


def _parse_rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def fade(colour: str, opacity: float = 0.15) -> str:
    """Return a colour with an opacity."""
    red, green, blue = _parse_rgb(colour)
    return f"rgba({red},{green},{blue},{opacity})"


def create_bars(
    name: str,
    colour: str,
    *,
    hover: str = "",
    bounds: Iterable[bool] = (),
    **more: Any,
) -> Spec:
    """Return a trace of bars with a notional each; ``more`` holds x, y and the like.

    ``bounds`` are True for bars that are lower bounds; ``hover`` replaces the text before the name.
    """
    amount = "x" if more.get("orientation") == "h" else "y"
    hover = hover or f"{BOUND}%{{{amount}:$,.0f}}"
    values = {key: _list_values(value) for key, value in more.items()}
    return {
        "type": "bar",
        "name": name,
        "marker": {"color": colour, "line": {"width": 0}},
        **mark_bounds(f"{hover}<extra>{name}</extra>", bounds),
        **values,
    }


def _list_values(value: Any) -> Any:
    return value.tolist() if isinstance(value, pd.Series) else value
