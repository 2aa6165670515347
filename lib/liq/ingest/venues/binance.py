"""Binance futures: ``!forceOrder@arr``, the liquidation orders of all contracts.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/All-Market-Liquidation-Order-Streams
and, for COIN-M,
https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams/All-Market-Liquidation-Order-Streams
One order a message, bare on a raw stream, below ``data`` on a combined one::

    {"e": "forceOrder", "E": 1568014460893, "o": {
        "s": "BTCUSDT",      contract
        "S": "SELL",         side of the closing order: SELL closes a long
        "o": "LIMIT", "f": "IOC",
        "q": "0.014",        ordered quantity, in base (USD-M) or contracts (COIN-M)
        "p": "9910",         limit price: not what was paid
        "ap": "9910",        average price of the fills so far, in quote per base
        "X": "FILLED",       status
        "l": "0.014",        quantity of the last fill
        "z": "0.014",        quantity of all fills so far
        "T": 1568014460893}} time of trade, milliseconds

Notional is ``z`` times ``ap`` (USD-M), or ``z`` contracts of 100 USD (BTC) or 10 USD (others) in
COIN-M, which adds the pair as ``ps``. An order that is still open is skipped: ``z``
accumulates, so its last message has all of it. One that expired or was cancelled counts as far as
it was filled.

Since 2026-06-30 the stream carries both kinds of contract on both hosts, with ``"st"`` 1 for USD-M
and 2 for COIN-M, within ``o`` or beside it. Orders of the other kind are skipped, as the other feed
has them. The name of a COIN-M contract decides first, as no USD-M contract has such a name: the
example in Binance's Go connector is BTCUSD_200925 with ``st`` 1. Without ``st`` other names are
USD-M. Source:
https://developers.binance.com/docs/derivatives/coin-margined-futures/Important-CM-UM-Integration-Notice

Traps: at most one order within 1000 ms a contract is shown, so totals are lower bounds. In USD-M it
is the largest, by the documentation of 2026-04-14; COIN-M's page still says the latest. The USD-M
URL without ``/market`` acknowledges and stays silent since 2026-04-23. The notices name no such
routes for COIN-M, whose URL without one was alive in 2026-10. A connection lasts 24 hours. The mark
price of BTC, every 3 s, shows that a connection is not dead in a quiet market.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Instrument,
    Instruments,
    Listing,
    SkipReason,
    Venue,
    convert_ms,
    is_name,
    parse_positive,
    send_always,
)
from liq.ingest.venues.canonical import (
    DOLLAR_SUFFIXES,
    compute_sizes,
    decode,
    find_contract,
    parse_listing,
    read_side,
    skip,
    split_array,
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

_SIDES = {"SELL": Side.LONG, "BUY": Side.SHORT}
_OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})
_CLOSED = frozenset({"FILLED", "EXPIRED", "EXPIRED_IN_MATCH", "CANCELED"})
_STATES = _OPEN | _CLOSED
_KINDS: dict[int | str | None, str] = {1: "binance_usdm", 2: "binance_coinm"}  # by st
_FEEDS = frozenset(_KINDS.values())  # those that share a stream
_QUOTED_IN_BITCOIN = re.compile(r".+BTC(_\d{6})?")
_COINM_NAME = re.compile(r".+(?<!FD)USD_(PERP|\d{6})")


class _Order(msgspec.Struct, gc=False):
    s: str
    S: str
    o: str
    f: str
    q: str
    p: str
    ap: str
    X: str
    l: str  # noqa: E741 - the venue's name
    z: str
    T: int
    st: int | str | None = None


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class Frame(msgspec.Struct):
    """A bare event, a combined stream's wrapper of one, or the answer to a request."""

    e: str = ""
    o: msgspec.Raw = msgspec.Raw()
    st: int | str | None = None
    data: "Frame | None" = None
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    error: _Error | None = None


_frame = msgspec.json.Decoder(Frame)
_order = msgspec.json.Decoder(_Order)


def parse_force_order(
    exchange: str,
    raw: str | bytes,
    instruments: Instruments,
    recv_ts: int,
    source: Source = Source.LIVE,
) -> Sequence[Record]:
    """Parse one frame of ``exchange``, one of Binance's feeds or one with its protocol."""
    frame = decode(_frame, raw)
    event = frame.data or frame
    if event.e != "forceOrder":
        expect_answer(frame, event)
        return []
    order = decode(_order, event.o)
    if exchange in _FEEDS and _is_of_other_feed(order, event.st, exchange):
        return skip(SkipReason.OTHER_KIND)
    if why := _not_closed(order):
        return skip(why)
    if _QUOTED_IN_BITCOIN.fullmatch(order.s):
        return skip(SkipReason.NOT_IN_DOLLARS)
    contract = _CONTRACTS.get(exchange, build_usdm_contract)(order.s, instruments)
    return [_liquidation(order, exchange, contract, recv_ts, source)]


