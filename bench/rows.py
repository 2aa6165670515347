"""Millions of realistic rows: all venues, power-law sizes, wandering prices, bursts."""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from liq.config import Settings
from liq.ingest.venues import VENUES
from liq.query import questdb
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS, PRICES, Stream

_SYMBOLS = 200  # a venue
_BASES = [f"A{number:03}" for number in range(_SYMBOLS)]
_PRICED = 20  # of them
_PRICE_S = 3
_BURSTS = 40  # a day
_IN_BURSTS = 0.3  # of all prints
_DAY_US = 86_400_000_000


def load_liquidations(settings: Settings, rows: int, days: int, end: datetime) -> Iterator[int]:
    """Write ``rows`` liquidations of the ``days`` before ``end``; yield how many after each day."""
    rng = np.random.default_rng(1)
    for day in range(days):
        start = end - timedelta(days=days - day)
        count = rows * (day + 1) // days - rows * day // days
        _insert(settings, LIQUIDATIONS, _liquidations(rng, start, count, first_id=day * rows))
        yield count


def load_health(settings: Settings, days: int, end: datetime) -> Iterator[int]:
    """Write a report a second a venue, with a lost connection now and then; yield their number."""
    rng = np.random.default_rng(2)
    for day in range(days):
        table = _health(rng, end - timedelta(days=days - day))
        _insert(settings, FEED_HEALTH, table)
        yield table.num_rows


def load_prices(settings: Settings, days: int, end: datetime) -> Iterator[int]:
    """Write a price every few seconds of the first bases, of one venue; yield their number."""
    rng = np.random.default_rng(3)
    for day in range(days):
        table = _prices(rng, end - timedelta(days=days - day))
        _insert(settings, PRICES, table)
        yield table.num_rows


def _liquidations(rng: np.random.Generator, start: datetime, count: int, first_id: int) -> pa.Table:
    ts = _micros(start) + _moments(rng, count)
    venues = list(VENUES.values())
    weights = 1 / np.arange(1, len(venues) + 1)
    venue = rng.choice(len(venues), count, p=weights / weights.sum())
    asset = (_SYMBOLS * rng.random(count) ** 4).astype(np.int64)  # a few have most of the prints
    price = _price(ts, asset) * (1 + rng.normal(0, 1e-4, count))
    notional = np.minimum(100 * rng.random(count) ** (-1 / 1.2), 2e7)  # Pareto, like real ones
    long = rng.random(count) < 0.5 + 0.3 * np.sin(ts / 3.6e9)
    completeness = [str(found.completeness) for found in venues]
    return pa.table(
        {
            "ts": pa.array(ts, pa.timestamp("us")),
            "recv_ts": pa.array(ts + 30_000, pa.timestamp("us")),
            "exchange": _names(venue, [found.name for found in venues]),
            "symbol": _names(asset, [f"{base}USDT" for base in _BASES]),
            "base": _names(asset, _BASES),
            "quote": _names(np.zeros(count, np.int64), ["USDT"]),
            "asset": _names(asset, _BASES),
            "side": _names(long, ["short", "long"]),
            "raw_side": _names(long, ["BUY", "SELL"]),
            "price": price,
            "price_kind": _names(np.zeros(count, np.int64), ["average"]),
            "quantity": notional / price,
            "asset_quantity": notional / price,
            "notional": notional,
            "event_id": np.arange(first_id, first_id + count),
            "completeness": _names(venue, completeness),
            "source": _names(np.zeros(count, np.int64), ["simulator"]),
        }
    )


def _moments(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return sorted microseconds of a day: a calm stream, and bursts that decay in seconds."""
    burst = rng.random(count) < _IN_BURSTS
    starts = rng.integers(0, _DAY_US, _BURSTS)
    within = rng.choice(starts, count) + rng.exponential(20e6, count).astype(np.int64)
    moments = np.where(burst, within, rng.integers(0, _DAY_US, count))
    return np.sort(moments % _DAY_US)


def _price(ts: np.ndarray, asset: np.ndarray) -> np.ndarray:
    price: np.ndarray = 90_000 / (1 + asset) ** 2 * (1 + 0.03 * np.sin(ts / _DAY_US + asset))
    return price


def _prices(rng: np.random.Generator, start: datetime) -> pa.Table:
    seconds = np.arange(0, 86_400, _PRICE_S)
    ts = _micros(start) + np.repeat(seconds, _PRICED) * 1_000_000
    asset = np.tile(np.arange(_PRICED), len(seconds))
    count = len(ts)
    price = _price(ts, asset) * (1 + rng.normal(0, 1e-4, count))
    return pa.table(
        {
            "ts": pa.array(ts, pa.timestamp("us")),
            "recv_ts": pa.array(ts + 30_000, pa.timestamp("us")),
            "exchange": _names(np.zeros(count, np.int64), ["binance_usdm"]),
            "symbol": _names(asset, [f"{base}USDT" for base in _BASES]),
            "base": _names(asset, _BASES),
            "quote": _names(np.zeros(count, np.int64), ["USDT"]),
            "asset": _names(asset, _BASES),
            "kind": _names(np.zeros(count, np.int64), ["mark"]),
            "price": price,
            "asset_price": price,
            "source": _names(np.zeros(count, np.int64), ["simulator"]),
        }
    )


def _health(rng: np.random.Generator, start: datetime) -> pa.Table:
    seconds = np.arange(86_400)
    count = len(seconds) * len(VENUES)
    ts = _micros(start) + np.repeat(seconds, len(VENUES)) * 1_000_000
    lost = rng.random(count) < 1e-5
    return pa.table(
        {
            "ts": pa.array(ts, pa.timestamp("us")),
            "exchange": _names(np.tile(np.arange(len(VENUES)), len(seconds)), list(VENUES)),
            "source": _names(np.zeros(count, np.int64), ["simulator"]),
            "completeness": _names(np.zeros(count, np.int64), ["full"]),
            "connected": ~lost,
            "messages": rng.poisson(5, count),
            "gaps": lost.astype(np.int64),
            "reconnects": lost.astype(np.int64),
            "lag": rng.exponential(0.03, count),
            "queued": np.zeros(count, np.int64),
            "stopped": np.zeros(count, bool),
        }
    )


def _names(codes: np.ndarray, names: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), names).cast(pa.string())


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _insert(settings: Settings, stream: Stream, rows: pa.Table) -> None:
    """Write ``rows`` through a file in QuestDB's folder for imports."""
    folder = settings.home / "questdb" / "import"
    folder.mkdir(exist_ok=True)
    file = folder / f"{uuid.uuid4().hex}.parquet"  # QuestDB may still hold an earlier file open
    pq.write_table(rows, file)
    columns = ", ".join(f"{name}::{kind}" for name, kind in stream.columns().items())
    sql = f"INSERT INTO {stream.table(settings)} SELECT {columns} FROM read_parquet('{file.name}')"  # noqa: S608
    questdb.execute(sql, settings=settings)
    file.unlink()
