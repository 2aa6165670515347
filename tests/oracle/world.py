"""Nine days of rows: bursts, ties, silences, late and foreign rows, mixed sources, lost feeds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd

from liq.config import Settings
from liq.query import views
from liq.records.streams import (
    ALERTS,
    CASCADES,
    FEED_HEALTH,
    LIQUIDATIONS,
    PRICES,
    STREAMS,
    SUMS,
    Stream,
)
from support.rows import load, own_table, refresh_views

END = datetime(2026, 1, 10, 7, 23, 45, 678_901, tzinfo=UTC)
DAYS = 9
START = END - timedelta(days=DAYS)
VENUES = {  # their feeds' completeness, and how they spell a contract
    "binance_usdm": ("throttled", "{}USDT"),
    "bybit": ("full", "{}USDT"),
    "okx": ("sampled", "{}-USDT-SWAP"),
    "bitmex": ("full", "{}USD"),
}
STRANGER = "nowhere"  # reports, though liq knows no such exchange
BASES = ["BTC", "ETH", "SOL", "XRP", "1000PEPE", "PEPE"]
PRICE = {
    "BTC": 90_000.0, "ETH": 3_000.0, "SOL": 150.0, "XRP": 2.0, "1000PEPE": 0.007, "PEPE": 7e-6,
}  # fmt: skip
ASSETS = ["BTC", "ETH", "SOL", "XRP", "PEPE"]
# of prices: seconds between two, and on which day they begin
QUOTED = {"BTC": (13, 0), "ETH": (29, 0), "SOL": (61, 1), "XRP": (47, 7), "1000PEPE": (31, 2)}
SOURCES = ["live", "simulator", "replay", "cryptofeed"]
DAY = 86_400_000_000
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class World:
    """The tables' rows as QuestDB should hold them, ``ts`` as microseconds since 1970."""

    prints: pd.DataFrame
    prices: pd.DataFrame
    health: pd.DataFrame
    alerts: pd.DataFrame
    cascades: pd.DataFrame
    sums: pd.DataFrame
    odd: pd.DataFrame  # prints that no query counts, with the fields that are ``broken``

    def of(self, stream: Stream) -> pd.DataFrame:
        """Return the rows of ``stream``."""
        return {
            LIQUIDATIONS: self.prints,
            PRICES: self.prices,
            FEED_HEALTH: self.health,
            ALERTS: self.alerts,
            CASCADES: self.cascades,
            SUMS: self.sums,
        }[stream]


@cache
def world(seed: int, rows: int = 30_000) -> World:
    """Return rows that depend on ``seed`` alone."""
    rng = np.random.default_rng(seed)
    prints = _prints(rng, rows)
    in_order = prints["broken"] == ""
    return World(
        prints=prints[in_order].drop(columns="broken"),
        odd=prints[~in_order],
        prices=_prices(rng),
        health=_health(rng, rows * 3),
        alerts=_alerts(rng),
        cascades=_cascades(rng),
        sums=_sums(rng),
    )


def loaded(stack: Settings, rows: World) -> Settings:
    """Return settings whose new tables and views hold ``rows``, written late and some twice."""
    forever = {stream.name: {"ttl_days": 0} for stream in STREAMS}
    settings = own_table(stack.with_streams(**forever))
    views.ensure(settings)
    load(settings, LIQUIDATIONS, rows.odd.drop(columns="broken"))
    for stream in STREAMS:
        frame = rows.of(stream)
        late = np.random.default_rng(5).random(len(frame)) < 0.1
        load(settings, stream, frame[~late])
        load(settings, stream, frame[late])
        load(settings, stream, frame.head(500))
    refresh_views(settings)
    return settings


