"""A connection of the publisher to the broker; the publisher drops it when anything fails."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError as ClientError
from kafka.partitioner.default import murmur2

from liq.common import forks
from liq.common.compat import KAFKA_PYTHON
from liq.config import Settings
from liq.delivery.messaging.client import client_options, translate_errors

_IN_FLIGHT = 20_000  # messages kafka-python holds: its own buffer has no bound

# An expired batch would be lost, so batches do not expire while the broker is away.
_PRODUCER: dict[str, Any] = {
    "client_id": "liq-producer",
    "delivery_timeout_ms": float("inf"),
    "max_block_ms": 5_000,
    "reconnect_backoff_max_ms": 1_000,
    "batch_size": 256 * 1024,
    "metrics_enabled": False,
}


class Message(NamedTuple):
    """A message with its topic and key; ``recovered`` if it comes from a dead owner's journal."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    recovered: bool = False


class _Sent(NamedTuple):
    future: Any
    message: Message
    at: float


def check_names(producer: Any) -> None:
    """Raise `DependencyError` if kafka-python lacks the names that end a connection."""
    KAFKA_PYTHON.get(producer, "_closed")
    KAFKA_PYTHON.get(KAFKA_PYTHON.get(producer, "_sender"), "force_close")


class Connection:
    """One `KafkaProducer` and what it has not delivered yet; used by one thread."""

    def __init__(self, settings: Settings, on_progress: Callable[[], object]) -> None:
        self._on_progress = on_progress
        self._partitions: dict[tuple[str, bytes | None], int] = {}
        self.in_flight: deque[_Sent] = deque()
        with translate_errors(settings):
            self._producer = KafkaProducer(**client_options(settings), **_PRODUCER)
        check_names(self._producer)
        forks.in_child(self, Connection._leave)

    def _leave(self) -> None:
        """Mark it closed in a forked child, which would else wait for a thread that it lacks."""
        self._producer._closed = True  # a public name does not exist

    def send(self, queue: deque[Message]) -> None:
        """Send the queue's messages; ``on_progress`` is called when they are settled."""
        last_of_partition = {}
        now = time.monotonic()
        for _ in range(min(len(queue), _IN_FLIGHT - len(self.in_flight))):
            message = queue[0]
            partition = self._partition(message.topic, message.key)
            future = self._producer.send(
                message.topic, message.value, message.key, message.headers, partition
            )
            self.in_flight.append(_Sent(future, message, now))
            queue.popleft()
            last_of_partition[message.topic, partition] = future
        for future in last_of_partition.values():
            future.add_both(lambda _: self._on_progress())

    def settled(self) -> Iterator[Message]:
        """Yield and forget acknowledged messages; raise the error of a failed message."""
        while self.in_flight and self.in_flight[0].future.is_done:
            if self.in_flight[0].future.failed():
                raise self.in_flight[0].future.exception
            yield self.in_flight.popleft().message

    def close(self) -> None:
        """Disconnect at once; the caller sends messages in flight again."""
        if self.in_flight:
            # close() alone would wait for the broker; there is no public way to give up
            self._producer._sender.force_close()
        with contextlib.suppress(ClientError):
            self._producer.close(timeout=5)

    def _partition(self, topic: str, key: bytes | None) -> int:
        """Return the key's partition by Kafka's default; cached, since Python hashes slowly."""
        partition = self._partitions.get((topic, key))
        if partition is None:
            count = len(self._producer.partitions_for(topic))
            partition = self._partitions[topic, key] = (murmur2(key or b"") & 0x7FFFFFFF) % count
        return partition
