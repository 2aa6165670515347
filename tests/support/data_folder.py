"""Writes a stack's data folder as this version leaves it, for tests of later versions.

``PYTHONPATH=tests python -m support.data_folder tests/stack/data/COMMIT.tar.xz``

Each stream has a row in its table, and a message that no sink has read, for each of `BASES`.
There is a dead letter, too.
"""

import json
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from liq import stack as local
from liq.config import Settings
from liq.delivery.messaging import client_options
from liq.query import questdb
from liq.records.model import Alert, Cascade, Severity, Sums, Text
from liq.records.streams import (
    ALERTS,
    CASCADES,
    FEED_HEALTH,
    LIQUIDATIONS,
    PRICES,
    STREAMS,
    SUMS,
    Stream,
)
from liq.stack.servers import CONNECT
from support.helpers import configure_questdb, consume, eventually, find_free_ports
from support.rows import health, liquidation, micros_of, price

MOMENT = "2026-11-01T12:00"
BASES = ("BTC", "XBT", "1000PEPE", "SHIB1000", "1MBABYDOGE", "1INCH")
KEPT = ("cluster-id", "kafka", "questdb/db")  # of the home
UNREAD = 7  # the second of the messages that no sink has read; others are in tables


def write_messages(ts: str, bases: Iterable[str] = BASES) -> dict[str, list[dict[str, Any]]]:
    """Return a message of each stream and base, dated ``ts``, by the stream's name."""
    micros = micros_of(ts)
    found: dict[str, list[Any]] = {stream.name: [] for stream in STREAMS}
    for number, base in enumerate(bases):
        symbol = f"{base}USDT"
        found[LIQUIDATIONS.name].append(liquidation(ts, 100.0, symbol=symbol, base=base))
        found[PRICES.name].append(price(ts, 4.0, symbol=symbol, base=base))
        found[CASCADES.name].append(Cascade(
            ts=micros, base=base, gap=5, to_ts=micros, prints=5, exchanges=1, symbols=1,
            first_exchange="okx", long_usd=1.0, short_usd=0.0, not_live=0, partial=0,
        ))  # fmt: skip
        found[SUMS.name].append(Sums(
            ts=micros, exchange="okx", symbol=symbol, base=base, bucket=60, long_usd=1.0,
            short_usd=0.0, prints=1, largest_usd=1.0, not_live=0, partial=0,
        ))  # fmt: skip
        found[ALERTS.name].append(Alert(
            ts=micros, rule=f"of {base}", severity=Severity.INFO, message=Text("large"), value=2.0,
            threshold=1.0, query="totals", measure="prints", live=True,
        ))  # fmt: skip
        found[FEED_HEALTH.name].append(health(ts, exchange=f"venue{number}"))
    return {name: msgspec.to_builtins(records) for name, records in found.items()}


def date(second: int) -> str:
    """Return when the messages of ``second`` are dated."""
    return f"{MOMENT}:{second:02}"


def main(target: Path) -> None:
    """Run a stack of this version, and pack the data folder that it leaves."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(home=folder, **find_free_ports())
        configure_questdb(settings)
        try:
            local.up(settings)
            _fill(settings)
        finally:
            local.down(settings)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(target, "w:xz", preset=9) as packed:
            for name in KEPT:
                packed.add(settings.home / name, name)


def _fill(settings: Settings) -> None:
    _keep_messages(settings)
    _send(settings, write_messages(date(1)))
    _send(settings, {LIQUIDATIONS.name: [{"no": "liquidation"}]})
    for stream in STREAMS:
        wait_for_rows(stream, settings, len(BASES))
    eventually(lambda: consume(settings.dlq_topic, settings))
    local.stop(CONNECT, settings)
    _send(settings, write_messages(date(UNREAD)))


def wait_for_rows(stream: Stream, settings: Settings, count: int) -> pd.DataFrame:
    """Wait until the table of ``stream`` has ``count`` rows; return them."""
    sql = f"SELECT * FROM {stream.table(settings)}"  # noqa: S608 - our own
    eventually(lambda: len(questdb.fetch(sql, settings=settings)) == count)
    return questdb.fetch(sql, settings=settings)


def _keep_messages(settings: Settings) -> None:
    """Keep messages for ever: a test may run long after they were written."""
    admin = KafkaAdminClient(**client_options(settings))
    admin.alter_configs(
        [
            ConfigResource(ConfigResourceType.TOPIC, stream.topic(settings), {"retention.ms": "-1"})
            for stream in STREAMS
        ]
    )
    admin.close()


def _send(settings: Settings, messages: dict[str, list[dict[str, Any]]]) -> None:
    producer = KafkaProducer(**client_options(settings))
    topics = {stream.name: stream.topic(settings) for stream in STREAMS}
    for name, several in messages.items():
        for message in several:
            producer.send(topics[name], json.dumps(message).encode(), key=b"old")
    producer.flush()
    producer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
