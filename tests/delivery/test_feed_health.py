"""Feed health through Kafka into QuestDB, and the coverage that queries derive from it."""

import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import liq
from liq.config import Settings
from liq.delivery import connect
from liq.delivery.messaging import Publisher
from liq.delivery.producer import Producer
from liq.ingest.feed import Timeouts
from liq.ingest.simulator.server import Schedule, Simulator
from liq.ingest.venues import VENUES
from liq.query import exports, questdb
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS
from support.helpers import PATIENCE_S, eventually, own_streams, running
from support.rows import health, liquidation
from support.rows import insert as insert_prints

pytestmark = pytest.mark.stack
START = datetime(2026, 3, 1, tzinfo=UTC)
HASTY = Timeouts(backoff=0.02, backoff_max=0.1)


@pytest.fixture
def own(stack: Settings) -> Settings:
    """Settings with an empty health table of the test's own."""
    settings = own_streams(stack, FEED_HEALTH, LIQUIDATIONS, names=["table"])
    questdb.ensure_table(settings, FEED_HEALTH)
    return settings


def report(second: float, **changes: Any) -> dict[str, Any]:
    fields = {
        "ts": START + timedelta(seconds=second),
        "exchange": "okx",
        "source": "live",
        "completeness": "sampled",
        "connected": True,
        "messages": 3,
        "gaps": 0,
        "reconnects": 0,
        "lag": 0.25,
        "queued": 0,
        "passed": 0,
        "too_old": 0,
        "stopped": False,
        "contracts": "REST",
        "contracts_age": 60.0,
        "contracts_fault": None,
    }
    return fields | changes


def insert(settings: Settings, reports: Sequence[dict[str, Any]]) -> None:
    names = list(FEED_HEALTH.columns())
    row = f"(%s::TIMESTAMP, {', '.join(['%s'] * (len(names) - 1))})"
    for start in range(0, len(reports), 1_000):  # more values a statement QuestDB does not take
        some = reports[start : start + 1_000]
        values = [one[name] for one in some for name in names]
        sql = f"INSERT INTO {FEED_HEALTH.table(settings)} VALUES {', '.join([row] * len(some))}"  # noqa: S608
        questdb.execute(sql, values, settings)
    eventually(lambda: questdb.read_wal_state(FEED_HEALTH.table(settings), settings).pending == 0)


async def test_the_sink_stores_reports_in_few_commits(stack: Settings) -> None:
    """Nineteen feeds report each second: a commit for each report kept QuestDB busy."""
    settings = own_streams(stack, FEED_HEALTH)
    table = FEED_HEALTH.table(settings)
    questdb.ensure_table(settings, FEED_HEALTH)
    try:
        await asyncio.to_thread(connect.ensure, settings, FEED_HEALTH)
        async with Publisher(settings) as publisher:
            began = time.monotonic()
            for second in range(80):
                await publisher.report(health(at(second)))
                await asyncio.sleep(0.025)
            seconds = time.monotonic() - began  # more than two on a busy machine
        sql = f"SELECT count() AS rows FROM {table}"  # noqa: S608 - our own table
        await asyncio.to_thread(
            eventually, lambda: questdb.fetch(sql, None, settings)["rows"].iloc[0] == 80
        )
        assert questdb.read_wal_state(table, settings).sent <= 4 * seconds + 5
    finally:
        await asyncio.to_thread(connect.remove, settings, FEED_HEALTH)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def gaps(settings: Settings, since: float, until: float) -> list[tuple[str, float, float]]:
    """Return exchange, start and end of each gap, in seconds since `START`."""
    found = liq.hit(
        "coverage",
        settings=settings,
        window=timedelta(seconds=until - since),
        until=START + timedelta(seconds=until),
    )
    rows: Iterator[Any] = found.itertuples()
    spans = [
        (row.exchange, *((moment - START).total_seconds() for moment in (row.from_ts, row.to_ts)))
        for row in rows
    ]
    assert [end - start for _, start, end in spans] == pytest.approx(list(found["missing_s"]))
    return spans


def test_a_feed_that_is_connected_all_the_time_has_no_gap(own: Settings) -> None:
    insert(own, [report(second) for second in range(60)])
    assert gaps(own, 0, 60) == []
    assert gaps(own, 10, 50) == []


def test_quiet_seconds_are_no_gap(own: Settings) -> None:
    insert(own, [report(second, messages=int(second % 20 == 0)) for second in range(60)])
    assert gaps(own, 0, 60) == []