def micros(moment: datetime) -> int:
    """Return microseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _moments(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return calm ones, bursts that decay within seconds, ties, and a silence of half a day."""
    calm = rng.integers(0, DAYS * DAY, count)
    starts = rng.integers(0, DAYS * DAY, max(count // 100, 1))
    after = rng.exponential(4e6, count) * (rng.random(count) < 0.8)  # several venues at once
    burst = rng.choice(starts, count) + after.astype(np.int64)
    moments = np.where(rng.random(count) < 0.6, burst, calm) % (DAYS * DAY)
    moments = np.where(rng.random(count) < 0.1, moments // SECOND * SECOND, moments)
    tied = rng.random(count) < 0.05
    moments[tied] = rng.choice(moments, tied.sum())
    silent = (moments > 4 * DAY) & (moments < 4.5 * DAY)
    moments[silent] -= DAY
    return micros(START) + moments


def _prints(rng: np.random.Generator, count: int) -> pd.DataFrame:
    ts = _moments(rng, count)
    base = rng.choice(BASES, count, p=[0.4, 0.25, 0.15, 0.1, 0.05, 0.05])
    exchange = rng.choice(list(VENUES), count, p=[0.4, 0.3, 0.2, 0.1])
    names = zip(exchange, base, strict=True)
    price = np.array([PRICE[name] for name in base]) * (1 + 0.05 * rng.standard_normal(count))
    notional = np.maximum(np.round(100 * rng.random(count) ** -0.9 * 8) / 8, 0.125)
    frame = pd.DataFrame(
        {
            "ts": ts,
            "recv_ts": ts + rng.integers(0, 500_000, count),
            "exchange": exchange,
            "symbol": [VENUES[venue][1].format(asset) for venue, asset in names],
            "base": base,
            "quote": "USDT",
            "side": rng.choice(["long", "short"], count),
            "raw_side": "x",
            "price": price,
            "price_kind": rng.choice(["average", "bankruptcy", "limit"], count),
            "quantity": notional / price,
            "notional": np.minimum(notional, 5e7),  # eighths: their sums are exact in any order
            "event_id": np.arange(count) + 1,
            "completeness": [VENUES[venue][0] for venue in exchange],
            "source": rng.choice(SOURCES, count, p=[0.7, 0.15, 0.1, 0.05]),
        }
    )
    foreign = rng.random((5, count)) < 0.002
    frame.loc[foreign[0], "side"] = "SELL"
    frame.loc[foreign[1], "source"] = "mybot"
    frame.loc[foreign[2], "completeness"] = "some"
    frame.loc[foreign[3], "symbol"] = None
    frame.loc[foreign[4], ["base", "symbol"]] = ["Ünï,c=o de", "a b,c=d"]
    marks = {"symbol": 3, "side": 0, "completeness": 2, "source": 1}  # in the order of the columns
    frame["symbol"] = frame["symbol"].astype(object)
    broken = pd.Series("", index=frame.index)
    for name, number in marks.items():
        is_broken = foreign[number] & (frame["symbol"].isna() if name == "symbol" else True)
        broken += np.where(is_broken, f"{name} ", "")
    frame["broken"] = broken.str.strip()
    _add_assets(frame, after="quote")
    units = _units(frame["base"])
    frame.insert(list(frame).index("quantity") + 1, "asset_quantity", frame["quantity"] * units)
    return frame.sort_values("ts", ignore_index=True)


def _add_assets(frame: pd.DataFrame, after: str) -> None:
    assets = frame["base"].str.removeprefix("1000")
    frame.insert(list(frame).index(after) + 1, "asset", assets)


def _units(bases: pd.Series) -> np.ndarray:
    return np.where(bases.str.startswith("1000"), 1_000.0, 1.0)


def _prices(rng: np.random.Generator) -> pd.DataFrame:
    found = []
    for base, (step, day) in QUOTED.items():
        ts = np.arange(micros(START) + day * DAY, micros(END), step * SECOND)
        ts = np.unique(ts + rng.integers(0, 3 * SECOND, len(ts)))
        holes = rng.choice(ts, 30)  # no message for up to 20 minutes
        ts = _without(ts, holes, rng.integers(0, 1_200, len(holes)) * SECOND)
        walk = np.exp(np.cumsum(rng.normal(0, 2e-4, len(ts))))
        changes = np.cumsum(rng.random(len(ts)) < 0.002) % 3
        source = np.array(["live", "simulator", "replay"])[changes]
        found.append(
            pd.DataFrame(
                {
                    "ts": ts, "recv_ts": ts + 30_000, "exchange": "binance_usdm",
                    "symbol": f"{base}USDT", "base": base, "quote": "USDT", "kind": "mark",
                    "price": PRICE[base] * walk, "source": source,
                }
            )
        )  # fmt: skip
    frame = pd.concat(found, ignore_index=True)
    _add_assets(frame, after="quote")
    asset_price = frame["price"] / _units(frame["base"])
    frame.insert(list(frame).index("price") + 1, "asset_price", asset_price)
    return frame


def _without(moments: np.ndarray, holes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return sorted moments without those in the ``lengths`` after ``holes``."""
    kept = np.ones(len(moments), bool)
    begins, ends = np.searchsorted(moments, holes), np.searchsorted(moments, holes + lengths)
    for begin, end in zip(begins, ends, strict=True):
        kept[begin:end] = False
    return moments[kept]


def _health(rng: np.random.Generator, count: int) -> pd.DataFrame:
    """Return a report a second of each feed, in spells of up to two hours, with all troubles."""
    feeds = [
        ("binance_usdm", "live"), ("bybit", "live"), ("okx", "live"), ("okx", "simulator"),
        (STRANGER, "live"),
    ]  # fmt: skip
    found = []
    for number, (exchange, source) in enumerate(feeds):
        begins = rng.integers(0, DAYS * 86_400, 6)
        begins[0] = DAYS * 86_400 - 7_200 if number else 86_400  # one ended days ago
        each = count // len(feeds) // len(begins)
        seconds = np.unique(np.concatenate([begin + np.arange(each) for begin in begins]))
        seconds = seconds[seconds < DAYS * 86_400 - 60 * (number == 1)]
        seconds = _without(seconds, rng.choice(seconds, 40), rng.integers(1, 30, 40))
        rows = len(seconds)
        lost = np.isin(seconds // 97, rng.choice(seconds // 97, 5)) & (rng.random(rows) < 0.9)
        quiet = np.isin(seconds // 311, rng.choice(seconds // 311, 5))
        ts = micros(START) + seconds * SECOND + rng.integers(0, 900_000, rows)
        found.append(
            pd.DataFrame(
                {
                    "ts": np.sort(ts), "exchange": exchange, "source": source,
                    "completeness": VENUES.get(exchange, ("full",))[0], "connected": ~lost,
                    "messages": np.where(lost | quiet, 0, rng.poisson(1.5, rows)),
                    "gaps": (rng.random(rows) < 5e-4).astype(np.int64),
                    "reconnects": (rng.random(rows) < 5e-4).astype(np.int64),
                    "lag": np.where(rng.random(rows) < 0.3, np.nan, rng.exponential(0.03, rows)),
                    "queued": rng.poisson(0.1, rows),
                    "passed": rng.poisson(0.2, rows),
                    "too_old": rng.poisson(0.1, rows),
                    # some spells are ended on purpose, and one producer of two
                    "stopped": _ends(seconds) & (rng.random(rows) < 0.5)
                    | (rng.random(rows) < 2e-4),
                    "contracts": np.where(seconds % 11 < 9, "REST", "snapshot"),
                    "contracts_age": seconds % 3_600 / 1.0,
                    "contracts_fault": pd.Series(["away"] * rows).where(seconds % 11 >= 9),
                }
            )
        )  # fmt: skip
    return pd.concat(found, ignore_index=True)


def _ends(seconds: np.ndarray) -> np.ndarray:
    """Return which are the last before a minute without any."""
    return np.append(np.diff(seconds) > 60, True)


def _alerts(rng: np.random.Generator) -> pd.DataFrame:
    count = 400
    ts = micros(START) + np.sort(rng.integers(0, DAYS * 86_400, count)) * SECOND
    frame = pd.DataFrame(
        {
            "ts": ts, "rule": rng.choice(["burst", "feed_silent", "large"], count),
            "severity": rng.choice(["info", "warning", "critical"], count),
            "message": [f"alert {number}, \"it's\"" for number in range(count)],
            "value": rng.random(count), "threshold": 0.5, "query": "totals", "measure": "prints",
            "live": rng.random(count) < 0.5,
            "subject": rng.choice(np.array(["bybit, live", "okx, live", None], object), count),
        }
    )  # fmt: skip
    return frame.drop_duplicates(["ts", "rule", "subject"], ignore_index=True)


def _cascades(rng: np.random.Generator) -> pd.DataFrame:
    count = 600
    ts = micros(START) + rng.integers(0, DAYS * 86_400, count) * SECOND
    frame = pd.DataFrame(
        {
            "ts": ts, "asset": rng.choice(ASSETS, count), "base": None,
            "gap": rng.choice([5, 10], count),
            "to_ts": ts + rng.integers(0, 60, count) * SECOND,
            "prints": rng.integers(5, 50, count), "exchanges": rng.integers(1, 4, count),
            "symbols": rng.integers(1, 4, count), "first_exchange": rng.choice(list(VENUES), count),
            "long_usd": rng.random(count) * 1e6, "short_usd": rng.random(count) * 1e6,
            "not_live": rng.integers(0, 5, count), "partial": rng.integers(0, 5, count),
        }
    )  # fmt: skip
    return frame.drop_duplicates(["ts", "asset", "gap"], ignore_index=True)


def _sums(rng: np.random.Generator) -> pd.DataFrame:
    count = 3_000
    base, exchange = rng.choice(BASES, count), rng.choice(list(VENUES), count)
    names = zip(exchange, base, strict=True)
    bucket = rng.choice([60, 3600], count)
    seconds = micros(START) // SECOND + rng.integers(0, DAYS * 86_400, count)
    frame = pd.DataFrame(
        {
            "ts": seconds // bucket * bucket * SECOND, "exchange": exchange,
            "symbol": [VENUES[venue][1].format(asset) for venue, asset in names],
            "base": base, "bucket": bucket, "long_usd": rng.random(count) * 1e6,
            "short_usd": rng.random(count) * 1e6, "prints": rng.integers(1, 50, count),
            "largest_usd": rng.random(count) * 1e5, "not_live": rng.integers(0, 5, count),
            "partial": rng.integers(0, 5, count),
        }
    )  # fmt: skip
    _add_assets(frame, after="base")
    return frame.drop_duplicates(["ts", "exchange", "symbol", "bucket"], ignore_index=True)
