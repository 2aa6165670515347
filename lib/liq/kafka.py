"""The door to Kafka: the only module that imports kafka-python."""

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError as ClientError
from kafka.errors import TopicAlreadyExistsError
from kafka.partitioner.default import murmur2

from liq import config
from liq.config import Settings
from liq.errors import KafkaError
from liq.model import FeedHealth, Liquidation, encode
from liq.streams import FEED_HEALTH, STREAMS

_BOOTSTRAP_MS = 5_000
_QUEUE = 20_000  # messages that wait for the sending thread before `publish` waits for it
_IN_FLIGHT = 20_000  # messages kafka-python holds: its own buffer has no bound
# The sending thread wakes no more often than this, and rests for longer after so many messages:
# a few large requests cost all concerned, the broker above all, far less than many small ones.
_PAUSE_S = 0.002
_LONG_PAUSE_S = 0.01
_MANY = 20
_BACKOFF_S = 0.5
# The broker refuses a megabyte, and what it refuses is tried for ever: longer ones are cut, or
# taken for no liquidation.
_VALUE_LIMIT = 64_000
_REASON_LIMIT = 1_000

# A batch that expires is lost, so none does: an absent broker is waited for.
_PRODUCER: dict[str, Any] = {
    "client_id": "liq-producer",
    "delivery_timeout_ms": float("inf"),
    "bootstrap_timeout_ms": _BOOTSTRAP_MS,
    "max_block_ms": 5_000,
    "reconnect_backoff_max_ms": 1_000,
    "request_timeout_ms": 10_000,
    "batch_size": 256 * 1024,
    "metrics_enabled": False,
}


def ensure_topics(settings: Settings | None = None) -> None:
    """Create the streams' topics and the dead-letter topic where they do not exist.

    Returns once every partition has a leader. Raises `KafkaError` when the broker cannot be reached
    or refuses.
    """
    settings = settings or config.settings()
    topics = {stream.topic(settings): settings.partitions for stream in STREAMS}
    topics[settings.dlq_topic] = 1
    with _translated(settings):
        admin = KafkaAdminClient(
            bootstrap_servers=settings.kafka_bootstrap, bootstrap_timeout_ms=_BOOTSTRAP_MS
        )
        try:
            _create(admin, topics)
            admin.wait_for_topics(list(topics))
        finally:
            admin.close()


def _create(admin: KafkaAdminClient, topics: dict[str, int]) -> None:
    for name, partitions in topics.items():
        # one broker holds one replica; a cluster's own default is asked for with -1
        try:
            admin.create_topics({name: {"num_partitions": partitions, "replication_factor": -1}})
        except TopicAlreadyExistsError:
            continue


@contextlib.contextmanager
def _translated(settings: Settings) -> Iterator[None]:
    try:
        # kafka-python knocks at a closed port for seconds and then leaks its sockets
        socket.create_connection((settings.kafka_host, settings.kafka_port), timeout=5).close()
        yield
    except (ClientError, OSError) as error:
        raise KafkaError(
            f"Kafka at {settings.kafka_bootstrap}: {error}; "
            "is it running? Start it with `liq up`, or set LIQ_KAFKA_HOST and LIQ_KAFKA_PORT"
        ) from error


class _Message(NamedTuple):
    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class _Sent(NamedTuple):
    future: Any
    message: _Message
    at: float


class _Connection:
    """One `KafkaProducer` and what it has not delivered yet; used by one thread."""

    def __init__(self, settings: Settings, on_progress: Callable[[], object]) -> None:
        self._on_progress = on_progress
        self._partitions: dict[tuple[str, bytes], int] = {}
        self.in_flight: deque[_Sent] = deque()
        with _translated(settings):
            self._producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, **_PRODUCER)

    def send(self, queue: deque[_Message]) -> None:
        """Take what the queue holds now; ``on_progress`` is called when it is settled."""
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

    def settled(self) -> Iterator[_Message]:
        """Yield and forget what the broker has acknowledged; raise what failed."""
        while self.in_flight and self.in_flight[0].future.is_done:
            if self.in_flight[0].future.failed():
                raise self.in_flight[0].future.exception
            yield self.in_flight.popleft().message

    def close(self) -> None:
        if self.in_flight:
            # close() alone would wait for the broker; there is no public way to give up
            self._producer._sender.force_close()
        with contextlib.suppress(ClientError):
            self._producer.close(timeout=5)

    def _partition(self, topic: str, key: bytes) -> int:
        """Return the partition that Kafka's default gives the key; hashing it in Python is slow."""
        partition = self._partitions.get((topic, key))
        if partition is None:
            count = len(self._producer.partitions_for(topic))
            partition = self._partitions[topic, key] = (murmur2(key) & 0x7FFFFFFF) % count
        return partition


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """What a `Publisher` has done so far, in messages.

    ``sent`` and ``acknowledged`` count liquidations, ``errors`` connections given up (what they had
    not delivered is sent again). ``waiting_s`` is how long the broker has kept us waiting.
    """

    sent: int
    acknowledged: int
    dead_lettered: int
    errors: int
    queued: int
    in_flight: int
    waiting_s: float
    last_error: str


