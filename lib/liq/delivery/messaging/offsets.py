"""How much a topic holds, and how far a group has read it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition

from liq.config import Settings
from liq.delivery.messaging.client import CLOSE_MS, TIMEOUT_MS, client_options, translate_errors


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


def offsets(groups: Mapping[str, str], settings: Settings) -> Sequence[Partition]:
    """Return the partitions of each topic of ``groups``, as the topic's consumer group reads them.

    A topic that does not exist has none. Raises `KafkaError` when the broker cannot be reached.
    """
    with translate_errors(settings):
        return [
            partition
            for topic, group in groups.items()
            for partition in _partitions(topic, group, settings)
        ]


def _partitions(topic: str, group: str, settings: Settings) -> Sequence[Partition]:
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
