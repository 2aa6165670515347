"""The random process of the simulated exchange: times, sides, sizes and prices of liquidations.

Times are a Hawkes process: each liquidation may trigger others, mostly in the same contract and all
in the same direction, so that they come in cascades. Sizes are lognormal with a Pareto tail. Each
liquidation moves the price of its base asset: longs down, shorts up.

The price of a base asset is a random walk, the same for all simulated exchanges. A liquidation
pushes it by the root of its size. Part of the push stays. The price recovers the other part within
about a minute, as after a market order.

Equal seeds give equal orders, whatever the clock does. If several exchanges share the price, their
orders move it too.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_BRANCHING = 0.6  # liquidations that one triggers, on average
_DECAY_MS = 400.0  # mean delay of triggered ones
_CONTAGION = 0.25  # share of triggered ones in another contract
_MEDIAN_USD = 2_500.0
_SIGMA = 1.6
_TAIL_SHARE = 0.01
_TAIL_USD = 150_000.0
_TAIL_EXPONENT = 1.3
_LARGEST_USD = 30e6

_STEP_MS = 100.0
_STEPS = 4096  # drawn at a time
_VOLATILITY = 1.1e-4  # of the logarithm of the price in a second: 60 % a year
_PULL = 1e-4  # towards the first price, in a second: keeps a walk of days realistic
_IMPACT = 2e-4  # of 100,000 USD on the logarithm of the price
_LASTING = 0.35  # share of it that stays
_RECOVERY_MS = 30_000.0  # mean delay of the rest's going

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract of the simulated market.

    ``price`` is its first one, ``weight`` its share of the liquidations. Quantities count units of
    ``multiplier`` base, or USD where ``inverse``.
    """

    symbol: str
    base: str
    price: float
    price_decimals: int
    quantity_decimals: int
    weight: float
    multiplier: float = 1.0
    inverse: bool = False

    def unit_usd(self, price: float) -> float:
        """Return what a quantity of one is worth at ``price``."""
        return self.multiplier if self.inverse else self.multiplier * price


MARKET = (
    Contract("BTCUSDT", "BTC", 97_250.0, 1, 3, 26),
    Contract("ETHUSDT", "ETH", 3_480.0, 2, 3, 22),
    Contract("SOLUSDT", "SOL", 188.0, 2, 2, 11),
    Contract("XRPUSDT", "XRP", 2.31, 4, 1, 8),
    Contract("DOGEUSDT", "DOGE", 0.338, 5, 0, 7),
    Contract("BNBUSDT", "BNB", 702.0, 2, 2, 4),
    Contract("1000PEPEUSDT", "1000PEPE", 0.0189, 7, 0, 4),
    Contract("ADAUSDT", "ADA", 0.94, 4, 0, 3),
    Contract("LINKUSDT", "LINK", 23.2, 3, 2, 3),
    Contract("AVAXUSDT", "AVAX", 39.8, 3, 1, 2),
    Contract("SUIUSDT", "SUI", 4.55, 4, 1, 3),
    Contract("LTCUSDT", "LTC", 112.0, 2, 3, 2),
    Contract("WIFUSDT", "WIF", 1.92, 4, 1, 2),
    Contract("BTCUSDC", "BTC", 97_260.0, 1, 3, 1.5),
    Contract("ETHUSDC", "ETH", 3_481.0, 2, 3, 1),
    Contract("BTCUSDT_261225", "BTC", 98_900.0, 1, 3, 0.5),
)


class Order(NamedTuple):
    """One liquidation order; numbers are the decimal text an exchange would send."""

    due_ms: int  # since the start of the process
    symbol: str
    closes_long: bool
    quantity: str
    limit_price: str
    average_price: str


class Draft(NamedTuple):
    """An order before it is due: all but its price."""

    due_ms: float
    contract: Contract
    closes_long: bool
    usd: float
    slack: float  # between what it gets and its limit, as a share of the price


class _Events(NamedTuple):
    time: Floats  # milliseconds since the start
    contract: Ints  # index into the market
    long: Bools


_NO_EVENTS = _Events(np.empty(0), np.empty(0, np.int64), np.empty(0, np.bool_))


