"""The queries of each board: the names of its frames, their queries and parameters.

A board is the page behind one tab of the dashboard. Only the visible board is read.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from liq.query.parameters import parse_duration

_TAPE_ROWS = 60
_TOP_SYMBOLS = 12
MOST_CELLS = 100_000  # the limit of the query, 30 days of half hours with 69 prices each
_TOP_ASSETS = 200  # the map sums the small ones
_LARGEST_CASCADES = 200
_ALERTS = 200
_DAY = "1d"
WEEK = "7d"  # a shorter window does not have every hour of the week
_REFERENCE = "BTC"  # its price is shown if no asset is chosen


class Controls(NamedTuple):
    """The visitor's choices.

    ``until`` is None for a window that ends now. ``since`` is the fixed start of such a window,
    whose length ``window`` grows. An empty ``asset`` means all assets. Prints are at least
    ``min_notional`` and below ``max_notional``, in USD; 0 is no limit.
    """

    board: str
    bucket: str
    window: str
    until: datetime | None
    asset: str
    exchanges: tuple[str, ...]
    symbols: tuple[str, ...]
    min_notional: float
    max_notional: float
    since: datetime | None = None
    lead: str = ""  # the asset with most liquidations of the chosen symbols; no choice itself

    @property
    def focus(self) -> str:
        """The asset of boards that show a single asset; "" for symbols without prints."""
        return self.asset or self.lead or ("" if self.symbols else _REFERENCE)

    @property
    def choices(self) -> dict[str, Any]:
        """The visitor's choices alone, by name."""
        return {name: value for name, value in self._asdict().items() if name != "lead"}

    @property
    def span(self) -> dict[str, Any]:
        """The parameters of every query, the same while a window grows from a fixed start."""
        begin = {"since": self.since} if self.since else {"window": self.window}
        return begin | {"until": self.until}

    @property
    def filters(self) -> dict[str, Any]:
        """The parameters of every query of prints."""
        return self.span | {
            "symbols": list(self.symbols),
            "assets": [self.asset] if self.asset else [],
            "exchange": list(self.exchanges),
            # below a maximum, 0 is a minimum too: a query may have a higher one by default
            "min_notional": self.min_notional if self.max_notional else self.min_notional or None,
            "max_notional": self.max_notional or None,
        }

    @property
    def asked(self) -> dict[str, Any]:
        """The parameters that decide the numbers on every board."""
        return self.filters | {"bucket": self.bucket}

    def find_start(self, end: datetime) -> datetime:
        """Return the start of the window that ends at ``end``."""
        return self.since or end - parse_duration(self.window)

    def widen(self, least: str) -> dict[str, Any]:
        """Return the span, or the last ``least`` of time before its end if that is longer."""
        if parse_duration(self.window) > parse_duration(least):
            return self.span
        return {"since": None, "window": least, "until": self.until}


class BoardQuery(NamedTuple):
    """A query to run for a board; parameters that the query does not have are dropped."""

    key: str
    params: dict[str, Any]


ListQueries = Callable[[Controls], Mapping[str, BoardQuery]]


def list_overview_queries(chosen: Controls) -> Mapping[str, BoardQuery]:
    """Return the queries for bars, price, cumulative net, assets, rankings, sizes and the tape."""
    bars = chosen.filters | {"bucket": chosen.bucket}
    price = chosen.span | {"bucket": chosen.bucket, "asset": chosen.focus}
    return {
        "bars": BoardQuery("liquidations_by_bucket", bars),
        "price": BoardQuery("price_by_bucket", price),
        "net": BoardQuery("cumulative_net", bars),
        "assets": BoardQuery("top_assets", chosen.filters | {"limit": _TOP_ASSETS}),
        "symbols": BoardQuery("top_symbols", chosen.filters | {"limit": _TOP_SYMBOLS}),
        "exchanges": BoardQuery("by_exchange", chosen.filters),
        "classes": BoardQuery("size_classes", chosen.filters),
        "tape": BoardQuery("latest_prints", chosen.filters | {"limit": _TAPE_ROWS}),
    }


def list_price_queries(chosen: Controls) -> Mapping[str, BoardQuery]:
    """Return the queries for candles with liquidations, and for the price around large prints."""
    price = chosen.span | {"bucket": chosen.bucket, "asset": chosen.focus}
    net = chosen.filters | {"bucket": chosen.bucket, "assets": [chosen.focus]}
    return {
        "price": BoardQuery("price_by_bucket", price),
        "cells": BoardQuery("heatmap", chosen.filters | price | {"limit": MOST_CELLS}),
        "net": BoardQuery("cumulative_net", net),
        "path": BoardQuery("price_path", chosen.filters),
    }


def list_cascade_queries(chosen: Controls) -> Mapping[str, BoardQuery]:
    """Return the query for the largest cascades."""
    return {"cascades": BoardQuery("cascades", chosen.filters | {"limit": _LARGEST_CASCADES})}


def list_pattern_queries(chosen: Controls) -> Mapping[str, BoardQuery]:
    """Return the queries for venue shares, hours of the day and sizes."""
    return {
        "share": BoardQuery("venue_share", chosen.filters | {"bucket": chosen.bucket}),
        "hours": BoardQuery("hour_of_day", chosen.filters | chosen.widen(WEEK)),
        "sizes": BoardQuery("size_distribution", chosen.filters),
    }


def list_alert_queries(chosen: Controls) -> Mapping[str, BoardQuery]:
    """Return the query for the alerts of the window, or of the last day if that is longer."""
    return {"alerts": BoardQuery("alerts", chosen.widen(_DAY) | {"limit": _ALERTS})}


def list_feed_queries(chosen: Controls) -> Mapping[str, BoardQuery]:
    """Return the query for the state of the feeds."""
    span = chosen.span | {"exchange": list(chosen.exchanges)}
    return {"health": BoardQuery("feed_health", span)}


PRICED = ("Overview", "Prices")  # boards that show the price of `Controls.focus`

# the tabs in their order; a class of `liq.web.dashboard.boards` has each name
BOARDS: dict[str, ListQueries] = {
    "Overview": list_overview_queries,
    "Prices": list_price_queries,
    "Cascades": list_cascade_queries,
    "Patterns": list_pattern_queries,
    "Alerts": list_alert_queries,
    "Feeds": list_feed_queries,
}
