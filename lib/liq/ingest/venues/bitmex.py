"""BitMEX: table ``liquidation``, the liquidation orders of all contracts.

Source: https://www.bitmex.com/app/wsAPI and https://www.bitmex.com/api/explorer/#!/Liquidation
Changes of a table of open liquidation orders::

    {"table": "liquidation", "action": "insert", "data": [{
        "orderID": "de709f12-2f24-9a36-b047-ab0ff090f0bb",
        "symbol": "XBTUSD",    contract
        "side": "Buy",         side of the closing order: Sell closes a long
        "price": 5698.5,       limit price, which is the bankruptcy price, in quote per base
        "leavesQty": 123000    contracts left to fill: USD (inverse), fractions of base (linear)
    }]}

An ``insert`` is a liquidation. BitMEX support says that the order is for the full quantity, and is
inserted even when it fills at once (BitMEX/api-connectors issue 241). An ``update`` has the fields
that changed: fills lower ``leavesQty``, and the venue amends the price. It raises ``leavesQty`` too
(recorded on 2024-11-13: 12,900 to 21,600). Each rise is one more liquidation, of the difference.
A rise to a quantity that the order had in the last 30 s is none: while one connection replaces
another, the slower one repeats the fills before. ``partial`` is what was open before we came,
``delete`` the end of an order. So a feed's parser remembers orders, also over reconnections.

A quanto contract settles in bitcoin: at the price P in dollars it is worth P times ``multiplier``
satoshi. Its USD value by https://www.bitmex.com/app/quantoPerpetualsGuide is that times the price
of bitcoin. The mark price of XBTUSD is used, from table ``instrument``; aggr-server does the same
with its last price. A linear contract is ``1 / underlyingToPositionMultiplier`` base.

Traps: there is no time in the message, so ``ts`` is our time of receipt. XBT is BTC. Perpetuals on
stocks and metals have the type FFSCSX, those on currencies FFWCSF; the latter may be quoted in
currencies other than dollars. Spot has no liquidations.

Prices of XBTUSD, pushed every few seconds, show that a connection is not dead in a quiet market.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.venues.base import (
    Heartbeat,
    Instrument,
    Instruments,
    Listing,
    SkipReason,
    Venue,
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
    remember,
    split_array,
    split_rows,
)
from liq.records.model import Completeness, Name, PriceKind, Record, Side, Source

_SIDES = {"Sell": Side.LONG, "Buy": Side.SHORT}
_TABLE = "liquidation"
_PRICES = "instrument"
_BITCOIN = "XBTUSD"
_CURRENCIES = {"XBt": "BTC"}  # that contracts are settled in, by their small unit
_SATOSHI = 1e-8
_REPEATING = 30_000_000  # microseconds: two connections overlap for 5 s, and one may lag
_PONG = ("pong", b"pong")
# by CFI code: perpetuals on coins, on currencies and on stocks and metals; dated futures
_FUTURES = ("FFWCSX", "FFWCSF", "FFSCSX", "FFCCSX")


class _Row(msgspec.Struct, rename="camel", gc=False):
    order_id: Name = msgspec.field(name="orderID")
    symbol: Name
    side: Name
    price: Number
    leaves_qty: Number


class _Update(msgspec.Struct, rename="camel", gc=False):
    """The fields of an order that changed."""

    order_id: Name = msgspec.field(name="orderID")
    price: Number | None = None
    leaves_qty: Number | None = None


class _Known(NamedTuple):
    """The latest state of an order; ``is_counted`` is whether its insert was."""

    row: _Row
    is_counted: bool


class _Price(msgspec.Struct, rename="camel", gc=False):
    symbol: str
    mark_price: Number | None = None


class _Frame(msgspec.Struct):
    """A change of a table, the answer to a request, the greeting or an error."""

    table: str = ""
    action: str = ""
    data: msgspec.Raw = msgspec.Raw()
    subscribe: str = ""
    info: str = ""
    error: str = ""


_frame = msgspec.json.Decoder(_Frame)
_row = make_decoder(_Row)
_update = make_decoder(_Update)
_prices = make_decoder(list[_Price])


class _Parser:
    """The parser of one feed: it remembers the latest orders, and the price of bitcoin."""

    def __init__(self) -> None:
        self._orders: dict[str, _Known] = {}
        self._shown: dict[tuple[str, Number], int] = {}  # when an order had a quantity
        self._marks: dict[str, float] = {}  # dollars of the currencies that quanto is settled in

    def __call__(
        self, raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
    ) -> Sequence[Record]:
        frame = _decode(raw)
        if frame.table == _PRICES:
            self._note_price(frame)
        if frame.table != _TABLE or not frame.data:
            return []
        context = Context(BITMEX.name, Completeness.FULL, instruments, recv_ts, source)
        rows = ((frame.action, row) for row in split_rows(frame.data))
        return build_records(rows, lambda row: self._read(*row, context), context)

    def _note_price(self, frame: _Frame) -> None:
        for price in decode(_prices, frame.data):
            if price.symbol == _BITCOIN and price.mark_price is not None:
                self._marks["BTC"] = parse_positive(str(price.mark_price), "mark price markPrice")

    def _read(
        self, action: str, raw: msgspec.Raw, context: Context
    ) -> Iterator[RawLiquidation | SkipReason]:
        if action == "insert":
            return self._read_insert(decode(_row, raw), context)
        if action == "update":
            return self._read_update(decode(_update, raw), context)
        if action == "partial":
            return self._read_open(decode(_row, raw), context)
        return iter([SkipReason.FOLLOW_UP])

    def _read_insert(self, row: _Row, context: Context) -> Iterator[RawLiquidation | SkipReason]:
        known = self._orders.get(row.order_id)
        if known and known.is_counted:  # over another connection, while one replaces the other
            yield SkipReason.FOLLOW_UP
            return
        yield self._liquidate(row, parse_positive(str(row.leaves_qty), "size leavesQty"), context)
        self._remember(_Known(row, is_counted=True), context)  # unless rejected

    def _read_update(
        self, change: _Update, context: Context
    ) -> Iterator[RawLiquidation | SkipReason]:
        known = self._orders.get(change.order_id)
        if known is None:
            yield SkipReason.FOLLOW_UP
            return
        row = _Row(
            known.row.order_id,
            known.row.symbol,
            known.row.side,
            known.row.price if change.price is None else change.price,
            known.row.leaves_qty if change.leaves_qty is None else change.leaves_qty,
        )
        growth = _parse_quantity(row.leaves_qty) - _parse_quantity(known.row.leaves_qty)
        if growth > 0 and self._is_repeated(row, context):
            yield SkipReason.FOLLOW_UP
            return
        yield self._liquidate(row, growth, context) if growth > 0 else SkipReason.FOLLOW_UP
        self._remember(known._replace(row=row), context)

    def _read_open(self, row: _Row, context: Context) -> Iterator[RawLiquidation | SkipReason]:
        if row.order_id in self._orders:  # from before a reconnection
            change = _Update(row.order_id, row.price, row.leaves_qty)
            yield from self._read_update(change, context)
            return
        _parse_quantity(row.leaves_qty)
        yield SkipReason.EARLIER
        self._remember(_Known(row, is_counted=False), context)

    def _remember(self, order: _Known, context: Context) -> None:
        row = order.row
        remember(self._orders, row.order_id, order)
        remember(self._shown, (row.order_id, row.leaves_qty), context.recv_ts)

    def _is_repeated(self, row: _Row, context: Context) -> bool:
        shown = self._shown.get((row.order_id, row.leaves_qty))
        return shown is not None and context.recv_ts - shown < _REPEATING

    def _liquidate(
        self, row: _Row, contracts: float, context: Context
    ) -> RawLiquidation | SkipReason:
        contract = context.instruments.get(row.symbol)
        settled_in = contract.settled_in if contract else ""
        mark = self._marks.get(settled_in) if settled_in else 1.0
        if mark is None:
            return SkipReason.NO_MARK
        return RawLiquidation(
            symbol=row.symbol,
            ts=context.recv_ts,
            side=read_side(_SIDES, row.side),
            raw_side=row.side,
            price=parse_positive(str(row.price), "price"),
            price_kind=PriceKind.BANKRUPTCY,
            contracts=contracts * mark,
            raw=(row.order_id, row.symbol, row.side, str(row.price), str(row.leaves_qty)),
        )


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    return _Parser()(raw, instruments, recv_ts, source)


def _decode(raw: str | bytes) -> _Frame:
    if raw in _PONG:
        return _Frame()
    frame = decode(_frame, raw)
    if frame.error:
        raise RejectedMessage(f"the venue refused a request: {frame.error}")
    if frame.table not in (_TABLE, _PRICES) and not (frame.info or frame.subscribe):
        raise RejectedMessage("neither liquidations nor the answer to a request")
    return frame


def _parse_quantity(contracts: Number) -> float:
    """Return what an order has left to fill, 0 once it is filled."""
    if contracts.is_zero():
        return 0.0
    return parse_positive(str(contracts), "size leavesQty")


class _Contract(msgspec.Struct, rename="camel"):
    symbol: str
    typ: str
    underlying: str
    quote_currency: str
    is_inverse: bool
    is_quanto: bool
    settl_currency: str
    multiplier: float
    underlying_to_position_multiplier: int | None = None


_contract = msgspec.json.Decoder(_Contract)


def _list(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(body), _instrument), ""


def _instrument(raw: msgspec.Raw) -> Instrument:
    contract = decode(_contract, raw)
    if contract.typ not in _FUTURES:
        raise RejectedMessage(f"{contract.symbol} is no future")
    return Instrument(
        contract.symbol,
        _spell(contract.underlying),
        _spell(contract.quote_currency),
        _find_multiplier(contract),
        inverse=contract.is_inverse,
        settled_in=_find_settlement(contract) if contract.is_quanto else "",
    )


def _find_settlement(contract: _Contract) -> str:
    return _CURRENCIES.get(contract.settl_currency, contract.settl_currency)


def _spell(currency: str) -> str:
    return currency.replace("XBT", "BTC")


def _find_multiplier(contract: _Contract) -> float:
    if contract.is_quanto:
        return contract.multiplier * _SATOSHI
    if contract.is_inverse:
        return 1.0
    if not contract.underlying_to_position_multiplier:
        raise RejectedMessage(f"{contract.symbol} has no size in base")
    return 1 / contract.underlying_to_position_multiplier


BITMEX = Venue(
    name="bitmex",
    url="wss://ws.bitmex.com/realtime",
    completeness=Completeness.FULL,
    documentation="https://www.bitmex.com/app/wsAPI",
    parse=parse,
    stateful_parser=_Parser,
    not_covered="contracts that are not quoted in dollars, counted as skipped",
    subscribe=send_always(f'{{"op":"subscribe","args":["{_PRICES}:{_BITCOIN}","{_TABLE}"]}}'),
    heartbeat=Heartbeat(seconds=20, frame="ping"),
    silence=90,
    listing=Listing(urls=("https://www.bitmex.com/api/v1/instrument/active",), parse=_list),
)
