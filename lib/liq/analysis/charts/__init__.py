"""Charts of query results: pure functions from a DataFrame to a plotly figure.

``bars(frame)`` is a ``plotly.graph_objects.Figure``; ``bars.spec(frame)`` is the same figure as
plain data, which the live dashboard sends to the browser many times a second without plotly's
validation in between. Colours are Okabe and Ito's, which colour-blind readers can distinguish.

A frame with simulated or replayed prints (column ``not_live`` or ``source``) gets a badge. A frame
with prints of throttled or sampled feeds (``partial`` or ``completeness``) is noted as a lower
bound.
"""

from liq.analysis.charts.base import (
    EMPTY,
    LOWER_BOUND,
    THEMES,
    Chart,
    Spec,
    Theme,
    ThemeName,
    completeness_note,
    source_badge,
)
from liq.analysis.charts.breakdowns import cascades, heatmap, hour_of_day, venue_share
from liq.analysis.charts.feeds import coverage
from liq.analysis.charts.flows import bars, by_exchange, cumulative_net, price_path, top_symbols
from liq.analysis.charts.portions import assets, size_classes
from liq.analysis.charts.prices import candles
from liq.analysis.charts.studies import cascade, leaders, raised, reactions, thresholds

__all__ = [
    "EMPTY",
    "LOWER_BOUND",
    "THEMES",
    "Chart",
    "Spec",
    "Theme",
    "ThemeName",
    "assets",
    "bars",
    "by_exchange",
    "candles",
    "cascade",
    "cascades",
    "completeness_note",
    "coverage",
    "cumulative_net",
    "heatmap",
    "hour_of_day",
    "leaders",
    "price_path",
    "raised",
    "reactions",
    "size_classes",
    "source_badge",
    "thresholds",
    "top_symbols",
    "venue_share",
]


def __dir__() -> list[str]:
    return __all__