def test_a_lost_connection_is_a_gap_from_the_last_frame_on(own: Settings) -> None:
    silent = {second: {"messages": 0} for second in range(21, 40)}
    silent |= {40: {"messages": 0, "gaps": 1, "connected": False}}
    silent |= {second: {"messages": 0, "connected": False} for second in (41, 42)}
    silent |= {43: {"messages": 0, "reconnects": 1}}
    insert(own, [report(second, **silent.get(second, {})) for second in range(60)])
    assert gaps(own, 0, 60) == [("okx", 20, 44)]
    assert gaps(own, 0, 30) == []  # what was not known yet
    assert gaps(own, 42, 60) == [("okx", 42, 44)]


def test_a_connection_lost_for_less_than_a_second_is_a_gap_too(own: Settings) -> None:
    insert(own, [report(second, gaps=int(second == 7)) for second in range(20)])
    assert gaps(own, 0, 20) == [("okx", 6, 7)]


def test_a_planned_reconnection_is_none(own: Settings) -> None:
    insert(own, [report(second, reconnects=int(second == 7)) for second in range(20)])
    assert gaps(own, 0, 20) == []


def test_a_producer_that_was_down_leaves_a_gap(own: Settings) -> None:
    insert(own, [report(second) for second in (*range(10), *range(30, 40))])
    assert gaps(own, 0, 40) == [("okx", 9, 30)]
    assert gaps(own, -60, 40) == [("okx", -60, 0), ("okx", 9, 30)]
    assert gaps(own, 0, 50) == [("okx", 9, 30), ("okx", 39, 50)]
    assert gaps(own, 100, 160) == [("okx", 100, 160)]


def test_a_feed_is_missed_however_long_it_has_been_disconnected(own: Settings) -> None:
    insert(own, [report(second) for second in range(180)])
    insert(own, [report(second, exchange="gate", connected=False, messages=0) for second in (0, 1)])
    hour = 3600
    both = [("gate", hour, 2 * hour), ("okx", hour, 2 * hour)]
    assert gaps(own, hour, 2 * hour) == both
    assert [row[1:] for row in gaps(own, 11 * hour, 12 * hour)] == [(11 * hour, 12 * hour)] * 2
    assert gaps(own, 13 * hour, 14 * hour) == []  # nobody waits for it any more
    waiting = liq.hit(
        "feed_health",
        settings=own,
        window="5m",
        until=START + timedelta(hours=14),
        look_back="1d",
    )
    assert waiting["exchange"].tolist() == ["gate", "okx"]
    assert not waiting["connected"].any()
    assert waiting["ts"].tolist() == [START + timedelta(seconds=second) for second in (1, 179)]
    assert waiting["first_ts"].isna().all()
    assert waiting["completeness"].isna().all()


def test_a_feed_stopped_on_purpose_is_no_longer_expected(own: Settings) -> None:
    insert(own, [report(second, stopped=second == 39) for second in range(40)])
    assert gaps(own, 0, 60) == []
    assert gaps(own, -60, 60) == [("okx", -60, 0)]
    assert gaps(own, 60, 120) == []
    assert liq.hit("feed_health", settings=own, window="1m", until=at(120)).empty
    [row] = liq.hit("feed_health", settings=own, window="1m", until=at(60)).itertuples()
    assert (row.stopped, row.connected) == (True, False)
    insert(own, [report(second) for second in range(43, 120)])
    assert gaps(own, 0, 60) == [("okx", 39, 43)]  # less than 5 s, but nobody listened
    assert gaps(own, 41, 60) == []
    assert gaps(own, 60, 120) == []


def test_a_feed_stopped_while_disconnected_was_disconnected_up_to_then(own: Settings) -> None:
    lost = {"connected": False, "messages": 0}
    insert(own, [report(second, **(lost if second > 9 else {})) for second in range(20)])
    insert(own, [report(20, stopped=True, **lost)])
    assert gaps(own, 0, 60) == [("okx", 9, 20)]


def test_a_summary_names_the_feeds_and_how_much_is_missing(own: Settings) -> None:
    insert(own, [report(second) for second in range(60)])
    insert(own, [report(second, exchange="bybit") for second in range(15)])
    insert(own, [report(second, exchange="gate", stopped=second == 29) for second in range(30)])
    found = liq.hit("feed_coverage", settings=own, window="1m", until=at(60))
    assert found["exchange"].tolist() == ["bybit", "gate", "okx"]
    assert found["connected"].tolist() == [False, False, True]
    assert found["stopped"].tolist() == [False, True, False]
    assert found["missing_s"].tolist() == [46, 0, 0]
    assert found["missing"].tolist() == [pytest.approx(46 / 60), 0, 0]


