"""The numbers of the catalogue's studies, against those of pandas or of a hand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

import liq
from liq.config import Settings
from liq.errors import LiqWarning
from liq.query import queries
from liq.records.model import Completeness, Side, Source
from support.rows import health, insert, liquidation, own_table, report

pytestmark = pytest.mark.stack
START, END = "2026-03-02T00:00:00", "2026-03-02T01:00:00"  # a Monday
HOUR: dict[str, Any] = {"window": "1h", "until": END}
MICRO = timedelta(microseconds=1)


def at(seconds: float) -> datetime:
    return datetime.fromisoformat(START).replace(tzinfo=UTC) + timedelta(seconds=seconds)


def rows_of(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def run(stack: Settings) -> Settings:
    """A cascade of BTC over two venues, a print on its own, and a pair of ETH."""
    settings = own_table(stack)
    partial = {"completeness": Completeness.FULL, "exchange": "bybit"}
    insert(
        settings,
        [
            liquidation(at(0), 1, symbol="XBTUSD", exchange="bitmex"),
            liquidation(at(5) + MICRO, 100, **partial),  # a microsecond too late for the one above
            liquidation(at(10) + MICRO, 200),  # 5 s after: just in time
            liquidation(at(10.4), 300, side=Side.SHORT, source=Source.SIMULATOR),
            liquidation(at(11) + 2 * MICRO, 50, **partial),
            liquidation(at(20), 7, base="ETH", symbol="ETHUSDT"),
            liquidation(at(20), 8, base="ETH", symbol="ETHUSDT"),
            liquidation(at(3600), 9),  # the end is exclusive
        ],
    )
    return settings


def cascades(settings: Settings, **params: Any) -> pd.DataFrame:
    return liq.hit("cascades", settings=settings, **({"min_prints": 2} | HOUR | params))


def test_a_cascade_ends_where_the_gap_is_greater(run: Settings) -> None:
    btc, eth = cascades(run).to_dict("records")
    assert btc == {
        "name": "BTC",
        "from_ts": pd.Timestamp(at(5) + MICRO),
        "to_ts": pd.Timestamp(at(11) + 2 * MICRO),
        "duration_s": 6.000001,
        "prints": 4,
        "exchanges": 2,
        "symbols": 1,
        "first_exchange": "bybit",
        "long_usd": 350,
        "short_usd": 300,
        "total_usd": 650,
        "peak_1s_usd": 500,  # what is a second and a microsecond apart is not within a second
        "burst_score": pytest.approx(650 / 6.000001 / (651 / 3600)),
        "covered": 1,
        "not_live": 1,
        "partial": 2,
    }
    assert (eth["name"], eth["prints"], eth["duration_s"], eth["peak_1s_usd"]) == ("ETH", 2, 0, 15)
    assert eth["burst_score"] == pytest.approx(15 / 1 / (15 / 3600))  # of at least a second


def test_a_score_is_the_same_however_long_the_window_was_before_anybody_listened(
    stack: Settings,
) -> None:
    settings, end = own_table(stack), 400 * 3600 + 1234
    burst = [liquidation(at(end - 600 + second), 500) for second in range(6)]
    calm = [liquidation(at(end - second), 10) for second in range(5, 3600, 40)]
    insert(settings, burst + calm)
    report(settings, [health(at(second)) for second in range(end - 3600, end)])
    report(settings, [health(at(end - 3600 * 400), exchange="okx", stopped=True)])
    found = [
        cascades(settings, window=window, until=at(end), min_prints=6, gap="1s")
        for window in ("1h", "4h", "1d", "7d")
    ]
    scores = [frame["burst_score"].item() for frame in found]
    assert scores == pytest.approx([scores[0]] * 4, rel=0.01)
    parts = [frame["covered"].item() for frame in found]
    assert parts == pytest.approx([1, 1 / 4, 1 / 24, 1 / 168], rel=0.01)


def test_two_covered_minutes_are_no_hour(stack: Settings) -> None:
    settings = own_table(stack)
    insert(settings, [liquidation(at(second), 10) for second in (10, 50, 110)])
    report(settings, [health(at(second), stopped=second == 120) for second in range(121)])
    window = {"window": "7d", "until": at(3600)}
    rows: Iterator[Any] = liq.hit("hour_of_day", settings=settings, **window).itertuples()
    [row] = rows
    assert row.hours == pytest.approx(120 / 3600)
    assert row.covered == pytest.approx(120 / 3600)  # of the one such hour
    assert (row.long_usd, row.mean_usd) == (30, pytest.approx(30 * 30))


def test_gap_and_minimum_prints_of_a_cascade_can_be_chosen(run: Settings) -> None:
    assert rows_of(cascades(run, gap="6s"), "name", "prints") == [("BTC", 5), ("ETH", 2)]
    assert rows_of(cascades(run, by="symbol"), "name", "prints") == [("BTCUSDT", 4), ("ETHUSDT", 2)]
    by_exchange = cascades(run, by="exchange", gap="10s")
    assert rows_of(by_exchange, "name", "prints") == [("binance_usdm", 4), ("bybit", 2)]
    assert by_exchange["symbols"].tolist() == [2, 1]
    assert cascades(run, min_prints=3)["name"].tolist() == ["BTC"]
    assert cascades(run, limit=1)["name"].tolist() == ["BTC"]
    assert cascades(run, min_notional=250).empty  # one print
    assert cascades(run, until="2026-01-01").empty


def test_cascades_of_the_query_equal_cascades_of_pandas(stack: Settings) -> None:
    settings, rng = own_table(stack), np.random.default_rng(7)
    names = np.array(["BTC", "ETH", "SOL"])[rng.integers(0, 3, 600)]
    moments = np.sort(rng.integers(0, 3_600_000_000, 600))
    records = [
        liquidation(at(0) + int(micros) * MICRO, int(usd), base=str(name))
        for micros, usd, name in zip(moments, rng.integers(1, 1000, 600), names, strict=True)
    ]
    insert(settings, records)
    frame = pd.DataFrame(
        {"name": [r.base for r in records], "ts": [r.ts for r in records],
         "usd": [r.notional for r in records]}
    )  # fmt: skip
    found = []
    for name, group in frame.groupby("name"):
        for _, part in group.groupby((group["ts"].diff() > 10_000_000).cumsum()):
            if len(part) >= 3:
                last = part["ts"].iloc[-1] - part["ts"].iloc[0]
                found.append((part["usd"].sum(), name, len(part), last / 1e6))
    by_query = cascades(settings, gap="10s", min_prints=3, limit=1000)
    assert len(found) > 20
    assert sorted(rows_of(by_query, "total_usd", "name", "prints", "duration_s")) == sorted(found)
    assert by_query["total_usd"].is_monotonic_decreasing


def test_prints_of_a_cascade_include_its_first_and_last(run: Settings) -> None:
    cascade = cascades(run).iloc[0]
    span = {"from_ts": cascade["from_ts"], "to_ts": cascade["to_ts"]}
    prints = liq.hit("cascade_prints", settings=run, assets=[cascade["name"]], **span)
    assert prints["notional"].tolist() == [100, 200, 300, 50]
    assert prints["cumulative_usd"].tolist() == [100, 300, 600, 650]
    with pytest.warns(LiqWarning, match="no rows without from_ts and to_ts"):
        assert liq.hit("cascade_prints", settings=run).empty
    assert len(liq.hit("cascade_prints", settings=run, limit=2, **span)) == 2


@pytest.fixture(scope="module")
def flows(stack: Settings) -> Settings:
    settings = own_table(stack)
    full = {"completeness": Completeness.FULL, "exchange": "bybit"}
    insert(
        settings,
        [
            liquidation(at(-0.000001), 1e6),  # before the window
            liquidation(at(0), 100, price=100.0),
            liquidation(at(59.999999), 200, price=100.05, side=Side.SHORT),
            liquidation(at(30), 100, price=100.2, source=Source.REPLAY, **full),
            liquidation(at(60), 50, price=100.0, **full),
            liquidation(at(60), 50, price=3000.0, base="ETH", symbol="ETHUSDT", **full),
            liquidation(at(3600), 1e6),  # after it
        ],
    )
    return settings


def test_shares_of_a_bucket_add_up_to_one(flows: Settings) -> None:
    frame = liq.hit("venue_share", settings=flows, **HOUR)
    assert rows_of(frame, "exchange", "long_usd", "short_usd", "total_usd", "share") == [
        ("binance_usdm", 100, 200, 300, 0.75),
        ("bybit", 100, 0, 100, 0.25),
        ("bybit", 100, 0, 100, 1),
    ]
    assert rows_of(frame, "prints", "not_live", "partial") == [(2, 0, 2), (1, 1, 0), (2, 0, 0)]
    assert frame["ts"].tolist() == [at(0), at(0), at(60)]
    with pytest.warns(LiqWarning, match="limit=1 is reached"):
        newest = liq.hit("venue_share", settings=flows, **HOUR, limit=1)
    assert newest["ts"].tolist() == [at(60)]


def test_buckets_of_a_symbol_at_an_exchange(flows: Settings) -> None:
    frame = liq.hit("by_symbol_bucket", settings=flows, **HOUR)
    assert rows_of(frame, "exchange", "symbol", "base", "long_usd", "short_usd", "prints") == [
        ("binance_usdm", "BTCUSDT", "BTC", 100, 200, 2),
        ("bybit", "BTCUSDT", "BTC", 100, 0, 1),
        ("bybit", "BTCUSDT", "BTC", 50, 0, 1),
        ("bybit", "ETHUSDT", "ETH", 50, 0, 1),
    ]
    assert frame["largest_usd"].tolist() == [200, 100, 50, 50]
    for limit in (1, 2, 3, 4):
        with pytest.warns(LiqWarning, match=f"limit={limit} is reached"):
            newest = liq.hit("by_symbol_bucket", settings=flows, **HOUR, limit=limit)
        expected = frame.tail(limit).reset_index(drop=True)
        pd.testing.assert_frame_equal(newest, expected)


def test_heatmap_sums_by_price_and_time(flows: Settings) -> None:
    frame = liq.hit("heatmap", settings=flows, bps=10, **HOUR)
    assert rows_of(frame, "long_usd", "short_usd", "prints") == [
        (100, 200, 2),
        (100, 0, 1),
        (50, 0, 1),
    ]
    assert (frame["price_from"] <= [100, 100.2, 100]).all()
    assert (frame["price_to"] > [100.05, 100.2, 100]).all()
    heights = frame["price_to"] / frame["price_from"] - 1
    assert heights.tolist() == pytest.approx([0.001] * 3)
    coarse = liq.hit("heatmap", settings=flows, bps=200, bucket="1h", **HOUR)
    assert rows_of(coarse, "long_usd", "short_usd") == [(250, 200)]
    assert liq.hit("heatmap", settings=flows, asset="ETH", **HOUR)["long_usd"].tolist() == [50]


def test_quantiles_of_sizes_are_within_a_percent(stack: Settings) -> None:
    settings, rng = own_table(stack), np.random.default_rng(3)
    sizes = 50 * rng.random(2000) ** (-1 / 1.2)
    longs = rng.random(2000) < 0.5
    insert(
        settings,
        [
            liquidation(at(second), float(size), side=Side.LONG if long else Side.SHORT)
            for second, (size, long) in enumerate(zip(sizes, longs, strict=True))
        ],
    )
    frame = liq.hit("size_distribution", settings=settings, **HOUR).set_index("side")
    for side, chosen in (("long", longs), ("short", ~longs)):
        assert frame.loc[side, "prints"] == chosen.sum()
        assert frame.loc[side, "largest_usd"] == sizes[chosen].max()
        for percent in (10, 25, 50, 75, 90, 99):
            exact = np.quantile(sizes[chosen], percent / 100, method="inverted_cdf")
            assert frame.loc[side, f"p{percent}_usd"] == pytest.approx(exact, rel=0.01)


def test_hours_of_the_day_cover_the_covered_hours_of_the_window(stack: Settings) -> None:
    settings, hour, day = own_table(stack), 3600, 86_400
    insert(
        settings,
        [
            liquidation(at(1799), 1e6),  # before the window
            liquidation(at(1800), 10),  # Monday
            liquidation(at(7 * day), 30, side=Side.SHORT),
            liquidation(at(7 * day + 1), 2),
            liquidation(at(14 * day), 5, symbol="ETHUSDT"),  # this hour was covered too
            liquidation(at(day + 23 * hour), 8),  # Tuesday
            liquidation(at(14 * day + hour), 1),  # in the hour under way at the window's end
        ],
    )
    window = {"window": timedelta(days=14, hours=1), "until": at(14 * day + hour + 1800)}
    frame = liq.hit("hour_of_day", settings=settings, symbols=["BTCUSDT"], **window)
    columns = ("weekday", "hour", "hours", "long_usd", "short_usd", "mean_usd", "prints")
    assert rows_of(frame, *columns) == [
        (1, 0, 2.5, 12, 30, 42 / 2.5, 3),
        (1, 1, 0.5, 1, 0, 2, 1),
        (2, 23, 1, 8, 0, 8, 1),
    ]
    none = queries.fetch("hour_of_day", settings, symbols=["NONE"], **window)
    assert none["mean_usd"].tolist() == [0, 0, 0]
    assert none["prints"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"symbols": ["ETHUSDT"]},
        {"assets": ["ETH"]},
        {"exchange": ["bybit"]},
        {"min_notional": 2},
    ],
    ids=str,
)
def test_hours_of_the_day_add_up_to_totals(stack: Settings, filters: dict[str, Any]) -> None:
    """Also with a filter, and with rows at the same hours outside of the window."""
    settings, day = own_table(stack), 86_400
    changes = {"symbol": "ETHUSDT", "base": "ETH", "exchange": "bybit"}
    insert(settings, [liquidation(at(week * 7 * day), 2, **changes) for week in range(4)])
    window = {"window": "8d", "until": at(15 * day)}
    totals = liq.hit("totals", settings=settings, **window, **filters)
    frame = liq.hit("hour_of_day", settings=settings, **window, **filters)
    assert frame["prints"].sum() == totals["prints"].item() == 2
    assert frame["long_usd"].sum() == totals["long_usd"].item() == 4


@pytest.mark.parametrize("order", [1, -1], ids=["one way", "the other way"])
def test_the_first_of_several_venues_at_once_is_the_first_by_name(
    stack: Settings, order: int
) -> None:
    settings = own_table(stack)
    for venue in ["okx", "bybit", "deribit", "gate"][::order]:
        insert(settings, [liquidation(at(1), 5, exchange=venue)])
    insert(settings, [liquidation(at(2), 5, exchange="binance_usdm")])
    assert cascades(settings)["first_exchange"].tolist() == ["bybit"]


def test_cascades_of_one_size_and_start_are_in_order_of_their_names(stack: Settings) -> None:
    settings = own_table(stack)
    bases = ["SOL", "BTC", "ADA", "ETH"]
    insert(settings, [liquidation(at(1), 5, base=base) for base in bases for _ in range(2)])
    assert cascades(settings)["name"].tolist() == sorted(bases)
    assert cascades(settings, limit=2)["name"].tolist() == sorted(bases)[:2]
