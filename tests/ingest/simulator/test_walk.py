import itertools
import math

import numpy as np
import pytest

from liq.ingest.simulator.exchanges import create_exchange
from liq.ingest.simulator.hawkes import Draft, HawkesProcess
from liq.ingest.simulator.walk import Walk


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
