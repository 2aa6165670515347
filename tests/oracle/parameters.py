"""Random parameters of a query: what its entry declares, with an eye to the world's edges."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from liq.query.catalogue import Query
from oracle.world import ASSETS, BASES, DAYS, END, START, STRANGER, VENUES, World

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTHS = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))


def drawn(query: Query, rng: np.random.Generator, world: World) -> dict[str, Any]:
    """Return parameters for ``query``; those that are left out have their defaults."""
    given = {name: _DRAWS[name](query, rng, world) for name in query.params if name in _DRAWS}
    if query.key == "print":
        return _key(rng, world)
    if "from_ts" in given:
        given["to_ts"] = given["from_ts"] + timedelta(seconds=float(rng.exponential(2_000)))
    if (most := given.get("max_notional")) is not None:
        least = given.get("min_notional")
        least = query.params["min_notional"].default if least is None else least
        if most <= max(least or 0.0, 0.01):
            del given["max_notional"]  # an error, as no size is between
    return {name: value for name, value in given.items() if value is not None}


def _key(rng: np.random.Generator, world: World) -> dict[str, Any]:
    """Return values that select one print, or sometimes none."""
    rows = world.prints.dropna()
    row = rows.iloc[int(rng.integers(len(rows)))]
    moment = _EPOCH + timedelta(microseconds=int(row["ts"]))
    key = {"ts": moment, "exchange": row["exchange"], "symbol": row["symbol"]}
    return key | {"event_id": int(row["event_id"]) + int(rng.random() < 0.2)}


def _moment(_query: Query, rng: np.random.Generator, _world: World) -> datetime:
    span = (END - START) / timedelta(microseconds=1)
    moment = START + timedelta(microseconds=int(rng.integers(0, int(span * 1.02))))
    if rng.random() < 0.3:
        width = _WIDTHS[int(rng.integers(len(_WIDTHS)))]
        moment -= (moment - _EPOCH) % width
    return END if rng.random() < 0.1 else moment


def _window(_query: Query, rng: np.random.Generator, _world: World) -> timedelta:
    if rng.random() < 0.3:
        return timedelta(days=int(rng.integers(1, DAYS + 3)))
    seconds = float(np.exp(rng.uniform(0, np.log(DAYS * 86_400))))
    return timedelta(seconds=max(round(seconds, int(rng.integers(0, 7))), 1))


def _gap(query: Query, rng: np.random.Generator, _world: World) -> timedelta | None:
    return timedelta(seconds=round(float(np.exp(rng.uniform(0, np.log(3_600)))), 3))


def _some(names: list[str]) -> Callable[..., list[str]]:
    def draw(_query: Query, rng: np.random.Generator, _world: World) -> list[str]:
        if rng.random() < 0.5:
            return []
        return [str(name) for name in rng.choice(names, int(rng.integers(1, 4)), replace=False)]

    return draw


def _least(query: Query, rng: np.random.Generator, world: World) -> float | None:
    if rng.random() < 0.5:
        return None if query.params["min_notional"].default is None else 500.0
    return float(rng.choice([0.0, float(rng.choice(world.prints["notional"]))]))


def _most(_query: Query, rng: np.random.Generator, world: World) -> float | None:
    return None if rng.random() < 0.7 else float(rng.choice(world.prints["notional"]))


def _limit(_query: Query, rng: np.random.Generator, _world: World) -> int | None:
    return None if rng.random() < 0.5 else int(rng.choice([1, 2, 5, 50, 10_000]))


def _choice(name: str) -> Callable[..., Any]:
    def draw(query: Query, rng: np.random.Generator, _world: World) -> Any:
        return rng.choice([str(choice) for choice in query.params[name].choices])

    return draw


def _among(*values: Any) -> Callable[..., Any]:
    return lambda _query, rng, _world: values[int(rng.integers(len(values)))]


_SYMBOLS = [
    spelling.format(base) for _, spelling in VENUES.values() for base in BASES
] + ["NOPE", "a b;c=d"]  # fmt: skip
_DRAWS: dict[str, Callable[[Query, np.random.Generator, World], Any]] = {
    "until": _moment,
    "window": _window,
    "from_ts": _moment,
    "to_ts": _moment,
    "symbols": _some(sorted(set(_SYMBOLS))),
    "assets": _some([*ASSETS, "NOPE"]),
    "exchange": _some([*VENUES, STRANGER, "NOPE"]),
    "rules": _some(["burst", "feed_silent", "large", "NOPE"]),
    "min_notional": _least,
    "max_notional": _most,
    "limit": _limit,
    "bucket": _choice("bucket"),
    "by": _choice("by"),
    "gap": _gap,
    "look_back": lambda _query, rng, _world: timedelta(hours=float(rng.integers(1, 200))),
    "tolerance": _gap,
    "min_prints": lambda _query, rng, _world: int(rng.integers(2, 12)),
    "asset": _among(*ASSETS, "NOPE"),
    "bps": lambda _query, rng, _world: float(np.exp(rng.uniform(0, np.log(1_000)))),
    "least_usd": lambda _query, rng, _world: float(np.exp(rng.uniform(0, 15))),
    "width": _among(None, 60, 3600),
}
