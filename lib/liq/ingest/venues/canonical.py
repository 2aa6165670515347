"""From a venue's liquidation to the canonical record: the steps that all parsers share.

A venue's module turns its frame into `RawLiquidation`s, in the venue's own contracts and units.
`build_records` looks up the contract, computes base quantity and USD notional, and rejects
impossible values.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument, Instruments, Parsed, SkipReason, is_storable
from liq.records.model import (
    Completeness,
    Liquidation,
    PriceKind,
    Record,
    Side,
    Source,
    hash_fields,
)

_array = msgspec.json.Decoder(list[msgspec.Raw])

T = TypeVar("T")
Row = TypeVar("Row")

# a dollar-pegged quote counts as a dollar; a contract quoted in anything else has no USD notional
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


def decode(decoder: msgspec.json.Decoder[T], raw: str | bytes | msgspec.Raw) -> T:
    """Decode JSON; reject any shape but the documented one."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RejectedMessage(f"not the documented JSON: {error}") from error


def split_array(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """Return the elements of a JSON array, each to be decoded, or rejected, by itself."""
    return decode(_array, raw)


def read_side(sides: Mapping[str, Side], raw_side: str) -> Side:
    """Return the liquidated position; an undocumented ``raw_side`` is rejected."""
    if raw_side not in sides:
        raise RejectedMessage(f"unknown side {raw_side!r}; documented are {', '.join(sides)}")
    return sides[raw_side]


def parse_integer(text: str, meaning: str) -> int:
    """Return the digits ``text`` as a number; anything else is rejected."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise RejectedMessage(f"{meaning} {text!r} is no whole number")
    return int(text)


def find_contract(symbol: str, instruments: Instruments) -> Instrument:
    """Return a listed contract; reject an unknown one, and one that is not quoted in dollars."""
    contract = instruments.get(symbol)
    if contract is None:
        raise RejectedMessage(
            f"unknown contract {symbol!r}: its size is not guessed", unknown=[symbol]
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
            if 0 < instrument.multiplier < math.inf:
                found.append(instrument)
    return found


def build_records(
    rows: Iterable[Row],
    read: Callable[[Row], Iterable[RawLiquidation | SkipReason]],
    context: Context,
) -> Sequence[Record]:
    """Return the liquidations of a message's rows.

    ``read`` yields the liquidations of a row, or the reason why it is skipped.

    Equal rows of a message are different liquidations: two positions of one size can be closed in
    one millisecond. So the second equal row is numbered and gets its own id. An invalid row rejects
    only itself; `RejectedMessage.accepted` holds the records of valid rows.
    """
    accepted: list[Record] = []
    passed: dict[SkipReason, int] = {}
    reasons: list[str] = []
    unknown: set[str] = set()
    seen: dict[tuple[str, ...], int] = {}  # a Counter takes a microsecond to make
    for row in rows:
        try:
            for report in read(row):
                if isinstance(report, SkipReason):
                    passed[report] = passed.get(report, 0) + 1
                    continue
                repeat = seen.get(report.raw, 0)
                accepted.append(_record(report, repeat, context))
                seen[report.raw] = repeat + 1
        except RejectedMessage as error:
            reasons.append(str(error))
            unknown |= error.unknown
    found = Parsed(accepted, passed) if passed else accepted
    if reasons:
        raise RejectedMessage("; ".join(reasons), found, unknown)
    return found


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
