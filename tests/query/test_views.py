"""Views give what the table gives: whatever is asked, late, sent twice, or gone wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

import liq
from liq.config import Settings
from liq.ingest.venues import VENUES
from liq.query import queries, questdb, views
from liq.records.model import Completeness, Liquidation, Side, Source
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS
from support.helpers import eventually
from support.rows import health, insert, liquidation, micros_of, own_table, refresh_views, report

END = datetime(2026, 1, 5, 12, 34, 56, 789_000, tzinfo=UTC)
BARS = [key for key, query in queries.queries().items() if "{bars}" in query.sql]
MOST = {"limit": 10_000}


def prints(count: int, seed: int) -> list[Liquidation]:
    """Return prints of the four days before ``END`` and a little after it."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        venue = int(rng.integers(3))
        age = timedelta(microseconds=int(rng.integers(-3_600_000_000, 4 * 86_400_000_000)))
        record = liquidation(
            END - age,
            float(rng.integers(1, 10_000)) / 8,  # sums are exact in any order
            exchange=("binance_usdm", "bybit", "okx")[venue],
            symbol=("BTCUSDT", "ETHUSDT")[int(rng.integers(2))],
            side=(Side.LONG, Side.SHORT)[int(rng.integers(2))],
            completeness=(Completeness.THROTTLED, Completeness.FULL, Completeness.SAMPLED)[venue],
            source=(Source.LIVE, Source.SIMULATOR)[int(rng.integers(2))],
        )
        found.append(record)
    return found


def _since(days: int) -> int:
    return round((END - timedelta(days=days)).timestamp() * 1_000_000)


FEW = prints(50, seed=2)


def read_from(key: str, settings: Settings, **params: Any) -> str:
    """Return the name of what the query reads."""
    query = queries.find(key, settings)
    sql = views.expand(query, queries.resolve(query, params), settings)[0].sql
    return next((view.name(settings) for view in views.VIEWS if view.name(settings) in sql), "")


def same(key: str, settings: Settings, **params: Any) -> pd.DataFrame:
    """Return the rows, which must be those that the table alone gives."""
    frame = liq.hit(key, settings=settings, **params)
    with patch.object(views, "VIEWS", ()):
        pd.testing.assert_frame_equal(frame, liq.hit(key, settings=settings, **params))
    return frame


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    views.ensure(settings)
    views.ensure(settings)  # again does nothing
    insert(settings, prints(2000, seed=1))
    refresh_views(settings)
    return settings


@pytest.fixture
def fragile(stack: Settings) -> Settings:
    settings = own_table(stack)
    views.ensure(settings)
    insert(settings, FEW)
    refresh_views(settings)
    return settings


@pytest.mark.stack
@pytest.mark.parametrize("key", BARS)
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"window": timedelta(days=2, seconds=1, microseconds=1)},
        {"bucket": "5m", "until": END - timedelta(hours=2)},
        {"bucket": "4h", "exchange": "bybit,okx"},
        {"bucket": "1d", "symbols": "ETHUSDT"},
        {"bucket": "30m", "assets": "BTC"},
        {"min_notional": 500},
        {"max_notional": 500},
        {"until": datetime(2026, 1, 5, tzinfo=UTC)},
    ],
    ids=str,
)
def test_a_view_gives_the_rows_of_its_table(
    own: Settings, key: str, params: dict[str, Any]
) -> None:
    given = {"window": "3d", "until": END, "bucket": "1h"} | MOST | params
    taken = queries.find(key, own).params
    given = {name: value for name, value in given.items() if name in taken}
    assert len(same(key, own, **given))


@pytest.mark.stack
@pytest.mark.parametrize(
    ("key", "params", "width"),
    [
        ("totals", {}, "1m"),
        ("totals", {"window": "1d"}, None),  # the table is quick enough
        ("totals", {"min_notional": 0}, None),
        ("totals", {"max_notional": 1e9}, None),
        ("totals", {"symbols": ["BTCUSDT"]}, "1h"),
        ("totals", {"assets": ["BTC"]}, "1h"),
        ("totals", {"exchange": ["okx"]}, "1m"),
        ("top_symbols", {}, "1h"),
        ("by_exchange", {}, "1m"),
        ("sources", {}, "1m"),
        ("liquidations_by_bucket", {"bucket": "30s"}, None),
        ("liquidations_by_bucket", {"bucket": "1m"}, "1m"),
        ("liquidations_by_bucket", {"bucket": "1d"}, "1m"),
        ("liquidations_by_bucket", {"bucket": "30m", "symbols": ["BTCUSDT"]}, None),
        ("liquidations_by_bucket", {"bucket": "4h", "symbols": ["BTCUSDT"]}, "1h"),
    ],
)
def test_a_view_is_read_where_it_can_answer(
    own: Settings, key: str, params: dict[str, Any], width: str | None
) -> None:
    window = {"window": "3d", "until": END}
    expected = f"{LIQUIDATIONS.table(own)}_{width}" if width else ""
    assert read_from(key, own, **(window | params)) == expected


