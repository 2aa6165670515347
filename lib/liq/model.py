"""The canonical records: what travels through Kafka and what a QuestDB row holds.

This module is the only place that knows the schema; tables, the sinks' configuration and the
message codec are all derived from `Liquidation`, `Price`, `FeedHealth`, `Alert`, `Cascade` and
`Sums`.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, NewType

import msgspec

# what QuestDB can store as a time; and a number that means something as a price or a size
Micros = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000_000)]
Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Text = NewType("Text", str)  # for people to read: any number of different ones


class Side(StrEnum):
    """The position that was liquidated (not the side of the closing order)."""

    LONG = "long"
    SHORT = "short"


class PriceKind(StrEnum):
    """What the venue's price means: what was paid, asked, or left of the position.

    ``average`` of the fills, ``limit`` of the closing order, ``bankruptcy`` price at which the
    venue takes the position over, or the holder's ``entry`` where a venue tells nothing else.
    ``mark`` is of no liquidation: the price by which a venue judges positions.
    """

    AVERAGE = "average"
    LIMIT = "limit"
    BANKRUPTCY = "bankruptcy"
    ENTRY = "entry"
    MARK = "mark"


class Completeness(StrEnum):
    """How much of the venue's liquidations its feed shows."""

    FULL = "full"
    THROTTLED = "throttled"
    SAMPLED = "sampled"


class Source(StrEnum):
    """Where a record came from; everything but ``live`` and ``cryptofeed`` is marked when shown."""

    LIVE = "live"
    CRYPTOFEED = "cryptofeed"
    REPLAY = "replay"
    SIMULATOR = "simulator"


LIVE_SOURCES = (Source.LIVE, Source.CRYPTOFEED)


