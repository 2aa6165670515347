"""OKX's side of ``liquidation-orders``: history first, several contracts a message, out of order.

Source: https://www.okx.com/docs-v5/en/#public-data-websocket-liquidation-orders-channel
"""

import time
from collections.abc import Sequence

from liq.ingest.simulator.exchange import (
    BaseExchange,
    Event,
    GetPrice,
    decode,
    encode,
    group_by_symbol,
)
from liq.ingest.simulator.hawkes import Order

_CHANNEL = "liquidation-orders"
_CONTROL = "open-interest"
_ARG = {"channel": _CHANNEL, "instType": "SWAP"}
_HISTORY_MS = 3_600_000


class Okx(BaseExchange):
    """Perpetual swaps; a client that sends nothing for 30 s is cut off."""

    cuts_s = 30.0

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session(self.market[0].symbol)

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON of an order; some positions are in one-way mode, which has no side."""
        return _build_detail(order.closes_long, order.quantity, order.limit_price, time_ms)


class _Session:
    def __init__(self, some_symbol: str) -> None:
        self._some_symbol = some_symbol
        self._swaps = False
        self._interests: set[str] = set()

    @property
    def is_subscribed(self) -> bool:
        return self._swaps

    def greet(self) -> list[bytes]:
        return []

    def answer(self, request: bytes) -> list[bytes]:
        if request == b"ping":
            return [b"pong"]
        message = decode(request)
        args = message.get("args")
        if message.get("op") != "subscribe" or not isinstance(args, list):
            return [encode({"event": "error", "code": "60012", "msg": "Invalid request"})]
        return [frame for arg in args for frame in self._subscribe(arg)]

    def _subscribe(self, arg: object) -> list[bytes]:
        if not isinstance(arg, dict):
            return [encode({"event": "error", "code": "60012", "msg": "Invalid request"})]
        acknowledged = encode({"event": "subscribe", "arg": arg, "connId": "a4d3ae55"})
        if arg.get("channel") == _CONTROL:
            self._interests.add(str(arg.get("instId", "")))
            return [acknowledged]
        if arg.get("channel") != _CHANNEL:
            return [encode({"event": "error", "code": "60018", "msg": f"Wrong channel: {arg}"})]
        if arg.get("instType") != "SWAP":
            return [acknowledged]
        self._swaps = True
        old_ms = time.time_ns() // 1_000_000 - _HISTORY_MS
        old = [_build_detail(long, "7", "1000", old_ms) for long in (True, False)]
        return [acknowledged, _build_push([_build_order(self._some_symbol, old)])]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        orders = [
            _build_order(symbol, [event.row for event in reversed(group)])
            for symbol, group in group_by_symbol(events).items()
        ]
        return [_build_push(orders)]

    def control(self, _price: GetPrice, time_ms: int) -> list[bytes]:
        return [
            encode(
                {
                    "arg": {"channel": _CONTROL, "instId": symbol},
                    "data": [{"instId": symbol, "oi": "2216113", "ts": str(time_ms)}],
                }
            )
            for symbol in self._interests
        ]


def _build_detail(closes_long: bool, size: str, price: str, time_ms: int) -> bytes:  # noqa: FBT001 - a fact
    position = "net" if time_ms % 3 == 0 else "long" if closes_long else "short"
    return encode(
        {
            "bkLoss": "0",
            "bkPx": price,
            "ccy": "",
            "posSide": position,
            "side": "sell" if closes_long else "buy",
            "sz": size,
            "ts": str(time_ms),
        }
    )


def _build_order(symbol: str, details: Sequence[bytes]) -> bytes:
    return b'{"details":[%b],"instId":"%b","instType":"SWAP","uly":"%b"}' % (
        b",".join(details),
        symbol.encode(),
        symbol.removesuffix("-SWAP").encode(),
    )


def _build_push(orders: Sequence[bytes]) -> bytes:
    return b'{"arg":%b,"data":[%b]}' % (encode(_ARG), b",".join(orders))
