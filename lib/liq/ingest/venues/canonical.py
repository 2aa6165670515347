"""From a venue's liquidation to the canonical record: the steps that all parsers share.

A venue's module turns its frame into `RawLiquidation`s, in the venue's own contracts and units.
`build_records` looks up the contract, computes base quantity and USD notional, and rejects
impossible values.
"""

import contextlib
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar, overload

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Instrument,
    Instruments,
    Parsed,
    SkipReason,
    is_decimal,
    is_name,
    is_storable,
    is_whole,
)
from liq.records.model import (
    Completeness,
    Liquidation,
    PriceKind,
    Record,
    Side,
    Source,
    hash_fields,
)

MOST_ROWS = 2_500  # rows of a frame that are read: several times what any venue sends
MOST_BYTES = 1_048_576  # of a frame's content: a websocket's limit, for what is packed in it too
_GZIP = b"\x1f\x8b"  # with which a gzipped frame begins
_MOST_REASONS = 5  # of rejected rows that are named
_MOST_INTEGER = 10**25

_array = msgspec.json.Decoder(list[msgspec.Raw])
# An array's first elements: msgspec skips what is beyond the fields of a struct, but makes an
# object of each element of a list, half a million in a frame of 1 MB.
_first_rows = msgspec.json.Decoder(
    msgspec.defstruct(
        "_FirstRows",
        [(f"row_{number}", msgspec.Raw, msgspec.Raw()) for number in range(MOST_ROWS + 1)],
        array_like=True,
        gc=False,
    )
)

_REMEMBERED = 10_000  # of a venue's latest orders or positions

T = TypeVar("T")
Key = TypeVar("Key")
Row = TypeVar("Row")

# a dollar-pegged quote counts as a dollar; a contract quoted in anything else has no USD notional,
# so its liquidations are skipped
DOLLARS = frozenset({"USD", "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDE", "USD1"})
# those that end names as BTCUSDT; TUSD is none, as it would make DOTUSD a contract of DO
DOLLAR_SUFFIXES = ("USDT", "USDC", "FDUSD", "BUSD", "USD1")
HISTORY = 600_000_000  # microseconds: an older report was made before we subscribed
_TOLERANCE = 0.01  # between a venue's own notional and ours: a wrong contract size is off by more


class RawLiquidation(NamedTuple):
    """One liquidation in its venue's terms.

    ``ts`` is in microseconds, ``contracts`` in the unit that `Instrument.multiplier` counts.
    ``raw`` holds the fields that identify it, as text. ``stated`` is the venue's own USD notional
    where it sends one.
    """

    symbol: str
    ts: int
    side: Side
    raw_side: str
    price: float
    price_kind: PriceKind
    contracts: float
    raw: tuple[str, ...]
    stated: float | None = None


class Context(NamedTuple):
    """The venue, and the arguments of a parser besides the frame."""

    exchange: str
    completeness: Completeness
    instruments: Instruments
    recv_ts: int
    source: Source


class Number(Decimal):
    """A number of a venue's row, JSON's or a text, bounded before it was converted."""


def make_decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """Return a decoder of JSON for a struct that has `Number` fields."""
    return msgspec.json.Decoder(kind, dec_hook=_read_number, float_hook=str)


def _read_number(_kind: type, value: Any) -> Number:
    """Return a bounded number. msgspec reports a `ValueError` as a `ValidationError`."""
    if type(value) is int and -_MOST_INTEGER < value < _MOST_INTEGER:
        return Number(value)
    if type(value) is str and is_decimal(value):
        return Number(value)
    raise ValueError("Expected a decimal number of bounded length")


