"""Binance USD-M futures: ``!forceOrder@arr``, the liquidation orders of all contracts.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/All-Market-Liquidation-Order-Streams
One order a message, bare on a raw stream, below ``data`` on a combined one::

    {"e": "forceOrder", "E": 1568014460893, "o": {
        "s": "BTCUSDT",      contract
        "S": "SELL",         side of the closing order: SELL closes a long
        "o": "LIMIT", "f": "IOC",
        "q": "0.014",        ordered quantity, in base
        "p": "9910",         limit price: not what was paid
        "ap": "9910",        average price of the fills so far, in quote per base
        "X": "FILLED",       status
        "l": "0.014",        quantity of the last fill
        "z": "0.014",        quantity of all fills so far
        "T": 1568014460893}} time of trade, milliseconds

Notional is ``z`` times ``ap``. An order that is still open is passed over: ``z`` accumulates, so
its last message tells all of it. One that expired or was cancelled counts as far as it was filled.

Traps: at most the latest order a second a contract is shown, so totals are lower bounds. The URL
without ``/market`` acknowledges and stays silent since 2026-04-23. A connection lasts 24 hours.
The mark price of BTCUSDT, every 3 s, tells a quiet market from a dead connection.
"""

import msgspec

from liq.errors import RejectedMessage
from liq.model import Completeness, Liquidation, PriceKind, Side, Source, event_id
from liq.venues.base import Instrument, Instruments, Venue, always, microseconds, positive

# a dollar-pegged quote counts as a dollar; a contract quoted in anything else has no USD notional
_DOLLARS = ("USDT", "USDC", "FDUSD", "BUSD", "USD1")
_SIDES = {"SELL": Side.LONG, "BUY": Side.SHORT}
_OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})
_CLOSED = frozenset({"FILLED", "EXPIRED", "EXPIRED_IN_MATCH", "CANCELED"})


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


class _Frame(msgspec.Struct):
    """A bare event, a combined stream's wrapper of one, or the answer to a request."""

    e: str = ""
    o: msgspec.Raw = msgspec.Raw()
    data: "_Frame | None" = None
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    error: msgspec.Raw = msgspec.Raw()


_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_order = msgspec.json.Decoder(_Order).decode


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> list[Liquidation]:
    """Parse one frame; see the module for units and `liq.venues.base.Parse` for the contract."""
    try:
        frame = _decode_frame(raw)
        event = frame.data or frame
        if event.e != "forceOrder":
            _expect_answer(frame, event)
            return []
        order = _decode_order(event.o)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RejectedMessage(f"not the documented JSON: {error}") from error
    return _liquidations(order, instruments, recv_ts, source)


def _expect_answer(frame: _Frame, event: _Frame) -> None:
    if frame.error:
        raise RejectedMessage("the venue refused a request")
    if not event.e and frame.id is msgspec.UNSET:
        raise RejectedMessage("neither an event nor the answer to a request")


def _liquidations(
    order: _Order, instruments: Instruments, recv_ts: int, source: Source
) -> list[Liquidation]:
    if order.X in _OPEN:
        return []
    if order.X not in _CLOSED:
        raise RejectedMessage(f"unknown order status {order.X!r}")
    if order.X != "FILLED" and order.z and not order.z.strip("0."):
        return []  # ended without a fill: nothing was liquidated
    if order.S not in _SIDES:
        raise RejectedMessage(f"unknown order side {order.S!r}")
    quantity = positive(order.z, "filled quantity z")
    price = positive(order.ap, "average price ap")
    contract = instruments.get(order.s) or _instrument(order.s)
    liquidation = Liquidation(
        ts=microseconds(order.T),
        recv_ts=recv_ts,
        exchange=BINANCE_USDM.name,
        symbol=order.s,
        base=contract.base,
        quote=contract.quote,
        side=_SIDES[order.S],
        raw_side=order.S,
        price=price,
        price_kind=PriceKind.AVERAGE,
        quantity=quantity,
        notional=quantity * price,
        event_id=event_id(*msgspec.structs.astuple(order)[:-1], str(order.T)),
        completeness=BINANCE_USDM.completeness,
        source=source,
    )
    return [liquidation]


def _instrument(symbol: str) -> Instrument:
    pair = symbol.partition("_")[0]  # BTCUSDT_260925 is a delivery contract of BTCUSDT
    for quote in _DOLLARS:
        base = pair.removesuffix(quote)
        if base and base != pair:
            return Instrument(symbol, base, quote)
    raise RejectedMessage(f"{symbol!r} is not quoted in a known dollar ({', '.join(_DOLLARS)})")


BINANCE_USDM = Venue(
    name="binance_usdm",
    url="wss://fstream.binance.com/market/ws/!forceOrder@arr",
    completeness=Completeness.THROTTLED,
    documentation="https://developers.binance.com/docs/derivatives/usds-margined-futures",
    parse=parse,
    subscribe=always('{"method":"SUBSCRIBE","params":["btcusdt@markPrice"],"id":1}'),
    silence=30,
)
