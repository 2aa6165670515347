"""The door to Kafka; no other package imports kafka-python."""

from liq.kafka.client import client_options
from liq.kafka.offsets import Partition, offsets
from liq.kafka.probe import unanswered
from liq.kafka.publisher import Publisher, PublisherStats, key
from liq.kafka.reading import Record, read
from liq.kafka.topics import ensure_topics

__all__ = [
    "Partition",
    "Publisher",
    "PublisherStats",
    "Record",
    "client_options",
    "ensure_topics",
    "key",
    "offsets",
    "read",
    "unanswered",
]
