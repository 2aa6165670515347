"""Kraken's side of ``trade``: history first, liquidations among ordinary trades, heartbeats.

Source: https://docs.kraken.com/exchange/api-reference/futures-websocket/trade
"""

import time
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

_HISTORY_MS = 3_600_000
_KINDS = ("PF_", "FF_", "PI_", "FI_")


class Kraken(BaseExchange):
    """Linear contracts in base and inverse ones in USD."""

    whole = False

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session()

    def price(self, order: Order) -> str:
        """Return the price of the trade."""
        return order.average_price

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the whole trade; the side is the taker's, who is liquidated."""
        side = "sell" if order.closes_long else "buy"
        return _build_trade(
            order.symbol,
            side,
            "liquidation",
            time_ms,
            number_order(order, time_ms),
            size=order.quantity,
            price=order.average_price,
        )


class _Session:
    def __init__(self) -> None:
        self._products: set[str] = set()
        self._beats = False

    @property
    def is_subscribed(self) -> bool:
        return bool(self._products)

    def greet(self) -> list[bytes]:
        return [encode({"event": "info", "version": 1})]

    def answer(self, request: bytes) -> list[bytes]:
        message = decode(request)
        feed, products = message.get("feed"), message.get("product_ids")
        if message.get("event") != "subscribe":
            return [_build_error("Json Error")]
        if feed == "heartbeat":
            self._beats = True
            return [encode({"event": "subscribed", "feed": feed})]
        if feed != "trade":
            return [_build_error("Invalid feed")]
        if not isinstance(products, list):
            return [_build_error("Json Error")]
        if not all(str(product).startswith(_KINDS) for product in products):
            return [_build_error("Invalid product id")]
        self._products.update(products)
        acknowledged = {"event": "subscribed", "feed": feed, "product_ids": products}
        return [encode(acknowledged), *(_build_history(product) for product in products)]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        first = events[0]
        trade = _build_trade(first.order.symbol, "buy", "fill", first.time_ms)
        return [
            trade,
            *(event.row for event in events if event.order.symbol in self._products),
        ]

    def control(self, _price: GetPrice, time_ms: int) -> list[bytes]:
        return [encode({"feed": "heartbeat", "time": time_ms})] if self._beats else []


def _build_history(product: str) -> bytes:
    """Return old trades of a contract: a liquidation and an ordinary one."""
    old_ms = time.time_ns() // 1_000_000 - _HISTORY_MS
    kinds = ("liquidation", "fill")
    trades = [_build_trade(product, "sell", kind, old_ms) for kind in kinds]
    return b'{"feed":"trade_snapshot","product_id":"%b","trades":[%b]}' % (
        product.encode(),
        b",".join(trades),
    )


def _build_trade(
    product: str,
    side: str,
    kind: str,
    time_ms: int,
    number: int = 0,
    *,
    size: str = "1",
    price: str = "1000",
) -> bytes:
    return (
        f'{{"feed":"trade","product_id":"{product}","uid":"{number}","side":"{side}",'
        f'"type":"{kind}","seq":{time_ms},"time":{time_ms},"qty":{size},"price":{price}}}'
    ).encode()


def _build_error(text: str) -> bytes:
    return encode({"event": "error", "message": text})
