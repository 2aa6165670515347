"""A topic of one's own: the original's "change the topic, and configure a sink with that topic"."""

import uuid
from collections.abc import Iterator

import pytest

from liq.config import Settings
from liq.delivery import connect
from liq.delivery.producer import Producer
from liq.ingest.simulator.server import Schedule, Simulator
from liq.query import questdb
from liq.records.streams import LIQUIDATIONS
from support.helpers import PATIENCE_S, eventually, find_free_ports, own_streams, reached, running


@pytest.fixture
def mine(stack: Settings) -> Iterator[Settings]:
    """The stack by a topic and a table of liquidations alone."""
    name = uuid.uuid4().hex[:8]
    own = stack.with_streams(liquidations={"topic": f"mine.{name}", "table": f"mine_{name}"})
    settings = own.model_copy(update={"simulator_port": find_free_ports()["simulator_port"]})
    yield settings
    connect.remove(settings)


def stored(settings: Settings) -> int:
    sql = f"SELECT count() AS n FROM {LIQUIDATIONS.table(settings)}"  # noqa: S608 - our own name
    frame = questdb.fetch(sql, None, settings)
    return int(frame["n"].item())


@pytest.mark.stack
async def test_one_command_gives_it_a_sink_and_until_then_the_producer_warns(
    stack: Settings, mine: Settings
) -> None:
    topic, table = LIQUIDATIONS.topic(mine), LIQUIDATIONS.table(mine)
    async with Simulator(Schedule(rate=50), mine) as simulator:
        producer = Producer(url=simulator.url, settings=mine)
        await producer.start()
        try:
            await reached(lambda: f"no sink reads topic {topic}" in producer.status().warning)
            with running(mine, "-m", "liq", "init") as process:
                output, _ = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, output
            sink = f"alt-liquidations-{topic}"
            assert f"topic {topic}, by sink {sink} into table {table}" in output
            await reached(lambda: producer.status().warning == "")
            await reached(lambda: producer.status().acknowledged > 10)
        finally:
            await producer.stop()
    acknowledged = producer.status().acknowledged
    eventually(lambda: stored(mine) == acknowledged)  # also what came before there was a sink
    shared = connect.read_status(stack, LIQUIDATIONS)
    assert (shared.name, shared.is_running) == ("alt-liquidations", True)
    assert "alt_liquidations" not in connect.describe_unread(stack, [LIQUIDATIONS])


@pytest.mark.stack
def test_init_does_not_point_a_sink_elsewhere(stack: Settings) -> None:
    elsewhere = own_streams(stack, LIQUIDATIONS, names=["table"])
    with running(elsewhere, "-m", "liq", "init") as process:
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    words = " ".join(output.split())
    assert "sink alt-liquidations carries alt_liquidations into liquidations" in words
    assert "liq init --force" in words
    assert connect.read_status(stack, LIQUIDATIONS).is_running
