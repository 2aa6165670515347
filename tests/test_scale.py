"""More of everything: producers, partitions, tasks, Connect workers; and one of those killed."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from liq.config import Settings
from liq.delivery import connect, messaging
from liq.records.streams import LIQUIDATIONS
from liq.stack import control, process
from liq.stack.servers import CONNECT, define_servers
from liq.stack.service import Service
from support.helpers import PATIENCE_S, consume, eventually, find_free_ports, running
from support.rows import ask

pytestmark = pytest.mark.stack

PRODUCERS, EACH, CONTRACTS, TASKS = 3, 10_000, 40, 6
DIFFERENT = (PRODUCERS + 1) * EACH // 2  # the latter half of each is the former of the next
PROGRAM = ("-m", "support.bounded_publisher")


@pytest.fixture
def wide(pipeline: Settings) -> Iterator[Settings]:
    """A topic of six partitions, and a sink of six tasks."""
    topic, sink = f"wide_{LIQUIDATIONS.topic(pipeline)}", f"wide-{LIQUIDATIONS.connector(pipeline)}"
    own = pipeline.with_streams(liquidations={"topic": topic, "connector": sink})
    settings = own.model_copy(update={"partitions": TASKS, "sink_tasks": TASKS})
    messaging.ensure_topics(settings)
    yield settings
    connect.remove(settings)


@pytest.fixture
def second(stack: Settings, tmp_path: Path) -> Iterator[Service]:
    """A worker in the group of the stack's own."""
    port = find_free_ports()["connect_port"]
    settings = stack.model_copy(update={"home": tmp_path, "connect_port": port})
    [worker] = [service for service in define_servers(settings) if service.name == CONNECT]
    control.launch([worker], settings)
    control.wait_healthy(worker)
    yield worker
    control.end([worker], settings)


def workers(settings: Settings) -> list[str]:
    """Return where each task of the sink runs."""
    url = f"{settings.connect_url}/connectors/{LIQUIDATIONS.connector(settings)}/status"
    answer = httpx.get(url, timeout=PATIENCE_S)
    assert answer.is_success  # not while the workers agree who does what
    return [task["worker_id"] for task in answer.json()["tasks"] if task["state"] == "RUNNING"]


def unread(settings: Settings) -> int:
    group = f"connect-{LIQUIDATIONS.connector(settings)}"
    return sum(
        each.lag for each in messaging.read_offsets({LIQUIDATIONS.topic(settings): group}, settings)
    )


def stored(settings: Settings) -> tuple[int, int]:
    """Return how many rows there are, and of how many different liquidations."""
    found = ask("SELECT count() AS n, count_distinct(event_id) AS d FROM {table}", settings)
    return int(found["n"][0]), int(found["d"][0])


def test_with_a_worker_killed_under_load_all_is_stored_once(
    wide: Settings, second: Service
) -> None:
    connect.ensure(wide)
    eventually(lambda: len(workers(wide)) == TASKS and len(set(workers(wide))) == 2)
    with ExitStack() as ended:
        producers = [
            ended.enter_context(running(wide, *PROGRAM, str(number * EACH // 2), str(EACH)))
            for number in range(PRODUCERS)
        ]
        eventually(lambda: stored(wide)[0] > DIFFERENT // 5)
        killed = process.find(second.pid_file)
        assert killed
        killed.process.kill()
        for producer in producers:
            output, _ = producer.communicate(timeout=PATIENCE_S)
            assert producer.returncode == 0, output
    # what the killed one had not committed is read again, and stored once as well
    eventually(lambda: not unread(wide))
    eventually(lambda: stored(wide) == (DIFFERENT, DIFFERENT))
    eventually(lambda: len(workers(wide)) == TASKS and len(set(workers(wide))) == 1)
    assert not consume(wide.dlq_topic, wide)
    messages = consume(LIQUIDATIONS.topic(wide), wide)
    assert len(messages) >= PRODUCERS * EACH
    places = {(message.key, message.partition) for message in messages}
    assert len(places) == CONTRACTS  # each in one partition, whoever published it
    assert {partition for _, partition in places} == set(range(TASKS))
