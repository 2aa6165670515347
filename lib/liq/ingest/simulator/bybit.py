"""Bybit's side of ``allLiquidation``: a topic a contract, batches of half a second.

Source: https://bybit-exchange.github.io/docs/v5/websocket/public/all-liquidation
"""

from collections.abc import Sequence
from uuid import uuid4

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

_TOPIC = "allLiquidation."
_KINDS = (_TOPIC, "kline.")


class Bybit(BaseExchange):
    """Linear or inverse contracts, by ``name``."""

    whole = False
    gathers_s = 0.5
    cuts_s = 60.0

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session()

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON of an order, with the side of the position: Buy is a long."""
        side = "Buy" if order.closes_long else "Sell"
        return encode(
            {
                "T": time_ms,
                "s": order.symbol,
                "S": side,
                "v": order.quantity,
                "p": order.limit_price,
            }
        )


class _Session:
    def __init__(self) -> None:
        self._id = str(uuid4())
        self._topics: set[str] = set()

    @property
    def is_subscribed(self) -> bool:
        return any(topic.startswith(_TOPIC) for topic in self._topics)

    def greet(self) -> list[bytes]:
        return []

    def answer(self, request: bytes) -> list[bytes]:
        message = decode(request)
        if message.get("op") == "ping":
            return [self._acknowledge("ping", "pong")]
        topics = message.get("args")
        if message.get("op") != "subscribe" or not isinstance(topics, list):
            return [self._acknowledge("", "error:unknown request", success=False)]
        unknown = [topic for topic in topics if not str(topic).startswith(_KINDS)]
        if unknown:
            fault = f"error:handler not found,topic:{unknown[0]}"
            return [self._acknowledge("subscribe", fault, success=False)]
        self._topics.update(topics)
        return [self._acknowledge("subscribe", "")]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        return [
            b'{"topic":"%b","type":"snapshot","ts":%d,"data":%b}'
            % ((_TOPIC + symbol).encode(), group[-1].time_ms, join_rows(group))
            for symbol, group in group_by_symbol(events).items()
            if _TOPIC + symbol in self._topics
        ]

    def control(self, price: GetPrice, time_ms: int) -> list[bytes]:
        return [
            encode(_build_candle(topic, price(topic.rpartition(".")[2]), time_ms))
            for topic in self._topics
            if topic.startswith("kline.")
        ]

    def _acknowledge(self, op: str, text: str, *, success: bool = True) -> bytes:
        answer = {"success": success, "ret_msg": text, "conn_id": self._id, "op": op}
        return encode(answer)


def _build_candle(topic: str, price: float, time_ms: int) -> dict[str, object]:
    candle = {"start": time_ms - time_ms % 60_000, "close": str(price), "confirm": False}
    return {"topic": topic, "type": "snapshot", "ts": time_ms, "data": [candle]}
