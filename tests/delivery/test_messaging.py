import asyncio
import gc
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count, islice
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from liq.config import Settings
from liq.delivery import messaging
from liq.delivery.messaging import Publisher
from liq.errors import JournalError, KafkaError
from liq.query import questdb
from liq.records.model import Liquidation, Source, decode
from liq.records.streams import LIQUIDATIONS
from support.disk import KINDS, small_disk
from support.helpers import (
    PATIENCE_S,
    consume,
    eventually,
    kafka_stopped,
    own_streams,
    reached,
    running,
)
from support.records import numbered

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "BNBUSDT")


def liquidations(start: int = 0) -> Iterator[Liquidation]:
    for number in count(start):
        yield numbered(number, SYMBOLS[number % len(SYMBOLS)])


async def publish(publisher: Publisher, stream: Iterator[Liquidation], number: int) -> None:
    for liquidation in islice(stream, number):
        await publisher.publish(liquidation)


async def publish_until_full(publisher: Publisher, stream: Iterator[Liquidation]) -> None:
    """Publish until the publisher takes nothing more for two seconds."""
    publishing = asyncio.create_task(publish(publisher, stream, 100_000))
    taken = -1
    while not publishing.done() and publisher.stats().sent > taken:
        taken = publisher.stats().sent
        await asyncio.wait({publishing}, timeout=2)
    publishing.cancel()
    await asyncio.wait({publishing})


@pytest.mark.stack
def test_topics_are_created_once_and_then_left_alone(broker: Settings) -> None:
    messaging.ensure_topics(broker.model_copy(update={"partitions": 7}))
    admin = KafkaAdminClient(bootstrap_servers=broker.kafka_bootstrap)
    topics = admin.describe_topics([LIQUIDATIONS.topic(broker), broker.dlq_topic])
    admin.close()
    assert {topic["name"]: len(topic["partitions"]) for topic in topics} == {
        LIQUIDATIONS.topic(broker): broker.partitions,
        broker.dlq_topic: 1,
    }


@pytest.mark.stack
async def test_a_publisher_creates_its_topics(stack: Settings) -> None:
    settings = own_streams(stack, LIQUIDATIONS, names=["topic"])
    async with Publisher(settings):
        pass
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    assert len(consumer.partitions_for_topic(LIQUIDATIONS.topic(settings))) == settings.partitions
    consumer.close()


@pytest.mark.stack
async def test_every_liquidation_is_published_once_in_order_of_its_contract(
    broker: Settings,
) -> None:
    sent = list(islice(liquidations(), 30_000))
    async with Publisher(broker) as publisher:
        await publish(publisher, iter(sent), 30_000)
    stats = publisher.stats()
    assert (stats.sent, stats.acknowledged, stats.errors) == (30_000, 30_000, 0)
    assert (stats.queued, stats.in_flight) == (0, 0)

    records = await asyncio.to_thread(consume, LIQUIDATIONS.topic(broker), broker)
    received = [decode(record.value) for record in records]
    assert sorted(received, key=lambda one: one.event_id) == sent
    assert all(
        record.key.decode() == f"binance_usdm:{one.symbol}"
        for record, one in zip(records, received, strict=True)
    )
    for symbol in SYMBOLS:
        ids = [one.event_id for one in received if one.symbol == symbol]
        assert ids == sorted(ids)


@pytest.mark.stack
async def test_a_key_goes_where_any_kafka_client_sends_it(broker: Settings) -> None:
    async with Publisher(broker) as publisher:
        await publish(publisher, liquidations(), len(SYMBOLS))
    client = KafkaProducer(bootstrap_servers=broker.kafka_bootstrap)
    futures = {
        symbol: client.send(
            LIQUIDATIONS.topic(broker), key=f"binance_usdm:{symbol}".encode(), value=b"{}"
        )
        for symbol in SYMBOLS
    }
    partitions = {
        symbol: future.get(timeout=PATIENCE_S).partition for symbol, future in futures.items()
    }
    client.close()
    ours = [
        record for record in consume(LIQUIDATIONS.topic(broker), broker) if record.value != b"{}"
    ]
    assert {decode(one.value).symbol: one.partition for one in ours} == partitions


