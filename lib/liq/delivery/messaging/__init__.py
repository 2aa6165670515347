"""The door to Kafka; no other package imports kafka-python."""

from liq.delivery.messaging.client import client_options, probe_brokers
from liq.delivery.messaging.publisher import OutageLog, Publisher, PublisherStats
from liq.delivery.messaging.topics import (
    Partition,
    StoredMessage,
    ensure_topics,
    read,
    read_offsets,
)

__all__ = [
    "OutageLog",
    "Partition",
    "Publisher",
    "PublisherStats",
    "StoredMessage",
    "client_options",
    "ensure_topics",
    "probe_brokers",
    "read",
    "read_offsets",
]
