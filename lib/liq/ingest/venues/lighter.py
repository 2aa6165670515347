"""Lighter perpetuals: channel ``trade``, of which ``liquidation_trades`` count.

Source: https://apidocs.lighter.xyz/docs/websocket-reference#trade
One market a message, its ordinary trades beside its liquidations::

    {"channel": "trade:0", "type": "update/trade", "nonce": 3159738569, "trades": [],
     "liquidation_trades": [{
        "trade_id": 526801155,
        "type": "liquidation",         or "deleverage", "market-settlement"
        "market_id": 0,                market: its symbol is in the listing
        "size": "0.0346",              base
        "price": "3028.85",            price of the fill, in USDC per base
        "usd_amount": "104.798210",    the venue's own notional
        "is_maker_ask": false,         whether the maker sold: the taker is on the other side
        "taker_position_size_before": "0.0346",  below zero for a short; left out when zero
        "timestamp": 1763623734215     time, milliseconds
    }]}

The taker is the liquidated account: the venue sends immediate-or-cancel orders in its name
(https://docs.lighter.xyz/perpetual-futures/liquidations-and-insurance-fund). So a taker who sells
held a long. The documentation of the channel does not say so. Allium, which indexes the exchange,
does ("the taker is the liquidated account"), and so does the position before the trade. A trade in
which the two disagree is rejected. A trade is a fill, so a liquidation may be many of them.

Traps: there is no channel for all markets, and messages name a market by its number. A position
that the market cannot take is deleveraged: the venue gives it to its fund or to other traders.
Such a trade is skipped and counted. The first message after subscribing has the last 50 trades and
liquidations, which are known by their age, as those of OKX. An older example in the documentation
has its ``timestamp`` in seconds; all recorded messages have milliseconds.

An IP may subscribe to 100 channels a connection (500 by newer sources), send 200 messages a minute
and have 50 unanswered, so subscriptions have a pace. Since the answers have the last liquidations,
none is lost by that. The venue drops a client that sends nothing for two minutes; pings of the
websocket are enough. It sends a ping of its own, to be answered. The trades of all markets show
that a connection is not dead.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Capacity,
    Instrument,
    Instruments,
    Listing,
    Pace,
    SkipReason,
    Venue,
    convert_ms,
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
    split_array,
    split_rows,
)
from liq.records.model import Completeness, PriceKind, Record, Side, Source

_SIDES = {"sell": Side.LONG, "buy": Side.SHORT}
_PUSHES = ("update/trade", "subscribed/trade")
_ANSWERS = ("connected", "ping", "pong")
_OTHERS = ("deleverage", "market-settlement")
_PONG = '{"type":"pong"}'


class _Trade(msgspec.Struct, gc=False):
    trade_id: int
    type: str
    market_id: int
    size: str
    price: str
    usd_amount: str
    is_maker_ask: bool
    timestamp: int
    taker_position_size_before: str = ""


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Frame(msgspec.Struct):
    """A push (``channel``), a greeting, a ping or an error."""

    type: str = ""
    channel: str = ""
    liquidation_trades: msgspec.Raw = msgspec.Raw()
    error: _Error | None = None
    code: int = 0
    message: str = ""


_frame = msgspec.json.Decoder(_Frame)
_trade = msgspec.json.Decoder(_Trade)


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    frame = decode(_frame, raw)
    if frame.error or frame.type == "error":
        fault = frame.error or frame
        raise RejectedMessage(f"the venue refused a request: {fault.code} {fault.message}")
    if frame.type in _ANSWERS:
        return []
    if frame.type not in _PUSHES:
        raise RejectedMessage("neither trades nor the answer to a request")
    context = Context(LIGHTER.name, Completeness.FULL, instruments, recv_ts, source)
    if not (rows := _rows_of(frame)):
        return []
    symbols = {one.number: one.symbol for one in instruments.values()}
    return build_records(rows, lambda row: _read(row, symbols, recv_ts), context)


def _rows_of(frame: _Frame) -> Sequence[msgspec.Raw]:
    trades = frame.liquidation_trades
    return [] if bytes(trades) in (b"", b"null") else split_rows(trades)


def _read(
    raw: msgspec.Raw, symbols: Mapping[int | None, str], recv_ts: int
) -> Iterator[RawLiquidation | SkipReason]:
    trade = decode(_trade, raw)
    ts = convert_ms(trade.timestamp)
    if trade.type not in ("liquidation", *_OTHERS):
        raise RejectedMessage(f"unknown type {trade.type!r} of a liquidation")
    if recv_ts - ts > HISTORY:
        yield SkipReason.OLD
        return
    if trade.type in _OTHERS:
        yield SkipReason.DELEVERAGED
        return
    symbol = symbols.get(trade.market_id)
    if symbol is None:
        raise RejectedMessage(
            f"unknown market {trade.market_id}: its symbol is not guessed",
            unknown=[str(trade.market_id)],
        )
    taker = "buy" if trade.is_maker_ask else "sell"
    yield RawLiquidation(
        symbol=symbol,
        ts=ts,
        side=_side(trade, taker),
        raw_side=taker,
        price=parse_positive(trade.price, "price"),
        price_kind=PriceKind.AVERAGE,
        contracts=parse_positive(trade.size, "size"),
        raw=(symbol, str(trade.trade_id)),
        stated=parse_positive(trade.usd_amount, "usd_amount"),
    )


def _side(trade: _Trade, taker: str) -> Side:
    closed = read_side(_SIDES, taker)
    held = trade.taker_position_size_before
    if held and (Side.SHORT if held.startswith("-") else Side.LONG) is not closed:
        raise RejectedMessage(f"a taker's {taker} closes no position of {held}")
    return closed


def reply(raw: str | bytes) -> str | None:
    """Answer Lighter's ping, without which it closes the connection."""
    try:
        frame = decode(_frame, raw)
    except RejectedMessage:
        return None
    return _PONG if frame.type == "ping" else None


def _subscribe(instruments: Instruments) -> Sequence[str]:
    return [
        f'{{"type":"subscribe","channel":"trade/{instrument.number}"}}'
        for instrument in instruments.values()
        if instrument.number is not None
    ]


class _Market(msgspec.Struct):
    symbol: str
    market_id: int
    market_type: str
    status: str


class _Page(msgspec.Struct):
    order_books: msgspec.Raw


_page = msgspec.json.Decoder(_Page)
_market = msgspec.json.Decoder(_Market)


def _list(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(decode(_page, body).order_books), _instrument), ""


def _instrument(raw: msgspec.Raw) -> Instrument:
    market = decode(_market, raw)
    if market.market_type != "perp" or market.status != "active":
        raise RejectedMessage(f"{market.symbol} is no active perpetual")
    return Instrument(market.symbol, market.symbol, "USDC", number=market.market_id)


LIGHTER = Venue(
    name="lighter",
    url="wss://mainnet.zklighter.elliot.ai/stream",
    completeness=Completeness.FULL,
    documentation="https://apidocs.lighter.xyz/docs/websocket-reference#trade",
    not_covered="positions that are deleveraged instead of sold, counted as skipped",
    parse=parse,
    subscribe=_subscribe,
    capacity=Capacity(100, lambda _symbol: 1),
    pace=Pace(burst=15, seconds=2.5),  # of a connection: five send 195 requests in a minute
    reply=reply,
    listing=Listing(
        urls=("https://mainnet.zklighter.elliot.ai/api/v1/orderBooks",),
        parse=_list,
    ),
)
