"""Bitget futures: ``liquidation``, the largest liquidations of each second of all contracts.

Source: https://www.bitget.com/api-doc/uta/websocket/public/Liquidation-Channel
A push a second, of USDT-, USDC- or coin-margined contracts::

    {"arg": {"instType": "usdt-futures", "topic": "liquidation"}, "action": "update",
     "ts": 1736371332162, "data": [{
        "symbol": "BTCUSDT",   contract: BTCPERP of USDC, BTCUSD of coin-margined futures
        "side": "buy",         side of the liquidated *position*: buy is a long, sell a short
        "price": "89000",      liquidation price, in quote per base
        "amount": "37.722858", size, in quote
        "ts": "1736371332162"  time, milliseconds
    }]}

``amount`` is in quote for every kind of contract, so a contract counts one dollar, as an inverse
contract does, and the base quantity is ``amount`` through ``price``.

Traps: ``side`` is the position, the opposite of most venues' order side. Of a contract's longs, and
of its shorts, only the largest of a second is shown, so totals are lower bounds. An older copy of
the documentation promises all liquidations, every 20 s. The documentation says "liquidation price"
and no more: it is taken for the price at which Bitget takes the position over. Nothing names a
liquidation: two that are alike in all fields are two within a message, one in two messages. The
channel is part of API v3 (unified account); v2 has none. It covers classic accounts too.

The ticker of BTC shows that a connection is not dead in a quiet market. Ping and pong are bare
words; Bitget drops a client that does not ping every 30 s.
"""

from collections.abc import Iterator, Sequence

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Heartbeat,
    Instrument,
    Instruments,
    Listing,
    Venue,
    convert_ms,
    encode_request,
    parse_positive,
    send_always,
)
from liq.ingest.venues.canonical import (
    Context,
    RawLiquidation,
    build_records,
    decode,
    parse_integer,
    parse_listing,
    read_side,
    split_array,
    split_rows,
)
from liq.records.model import Completeness, PriceKind, Record, Side, Source

_SIDES = {"buy": Side.LONG, "sell": Side.SHORT}
_TOPIC = "liquidation"
_CONTROL = "ticker"
_PONG = ("pong", b"pong")


class _Row(msgspec.Struct, gc=False):
    symbol: str
    side: str
    price: str
    amount: str
    ts: str


class _Arg(msgspec.Struct):
    topic: str = ""


class _Frame(msgspec.Struct):
    """A push (``arg`` and ``data``) or the answer to a request (``event``)."""

    arg: _Arg = msgspec.field(default_factory=_Arg)
    data: msgspec.Raw = msgspec.Raw()
    event: str = ""
    code: int | str = ""
    msg: str = ""


_frame = msgspec.json.Decoder(_Frame)
_row = msgspec.json.Decoder(_Row)


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    if raw in _PONG:
        return []
    frame = decode(_frame, raw)
    if frame.event == "error":
        raise RejectedMessage(f"the venue refused a request: {frame.code} {frame.msg}")
    if frame.event or frame.arg.topic == _CONTROL:
        return []
    if frame.arg.topic != _TOPIC:
        raise RejectedMessage("neither liquidations nor the answer to a request")
    context = Context(BITGET.name, Completeness.THROTTLED, instruments, recv_ts, source)
    return build_records(split_rows(frame.data), _read, context)


def _read(raw: msgspec.Raw) -> Iterator[RawLiquidation]:
    row = decode(_row, raw)
    yield RawLiquidation(
        symbol=row.symbol,
        ts=convert_ms(parse_integer(row.ts, "time ts")),
        side=read_side(_SIDES, row.side),
        raw_side=row.side,
        price=parse_positive(row.price, "price"),
        price_kind=PriceKind.BANKRUPTCY,
        contracts=parse_positive(row.amount, "amount"),
        raw=msgspec.structs.astuple(row),
    )


class _Contract(msgspec.Struct, rename="camel"):
    symbol: str
    base_coin: str
    quote_coin: str


class _Page(msgspec.Struct):
    data: msgspec.Raw


_page = msgspec.json.Decoder(_Page)
_contract = msgspec.json.Decoder(_Contract)


def _parse_page(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(decode(_page, body).data), _build_instrument), ""


def _build_instrument(raw: msgspec.Raw) -> Instrument:
    contract = decode(_contract, raw)
    return Instrument(contract.symbol, contract.base_coin, contract.quote_coin, inverse=True)


_KINDS = ("usdt-futures", "usdc-futures", "coin-futures")
_SUBSCRIPTION = {
    "op": "subscribe",
    "args": [
        *({"instType": kind, "topic": _TOPIC} for kind in _KINDS),
        {"instType": "usdt-futures", "topic": _CONTROL, "symbol": "BTCUSDT"},
    ],
}

BITGET = Venue(
    name="bitget",
    url="wss://ws.bitget.com/v3/ws/public",
    completeness=Completeness.THROTTLED,
    documentation="https://www.bitget.com/api-doc/uta/websocket/public/Liquidation-Channel",
    parse=parse,
    subscribe=send_always(encode_request(_SUBSCRIPTION)),
    heartbeat=Heartbeat(seconds=20, frame="ping"),
    silence=60,
    listing=Listing(
        urls=tuple(
            f"https://api.bitget.com/api/v3/market/instruments?category={kind.upper()}"
            for kind in _KINDS
        ),
        parse=_parse_page,
    ),
)
