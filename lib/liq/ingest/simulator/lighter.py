"""Lighter's side of ``trade``: a channel a market, liquidations apart from ordinary trades.

Source: https://apidocs.lighter.xyz/docs/websocket-reference#trade
"""

import time
from collections.abc import Sequence
from itertools import count

from liq.ingest.instruments import load_snapshot
from liq.ingest.simulator.exchange import (
    BaseExchange,
    Event,
    GetPrice,
    Subscriptions,
    decode,
    encode,
    group_by_symbol,
    join_rows,
)
from liq.ingest.simulator.hawkes import Order
from liq.ingest.venues import find_venue

_CHANNEL = "trade/"
_HISTORY_MS = 3_600_000


class Lighter(BaseExchange):
    """Perpetuals, which messages name by number."""

    whole = False
    gathers_s = 0.05

    def __init__(self, name: str) -> None:
        super().__init__(name)
        listed = load_snapshot(find_venue(name))
        self._numbers = {one.symbol: one.number or 0 for one in (listed or {}).values()}
        self._trades = count(1)

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session(self._numbers, Subscriptions(one.symbol for one in self.market))

    def price(self, order: Order) -> str:
        """That of the trade."""
        return order.average_price

    def row(self, order: Order, time_ms: int) -> bytes:
        """The taker is the liquidated account."""
        return _build_trade(order, time_ms, next(self._trades), self._numbers[order.symbol])


class _Session:
    def __init__(self, numbers: dict[str, int], subscribed: Subscriptions) -> None:
        self._numbers = numbers
        self._symbols = {number: symbol for symbol, number in numbers.items()}
        self._subscribed = subscribed

    @property
    def is_subscribed(self) -> bool:
        return self._subscribed.is_settled

    def greet(self) -> list[bytes]:
        return [encode({"session_id": "8d354239-80e0-4b77-8763-87b6fef2f768", "type": "connected"})]

    def answer(self, request: bytes) -> list[bytes]:
        message = decode(request)
        if message.get("type") == "pong":
            return []
        channel = str(message.get("channel", ""))
        market = channel.removeprefix(_CHANNEL)
        if message.get("type") != "subscribe" or not channel.startswith(_CHANNEL):
            return [_build_error(30001, "Invalid Message")]
        if not (market.isascii() and market.isdigit()):
            return [_build_error(30005, f"Invalid Channel:  ({channel})")]
        number = int(market)
        symbol = self._symbols.get(number, market)  # a real listing has more markets
        self._subscribed.add(symbol)
        old = Order(0, symbol, True, "7", "1000", "1000")  # noqa: FBT003 - a fact
        old_ms = time.time_ns() // 1_000_000 - _HISTORY_MS
        row = _build_trade(old, old_ms, 0, number)
        return [_build_push("subscribed/trade", number, b"[%b]" % row)]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        return [
            _build_push("update/trade", self._numbers[symbol], join_rows(group))
            for symbol, group in group_by_symbol(events).items()
            if symbol in self._subscribed
        ]

    def control(self, _price: GetPrice, _time_ms: int) -> list[bytes]:
        quiet = [_build_push("update/trade", 0, b"null")] if self._subscribed else []
        return [encode({"type": "ping"}), *quiet]


def _build_trade(order: Order, time_ms: int, trade_id: int, number: int) -> bytes:
    size, price = order.quantity, order.average_price
    return encode(
        {
            "trade_id": trade_id,
            "tx_hash": f"{trade_id:080x}",
            "type": "liquidation",
            "market_id": number,
            "size": size,
            "price": price,
            "usd_amount": f"{float(size) * float(price):.6f}",
            "ask_account_id": 99349,
            "bid_account_id": 243008,
            "is_maker_ask": not order.closes_long,
            "block_height": 102322769,
            "timestamp": time_ms,
            "taker_position_size_before": f"{'' if order.closes_long else '-'}{size}",
        }
    )


def _build_push(kind: str, number: int, liquidations: bytes) -> bytes:
    return b'{"channel":"trade:%d","liquidation_trades":%b,"nonce":3159738569,"trades":[%b' % (
        number,
        liquidations,
        b'],"type":"%b"}' % kind.encode(),
    )


def _build_error(code: int, text: str) -> bytes:
    return encode({"error": {"code": code, "message": text}})
