"""What every measurement needs: a stack of its own, child processes, polling."""

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from kafka import KafkaAdminClient

from liq import stack as local
from liq.config import Settings
from liq.delivery import connect, messaging
from liq.query import questdb, views
from liq.records.streams import LIQUIDATIONS
from liq.stack.health import find_free_ports

_ROOT = Path(__file__).parents[1]


@contextmanager
def temporary_settings() -> Iterator[Settings]:
    """Give settings with their own ports and data; jars come from the cache."""
    with tempfile.TemporaryDirectory(prefix="liq-bench-") as home:
        yield Settings.load(home=Path(home), **find_free_ports())


@contextmanager
def temporary_stack() -> Iterator[Settings]:
    """Give the settings of a running stack with its own ports and data."""
    with temporary_settings() as settings:
        try:
            local.up(settings)
            yield settings
        finally:
            local.down(settings)


def own_names(settings: Settings) -> Settings:
    """Return the settings with a topic, table and connector that nobody else uses."""
    own = uuid.uuid4().hex[:8]
    names = {"topic": f"bench_{own}", "table": f"bench_{own}", "connector": f"bench-{own}"}
    renamed = settings.with_streams(liquidations=names)
    return renamed.model_copy(update={"dlq_topic": f"bench_dead_{own}"})


def prepare(settings: Settings) -> None:
    """Create topic and table and register the sink."""
    messaging.ensure_topics(settings)
    questdb.ensure_table(settings)
    views.ensure(settings)
    connect.ensure(settings)


def create_stamped_topic(settings: Settings) -> None:
    """Create the topic of liquidations, whose messages have the time at which Kafka has them."""
    admin = KafkaAdminClient(**messaging.client_options(settings))
    try:
        options = {
            "num_partitions": settings.partitions,
            "replication_factor": -1,
            "configs": {"message.timestamp.type": "LogAppendTime"},
        }
        admin.create_topics({LIQUIDATIONS.topic(settings): options})
    finally:
        admin.close()


def liq(settings: Settings, *arguments: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run ``liq ARGUMENTS`` with these settings until the block ends."""
    return module(settings, "liq", *arguments)


@contextmanager
def module(settings: Settings, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python -m NAME ARGUMENTS`` with these settings until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", name, *arguments],
        cwd=_ROOT,
        env={**os.environ, **settings.environ()},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_until(condition: Callable[[], bool], timeout: float, every: float = 0.05) -> None:
    """Return when ``condition`` holds; raise `TimeoutError` after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout:.0f} s")
        time.sleep(every)
