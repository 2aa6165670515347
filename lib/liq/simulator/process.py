"""The random process behind the simulated exchange: when, which side, how large, at what price.

Times are a Hawkes process: each liquidation may set off others, mostly in the same contract and all
in the same direction, so that they come in cascades. Sizes are lognormal with a Pareto tail. Each
contract's price is a random walk that liquidations push on: longs down, shorts up.

Equal seeds give equal orders, whatever the clock does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_BRANCHING = 0.6  # liquidations that one sets off, on average
_DECAY_MS = 400.0  # mean delay of those
_CONTAGION = 0.25  # share of those in another contract
_VOLATILITY = 1.1e-4  # of the logarithm of the price in a second: 60 % a year
_PULL = 1e-4  # towards the first price, in a second: keeps a walk of days realistic
_IMPACT = 2e-5  # of 100,000 USD on the logarithm of the price
_MEDIAN_USD = 2_500.0
_SIGMA = 1.6
_TAIL_SHARE = 0.01
_TAIL_USD = 150_000.0
_TAIL_EXPONENT = 1.3
_LARGEST_USD = 30e6

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract of the simulated market; ``weight`` is its share of the liquidations.

    Quantities count units of ``multiplier`` base, or USD where ``inverse``.
    """

    symbol: str
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
    Contract("BTCUSDT", 97_250.0, 1, 3, 26),
    Contract("ETHUSDT", 3_480.0, 2, 3, 22),
    Contract("SOLUSDT", 188.0, 2, 2, 11),
    Contract("XRPUSDT", 2.31, 4, 1, 8),
    Contract("DOGEUSDT", 0.338, 5, 0, 7),
    Contract("BNBUSDT", 702.0, 2, 2, 4),
    Contract("1000PEPEUSDT", 0.0189, 7, 0, 4),
    Contract("ADAUSDT", 0.94, 4, 0, 3),
    Contract("LINKUSDT", 23.2, 3, 2, 3),
    Contract("AVAXUSDT", 39.8, 3, 1, 2),
    Contract("SUIUSDT", 4.55, 4, 1, 3),
    Contract("LTCUSDT", 112.0, 2, 3, 2),
    Contract("WIFUSDT", 1.92, 4, 1, 2),
    Contract("BTCUSDC", 97_260.0, 1, 3, 1.5),
    Contract("ETHUSDC", 3_481.0, 2, 3, 1),
    Contract("BTCUSDT_261225", 98_900.0, 1, 3, 0.5),
)


class Order(NamedTuple):
    """One liquidation order; numbers are the decimal text an exchange would send."""

    due_ms: int  # since the start of the process
    symbol: str
    closes_long: bool
    quantity: str
    limit_price: str
    average_price: str


class _Events(NamedTuple):
    time: Floats  # milliseconds since the start
    contract: Ints  # index into the market
    long: Bools


_NO_EVENTS = _Events(np.empty(0), np.empty(0, np.int64), np.empty(0, np.bool_))


class Process:
    """Endless liquidation orders, ``rate`` a second on average, due at times from 0 on."""

    def __init__(self, rate: float, seed: int = 0, market: tuple[Contract, ...] = MARKET) -> None:
        self._random = np.random.default_rng(seed)
        self._market = market
        self._rate = rate
        weights = np.array([contract.weight for contract in market])
        self._shares = weights / weights.sum()
        self._anchor = np.log([contract.price for contract in market])
        self._level = self._anchor.copy()
        self._traded = np.zeros(len(market))  # time of the last liquidation, milliseconds
        self._pending = _NO_EVENTS
        self._events(-10 * _DECAY_MS, 0)  # cascades are under way when it starts

    def orders(self) -> Iterator[Order]:
        """Yield orders by time; no two of a contract and millisecond have the same quantity."""
        length = min(max(round(512_000 / self._rate), 10), 5_000)  # whole milliseconds
        start = 0
        while True:
            yield from self._orders(self._events(start, start + length))
            start += length

    def price(self, symbol: str) -> float:
        """Return a contract's price now."""
        index = [contract.symbol for contract in self._market].index(symbol)
        return float(np.exp(self._level[index]))

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

    def _orders(self, events: _Events) -> Iterator[Order]:
        usd = self._sizes(events.time.size)
        prices = self._prices(events, usd)
        # the order is limited by the bankruptcy price, which is worse than what it gets
        slack = self._random.uniform(0.0005, 0.006, usd.size)
        limits = prices * np.where(events.long, 1 - slack, 1 + slack)
        taken: set[tuple[int, int, int]] = set()
        for time, index, long, size, price, limit in zip(
            *(column.tolist() for column in (*events, usd, prices, limits)), strict=True
        ):
            contract = self._market[index]
            units = size / contract.unit_usd(price)
            due, steps = int(time), round(units * 10**contract.quantity_decimals) or 1
            while (due, index, steps) in taken:
                steps += 1
            taken.add((due, index, steps))
            yield Order(
                due,
                contract.symbol,
                long,
                f"{steps / 10**contract.quantity_decimals:.{contract.quantity_decimals}f}",
                f"{limit:.{contract.price_decimals}f}",
                f"{price:.{contract.price_decimals}f}",
            )

    def _sizes(self, count: int) -> Floats:
        body = self._random.lognormal(np.log(_MEDIAN_USD), _SIGMA, count)
        tail = _TAIL_USD * (1 + self._random.pareto(_TAIL_EXPONENT, count))
        usd = np.where(self._random.random(count) < _TAIL_SHARE, tail, body)
        return np.minimum(usd, _LARGEST_USD)

    def _prices(self, events: _Events, usd: Floats) -> Floats:
        noise = self._random.standard_normal(usd.size) * _VOLATILITY
        impact = np.where(events.long, -_IMPACT, _IMPACT) * usd / 100_000
        levels = np.empty(usd.size)
        for index in np.unique(events.contract):
            mine = events.contract == index
            seconds = np.diff(events.time[mine], prepend=self._traded[index]) / 1000
            pull = min(1.0, _PULL * seconds.sum()) * (self._anchor[index] - self._level[index])
            moves = noise[mine] * np.sqrt(seconds) + impact[mine]
            levels[mine] = self._level[index] + pull + np.cumsum(moves)
            self._level[index] = levels[mine][-1]
            self._traded[index] = events.time[mine][-1]
        return np.exp(levels)


def _pick(events: _Events, which: Bools | Ints) -> _Events:
    return _Events(events.time[which], events.contract[which], events.long[which])


def _join(a: _Events, b: _Events) -> _Events:
    return _Events(
        np.concatenate((a.time, b.time)),
        np.concatenate((a.contract, b.contract)),
        np.concatenate((a.long, b.long)),
    )