def expect_answer(frame: Frame, event: Frame) -> None:
    """Reject what is neither some other event nor the answer to a request that was carried out."""
    if frame.error:
        raise RejectedMessage(f"the venue refused a request: {frame.error.code} {frame.error.msg}")
    if not event.e and frame.id is msgspec.UNSET:
        raise RejectedMessage("neither an event nor the answer to a request")


def _is_of_other_feed(order: _Order, event_kind: int | str | None, exchange: str) -> bool:
    """Return whether an order is the other feed's, by a name of COIN-M, or else by ``st``."""
    kind = event_kind if order.st is None else order.st
    feed = _KINDS[2] if _COINM_NAME.fullmatch(order.s) else _KINDS.get(kind, _KINDS[1])
    if feed == exchange and isinstance(kind, int) and kind not in _KINDS:
        raise RejectedMessage(f"unknown kind of contract st {kind}")
    return feed != exchange


def _not_closed(order: _Order) -> SkipReason | None:
    """Return why an order gives no record, None for one that was closed with a fill."""
    if order.X not in _STATES:
        raise RejectedMessage(f"unknown order status {order.X!r}")
    if order.X in _OPEN:
        return SkipReason.STILL_OPEN
    ended_unfilled = order.X != "FILLED" and order.z and not order.z.strip("0.")
    return SkipReason.UNFILLED if ended_unfilled else None


def _liquidation(
    order: _Order, exchange: str, contract: Instrument, recv_ts: int, source: Source
) -> Liquidation:
    price = parse_positive(order.ap, "average price ap")
    filled = parse_positive(order.z, "filled quantity z")
    if filled > parse_positive(order.q, "ordered quantity q"):
        raise RejectedMessage(f"filled quantity z {order.z} is above the ordered q {order.q}")
    quantity, notional = compute_sizes(contract, filled, price)
    return Liquidation(
        ts=convert_ms(order.T),
        recv_ts=recv_ts,
        exchange=exchange,
        symbol=order.s,
        base=contract.base,
        quote=contract.quote,
        side=read_side(_SIDES, order.S),
        raw_side=order.S,
        price=price,
        price_kind=PriceKind.AVERAGE,
        quantity=quantity,
        notional=notional,
        event_id=hash_fields(*msgspec.structs.astuple(order)[:-2], str(order.T)),
        completeness=Completeness.THROTTLED,
        source=source,
    )


def build_usdm_contract(symbol: str, instruments: Instruments) -> Instrument:
    """Return a USD-M contract, whose size is one base and whose name has all other details."""
    return instruments.get(symbol) or _read(symbol)


@lru_cache(maxsize=4096)  # contracts are few, and asked for again and again
def _read(symbol: str) -> Instrument:
    # BTCUSDT_260925 is a delivery contract of BTCUSDT
    pair = symbol.partition("_")[0] if is_name(symbol) else ""
    for quote in DOLLAR_SUFFIXES:
        base = pair.removesuffix(quote)
        if base and base != pair:
            return Instrument(symbol, base, quote)
    raise RejectedMessage(
        f"{symbol!r} is not quoted in a known dollar ({', '.join(DOLLAR_SUFFIXES)})"
    )


_CONTRACTS: dict[str, Callable[[str, Instruments], Instrument]] = {
    "binance_coinm": find_contract,
}


class _Contract(msgspec.Struct, rename="camel"):
    symbol: str
    base_asset: str
    quote_asset: str
    contract_size: float


class _Page(msgspec.Struct):
    symbols: msgspec.Raw


_page = msgspec.json.Decoder(_Page)
_contract = msgspec.json.Decoder(_Contract)


def _list(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(decode(_page, body).symbols), _instrument), ""


def _instrument(raw: msgspec.Raw) -> Instrument:
    contract = decode(_contract, raw)
    return Instrument(
        contract.symbol,
        contract.base_asset,
        contract.quote_asset,
        contract.contract_size,
        inverse=True,
    )


parse = partial(parse_force_order, "binance_usdm")

BINANCE_USDM = Venue(
    name="binance_usdm",
    url="wss://fstream.binance.com/market/ws/!forceOrder@arr",
    completeness=Completeness.THROTTLED,
    documentation="https://developers.binance.com/docs/derivatives/usds-margined-futures",
    not_covered="contracts quoted in bitcoin, such as ETHBTC, counted as skipped",
    parse=parse,
    subscribe=send_always('{"method":"SUBSCRIBE","params":["btcusdt@markPrice"],"id":1}'),
    silence=30,
)

BINANCE_COINM = Venue(
    name="binance_coinm",
    url="wss://dstream.binance.com/ws/!forceOrder@arr",
    completeness=Completeness.THROTTLED,
    documentation="https://developers.binance.com/docs/derivatives/coin-margined-futures",
    parse=partial(parse_force_order, "binance_coinm"),
    subscribe=send_always('{"method":"SUBSCRIBE","params":["btcusd_perp@markPrice"],"id":1}'),
    silence=30,
    listing=Listing(urls=("https://dapi.binance.com/dapi/v1/exchangeInfo",), parse=_list),
)
