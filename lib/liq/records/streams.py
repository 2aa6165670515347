"""The streams from Kafka into QuestDB: the record, topic, table, sink and retention of each.

A stream is one `declare` at the end of this module. Settings, topics, tables, sinks, rules and the
placeholders of ``queries.json`` follow from it. `liq.config` lets users rename what is declared.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Annotated, get_args, get_type_hints

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from liq.errors import ConfigError, RejectedMessage
from liq.records import rules
from liq.records.model import (
    EARLIEST,
    Alert,
    Cascade,
    FeedHealth,
    Liquidation,
    Price,
    Sums,
    Text,
)

if TYPE_CHECKING:
    from liq.config import Settings

# dots alone would name a folder of Kafka's, or another path of Kafka Connect's REST
KafkaName = Annotated[str, Field(pattern=r"^\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=249)]
# QuestDB takes 127 characters; the names of views and of removed days are longer than the table's
_TableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
# one underscore, since two end the name in a variable; the prefixes are those of placeholders
_NAME = re.compile(r"(?!(?:odd|any)(?:_|$))[a-z][a-z0-9]*(?:_[a-z0-9]+)*")

_TIMESTAMPS = ("ts", "recv_ts", "to_ts")
# the rules reject a row with a time outside of these bounds
_DATED = f"ts >= {rules.render_moment(EARLIEST)} AND ts <= dateadd('d', 1, now())"
_MISDATED = f"(ts < {rules.render_moment(EARLIEST)} OR ts > dateadd('d', 1, now()))"


class StreamSettings(BaseModel):
    """The settings of one stream: its Kafka topic, QuestDB table, sink and retention."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: KafkaName
    table: _TableName
    connector: KafkaName
    ttl_days: int = Field(0, ge=0, le=36_500, description="days to keep rows; 0: for ever")

    def find_shared(self, other: "StreamSettings") -> str:
        """Return which setting of ``other`` is the same, though no two streams may share it."""
        # in QuestDB, tables that differ by case only are the same
        pairs = {
            "topic": (self.topic, other.topic),
            "table": (self.table.lower(), other.table.lower()),
            "connector": (self.connector, other.connector),
        }
        return next((name for name, (one, two) in pairs.items() if one == two), "")


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record and its way into a table. `declare` it.

    Attributes:
        name: What settings and placeholders call it, in lower case: ``LIQ_<NAME>__TOPIC`` and
            ``{<name>_table}``.
        record: The type of its records; ``ts`` is the table's designated timestamp.
        keys: The fields that identify a row. A later row with the same values replaces the row.
        partition_by: The fields of the Kafka message's key. Records of a key keep their order. The
            first one names where a record came from, in a dead letter.
        defaults: Its topic, table, sink and retention, unless the settings name others.
        names: The fields whose stored values parameters of queries may name, see `liq.query.names`.
        is_continuous: Whether it has new rows every second. No answer with such rows can be cached,
            and the sink stores them twice a second in place of one by one.
    """

    name: str
    record: type[msgspec.Struct]
    keys: tuple[str, ...]
    partition_by: tuple[str, ...]
    defaults: StreamSettings
    names: tuple[str, ...] = ()
    is_continuous: bool = False

    def topic(self, settings: "Settings") -> str:
        """Return the Kafka topic."""
        return self._chosen(settings).topic

    def table(self, settings: "Settings") -> str:
        """Return the QuestDB table."""
        return self._chosen(settings).table

    def connector(self, settings: "Settings") -> str:
        """Return the name of the sink that carries the topic into the table.

        A topic with a name of its own gets its own sink, unless the settings name the sink too, so
        that the stream's usual sink keeps reading its usual topic.
        """
        chosen, usual = self._chosen(settings), self.defaults
        is_own = chosen.topic != usual.topic and chosen.connector == usual.connector
        return f"{chosen.connector}-{chosen.topic}" if is_own else chosen.connector

    def ttl_days(self, settings: "Settings") -> int:
        """Return for how many days rows are kept, 0 for ever."""
        return self._chosen(settings).ttl_days

    def message_key(self, record: msgspec.Struct) -> bytes:
        """Return the key of a record's Kafka message: its `partition_by` fields."""
        text = ":".join([str(getattr(record, name)) for name in self.partition_by])
        return text.encode(errors="replace")

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
    def default_table(self) -> str:
        """The name of its table unless the settings name another."""
        return self.defaults.table

    @property
    def placeholder(self) -> str:
        """The name of its table in the SQL of ``queries.json``."""
        return "table" if self.record is Liquidation else f"{self.name}_table"

    @property
    def valid_condition(self) -> str:
        """The SQL condition of rows that break no rule; queries count only these."""
        return f"{rules.render_valid_condition(self.record)} AND {_DATED}"

    def odd_rows(self, settings: "Settings") -> str:
        """Return a subquery for ``FROM`` of rows that break `liq.records.rules`.

        Other programs wrote them, since the sink rejects them. Columns are ``ts``, ``broken``
        (names of the fields) and ``fields`` (all, as name=value).
        """
        broken, fields = rules.render_broken_fields(self.record), rules.render_fields(self.record)
        return (
            f"(SELECT ts, CASE WHEN {_MISDATED} THEN 'ts' ELSE {broken} END AS broken,"  # noqa: S608 - our own texts
            f" {fields} AS fields FROM {self.table(settings)}"
            f" WHERE {_MISDATED} OR {rules.render_odd_condition(self.record)})"
        )

    def render_removal(self, day: date, settings: "Settings") -> list[str]:
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

    def _chosen(self, settings: "Settings") -> StreamSettings:
        # settings that were loaded before the stream was declared do not have it
        return settings.streams.get(self.name, self.defaults)


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


