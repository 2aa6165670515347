"""Gate's side of ``futures.public_liquidates``: batches of one contract, of a second or 20 orders.

Source: https://www.gate.com/docs/developers/futures/ws/en/#public-liquidates-order-api
"""

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

_CHANNEL = "futures.public_liquidates"
_CONTROL = "futures.tickers"
_BATCH = 20


class Gate(BaseExchange):
    """Contracts settled in USDT or BTC, by ``name``."""

    gathers_s = 1.0

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session()

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON of a closing order: a size below zero is a sell and closes a long."""
        return encode(
            {
                "contract": order.symbol,
                "size": f"{'-' if order.closes_long else ''}{order.quantity}",
                "price": order.limit_price,
                "time": time_ms,
            }
        )


class _Session:
    def __init__(self) -> None:
        self._all = False
        self._tickers: set[str] = set()

    @property
    def is_subscribed(self) -> bool:
        return self._all

    def greet(self) -> list[bytes]:
        return []

    def answer(self, request: bytes) -> list[bytes]:
        message = decode(request)
        channel, payload = message.get("channel"), message.get("payload")
        answer = {"time": message.get("time"), "channel": channel, "event": message.get("event")}
        if message.get("event") != "subscribe" or not isinstance(payload, list):
            fault = {"code": 1, "message": "invalid request"}
            return [encode({**answer, "error": fault, "result": None})]
        if channel == _CHANNEL:
            self._all = payload == ["!all"]
        elif channel == _CONTROL:
            self._tickers.update(map(str, payload))
        else:
            fault = {"code": 2, "message": f"unknown channel {channel}"}
            return [encode({**answer, "error": fault, "result": None})]
        return [encode({**answer, "payload": payload, "result": {"status": "success"}})]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        return [
            _build_update(_CHANNEL, group[-1].time_ms, join_rows(group[start : start + _BATCH]))
            for group in group_by_symbol(events).values()
            for start in range(0, len(group), _BATCH)
        ]

    def control(self, price: GetPrice, time_ms: int) -> list[bytes]:
        return [
            _build_update(_CONTROL, time_ms, encode([{"contract": name, "last": str(price(name))}]))
            for name in self._tickers
        ]


def _build_update(channel: str, time_ms: int, result: bytes) -> bytes:
    return b'{"time":%d,"time_ms":%d,"channel":"%b","event":"update","result":%b}' % (
        time_ms // 1000,
        time_ms,
        channel.encode(),
        result,
    )
