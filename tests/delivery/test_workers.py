"""`liq produce --processes` as users run it, on a real broker."""

import asyncio
import json
import multiprocessing
import re
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from liq.config import Settings
from liq.delivery import messaging, workers
from liq.delivery.producer import Producer
from liq.delivery.workers import split_feeds
from liq.errors import LiqError
from liq.ingest.venues import VENUES
from liq.records.model import decode
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS
from support.helpers import (
    PATIENCE_S,
    consume,
    eventually,
    find_free_ports,
    finish,
    kafka_stopped,
    own_streams,
    read_until,
    running,
)

FEEDS = ("bybit", "okx", "gate")
DELIVERED = re.compile(r"^(\w+) stopped .* 200 acknowledged of 200 sent", re.MULTILINE)
PRODUCE = ["-m", "liq", "produce", "--processes=2", *(f"--venue={name}" for name in FEEDS)]


@pytest.mark.parametrize(("processes", "sizes"), [(1, [5]), (2, [3, 2]), (9, [1] * 5)])
def test_every_feed_is_in_one_of_the_processes(processes: int, sizes: list[int]) -> None:
    feeds = list(VENUES)[:5]
    groups = split_feeds(feeds, processes)
    assert [len(group) for group in groups] == sizes
    assert sorted(name for group in groups for name in group) == sorted(feeds)


def test_a_parent_that_does_not_read_holds_no_process_up() -> None:
    statuses = [Producer(feed, "ws://127.0.0.1:1").status() for feed in FEEDS]
    reading, sending = multiprocessing.Pipe()

    def report() -> None:
        for _ in range(2_000):
            workers._report(statuses, sending)

    worker = threading.Thread(target=report, daemon=True)
    worker.start()
    worker.join(PATIENCE_S)
    assert not worker.is_alive()
    assert reading.recv() == statuses
    reading.close()
    with pytest.raises(LiqError, match="is gone"):
        workers._report(statuses, sending)


@pytest.fixture
def broker(stack: Settings) -> Settings:
    """Topics of the test's own, feed health's too, and a port for its simulator."""
    port = find_free_ports()["simulator_port"]
    settings = own_streams(stack, names=["topic"]).model_copy(update={"simulator_port": port})
    messaging.ensure_topics(settings)
    return settings


def url_of(settings: Settings) -> str:
    return f"--url=ws://127.0.0.1:{settings.simulator_port}/{{venue}}"


def read_stops(settings: Settings) -> dict[str, bool]:
    """Return by feed whether its last report says that it was stopped on purpose."""
    reports = consume(FEED_HEALTH.topic(settings), settings)
    rows = (json.loads(report.value) for report in reports)
    return {row["exchange"]: bool(row.get("stopped")) for row in rows}


@pytest.mark.stack
def test_processes_deliver_all_and_stop_as_one(broker: Settings, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    simulate = ["-m", "liq", "simulate", "--rate=300", "--count=200", f"--ledger={ledger}"]
    with (
        running(broker, *simulate),
        running(broker, *PRODUCE, url_of(broker)) as producer,
    ):
        eventually(lambda: ledger.exists() and len(ledger.read_text().splitlines()) == 600)
        eventually(lambda: len(consume(LIQUIDATIONS.topic(broker), broker)) >= 600)
        eventually(lambda: set(read_stops(broker)) == set(FEEDS))  # each feed has reported once
        output = finish(producer, signal.SIGTERM)
    assert set(DELIVERED.findall(output)) == set(FEEDS)
    found = [decode(one.value) for one in consume(LIQUIDATIONS.topic(broker), broker)]
    assert len(found) == 600
    assert {one.exchange for one in found} == {*FEEDS}
    assert read_stops(broker) == dict.fromkeys(FEEDS, True)


@pytest.mark.stack
@pytest.mark.parametrize("processes", [1, 2])
def test_messages_received_before_kafka_starts_arrive_once(
    processes: int, stack: Settings, tmp_path: Path
) -> None:
    port = find_free_ports()["simulator_port"]
    settings = own_streams(stack, names=["topic"])  # which nobody has created
    settings = settings.model_copy(update={"simulator_port": port})
    ledger = tmp_path / "ledger"
    simulate = ["-m", "liq", "simulate", "--rate=300", "--count=200", f"--ledger={ledger}"]
    produce = [*PRODUCE, f"--processes={processes}", url_of(settings)]
    with ExitStack() as programs:
        programs.enter_context(running(settings, *simulate))
        with kafka_stopped(settings):
            producer = programs.enter_context(running(settings, *produce))
            assert f"{settings.home}/journal" in read_until(producer, "waiting for Kafka")
            eventually(lambda: ledger.exists() and len(ledger.read_text().splitlines()) == 600)
        read_until(producer, "Kafka is connected")
        eventually(lambda: len(consume(LIQUIDATIONS.topic(settings), settings)) >= 600)
        output = finish(producer, signal.SIGTERM)
    assert set(DELIVERED.findall(output)) == set(FEEDS)
    found = [decode(one.value) for one in consume(LIQUIDATIONS.topic(settings), settings)]
    assert len(found) == len({(one.exchange, one.event_id) for one in found}) == 600
    assert read_stops(settings) == dict.fromkeys(FEEDS, True)


@pytest.mark.stack
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_a_process_ends_the_others(number: signal.Signals, broker: Settings) -> None:
    with (
        running(broker, "-m", "liq", "simulate", "--rate=100"),
        running(broker, *PRODUCE, url_of(broker)) as producer,
    ):
        eventually(lambda: len(read_stops(broker)) == len(FEEDS))
        started = find_workers(producer.pid)
        started[0].send_signal(number)
        output, _ = producer.communicate(timeout=PATIENCE_S)
    assert producer.returncode == 1
    assert "a process of producers ended" in output
    eventually(lambda: not any(worker.is_running() for worker in started))
    assert False in read_stops(broker).values()


@pytest.mark.stack
def test_processes_whose_parent_was_killed_end_and_stay_expected(broker: Settings) -> None:
    with (
        running(broker, "-m", "liq", "simulate", "--rate=100"),
        running(broker, *PRODUCE, url_of(broker)) as producer,
    ):
        eventually(lambda: len(read_stops(broker)) == len(FEEDS))
        started = find_workers(producer.pid)
        producer.kill()
        eventually(lambda: not any(worker.is_running() for worker in started))
    assert read_stops(broker) == dict.fromkeys(FEEDS, False)


async def test_a_frozen_process_is_killed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_LONGEST_END_S", 0.2)
    worker = workers._Worker(3600, time.sleep)  # type: ignore[arg-type] # blocks as `create(feeds)`
    psutil.Process(worker.process.pid).suspend()
    async with asyncio.timeout(PATIENCE_S):
        await workers._end([worker], on_purpose=True)
    assert worker.process.exitcode in (-signal.SIGKILL, -signal.SIGTERM)  # which waited for it


def find_workers(pid: int) -> list[psutil.Process]:
    """Return the processes of producers, without the tracker of multiprocessing."""
    children = psutil.Process(pid).children(recursive=True)
    return [one for one in children if "spawn_main" in " ".join(one.cmdline())]