@pytest.mark.stack
def test_late_rows_and_rows_sent_twice_count_once_and_at_once(fragile: Settings) -> None:
    window = {"window": "3d", "until": END}
    assert read_from("totals", fragile, **window)
    late = prints(20, seed=3)
    before = same("totals", fragile, **window)["prints"].item()
    insert(fragile, [*late, *late, *FEW])
    assert not read_from("totals", fragile, **window)  # the view has not followed yet
    between = same("totals", fragile, **window)["prints"].item()
    seen = [record for record in late if _since(3) <= record.ts < _since(0)]
    assert between - before == len(seen) > 0
    refresh_views(fragile)
    assert read_from("totals", fragile, **window)
    assert same("totals", fragile, **window)["prints"].item() == between


@pytest.mark.stack
def test_new_rows_are_taken_from_the_table(stack: Settings) -> None:
    settings, now = own_table(stack), datetime.now(UTC)
    views.ensure(settings)
    insert(settings, [liquidation(now - timedelta(hours=hours), 1) for hours in range(1, 72)])
    refresh_views(settings)
    for seconds in (60, 1, -30):
        insert(settings, [liquidation(now - timedelta(seconds=seconds), 1)])
    assert read_from("totals", settings, window="7d")  # though it has none of the three
    assert same("totals", settings, window="7d")["prints"].item() == 74
    end = now + timedelta(minutes=1)  # one for both reads: each hour has a bar
    bars = same("liquidations_by_bucket", settings, window="7d", until=end, bucket="1h")
    assert bars["long_count"].sum() == 74


@pytest.mark.stack
def test_without_a_view_the_table_answers(stack: Settings) -> None:
    settings = own_table(stack)
    insert(settings, prints(50, seed=4))
    assert not read_from("totals", settings, window="3d", until=END)
    assert same("totals", settings, window="3d", until=END)["prints"].item() > 0


@pytest.mark.stack
def test_a_view_of_another_version_is_passed_over_and_made_again(stack: Settings) -> None:
    settings = own_table(stack)
    name = views._HEALTH.name(settings)
    older = replace(views._HEALTH, sums="count() AS reports, max(ts) AS last_ts")
    questdb.execute(older.render_ddl(settings), settings=settings)
    report(settings, [health(END - timedelta(seconds=second)) for second in range(200)])
    given = {"window": "1h", "until": END}

    def reads() -> bool:
        query = queries.find("coverage", settings)
        return name in queries.render_sql(query, queries.resolve(query, given), settings)[0]

    assert not reads()
    before = liq.hit("coverage", settings=settings, **given)
    views.ensure(settings)
    refresh_views(settings)
    assert reads()
    pd.testing.assert_frame_equal(same("coverage", settings, **given), before)


@pytest.mark.stack
def test_an_invalid_view_is_passed_over_and_repaired(fragile: Settings) -> None:
    window = {"window": "3d", "until": END}
    questdb.execute(f"TRUNCATE TABLE {LIQUIDATIONS.table(fragile)}", None, fragile)
    insert(fragile, prints(50, seed=5))
    sql = "SELECT view_status AS s FROM materialized_views() WHERE base_table_name = %s"

    def states() -> set[str]:
        return set(questdb.fetch(sql, [LIQUIDATIONS.table(fragile)], fragile)["s"])

    eventually(lambda: states() == {"invalid"})
    assert not read_from("totals", fragile, **window)
    same("totals", fragile, **window)
    views.ensure(fragile)
    eventually(lambda: read_from("totals", fragile, **window) != "")
    same("totals", fragile, **window)


@pytest.mark.stack
def test_a_query_that_needs_no_bars_is_left_alone(stack: Settings) -> None:
    query = queries.find("largest_prints")
    assert views.expand(query, {}, stack) == (query, {})


