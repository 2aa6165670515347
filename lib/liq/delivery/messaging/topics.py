"""Topics."""

from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from liq.config import Settings
from liq.config import settings as current_settings
from liq.delivery.messaging.client import client_options, translate_errors
from liq.records.streams import STREAMS


def ensure_topics(settings: Settings | None = None) -> None:
    """Create the streams' topics and the dead-letter topic where they do not exist.

    Dead letters are kept for ever, all else as long as the broker keeps messages by default.
    Returns once every partition has a leader. Raises `KafkaError` when the broker cannot be reached
    or refuses.
    """
    settings = settings or current_settings()
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
