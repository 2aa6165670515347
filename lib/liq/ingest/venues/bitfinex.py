"""Bitfinex margin and derivatives: ``status`` of key ``liq:global``, all liquidations.

Source: https://docs.bitfinex.com/reference/ws-public-status
Arrays on a numbered channel, several positions a message::

    [91684, [["pos",
        142397657,        position
        1574697680828,    time, milliseconds
        null,
        "tBSVUSD",        pair
        -2.62932,         size of the position in base: above zero a long, below a short
        91.5838,          price at which the holder entered, in quote per base
        null,
        1,                0 the liquidation starts, 1 a match of it in the market
        1,                0 the venue takes the position over, 1 it is sold in the market
        null,
        112.27]]]         price at which it was taken over, or null

A position counts once, by its first row that is a start. Later rows have the same position again:
matches in parts, and starts with the price of the take-over (2 of 2 liquidations in ccxt's pull
request 20989 have a row without a price, then one with, 1 to 5 ms apart). aggr-server counts starts
without a price alone, tardis-node counts all starts. The price is the one of the take-over; if the
first row has none, it is the holder's entry price, marked ``entry``. Notional then is what the
position cost, not what it brought.

Traps: the sign is the position's, not an order's. Many pairs are quoted in BTC or euros: those are
counted as skipped. UST is Tether (USDT); a derivative is called F0, as in tBTCF0:USTF0.

The venue sends ``[channel, "hb"]`` every 15 s on a quiet channel.
"""

from collections.abc import Iterator, Sequence

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Instrument,
    Instruments,
    Listing,
    SkipReason,
    Venue,
    convert_ms,
    parse_positive,
    send_always,
)
from liq.ingest.venues.canonical import (
    Context,
    Number,
    RawLiquidation,
    build_records,
    decode,
    make_decoder,
    parse_listing,
    remember,
    split_array,
    split_rows,
)
from liq.records.model import Completeness, PriceKind, Record, Side, Source

_EVENTS = ("info", "subscribed", "conf", "pong")
_START = 0


class _Row(msgspec.Struct, array_like=True):
    kind: str
    position: int
    mts: Number
    _3: msgspec.Raw
    pair: str
    amount: Number
    entry_price: Number
    _7: msgspec.Raw
    is_match: int
    is_market_sold: int
    _10: msgspec.Raw
    price_acquired: Number | None = None


class _Push(msgspec.Struct, array_like=True):
    channel: int
    rows: msgspec.Raw


class _Event(msgspec.Struct):
    event: str
    code: int = 0
    msg: str = ""


_push = msgspec.json.Decoder(_Push)
_event = msgspec.json.Decoder(_Event)
_row = make_decoder(_Row)


class _Parser:
    """The parser of one feed: it remembers the positions that it has counted."""

    def __init__(self) -> None:
        self._counted: dict[tuple[int, str], None] = {}

    def __call__(
        self, raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
    ) -> Sequence[Record]:
        rows = _split(raw)
        context = Context(BITFINEX.name, Completeness.FULL, instruments, recv_ts, source)
        return build_records(rows, self._read, context)

    def _read(self, raw: msgspec.Raw) -> Iterator[RawLiquidation | SkipReason]:
        row = decode(_row, raw)
        if row.kind != "pos":
            raise RejectedMessage(f"unknown kind {row.kind!r} of status")
        position = row.position, row.pair
        if row.is_match != _START or position in self._counted:
            yield SkipReason.FOLLOW_UP
            return
        yield _read_start(row)
        remember(self._counted, position, None)  # not if it was rejected


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    return _Parser()(raw, instruments, recv_ts, source)


def _split(raw: str | bytes) -> Sequence[msgspec.Raw]:
    """Return the rows of a frame."""
    if raw[:1] in ("{", b"{"):
        _expect_answer(decode(_event, raw))
        return []
    push = decode(_push, raw)
    if bytes(push.rows) == b'"hb"':
        return []
    return split_rows(push.rows)


def _expect_answer(answer: _Event) -> None:
    if answer.event not in _EVENTS:
        raise RejectedMessage(f"the venue refused a request: {answer.code} {answer.msg}")


def _read_start(row: _Row) -> RawLiquidation:
    price, price_kind = _price(row)
    amount = str(row.amount)
    return RawLiquidation(
        symbol=row.pair,
        ts=convert_ms(int(row.mts)),
        side=Side.LONG if row.amount > 0 else Side.SHORT,
        raw_side="+" if row.amount > 0 else "-",
        price=parse_positive(str(price), "price"),
        price_kind=price_kind,
        contracts=parse_positive(amount.removeprefix("-"), "amount"),
        raw=(str(row.position), str(row.mts), row.pair, amount, str(price)),
    )


def _price(row: _Row) -> tuple[Number, PriceKind]:
    if row.price_acquired is None:
        return row.entry_price, PriceKind.ENTRY
    return row.price_acquired, PriceKind.BANKRUPTCY


_pair = msgspec.json.Decoder(str)


def _list(body: bytes) -> tuple[list[Instrument], str]:
    pairs = (pair for kind in split_array(body) for pair in split_array(kind))
    return parse_listing(pairs, _instrument), ""


def _instrument(raw: msgspec.Raw) -> Instrument:
    pair = decode(_pair, raw)
    base, colon, quote = pair.partition(":")  # BTCUSD, DOGE:USD, BTCF0:USTF0
    if not colon:
        base, quote = pair[:-3], pair[-3:]
    base, quote = base.removesuffix("F0"), quote.removesuffix("F0")
    return Instrument(f"t{pair}", base, {"UST": "USDT", "UDC": "USDC"}.get(quote, quote))


BITFINEX = Venue(
    name="bitfinex",
    url="wss://api-pub.bitfinex.com/ws/2",
    completeness=Completeness.FULL,
    documentation="https://docs.bitfinex.com/reference/ws-public-status",
    parse=parse,
    stateful_parser=_Parser,
    not_covered="pairs that are not quoted in dollars, counted as skipped",
    subscribe=send_always('{"event":"subscribe","channel":"status","key":"liq:global"}'),
    listing=Listing(
        urls=("https://api-pub.bitfinex.com/v2/conf/pub:list:pair:margin,pub:list:pair:futures",),
        parse=_list,
    ),
)