class Liquidation(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One forced closing of a position.

    ========== ======== ====================================================================
    field      type     meaning
    ========== ======== ====================================================================
    ts         int      venue time, microseconds since the epoch, UTC
    recv_ts    int      time of receipt, microseconds since the epoch, UTC
    exchange   str      venue key, e.g. ``binance_usdm``
    symbol     str      the venue's own name of the contract, e.g. ``BTCUSDT``
    base       str      base asset, e.g. ``BTC``
    quote      str      quote asset, e.g. ``USDT``
    side       Side     liquidated position
    raw_side   str      side as the venue sent it
    price      float    in quote per base
    price_kind PriceKind what ``price`` means at this venue
    quantity   float    in base
    notional   float    in USD (a dollar-pegged quote counts as a dollar)
    event_id   int      int64 hash of the venue's raw fields; part of the dedup key
    completeness, source  see their enums
    ========== ======== ====================================================================
    """

    ts: Micros
    recv_ts: Micros
    exchange: str
    symbol: str
    base: str
    quote: str
    side: Side
    raw_side: str
    price: Positive
    price_kind: PriceKind
    quantity: Positive
    notional: Positive
    event_id: Long
    completeness: Completeness
    source: Source = Source.LIVE


class Price(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What one base of a contract cost at a moment.

    ======== ========= =================================================================
    field    type      meaning
    ======== ========= =================================================================
    ts       int       venue time, microseconds since the epoch, UTC
    recv_ts  int       time of receipt, microseconds since the epoch, UTC
    exchange str       whose price it is, e.g. ``binance_usdm``
    symbol   str       the exchange's own name of the contract, e.g. ``BTCUSDT``
    base     str       base asset: what prices and liquidations of all exchanges are matched by
    quote    str       quote asset
    kind     PriceKind what the price means: ``mark``
    price    float     in quote per base
    source   Source    where it came from
    ======== ========= =================================================================
    """

    ts: Micros
    recv_ts: Micros
    exchange: str
    symbol: str
    base: str
    quote: str
    kind: PriceKind
    price: Positive
    source: Source = Source.LIVE


Record = Liquidation | Price  # what venues tell


class FeedHealth(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """How a venue's feed fared since the row before, about a second ago.

    Between two rows of an exchange and source, both connected and a second or so apart, with no gap
    counted in the second, nothing is missing that the venue's feed shows. All else is unknown: no
    liquidations in it does not mean that there were none. Query ``coverage`` finds those times.

    ============ =========== ================================================================
    field        type        meaning
    ============ =========== ================================================================
    ts           int         now, microseconds since the epoch, UTC
    exchange     str         venue key
    source       Source      as of its liquidations
    completeness Completeness how much of its liquidations the feed shows at best
    connected    bool        whether a connection is open now
    messages     int         frames of any kind, since the row before
    gaps         int         times that the last connection was lost, since the row before
    reconnects   int         connections after the first, since the row before
    lag          float|None  seconds between the newest liquidation and its receipt, of those
                             since the row before; null when there was none
    queued       int         messages that wait for Kafka: many when the broker is slow or away
    passed       int         what was told of liquidations and passed over on purpose, since the row
                             before
    too_old      int         those of them that were too old at receipt: if that goes on, our clock
                             is fast
    stopped      bool        the last row of a producer that was ended on purpose: until another
                             row nobody is expected to listen
    ============ =========== ================================================================
    """

    ts: Micros
    exchange: str
    source: Source
    completeness: Completeness
    connected: bool
    messages: int
    gaps: int
    reconnects: int
    lag: float | None
    queued: int
    passed: int = 0
    too_old: int = 0
    stopped: bool = False


class Severity(StrEnum):
    """How much an alert matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Alert(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A rule of ``alerts.json`` that fired.

    ========= ======== =====================================================================
    field     type     meaning
    ========= ======== =====================================================================
    ts        int      when it was evaluated, microseconds since the epoch, UTC
    rule      str      name of the rule
    severity  Severity how much it matters
    query     str      key of the query that the rule reads
    measure   str      column of that query
    value     float    what was compared with the threshold, in the column's unit
    threshold float    the rule's
    message   Text     what happened, for people
    live      bool     whether all prints that counted came from exchanges
    subject   str|None of a rule with ``by`` the values that it fired for, joined by ", "
    ========= ======== =====================================================================
    """

    ts: Micros
    rule: str
    severity: Severity
    query: str
    measure: str
    value: float
    threshold: float
    message: Text
    live: bool
    subject: str | None = None


class Cascade(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A run of prints of one base, across venues, that follow each other within a gap.

    The columns are those of the query ``cascades``, of prints that were not too late for the job.

    ============== ======= ===================================================================
    field          type    meaning
    ============== ======= ===================================================================
    ts, to_ts      int     first and last print, microseconds since the epoch, UTC
    base           str     base asset
    gap            int     most seconds between a print and the next
    prints         int     how many there were
    exchanges, symbols int  how many different ones
    first_exchange str     venue of the first print, the first by name of several at once
    long_usd, short_usd float  liquidated, in USD
    not_live       int     simulated or replayed prints among them
    partial        int     prints of throttled or sampled feeds: sums are lower bounds
    ============== ======= ===================================================================
    """

    ts: Micros
    base: str
    gap: int
    to_ts: Micros
    prints: int
    exchanges: int
    symbols: int
    first_exchange: str
    long_usd: float
    short_usd: float
    not_live: int
    partial: int


class Sums(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What was liquidated of a contract in a bucket of time; there is none without a print.

    The columns are those of the query ``by_symbol_bucket``, of prints that were not too late for
    the job.

    =================== ===== ================================================================
    field               type  meaning
    =================== ===== ================================================================
    ts                  int   start of the bucket, microseconds since the epoch, UTC
    exchange, symbol, base str of the contract
    bucket              int   how many seconds wide, counted from the epoch
    long_usd, short_usd float liquidated, in USD
    prints              int   how many there were
    largest_usd         float the greatest of them, in USD
    not_live            int   simulated or replayed prints among them
    partial             int   prints of throttled or sampled feeds: sums are lower bounds
    =================== ===== ================================================================
    """

    ts: Micros
    exchange: str
    symbol: str
    base: str
    bucket: int
    long_usd: float
    short_usd: float
    prints: int
    largest_usd: float
    not_live: int
    partial: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Liquidation)


def encode(record: Record | FeedHealth | Alert) -> bytes:
    """Return the Kafka message value: a flat JSON object of numbers and strings."""
    return _encoder.encode(record)


def decode(message: bytes) -> Liquidation:
    """Return the record a Kafka message value holds.

    Raises ``msgspec.DecodeError`` (``ValidationError`` for a wrong type) on anything else.
    """
    return _decoder.decode(message)


def event_id(*raw_fields: str) -> int:
    """Return a stable signed 64-bit id of a venue's raw fields.

    Two records are the same liquidation only if every raw field is the same, so the dedup key
    never merges two real ones.
    """
    digest = hashlib.blake2b("\x1f".join(raw_fields).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
