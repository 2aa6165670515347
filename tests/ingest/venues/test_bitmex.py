import json
from typing import Any

import pytest

from liq.errors import RejectedMessage
from liq.ingest.venues.base import Parse, Parsed, SkipReason
from liq.ingest.venues.bitmex import BITMEX
from liq.records.model import Liquidation
from support.recordings import Recording

FOLLOW_UP = {SkipReason.FOLLOW_UP: 1}
GROWN = "e42d57c2-977f-4535-8428-608a379cebdf"  # recorded on 2024-11-13


def change(action: str, order: str, **fields: Any) -> str:
    row = {"orderID": order, "symbol": "XBTUSD", **fields}
    return json.dumps({"table": "liquidation", "action": action, "data": [row]})


def insert(order: str, quantity: float, symbol: str = "XBTUSD", price: float = 88635.6) -> str:
    return change("insert", order, symbol=symbol, side="Buy", price=price, leavesQty=quantity)


def mark(price: float, symbol: str = "XBTUSD") -> str:
    row = {"symbol": symbol, "markPrice": price}
    return json.dumps({"table": "instrument", "action": "update", "data": [row]})


class Feed:
    """A feed's parser: ``take`` returns the sizes of a frame's rows, or what was skipped."""

    def __init__(self, recording: Recording) -> None:
        self.parse: Parse = BITMEX.create_parser()
        self.recording = recording
        self.rows: list[Liquidation] = []

    def take(self, raw: str, later: int = 0) -> list[float] | dict[SkipReason, int]:
        found = self.parse(raw, self.recording.instruments, self.recording.recv_ts + later)
        self.rows = [one for one in found if isinstance(one, Liquidation)]
        passed = dict(found.passed) if isinstance(found, Parsed) else {}
        return [one.notional for one in self.rows] or passed


@pytest.fixture
def feed(recording: Recording) -> Feed:
    return Feed(recording)


def test_growth_of_an_order_is_a_liquidation(feed: Feed) -> None:
    assert feed.take(insert(GROWN, 12_900)) == [12_900]
    assert feed.take(change("update", GROWN, leavesQty=21_600, price=88700.0)) == [8_700]
    assert feed.rows[0].price == 88700.0
    assert feed.rows[0].side == "short"
    assert feed.take(change("update", GROWN, leavesQty=21_600)) == FOLLOW_UP


def test_fills_and_new_prices_are_no_liquidations(feed: Feed) -> None:
    assert feed.take(insert("a", 900)) == [900]
    assert feed.take(change("update", "a", price=90295.6)) == FOLLOW_UP
    assert feed.take(change("update", "a", leavesQty=400)) == FOLLOW_UP
    assert feed.take(change("update", "a", leavesQty=0)) == FOLLOW_UP
    assert feed.take(change("update", "a", leavesQty=500)) == [500]  # filled, and grown by 500
    assert feed.take(change("delete", "a")) == FOLLOW_UP
    assert feed.take(change("update", "unknown", leavesQty=500)) == FOLLOW_UP


def test_an_order_is_counted_once_over_connections_that_replace_each_other(feed: Feed) -> None:
    open_now = change("partial", "a", side="Buy", price=88635.6, leavesQty=900)
    assert feed.take(open_now) == {SkipReason.EARLIER: 1}  # over the new connection
    assert feed.take(insert("a", 900)) == [900]  # late, over the old one
    assert feed.take(insert("a", 900)) == FOLLOW_UP
    assert feed.take(open_now) == FOLLOW_UP


def test_fills_over_two_connections_are_no_growth(feed: Feed) -> None:
    fills = [change("update", "a", leavesQty=left) for left in (500, 200)]
    for fill in [insert("a", 900), *fills]:
        feed.take(fill)
    open_then = change("partial", "a", side="Buy", price=88635.6, leavesQty=900)
    for late in [open_then, *fills]:  # over the slower connection
        assert feed.take(late) == FOLLOW_UP
    assert feed.take(change("update", "a", leavesQty=700)) == [500]
    assert feed.take(change("update", "a", leavesQty=200)) == FOLLOW_UP
    assert feed.take(change("update", "a", leavesQty=500), later=60_000_000) == [300]


def test_growth_while_the_feed_was_disconnected_is_counted(feed: Feed) -> None:
    assert feed.take(insert("a", 900)) == [900]
    grown = change("partial", "a", side="Buy", price=88635.6, leavesQty=1_400)
    assert feed.take(grown) == [500]
    assert feed.take(grown) == FOLLOW_UP


def test_growth_of_an_order_that_was_open_before_is_counted(feed: Feed) -> None:
    feed.take(change("partial", "a", side="Buy", price=88635.6, leavesQty=900))
    assert feed.take(change("update", "a", leavesQty=1_400)) == [500]


def test_a_rejected_order_is_not_remembered(feed: Feed) -> None:
    for _ in range(2):
        with pytest.raises(RejectedMessage, match="unknown contract 'NEWUSD'"):
            feed.take(insert("a", 900, symbol="NEWUSD"))
    for odd in ("NaN", "sNaN", -1, "Infinity"):
        with pytest.raises(RejectedMessage):
            feed.take(change("insert", "b", side="Buy", price=1, leavesQty=odd))
    feed.take(insert("b", 900))
    for odd in ("NaN", "sNaN", -1, "Infinity"):
        with pytest.raises(RejectedMessage):
            feed.take(change("update", "b", leavesQty=odd))
    assert feed.take(change("update", "b", leavesQty=1_000)) == [100]


def test_a_quanto_contract_is_worth_its_satoshi_at_the_mark_price_of_bitcoin(feed: Feed) -> None:
    order = "190cb18e-f537-46b4-ac4b-25edaf28c677"
    assert feed.take(insert("before", 40, "ETHUSD", 3208.61)) == {SkipReason.NO_MARK: 1}
    assert feed.take(mark(3200, "ETHUSD")) == {}
    assert feed.take(mark(88_500)) == {}
    # 40 contracts of 100 satoshi a dollar of ETH's price
    [notional] = feed.take(insert(order, 40, "ETHUSD", 3208.61))
    assert notional == pytest.approx(40 * 3208.61 * 100e-8 * 88_500)
    [row] = feed.rows
    assert row.quantity == pytest.approx(40 * 100e-8 * 88_500)
    assert feed.take(mark(90_000)) == {}
    [grown] = feed.take(change("update", order, leavesQty=50))
    assert grown == pytest.approx(10 * 3208.61 * 100e-8 * 90_000)


def test_contracts_on_currencies_without_dollars_are_skipped(feed: Feed) -> None:
    feed.take(mark(88_500))
    assert feed.take(insert("a", 1, "EURCHF", 0.93)) == {SkipReason.NOT_IN_DOLLARS: 1}
