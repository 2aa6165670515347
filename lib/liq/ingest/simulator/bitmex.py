"""BitMEX's side of the table ``liquidation``: what is open first, then inserts, updates, deletes.

Source: https://www.bitmex.com/app/wsAPI
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

from liq.ingest.simulator.exchange import (
    BaseExchange,
    Event,
    GetPrice,
    decode,
    encode,
    join_rows,
    number_order,
)
from liq.ingest.simulator.hawkes import Order

_TABLE = "liquidation"
_CONTROL = "instrument"


class Bitmex(BaseExchange):
    """Inverse and linear perpetuals."""

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session()

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON of an order, which has no time."""
        return (
            f'{{"orderID":"{_build_id(order, time_ms)}","symbol":"{order.symbol}",'
            f'"side":"{"Sell" if order.closes_long else "Buy"}","price":{order.limit_price},'
            f'"leavesQty":{order.quantity}}}'
        ).encode()


class _Session:
    def __init__(self) -> None:
        self._tables: set[str] = set()

    @property
    def is_subscribed(self) -> bool:
        return _TABLE in self._tables

    def greet(self) -> list[bytes]:
        info = "Welcome to the BitMEX Realtime API."
        return [
            encode({"info": info, "version": "2.0.0", "docs": "https://www.bitmex.com/app/wsAPI"})
        ]

    def answer(self, request: bytes) -> list[bytes]:
        if request == b"ping":
            return [b"pong"]
        message = decode(request)
        tables = message.get("args")
        if message.get("op") != "subscribe" or not isinstance(tables, list):
            return [encode({"status": 400, "error": "Invalid request"})]
        return [frame for table in tables for frame in self._subscribe(str(table))]

    def _subscribe(self, table: str) -> list[bytes]:
        name = table.partition(":")[0]
        if name not in (_TABLE, _CONTROL):
            return [encode({"status": 400, "error": f"Unknown table: {name}"})]
        self._tables.add(table)
        acknowledged = encode({"success": True, "subscribe": table})
        return [acknowledged, _build_change(name, "partial", _OPEN if name == _TABLE else b"[]")]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        filled = [
            {"orderID": _build_id(*event[:2]), "symbol": event.order.symbol} for event in events
        ]
        updates = encode([{**order, "leavesQty": 1} for order in filled])
        return [
            _build_change(_TABLE, "insert", join_rows(events)),
            _build_change(_TABLE, "update", updates),
            _build_change(_TABLE, "delete", encode(filled)),
        ]

    def control(self, price: GetPrice, time_ms: int) -> list[bytes]:
        moment = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()
        symbols = [table.partition(":")[2] for table in self._tables if _CONTROL in table]
        return [
            _build_change(
                _CONTROL,
                "update",
                encode([{"timestamp": moment, "symbol": symbol, "markPrice": price(symbol)}]),
            )
            for symbol in symbols
        ]


def _build_id(order: Order, time_ms: int) -> str:
    return str(uuid5(NAMESPACE_OID, f"{order.symbol}{number_order(order, time_ms)}"))


def _build_change(table: str, action: str, data: bytes) -> bytes:
    return b'{"table":"%b","action":"%b","data":%b}' % (table.encode(), action.encode(), data)


_OPEN = encode(
    [
        {
            "orderID": "de709f12-2f24-9a36-b047-ab0ff090f0bb",
            "symbol": "XBTUSD",
            "side": "Buy",
            "price": 5698.5,
            "leavesQty": 123000,
        }
    ]
)