@pytest.mark.stack
@pytest.mark.parametrize("raw", ['{"odd": "\u00e9', b"\x1f\x8b\xff"])
async def test_dead_letters_say_where_they_are_from_and_why(
    raw: str | bytes, broker: Settings
) -> None:
    async with Publisher(broker) as publisher:
        await publisher.dead_letter(
            "binance_usdm", "no \u00e9 known", raw, 1_700_000_000_000_000, Source.LIVE
        )
    [record] = consume(broker.dlq_topic, broker)
    assert record.value == (raw.encode() if isinstance(raw, str) else raw)
    assert {name: value.decode() for name, value in record.headers} == {
        "venue": "binance_usdm",
        "reason": "no \u00e9 known",
        "recv_ts": "1700000000000000",
        "source": "live",
    }
    assert publisher.stats().dead_lettered == 1
    assert publisher.stats().acknowledged == 0


@pytest.mark.stack
async def test_nothing_is_too_large_to_be_dead_lettered(broker: Settings) -> None:
    huge = msgspec.structs.replace(next(liquidations()), symbol="S" * 2_000_000)
    async with Publisher(broker) as publisher:
        await publisher.publish(huge)
        await publisher.dead_letter(
            "binance_usdm", "long " * 1_000_000, "x" * 5_000_000, 0, Source.LIVE
        )
    one, other = consume(broker.dlq_topic, broker)
    assert b"Expected `str` of length <= 100" in dict(one.headers)["reason"]
    assert len(one.value) == 64_000
    assert other.value == b"x" * 64_000
    assert dict(other.headers)["reason"] == b"long " * 200
    assert publisher.stats().sent == 0


@pytest.mark.stack
async def test_a_single_liquidation_does_not_wait_for_company(broker: Settings) -> None:
    stream = liquidations()
    async with Publisher(broker) as publisher:
        for number in range(1, 21):
            await publish(publisher, stream, 1)
            await reached(lambda: publisher.stats().acknowledged == number)  # noqa: B023


