"""Deribit's side of ``trades``: JSON-RPC, heartbeats, liquidations among ordinary trades.

Source: https://docs.deribit.com/#trades-kind-currency-interval
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

_FLIPPED = {"buy": "sell", "sell": "buy"}


class Deribit(BaseExchange):
    """Futures; now the taker of a trade is liquidated, now its maker."""

    whole = False
    gathers_s = 0.1
    cuts_s = 60.0

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session(self.market[0].symbol)

    def price(self, order: Order) -> str:
        """Return the price of the trade."""
        return order.average_price

    def row(self, order: Order, time_ms: int) -> bytes:
        """Return the JSON of a trade, with the taker's direction, whichever side is liquidated."""
        closing = "sell" if order.closes_long else "buy"
        maker = time_ms % 2 == 1
        return _build_trade(
            order, time_ms, _FLIPPED[closing] if maker else closing, "M" if maker else "T"
        )


class _Session:
    def __init__(self, some_symbol: str) -> None:
        self._some_symbol = some_symbol
        self._channels: list[str] = []
        self._beats = False

    @property
    def is_subscribed(self) -> bool:
        return bool(self._channels)

    def greet(self) -> list[bytes]:
        return []

    def answer(self, request: bytes) -> list[bytes]:
        message = decode(request)
        method, params = message.get("method"), message.get("params")
        result: object = "ok"
        if method == "public/set_heartbeat":
            self._beats = True
        elif method == "public/test":
            result = {"version": "1.2.26"}
        elif method == "public/subscribe" and isinstance(params, dict):
            channels = params.get("channels")
            listed = channels if isinstance(channels, list) else ()
            result = self._channels = [str(channel) for channel in listed]
        else:
            error = {"code": -32601, "message": "Method not found"}
            return [encode({"jsonrpc": "2.0", "id": message.get("id"), "error": error})]
        return [encode({"jsonrpc": "2.0", "id": message.get("id"), "result": result})]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        first = events[0]
        return self._push(
            [_build_trade(first.order, first.time_ms, "buy"), *(e.row for e in events)]
        )

    def control(self, price: GetPrice, time_ms: int) -> list[bytes]:
        beat = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
        order = Order(0, self._some_symbol, False, "10", *[f"{price(self._some_symbol):.1f}"] * 2)  # noqa: FBT003
        trade = _build_trade(order, time_ms, "sell")
        return [*([encode(beat)] if self._beats else []), *self._push([trade])]

    def _push(self, trades: Sequence[bytes]) -> list[bytes]:
        return [
            b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"%b","data":[%b]}}'
            % (channel.encode(), b",".join(trades))
            for channel in self._channels
        ]


def _build_trade(order: Order, time_ms: int, direction: str, mark: str = "") -> bytes:
    marked = f',"liquidation":"{mark}"' if mark else ""
    price = order.average_price
    return (
        f'{{"trade_seq":{time_ms},"trade_id":"{number_order(order, time_ms)}",'
        f'"timestamp":{time_ms},'
        f'"tick_direction":0,"price":{price},"index_price":{price},'
        f'"instrument_name":"{order.symbol}","direction":"{direction}","amount":{order.quantity}'
        f"{marked}}}"
    ).encode()
