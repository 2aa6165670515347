"""What a base asset costs, the same for all simulated exchanges: a random walk that is pushed on.

A liquidation pushes the price in its direction, by the root of its size. Part of that stays, the
rest is recovered within about a minute, as of a market order's.

The walk itself is the same for equal seeds, whoever asks and when; pushes come as they come.
"""

import math
from dataclasses import dataclass, field

import numpy as np

_STEP_MS = 100.0
_STEPS = 4096  # drawn at a time
_VOLATILITY = 1.1e-4  # of the logarithm of the price in a second: 60 % a year
_PULL = 1e-4  # towards the first price, in a second: keeps a walk of days realistic
_IMPACT = 2e-4  # of 100,000 USD on the logarithm of the price
_LASTING = 0.35  # share of it that stays
_RECOVERY_MS = 30_000.0  # mean delay of the rest's going


class Walk:
    """Prices by base asset; times are UTC milliseconds.

    Its time begins with the first liquidation: before `begin` all prices are the first ones.
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
