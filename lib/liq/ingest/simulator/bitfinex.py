"""Bitfinex's side of ``status``, key ``liq:global``: numbered channels, starts and their matches.

Source: https://docs.bitfinex.com/reference/ws-public-status
"""

from collections.abc import Sequence

from liq.ingest.simulator.exchange import (
    BaseExchange,
    Event,
    GetPrice,
    decode,
    encode,
    number_order,
)
from liq.ingest.simulator.hawkes import Order

_CHANNEL = 91684
_KEY = "liq:global"


class Bitfinex(BaseExchange):
    """Margin pairs and derivatives."""

    whole = False

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session()

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return three rows: the liquidation starts, starts with a price, and is matched."""
        return b",".join(
            (
                _build_position_row(order, time_ms, 0, "null"),
                _build_position_row(order, time_ms, 0, order.limit_price),
                _build_position_row(order, time_ms, 1, order.limit_price),
            )
        )

    def price(self, order: Order) -> str:
        """Return the entry price: the start has no other."""
        return order.average_price

    def malformed(self, _number: int, _order: Order, _time_ms: int) -> bytes:
        """Return a row that every parser rejects."""
        return b'["pos","?"]'


class _Session:
    def __init__(self) -> None:
        self._subscribed = False

    @property
    def is_subscribed(self) -> bool:
        return self._subscribed

    def greet(self) -> list[bytes]:
        return [encode({"event": "info", "version": 2, "platform": {"status": 1}})]

    def answer(self, request: bytes) -> list[bytes]:
        message = decode(request)
        if message.get("event") == "ping":
            return [encode({**message, "event": "pong"})]
        if (message.get("event"), message.get("key")) != ("subscribe", _KEY):
            return [encode({"event": "error", "msg": "unknown request", "code": 10300})]
        self._subscribed = True
        return [encode({**message, "event": "subscribed", "chanId": _CHANNEL})]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        return [b"[%d,[%b]]" % (_CHANNEL, b",".join(event.row for event in events))]

    def control(self, _price: GetPrice, _time_ms: int) -> list[bytes]:
        return [encode([_CHANNEL, "hb"])] if self._subscribed else []


def _build_position_row(order: Order, time_ms: int, matched: int, price: str) -> bytes:
    sign = "" if order.closes_long else "-"
    return (
        f'["pos",{number_order(order, time_ms)},{time_ms},null,"{order.symbol}",'
        f"{sign}{order.quantity},"
        f"{order.average_price},null,{matched},{matched},null,{price}]"
    ).encode()
