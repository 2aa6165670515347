"""The canonical records: what travels through Kafka and what a QuestDB row holds.

This module is the only place that knows the schema; tables, the sinks' configuration and the
message codec are all derived from `Liquidation`, `Price`, `FeedHealth`, `Alert`, `Cascade` and
`Sums`. So is what a field may hold (`liq.records.rules`): publisher, sink and readers check the
same.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, NewType

import msgspec
from msgspec.structs import force_setattr

from liq.records.coins import find_coin

EARLIEST = 1_262_304_000_000_000  # 2010: no market of these is older
_10000 = 253_402_300_800_000_000
_DAY = 86_400_000_000
_LONG = 2**63 - 1  # -(2**63) is QuestDB's null

# A time is one that these markets can have and QuestDB can store. How far it may be "ahead" of now,
# in microseconds, is checked by `liq.records.rules`, since a type cannot.
Micros = Annotated[int, msgspec.Meta(ge=EARLIEST, lt=_10000, extra={"ahead": _DAY})]
Long = Annotated[int, msgspec.Meta(ge=-_LONG, le=_LONG)]
Count = Annotated[int, msgspec.Meta(ge=0, le=_LONG)]
# bounds of a plausible price or size: sums of many stay finite, and exact in Spark
LARGEST = 1e18
# QuestDB takes numbers within 1e-10 of each other as equal, and so a smaller number as 0
SMALLEST = 2e-10
Positive = Annotated[float, msgspec.Meta(ge=SMALLEST, lt=LARGEST)]
# of single coins, where a base may be 100 million
Coins = Annotated[float, msgspec.Meta(ge=SMALLEST, lt=1e30)]
CoinPrice = Annotated[float, msgspec.Meta(gt=0, lt=LARGEST)]
Amount = Annotated[float, msgspec.Meta(ge=0, lt=1e30)]
Finite = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text = NewType("Text", str)  # for people to read: any number of different ones


class Side(StrEnum):
    """The position that was liquidated (not the side of the closing order)."""

    LONG = "long"
    SHORT = "short"


class PriceKind(StrEnum):
    """The meaning of the venue's price.

    ``average`` of the fills, ``limit`` of the closing order, ``bankruptcy`` price at which the
    venue takes the position over, or the holder's ``entry`` where a venue publishes nothing else.
    """

    AVERAGE = "average"
    LIMIT = "limit"
    BANKRUPTCY = "bankruptcy"
    ENTRY = "entry"


class ReferenceKind(StrEnum):
    """Which of a venue's reference prices it is: the ``mark`` price decides on liquidations."""

    MARK = "mark"


class Completeness(StrEnum):
    """How much of the venue's liquidations its feed shows, of the contracts that it covers."""

    FULL = "full"
    THROTTLED = "throttled"
    SAMPLED = "sampled"


class Source(StrEnum):
    """Where a record came from; records that are not live are marked when shown."""

    LIVE = "live"
    CRYPTOFEED = "cryptofeed"
    REPLAY = "replay"
    SIMULATOR = "simulator"

    @property
    def is_live(self) -> bool:
        """Whether such records come from an exchange as they happen."""
        return self in (Source.LIVE, Source.CRYPTOFEED)

    @property
    def kind(self) -> str:
        """What its records are: real, replayed or simulated."""
        return "real" if self.is_live else _KINDS[self]


_KINDS = {Source.REPLAY: "replayed", Source.SIMULATOR: "simulated"}


def find_kind(source: str) -> str:
    """Return the kind of a stored source; another program's row may hold any text, kept as it is.

    Example:
        >>> from liq.records.model import find_kind
        >>> find_kind("simulator"), find_kind("elsewhere")
        ('simulated', 'elsewhere')
    """
    return Source(source).kind if source in set(Source) else source


LIVE_SOURCES = tuple(source for source in Source if source.is_live)


