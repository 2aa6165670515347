"""What a venue is: where its feed is, how to subscribe, and a pure parser of its messages."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Protocol

import msgspec

from liq.config import Settings
from liq.errors import RejectedMessage
from liq.records.model import EARLIEST, LARGEST, SMALLEST, Completeness, Record, Source

_YEAR_2100 = 4_102_444_800_000
_MOST_NAME = 100  # characters, as in records
# digits, fraction and exponent of more than any price or size of a market
_match_decimal = re.compile(r"-?[0-9]{1,25}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?").fullmatch


class Through(StrEnum):
    """Whose connections bring a venue's frames: ours or cryptofeed's."""

    DIRECT = "direct"
    CRYPTOFEED = "cryptofeed"


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a venue says of one of its contracts.

    ``multiplier`` is base per contract (linear) or USD per contract (inverse). A quanto contract
    has a third currency, ``settled_in``, and its ``multiplier`` is base per contract and dollar of
    that currency's price. ``number`` names the contract in the messages of a venue that has no
    symbols there.
    """

    symbol: str
    base: str
    quote: str
    multiplier: float = 1.0
    inverse: bool = False
    settled_in: str = ""
    number: int | None = None


Instruments = Mapping[str, Instrument]


def list_names(instruments: Instruments) -> set[str]:
    """Return the names of contracts in messages: their symbols, and their numbers as text."""
    numbers = (one.number for one in instruments.values())
    return {*instruments, *(str(number) for number in numbers if number is not None)}


class SkipReason(StrEnum):
    """Why a report of a liquidation is skipped on purpose, without a record."""

    OLD = "older than 10 minutes at receipt"
    EARLIER = "open before we connected"
    DELEVERAGED = "of a deleveraging or a settlement, which is no order in the market"
    OTHER_KIND = "of the other kind of contract"
    STILL_OPEN = "still open: its last message has all of it"
    UNFILLED = "ended without a fill"
    FOLLOW_UP = "of a liquidation that was reported already"
    TERMINATION = "terminations: their side is not documented"
    NOT_IN_DOLLARS = "of a contract that is not quoted in dollars"
    NO_MARK = "settled in a currency whose price was not received yet"
    NO_NOTIONAL = "published without a price or a size"


class Parsed(list[Record]):
    """The records of a frame; ``passed`` counts the skipped reports by reason."""

    def __init__(self, records: Iterable[Record], passed: Mapping[SkipReason, int]) -> None:
        super().__init__(records)
        self.passed = passed


class Parse(Protocol):
    """A parser: one raw websocket frame to the records in it, liquidations or prices.

    `Venue.parse` is pure: it knows this frame alone. A parser of `Venue.create_parser` may remember
    the frames before; it remembers a report only once that was accepted.

    Frames without records (acknowledgements, heartbeats) give an empty list, frames with skipped
    reports a `Parsed`. Raises `liq.errors.RejectedMessage` for an invalid record.
    """

    def __call__(
        self,
        raw: str | bytes,
        instruments: Instruments,
        recv_ts: int,
        source: Source = Source.LIVE,
    ) -> Sequence[Record]:
        """Parse ``raw``, received at ``recv_ts`` (microseconds since the epoch, UTC)."""


