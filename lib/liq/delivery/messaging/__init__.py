"""The door to Kafka; no other package imports kafka-python."""

from liq.delivery.messaging.client import client_options
from liq.delivery.messaging.offsets import Partition, offsets
from liq.delivery.messaging.probe import probe_brokers
from liq.delivery.messaging.publisher import Publisher, PublisherStats
from liq.delivery.messaging.reading import StoredMessage, read
from liq.delivery.messaging.topics import ensure_topics

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
