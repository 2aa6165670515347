"""OKX perpetual and delivery futures: ``liquidation-orders``, recent liquidations of all contracts.

Source: https://www.okx.com/docs-v5/en/#public-data-websocket-liquidation-orders-channel
Sizes: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments
Several contracts in a message and several orders of a contract::

    {"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": [{
        "instId": "IOST-USDT-SWAP", "instType": "SWAP", "uly": "IOST-USDT", "details": [{
            "side": "buy",         side of the closing order: sell closes a long
            "posSide": "short",    position: long, short, or net in one-way mode
            "bkPx": "0.007831",    bankruptcy price, in quote per base
            "sz": "13",            contracts of ctVal * ctMult base (linear) or USD (inverse) each
            "bkLoss": "0", "ccy": "",
            "ts": "1692266434010"  time, milliseconds
    }]}]}

Traps: the venue shows a sample of its liquidations, at most one a second a contract, and not in
order of time. It ignores ``instId`` in a subscription. The first message after subscribing is
history, known by its age, because a parser that counted messages would throw away a real one after
each reconnect. Young history is kept: it is true, and dedup absorbs what was already seen. What is
skipped is counted: if that goes on, this machine's clock is fast.

Not covered: margin loans and options. The channel has both, under ``instType`` MARGIN and OPTION.
By the documentation, a margin liquidation has no price, and an option's has no size. The feed
subscribes to both kinds and counts their liquidations as skipped.

The open interest of BTC, pushed every 3 s, shows that a connection is not dead in a quiet market.
OKX drops a connection over which nothing went for 30 s; its ping and pong are bare words.
"""

from collections.abc import Iterator, Sequence

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Heartbeat,
    Instrument,
    Instruments,
    Listing,
    SkipReason,
    Venue,
    convert_ms,
    encode_request,
    parse_positive,
    send_always,
)
from liq.ingest.venues.canonical import (
    HISTORY,
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

_SIDES = {"sell": Side.LONG, "buy": Side.SHORT}
_POSITIONS = {"long": Side.LONG, "short": Side.SHORT}
_CHANNEL = "liquidation-orders"
_KINDS = ("SWAP", "FUTURES")
_NOT_COVERED = ("MARGIN", "OPTION")
_CONTROL = "open-interest"
_PONG = ("pong", b"pong")


class _Detail(msgspec.Struct, rename="camel", gc=False):
    side: str
    pos_side: str
    bk_px: str
    sz: str
    ts: str
    bk_loss: str = ""


class _Order(msgspec.Struct, rename="camel"):
    inst_id: str
    details: msgspec.Raw
    inst_type: str = ""


class _Arg(msgspec.Struct):
    channel: str = ""


class _Frame(msgspec.Struct):
    """A push (``arg`` and ``data``) or the answer to a request (``event``)."""

    arg: _Arg = msgspec.field(default_factory=_Arg)
    data: msgspec.Raw = msgspec.Raw()
    event: str = ""
    code: str = ""
    msg: str = ""


_frame = msgspec.json.Decoder(_Frame)
_order = msgspec.json.Decoder(_Order)
_detail = msgspec.json.Decoder(_Detail)


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    if raw in _PONG:
        return []
    frame = decode(_frame, raw)
    if frame.event == "error":
        raise RejectedMessage(f"the venue refused a request: {frame.code} {frame.msg}")
    if frame.event or frame.arg.channel == _CONTROL:
        return []
    if frame.arg.channel != _CHANNEL:
        raise RejectedMessage("neither liquidations nor the answer to a request")
    context = Context(OKX.name, Completeness.SAMPLED, instruments, recv_ts, source)
    return build_records(_rows_of(frame.data), lambda row: _read(*row, recv_ts), context)


def _rows_of(data: msgspec.Raw) -> Iterator[tuple[_Order, msgspec.Raw] | RejectedMessage]:
    for raw in split_rows(data):
        try:
            order = decode(_order, raw)
            details = split_rows(order.details)
        except RejectedMessage as rejection:
            yield rejection
        else:
            yield from ((order, detail) for detail in details)


def _read(order: _Order, raw: msgspec.Raw, recv_ts: int) -> Iterator[RawLiquidation | SkipReason]:
    if order.inst_type in _NOT_COVERED:
        yield SkipReason.NO_NOTIONAL
        return
    symbol, detail = order.inst_id, decode(_detail, raw)
    ts = convert_ms(parse_integer(detail.ts, "time ts"))
    if recv_ts - ts > HISTORY:
        yield SkipReason.OLD
        return
    yield RawLiquidation(
        symbol=symbol,
        ts=ts,
        side=_side(detail),
        raw_side=detail.side,
        price=parse_positive(detail.bk_px, "bankruptcy price bkPx"),
        price_kind=PriceKind.BANKRUPTCY,
        contracts=parse_positive(detail.sz, "size sz"),
        raw=(symbol, *msgspec.structs.astuple(detail)),
    )


def _side(detail: _Detail) -> Side:
    closed = read_side(_SIDES, detail.side)
    if _POSITIONS.get(detail.pos_side, closed) is not closed:
        raise RejectedMessage(f"a {detail.side} order closes no {detail.pos_side} position")
    return closed


class _Contract(msgspec.Struct, rename="camel"):
    inst_id: str
    inst_family: str
    ct_val: str
    ct_mult: str
    ct_type: str


class _Page(msgspec.Struct):
    data: msgspec.Raw


_page = msgspec.json.Decoder(_Page)
_contract = msgspec.json.Decoder(_Contract)


def _list(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(decode(_page, body).data), _instrument), ""


def _instrument(raw: msgspec.Raw) -> Instrument:
    contract = decode(_contract, raw)
    base, _, quote = contract.inst_family.partition("-")
    value = parse_positive(contract.ct_val, "contract value ctVal")
    return Instrument(
        contract.inst_id,
        base,
        quote.partition("_")[0],  # BTC-USD_UM is quoted in USD
        value * parse_positive(contract.ct_mult, "contract multiplier ctMult"),
        inverse=contract.ct_type == "inverse",
    )


_SUBSCRIPTION = {
    "op": "subscribe",
    "args": [
        *({"channel": _CHANNEL, "instType": kind} for kind in (*_KINDS, *_NOT_COVERED)),
        {"channel": _CONTROL, "instId": "BTC-USDT-SWAP"},
    ],
}

OKX = Venue(
    name="okx",
    url="wss://ws.okx.com:8443/ws/v5/public",
    completeness=Completeness.SAMPLED,
    documentation="https://www.okx.com/docs-v5/en/#public-data-websocket-liquidation-orders-channel",
    parse=parse,
    not_covered="margin loans and options: published without a price or a size, counted as skipped",
    subscribe=send_always(encode_request(_SUBSCRIPTION)),
    heartbeat=Heartbeat(seconds=20, frame="ping"),
    silence=30,
    listing=Listing(
        urls=tuple(
            f"https://www.okx.com/api/v5/public/instruments?instType={kind}" for kind in _KINDS
        ),
        parse=_list,
    ),
)
