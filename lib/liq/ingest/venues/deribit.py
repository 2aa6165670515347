"""Deribit futures: the trades of all futures, of which those marked ``liquidation`` count.

Source: https://docs.deribit.com/#trades-kind-currency-interval
JSON-RPC notifications of all trades of up to 100 ms::

    {"jsonrpc": "2.0", "method": "subscription", "params": {
        "channel": "trades.future.any.100ms", "data": [{
            "trade_id": "66460463", "trade_seq": 40781986, "timestamp": 1584058044032,
            "instrument_name": "BTC-PERPETUAL",
            "direction": "sell",   side of the taker
            "price": 4469.5,       price of the trade, in quote per base
            "amount": 1120,        USD (inverse) or base (linear)
            "liquidation": "T",    who was liquidated: T taker, M maker, MT both
            "index_price": 4805.41, "tick_direction": 3}]}}

The taker of a sell that was under liquidation held a long; a maker of one held a short. In an
``MT`` trade both were liquidated, a long and a short, each for the whole amount: it gives two
records with ids of their own. A trade is a fill, so a liquidation may be many of them.

Traps: ``amount``, not ``contracts``, has the units above. Options are left out: their price is in
base or a premium, which is no measure of the position that was closed. Interval ``raw`` is for
logged-in users only.

The trades themselves show a living connection, besides Deribit's own heartbeat, whose test request
must be answered.
"""

from collections.abc import Iterator, Sequence

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
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
    Number,
    RawLiquidation,
    build_records,
    decode,
    make_decoder,
    parse_listing,
    read_side,
    split_array,
    split_rows,
)
from liq.records.model import Completeness, PriceKind, Record, Side, Source

_TAKERS = {"sell": Side.LONG, "buy": Side.SHORT}
_MAKERS = {"sell": Side.SHORT, "buy": Side.LONG}
_LIQUIDATED = {"T": (_TAKERS,), "M": (_MAKERS,), "MT": (_MAKERS, _TAKERS)}
_CHANNEL = "trades."
_LONGEST_TEST = 1_000  # bytes: a frame that is longer is no test request


class _Trade(msgspec.Struct, gc=False):
    trade_id: str
    timestamp: int
    instrument_name: str
    direction: str
    price: Number
    amount: Number
    liquidation: str


class _Mark(msgspec.Struct):
    liquidation: str | None = None


class _Params(msgspec.Struct):
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw()
    type: str = ""


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Frame(msgspec.Struct):
    """A notification (``method``) or the answer to a request (``result`` or ``error``)."""

    method: str = ""
    params: _Params = msgspec.field(default_factory=_Params)
    result: msgspec.Raw = msgspec.Raw()
    error: _Error | None = None


_frame = msgspec.json.Decoder(_Frame)
_mark = msgspec.json.Decoder(_Mark)
_trade = make_decoder(_Trade)


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    frame = decode(_frame, raw)
    if frame.error:
        raise RejectedMessage(
            f"the venue refused a request: {frame.error.code} {frame.error.message}"
        )
    if frame.method == "heartbeat" or bytes(frame.result):
        return []
    if frame.method != "subscription" or not frame.params.channel.startswith(_CHANNEL):
        raise RejectedMessage("neither trades nor the answer to a request")
    context = Context(DERIBIT.name, Completeness.FULL, instruments, recv_ts, source)
    return build_records(split_rows(frame.params.data), _read, context)


def _read(raw: msgspec.Raw) -> Iterator[RawLiquidation]:
    if decode(_mark, raw).liquidation is None:
        return
    trade = decode(_trade, raw)
    if trade.liquidation not in _LIQUIDATED:
        raise RejectedMessage(f"unknown liquidation mark {trade.liquidation!r}")
    for sides in _LIQUIDATED[trade.liquidation]:
        closed = read_side(sides, trade.direction)
        yield RawLiquidation(
            symbol=trade.instrument_name,
            ts=convert_ms(trade.timestamp),
            side=closed,
            raw_side=f"{trade.direction} {trade.liquidation}",
            price=parse_positive(str(trade.price), "price"),
            price_kind=PriceKind.AVERAGE,
            contracts=parse_positive(str(trade.amount), "amount"),
            raw=(trade.instrument_name, trade.trade_id, closed.value),
        )


def reply(raw: str | bytes) -> str | None:
    """Answer Deribit's test request, without which it closes the connection."""
    if len(raw) > _LONGEST_TEST:
        return None
    try:
        frame = decode(_frame, raw)
    except RejectedMessage:
        return None
    return _TEST if frame.method == "heartbeat" and frame.params.type == "test_request" else None


class _Contract(msgspec.Struct):
    instrument_name: str
    base_currency: str
    quote_currency: str
    instrument_type: str


class _Page(msgspec.Struct):
    result: msgspec.Raw


_page = msgspec.json.Decoder(_Page)
_contract = msgspec.json.Decoder(_Contract)


def _list(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(decode(_page, body).result), _instrument), ""


def _instrument(raw: msgspec.Raw) -> Instrument:
    contract = decode(_contract, raw)
    return Instrument(
        contract.instrument_name,
        contract.base_currency,
        contract.quote_currency,
        inverse=contract.instrument_type == "reversed",
    )


def _request(number: int, method: str, **params: object) -> str:
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return encode_request(request)


_TEST = _request(3, "public/test")

DERIBIT = Venue(
    name="deribit",
    url="wss://www.deribit.com/ws/api/v2",
    completeness=Completeness.FULL,
    documentation="https://docs.deribit.com/#trades-kind-currency-interval",
    parse=parse,
    subscribe=send_always(
        _request(1, "public/set_heartbeat", interval=30),
        _request(2, "public/subscribe", channels=[f"{_CHANNEL}future.any.100ms"]),
    ),
    not_covered="options: their price is in base or a premium",
    reply=reply,
    listing=Listing(
        urls=(
            "https://www.deribit.com/api/v2/public/get_instruments"
            "?currency=any&kind=future&expired=false",
        ),
        parse=_list,
    ),
)
