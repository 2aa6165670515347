"""The monitor checks and repairs real servers."""

import asyncio
from datetime import UTC, datetime

import pytest

from liq.config import Settings
from liq.delivery import connect
from liq.delivery.messaging import Publisher
from liq.errors import StackError
from liq.monitoring import monitor
from liq.query import questdb
from liq.records.model import Source
from liq.records.streams import LIQUIDATIONS, STREAMS
from support.helpers import eventually, find_free_ports
from support.rows import health, liquidation, report

pytestmark = pytest.mark.stack
NOON = "2026-01-01T12:00:00Z"


async def send(settings: Settings, count: int, *, bad: int = 0) -> None:
    async with Publisher(settings) as publisher:
        for number in range(count):
            await publisher.publish(liquidation(NOON, 100.0, event_id=number))
        for _ in range(bad):
            await publisher.dead_letter("okx", "odd", b"{}", 1, Source.SIMULATOR)


def seen(settings: Settings) -> monitor.Flow:
    return next(
        flow for flow in monitor.check(settings).flows if flow.table == LIQUIDATIONS.table(settings)
    )


def test_the_monitor_counts_entries_kept_read_and_set_aside(pipeline: Settings) -> None:
    asyncio.run(send(pipeline, 30, bad=2))
    eventually(lambda: seen(pipeline).lag == 0)
    found = monitor.check(pipeline)
    assert found.is_healthy
    assert len(found.flows) == len(STREAMS)
    flow = seen(pipeline)
    assert (flow.topic, flow.messages, flow.lag) == (LIQUIDATIONS.topic(pipeline), 30, 0)
    assert sum(at.committed or 0 for at in flow.partitions or ()) == 30
    assert flow.sink is not None
    assert flow.sink.is_running
    assert flow.wal is not None
    assert not flow.wal.suspended
    assert found.letters is not None
    assert [letter.reason for letter in found.letters] == ["odd", "odd"]


def test_the_monitor_shows_the_reports_that_feeds_passed_over(pipeline: Settings) -> None:
    now = datetime.now(UTC)
    report(pipeline, [health(now, exchange="okx", passed=1_234, too_old=7), health(now)])
    [feed] = monitor.check(pipeline).passed or ()
    assert feed == ("okx", 1_234, 7, 0)


def test_a_missing_sink_lags_and_is_registered_again(pipeline: Settings) -> None:
    connect.remove(pipeline)
    asyncio.run(send(pipeline, 10))
    flow = seen(pipeline)
    assert flow.lag == 10
    assert flow.problems == ["the sink is ABSENT"]
    assert not monitor.check(pipeline).is_healthy
    monitor.repair(pipeline)
    eventually(lambda: seen(pipeline).lag == 0)
    assert monitor.check(pipeline).is_healthy


def test_a_suspended_table_is_reported_and_resumed(pipeline: Settings) -> None:
    # what QuestDB is applying yet would take the mark away
    eventually(lambda: questdb.read_wal_state(LIQUIDATIONS.table(pipeline), pipeline).pending == 0)
    questdb.execute(f"ALTER TABLE {LIQUIDATIONS.table(pipeline)} SUSPEND WAL", settings=pipeline)
    eventually(lambda: seen(pipeline).problems)
    assert f"table {LIQUIDATIONS.table(pipeline)} is suspended" in seen(pipeline).problems[0]
    monitor.repair(pipeline)
    eventually(lambda: not seen(pipeline).problems)


def test_a_repair_that_fails_stops_no_other_repair(pipeline: Settings) -> None:
    connect.remove(pipeline)
    asyncio.run(send(pipeline, 10))
    without = pipeline.model_copy(update={"questdb_pg_port": find_free_ports()["questdb_pg_port"]})
    with pytest.raises(StackError, match="QuestDB"):
        monitor.repair(without)
    eventually(lambda: seen(pipeline).lag == 0)


def test_a_part_that_is_unreachable_does_not_hide_the_others(pipeline: Settings) -> None:
    ports = find_free_ports()
    for port, lost in (
        ("kafka_port", "partitions"),
        ("connect_port", "sink"),
        ("questdb_pg_port", "wal"),
    ):
        flow = seen(pipeline.model_copy(update={port: ports[port]}))
        parts = {name: getattr(flow, name) for name in ("partitions", "sink", "wal")}
        assert [name for name, part in parts.items() if part is None] == [lost]
        assert "liq up" in flow.problems[0]
    away = pipeline.model_copy(update=ports)
    assert monitor.check(away).letters is None
    with pytest.raises(StackError, match=r"QuestDB.*liq up.*; .*Connect.*liq up"):
        monitor.repair(away)


def test_a_topic_that_is_not_there_has_no_partitions(pipeline: Settings) -> None:
    flow = seen(pipeline.with_streams(liquidations={"topic": "nobody_made_it"}))
    assert (flow.partitions, flow.messages, flow.lag) == ([], 0, 0)
    assert LIQUIDATIONS.topic(pipeline) != flow.topic
