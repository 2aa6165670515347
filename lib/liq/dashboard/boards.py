"""What each board of the dashboard reads: the names of its frames, their queries and parameters.

A board is one page of charts behind a tab. Only the one that is shown is read.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

_TAPE_ROWS = 60
_TOP_SYMBOLS = 12


class Controls(NamedTuple):
    """What the reader asked for; ``until`` is None for a window that ends now."""

    board: str
    bucket: str
    window: str
    until: datetime | None
    exchanges: tuple[str, ...]
    symbols: tuple[str, ...]
    min_notional: float

    @property
    def span(self) -> dict[str, Any]:
        """The parameters that every query has."""
        return {"window": self.window, "until": self.until}

    @property
    def filters(self) -> dict[str, Any]:
        """The parameters that every query of prints has."""
        return self.span | {
            "symbols": list(self.symbols),
            "exchange": list(self.exchanges),
            "min_notional": self.min_notional or None,
        }


class Ask(NamedTuple):
    """A query to run for a board."""

    key: str
    params: dict[str, Any]


Board = Callable[[Controls], Mapping[str, Ask]]


def overview(asked: Controls) -> Mapping[str, Ask]:
    """How much of which side, of what and where, and the newest prints."""
    bars = asked.filters | {"bucket": asked.bucket}
    return {
        "bars": Ask("liquidations_by_bucket", bars),
        "net": Ask("cumulative_net", bars),
        "symbols": Ask("top_symbols", asked.filters | {"limit": _TOP_SYMBOLS}),
        "exchanges": Ask("by_exchange", asked.filters),
        "tape": Ask("latest_prints", asked.filters | {"limit": _TAPE_ROWS}),
    }


def feeds(asked: Controls) -> Mapping[str, Ask]:
    """How the feeds fare, and when they were not heard."""
    span = asked.span | {"exchange": list(asked.exchanges)}
    return {"health": Ask("feed_health", span)}


BOARDS: dict[str, Board] = {"Overview": overview, "Feeds": feeds}
