"""In place of a sink: kafka-python's consumer that inserts what it polls through psycopg.

An honest one: each poll is one transaction, offsets are committed once its rows are stored, and
while QuestDB is unreachable it tries again. Run ``python -m bench.scripts.consumer`` with liq's
settings.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
from kafka import KafkaConsumer

from liq.config import Settings
from liq.delivery.messaging import client_options
from liq.records.streams import LIQUIDATIONS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RETRY_S = 0.5


def main() -> None:
    """Consume until killed."""
    settings = Settings.load()
    consumer = KafkaConsumer(
        LIQUIDATIONS.topic(settings),
        **client_options(settings),
        group_id=LIQUIDATIONS.connector(settings),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    table = Table(settings)
    while True:
        polled = consumer.poll(timeout_ms=1_000)
        rows = [_row(record.value) for records in polled.values() for record in records]
        if rows:
            table.insert(rows)
            consumer.commit()


class Table:
    """The table of liquidations, over a connection that reconnects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        columns = list(LIQUIDATIONS.columns())
        values = ", ".join(f"%({name})s" for name in columns)
        names = ", ".join(columns)
        self._sql = f"INSERT INTO {LIQUIDATIONS.table(settings)} ({names}) VALUES ({values})"  # noqa: S608
        self._connection: psycopg.Connection | None = None

    def insert(self, rows: list[dict[str, Any]]) -> None:
        """Store ``rows``, however long it takes."""
        while True:
            try:
                self._connection = self._connection or self._connect()
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    cursor.executemany(self._sql, rows)
            except psycopg.OperationalError:
                self._connection = None
                time.sleep(_RETRY_S)
            else:
                return

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=self._settings.questdb_host,
            port=self._settings.questdb_pg_port,
            user=self._settings.questdb_admin_user,
            password=self._settings.questdb_admin_password.get_secret_value(),
            dbname="qdb",
            autocommit=True,
            connect_timeout=3,
        )


def _row(value: bytes) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.json.decode(value)
    for name in ("ts", "recv_ts"):
        row[name] = _EPOCH + timedelta(microseconds=row[name])
    return row


if __name__ == "__main__":
    main()
