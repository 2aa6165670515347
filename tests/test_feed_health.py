"""What the feeds tell of themselves: through Kafka into QuestDB, and what a reader learns of it."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import liq
from helpers import eventually
from liq import questdb
from liq.config import Settings
from liq.feed import Patience
from liq.producer import Producer
from liq.simulator.server import Plan, Simulator
from liq.streams import FEED_HEALTH

pytestmark = pytest.mark.stack
START = datetime(2026, 3, 1, tzinfo=UTC)
HASTY = Patience(backoff=0.02, backoff_max=0.1)


@pytest.fixture
def own(stack: Settings) -> Settings:
    """Settings with an empty health table of the test's own."""
    settings = stack.model_copy(update={"health_table": f"health_{uuid.uuid4().hex[:8]}"})
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
    }
    return fields | changes


def insert(settings: Settings, reports: Sequence[dict[str, Any]]) -> None:
    names = list(FEED_HEALTH.columns())
    row = f"(%s::TIMESTAMP, {', '.join(['%s'] * (len(names) - 1))})"
    values = [one[name] for one in reports for name in names]
    sql = f"INSERT INTO {settings.health_table} VALUES {', '.join([row] * len(reports))}"  # noqa: S608
    questdb.execute(sql, values, settings)
    eventually(lambda: questdb.wal_state(settings.health_table, settings).pending == 0)


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


def test_a_feed_that_is_heard_all_the_time_has_no_gap(own: Settings) -> None:
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


def test_a_producer_that_was_away_leaves_a_gap(own: Settings) -> None:
    insert(own, [report(second) for second in (*range(10), *range(30, 40))])
    assert gaps(own, 0, 40) == [("okx", 9, 30)]
    assert gaps(own, -60, 40) == [("okx", -60, 0), ("okx", 9, 30)]
    assert gaps(own, 0, 50) == [("okx", 9, 30), ("okx", 39, 50)]
    assert gaps(own, 100, 160) == [("okx", 100, 160)]


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
        return questdb.fetch(f"SELECT * FROM {pipeline.health_table} ORDER BY ts", None, pipeline)  # noqa: S608

    async with Simulator(Plan(rate=50, close_after=3), pipeline) as simulator:
        producer = Producer(url=simulator.url, patience=HASTY, settings=pipeline)
        await producer.start()
        await asyncio.to_thread(eventually, lambda: seen()["reconnects"].sum() > 0)
        await producer.stop()
    rows = seen()
    assert set(rows["exchange"]) == {"binance_usdm"}
    assert set(rows["source"]) == {"simulator"}
    assert set(rows["completeness"]) == {"throttled"}
    assert rows["connected"].any()
    assert rows["messages"].sum() > 50
    assert rows["lag"].dropna().between(0, 30).all()
    assert rows["gaps"].sum() - rows["reconnects"].sum() in (0, 1)  # one may not be mended yet
    every = rows["ts"].diff().dropna().dt.total_seconds()
    assert every.median() == pytest.approx(1, abs=0.5)
    found = liq.hit("coverage", settings=pipeline)
    assert len(found) >= 2  # before it began, and the lost connection
