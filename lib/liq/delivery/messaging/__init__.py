"""The door to Kafka; no other package imports kafka-python."""

from liq.delivery.messaging.client import client_options, probe_brokers
from liq.delivery.messaging.publisher import Publisher, PublisherStats
from liq.delivery.messaging.topics import (
    Partition,
    StoredMessage,
    ensure_topics,
    offsets,
    read,
)

__all__ = [
    "Partition",
    "Publisher",
    "PublisherStats",
    "StoredMessage",
    "client_options",
    "ensure_topics",
    "offsets",
    "probe_brokers",
    "read",
]