STREAMS: list[Stream] = []


def declare(stream: Stream) -> Stream:
    """Add a stream to `STREAMS`, and return it.

    Every process that reads its settings or carries its records must declare it. Streams of liq are
    declared below. Raises `ConfigError` if another stream has the name, the record, the topic, the
    table or the sink, or if the stream cannot be stored.
    """
    for other in STREAMS:
        if other.name == stream.name or other.record is stream.record:
            raise ConfigError(f"stream {stream.name} has the name or the record of {other.name}")
        if shared := stream.defaults.find_shared(other.defaults):
            raise ConfigError(f"stream {stream.name} has the {shared} of {other.name}")
    if not _NAME.fullmatch(stream.name):
        raise ConfigError(
            f"{stream.name!r} names no stream: take lower-case letters and digits, with single "
            "underscores between, and neither odd nor any in front"
        )
    if "ts" not in stream.keys or not stream.partition_by:
        raise ConfigError(f"stream {stream.name} needs ts among its keys, and a partition_by")
    fields = get_type_hints(stream.record)
    named = (*stream.keys, *stream.partition_by, *stream.names)
    if unknown := [name for name in named if name not in fields]:
        raise ConfigError(f"{stream.record.__name__} has no field {unknown[0]!r}")
    STREAMS.append(stream)
    return stream


def find_stream(record: msgspec.Struct) -> Stream:
    """Return the stream that carries ``record``. Raises `TypeError` if none is declared."""
    return _find_stream(type(record))


@cache
def _find_stream(record: type[msgspec.Struct]) -> Stream:
    for stream in STREAMS:
        if stream.record is record:
            return stream
    raise TypeError(f"no stream carries {record.__name__}: declare one in liq.records.streams")


LIQUIDATIONS = declare(
    Stream(
        "liquidations",
        Liquidation,
        keys=("ts", "exchange", "symbol", "event_id"),
        partition_by=("exchange", "symbol"),
        defaults=StreamSettings(
            topic="alt_liquidations", table="liquidations", connector="alt-liquidations"
        ),
        names=("symbol", "base", "asset", "exchange"),
    )
)
FEED_HEALTH = declare(
    Stream(
        "health",
        FeedHealth,
        keys=("ts", "exchange", "source"),
        partition_by=("exchange",),
        defaults=StreamSettings(
            topic="feed_health", table="feed_health", connector="feed-health", ttl_days=30
        ),
        names=("exchange",),
        is_continuous=True,
    )
)
PRICES = declare(
    Stream(
        "price",
        Price,
        keys=("ts", "exchange", "symbol", "kind"),
        partition_by=("exchange", "symbol"),
        defaults=StreamSettings(
            topic="mark_prices", table="prices", connector="mark-prices", ttl_days=30
        ),
        names=("base", "asset"),
        is_continuous=True,
    )
)
ALERTS = declare(
    Stream(
        "alerts",
        Alert,
        keys=("ts", "rule", "subject"),
        partition_by=("rule",),
        defaults=StreamSettings(topic="alerts", table="alerts", connector="alerts"),
        names=("rule",),
    )
)
CASCADES = declare(
    Stream(
        "cascades",
        Cascade,
        keys=("ts", "asset", "base", "gap"),
        partition_by=("asset",),
        defaults=StreamSettings(
            topic="liquidation_cascades",
            table="liquidation_cascades",
            connector="liquidation-cascades",
        ),
    )
)
SUMS = declare(
    Stream(
        "sums",
        Sums,
        keys=("ts", "exchange", "symbol", "base", "bucket"),
        partition_by=("exchange", "symbol"),
        defaults=StreamSettings(
            topic="liquidation_sums", table="liquidation_sums", connector="liquidation-sums"
        ),
    )
)
