"""HTX's side of ``liquidation_orders``: everything gzipped, pings that must be answered.

Source: https://www.htx.com/en-us/opend/newApiPages/?id=8cb7e25d-77b5-11ed-9966-0242ac110003
"""

import gzip
from collections.abc import Mapping, Sequence

from liq.ingest.simulator.exchange import (
    BaseExchange,
    Event,
    GetPrice,
    decode,
    encode,
    group_by_symbol,
    join_rows,
)
from liq.ingest.simulator.hawkes import Contract, Order

_TOPIC = ".liquidation_orders"
_ALL = f"public.*{_TOPIC}"


class Htx(BaseExchange):
    """Linear contracts, or inverse swaps or futures, by ``name``."""

    binary = True
    cuts_s = 15.0

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session({one.symbol: self._find_topic(one) for one in self.market})

    def _find_topic(self, contract: Contract) -> str:
        coin = contract.base if self.name == "htx_delivery" else contract.symbol
        return f"public.{coin}{_TOPIC}"

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON of an order: its volume in contracts, and a turnover if it is linear."""
        [contract] = [one for one in self.market if one.symbol == order.symbol]
        price, size = float(order.limit_price), float(order.quantity) * contract.multiplier
        row = {
            "contract_code": order.symbol,
            "symbol": contract.base,
            "direction": "sell" if order.closes_long else "buy",
            "offset": "close",
            "volume": int(order.quantity),
            "amount": size / price if contract.inverse else size,
            "price": price,
            "created_at": time_ms,
        }
        return encode(row if contract.inverse else {**row, "trade_turnover": size * price})


class _Session:
    def __init__(self, topics: Mapping[str, str]) -> None:
        self._topics = topics  # by contract
        self._subscribed: set[str] = set()

    @property
    def is_subscribed(self) -> bool:
        return bool(self._subscribed)

    def greet(self) -> list[bytes]:
        return []

    def answer(self, request: bytes) -> list[bytes]:
        message = decode(request)
        topic = str(message.get("topic", ""))
        if message.get("op") == "pong":
            return []
        if message.get("op") != "sub" or not topic.endswith(_TOPIC):
            return [_pack({"op": "error", "err-code": 2011, "err-msg": "invalid request"})]
        answer = {"op": "sub", "cid": message.get("cid"), "topic": topic}
        if topic in self._subscribed:
            repeated = {"err-code": 2014, "err-msg": "Repeated subscription."}
            return [_pack({**answer, **repeated})]
        self._subscribed.add(topic)
        return [_pack({**answer, "err-code": 0})]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        return [
            gzip.compress(
                b'{"op":"notify","topic":"%b","ts":%d,"data":%b}'
                % (self._topics[symbol].encode(), group[-1].time_ms, join_rows(group))
            )
            for symbol, group in group_by_symbol(events).items()
            if self._subscribed & {_ALL, self._topics[symbol]}
        ]

    def control(self, _price: GetPrice, time_ms: int) -> list[bytes]:
        return [_pack({"op": "ping", "ts": str(time_ms)})]


def _pack(message: object) -> bytes:
    return gzip.compress(encode(message))
