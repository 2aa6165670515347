import itertools
import math
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest

from liq.ingest.simulator.exchanges import create_exchange
from liq.ingest.simulator.hawkes import MARKET, HawkesProcess, Order
from liq.ingest.venues import VENUES


def orders(rate: float, seed: int, number: int) -> list[Order]:
    return list(itertools.islice(HawkesProcess(rate, seed).orders(), number))


def usd(order: Order) -> float:
    return float(order.quantity) * float(order.average_price)


def test_equal_seeds_give_equal_orders_and_others_do_not() -> None:
    assert orders(100, 7, 2_000) == orders(100, 7, 2_000)
    assert orders(100, 7, 2_000) != orders(100, 8, 2_000)


@pytest.mark.parametrize("rate", [0.1, 5, 200, 15_000])
def test_the_rate_is_kept_on_average(rate: float) -> None:
    number = 40_000 if rate > 1 else 4_000
    seconds = orders(rate, 3, number)[-1].due_ms / 1000
    # clusters make the count of a span vary more than a Poisson process's does
    assert number / seconds == pytest.approx(rate, rel=0.1)


def test_orders_come_by_time_from_the_start_on() -> None:
    due = [order.due_ms for order in orders(1_000, 1, 5_000)]
    assert due == sorted(due)
    assert 0 <= due[0] < 100


def test_no_two_orders_of_a_contract_and_millisecond_are_alike() -> None:
    keys = Counter(
        (order.due_ms, order.symbol, order.quantity) for order in orders(100_000, 2, 100_000)
    )
    assert max(keys.values()) == 1
    assert len({order.due_ms for order in orders(100_000, 2, 100_000)}) < 2_000


def test_liquidations_come_in_cascades_of_one_direction() -> None:
    sample = orders(2, 5, 6_000)
    per_second = Counter(order.due_ms // 1000 for order in sample)
    counts = [per_second[second] for second in range(sample[-1].due_ms // 1000)]
    assert np.var(counts) / np.mean(counts) > 2  # 1 without cascades
    close = [
        (before, after)
        for before, after in itertools.pairwise(sample)
        if after.due_ms - before.due_ms < 100
    ]
    same = sum(before.closes_long == after.closes_long for before, after in close) / len(close)
    assert same > 0.75  # 0.5 without
    longs = sum(order.closes_long for order in sample) / len(sample)
    assert longs == pytest.approx(0.5, abs=0.05)


def test_sizes_have_a_heavy_tail() -> None:
    sizes = np.sort([usd(order) for order in orders(1_000, 9, 50_000)])
    assert 1_000 < np.median(sizes) < 5_000
    assert sizes[-len(sizes) // 100 :].sum() / sizes.sum() > 0.3  # the largest hundredth
    assert sizes[-1] > 2e6
    tail = sizes[-200:]
    exponent = 1 / np.mean(np.log(tail / tail[0]))  # Hill's estimate
    assert 0.8 < exponent < 2.5


def test_liquidated_longs_push_the_price_down_and_shorts_up() -> None:
    sample = [order for order in orders(500, 4, 60_000) if order.symbol == "BTCUSDT"]
    moves = {True: [], False: []}  # type: dict[bool, list[float]]
    for before, after in itertools.pairwise(sample):
        moves[after.closes_long].append(
            math.log(float(after.average_price) / float(before.average_price))
        )
    assert np.mean(moves[True]) < 0 < np.mean(moves[False])


def test_prices_wander_near_where_they_began_for_days() -> None:
    process = HawkesProcess(0.5, seed=6)
    *_, last = itertools.islice(process.orders(), 100_000)  # 55 hours
    for contract in MARKET:
        assert process.price(contract.symbol, last.due_ms) == pytest.approx(
            contract.price, rel=0.25
        )


def test_every_contract_occurs_by_its_weight_in_its_own_decimals() -> None:
    sample = orders(1_000, 11, 50_000)
    shares = Counter(order.symbol for order in sample)
    assert len(MARKET) >= 12
    for contract in MARKET:
        share = contract.weight / sum(one.weight for one in MARKET)
        assert shares[contract.symbol] / len(sample) == pytest.approx(share, rel=0.5)
    decimals = {one.symbol: (one.quantity_decimals, one.price_decimals) for one in MARKET}
    for order in sample[:2_000]:
        texts = (order.quantity, order.average_price, order.limit_price)
        quantity, average, limit = (-int(Decimal(text).as_tuple().exponent) for text in texts)
        assert (quantity, average, limit) == (*decimals[order.symbol], decimals[order.symbol][1])
        assert float(order.quantity) > 0


def test_a_closed_position_gets_a_better_price_than_its_bankruptcy_price() -> None:
    for order in orders(100, 12, 2_000):
        average, limit = float(order.average_price), float(order.limit_price)
        assert average > limit if order.closes_long else average < limit


@pytest.mark.parametrize("name", VENUES)
def test_sizes_are_alike_whatever_a_contract_counts(name: str) -> None:
    market = create_exchange(name).market
    contracts = {contract.symbol: contract for contract in market}
    sample = list(itertools.islice(HawkesProcess(100, 3, market).orders(), 5_000))
    worth = [
        float(order.quantity) * contracts[order.symbol].unit_usd(float(order.average_price))
        for order in sample
    ]
    assert 1_500 < np.median(worth) < 4_000  # US dollars
    assert {order.symbol for order in sample} == set(contracts)
    in_base = name.startswith(("binance_usdm", "bybit", "deribit", "bitfinex"))
    for order in sample:
        if contracts[order.symbol].inverse or not in_base:
            assert order.quantity.isdigit()
