"""Small helpers that several tests share."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from liq import stack as local
from liq.config import Settings
from liq.delivery.messaging import client_options
from liq.records.streams import STREAMS, Stream
from liq.stack import health
from liq.stack import process as pids

_T = TypeVar("_T")

find_free_ports = health.find_free_ports  # tests take it from here

_TESTS = Path(__file__).parents[1]
PATIENCE_S = 120.0  # when a wait counts as hung: a busy machine is slow, not broken


def configure_questdb(settings: Settings) -> None:
    """Let the QuestDB that is to be started take SUSPEND WAL, and soon close what it opened.

    By default it keeps the files of a table open for ten minutes, and tests make hundreds of them.
    It has one thread of each kind that liq leaves to it. Idle ones look for work 20 times a second,
    not 100 times, which on three servers took a tenth of a core.
    """
    conf = settings.home / "questdb" / "conf" / "server.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(
        "dev.mode.enabled=true\n"
        "cairo.idle.check.interval=1s\n"
        "cairo.inactive.reader.ttl=5s\n"
        "cairo.inactive.writer.ttl=5s\n"
        "cairo.wal.inactive.writer.ttl=5s\n"
        "shared.network.worker.count=1\n"
        "shared.query.worker.count=1\n"
        "shared.write.worker.count=1\n"
        "wal.apply.worker.count=1\n"
        "http.worker.sleep.timeout=50\n"
        "shared.worker.sleep.timeout=50\n"
        "wal.apply.worker.sleep.timeout=50\n"
    )


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let each name of a host have these addresses."""

    def find(_host: str, port: int, *_args: object, **_options: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", find)


def own_streams(
    settings: Settings, *streams: Stream, names: Sequence[str] = ("topic", "table", "connector")
) -> Settings:
    """Return settings with ``names`` that nobody else uses, of all streams or of those given.

    With topics of its own, a test also has a topic of dead letters of its own.
    """
    own = uuid.uuid4().hex[:8]
    changes = {
        stream.name: {
            name: f"{stream.name}-{own}" if name == "connector" else f"{stream.name}_{own}"
            for name in names
        }
        for stream in streams or STREAMS
    }
    settings = settings.with_streams(**changes)
    return settings.model_copy(update={"dlq_topic": f"dead_{own}"} if "topic" in names else {})


def answers(url: str, *, below: int = 300) -> bool:
    """Whether a server answers at ``url`` with a status below ``below``.

    Without certificates, which take 20 ms to load each time.
    """
    try:
        return httpx.get(url, verify=False).status_code < below  # noqa: S501 - on this machine
    except httpx.TransportError:
        return False


def eventually(
    attempt: Callable[[], _T], *, deadline: float = PATIENCE_S, every: float = 0.05
) -> _T:
    """Call ``attempt`` until it returns something true, and return that; fail at the deadline.

    An `AssertionError` in ``attempt`` means "not yet"; the last one is the failure's cause. The
    pauses grow with the time that was waited for, see `choose_pause_s`.
    """
    begin = time.monotonic()
    while True:
        cause: AssertionError | None = None
        try:
            if result := attempt():
                return result
        except AssertionError as error:
            cause = error
        waited = time.monotonic() - begin
        if waited > deadline:
            raise AssertionError(f"not within {deadline:.0f} s: {attempt}") from cause
        time.sleep(max(every, choose_pause_s(waited)))


def choose_pause_s(waited: float) -> float:
    """Return how long not to ask after ``waited`` seconds: a tenth of it, within bounds.

    Who asks a server twenty times a second keeps half a core of it busy, which others wait for.
    """
    return min(max(waited / 10, 0.05), 0.3)


async def reached(condition: Callable[[], object]) -> None:
    """Wait for ``condition``, which another task or thread fulfils and which is cheap to ask."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for signals nothing
            await asyncio.sleep(0.01)


def consume(topic: str, settings: Settings) -> list[ConsumerRecord]:
    """Return all that a topic holds."""
    consumer = KafkaConsumer(
        **client_options(settings),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        total = sum(consumer.end_offsets(partitions).values())
        records: list[ConsumerRecord] = []
        while len(records) < total:
            batches = consumer.poll(timeout_ms=int(1_000 * PATIENCE_S))
            assert batches, f"{len(records)} of {total} records within {PATIENCE_S:.0f} s"
            records += chain.from_iterable(batches.values())
        return records
    finally:
        consumer.close()


@contextmanager
def running(settings: Settings, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``python`` with such arguments and settings; kill it at the end if it still runs.

    It can import what tests can, e.g. ``-m support.steady_publisher``.
    """
    process = subprocess.Popen(
        [sys.executable, *argv],
        env=os.environ | settings.environ() | {"PYTHONPATH": str(_TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def stopped(settings: Settings, name: str) -> Iterator[None]:
    """Freeze a server of the stack: its system accepts connections for it, nobody answers them."""
    found = pids.find(settings.home / "run" / f"{name}.json")
    assert found
    found.process.suspend()
    try:
        eventually(lambda: found.process.status() == psutil.STATUS_STOPPED)
        yield
    finally:
        found.process.resume()


@contextmanager
def kafka_stopped(settings: Settings) -> Iterator[None]:
    """Stop the broker of the stack; start it again at the end."""
    local.stop("kafka", settings)
    try:
        yield
    finally:
        local.start("kafka", settings)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return the next line of a process that has ``text``."""
    assert process.stdout
    return next(line for line in process.stdout if text in line)


def finish(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send a signal, wait for an orderly end, and return what the process printed."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output
    return output


def kill_tree(process: subprocess.Popen[Any]) -> None:
    """Kill a process and what it has started, as ``kill -9`` would."""
    for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # Java ends by itself when its driver is gone
            one.kill()
    process.wait()
