"""Bybit derivatives: ``allLiquidation.SYMBOL``, every liquidation of a contract.

Source: https://bybit-exchange.github.io/docs/v5/websocket/public/all-liquidation
Contracts: https://bybit-exchange.github.io/docs/v5/market/instrument
Batches of up to half a second, one contract a message::

    {"topic": "allLiquidation.ROSEUSDT", "type": "snapshot", "ts": 1739502303204, "data": [{
        "T": 1739502302929,  time, milliseconds
        "s": "ROSEUSDT",     contract
        "S": "Sell",         side of the liquidated *position*: Buy is a long, Sell a short
        "v": "20000",        executed size: base (linear), USD (inverse)
        "p": "0.04499"}]}    bankruptcy price, in quote per base

Traps: ``S`` is the position, the opposite of most venues' order side. Every message is of type
"snapshot", yet all are new. There is no topic for all contracts: each one is subscribed to. The old
topic ``liquidation.SYMBOL`` is deprecated, it showed one order a second. The topics of a connection
have 21,000 characters at most, so contracts are spread over several. A request that names a
contract which is gone is refused whole. Nothing names a
liquidation: two that are alike in all four fields are two within a message, one in two messages.
Pre-market contracts are liquidated too; the venue lists them only if asked for PreLaunch.

A candle of BTC, pushed at least once a minute, shows that a connection is not dead in a quiet
market. Bybit drops a client that does not ping every 20 s.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Capacity,
    Heartbeat,
    Instrument,
    Instruments,
    Listing,
    Venue,
    convert_ms,
    encode_request,
    parse_positive,
    split_batches,
)
from liq.ingest.venues.canonical import (
    Context,
    RawLiquidation,
    build_records,
    decode,
    parse_listing,
    read_side,
    split_array,
    split_rows,
)
from liq.records.model import Completeness, PriceKind, Record, Side, Source

_SIDES = {"Buy": Side.LONG, "Sell": Side.SHORT}
_TOPIC = "allLiquidation."
_CONTROL = "kline."
_BATCH = 200  # topics in one request
_CHARACTERS = 20_000  # of topics, over one connection: 21,000 less the control stream and brackets


class _Row(msgspec.Struct, gc=False):
    T: int
    s: str
    S: str
    v: str
    p: str


class _Frame(msgspec.Struct):
    """A push (``topic``) or the answer to a request (``op``)."""

    topic: str = ""
    data: msgspec.Raw = msgspec.Raw()
    op: str = ""
    success: bool = True
    ret_msg: str = ""


_frame = msgspec.json.Decoder(_Frame)
_row = msgspec.json.Decoder(_Row)


def _parse(
    exchange: str,
    raw: str | bytes,
    instruments: Instruments,
    recv_ts: int,
    source: Source = Source.LIVE,
) -> Sequence[Record]:
    frame = decode(_frame, raw)
    if frame.topic.startswith(_TOPIC):
        context = Context(exchange, Completeness.FULL, instruments, recv_ts, source)
        return build_records(split_rows(frame.data), _read, context)
    if not frame.success:
        raise RejectedMessage(f"the venue refused a request: {frame.ret_msg}")
    if not (frame.op or frame.topic.startswith(_CONTROL)):
        raise RejectedMessage("neither liquidations nor the answer to a request")
    return []


def _read(raw: msgspec.Raw) -> Iterator[RawLiquidation]:
    row = decode(_row, raw)
    yield RawLiquidation(
        symbol=row.s,
        ts=convert_ms(row.T),
        side=read_side(_SIDES, row.S),
        raw_side=row.S,
        price=parse_positive(row.p, "price p"),
        price_kind=PriceKind.BANKRUPTCY,
        contracts=parse_positive(row.v, "size v"),
        raw=(str(row.T), row.s, row.S, row.v, row.p),
    )


def _subscribe(control: str, instruments: Instruments) -> Sequence[str]:
    topics = [_TOPIC + symbol for symbol in instruments]
    batches = ([control], *split_batches(topics, _BATCH))
    return [encode_request({"op": "subscribe", "args": batch}) for batch in batches]


def _measure(symbol: str) -> int:
    """Return the characters of a contract's topic, its quotes and its comma in ``args``."""
    return len(_TOPIC) + len(symbol) + len('"",')


class _Contract(msgspec.Struct, rename="camel"):
    symbol: str
    base_coin: str
    quote_coin: str


class _Result(msgspec.Struct, rename="camel"):
    list: msgspec.Raw
    next_page_cursor: str | None = None


class _Page(msgspec.Struct):
    result: _Result


_page = msgspec.json.Decoder(_Page)
_contract = msgspec.json.Decoder(_Contract)


def _list(body: bytes, *, inverse: bool) -> tuple[list[Instrument], str]:
    result = decode(_page, body).result
    cursor = result.next_page_cursor
    contracts = parse_listing(split_array(result.list), partial(_instrument, inverse=inverse))
    return contracts, f"&cursor={cursor}" if cursor else ""


def _instrument(raw: msgspec.Raw, *, inverse: bool) -> Instrument:
    contract = decode(_contract, raw)
    return Instrument(contract.symbol, contract.base_coin, contract.quote_coin, inverse=inverse)


def _venue(name: str, category: str, control: str, *, inverse: bool) -> Venue:
    return Venue(
        name=name,
        url=f"wss://stream.bybit.com/v5/public/{category}",
        completeness=Completeness.FULL,
        documentation="https://bybit-exchange.github.io/docs/v5/websocket/public/all-liquidation",
        parse=partial(_parse, name),
        subscribe=partial(_subscribe, control),
        capacity=Capacity(_CHARACTERS, _measure),
        heartbeat=Heartbeat(seconds=20, frame=encode_request({"op": "ping"})),
        silence=90,
        listing=Listing(
            urls=tuple(
                "https://api.bybit.com/v5/market/instruments-info"
                f"?category={category}&status={status}&limit=1000"
                for status in ("Trading", "PreLaunch")
            ),
            parse=partial(_list, inverse=inverse),
        ),
    )


BYBIT = _venue("bybit", "linear", "kline.1.BTCUSDT", inverse=False)
BYBIT_INVERSE = _venue("bybit_inverse", "inverse", "kline.1.BTCUSD", inverse=True)