class Liquidation(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One forced closing of a position.

    Messages and rows of earlier versions have no ``asset`` and ``asset_quantity``. Like parsers,
    which need not give them, they get both from ``base`` and ``quantity``.

    ========== ======== ====================================================================
    field      type     meaning
    ========== ======== ====================================================================
    ts         int      venue time, microseconds since the epoch, UTC
    recv_ts    int      time of receipt, microseconds since the epoch, UTC
    exchange   str      venue key, e.g. ``binance_usdm``
    symbol     str      the venue's own name of the contract, e.g. ``BTCUSDT``
    base       str      base asset as the venue has it, e.g. ``1000PEPE``
    quote      str      quote asset, e.g. ``USDT``
    asset      str      the coin, whatever the contract's multiplier, e.g. ``PEPE``
    side       Side     liquidated position
    raw_side   str      side as the venue sent it
    price      float    in quote per base
    price_kind PriceKind what ``price`` means at this venue
    quantity   float    in base
    asset_quantity float in coins: ``quantity`` times the base's multiplier
    notional   float    in USD (a dollar-pegged quote counts as a dollar)
    event_id   int      int64 hash of the venue's raw fields; part of the dedup key
    completeness, source  see their enums
    ========== ======== ====================================================================
    """

    ts: Micros
    recv_ts: Micros
    exchange: Name
    symbol: Name
    base: Name
    quote: Name
    asset: Name = ""
    side: Side
    raw_side: Name
    price: Positive
    price_kind: PriceKind
    quantity: Positive
    asset_quantity: Coins = 0.0
    notional: Positive
    event_id: Long
    completeness: Completeness
    source: Source

    def __post_init__(self) -> None:
        """Add the asset and its quantity, unless they are given."""
        if self.asset and self.asset_quantity:
            return
        coin = find_coin(self.base)
        force_setattr(self, "asset", self.asset or coin.asset)
        force_setattr(self, "asset_quantity", self.asset_quantity or self.quantity * coin.units)


class Price(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What one base of a contract cost at a moment.

    ======== ========= =================================================================
    field    type      meaning
    ======== ========= =================================================================
    ts       int       venue time, microseconds since the epoch, UTC
    recv_ts  int       time of receipt, microseconds since the epoch, UTC
    exchange str       whose price it is, e.g. ``binance_usdm``
    symbol   str       the exchange's own name of the contract, e.g. ``BTCUSDT``
    base     str       base asset as the exchange has it, e.g. ``1000PEPE``
    quote    str       quote asset
    asset    str       the coin, by which prices and liquidations are matched, e.g. ``PEPE``
    kind     ReferenceKind ``mark``
    price    float     in quote per base
    asset_price float  in quote per coin: ``price`` divided by the base's multiplier
    source   Source    where it came from
    ======== ========= =================================================================
    """

    ts: Micros
    recv_ts: Micros
    exchange: Name
    symbol: Name
    base: Name
    quote: Name
    asset: Name = ""
    kind: ReferenceKind
    price: Positive
    asset_price: CoinPrice = 0.0
    source: Source

    def __post_init__(self) -> None:
        """Add the asset and its price, unless they are given."""
        if self.asset and self.asset_price:
            return
        coin = find_coin(self.base)
        force_setattr(self, "asset", self.asset or coin.asset)
        force_setattr(self, "asset_price", self.asset_price or self.price / coin.units)


Record = Liquidation | Price  # the records that venues publish


class FeedHealth(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Feed health over the last second.

    Coverage is complete between two rows of an exchange and source if both are connected, about a
    second apart, and the second row counts no gap. All other time is a coverage gap: liquidations
    may be missing. The query ``coverage`` returns the gaps.

    ============ =========== ================================================================
    field        type        meaning
    ============ =========== ================================================================
    ts           int         now, microseconds since the epoch, UTC
    exchange     str         venue key
    source       Source      as of its liquidations
    completeness Completeness how much of its liquidations the feed shows at best
    connected    bool        whether every connection is open now
    messages     int         frames of any kind, since the row before
    gaps         int         times that the last connection was lost, since the row before
    reconnects   int         connections after the first, since the row before
    lag          float|None  seconds between the newest liquidation and its receipt, of those
                             since the row before; null when there was none
    queued       int         messages that wait for Kafka: many if the broker is slow or unreachable
    passed       int         reports of liquidations that were skipped on purpose, since the row
                             before
    too_old      int         reports among them that were too old at receipt: if that goes on, our
                             clock is fast
    stopped      bool        the last row of a producer that was stopped on purpose: no feed is
                             expected until the next row
    contracts    str|None    origin of the contracts: REST, cache, stale cache, snapshot, names
    contracts_age float|None seconds since the venue sent the contracts; null where it sends none
    contracts_fault Text|None why newer contracts could not be loaded; null when they could
    ============ =========== ================================================================
    """

    ts: Micros
    exchange: Name
    source: Source
    completeness: Completeness
    connected: bool
    messages: Count
    gaps: Count
    reconnects: Count
    lag: Finite | None
    queued: Count
    passed: Count = 0
    too_old: Count = 0
    stopped: bool = False
    contracts: Name | None = None
    contracts_age: Finite | None = None
    contracts_fault: Annotated[Text, msgspec.Meta(max_length=1_000)] | None = None


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
    threshold float    the threshold of the rule
    message   Text     what happened, for people
    live      bool     whether all prints that counted came from exchanges
    subject   str|None the values of a rule's ``by`` columns in this row, joined by ", "
    ========= ======== =====================================================================
    """

    ts: Micros
    rule: Name
    severity: Severity
    query: Name
    measure: Name
    value: Finite
    threshold: Finite
    message: Annotated[Text, msgspec.Meta(max_length=10_000)]
    live: bool
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)] | None = None