def parse_safely(
    parse: Parse, raw: bytes, instruments: Instruments, recv_ts: int, source: Source
) -> Sequence[Record]:
    """Return what ``parse`` does; its own faults reject the message, too, and end no feed."""
    try:
        return parse(raw, instruments, recv_ts, source)
    except RejectedMessage:
        raise
    except Exception as error:
        raise RejectedMessage(f"the parser failed: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a venue's REST API lists its contracts, and a pure parser of one page of that.

    ``parse`` returns the page's contracts and the query that asks for the next page, "" after the
    last. It raises `RejectedMessage` on anything but the documented payload.
    """

    urls: tuple[str, ...]
    parse: Callable[[bytes], tuple[list[Instrument], str]]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A text frame that the venue expects at an interval in seconds."""

    seconds: float
    frame: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many contracts one connection takes: their sizes add up to ``limit`` at most."""

    limit: int
    size: Callable[[str], int]  # of a contract's subscription, by its symbol


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a venue takes requests: ``burst`` at once, then one each ``seconds``."""

    burst: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Poll:
    """How a venue is received that publishes over REST alone: its URL is requested again and again.

    ``query`` completes the URL, by the time in milliseconds and the number of the page, from 1. A
    page without rows is the last. ``split`` returns the rows of a page; it raises `RejectedMessage`
    on anything but the documented payload. A frame is the JSON array of the rows that the request
    before did not return.
    """

    seconds: float
    query: Callable[[int, int], str]
    split: Callable[[bytes], Sequence[bytes]]


def send_always(*frames: str) -> Callable[[Instruments], Sequence[str]]:
    """Return a `Venue.subscribe` that sends the same frames whatever the contracts."""
    return lambda _instruments: frames


def encode_request(request: Mapping[str, object]) -> str:
    """Return a request to a venue as the text of a frame."""
    return msgspec.json.encode(request).decode()


def split_batches(names: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Yield the names in order, ``most`` at a time, for requests of a bounded length."""
    return (names[start : start + most] for start in range(0, len(names), most))


_stream_is_in_the_url = send_always()


def _none(_settings: Settings) -> Sequence[Instrument]:
    return ()


def _no_reply(_raw: str | bytes) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Venue:
    """One feed of an exchange: of its liquidations, or (``completeness`` is None) of prices."""

    name: str
    url: str
    completeness: Completeness | None
    documentation: str
    parse: Parse
    # the liquidations of the exchange that the feed leaves out, for docs/venues.md
    not_covered: str = ""

    # text frames to send once connected, for the contracts to listen to; a venue with one stream
    # for all subscribes to that, whatever the contracts. Frames that are sent once a connection are
    # those without contracts: no frame has both a control stream and contracts
    subscribe: Callable[[Instruments], Sequence[str]] = _stream_is_in_the_url
    capacity: Capacity | None = None  # None: one connection takes all contracts
    heartbeat: Heartbeat | None = None
    # the text frame with which to answer a frame: a venue's own ping, below the websocket's
    reply: Callable[[str | bytes], str | None] = _no_reply
    # seconds after which a connection without any frame, ours or a control stream's, is dead
    silence: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict)
    # creates a parser that remembers earlier frames; None: a frame is complete by itself
    stateful_parser: Callable[[], Parse] | None = None
    pace: Pace | None = None  # of subscriptions; None: they are sent at once
    poll: Poll | None = None  # None: the URL is a websocket's
    # None: the contract's name says all
    listing: Listing | None = None
    # the contracts to listen to, where it is the settings that choose them
    chosen: Callable[[Settings], Sequence[Instrument]] = _none

    def create_parser(self) -> Parse:
        """Return the parser of one feed; what it remembers survives the feed's reconnections."""
        return self.stateful_parser() if self.stateful_parser else self.parse

    @property
    def rule(self) -> str:
        """How messages become liquidations, in words: the docstring of the parser's module."""
        parser = self.parse.func if isinstance(self.parse, partial) else self.parse
        return inspect.getdoc(inspect.getmodule(parser)) or ""


def is_decimal(text: str) -> bool:
    """Return True if ``text`` is a decimal number of bounded digits and exponent.

    Whoever converts a text asks this first: a conversion can take minutes for a text of 9 bytes,
    as ``int(Decimal("1e1000000"))`` does.
    """
    return _match_decimal(text) is not None


def is_whole(text: str) -> bool:
    """Return True if ``text`` is a whole number of digits alone, at most 19 of them."""
    return text.isascii() and text.isdigit() and len(text) < 20


def is_name(text: str) -> bool:
    """Return True if a record can have ``text`` as a symbol, a base or a quote."""
    return 0 < len(text) <= _MOST_NAME and text.isprintable() and not text.isspace()


def parse_positive(text: str, meaning: str) -> float:
    """Return the decimal ``text`` as a number; reject those that no record can have."""
    if is_decimal(text) and is_storable(number := float(text)):
        return number
    raise RejectedMessage(f"{meaning} {text!r} is no positive number")


def is_storable(number: float) -> bool:
    """Return True if a record can have ``number`` as a price or a size."""
    return SMALLEST <= number < LARGEST


def convert_ms(milliseconds: int) -> int:
    """Return a venue's milliseconds as microseconds; reject other units and broken clocks."""
    if not EARLIEST // 1000 <= milliseconds < _YEAR_2100:
        # Python refuses to write a number of thousands of digits
        shown = milliseconds if -(2**63) <= milliseconds < 2**63 else "beyond 64 bits"
        raise RejectedMessage(f"time {shown} is no time in milliseconds since the epoch")
    return milliseconds * 1000
