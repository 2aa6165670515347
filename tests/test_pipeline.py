"""The whole way, on real servers: simulated exchange -> producer -> Kafka -> Connect -> QuestDB."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pandas as pd
import pytest
from kafka import KafkaConsumer, KafkaProducer

from conftest import eventually, free_ports
from liq import connect, questdb
from liq import stack as local
from liq.config import Settings
from liq.producer import Producer
from liq.simulator.server import Plan, Simulator

pytestmark = pytest.mark.stack

COLUMNS = ["symbol", "side", "notional", "ts"]


@pytest.fixture
def pipeline(stack: Settings) -> Settings:
    """Topics, tables and connectors of the test's own, and a port for its simulator."""
    own = uuid.uuid4().hex[:8]
    settings = stack.model_copy(
        update={
            "topic": f"liquidations_{own}",
            "dlq_topic": f"dead_{own}",
            "table": f"liquidations_{own}",
            "connector": f"sink-{own}",
            "health_topic": f"health_{own}",
            "health_table": f"health_{own}",
            "health_connector": f"health-{own}",
            "simulator_port": free_ports()["simulator_port"],
        }
    )
    local.furnish(settings)
    return settings


@asynccontextmanager
async def producing(plan: Plan, settings: Settings) -> AsyncIterator[tuple[Simulator, Producer]]:
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
    sql = f"SELECT symbol, side, notional, ts FROM {settings.table}"  # noqa: S608 - our own name

    def all_there() -> bool:
        rows = questdb.fetch(f"SELECT count() AS n FROM {settings.table}", None, settings)  # noqa: S608
        assert rows["n"].item() == count
        return True

    eventually(all_there, deadline=90)
    return _sorted(questdb.fetch(sql, None, settings))


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype({"symbol": str, "side": str, "ts": "datetime64[us, UTC]"})
    return frame[COLUMNS].sort_values(COLUMNS, ignore_index=True)


def dead_letters(settings: Settings, count: int) -> list[tuple[bytes, dict[str, str]]]:
    consumer = KafkaConsumer(
        settings.dlq_topic,
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=15_000,
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
    plan = Plan(rate=1_000, seed=1, count=5_000, ledger=tmp_path / "ledger")
    async with producing(plan, pipeline):
        pass
    sent = expected(tmp_path / "ledger")
    assert len(sent) == 5_000
    assert set(sent["side"]) == {"long", "short"}
    rows = await asyncio.to_thread(stored, pipeline, 5_000)
    pd.testing.assert_frame_equal(rows, sent, check_exact=True)


async def test_closed_connections_lose_only_what_was_sent_to_nobody(
    pipeline: Settings, tmp_path: Path
) -> None:
    plan = Plan(rate=200, seed=2, count=1_000, close_after=1.5, ledger=tmp_path / "ledger")
    async with producing(plan, pipeline) as (_, producer):
        pass
    assert producer.status().reconnects >= 2
    rows = await asyncio.to_thread(stored, pipeline, 1_000)
    pd.testing.assert_frame_equal(rows, expected(tmp_path / "ledger"), check_exact=True)


async def test_malformed_frame_is_dead_lettered_and_the_next_good_one_arrives(
    pipeline: Settings, tmp_path: Path
) -> None:
    plan = Plan(rate=100, seed=3, count=60, malformed_every=10, ledger=tmp_path / "ledger")
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
    client.send(pipeline.topic, value=b'{"ts": "not json').get(timeout=10)
    client.close()
    plan = Plan(rate=100, seed=4, count=20, ledger=tmp_path / "ledger")
    async with producing(plan, pipeline):
        pass
    await asyncio.to_thread(stored, pipeline, 20)
    [(value, headers)] = await asyncio.to_thread(dead_letters, pipeline, 1)
    assert value == b'{"ts": "not json'
    assert headers


@pytest.mark.timeout(240)
async def test_questdb_away_for_30_s_under_load_loses_and_doubles_nothing(
    pipeline: Settings, tmp_path: Path
) -> None:
    plan = Plan(rate=500, seed=5, count=20_000, ledger=tmp_path / "ledger")
    async with producing(plan, pipeline) as (simulator, producer):
        await reached(lambda: producer.status().acknowledged > 1_000)
        await asyncio.to_thread(local.stop, "questdb", pipeline)
        try:
            before = simulator.sent
            await asyncio.sleep(30)  # the length of the outage is what is tested
            assert simulator.sent > before + 5_000
        finally:
            await asyncio.to_thread(local.start, "questdb", pipeline)
    rows = await asyncio.to_thread(stored, pipeline, 20_000)
    pd.testing.assert_frame_equal(rows, expected(tmp_path / "ledger"), check_exact=True)
    assert connect.status(pipeline).running
