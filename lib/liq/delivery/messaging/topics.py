"""Topics: creating them, how far groups have read them, and reading their messages."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import TopicAlreadyExistsError

from liq.config import Settings, choose_settings
from liq.delivery.messaging.client import (
    CLOSE_MS,
    TIMEOUT_MS,
    client_options,
    require_own,
    translate_errors,
)
from liq.errors import KafkaError
from liq.records.streams import STREAMS

_PATIENCE_S = 30.0
_POLL_MS = 500
_READER: dict[str, Any] = {
    "auto_offset_reset": "earliest",
    "enable_auto_commit": False,  # no group: reading changes nothing
    "metrics_enabled": False,
}


def ensure_topics(settings: Settings | None = None) -> None:
    """Create the streams' topics and the dead-letter topic where they do not exist.

    Dead letters are kept for ever, all else as long as the broker keeps messages by default.
    Returns once every partition has a leader. Raises `KafkaError` when the broker cannot be reached
    or refuses.
    """
    settings = choose_settings(settings)
    # one broker holds one replica; -1 requests a cluster's own default
    topics: dict[str, dict[str, Any]] = {
        stream.topic(settings): {"num_partitions": settings.partitions, "replication_factor": -1}
        for stream in STREAMS
    }
    topics[settings.dlq_topic] = {
        "num_partitions": 1,
        "replication_factor": -1,
        "configs": {"retention.ms": "-1"},
    }
    with translate_errors(settings):
        admin = KafkaAdminClient(**client_options(settings))
        try:
            _create(admin, topics)
            admin.wait_for_topics(list(topics))
        finally:
            admin.close()


def _create(admin: KafkaAdminClient, topics: dict[str, dict[str, Any]]) -> None:
    for name, options in topics.items():
        try:
            admin.create_topics({name: options})
        except TopicAlreadyExistsError:
            continue


class Partition(NamedTuple):
    """A partition's offsets: the oldest kept, the next to be written, the next to be read.

    ``committed`` is None where the group has read nothing yet.
    """

    topic: str
    number: int
    begin: int
    end: int
    committed: int | None

    @property
    def lag(self) -> int:
        """Messages that the group has still to read."""
        # a recreated topic ends before the offset that was committed for the deleted one
        return max(self.end - max(self.begin, self.committed or 0), 0)


def read_offsets(groups: Mapping[str, str], settings: Settings) -> Sequence[Partition]:
    """Return the partitions of each topic of ``groups``, as the topic's consumer group reads them.

    A topic that does not exist has none. Raises `KafkaError` when the broker cannot be reached.
    """
    with translate_errors(settings):
        return [
            partition
            for topic, group in groups.items()
            for partition in _read_partitions(topic, group, settings)
        ]


def _read_partitions(topic: str, group: str, settings: Settings) -> Sequence[Partition]:
    # joining the group would take partitions from the sink, so only its offsets are requested
    consumer = KafkaConsumer(
        **client_options(settings),
        group_id=group,
        enable_auto_commit=False,
        metrics_enabled=False,
    )
    try:
        numbers = sorted(consumer.partitions_for_topic(topic) or ())
        places = [TopicPartition(topic, number) for number in numbers]
        begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        return [
            Partition(
                topic,
                at.partition,
                begins[at],
                ends[at],
                consumer.committed(at, timeout_ms=TIMEOUT_MS),
            )
            for at in places
        ]
    finally:
        consumer.close(timeout_ms=CLOSE_MS)


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
    while any(_find_position(consumer, each) < ends[each] for each in partitions):
        batches = consumer.poll(timeout_ms=_POLL_MS)
        if batches:
            received = time.monotonic()
        elif time.monotonic() > received + _PATIENCE_S:
            raise KafkaError(f"{partitions[0].topic} gave nothing for {_PATIENCE_S:.0f} s")
        for each, records in batches.items():
            yield from (_convert(one) for one in records if one.offset < ends[each])


def _find_position(consumer: KafkaConsumer, partition: TopicPartition) -> int:
    position: int | None = consumer.position(partition, timeout_ms=TIMEOUT_MS)
    if position is None:
        raise KafkaError(f"{partition.topic} gave no offset of its begin; `liq status`")
    return position


def _convert(one: Any) -> StoredMessage:
    headers = dict(one.headers)
    return StoredMessage(
        one.partition, one.offset, one.timestamp * 1000, one.key, one.value, headers
    )
