"""The chart of when each feed was connected."""

from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Any

import pandas as pd

from liq.analysis.charts import base
from liq.analysis.charts.base import THEMES, Chart, Spec, ThemeName
from liq.query.coverage import name_feed

UNKNOWN = "when feeds were connected is not known yet"
_HOVER = "%{{customdata}} {}<extra>{}</extra>"
_COLUMNS = ["name", "from_ts", "to_ts"]


@Chart
def coverage(
    feeds: pd.DataFrame,
    gaps: pd.DataFrame | None,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any],
    zone: tzinfo = UTC,
) -> Spec:
    """When each of ``feeds`` (``feed_health``) was connected, and when not: ``coverage``.

    A feed is drawn as connected from its first report in the window to its last, except for its
    gaps. At all other times it was not expected. Feeds of unknown exchanges are never expected.

    Example:
        >>> feeds, gaps = liq.hit("feed_health", window="1h"), liq.hit("coverage", window="1h")
        >>> span = (feeds["first_ts"].min(), feeds["ts"].max())
        >>> [trace.name for trace in liq.charts.coverage(feeds, gaps, span=span).data]
        ['connected', 'disconnected']
    """
    feeds = feeds[feeds["known"]]
    colours = THEMES[theme]
    traces = []
    if gaps is not None:
        lost = _name_feeds(gaps, gaps["from_ts"], gaps["to_ts"])
        reported = _name_feeds(feeds, feeds["first_ts"], feeds["ts"]).dropna()
        connected = pd.DataFrame(list(_list_connected(reported, lost)), columns=_COLUMNS)
        traces = [
            _create_spans("connected", colours.muted, connected, zone),
            _create_spans("disconnected", colours.warning, lost, zone),
        ]
    empty = "no feed has reported in this window" if feeds.empty else UNKNOWN
    layout = base.create_layout(theme, feeds if traces else feeds.head(0), "", empty=empty)
    layout |= {"barmode": "overlay", "hovermode": "closest"} | base.create_time_axis(
        colours, span, None, zone
    )
    layout["yaxis"] = base.NAMES_AXIS | {"autorange": "reversed"}
    names = pd.unique(pd.concat([one["name"] for one in (reported, lost)])) if traces else []
    layout["yaxis"] |= {"categoryorder": "array", "categoryarray": list(names)}
    return {"data": traces, "layout": layout}


def _name_feeds(
    frame: pd.DataFrame, begin: "pd.Series[Any]", end: "pd.Series[Any]"
) -> pd.DataFrame:
    names = [name_feed(*feed) for feed in zip(frame["exchange"], frame["source"], strict=True)]
    return pd.DataFrame({"name": names, "from_ts": begin.array, "to_ts": end.array})


def _list_connected(reported: pd.DataFrame, lost: pd.DataFrame) -> Iterator[tuple[str, Any, Any]]:
    """Yield the spans of ``reported`` without those of ``lost``."""
    feeds: Iterator[Any] = reported.itertuples(index=False)
    for feed in feeds:
        start = feed.from_ts
        own: Iterator[Any] = lost[lost["name"] == feed.name].sort_values("from_ts").itertuples()
        for gap in own:
            if start < min(gap.from_ts, feed.to_ts):
                yield str(feed.name), start, min(gap.from_ts, feed.to_ts)
            start = max(start, gap.to_ts)
        if start < feed.to_ts:
            yield str(feed.name), start, feed.to_ts


def _create_spans(name: str, colour: str, rows: pd.DataFrame, zone: tzinfo) -> Spec:
    begin, end = (pd.to_datetime(rows[column], utc=True) for column in ("from_ts", "to_ts"))
    lengths = [span / pd.Timedelta(milliseconds=1) for span in end.array - begin.array]
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": rows["name"].tolist(),
        "base": base.format_moments(begin, zone),
        "x": lengths,
        "width": 0.5,
        "marker": {"color": colour, "line": {"width": 0}},
        "customdata": [_format_span(*span, zone) for span in zip(begin, end, strict=True)],
        "hovertemplate": _HOVER.format(base.escape_literal(str(zone)), name),
    }


def _format_span(begin: pd.Timestamp, end: pd.Timestamp, zone: tzinfo) -> str:
    """Return two moments on the clock of ``zone``, the second without the day of the first.

    Both have milliseconds if one is within a second.
    """
    has_parts = any(moment != moment.floor("s") for moment in (begin, end))
    digits = len("2026-01-01 00:00:00.000" if has_parts else "2026-01-01 00:00:00")
    first, last = (
        moment.tz_convert(zone).isoformat(" ", "milliseconds")[:digits] for moment in (begin, end)
    )
    return f"{first} to {last[11:] if last[:10] == first[:10] else last}"
