"""Kraken Futures: ``trade``, the trades of each contract, of which the liquidations count.

Source: https://docs.kraken.com/exchange/api-reference/futures-websocket/trade
One trade a message; the latest 100 of a contract after subscribing, as ``trade_snapshot``::

    {"feed": "trade", "product_id": "PF_XBTUSD", "uid": "8a2be12f-7a3f-4f8f-a111-d1b5200ab1d0",
     "side": "sell",          side of the taker
     "type": "liquidation",   fill, liquidation, termination or block
     "seq": 421135,
     "time": 1790360004381,   milliseconds
     "qty": 0.0002,           base (PF_, FF_) or USD (PI_, FI_), times the contract size of 1
     "price": 83994.0}        price of the trade, in quote per base

    {"feed": "trade_snapshot", "product_id": "PF_XBTUSD", "trades": [the same, newest first]}

A liquidation is an immediate-or-cancel order that Kraken sends to the market
(https://support.kraken.com/articles/360022835671), so the liquidated position is the taker's: a
sell closes a long. A trade is a fill, so a liquidation may be many of them.

Traps: a snapshot's trades older than 10 minutes are skipped as history; young ones are kept, as
they may be of a time without a connection, and dedup absorbs those that were seen. A position that
the market does not take is assigned to a liquidity provider, which is no trade, or unwound: type
``termination``, which is skipped, as nothing says whose side is shown. There is no topic for all
contracts: each one is subscribed to. The documentation's example lists PF_XBTUSD as inverse; a
contract whose name and type differ is left out, and so are contracts quoted in XBT (PV_, FV_). XBT
is BTC.

A heartbeat that is subscribed to, at an undocumented interval, shows with the trades that a
connection is not dead in a quiet market. Kraken drops a client that sends no websocket ping for 60
s.
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
    encode_request,
    parse_positive,
    split_batches,
)
from liq.ingest.venues.canonical import (
    DOLLARS,
    HISTORY,
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

_SIDES = {"sell": Side.LONG, "buy": Side.SHORT}
_OTHERS = frozenset({"fill", "block"})
_BATCH = 200  # contracts in one request


class _Trade(msgspec.Struct, gc=False):
    product_id: str
    uid: str
    side: str
    time: int
    qty: Number
    price: Number


class _Kind(msgspec.Struct, gc=False):
    type: str


class _Frame(msgspec.Struct):
    """A push (``feed`` alone) or the answer to a request (``event``)."""

    feed: str = ""
    event: str = ""
    message: str = ""
    type: str = ""
    trades: msgspec.Raw = msgspec.Raw()


_frame = msgspec.json.Decoder(_Frame)
_kind = msgspec.json.Decoder(_Kind)
_trade = make_decoder(_Trade)


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    frame = decode(_frame, raw)
    if frame.event:
        return _expect_success(frame)
    if frame.feed == "heartbeat" or (frame.feed == "trade" and frame.type in _OTHERS):
        return []
    context = Context(KRAKEN.name, Completeness.FULL, instruments, recv_ts, source)
    if frame.feed == "trade":
        return build_records([msgspec.Raw(raw)], _read, context)
    if frame.feed == "trade_snapshot":
        trades = split_rows(frame.trades)
        return build_records(trades, lambda trade: _read_young(trade, recv_ts), context)
    raise RejectedMessage("neither trades nor the answer to a request")


def _expect_success(frame: _Frame) -> Sequence[Record]:
    if frame.event not in ("info", "subscribed"):
        reason = frame.message or f"{frame.event} {frame.feed}"
        raise RejectedMessage(f"the venue refused a request: {reason}")
    return []


def _read(raw: msgspec.Raw) -> Iterator[RawLiquidation | SkipReason]:
    kind = decode(_kind, raw).type
    if kind == "termination":
        yield SkipReason.TERMINATION
    elif kind == "liquidation":
        yield _build_liquidation(decode(_trade, raw))
    elif kind not in _OTHERS:
        raise RejectedMessage(f"unknown type of trade {kind!r}")


def _read_young(raw: msgspec.Raw, recv_ts: int) -> Iterator[RawLiquidation | SkipReason]:
    for report in _read(raw):
        is_old = isinstance(report, RawLiquidation) and recv_ts - report.ts > HISTORY
        yield SkipReason.OLD if is_old else report


def _build_liquidation(trade: _Trade) -> RawLiquidation:
    return RawLiquidation(
        symbol=trade.product_id,
        ts=convert_ms(trade.time),
        side=read_side(_SIDES, trade.side),
        raw_side=trade.side,
        price=parse_positive(str(trade.price), "price"),
        price_kind=PriceKind.AVERAGE,
        contracts=parse_positive(str(trade.qty), "quantity qty"),
        raw=(trade.product_id, trade.uid),
    )


def _subscribe(instruments: Instruments) -> Sequence[str]:
    return [
        encode_request({"event": "subscribe", "feed": "heartbeat"}),
        *(
            encode_request({"event": "subscribe", "feed": "trade", "product_ids": batch})
            for batch in split_batches([*instruments], _BATCH)
        ),
    ]


_INVERSE = {"flexible_futures": False, "futures_inverse": True}


class _Contract(msgspec.Struct, rename="camel"):
    symbol: str
    type: str
    base: str
    quote: str
    contract_size: float
    tradeable: bool


class _Page(msgspec.Struct):
    instruments: msgspec.Raw


_page = msgspec.json.Decoder(_Page)
_contract = msgspec.json.Decoder(_Contract)


def _parse_page(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(decode(_page, body).instruments), _build_instrument), ""


def _build_instrument(raw: msgspec.Raw) -> Instrument:
    contract = decode(_contract, raw)
    inverse = _INVERSE.get(contract.type)
    if inverse is None or not contract.tradeable or contract.quote not in DOLLARS:
        raise RejectedMessage(f"{contract.symbol} is no contract in dollars that is traded")
    if not contract.symbol.startswith(("PI_", "FI_") if inverse else ("PF_", "FF_")):
        raise RejectedMessage(f"{contract.symbol} has not the name of a {contract.type}")
    base = contract.base.replace("XBT", "BTC")
    return Instrument(
        contract.symbol, base, contract.quote, contract.contract_size, inverse=inverse
    )


KRAKEN = Venue(
    name="kraken",
    url="wss://futures.kraken.com/ws/v1",
    completeness=Completeness.FULL,
    documentation="https://docs.kraken.com/exchange/api-reference/futures-websocket/trade",
    parse=parse,
    not_covered="positions that are assigned or unwound instead of sold; contracts quoted in XBT",
    subscribe=_subscribe,
    silence=90,
    listing=Listing(
        urls=("https://futures.kraken.com/derivatives/api/v3/instruments",),
        parse=_parse_page,
    ),
)
