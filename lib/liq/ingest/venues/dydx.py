"""dYdX v4 perpetuals: channel ``v4_trades``, of which those of type ``LIQUIDATED`` count.

Source: https://docs.dydx.exchange/api_integration-indexer/indexer_websocket#trades
One market a message::

    {"type": "channel_data", "channel": "v4_trades", "id": "BTC-USD", "version": "2.1.0",
     "connection_id": "57844645-0b1d-4c3f-ad71-1c6154154a13", "message_id": 4,
     "contents": {"trades": [{
        "id": "00eefc5a0000000200000043",         the fill's event
        "type": "LIQUIDATED",                     or LIMIT, DELEVERAGED, TWAP_SUBORDER
        "side": "SELL",                           side of the taker
        "size": "0.000100431",                    base
        "price": "27839",                         price of the fill, in USD per base
        "createdAt": "2023-04-04T00:29:19.353Z"   time of the block
    }]}}

The source of the venue's indexer has the meaning (https://github.com/dydxprotocol/v4-chain,
``indexer/``). ``LIQUIDATED`` is a fill whose taker order liquidates the taker's position
(``trade-types.ts``). ``side`` is the liquidation order's (``dydx_liquidation_fill_handler_per_order
.sql``: ``isBuy`` is BUY), so SELL closes a long. A trade is a fill, so a liquidation may be many of
them. A position whose loss the insurance fund cannot pay is closed against another trader's, which
is no order in the market. Such a ``DELEVERAGED`` trade is skipped and counted.

Traps: there is no subscription for all markets, and a connection may have 32 of ``v4_trades``. The
answer to a subscription has the last 100 trades, with the ids of the pushes. They are known by
their age, as those of OKX, so a short disconnection loses nothing. The ticker of a market that a
trader has listed has its token's origin: ``NAME,VENUE,ADDRESS-USD``.

The height of the chain, pushed with each block, shows that a connection is not dead in a quiet
market. The venue pings below the messages.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Capacity,
    Instrument,
    Instruments,
    Listing,
    SkipReason,
    Venue,
    convert_ms,
    encode_request,
    parse_positive,
)
from liq.ingest.venues.canonical import (
    HISTORY,
    Context,
    RawLiquidation,
    build_records,
    decode,
    parse_listing,
    read_side,
    split_rows,
)
from liq.records.model import Completeness, PriceKind, Record, Side, Source

_SIDES = {"SELL": Side.LONG, "BUY": Side.SHORT}
_CHANNEL = "v4_trades"
_CONTROL = "v4_block_height"
_ANSWERS = ("connected", "pong")
_PUSHES = ("channel_data", "subscribed")
_CLOSINGS = ("LIQUIDATED", "DELEVERAGED")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Kind(msgspec.Struct):
    type: str


class _Trade(msgspec.Struct, rename="camel", gc=False):
    id: str
    side: str
    size: str
    price: str
    created_at: datetime


class _Contents(msgspec.Struct):
    trades: msgspec.Raw = msgspec.Raw()


class _Frame(msgspec.Struct):
    """A push or the answer to a request, by ``type``."""

    type: str = ""
    channel: str = ""
    id: str = ""
    contents: msgspec.Raw = msgspec.Raw()
    message: str = ""


_frame = msgspec.json.Decoder(_Frame)
_contents = msgspec.json.Decoder(_Contents)
_kind = msgspec.json.Decoder(_Kind)
_trade = msgspec.json.Decoder(_Trade)


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    frame = decode(_frame, raw)
    if frame.type == "error":
        raise RejectedMessage(f"the venue refused a request: {frame.message}")
    if frame.type in _ANSWERS or frame.channel == _CONTROL:
        return []
    if frame.type not in _PUSHES or frame.channel != _CHANNEL:
        raise RejectedMessage("neither trades nor the answer to a request")
    context = Context(DYDX.name, Completeness.FULL, instruments, recv_ts, source)
    trades = split_rows(decode(_contents, frame.contents).trades)
    return build_records(trades, lambda row: _read(frame.id, row, recv_ts), context)


def _read(symbol: str, raw: msgspec.Raw, recv_ts: int) -> Iterator[RawLiquidation | SkipReason]:
    kind = decode(_kind, raw).type
    if kind not in _CLOSINGS:
        return
    trade = decode(_trade, raw)
    ts = _convert_time(trade.created_at)
    if recv_ts - ts > HISTORY:
        yield SkipReason.OLD
        return
    if kind == "DELEVERAGED":
        yield SkipReason.DELEVERAGED
        return
    yield RawLiquidation(
        symbol=symbol,
        ts=ts,
        side=read_side(_SIDES, trade.side),
        raw_side=trade.side,
        price=parse_positive(trade.price, "price"),
        price_kind=PriceKind.AVERAGE,
        contracts=parse_positive(trade.size, "size"),
        raw=(symbol, trade.id),
    )


def _convert_time(time: datetime) -> int:
    if time.tzinfo is None:
        raise RejectedMessage(f"time {time.isoformat()} has no zone")
    return convert_ms((time - _EPOCH) // timedelta(milliseconds=1))


def _subscribe(instruments: Instruments) -> Sequence[str]:
    return [
        encode_request({"type": "subscribe", "channel": _CONTROL}),
        *(
            encode_request({"type": "subscribe", "channel": _CHANNEL, "id": symbol})
            for symbol in instruments
        ),
    ]


class _Market(msgspec.Struct):
    ticker: str
    status: str


class _Page(msgspec.Struct):
    markets: dict[str, msgspec.Raw]


_page = msgspec.json.Decoder(_Page)
_market = msgspec.json.Decoder(_Market)


def _list(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(decode(_page, body).markets.values(), _instrument), ""


def _instrument(raw: msgspec.Raw) -> Instrument:
    market = decode(_market, raw)
    name, _, quote = market.ticker.rpartition("-")
    if market.status != "ACTIVE" or not name:
        raise RejectedMessage(f"{market.ticker} is no active market")
    return Instrument(market.ticker, name.partition(",")[0], quote)


DYDX = Venue(
    name="dydx",
    url="wss://indexer.dydx.trade/v4/ws",
    completeness=Completeness.FULL,
    documentation="https://docs.dydx.exchange/api_integration-indexer/indexer_websocket#trades",
    not_covered="positions that are deleveraged instead of sold, counted as skipped",
    parse=parse,
    subscribe=_subscribe,
    capacity=Capacity(32, lambda _symbol: 1),
    listing=Listing(urls=("https://indexer.dydx.trade/v4/perpetualMarkets",), parse=_list),
)
