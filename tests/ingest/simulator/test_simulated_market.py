import itertools
import math
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest

from liq.ingest.simulator.exchanges import create_exchange
from liq.ingest.simulator.hawkes import MARKET, Draft, HawkesProcess, Order, Walk
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
    for order in sample:
        contract = contracts[order.symbol]
        assert len(order.quantity.partition(".")[2]) <= contract.quantity_decimals
        assert order.quantity.isdigit() or not contract.inverse


def begun(seed: int = 0) -> Walk:
    walk = Walk(seed)
    walk.begin(0)
    return walk


def test_before_the_first_liquidation_prices_are_the_first_ones() -> None:
    walk = Walk()
    assert walk.factor("BTC", 1e12) == 1
    walk.begin(1e12)
    walk.begin(0)  # too late
    assert walk.factor("BTC", 1e12) == 1
    assert walk.factor("BTC", 1e12 + 60_000) != 1


def test_a_seed_s_walk_is_the_same_whoever_asks_and_when() -> None:
    often, once = begun(7), begun(7)
    asked = [often.factor("BTC", second * 1000) for second in range(2_000)]
    assert once.factor("BTC", 1_999_000) == asked[-1]
    assert once.factor("BTC", 1_950_000) == asked[1_950]  # an exchange that is behind
    assert begun(8).factor("BTC", 1_999_000) != asked[-1]
    assert once.factor("ETH", 1_999_000) != asked[-1]
    moves = np.diff(np.log(asked))
    assert np.std(moves) == pytest.approx(1.1e-4, rel=0.1)  # in a second


def test_a_push_moves_the_price_and_is_recovered_in_part() -> None:
    pushed, left_alone = begun(), begun()
    assert pushed.push("BTC", 1_000, -1_600_000) < left_alone.factor("BTC", 1_000)

    def moved(at: float) -> float:
        return math.log(pushed.factor("BTC", at) / left_alone.factor("BTC", at))

    assert moved(1_000) == pytest.approx(-8e-4)
    assert moved(31_000) == pytest.approx(-8e-4 * (0.35 + 0.65 / math.e))
    assert moved(601_000) == pytest.approx(-8e-4 * 0.35)
    assert pushed.factor("ETH", 1_000) == left_alone.factor("ETH", 1_000)


def test_pushes_out_of_order_add_up() -> None:
    walk, left_alone = begun(), begun()
    walk.push("BTC", 5_000, 100_000)
    walk.push("BTC", 4_990, 100_000)
    moved = math.log(walk.factor("BTC", 5_000) / left_alone.factor("BTC", 5_000))
    assert moved == pytest.approx(4e-4)


def test_exchanges_share_the_price_of_an_asset() -> None:
    walk = begun()
    binance, bybit = (
        HawkesProcess(100, seed, create_exchange(name).market, walk)
        for seed, name in enumerate(["binance_usdm", "bybit"])
    )
    before = bybit.price("BTCUSDT", 60_000)
    [bitcoin] = [one for one in create_exchange("binance_usdm").market if one.symbol == "BTCUSDT"]
    order = binance.order(Draft(60_000, bitcoin, closes_long=True, usd=30e6, slack=0.001))
    after = bybit.price("BTCUSDT", 60_000)
    assert after == pytest.approx(float(order.average_price), abs=0.1)
    assert after == pytest.approx(before * (1 - 2e-4 * math.sqrt(300)), rel=1e-5)


def test_large_liquidations_show_in_the_prices_after_them() -> None:
    walk = begun(3)
    process = HawkesProcess(5, 3, walk=walk)
    hours = itertools.takewhile(lambda one: one.due_ms < 4 * 3_600_000, process.drafts())
    moves: list[list[float]] = []
    waiting: list[tuple[float, str, int, float, float]] = []
    for draft in hours:
        while waiting and waiting[0][0] <= draft.due_ms:
            then, its_base, its_sign, its_before, its_at = waiting.pop(0)
            later = its_sign * math.log(walk.factor(its_base, then))
            moves.append([its_at - its_before, later - its_before])
        base, due = draft.contract.base, draft.due_ms
        sign = -1 if draft.closes_long else 1
        before = sign * math.log(walk.factor(base, due))
        process.order(draft)
        if draft.usd > 5e5:
            at = sign * math.log(walk.factor(base, due))
            waiting.append((due + 300_000, base, sign, before, at))
    assert len(moves) > 50
    at, later = np.mean(moves, axis=0) * 10_000  # bps
    assert at > 4
    assert later < at
