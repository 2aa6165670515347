"""What a venue is: where its feed is, how to subscribe, and a pure parser of its messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from liq.model import Completeness, Liquidation, Source


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a venue says of one of its contracts.

    ``multiplier`` is base per contract (linear) or USD per contract (inverse).
    """

    symbol: str
    base: str
    quote: str
    multiplier: float = 1.0
    inverse: bool = False


Instruments = Mapping[str, Instrument]


class Parse(Protocol):
    """A pure parser: one raw websocket frame to the liquidations in it.

    Frames that are no liquidation (acknowledgements, heartbeats, snapshots of old ones) give an
    empty list. Raises `liq.errors.RejectedMessage` when a liquidation cannot be understood.
    """

    def __call__(
        self,
        raw: str | bytes,
        instruments: Instruments,
        recv_ts: int,
        source: Source = Source.LIVE,
    ) -> list[Liquidation]:
        """Parse ``raw``, received at ``recv_ts`` (microseconds since the epoch, UTC)."""


@dataclass(frozen=True, slots=True)
class Venue:
    """One exchange's liquidation feed."""

    name: str
    url: str
    completeness: Completeness
    documentation: str
    parse: Parse

    # text frames to send once connected; most venues with one stream per URL need none
    subscribe: Sequence[str] = ()
