"""The queries of each board: the names of its frames, their queries and parameters.

A board is the page behind one tab of the dashboard. Only the visible board is read.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from liq.query.parameters import parse_duration

_TAPE_ROWS = 60
_TOP_SYMBOLS = 12
_LARGEST_CASCADES = 200
_ALERTS = 200
_DAY = "1d"
_WEEK = "7d"  # a shorter window does not have every hour of the week
_REFERENCE = "BTC"  # its price is shown if no asset is chosen


class Controls(NamedTuple):
    """The visitor's choices.

    ``until`` is None for a window that ends now; an empty ``asset`` means all assets.
    """

    board: str
    bucket: str
    window: str
    until: datetime | None
    asset: str
    exchanges: tuple[str, ...]
    symbols: tuple[str, ...]
    min_notional: float

    @property
    def focus(self) -> str:
        """The asset of boards that show a single asset."""
        return self.asset or _REFERENCE

    @property
    def span(self) -> dict[str, Any]:
        """The parameters of every query."""
        return {"window": self.window, "until": self.until}

    @property
    def filters(self) -> dict[str, Any]:
        """The parameters of every query of prints."""
        return self.span | {
            "symbols": list(self.symbols),
            "bases": [self.asset] if self.asset else [],
            "exchange": list(self.exchanges),
            "min_notional": self.min_notional or None,
        }


class Request(NamedTuple):
    """A query to run for a board; parameters that the query does not have are dropped."""

    key: str
    params: dict[str, Any]


Requests = Callable[[Controls], Mapping[str, Request]]


def request_overview(chosen: Controls) -> Mapping[str, Request]:
    """Return the requests for bars, price, cumulative net, rankings and the newest prints."""
    bars = chosen.filters | {"bucket": chosen.bucket}
    price = chosen.span | {"bucket": chosen.bucket, "base": chosen.focus}
    return {
        "bars": Request("liquidations_by_bucket", bars),
        "price": Request("price_by_bucket", price),
        "net": Request("cumulative_net", bars),
        "symbols": Request("top_symbols", chosen.filters | {"limit": _TOP_SYMBOLS}),
        "exchanges": Request("by_exchange", chosen.filters),
        "tape": Request("latest_prints", chosen.filters | {"limit": _TAPE_ROWS}),
    }


def request_prices(chosen: Controls) -> Mapping[str, Request]:
    """Return the requests for the heatmap and for the price's path around large prints."""
    heatmap = chosen.filters | {"base": chosen.focus, "bucket": chosen.bucket}
    return {
        "heatmap": Request("heatmap", heatmap),
        "path": Request("price_path", chosen.filters),
    }


def request_cascades(chosen: Controls) -> Mapping[str, Request]:
    """Return the request for the largest cascades."""
    return {"cascades": Request("cascades", chosen.filters | {"limit": _LARGEST_CASCADES})}


def request_patterns(chosen: Controls) -> Mapping[str, Request]:
    """Return the requests for venue shares, hours of the day and sizes."""
    week = {"window": max(chosen.window, _WEEK, key=parse_duration)}
    return {
        "share": Request("venue_share", chosen.filters | {"bucket": chosen.bucket}),
        "hours": Request("hour_of_day", chosen.filters | week),
        "sizes": Request("size_distribution", chosen.filters),
    }


def request_alerts(chosen: Controls) -> Mapping[str, Request]:
    """Return the request for the alerts of the window, or of the last day if that is longer."""
    day = max(chosen.window, _DAY, key=parse_duration)
    return {"alerts": Request("alerts", {"window": day, "until": chosen.until, "limit": _ALERTS})}


def request_feeds(chosen: Controls) -> Mapping[str, Request]:
    """Return the request for the state of the feeds."""
    span = chosen.span | {"exchange": list(chosen.exchanges)}
    return {"health": Request("feed_health", span)}


# the tabs in their order; a class of `liq.web.dashboard.boards` has each name
BOARDS: dict[str, Requests] = {
    "Overview": request_overview,
    "Prices": request_prices,
    "Cascades": request_cascades,
    "Patterns": request_patterns,
    "Alerts": request_alerts,
    "Feeds": request_feeds,
}
