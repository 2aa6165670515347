"""When which feed was heard."""

from typing import Any

import pandas as pd

from liq.charts import base
from liq.charts.base import THEMES, Chart, Spec, ThemeName
from liq.model import LIVE_SOURCES


@Chart
def coverage(
    feeds: pd.DataFrame,
    gaps: pd.DataFrame | None,
    theme: ThemeName = "light",
    *,
    span: tuple[Any, Any],
) -> Spec:
    """When each of ``feeds`` (``feed_health``) was heard, and when not: ``coverage``."""
    colours = THEMES[theme]
    ends = pd.to_datetime(pd.Series(list(span)), utc=True)
    names = _names(feeds)
    traces = [_spans("heard", colours.muted, names, ends[[0] * len(names)], ends[[1] * len(names)])]
    if gaps is not None:
        shown = gaps[_names(gaps).isin(names)]
        traces.append(
            _spans("not heard", colours.warning, _names(shown), shown["from_ts"], shown["to_ts"])
        )
    layout = base.layout(theme, feeds, "", empty="no feed has reported in this window")
    layout |= {"barmode": "overlay", "hovermode": "closest"} | base.time_axis(colours, span, None)
    layout["yaxis"] = {"type": "category", "automargin": True, "autorange": "reversed"}
    return {"data": traces, "layout": layout}


def _names(frame: pd.DataFrame) -> "pd.Series[str]":
    marks = frame["source"].map(lambda source: "" if source in LIVE_SOURCES else f" ({source})")
    return (frame["exchange"] + marks).astype("str")


def _spans(
    name: str, colour: str, rows: "pd.Series[str]", begin: pd.Series, end: pd.Series
) -> Spec:
    lengths = [span / pd.Timedelta(milliseconds=1) for span in end.array - begin.array]
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": rows.tolist(),
        "base": base.times(begin),
        "x": lengths,
        "width": 0.5,
        "marker": {"color": colour, "line": {"width": 0}},
        "customdata": base.times(end),
        "hovertemplate": f"%{{base}} to %{{customdata}} UTC<extra>{name}</extra>",
    }