@pytest.mark.stack
async def test_messages_beyond_those_in_flight_need_no_further_message(
    broker: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.delivery.messaging.client._IN_FLIGHT", 10)
    async with Publisher(broker) as publisher:
        for number in range(25):
            await publisher.publish(numbered(number, SYMBOLS[0]))
        await reached(lambda: publisher.stats().acknowledged == 25)


@pytest.fixture
def outage(
    broker: Settings, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Give a context manager for a time without broker."""
    # kafka-python leaves refused sockets to the garbage collector; a record of it keeps them open
    with caplog.at_level("CRITICAL", logger="kafka"):
        yield lambda: kafka_stopped(broker)
    gc.collect()


@pytest.mark.stack
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_an_unreachable_broker_is_seen_and_loses_nothing_unless_one_gives_up(
    broker: Settings, outage: Callable[[], AbstractContextManager[None]]
) -> None:
    stream = liquidations()
    patient = Publisher(broker.model_copy(update={"buffer_mb": 20}))
    hasty, forgetful = Publisher(broker), Publisher(broker.model_copy(update={"buffer_mb": 0}))
    await patient.start()
    await hasty.start()
    await forgetful.start()
    await publish(patient, stream, 1_000)
    with outage():
        await publish(patient, stream, 5_000)
        await reached(lambda: patient.stats().waiting_s > 2)
        # a topic not written to before: its partitions are asked for in vain, which is an error
        await patient.dead_letter("binance_usdm", "odd", "{", 0, Source.LIVE)
        await reached(lambda: patient.stats().errors > 0)
        # memory takes some 40,000, the disk more; it is bounded too, and then publishing waits
        await publish_until_full(patient, stream)
        stats = patient.stats()
        assert stats.acknowledged < 40_000 < stats.sent < 100_000
        assert stats.waiting_s > 2
        assert broker.kafka_bootstrap in stats.last_error

        await publish(hasty, liquidations(10**9), 10)
        with pytest.raises(KafkaError, match=r"10 messages are kept for the next.*within 1 s"):
            await hasty.close(timeout=1)
        await publish(forgetful, liquidations(10**10), 5)
        with pytest.raises(KafkaError, match=r"5 messages may be lost.*within 1 s"):
            await forgetful.close(timeout=1)
    await patient.close(timeout=PATIENCE_S)
    stats = patient.stats()
    assert stats.acknowledged == stats.sent
    async with Publisher(broker) as heir:
        await reached(lambda: heir.stats().recovered >= 10)
    ids = {decode(record.value).event_id for record in consume(LIQUIDATIONS.topic(broker), broker)}
    assert ids >= set(range(stats.sent)) | set(range(10**9, 10**9 + 10))
    assert {record.value for record in consume(broker.dlq_topic, broker)} == {b"{"}


@pytest.mark.stack
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_killed_publishers_lose_nothing_they_took_broker_or_not(
    pipeline: Settings,
    outage: Callable[[], AbstractContextManager[None]],
    tmp_path: Path,
) -> None:
    """One is killed while Kafka answers, one while not; each heir delivers what was left."""
    ledger = tmp_path / "ledger"
    program = ("-m", "support.steady_publisher")

    def taken() -> int:
        return len(ledger.read_text().splitlines()) if ledger.exists() else 0

    def kill(process: subprocess.Popen[str], after: int) -> None:
        eventually(lambda: taken() >= after)
        process.kill()
        process.wait()

    with running(pipeline, *program, str(ledger), "0") as first:
        await asyncio.to_thread(kill, first, 2_000)
    with running(pipeline, *program, str(ledger), "1000000") as second:
        await asyncio.to_thread(eventually, lambda: taken() >= 4_000)
        with outage():
            await asyncio.to_thread(kill, second, taken() + 3_000)
    async with Publisher(pipeline) as heir:
        await reached(lambda: heir.stats().recovered >= 3_000)
    sent = [int(line) for line in ledger.read_text().splitlines()]
    kept = await asyncio.to_thread(consume, LIQUIDATIONS.topic(pipeline), pipeline)
    assert {decode(record.value).event_id for record in kept} >= set(sent)
    sql = f"SELECT event_id FROM {LIQUIDATIONS.table(pipeline)}"  # noqa: S608 - our own name

    def stored() -> list[int]:
        found = list(questdb.fetch(sql, None, pipeline)["event_id"])
        assert set(found) >= set(sent)
        return found

    # Connect takes its time to find a broker that was unreachable
    found = await asyncio.to_thread(eventually, stored)
    assert len(found) == len(set(found))
    assert len(set(found) - set(sent)) <= 22  # taken in the moment of the kill, not written down


@pytest.mark.stack
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_full_journal_disk_holds_publishing_back_only_while_kafka_is_unreachable(
    kind: str,
    broker: Settings,
    outage: Callable[[], AbstractContextManager[None]],
    tmp_path: Path,
) -> None:
    stream = liquidations()
    with small_disk(kind, tmp_path / "disk", megabytes=32) as disk:
        publisher = Publisher(broker.model_copy(update={"home": disk.path}))
        await publisher.start()
        await publish(publisher, stream, 1_000)
        disk.fill()
        await publish(publisher, stream, 30_000)
        await reached(lambda: publisher.stats().acknowledged == 31_000)
        assert "free disk" in publisher.stats().warning
        with outage():
            await publish_until_full(publisher, stream)
            held_back = publisher.stats()
            assert 31_000 < held_back.sent < 60_000  # what memory holds
            assert held_back.waiting_s > 2
            assert "messages are in memory only" in held_back.warning
            disk.free()
            await asyncio.wait_for(publish(publisher, stream, 5_000), PATIENCE_S)
            await reached(lambda: not publisher.stats().warning)
        await publisher.close(timeout=PATIENCE_S)
    stats = publisher.stats()
    assert stats.acknowledged == stats.sent
    records = await asyncio.to_thread(consume, LIQUIDATIONS.topic(broker), broker)
    accepted = set(range(stats.sent + 1)) - {held_back.sent}  # which was not taken in the end
    assert {decode(record.value).event_id for record in records} == accepted


@pytest.mark.stack
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_publisher_that_ends_reports_the_records_a_full_disk_did_not_keep(
    kind: str,
    broker: Settings,
    outage: Callable[[], AbstractContextManager[None]],
    tmp_path: Path,
) -> None:
    with small_disk(kind, tmp_path / "disk") as disk:
        settings = broker.model_copy(update={"home": disk.path})
        publisher = Publisher(settings)
        await publisher.start()
        await publish(publisher, liquidations(), 1)
        await publisher.flush()
        with outage():
            await publish(publisher, liquidations(1), 7)
            await asyncio.sleep(0)  # the loop's turn in which they go to disk
            disk.fill()
            await publish(publisher, liquidations(8), 40)
            with pytest.raises(
                KafkaError, match=r"47 messages are kept for the next.*40 of them may be lost.*disk"
            ):
                await publisher.close(timeout=1)
            disk.free()
        async with Publisher(settings) as heir:
            await reached(lambda: heir.stats().recovered >= 7)
    records = await asyncio.to_thread(consume, LIQUIDATIONS.topic(broker), broker)
    assert {decode(record.value).event_id for record in records} >= set(range(8))


@pytest.mark.stack
async def test_the_next_publisher_delivers_what_one_took_that_never_reached_kafka(
    broker: Settings, unused_tcp_port: int, tmp_path: Path
) -> None:
    home = broker.model_copy(update={"home": tmp_path})
    early = Publisher(home.model_copy(update={"kafka_port": unused_tcp_port}))
    await early.start(wait=True)
    await publish(early, liquidations(), 10)
    stats = early.stats()
    assert (stats.sent, stats.acknowledged, stats.queued) == (10, 0, 10)
    assert f"waiting for Kafka, messages are kept in {tmp_path}/journal" in stats.awaited
    await early.close()
    async with Publisher(home) as heir:
        await reached(lambda: heir.stats().recovered == 10)
        assert not heir.stats().awaited
    found = await asyncio.to_thread(consume, LIQUIDATIONS.topic(broker), broker)
    assert sorted(decode(one.value).event_id for one in found) == list(range(10))


async def test_without_a_journal_the_end_of_the_wait_reports_the_loss(
    unused_tcp_port: int, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, kafka_port=unused_tcp_port, buffer_mb=0)
    publisher = Publisher(settings)
    await publisher.start(wait=True)
    await publish(publisher, liquidations(), 3)
    assert "messages are kept in memory" in publisher.stats().awaited
    with pytest.raises(KafkaError, match="3 messages may be lost"):
        await publisher.close()


@pytest.mark.stack
async def test_a_closed_publisher_takes_nothing_more(broker: Settings) -> None:
    async with Publisher(broker) as publisher:
        pass
    with pytest.raises(KafkaError, match="closed"):
        await publish(publisher, liquidations(), 1)


@pytest.mark.stack
async def test_without_a_disk_it_does_not_begin(broker: Settings, tmp_path: Path) -> None:
    def senders() -> list[str]:
        names = [thread.name for thread in threading.enumerate()]
        return [name for name in names if name.startswith("liq-producer")]

    (tmp_path / "journal").write_text("")
    before = senders()
    with pytest.raises(JournalError, match="LIQ_BUFFER_MB=0"):
        await Publisher(broker.model_copy(update={"home": tmp_path})).start()
    await reached(lambda: senders() == before)


async def test_absent_broker_is_a_clear_error(unused_tcp_port: int) -> None:
    settings = Settings(kafka_port=unused_tcp_port)
    with pytest.raises(KafkaError, match=rf"127.0.0.1:{unused_tcp_port}.*liq up"):
        messaging.ensure_topics(settings)
    publisher = Publisher(settings)
    with pytest.raises(KafkaError, match=rf"127.0.0.1:{unused_tcp_port}.*liq up"):
        await publisher.start()
    await publisher.close()