class Walk:
    """Prices by base asset; times are UTC milliseconds.

    Its time begins with the first liquidation: before `begin` all prices are the first ones. The
    walk is the same for equal seeds, whoever asks and when; pushes come as they come.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._begun: float | None = None
        self._assets: dict[str, _Asset] = {}

    def begin(self, time_ms: float) -> None:
        """Let time begin, unless it has."""
        if self._begun is None:
            self._begun = time_ms

    def factor(self, base: str, time_ms: float) -> float:
        """Return the price at a time, as a multiple of the first one."""
        return math.exp(self._asset(base).level(self._since(time_ms)))

    def push(self, base: str, time_ms: float, usd: float) -> float:
        """Buy for ``usd`` (sell, below zero); return the price after it, as `factor` does."""
        asset, at = self._asset(base), self._since(time_ms)
        asset.push(at, usd)
        return math.exp(asset.level(at))

    def _since(self, time_ms: float) -> float:
        return 0.0 if self._begun is None else max(0.0, time_ms - self._begun)

    def _asset(self, base: str) -> "_Asset":
        if base not in self._assets:
            self._assets[base] = _Asset(np.random.default_rng([self._seed, *base.encode()]))
        return self._assets[base]


@dataclass(slots=True)
class _Asset:
    """Logarithms of a price over its first one; times are milliseconds since the beginning."""

    random: np.random.Generator
    steps: list[float] = field(default_factory=lambda: [0.0])  # of the walk, from the ``first``th
    first: int = 0
    pushed: float = 0.0  # when
    lasting: float = 0.0
    passing: float = 0.0

    def level(self, at: float) -> float:
        left = math.exp(-max(0.0, at - self.pushed) / _RECOVERY_MS)
        return self._walk(at) + self.lasting + self.passing * left

    def push(self, at: float, usd: float) -> None:
        since = max(0.0, at - self.pushed)  # exchanges are a moment apart
        impact = math.copysign(_IMPACT * math.sqrt(abs(usd) / 100_000), usd)
        self.pushed += since
        self.lasting = self.lasting * math.exp(-_PULL * since / 1000) + _LASTING * impact
        self.passing = self.passing * math.exp(-since / _RECOVERY_MS) + (1 - _LASTING) * impact

    def _walk(self, at: float) -> float:
        step = int(at // _STEP_MS)
        while step >= self.first + len(self.steps):
            self._draw()
        return self.steps[max(0, step - self.first)]

    def _draw(self) -> None:
        """Walk on; forget all but what was drawn last, in which others may still be."""
        noise = self.random.standard_normal(_STEPS) * _VOLATILITY * math.sqrt(_STEP_MS / 1000)
        pull = np.exp(-_PULL * _STEP_MS / 1000 * np.arange(1, _STEPS + 1))
        walked = self.steps[-1] * pull + np.cumsum(noise)
        kept = self.steps[-_STEPS:]
        self.first += len(self.steps) - len(kept)
        self.steps = [*kept, *walked.tolist()]


class HawkesProcess:
    """Endless liquidation orders, ``rate`` a second on average, due at times from 0 on."""

    def __init__(
        self,
        rate: float,
        seed: int = 0,
        market: tuple[Contract, ...] = MARKET,
        walk: Walk | None = None,
    ) -> None:
        self._walk = walk or Walk(seed)
        self._due = 0
        self._taken: set[tuple[str, int]] = set()  # contracts and quantities of that millisecond
        self._random = np.random.default_rng(seed)
        self._market = market
        self._rate = rate
        weights = np.array([contract.weight for contract in market])
        self._shares = weights / weights.sum()
        self._pending = _NO_EVENTS
        self._events(-10 * _DECAY_MS, 0)  # cascades are under way when it starts

    def orders(self) -> Iterator[Order]:
        """Yield orders by time, the first ones at zero."""
        self._walk.begin(0)
        return map(self.order, self.drafts())

    def order(self, draft: Draft, epoch_ms: int = 0) -> Order:
        """Return a draft as an order that is due so long after ``epoch_ms``, and push the price.

        No two of a contract and millisecond have the same quantity.
        """
        contract, due = draft.contract, int(draft.due_ms)
        usd = -draft.usd if draft.closes_long else draft.usd
        moved = self._walk.push(contract.base, epoch_ms + draft.due_ms, usd)
        price = contract.price * moved
        # the order is limited by the bankruptcy price, which is worse than what it gets
        limit = price * (1 - draft.slack if draft.closes_long else 1 + draft.slack)
        steps = self._steps(due, contract, draft.usd / contract.unit_usd(price))
        return Order(
            due,
            contract.symbol,
            draft.closes_long,
            f"{steps / 10**contract.quantity_decimals:.{contract.quantity_decimals}f}",
            f"{limit:.{contract.price_decimals}f}",
            f"{price:.{contract.price_decimals}f}",
        )

    def drafts(self) -> Iterator[Draft]:
        """Yield drafts by time."""
        length = min(max(round(512_000 / self._rate), 10), 5_000)  # whole milliseconds
        start = 0
        while True:
            yield from self._drafts(self._events(start, start + length))
            start += length

    def price(self, symbol: str, time_ms: float) -> float:
        """Return a contract's price at a time."""
        [contract] = [one for one in self._market if one.symbol == symbol]
        return contract.price * self._walk.factor(contract.base, time_ms)

    def _events(self, start: float, end: float) -> _Events:
        due = self._pending.time < end
        fresh = _join(_pick(self._pending, due), self._spontaneous(start, end))
        found, later = fresh, _pick(self._pending, ~due)
        while fresh.time.size:
            children = self._children(fresh)
            due = children.time < end
            later = _join(later, _pick(children, ~due))
            fresh = _pick(children, due)
            found = _join(found, fresh)
        self._pending = later
        return _pick(found, np.argsort(found.time, kind="stable"))

    def _spontaneous(self, start: float, end: float) -> _Events:
        mean = self._rate * (1 - _BRANCHING) * (end - start) / 1000
        count = self._random.poisson(mean)
        return _Events(
            self._random.uniform(start, end, count),
            self._random.choice(len(self._market), count, p=self._shares),
            self._random.random(count) < 0.5,
        )

    def _children(self, parents: _Events) -> _Events:
        counts = self._random.poisson(_BRANCHING, parents.time.size)
        origin = _pick(parents, np.repeat(np.arange(parents.time.size), counts))
        size = origin.time.size
        elsewhere = self._random.random(size) < _CONTAGION
        other = self._random.choice(len(self._market), size, p=self._shares)
        return _Events(
            origin.time + self._random.exponential(_DECAY_MS, size),
            np.where(elsewhere, other, origin.contract),
            origin.long,
        )

    def _drafts(self, events: _Events) -> Iterator[Draft]:
        usd = self._sizes(events.time.size)
        slack = self._random.uniform(0.0005, 0.006, usd.size)
        columns = (column.tolist() for column in (*events, usd, slack))
        for time, index, long, size, share in zip(*columns, strict=True):
            yield Draft(time, self._market[index], long, size, share)

    def _steps(self, due: int, contract: Contract, units: float) -> int:
        steps = round(units * 10**contract.quantity_decimals) or 1
        if due != self._due:
            self._due = due
            self._taken.clear()
        while (contract.symbol, steps) in self._taken:
            steps += 1
        self._taken.add((contract.symbol, steps))
        return steps

    def _sizes(self, count: int) -> Floats:
        body = self._random.lognormal(np.log(_MEDIAN_USD), _SIGMA, count)
        tail = _TAIL_USD * (1 + self._random.pareto(_TAIL_EXPONENT, count))
        usd = np.where(self._random.random(count) < _TAIL_SHARE, tail, body)
        return np.minimum(usd, _LARGEST_USD)


def _pick(events: _Events, which: Bools | Ints) -> _Events:
    return _Events(events.time[which], events.contract[which], events.long[which])


def _join(a: _Events, b: _Events) -> _Events:
    return _Events(
        np.concatenate((a.time, b.time)),
        np.concatenate((a.contract, b.contract)),
        np.concatenate((a.long, b.long)),
    )
