"""What each board of the dashboard reads: the names of its frames, their queries and parameters.

A board is one page of charts behind a tab. Only the one that is shown is read.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from liq.query.parameters import duration

_TAPE_ROWS = 60
_TOP_SYMBOLS = 12
_LARGEST_CASCADES = 200
_ALERTS = 200
_DAY = "1d"
_WEEK = "7d"  # no shorter time tells the hours of a day apart
_REFERENCE = "BTC"  # whose price is shown where no asset was chosen


class Controls(NamedTuple):
    """What the reader asked for.

    ``until`` is None for a window that ends now, ``asset`` "" for all.
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
        """The asset that boards about one of them are about."""
        return self.asset or _REFERENCE

    @property
    def span(self) -> dict[str, Any]:
        """The parameters that every query has."""
        return {"window": self.window, "until": self.until}

    @property
    def filters(self) -> dict[str, Any]:
        """The parameters that every query of prints has."""
        return self.span | {
            "symbols": list(self.symbols),
            "bases": [self.asset] if self.asset else [],
            "exchange": list(self.exchanges),
            "min_notional": self.min_notional or None,
        }


class Ask(NamedTuple):
    """A query to run for a board, with those of the parameters that it has."""

    key: str
    params: dict[str, Any]


Board = Callable[[Controls], Mapping[str, Ask]]


def overview(asked: Controls) -> Mapping[str, Ask]:
    """How much of which side, of what and where, beside the price, and the newest prints."""
    bars = asked.filters | {"bucket": asked.bucket}
    return {
        "bars": Ask("liquidations_by_bucket", bars),
        "price": Ask("price_by_bucket", asked.span | {"bucket": asked.bucket, "base": asked.focus}),
        "net": Ask("cumulative_net", bars),
        "symbols": Ask("top_symbols", asked.filters | {"limit": _TOP_SYMBOLS}),
        "exchanges": Ask("by_exchange", asked.filters),
        "tape": Ask("latest_prints", asked.filters | {"limit": _TAPE_ROWS}),
    }


def prices(asked: Controls) -> Mapping[str, Ask]:
    """At which prices an asset was liquidated, and what its price did after large prints."""
    return {
        "heatmap": Ask("heatmap", asked.filters | {"base": asked.focus, "bucket": asked.bucket}),
        "path": Ask("price_path", asked.filters),
    }


def cascades(asked: Controls) -> Mapping[str, Ask]:
    """Runs of prints that follow each other closely."""
    return {"cascades": Ask("cascades", asked.filters | {"limit": _LARGEST_CASCADES})}


def patterns(asked: Controls) -> Mapping[str, Ask]:
    """Which venue, at what hour, how large."""
    week = {"window": max(asked.window, _WEEK, key=duration)}
    return {
        "share": Ask("venue_share", asked.filters | {"bucket": asked.bucket}),
        "hours": Ask("hour_of_day", asked.filters | week),
        "sizes": Ask("size_distribution", asked.filters),
    }


def alerts(asked: Controls) -> Mapping[str, Ask]:
    """What the rules raised, over a day at least."""
    day = max(asked.window, _DAY, key=duration)
    return {"alerts": Ask("alerts", {"window": day, "until": asked.until, "limit": _ALERTS})}


def feeds(asked: Controls) -> Mapping[str, Ask]:
    """The state of the feeds, and when they were disconnected."""
    span = asked.span | {"exchange": list(asked.exchanges)}
    return {"health": Ask("feed_health", span)}


BOARDS: dict[str, Board] = {
    "Overview": overview,
    "Prices": prices,
    "Cascades": cascades,
    "Patterns": patterns,
    "Alerts": alerts,
    "Feeds": feeds,
}