class Publisher:
    """Publishes liquidations to Kafka from an event loop, without loss and without blocking it.

    ``publish`` puts a message into a bounded queue and waits when it is full; one thread owns the
    `KafkaProducer`, whose ``send`` may block. Delivery is at least once: whatever fails is sent
    again, and the dedup key of the table makes that exactly once. Use it as ``async with``, or
    call `start` and `close`.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or config.settings()
        self._queue: deque[_Message] = deque()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="liq-kafka", daemon=True)
        self._connection: _Connection | None = None
        self._down_since: float | None = None
        self._closing = self._abandoned = False
        self._sent = self._acknowledged = self._dead_lettered = self._errors = 0
        self._last_error = ""

    async def start(self) -> None:
        """Connect, and create missing topics. Raises `KafkaError` when there is no broker."""
        await asyncio.to_thread(ensure_topics, self._settings)
        self._connection = await asyncio.to_thread(self._connect)
        self._thread.start()

    async def publish(self, liquidation: Liquidation) -> None:
        """Queue one liquidation, keyed ``exchange:symbol``; wait while the queue is full."""
        value = encode(liquidation)
        if len(value) > _VALUE_LIMIT:
            reason = f"{len(value)} bytes are too many for a liquidation"
            await self.dead_letter(liquidation.exchange, reason, value, liquidation.recv_ts)
            return
        key = f"{liquidation.exchange}:{liquidation.symbol}".encode()
        await self._put(_Message(self._settings.topic, key, value, []))
        self._sent += 1

    async def report(self, health: FeedHealth) -> None:
        """Queue a row about a feed; it counts for nothing in `stats` but ``queued``."""
        topic = FEED_HEALTH.topic(self._settings)
        await self._put(_Message(topic, health.exchange.encode(), encode(health), []))

    async def dead_letter(self, venue: str, reason: str, raw: str | bytes, recv_ts: int) -> None:
        """Queue a message that could not be understood for the dead-letter topic.

        Its headers say ``venue``, ``reason`` and ``recv_ts`` (microseconds). More than 64,000
        characters are cut.
        """
        headers = {"venue": venue, "reason": reason[:_REASON_LIMIT], "recv_ts": str(recv_ts)}
        encoded = [(name, _bytes(text)) for name, text in headers.items()]
        value = _bytes(raw[:_VALUE_LIMIT])
        await self._put(_Message(self._settings.dlq_topic, venue.encode(), value, encoded))
        self._dead_lettered += 1

    def stats(self) -> PublisherStats:
        """Return the counters now."""
        in_flight = self._connection.in_flight if self._connection else ()
        return PublisherStats(
            sent=self._sent,
            acknowledged=self._acknowledged,
            dead_lettered=self._dead_lettered,
            errors=self._errors,
            queued=len(self._queue),
            in_flight=len(in_flight),
            waiting_s=self._waiting_s(),
            last_error=self._last_error,
        )

    async def close(self, timeout: float = 10) -> None:
        """Deliver what is queued, then disconnect.

        Raises `KafkaError` that counts the messages not acknowledged within ``timeout`` seconds.
        """
        if not self._thread.is_alive():
            return
        self._closing = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join, timeout)
        if self._thread.is_alive():
            self._abandoned = True
            self._wake.set()
            stats = self.stats()
            raise KafkaError(
                f"{stats.queued + stats.in_flight} messages are lost: Kafka at "
                f"{self._settings.kafka_bootstrap} did not acknowledge them within {timeout} s. "
                f"{self._last_error}"
            )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _waiting_s(self) -> float:
        connection, since = self._connection, self._down_since
        with contextlib.suppress(IndexError):
            since = since or (connection.in_flight[0].at if connection else None)
        return time.monotonic() - since if since else 0.0

    async def _put(self, message: _Message) -> None:
        if self._closing:
            raise KafkaError("the publisher is closed; start a new one")
        while len(self._queue) >= _QUEUE:  # noqa: ASYNC110 - rare: polling beats signals from thread to loop
            await asyncio.sleep(_PAUSE_S)
        self._queue.append(message)
        if not self._wake.is_set():  # which costs less than to set it again
            self._wake.set()

    # What follows runs in the sending thread.

    def _run(self) -> None:
        while not self._finished():
            self._wake.wait()
            self._wake.clear()
            started = time.monotonic()
            pause = _LONG_PAUSE_S if len(self._queue) >= _MANY else _PAUSE_S
            try:
                self._deliver()
            except Exception as error:  # whatever it is, all that is unacknowledged is still here
                self._errors += 1
                self._last_error = str(error)
                self._start_anew()
            time.sleep(max(0.0, started + pause - time.monotonic()))
        if self._connection:
            self._connection.close()

    def _finished(self) -> bool:
        delivered = not self._queue and not (self._connection and self._connection.in_flight)
        return self._abandoned or (self._closing and delivered)

    def _deliver(self) -> None:
        if self._connection is None:
            self._connection = self._connect()
            self._down_since = None
        self._connection.send(self._queue)
        for message in self._connection.settled():
            self._acknowledged += message.topic == self._settings.topic

    def _start_anew(self) -> None:
        """Give up the connection, if there is one; queue all that is unacknowledged once more."""
        self._down_since = self._down_since or time.monotonic()
        connection, self._connection = self._connection, None
        if connection:
            self._queue.extendleft(sent.message for sent in reversed(connection.in_flight))
            connection.close()
        time.sleep(_BACKOFF_S)
        self._wake.set()

    def _connect(self) -> _Connection:
        return _Connection(self._settings, self._wake.set)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="replace")
