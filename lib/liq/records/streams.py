"""The streams from Kafka into QuestDB: the record, topic, table and sink of each."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cache
from types import NoneType
from typing import get_args, get_type_hints

import msgspec

from liq.config import Settings
from liq.errors import RejectedMessage
from liq.records import rules
from liq.records.model import (
    EARLIEST,
    Alert,
    Cascade,
    FeedHealth,
    Liquidation,
    Price,
    Record,
    Sums,
    Text,
)

_TIMESTAMPS = ("ts", "recv_ts", "to_ts")
# what is dated otherwise the rules refuse
_DATED = f"ts >= {rules.moment_of(EARLIEST)} AND ts <= dateadd('d', 1, now())"
_MISDATED = f"(ts < {rules.moment_of(EARLIEST)} OR ts > dateadd('d', 1, now()))"


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record; ``keys`` identify a row, ``ts`` is its designated timestamp.

    ``prefix`` begins the names of its settings: ``topic``, ``table``, ``connector``, ``ttl_days``.
    """

    record: type[msgspec.Struct]
    keys: tuple[str, ...]
    prefix: str = ""

    def topic(self, settings: Settings) -> str:
        """Return the Kafka topic."""
        return self._setting("topic", settings)

    def table(self, settings: Settings) -> str:
        """Return the QuestDB table."""
        return self._setting("table", settings)

    def connector(self, settings: Settings) -> str:
        """Return the name of the sink that carries the topic into the table.

        A topic with a name of its own gets its own sink, unless the settings name the sink too, so
        that the stream's usual sink keeps reading its usual topic.
        """
        name, topic = self._setting("connector", settings), self.topic(settings)
        is_own = topic != self._default("topic") and name == self._default("connector")
        return f"{name}-{topic}" if is_own else name

    def ttl_days(self, settings: Settings) -> int:
        """Return for how many days rows are kept, 0 for ever."""
        return int(self._setting("ttl_days", settings))

    def columns(self) -> dict[str, str]:
        """Return the QuestDB type of each field of the record, in order."""
        return {name: _type(name, hint) for name, hint in get_type_hints(self.record).items()}

    def decode(self, message: bytes) -> msgspec.Struct:
        """Return the record that a message of the topic holds.

        Raises `RejectedMessage` on anything else: another type, a number out of range, a field
        that is missing or unknown, or whatever else `liq.records.rules` does not allow.
        """
        try:
            record = _decoder(self.record).decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise RejectedMessage(f"no {self.record.__name__}: {error}") from error
        rules.check(record, message)
        return record

    @property
    def kind(self) -> str:
        """The name of its table, as shipped."""
        return str(Settings.model_fields[f"{self.prefix}table"].default)

    @property
    def valid_condition(self) -> str:
        """The SQL condition of rows that break no rule; queries count only these."""
        return f"{rules.valid_condition(self.record)} AND {_DATED}"

    def odd_rows(self, settings: Settings) -> str:
        """Return a subquery for ``FROM`` of rows that break `liq.records.rules`.

        Other programs wrote them, since the sink rejects them. Columns are ``ts``, ``broken``
        (names of the fields) and ``fields`` (all, as name=value).
        """
        broken, fields = rules.broken_fields(self.record), rules.fields(self.record)
        return (
            f"(SELECT ts, CASE WHEN {_MISDATED} THEN 'ts' ELSE {broken} END AS broken,"  # noqa: S608 - our own texts
            f" {fields} AS fields FROM {self.table(settings)}"
            f" WHERE {_MISDATED} OR {rules.odd_condition(self.record)})"
        )

    def removal(self, day: date, settings: Settings) -> list[str]:
        """Return the statements that take the odd rows of a day out of the table.

        QuestDB deletes whole partitions only, a day each. So the valid rows are copied to another
        table and back. Rows that the sink writes meanwhile would be lost.
        """
        table, aside = self.table(settings), f"{self.table(settings)}_{day:%Y%m%d}"
        kept = f"ts IN '{day}' AND {self.valid_condition}"
        return [
            f"CREATE TABLE {aside} AS (SELECT * FROM {table} WHERE {kept})",  # noqa: S608 - our own texts
            f"ALTER TABLE {table} DROP PARTITION LIST '{day}'",
            f"INSERT INTO {table} SELECT * FROM {aside}",  # noqa: S608 - our own texts
            f"DROP TABLE {aside}",
        ]

    def _setting(self, name: str, settings: Settings) -> str:
        return str(getattr(settings, self.prefix + name))

    def _default(self, name: str) -> str:
        return str(Settings.model_fields[self.prefix + name].default)


@cache
def _decoder(record: type[msgspec.Struct]) -> msgspec.json.Decoder[msgspec.Struct]:
    return msgspec.json.Decoder(record)


def _type(name: str, hint: type) -> str:
    [kind] = {*get_args(hint)} - {NoneType} or {hint}
    if name in _TIMESTAMPS:
        return "TIMESTAMP"
    if kind is Text:
        return "VARCHAR"
    if issubclass(kind, (str, Enum)):
        return "SYMBOL"
    if issubclass(kind, bool):
        return "BOOLEAN"
    return "DOUBLE" if issubclass(kind, float) else "LONG"


LIQUIDATIONS = Stream(Liquidation, ("ts", "exchange", "symbol", "event_id"))
FEED_HEALTH = Stream(FeedHealth, ("ts", "exchange", "source"), prefix="health_")
PRICES = Stream(Price, ("ts", "exchange", "symbol", "kind"), prefix="price_")
ALERTS = Stream(Alert, ("ts", "rule", "subject"), prefix="alerts_")
CASCADES = Stream(Cascade, ("ts", "base", "gap"), prefix="cascades_")
SUMS = Stream(Sums, ("ts", "exchange", "symbol", "base", "bucket"), prefix="sums_")
STREAMS = (LIQUIDATIONS, FEED_HEALTH, PRICES, ALERTS, CASCADES, SUMS)
_OF_RECORD = {stream.record: stream for stream in STREAMS}


def stream_of(record: Record) -> Stream:
    """Return the stream that carries ``record``."""
    return _OF_RECORD[type(record)]