LISTENED_S = 3 * 3600
FEEDS = {  # connected, messages, gaps at each second x, and whether there is a report
    "quiet": ("true", "CASE WHEN x % 90 = 0 THEN 1 ELSE 0 END", "0", "true"),
    "flaky": ("rnd_int(0, 300, 0) > 0", "rnd_int(0, 2, 0)", "0", "true"),
    "lossy": ("true", "rnd_int(0, 2, 0)", "CASE WHEN x % 397 = 0 THEN 1 ELSE 0 END", "true"),
    "absent": ("true", "1", "0", "x % 701 > 5 AND x % 1013 > 4 AND (x < 4000 OR x > 6000)"),
    "dead": ("false", "0", "0", "true"),
    "mute": ("true", "0", "CASE WHEN x % 500 = 0 THEN 1 ELSE 0 END", "x % 900 > 8"),
    "late": ("true", "CASE WHEN x < 5000 OR x > 7000 THEN 1 ELSE 0 END", "0", "x > 600"),
    "gone": ("x < 5000", "1", "0", "x < 7000"),
    "before": ("true", "1", "0", "x < 100"),
    "ended": ("true", "1", "0", "x < 7001"),  # with a stop at 7000, as at each thousandth second
    "restarted": ("x % 3000 > 2", "rnd_int(0, 1, 0)", "0", "x < 6001 OR x > 6003"),
}
STOPS = {"ended": "x % 1000 = 0", "restarted": "x % 3000 = 0"}


@pytest.fixture
def of_venues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the feeds for those of venues that liq knows: of no other ones a feed is expected."""
    for name in (*FEEDS, "new"):
        monkeypatch.setitem(VENUES, name, replace(VENUES["okx"], name=name))


@pytest.fixture(scope="module")
def listened(stack: Settings) -> Settings:
    """Feeds with troubles of every kind, with a report a second in the hours before `END`."""
    settings = own_table(stack)
    views.ensure(settings)
    begin = micros_of(END) - LISTENED_S * 1_000_000
    for seed, (name, (connected, messages, gaps, report_filter)) in enumerate(FEEDS.items()):
        questdb.execute(
            f"INSERT INTO {FEED_HEALTH.table(settings)} SELECT"  # noqa: S608 - our own names
            f" ({begin} + x * 1000000 + rnd_int(0, 900000, 0))::timestamp, '{name}', 'live',"
            f" 'full', {connected}, {messages}, {gaps}, 0, 0.1, 0, 0, 0,"
            f" {STOPS.get(name, 'false')}, null, null, null"
            f" FROM long_sequence({LISTENED_S}, {seed}, 1) WHERE {report_filter}",
            settings=settings,
        )
    applied(settings)
    refresh_views(settings)
    return settings


def applied(settings: Settings) -> None:
    """Wait until all that was written of feeds shows."""
    eventually(lambda: questdb.read_wal_state(FEED_HEALTH.table(settings), settings).pending == 0)


@pytest.mark.stack
@pytest.mark.usefixtures("of_venues")
@pytest.mark.parametrize("until", [timedelta(), timedelta(minutes=17, microseconds=1)], ids=str)
@pytest.mark.parametrize("window", ["10m", "1h", "2h", "9999s", "3h", "1d"])
@pytest.mark.parametrize("exchange", [[], ["flaky", "gone"]], ids=str)
def test_coverage_is_the_same_from_minutes(
    listened: Settings, window: str, until: timedelta, exchange: list[str]
) -> None:
    given = {"window": window, "until": END - until, "exchange": exchange}
    assert set(same("coverage", listened, **given)["exchange"]) >= {"gone"}
    for key in ("feed_coverage", "feed_health", "covered"):
        assert len(same(key, listened, **given))


@pytest.mark.stack
@pytest.mark.usefixtures("of_venues")
def test_coverage_is_read_from_minutes_while_they_have_all_reports(listened: Settings) -> None:
    def sql(window: str) -> str:
        query = queries.find("coverage", listened)
        values = queries.resolve(query, {"window": window, "until": END})
        return views.expand(query, values, listened)[0].sql

    name = f"{FEED_HEALTH.table(listened)}_1m"
    assert (sql("3h").count(name), sql("10m").count(name)) == (4, 1)
    begin = micros_of(END) - 3_600_000_000
    table = FEED_HEALTH.table(listened)
    late = f"INSERT INTO {table} SELECT {begin}::timestamp, 'new', 'live', 'full',"
    values = "true, 1, 0, 0, 0.1, 0, 0, 0, false, null, null, null"
    questdb.execute(f"{late} {values} FROM long_sequence(1)", settings=listened)
    applied(listened)
    assert name not in sql("3h")
    assert "new" in set(same("coverage", listened, window="3h", until=END)["exchange"])
    refresh_views(listened)
    assert name in sql("3h")
    assert "new" in set(same("coverage", listened, window="3h", until=END)["exchange"])
