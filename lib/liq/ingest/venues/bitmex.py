"""BitMEX: table ``liquidation``, the liquidation orders of all contracts.

Source: https://www.bitmex.com/app/wsAPI and https://www.bitmex.com/api/explorer/#!/Liquidation
Changes of a table of open liquidation orders::

    {"table": "liquidation", "action": "insert", "data": [{
        "orderID": "de709f12-2f24-9a36-b047-ab0ff090f0bb",
        "symbol": "XBTUSD",    contract
        "side": "Buy",         side of the closing order: Sell closes a long
        "price": 5698.5,       limit price, which is the bankruptcy price, in quote per base
        "leavesQty": 123000    contracts left to fill: USD (inverse) or fractions of base (linear)
    }]}

Only inserts are liquidations. ``partial`` is what was open before we came, ``update`` has fills
of an order already counted, ``delete`` its end. BitMEX support says that the order is for the full
quantity, and is inserted even when it fills at once (BitMEX/api-connectors issue 241).

Traps: there is no time in the message, so ``ts`` is our time of receipt, and the same order seen
over two connections is two rows. A linear contract is ``1 / underlyingToPositionMultiplier`` base.
Quanto contracts (settled in a third currency) and spot are no part of the listing. XBT is BTC.

One candle of XBTUSD a minute shows that a connection is not dead in a quiet market.
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
    skip,
    split_array,
    split_rows,
)
from liq.records.model import Completeness, PriceKind, Record, Side, Source

_SIDES = {"Sell": Side.LONG, "Buy": Side.SHORT}
_TABLE = "liquidation"
_CONTROL = "tradeBin1m"
_PONG = ("pong", b"pong")
_FUTURES = ("FFWCSX", "FFCCSX")  # perpetual and dated futures, by CFI code


class _Row(msgspec.Struct, rename="camel", gc=False):
    order_id: str = msgspec.field(name="orderID")
    symbol: str
    side: str
    price: Number
    leaves_qty: Number


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


def parse(
    raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
) -> Sequence[Record]:
    """Parse one frame: units are in the module, the contract in `liq.ingest.venues.base.Parse`."""
    if raw in _PONG:
        return []
    frame = decode(_frame, raw)
    if frame.error:
        raise RejectedMessage(f"the venue refused a request: {frame.error}")
    if frame.table not in (_TABLE, _CONTROL) and not (frame.info or frame.subscribe):
        raise RejectedMessage("neither liquidations nor the answer to a request")
    if frame.table != _TABLE:
        return []
    if frame.action != "insert":
        return _passed(frame)
    context = Context(BITMEX.name, Completeness.FULL, instruments, recv_ts, source)
    return build_records(split_rows(frame.data), lambda row: _read(row, recv_ts), context)


def _passed(frame: _Frame) -> Sequence[Record]:
    why = SkipReason.EARLIER if frame.action == "partial" else SkipReason.FOLLOW_UP
    count = len(split_rows(frame.data)) if frame.data else 0
    return skip(why, count) if count else []


def _read(raw: msgspec.Raw, recv_ts: int) -> Iterator[RawLiquidation]:
    row = decode(_row, raw)
    yield RawLiquidation(
        symbol=row.symbol,
        ts=recv_ts,
        side=read_side(_SIDES, row.side),
        raw_side=row.side,
        price=parse_positive(str(row.price), "price"),
        price_kind=PriceKind.BANKRUPTCY,
        contracts=parse_positive(str(row.leaves_qty), "size leavesQty"),
        raw=(row.order_id, row.symbol, row.side, str(row.price), str(row.leaves_qty)),
    )


class _Contract(msgspec.Struct, rename="camel"):
    symbol: str
    typ: str
    underlying: str
    quote_currency: str
    is_inverse: bool
    is_quanto: bool
    underlying_to_position_multiplier: int | None = None


_contract = msgspec.json.Decoder(_Contract)


def _list(body: bytes) -> tuple[list[Instrument], str]:
    return parse_listing(split_array(body), _instrument), ""


def _instrument(raw: msgspec.Raw) -> Instrument:
    contract = decode(_contract, raw)
    per_base = contract.underlying_to_position_multiplier
    if contract.typ not in _FUTURES or contract.is_quanto or not (contract.is_inverse or per_base):
        raise RejectedMessage(f"{contract.symbol} is no future whose size is in base or dollars")
    return Instrument(
        contract.symbol,
        contract.underlying.replace("XBT", "BTC"),
        contract.quote_currency.replace("XBT", "BTC"),
        1 / per_base if per_base and not contract.is_inverse else 1.0,
        inverse=contract.is_inverse,
    )


BITMEX = Venue(
    name="bitmex",
    url="wss://ws.bitmex.com/realtime",
    completeness=Completeness.FULL,
    documentation="https://www.bitmex.com/app/wsAPI",
    parse=parse,
    subscribe=send_always(f'{{"op":"subscribe","args":["{_TABLE}","{_CONTROL}:XBTUSD"]}}'),
    heartbeat=Heartbeat(seconds=20, frame="ping"),
    silence=90,
    listing=Listing(urls=("https://www.bitmex.com/api/v1/instrument/active",), parse=_list),
)
