"""Orderly's side of ``liquidated_positions``: over a websocket, as the frames that polling makes.

Source: https://orderly.network/docs/build-on-omnichain/restful-api/public/get-liquidated-positions-info
The real venue has a REST API; ``tests/ingest/test_polling.py`` has the server's side of that.
"""

from collections.abc import Sequence
from itertools import count

from liq.ingest.simulator.exchange import BaseExchange, Event, GetPrice, encode, join_rows
from liq.ingest.simulator.hawkes import Order


class Orderly(BaseExchange):
    """Perpetuals; a position is transferred, not sold."""

    whole = False
    gathers_s = 2.0

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._transfers = count(1)

    def session(self, path: str) -> "_Session":
        """Return the session of a client at ``path``. Raises `ValueError` for an unknown path."""
        self.check(path)
        return _Session()

    def price(self, order: Order) -> str:
        """Return the price of the transfer."""
        return order.average_price

    def row(self, order: Order, time_ms: int) -> bytes:
        """The sign is the position's: below zero is a short."""
        number = next(self._transfers)
        sign = "" if order.closes_long else "-"
        cost = float(order.quantity) * float(order.average_price)
        return (
            f'{{"timestamp":{time_ms},"liquidation_id":{number},'
            f'"transfer_amount_to_insurance_fund":0,"type":"liquidated","positions_by_perp":['
            f'{{"symbol":"{order.symbol}","seq":{1_730_181_536_341_943_600 + number},'
            f'"position_qty":{sign}{order.quantity},"liquidator_fee":0.003,'
            f'"cost_position_transfer":{sign}{cost:.6f},"transfer_price":{order.average_price},'
            f'"insurance_fund_fee":0.003}}]}}'
        ).encode()


class _Session:
    is_subscribed = True

    def greet(self) -> list[bytes]:
        return []

    def answer(self, _request: bytes) -> list[bytes]:
        return [encode({"success": False, "code": -1000, "message": "there is nothing to ask"})]

    def liquidations(self, events: Sequence[Event]) -> list[bytes]:
        return [join_rows(events)]

    def control(self, _price: GetPrice, _time_ms: int) -> list[bytes]:
        return [b"[]"]