class Cascade(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A run of prints of one asset, across venues, that follow each other within a gap.

    The columns are those of the query ``cascades``, of prints that were not too late for the job.

    ============== ======= ===================================================================
    field          type    meaning
    ============== ======= ===================================================================
    ts, to_ts      int     first and last print, microseconds since the epoch, UTC
    asset          str     the coin, whatever the multiplier of its contracts
    base           str|None base asset of a cascade that an earlier version found; the asset then is
                           the coin of the base
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
    asset: Name = ""
    base: Name | None = None
    gap: Count
    to_ts: Micros
    prints: Count
    exchanges: Count
    symbols: Count
    first_exchange: Name
    long_usd: Amount
    short_usd: Amount
    not_live: Count
    partial: Count

    def __post_init__(self) -> None:
        """Add the asset of a cascade that an earlier version found."""
        if not self.asset and not self.base:
            raise ValueError("it has neither asset nor base")
        if not self.asset and self.base:
            force_setattr(self, "asset", find_coin(self.base).asset)


class Sums(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Sums of a contract's liquidations in a bucket of time; a bucket without prints has no record.

    The columns are those of the query ``by_symbol_bucket``, of prints that were not too late for
    the job.

    =================== ===== ================================================================
    field               type  meaning
    =================== ===== ================================================================
    ts                  int   start of the bucket, microseconds since the epoch, UTC
    exchange, symbol, base str of the contract
    asset               str   the coin, whatever the base's multiplier
    bucket              int   how many seconds wide, counted from the epoch
    long_usd, short_usd float liquidated, in USD
    prints              int   how many there were
    largest_usd         float the greatest of them, in USD
    not_live            int   simulated or replayed prints among them
    partial             int   prints of throttled or sampled feeds: sums are lower bounds
    =================== ===== ================================================================
    """

    ts: Micros
    exchange: Name
    symbol: Name
    base: Name
    asset: Name = ""
    bucket: Count
    long_usd: Amount
    short_usd: Amount
    prints: Count
    largest_usd: Positive
    not_live: Count
    partial: Count

    def __post_init__(self) -> None:
        """Add the asset, unless it is given."""
        if not self.asset:
            force_setattr(self, "asset", find_coin(self.base).asset)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Liquidation)


def encode(record: msgspec.Struct) -> bytes:
    """Return the Kafka message value: a flat JSON object of numbers and strings."""
    return _encoder.encode(record)


def decode(message: bytes) -> Liquidation:
    """Return the record a Kafka message value holds.

    Raises ``msgspec.DecodeError`` (``ValidationError`` for a wrong type) on anything else.
    """
    return _decoder.decode(message)


def hash_fields(*raw_fields: str) -> int:
    """Return a stable signed 64-bit id of a venue's raw fields.

    Two records are the same liquidation only if every raw field is the same. Two real liquidations
    with equal fields are merged if they arrive in two messages and the venue sends no id. They
    cannot be distinguished from one liquidation that was sent twice.
    """
    digest = hashlib.blake2b("\x1f".join(raw_fields).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