def covered(settings: Settings, window: str, until: float, **params: Any) -> list[list[float]]:
    """Return the seconds of each hour, and those of them that were covered."""
    given = {"window": window, "until": at(until)} | params
    frame = liq.hit("covered", settings=settings, **given)
    return [list(row) for row in zip(frame["window_s"], frame["covered_s"], strict=True)]


def test_coverage_of_a_feed_is_reported_by_the_hour(own: Settings) -> None:
    questdb.ensure_table(own)
    assert covered(own, "1h", 0) == [[3600, 0]]
    insert(own, [report(second) for second in range(1800, 5401)])
    insert(own, [report(second, exchange="bybit") for second in range(1800, 3601)])
    assert covered(own, "90m", 5400) == [[3600, 1800], [1800, 900]]
    assert covered(own, "1h", 5400) == [[1800, 1800], [1800, 900]]
    assert covered(own, "90m", 5400, exchange=["okx"]) == [[3600, 1800], [1800, 1800]]
    insert(own, [report(3601, exchange="bybit", stopped=True)])
    [_, [_, rest]] = covered(own, "90m", 5400)
    assert rest == pytest.approx(1800, abs=1)  # the other one alone is expected then
    insert(own, [report(5401, stopped=True)])
    assert covered(own, "2h", 7200)[1][1] == pytest.approx(1801, abs=1)  # then nobody is


def test_an_hour_without_reports_is_covered_where_the_window_has_a_print(own: Settings) -> None:
    questdb.ensure_table(own)
    insert_prints(own, [liquidation(at(600), 10)])
    assert covered(own, "1h", 3600) == [[3600, 3600]]
    assert covered(own, "30m", 3600) == [[1800, 0]]  # its silence is unknown, not quiet


