"""dYdX's side of ``v4_trades``: a subscription a market, history first, among ordinary trades.

Source: https://docs.dydx.exchange/api_integration-indexer/indexer_websocket#trades
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count

from liq.ingest.simulator.exchange import (
    BaseExchange,
    Event,
    GetPrice,
    Subscriptions,
    decode,
    encode,
    group_by_symbol,
)
from liq.ingest.simulator.hawkes import Order

_CHANNEL = "v4_trades"
_CONTROL = "v4_block_height"
_CONNECTION = "57844645-0b1d-4c3f-ad71-1c6154154a13"
_MOST = 32  # subscriptions to trades of a connection
_HISTORY_MS = 3_600_000


class Dydx(BaseExchange):
    """Perpetuals; a connection has a limit of subscriptions."""

    whole = False
    gathers_s = 0.1

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._fills = count(1)

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session(Subscriptions(contract.symbol for contract in self.market))

    def price(self, order: Order) -> str:
        """That of the trade."""
        return order.average_price

    def row(self, order: Order, time_ms: int) -> bytes:
        """The side is the liquidation order's."""
        return _build_trade(order, time_ms, f"{next(self._fills):024x}", "LIQUIDATED")


class _Session:
    def __init__(self, subscribed: Subscriptions) -> None:
        self._subscribed = subscribed
        self._blocks = False
        self._sent = count(1)

    @property
    def is_subscribed(self) -> bool:
        return self._subscribed.is_settled

    def greet(self) -> list[bytes]:
        return [encode({"type": "connected", "connection_id": _CONNECTION, "message_id": 0})]

    def answer(self, request: bytes) -> list[bytes]:
        message = decode(request)
        channel, symbol = message.get("channel"), str(message.get("id", ""))
        if message.get("type") != "subscribe":
            return [self._refuse("Invalid message: type is required")]
        if channel == _CONTROL:
            self._blocks = True
            return [self._build("subscribed", _CONTROL, _CONTROL, b'{"height":"1"}')]
        if channel != _CHANNEL or not symbol:
            return [self._refuse(f"Invalid subscription id for channel: ({channel}-{symbol})")]
        if len(self._subscribed) >= _MOST:
            fault = f"Per-connection subscription limit reached for {channel} (limit={_MOST})."
            return [self._refuse(fault)]
        self._subscribed.add(symbol)
        old = Order(0, symbol, True, "7", "1000", "1000")  # noqa: FBT003 - a fact
        old_ms = time.time_ns() // 1_000_000 - _HISTORY_MS
        return [self._push("subscribed", symbol, [_build_trade(old, old_ms, "0", "LIQUIDATED")])]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        frames = []
        for symbol, group in group_by_symbol(events).items():
            if symbol in self._subscribed:
                first = group[0]
                other = _build_trade(first.order, first.time_ms, "other", "LIMIT")
                frames.append(self._push("channel_data", symbol, [other, *(e.row for e in group)]))
        return frames

    def control(self, _price: GetPrice, time_ms: int) -> list[bytes]:
        block = encode({"blockHeight": str(time_ms // 1000), "time": _format_time(time_ms)})
        return [self._build("channel_data", _CONTROL, _CONTROL, block)] if self._blocks else []

    def _push(self, kind: str, symbol: str, trades: Sequence[bytes]) -> bytes:
        return self._build(kind, _CHANNEL, symbol, b'{"trades":[%b]}' % b",".join(trades))

    def _build(self, kind: str, channel: str, name: str, contents: bytes) -> bytes:
        head = {"type": kind, "connection_id": _CONNECTION, "message_id": next(self._sent)}
        named = {**head, "channel": channel, "id": name, "version": "2.1.0"}
        return b'%b,"contents":%b}' % (encode(named)[:-1], contents)

    def _refuse(self, text: str) -> bytes:
        number = next(self._sent)
        refusal = {"message": text, "connection_id": _CONNECTION, "message_id": number}
        return encode({"type": "error", **refusal})


def _build_trade(order: Order, time_ms: int, fill: str, kind: str) -> bytes:
    return encode(
        {
            "id": fill,
            "side": "SELL" if order.closes_long else "BUY",
            "size": order.quantity,
            "price": order.average_price,
            "createdAt": _format_time(time_ms),
            "type": kind,
        }
    )


def _format_time(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
