"""A stream is one record and one declaration: settings, topic, sink, table and SQL follow."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import liq
from liq import config
from liq import stack as local
from liq.config import Settings
from liq.delivery import connect
from liq.delivery.messaging import Publisher
from liq.errors import ConfigError
from liq.query import queries, questdb
from liq.records import streams
from liq.records.model import Liquidation, Micros, Name, Positive
from liq.records.streams import LIQUIDATIONS, STREAMS, Stream, StreamSettings, find_stream
from support.helpers import consume, eventually, own_streams

HALTS = '{"halts": "SELECT exchange, seconds FROM {halts_table} ORDER BY seconds"}'


class Halt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An exchange stopped trading for a while."""

    ts: Micros
    exchange: Name
    seconds: Positive


@pytest.fixture
def halts() -> Iterator[Stream]:
    """A stream that only these tests declare."""
    names = StreamSettings(topic="halts", table="halts", connector="halts", ttl_days=7)
    yield streams.declare(Stream("halts", Halt, ("ts", "exchange"), ("exchange",), names))
    STREAMS.pop()


@pytest.fixture
def own(stack: Settings, halts: Stream, tmp_path: Path) -> Iterator[Settings]:
    """Topic, table and sink of the stream, in servers that were started before it was declared."""
    (tmp_path / "queries.json").write_text(HALTS)
    settings = own_streams(stack).model_copy(update={"queries": tmp_path / "queries.json"})
    local.provision(settings)
    yield settings
    for stream in STREAMS:
        connect.remove(settings, stream)


@pytest.mark.stack
def test_a_row_of_a_declared_stream_is_in_its_table(own: Settings, halts: Stream) -> None:
    now = time.time_ns() // 1_000

    async def publish() -> None:
        async with Publisher(own) as publisher:
            await publisher.publish(Halt(ts=now, exchange="okx", seconds=90.5))
            await publisher.publish(Halt(ts=now, exchange="okx", seconds=60.25))  # replaces it
            await publisher.publish(Halt(ts=now, exchange="okx", seconds=-1.0))
            await publisher.flush()
            stats = publisher.stats()
            assert (stats.sent, stats.acknowledged, stats.dead_lettered) == (2, 2, 1)

    asyncio.run(publish())
    eventually(lambda: liq.hit("halts", settings=own)["seconds"].tolist() == [60.25])
    assert [record.key for record in consume(halts.topic(own), own)] == [b"okx", b"okx"]
    [letter] = consume(own.dlq_topic, own)
    assert dict(letter.headers)["venue"] == b"okx"


@pytest.mark.stack
def test_odd_rows_of_a_declared_stream_are_left_out_and_listed(
    own: Settings, halts: Stream
) -> None:
    table = halts.table(own)
    values = "(dateadd('m', -1, now()), 'okx', -1.0), (dateadd('m', -2, now()), 'okx', 5.0)"
    questdb.execute(f"INSERT INTO {table} VALUES {values}", settings=own)  # noqa: S608 - our own name
    eventually(lambda: liq.hit("halts", settings=own)["seconds"].tolist() == [5.0])
    shown = own.model_copy(update={"queries": None})
    [found] = liq.hit("odd_rows", settings=shown).to_dict("records")
    assert (found["kind"], found["broken"]) == ("halts", "seconds")
    assert liq.hit("left_out", settings=shown)["kind"].tolist() == ["halts"]


def test_a_declared_stream_has_settings(halts: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIQ_HALTS__TOPIC", "mine")
    settings = Settings()
    assert (halts.topic(settings), halts.table(settings)) == ("mine", "halts")
    assert (halts.connector(settings), halts.ttl_days(settings)) == ("halts-mine", 7)
    assert "LIQ_HALTS__TTL_DAYS" in config.list_variables()
    assert settings.variables()["LIQ_HALTS__TOPIC"] == "mine"


def test_settings_of_an_earlier_moment_have_its_defaults() -> None:
    settings = Settings()
    names = StreamSettings(topic="halts", table="halts", connector="halts")
    stream = streams.declare(Stream("halts", Halt, ("ts", "exchange"), ("exchange",), names))
    try:
        assert stream.topic(settings) == "halts"
        assert stream.topic(settings.with_streams(halts={"topic": "mine"})) == "mine"
    finally:
        STREAMS.pop()


def test_queries_may_read_a_stream_that_is_declared_later(halts: Stream, tmp_path: Path) -> None:
    (tmp_path / "queries.json").write_text(HALTS)
    settings = Settings(queries=tmp_path / "queries.json")
    STREAMS.remove(halts)
    try:
        assert "halts" in queries.load_catalogue(settings).faults
    finally:
        STREAMS.append(halts)
    found = queries.load_catalogue(settings)
    assert found.queries["halts"].reads == {halts.placeholder}


def test_a_name_or_a_record_has_one_stream() -> None:
    for name, record in (("liquidations", Halt), ("others", Liquidation)):
        with pytest.raises(ConfigError, match="liquidations"):
            streams.declare(Stream(name, record, ("ts",), ("exchange",), LIQUIDATIONS.defaults))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        *(
            ({"name": name}, "names no stream")
            for name in ("", "Health", "a__b", "_a", "a_", "1a", "a b", "a;b", "odd_health", "any")
        ),
        ({"keys": ("exchange",)}, "needs ts"),
        ({"partition_by": ()}, "needs ts"),
        ({"keys": ("ts", "symbol")}, "Halt has no field 'symbol'"),
        ({"partition_by": ("symbol",)}, "Halt has no field 'symbol'"),
        ({"names": ("symbol",)}, "Halt has no field 'symbol'"),
        ({"topic": "feed_health"}, "stream halts has the topic of health"),
        ({"table": "FEED_HEALTH"}, "stream halts has the table of health"),
        ({"connector": "feed-health"}, "stream halts has the connector of health"),
    ],
)
def test_a_stream_that_cannot_be_stored_is_refused(wrong: dict[str, Any], why: str) -> None:
    names = {"topic": "halts", "table": "halts", "connector": "halts"}
    own = {name: wrong.get(name, usual) for name, usual in names.items()}
    fields: dict[str, Any] = {
        "name": "halts",
        "keys": ("ts", "exchange"),
        "partition_by": ("exchange",),
    }
    fields |= {name: value for name, value in wrong.items() if name not in own}
    before = [*STREAMS]
    try:
        with pytest.raises(ConfigError, match=why):
            streams.declare(Stream(record=Halt, defaults=StreamSettings(**own), **fields))
    finally:
        STREAMS[:] = before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, dots) for name in ("topic", "connector") for dots in (".", "..", "...")),
        ("topic", "x" * 250),
        ("table", "x" * 101),
        ("ttl_days", 36_501),
    ],
)
def test_settings_that_a_server_refuses_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"LIQ_HEALTH__{name.upper()}"):
        Settings().with_streams(health={name: value})


def test_a_record_without_a_stream_says_where_to_declare_it() -> None:
    class Other(msgspec.Struct):
        ts: Micros

    with pytest.raises(TypeError, match=r"Other: declare one in liq\.records\.streams"):
        find_stream(Other(ts=0))
