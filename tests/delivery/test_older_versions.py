"""A stack with the tables, views and messages of an earlier version, without assets, loses none."""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from kafka import KafkaProducer

import liq
from liq import stack as local
from liq.config import Settings
from liq.delivery import connect, messaging
from liq.delivery.messaging import client_options
from liq.query import questdb, views
from liq.records.streams import CASCADES, LIQUIDATIONS, PRICES, STREAMS, SUMS, Stream
from support.data_folder import write_messages
from support.helpers import consume, eventually, own_streams

pytestmark = pytest.mark.stack

MOMENT = "2026-03-01T12:00:00"
KEYS = {
    LIQUIDATIONS: "ts, exchange, symbol, event_id",
    PRICES: "ts, exchange, symbol, kind",
    CASCADES: "ts, base, gap",
    SUMS: "ts, exchange, symbol, base, bucket",
}
BASES = {"1000PEPE": "PEPE", "SHIB1000": "SHIB", "XBT": "BTC", "1INCH": "1INCH"}
UNITS = {"1000PEPE": 1_000.0, "SHIB1000": 1_000.0, "XBT": 1.0, "1INCH": 1.0}


def old_records(second: int) -> dict[Stream, list[dict[str, Any]]]:
    """Return a record of each stream and base, as the earlier version wrote it."""
    messages = write_messages(f"{MOMENT}.{second}", BASES)
    return {
        stream: [{name: one[name] for name in old_columns(stream)} for one in messages[stream.name]]
        for stream in KEYS
    }


def old_columns(stream: Stream) -> dict[str, str]:
    return {name: kind for name, kind in stream.columns().items() if not name.startswith("asset")}


def create_old_table(stream: Stream, rows: list[dict[str, Any]], settings: Settings) -> None:
    table, columns = stream.table(settings), old_columns(stream)
    typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    questdb.execute(
        f"CREATE TABLE {table} ({typed}) TIMESTAMP(ts) PARTITION BY DAY WAL"
        f" DEDUP UPSERT KEYS({KEYS[stream]})",
        settings=settings,
    )
    for row in rows:
        values = ", ".join(
            f"%({name})s::TIMESTAMP" if kind == "TIMESTAMP" else f"%({name})s"
            for name, kind in columns.items()
        )
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - our own
        questdb.execute(sql, row, settings)


@pytest.fixture
def old(stack: Settings) -> Iterator[Settings]:
    """The stack of an earlier version: rows in tables and a view, and messages in topics."""
    settings = own_streams(stack)
    messaging.ensure_topics(settings)
    for stream, rows in old_records(1).items():
        create_old_table(stream, rows, settings)
    table = LIQUIDATIONS.table(settings)
    selected = f"SELECT ts, base, sum(notional) AS notional FROM {table} SAMPLE BY 1h"  # noqa: S608
    questdb.execute(
        f"CREATE MATERIALIZED VIEW {table}_1h WITH BASE {table} REFRESH EVERY 1m"
        f" AS ({selected}) PARTITION BY DAY",
        settings=settings,
    )
    producer = KafkaProducer(**client_options(settings))
    for stream, messages in old_records(2).items():
        for message in messages:
            producer.send(stream.topic(settings), json.dumps(message).encode(), key=b"old")
    producer.flush()
    producer.close()
    yield settings
    for stream in STREAMS:
        connect.remove(settings, stream)


def rows_of(stream: Stream, settings: Settings) -> list[dict[Any, Any]]:
    sql = f"SELECT * FROM {stream.table(settings)} ORDER BY ts, base"  # noqa: S608 - our own
    return questdb.fetch(sql, settings=settings).to_dict("records")


def wait_for_all(stream: Stream, settings: Settings) -> list[dict[Any, Any]]:
    """Wait until the rows and the messages of the earlier version are in the table."""
    eventually(lambda: len(rows_of(stream, settings)) == 2 * len(BASES))
    return rows_of(stream, settings)


def test_rows_and_messages_of_an_earlier_version_and_of_its_sink_get_their_assets(
    old: Settings,
) -> None:
    local.provision(old)
    for stream in KEYS:
        rows = wait_for_all(stream, old)
        for row in rows:
            units = UNITS[row["base"]]
            assert row["asset"] == BASES[row["base"]]
            assert row.get("asset_quantity", units) == units
            assert row.get("asset_price", 4.0 / units) == pytest.approx(4.0 / units)
    assert consume(old.dlq_topic, old) == []
    assert {views._read_status(view, old) for view in views.VIEWS} == {"valid"}
    assert_rows_of_an_old_sink_get_their_assets(old)


def assert_rows_of_an_old_sink_get_their_assets(old: Settings) -> None:
    """Take the assets away, as a sink that still runs writes rows without them."""
    table = LIQUIDATIONS.table(old)
    questdb.execute(f"UPDATE {table} SET asset = NULL, asset_quantity = NULL", settings=old)  # noqa: S608
    eventually(lambda: all(pd.isna(row["asset"]) for row in rows_of(LIQUIDATIONS, old)))
    local.provision(old)
    assert {row["asset"] for row in rows_of(LIQUIDATIONS, old)} == {*BASES.values()}
    eventually(lambda: {views._read_status(view, old) for view in views.VIEWS} == {"valid"})
    assert liq.hit("totals", settings=old, window="3650d")["prints"].item() == 2 * len(BASES)


def test_a_suspended_table_of_very_many_bases_gets_its_assets_once_it_is_resumed(
    old: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.query.questdb._FILLED_AT_ONCE", 3)
    table = LIQUIDATIONS.table(old)
    questdb.execute(f"ALTER TABLE {table} SUSPEND WAL", settings=old)
    questdb.ensure_table(old)
    assert not questdb.fill_assets(old)
    questdb.execute(f"ALTER TABLE {table} RESUME WAL", settings=old)
    local.provision(old)
    assert {row["asset"] for row in wait_for_all(LIQUIDATIONS, old)} == {*BASES.values()}