def test_a_feed_of_an_exchange_that_liq_does_not_know_is_listed_and_never_missed(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    questdb.ensure_table(own)
    insert(own, [report(second) for second in range(1801)])
    before = covered(own, "2h", 3600)
    insert(own, [report(second, exchange="mine") for second in range(-900, -600)])
    assert gaps(own, -3600, 3600) == [("okx", -3600, 0), ("okx", 1800, 3600)]
    assert covered(own, "2h", 3600) == before
    assert covered(own, "2h", 3600, exchange=["mine"]) == [[3600, 0], [3600, 0]]

    def silent() -> dict[str, bool]:
        found = liq.hit("feed_health", settings=own, window="5m", until=at(3600))
        return dict(zip(found["exchange"], found["silent"], strict=True))

    def expected() -> list[str]:
        found = liq.hit("feed_coverage", settings=own, window="5m", until=at(3600))
        return found["exchange"].tolist()

    assert silent() == {"mine": False, "okx": True}
    assert expected() == ["okx"]
    _, stamp = exports.fetch_stamped(
        "covered", settings=own, window="5m", until=at(-600), look_back="1s"
    )
    assert stamp.coverage is None  # a stranger's report proves nothing
    monkeypatch.setitem(VENUES, "mine", replace(VENUES["okx"], name="mine"))  # as docs say
    assert silent() == {"mine": True, "okx": True}
    assert expected() == ["mine", "okx"]


def test_feeds_are_judged_apart(own: Settings) -> None:
    insert(own, [report(second) for second in range(30)])
    insert(own, [report(second, exchange="bybit") for second in range(10)])
    insert(own, [report(second, exchange="gate", source="simulator") for second in range(30)])
    assert gaps(own, 0, 30) == [("bybit", 9, 30)]
    only = liq.hit(
        "coverage",
        settings=own,
        window="1m",
        exchange=["okx"],
        until=START + timedelta(minutes=1),
    )
    assert list(only["exchange"]) == ["okx"]


def test_health_sums_up_the_window(own: Settings) -> None:
    insert(own, [report(second, reconnects=1, lag=None) for second in range(5)])
    insert(own, [report(5, gaps=2, lag=0.75, queued=7), report(6)])
    insert(own, [report(0, exchange="bybit", completeness="full", connected=False)])

    def health(until: float) -> pd.DataFrame:
        end = START + timedelta(seconds=until)
        return liq.hit("feed_health", settings=own, window="1m", until=end)

    found = health(7)
    assert list(found["exchange"]) == ["bybit", "okx"]
    okx = found.iloc[1]
    assert okx["connected"]
    assert not found.iloc[0]["connected"]
    assert (okx["messages"], okx["gaps"], okx["reconnects"], okx["max_queued"]) == (21, 2, 5, 7)
    assert (okx["lag_s"], okx["max_lag_s"], okx["completeness"]) == (0.5, 0.75, "sampled")
    assert not health(30).iloc[1]["connected"], "it no longer reports"


async def test_a_producer_reports_through_kafka(pipeline: Settings) -> None:
    def seen() -> pd.DataFrame:
        table = FEED_HEALTH.table(pipeline)
        return questdb.fetch(f"SELECT * FROM {table} ORDER BY ts", None, pipeline)  # noqa: S608

    async with Simulator(Schedule(rate=50, close_after=3), pipeline) as simulator:
        producer = Producer(url=simulator.url, timeouts=HASTY, settings=pipeline)
        await producer.start()
        await asyncio.to_thread(eventually, lambda: seen()["reconnects"].sum() > 0)
        await producer.stop()
    await asyncio.to_thread(eventually, lambda: seen()["stopped"].sum() > 0)
    rows = seen()
    assert rows["stopped"].tolist() == [False] * (len(rows) - 1) + [True]
    assert set(rows["exchange"]) == {"binance_usdm"}
    assert set(rows["source"]) == {"simulator"}
    assert set(rows["completeness"]) == {"throttled"}
    assert rows["connected"].any()
    assert rows["messages"].sum() > 50
    assert rows["lag"].dropna().between(0, 30).all()
    assert rows["gaps"].sum() - rows["reconnects"].sum() in (
        0,
        1,
    )  # one connection may still be lost
    every = rows["ts"].diff().dropna().dt.total_seconds()
    assert 0.5 < every.median() < 5  # one second, unless the machine is busy
    found = liq.hit("coverage", settings=pipeline)
    assert len(found) >= 2  # before it began, and the lost connection


async def test_only_a_producer_stopped_on_purpose_reports_stopped(pipeline: Settings) -> None:
    def last() -> bool:
        return bool(rows(pipeline)["stopped"].iloc[-1])

    def is_connected(before: int) -> bool:
        reported = rows(pipeline)
        return bool(len(reported) > before and reported["connected"].iloc[-1])

    # it closes no connection by itself
    async with Simulator(Schedule(rate=50), pipeline) as simulator:
        for stop, on_purpose in ((Producer.stop, True), (_cancel, True), (_fail, False)):
            before = len(rows(pipeline))
            producer = Producer(url=simulator.url, timeouts=HASTY, settings=pipeline)
            await producer.start()
            await asyncio.to_thread(eventually, lambda n=before: is_connected(n))
            await stop(producer)
            await asyncio.to_thread(
                eventually,
                lambda: questdb.read_wal_state(FEED_HEALTH.table(pipeline), pipeline).pending == 0,
            )
            if on_purpose:
                await asyncio.to_thread(eventually, last)
                assert rows(pipeline)["connected"].iloc[-1]  # it was, up to the end
            else:
                await asyncio.sleep(1)  # as long as to the next row: none is to come
                assert not last()


async def _cancel(producer: Producer) -> None:
    assert producer._task
    producer._task.cancel()
    await producer.stop()


async def _fail(producer: Producer) -> None:
    """Stop a producer because another one of the program failed."""
    await producer.stop(on_purpose=False)


def rows(settings: Settings) -> pd.DataFrame:
    return questdb.fetch(f"SELECT * FROM {FEED_HEALTH.table(settings)} ORDER BY ts", None, settings)  # noqa: S608


async def test_a_killed_producer_is_missed_and_one_that_is_ended_is_not(pipeline: Settings) -> None:
    def connected() -> bool:
        return bool(liq.hit("feed_health", settings=pipeline, window="1m")["connected"].any())

    async with Simulator(Schedule(rate=10), pipeline) as simulator:
        for number, says_so in (
            (signal.SIGTERM, True), (signal.SIGINT, True), (signal.SIGKILL, False)
        ):  # fmt: skip
            before = rows(pipeline)["connected"].sum()
            with running(pipeline, "-m", "liq", "produce", "--url", simulator.url) as producer:
                await asyncio.to_thread(
                    eventually, lambda n=before: rows(pipeline)["connected"].sum() > n + 2
                )
                producer.send_signal(number)
                await asyncio.to_thread(producer.wait, PATIENCE_S)
            if says_so:
                await asyncio.to_thread(eventually, lambda: rows(pipeline)["stopped"].iloc[-1])
            await asyncio.to_thread(eventually, lambda: not connected(), every=0.5)
            [feed] = liq.hit("feed_coverage", settings=pipeline, window="10m").itertuples()
            assert (feed.stopped, feed.connected) == (says_so, False), number
            [state] = liq.hit("feed_health", settings=pipeline, window="10m").itertuples()
            assert (state.stopped, state.silent) == (says_so, not says_so), number
