"""Read a topic, or its newest messages, up to its present end."""

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from liq.config import Settings
from liq.delivery.messaging.client import (
    CLOSE_MS,
    TIMEOUT_MS,
    client_options,
    require_own,
    translate_errors,
)
from liq.errors import KafkaError

_PATIENCE_S = 30.0
_POLL_MS = 500
_READER: dict[str, Any] = {
    "auto_offset_reset": "earliest",
    "enable_auto_commit": False,  # no group: reading changes nothing
    "metrics_enabled": False,
}


class StoredMessage(NamedTuple):
    """A message of a topic; ``time`` is when it was sent, microseconds since 1970."""

    partition: int
    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


def read(topic: str, settings: Settings, newest: int | None = None) -> Iterator[StoredMessage]:
    """Yield the messages that ``topic`` holds now, in order within each partition.

    ``newest`` limits how many are read of each partition. Raises `KafkaError` when the broker
    cannot be reached, has no such topic, or stops answering, and in a process that was forked since
    the first message.
    """
    owner = os.getpid()
    with translate_errors(settings):
        consumer = KafkaConsumer(**client_options(settings), **_READER)
        try:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise KafkaError(f"there is no topic {topic}; create it with: liq up")
            for record in _read(consumer, [TopicPartition(topic, n) for n in numbers], newest):
                yield record
                require_own(owner, "reader")
        finally:
            if os.getpid() == owner:
                consumer.close(timeout_ms=CLOSE_MS)


def _read(
    consumer: KafkaConsumer, partitions: list[TopicPartition], newest: int | None
) -> Iterator[StoredMessage]:
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    if newest is not None:
        for each, begin in consumer.beginning_offsets(partitions).items():
            consumer.seek(each, max(begin, ends[each] - newest))
    received = time.monotonic()
    while any(_position(consumer, each) < ends[each] for each in partitions):
        batches = consumer.poll(timeout_ms=_POLL_MS)
        if batches:
            received = time.monotonic()
        elif time.monotonic() > received + _PATIENCE_S:
            raise KafkaError(f"{partitions[0].topic} gave nothing for {_PATIENCE_S:.0f} s")
        for each, records in batches.items():
            yield from (_record(one) for one in records if one.offset < ends[each])


def _position(consumer: KafkaConsumer, partition: TopicPartition) -> int:
    position: int | None = consumer.position(partition, timeout_ms=TIMEOUT_MS)
    if position is None:
        raise KafkaError(f"{partition.topic} gave no offset of its begin; `liq status`")
    return position


def _record(one: Any) -> StoredMessage:
    headers = dict(one.headers)
    return StoredMessage(
        one.partition, one.offset, one.timestamp * 1000, one.key, one.value, headers
    )
