"""The door to Kafka; no other package imports kafka-python."""

from liq.kafka.publisher import Publisher, PublisherStats
from liq.kafka.topics import ensure_topics

__all__ = ["Publisher", "PublisherStats", "ensure_topics"]
