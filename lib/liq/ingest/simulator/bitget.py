"""Bitget's side of ``liquidation``: a push a second for each kind of contract.

Unlike Bitget it shows every liquidation, not the largest of a second, so that it can be fast.
Source: https://www.bitget.com/api-doc/uta/websocket/public/Liquidation-Channel
"""

from collections.abc import Sequence

from liq.ingest.simulator.exchange import (
    BaseExchange,
    Event,
    GetPrice,
    decode,
    encode,
    join_rows,
)
from liq.ingest.simulator.hawkes import Order

_TOPIC = "liquidation"
_CONTROL = "ticker"
_KINDS = ("usdt-futures", "usdc-futures", "coin-futures")


class Bitget(BaseExchange):
    """Contracts of all kinds; a client that sends nothing for 30 s is cut off."""

    gathers_s = 1.0
    cuts_s = 30.0

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session()

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON of an order; the side is the position's: buy is a long."""
        return encode(
            {
                "symbol": order.symbol,
                "side": "buy" if order.closes_long else "sell",
                "price": order.limit_price,
                "amount": order.quantity,
                "ts": str(time_ms),
            }
        )


class _Session:
    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._tickers: set[str] = set()

    @property
    def is_subscribed(self) -> bool:
        return bool(self._kinds)

    def greet(self) -> list[bytes]:
        return []

    def answer(self, request: bytes) -> list[bytes]:
        if request == b"ping":
            return [b"pong"]
        message = decode(request)
        args = message.get("args")
        if message.get("op") != "subscribe" or not isinstance(args, list):
            return [encode({"event": "error", "code": 30016, "msg": "Param error"})]
        return [self._subscribe(arg) for arg in args]

    def _subscribe(self, arg: object) -> bytes:
        topic = arg.get("topic") if isinstance(arg, dict) else None
        if not isinstance(arg, dict) or topic not in (_TOPIC, _CONTROL):
            fault = {"event": "error", "arg": arg, "code": 30001, "msg": "topic doesn't exist"}
            return encode(fault)
        if topic == _TOPIC:
            self._kinds.add(str(arg.get("instType", "")))
        else:
            self._tickers.add(str(arg.get("symbol", "")))
        return encode({"event": "subscribe", "arg": arg, "connId": "b3a2e0ac"})

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        groups: dict[str, list[Event]] = {}
        for event in events:
            groups.setdefault(_find_kind(event.order.symbol), []).append(event)
        return [
            _build_push({"instType": kind, "topic": _TOPIC}, join_rows(group), group[-1].time_ms)
            for kind, group in groups.items()
            if kind in self._kinds
        ]

    def control(self, price: GetPrice, time_ms: int) -> list[bytes]:
        return [
            _build_push(
                {"instType": _find_kind(symbol), "topic": _CONTROL, "symbol": symbol},
                encode([{"symbol": symbol, "lastPrice": str(price(symbol))}]),
                time_ms,
            )
            for symbol in self._tickers
        ]


def _find_kind(symbol: str) -> str:
    """Return a contract's kind by its name: BTCUSDT, BTCPERP of USDC, BTCUSD."""
    suffixes = ("USDT", "PERP", "USD")
    return next(kind for kind, end in zip(_KINDS, suffixes, strict=True) if symbol.endswith(end))


def _build_push(arg: dict[str, str], data: bytes, time_ms: int) -> bytes:
    return b'{"data":%b,"arg":%b,"action":"update","ts":%d}' % (data, encode(arg), time_ms)
