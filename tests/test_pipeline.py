"""The whole way, on real servers: simulated exchange -> producer -> Kafka -> Connect -> QuestDB."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from kafka import KafkaConsumer, KafkaProducer

from liq import stack as local
from liq.config import Settings
from liq.delivery import connect
from liq.delivery.messaging import Publisher
from liq.delivery.producer import Producer
from liq.ingest.feed import Timeouts
from liq.ingest.instruments import load_snapshot
from liq.ingest.simulator.server import Schedule, Simulator
from liq.ingest.venues import VENUES
from liq.query import questdb
from liq.records.streams import LIQUIDATIONS
from support.helpers import PATIENCE_S, eventually
from support.rows import liquidation

pytestmark = pytest.mark.stack

COLUMNS = ["symbol", "side", "notional", "ts"]


@asynccontextmanager
async def producing(
    plan: Schedule, settings: Settings
) -> AsyncIterator[tuple[Simulator, Producer]]:
    async with Simulator(plan, settings) as simulator:
        producer = Producer(url=simulator.url, settings=settings)
        await producer.start()
        try:
            yield simulator, producer
            await simulator.finished.wait()
            bad = plan.count // plan.malformed_every if plan.malformed_every else 0
            await reached(lambda: producer.status().received == plan.count + bad)
        finally:
            await producer.stop()


async def reached(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(eventually, condition)


def expected(ledger: Path) -> pd.DataFrame:
    """What must be stored, computed from the exchange's own ledger without liq's parser."""
    sent = pd.DataFrame([json.loads(line) for line in ledger.read_text().splitlines()])
    sent["ts"] = pd.to_datetime(sent["ts"], unit="us", utc=True)
    return _sorted(sent[COLUMNS])


def stored(settings: Settings, count: int) -> pd.DataFrame:
    sql = f"SELECT symbol, side, notional, ts FROM {LIQUIDATIONS.table(settings)}"  # noqa: S608 - our own name

    def all_there() -> bool:
        table = LIQUIDATIONS.table(settings)
        rows = questdb.fetch(f"SELECT count() AS n FROM {table}", None, settings)  # noqa: S608
        assert rows["n"].item() == count
        return True

    eventually(all_there)
    return _sorted(questdb.fetch(sql, None, settings))


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype({"symbol": str, "side": str, "ts": "datetime64[us, UTC]"})
    return frame[COLUMNS].sort_values(COLUMNS, ignore_index=True)


def dead_letters(settings: Settings, count: int) -> list[tuple[bytes, dict[str, str]]]:
    consumer = KafkaConsumer(
        settings.dlq_topic,
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=int(1_000 * PATIENCE_S),
    )
    try:
        letters = []
        for message in consumer:
            headers = {name: value.decode(errors="replace") for name, value in message.headers}
            letters.append((message.value, headers))
            if len(letters) == count:
                break
        return letters
    finally:
        consumer.close()


async def test_every_sent_event_is_stored_once_as_it_was(
    pipeline: Settings, tmp_path: Path
) -> None:
    plan = Schedule(rate=1_000, seed=1, count=3_000, ledger=tmp_path / "ledger")
    async with producing(plan, pipeline):
        pass
    sent = expected(tmp_path / "ledger")
    assert len(sent) == 3_000
    assert set(sent["side"]) == {"long", "short"}
    rows = await asyncio.to_thread(stored, pipeline, 3_000)
    pd.testing.assert_frame_equal(rows, sent, check_exact=True)


async def test_closed_connections_lose_only_orders_sent_to_nobody(
    pipeline: Settings, tmp_path: Path
) -> None:
    plan = Schedule(rate=200, seed=2, count=1_000, close_after=1.5, ledger=tmp_path / "ledger")
    async with producing(plan, pipeline) as (_, producer):
        pass
    assert producer.status().reconnects >= 2
    rows = await asyncio.to_thread(stored, pipeline, 1_000)
    pd.testing.assert_frame_equal(rows, expected(tmp_path / "ledger"), check_exact=True)


async def test_overlapping_connections_store_each_event_once(
    pipeline: Settings, tmp_path: Path
) -> None:
    plan = Schedule(rate=300, seed=6, count=1_500, ledger=tmp_path / "ledger")
    timeouts = Timeouts(max_age=1, overlap=0.5)
    async with Simulator(plan, pipeline) as simulator:
        producer = Producer(url=simulator.url, timeouts=timeouts, settings=pipeline)
        await producer.start()
        await reached(simulator.finished.is_set)
        await reached(lambda: simulator.clients == 1)  # what the last overlap brought is in
        await producer.stop()
    assert producer.status().acknowledged > 1_600
    rows = await asyncio.to_thread(stored, pipeline, 1_500)
    pd.testing.assert_frame_equal(rows, expected(tmp_path / "ledger"), check_exact=True)


async def test_events_out_of_order_and_doubled_are_stored_once_in_order(pipeline: Settings) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    events = [
        liquidation(start + timedelta(minutes=minute), notional=minute + 1.0)
        for minute in range(4_000)  # several partitions of the table
    ]
    shuffled = random.Random(7).sample([*events, *events], k=8_000)  # noqa: S311 - a shuffle
    async with Publisher(pipeline) as publisher:
        for event in shuffled:
            await publisher.publish(event)
    await asyncio.to_thread(stored, pipeline, 4_000)
    sql = f"SELECT ts, notional FROM {LIQUIDATIONS.table(pipeline)}"  # noqa: S608 - our own name
    rows = questdb.fetch(sql, None, pipeline)
    assert rows["ts"].is_monotonic_increasing
    assert list(rows["notional"]) == [event.notional for event in events]


async def test_every_venue_is_stored_as_it_was(pipeline: Settings, tmp_path: Path) -> None:
    plan = Schedule(rate=100, seed=8, count=100, ledger=tmp_path / "ledger")
    async with Simulator(plan, pipeline) as simulator:
        producers = [
            Producer(
                name, simulator.urls, instruments=load_snapshot(venue) or {}, settings=pipeline
            )
            for name, venue in VENUES.items()
        ]
        await asyncio.gather(*(producer.start() for producer in producers))
        await reached(lambda: all(producer.status().sent == 100 for producer in producers))
        await asyncio.gather(*(producer.stop() for producer in producers))
    assert [producer.status().dead_lettered for producer in producers] == [0] * len(VENUES)
    await asyncio.to_thread(stored, pipeline, 100 * len(VENUES))
    columns = [
        "exchange",
        "symbol",
        "side",
        "quantity",
        "notional",
    ]  # BitMEX sends no time
    sql = f"SELECT {', '.join(columns)} FROM {LIQUIDATIONS.table(pipeline)}"  # noqa: S608 - our own name
    rows = questdb.fetch(sql, None, pipeline).sort_values(columns, ignore_index=True)
    lines = (tmp_path / "ledger").read_text().splitlines()
    sent = pd.DataFrame([json.loads(line) for line in lines])[columns]
    sent = sent.astype({"exchange": str, "symbol": str, "side": str})
    pd.testing.assert_frame_equal(rows, sent.sort_values(columns, ignore_index=True), rtol=1e-12)


async def test_malformed_frame_is_dead_lettered_and_the_next_good_one_arrives(
    pipeline: Settings, tmp_path: Path
) -> None:
    plan = Schedule(rate=100, seed=3, count=60, malformed_every=10, ledger=tmp_path / "ledger")
    async with producing(plan, pipeline):
        pass
    rows = await asyncio.to_thread(stored, pipeline, 60)
    pd.testing.assert_frame_equal(rows, expected(tmp_path / "ledger"), check_exact=True)
    letters = await asyncio.to_thread(dead_letters, pipeline, 6)
    assert len(letters) == 6
    assert all(headers["venue"] == "binance_usdm" and headers["reason"] for _, headers in letters)


async def test_malformed_message_in_the_topic_is_dead_lettered_by_the_sink(
    pipeline: Settings, tmp_path: Path
) -> None:
    client = KafkaProducer(bootstrap_servers=pipeline.kafka_bootstrap)
    client.send(LIQUIDATIONS.topic(pipeline), value=b'{"ts": "not json').get(timeout=PATIENCE_S)
    client.close()
    plan = Schedule(rate=100, seed=4, count=20, ledger=tmp_path / "ledger")
    async with producing(plan, pipeline):
        pass
    await asyncio.to_thread(stored, pipeline, 20)
    [(value, headers)] = await asyncio.to_thread(dead_letters, pipeline, 1)
    assert value == b'{"ts": "not json'
    assert headers


@pytest.mark.timeout(600)
async def test_questdb_down_for_30_s_under_load_loses_and_doubles_nothing(
    pipeline: Settings, tmp_path: Path
) -> None:
    plan = Schedule(rate=200, seed=5, count=8_000, ledger=tmp_path / "ledger")
    async with producing(plan, pipeline) as (simulator, producer):
        await reached(lambda: producer.status().acknowledged > 500)
        await asyncio.to_thread(local.stop, "questdb", pipeline)
        try:
            before = simulator.sent
            await asyncio.sleep(30)  # the length of the outage is what is tested
            await reached(lambda: simulator.sent > before + 2_000)
        finally:
            await asyncio.to_thread(local.start, "questdb", pipeline)
    rows = await asyncio.to_thread(stored, pipeline, 8_000)
    pd.testing.assert_frame_equal(rows, expected(tmp_path / "ledger"), check_exact=True)
    assert connect.read_status(pipeline).is_running