def decode(decoder: msgspec.json.Decoder[T], raw: str | bytes | msgspec.Raw) -> T:
    """Decode JSON; reject any shape but the documented one."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RejectedMessage(f"not the documented JSON: {error}") from error


def split_array(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """Return the elements of a JSON array, each to be decoded, or rejected, by itself."""
    return decode(_array, raw)


def split_rows(raw: bytes | msgspec.Raw) -> Sequence[msgspec.Raw]:
    """Return the rows of a frame as `split_array` does, of too many the first ``MOST_ROWS + 1``."""
    if bytes(raw).count(b",") < MOST_ROWS:
        return decode(_array, raw)
    rows: Sequence[msgspec.Raw] = msgspec.structs.astuple(decode(_first_rows, raw))
    return [row for row in rows if bytes(row)]


@overload
def unpack(raw: bytes, most: int = ...) -> bytes: ...
@overload
def unpack(raw: str | bytes, most: int = ...) -> str | bytes: ...
def unpack(raw: str | bytes, most: int = MOST_BYTES) -> str | bytes:
    """Return the content of a frame; reject a broken gzip, and one of ``most`` bytes."""
    if isinstance(raw, str) or not raw.startswith(_GZIP):
        return raw
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(raw, most)
    except zlib.error as error:
        raise RejectedMessage(f"no gzip: {error}") from error
    if len(content) >= most:
        raise RejectedMessage(f"the gzip has {most:,} bytes or more")
    if not stream.eof or stream.unused_data:
        raise RejectedMessage("the gzip is cut off, or followed by other bytes")
    return content


def read_side(sides: Mapping[str, Side], raw_side: str) -> Side:
    """Return the liquidated position; an undocumented ``raw_side`` is rejected."""
    if raw_side not in sides:
        raise RejectedMessage(f"unknown side {raw_side!r}; documented are {', '.join(sides)}")
    return sides[raw_side]


def parse_integer(text: str, meaning: str) -> int:
    """Return the digits ``text`` as a number; anything else is rejected."""
    if not is_whole(text):
        raise RejectedMessage(f"{meaning} {text!r} is no whole number")
    return int(text)


def find_contract(symbol: str, instruments: Instruments) -> Instrument:
    """Return a listed contract; reject an unknown one, and one that is not quoted in dollars.

    No listing is requested for a name that no contract can have, such as one of a megabyte.
    """
    contract = instruments.get(symbol)
    if contract is None:
        raise RejectedMessage(
            f"unknown contract {symbol!r}: its size is not guessed",
            unknown=[symbol] if is_name(symbol) else [],
        )
    if contract.quote not in DOLLARS:
        raise RejectedMessage(f"{symbol!r} is quoted in {contract.quote}, which is no dollar")
    return contract


def compute_sizes(contract: Instrument, contracts: float, price: float) -> tuple[float, float]:
    """Return the base quantity and the USD notional of ``contracts`` at ``price``."""
    size = contracts * contract.multiplier
    quantity, notional = (size / price, size) if contract.inverse else (size, size * price)
    if not (is_storable(quantity) and is_storable(notional)):
        raise RejectedMessage(f"{contracts:g} contracts at {price:g} have no finite notional")
    return quantity, notional


def parse_listing(
    rows: Iterable[msgspec.Raw], read: Callable[[msgspec.Raw], Instrument]
) -> list[Instrument]:
    """Return the contracts of a listing, without those that ``read`` rejects.

    An invalid contract does not affect the others; its liquidations are rejected as unknown.
    """
    found = []
    for row in rows:
        with contextlib.suppress(RejectedMessage):
            instrument = read(row)
            names = (instrument.symbol, instrument.base, instrument.quote)
            if 0 < instrument.multiplier < math.inf and all(map(is_name, names)):
                found.append(instrument)
    return found


def build_records(
    rows: Iterable[Row | RejectedMessage],
    read: Callable[[Row], Iterable[RawLiquidation | SkipReason]],
    context: Context,
) -> Sequence[Record]:
    """Return the liquidations of a message's rows.

    ``read`` yields the liquidations of a row, or the reason why it is skipped. A row that could not
    be found in the message is given as its `RejectedMessage`.

    Equal rows of a message are different liquidations: two positions of one size can be closed in
    one millisecond. So the second equal row is numbered and gets its own id. An invalid row rejects
    only itself, also by a fault of ``read``; `RejectedMessage.accepted` holds the records of valid
    rows. Rows beyond ``MOST_ROWS`` are rejected unread, so that a frame takes a bounded time.
    """
    accepted: list[Record] = []
    passed: dict[SkipReason, int] = {}
    reasons: list[str] = []
    unknown: set[str] = set()
    seen: dict[tuple[str, ...], int] = {}  # a Counter takes a microsecond to make
    for number, row in enumerate(rows):
        if number == MOST_ROWS:
            reasons.append(f"more than {MOST_ROWS:,} rows in a message")
            break
        if isinstance(row, RejectedMessage):
            reasons.append(str(row))
            continue
        try:
            for report in read(row):
                if not isinstance(report, SkipReason) and _is_foreign(report, context):
                    report = SkipReason.NOT_IN_DOLLARS  # noqa: PLW2901 - it stays a report
                if isinstance(report, SkipReason):
                    passed[report] = passed.get(report, 0) + 1
                    continue
                repeat = seen.get(report.raw, 0)
                accepted.append(_record(report, repeat, context))
                seen[report.raw] = repeat + 1
        except RejectedMessage as error:
            reasons.append(str(error))
            unknown |= error.unknown
        except Exception as error:  # a parser's own fault must not cost the other rows
            reasons.append(f"the parser failed: {error!r}")
    found = Parsed(accepted, passed) if passed else accepted
    if reasons:
        raise RejectedMessage(_join(reasons), found, unknown)
    return found


def _join(reasons: Sequence[str]) -> str:
    """Return the first reasons, after the number of rejected rows where there are more."""
    count = len(reasons)
    text = "; ".join(reasons[:_MOST_REASONS])
    return text if count <= _MOST_REASONS else f"{count:,} rows are rejected: {text}; …"


def remember(memory: dict[Key, T], key: Key, value: T) -> None:
    """Store ``value`` as the newest of ``memory``, which forgets the oldest one if it is full."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _REMEMBERED:
        del memory[next(iter(memory))]


def _is_foreign(report: RawLiquidation, context: Context) -> bool:
    contract = context.instruments.get(report.symbol)
    return contract is not None and contract.quote not in DOLLARS


def skip(why: SkipReason, count: int = 1) -> Parsed:
    """Return no record, with ``count`` skipped reports."""
    return Parsed((), {why: count})


def _record(report: RawLiquidation, repeat: int, context: Context) -> Liquidation:
    contract = find_contract(report.symbol, context.instruments)
    quantity, notional = compute_sizes(contract, report.contracts, report.price)
    if report.stated is not None and not math.isclose(notional, report.stated, rel_tol=_TOLERANCE):
        raise RejectedMessage(
            f"{report.symbol}: by its contract size this is {notional:g} USD, by the venue "
            f"{report.stated:g} USD; refresh the instruments"
        )
    return Liquidation(
        ts=report.ts,
        recv_ts=context.recv_ts,
        exchange=context.exchange,
        symbol=report.symbol,
        base=contract.base,
        quote=contract.quote,
        side=report.side,
        raw_side=report.raw_side,
        price=report.price,
        price_kind=report.price_kind,
        quantity=quantity,
        notional=notional,
        event_id=hash_fields(*report.raw, *([str(repeat)] if repeat else [])),
        completeness=context.completeness,
        source=context.source,
    )
