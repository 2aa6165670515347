"""HTX's side of ``liquidation_orders``: everything gzipped, pings that must be answered.

Source: https://www.htx.com/en-us/opend/newApiPages/?id=28c34bd5-77ae-11ed-9966-0242ac110003
"""

import gzip
from collections.abc import Sequence

from liq.ingest.simulator.exchange import (
    BaseExchange,
    Event,
    GetPrice,
    decode,
    encode,
    group_by_symbol,
    join_rows,
)
from liq.ingest.simulator.hawkes import Order

_TOPIC = ".liquidation_orders"


class Htx(BaseExchange):
    """Linear or inverse swaps, by ``name``."""

    binary = True
    cuts_s = 15.0

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session()

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON of an order: its volume in contracts, and a turnover if it is linear."""
        [contract] = [one for one in self.market if one.symbol == order.symbol]
        price, size = float(order.limit_price), float(order.quantity) * contract.multiplier
        row = {
            "contract_code": order.symbol,
            "symbol": order.symbol.partition("-")[0],
            "direction": "sell" if order.closes_long else "buy",
            "offset": "close",
            "volume": int(order.quantity),
            "amount": size / price if contract.inverse else size,
            "price": price,
            "created_at": time_ms,
        }
        return encode(row if contract.inverse else {**row, "trade_turnover": size * price})


class _Session:
    def __init__(self) -> None:
        self._topic = ""

    @property
    def is_subscribed(self) -> bool:
        return bool(self._topic)

    def greet(self) -> list[bytes]:
        return []

    def answer(self, request: bytes) -> list[bytes]:
        message = decode(request)
        topic = str(message.get("topic", ""))
        if message.get("op") == "pong":
            return []
        if message.get("op") != "sub" or not topic.endswith(_TOPIC):
            return [_pack({"op": "error", "err-code": 2011, "err-msg": "invalid request"})]
        self._topic = topic
        return [_pack({"op": "sub", "cid": message.get("cid"), "topic": topic, "err-code": 0})]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        return [
            gzip.compress(
                b'{"op":"notify","topic":"public.%b%b","ts":%d,"data":%b}'
                % (symbol.encode(), _TOPIC.encode(), group[-1].time_ms, join_rows(group))
            )
            for symbol, group in group_by_symbol(events).items()
        ]

    def control(self, _price: GetPrice, time_ms: int) -> list[bytes]:
        return [_pack({"op": "ping", "ts": str(time_ms)})]


def _pack(message: object) -> bytes:
    return gzip.compress(encode(message))
