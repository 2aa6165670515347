"""Publishing from an event loop, without loss and without blocking it."""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import msgspec

from liq.common import waiting
from liq.config import Settings, choose_settings
from liq.delivery.messaging.client import Connection, Message, require_own
from liq.delivery.messaging.outbox import Outbox
from liq.delivery.messaging.topics import ensure_topics
from liq.errors import JournalError, KafkaAwayError, KafkaError, RejectedMessage
from liq.records.model import FeedHealth, Source, encode
from liq.records.streams import FEED_HEALTH, STREAMS, Stream, find_stream

_LOG = logging.getLogger(__name__)

# A few large requests cost far less than many small ones, above all at the broker. So the sending
# thread wakes no more often than this, and pauses for longer after this number of messages, which
# a feed of 800 a second reaches: all venues of a process share its processor.
_PAUSE_S = 0.005
_LONG_PAUSE_S = 0.02
_MANY = 4
_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 2.0
_LOOK_S = 0.25
_DISK_RETRY_S = 1.0
# The broker refuses a megabyte, and a refused message is retried for ever. So longer frames are
# cut, and longer records are rejected.
_VALUE_LIMIT = 64_000
_REASON_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """What a `Publisher` has done so far, in messages.

    ``sent`` and ``acknowledged`` count records. ``errors`` counts dropped connections, whose
    undelivered messages are sent again. ``recovered`` counts delivered messages of a killed
    publisher. ``waiting_s`` is how long the broker has not acknowledged anything. ``warning`` says
    why messages cannot be journaled now. ``awaited`` says that Kafka is waited for, why, and where
    the messages are kept; it is empty while Kafka is connected.
    """

    sent: int
    acknowledged: int
    dead_lettered: int
    errors: int
    recovered: int
    queued: int
    in_flight: int
    waiting_s: float
    last_error: str
    warning: str
    awaited: str = ""


class Publisher:
    """Publishes records to Kafka from an event loop, without loss and without blocking it.

    ``publish`` puts a message into a bounded queue, which is also on disk, and waits when it is
    full. One thread owns the `KafkaProducer`, whose ``send`` may block. Delivery is at least once:
    failed messages are sent again, and the next publisher of the same ``settings.home`` sends
    messages that a killed one left on disk. The table's dedup key makes that exactly once. Use it
    as ``async with``, or call `start` and `close`.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = choose_settings(settings)
        self._owner = os.getpid()
        counted = (stream for stream in STREAMS if stream is not FEED_HEALTH)
        self._counted = {stream.topic(self._settings) for stream in counted}
        self._outbox = Outbox(self._settings)
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="liq-kafka", daemon=True)
        self._connection: Connection | None = None
        self._down_since: float | None = None
        self._closing = False
        self._abandoned = threading.Event()  # which also ends a pause between attempts
        self._failures = 0  # to connect, in a row
        self._has_reached = False  # Kafka, since the start
        self._refusal: KafkaError | None = None
        self._sent = self._acknowledged = self._dead_lettered = self._errors = 0
        self._queued = self._settled = self._recovered = 0  # messages of every kind
        self._last_error = ""

    async def start(self, *, wait: bool = False) -> None:
        """Connect, and create missing topics.

        With ``wait`` it also starts when no broker answers. It then takes messages at once, and
        connects when a broker answers, see `reach`.

        Raises `KafkaError` when no broker answers or the broker refuses, `JournalError` when the
        journal cannot be created. With a full disk it starts, and `stats` has a warning.
        """
        require_own(self._owner, "publisher")
        connection: Connection | None = None
        try:
            connection = await asyncio.to_thread(self._connect)
        except KafkaAwayError as error:
            if not wait:
                raise
            self._note_failure(error)
        try:
            await asyncio.to_thread(self._outbox.open)
        except JournalError:
            if connection:
                await asyncio.to_thread(connection.close)
            raise
        self._connection = connection
        self._thread.start()
        self._wake.set()  # an earlier publisher may have left messages

    async def reach(self) -> None:
        """Wait until Kafka is connected for the first time; raise its refusal."""
        while not self._has_reached:  # polling beats signals from thread to loop
            self.raise_refusal()
            await asyncio.sleep(_LOOK_S)

    def raise_refusal(self) -> None:
        """Raise `KafkaError` if the broker refused the first connection."""
        if self._refusal:
            raise self._refusal

    async def publish(self, record: msgspec.Struct) -> None:
        """Queue a record of any stream, under its stream's key; wait while the queue is full.

        A record that breaks its schema becomes a dead letter instead.
        """
        self._sent += await self._publish(find_stream(record), record)

    async def report(self, health: FeedHealth) -> None:
        """Queue a row of feed health; `stats` counts it in ``queued`` only."""
        await self._publish(FEED_HEALTH, health)

    async def dead_letter(
        self, venue: str, reason: str, raw: str | bytes, recv_ts: int, source: Source
    ) -> None:
        """Queue an invalid frame for the dead-letter topic.

        Its headers are ``venue``, ``reason``, ``recv_ts`` (microseconds) and ``source``. It is cut
        after 64,000 characters.
        """
        await self._set_aside(venue, reason, raw, {"recv_ts": str(recv_ts), "source": source})

    async def put(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Queue a message unchanged, validated by the caller. It does not count as sent."""
        await self._put(Message(topic, key, value, list(headers)))

    async def flush(self, timeout: float = 60) -> None:
        """Wait until Kafka has acknowledged all messages that are queued now.

        Raises `KafkaError` when that takes longer than ``timeout`` seconds.
        """
        require_own(self._owner, "publisher")
        queued = self._queued
        try:
            async with asyncio.timeout(timeout):
                while self._settled < queued:  # noqa: ASYNC110 - it is another thread that counts
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            raise KafkaError(
                f"Kafka at {self._settings.kafka_bootstrap} did not acknowledge"
                f" {queued - self._settled} messages within {timeout} s. {self._last_error}"
            ) from None

    def stats(self) -> PublisherStats:
        """Return the counters now."""
        in_flight = self._connection.in_flight if self._connection else ()
        return PublisherStats(
            sent=self._sent,
            acknowledged=self._acknowledged,
            dead_lettered=self._dead_lettered,
            errors=self._errors,
            recovered=self._recovered,
            queued=len(self._outbox.queue) + self._outbox.on_disk,
            in_flight=len(in_flight),
            waiting_s=self._measure_wait(),
            last_error=self._last_error,
            warning=self._outbox.warning,
            awaited=self._describe_outage() if self._down_since else "",
        )

    async def close(self, timeout: float = 10) -> None:
        """Deliver what is queued, then disconnect.

        Raises `KafkaError` with the number of messages not acknowledged within ``timeout`` seconds.
        They are on disk, and the next publisher delivers them. If Kafka was never reached, it ends
        at once, and raises only if messages may be lost.
        """
        if not self._thread.is_alive():
            return
        self._closing = True
        if not self._has_reached:
            await self._leave()
            return
        self._wake.set()
        await asyncio.to_thread(self._thread.join, timeout)
        if self._thread.is_alive():
            self._abandon()
            await asyncio.to_thread(self._outbox.flush, insist=True)
            stats = self.stats()
            raise KafkaError(
                f"{stats.queued + stats.in_flight} messages {self._describe_fate()}: Kafka at "
                f"{self._settings.kafka_bootstrap} did not acknowledge them within {timeout} s. "
                f"{self._last_error}"
            )

    async def _leave(self) -> None:
        """Leave the messages to the next publisher, since Kafka was never reached."""
        await asyncio.to_thread(self._outbox.flush, insist=True)
        queued, fate = self.stats().queued, self._describe_fate()
        is_kept = self._settings.buffer_mb and not self._outbox.unwritten
        self._abandon()
        await asyncio.to_thread(self._thread.join, _BACKOFF_S)
        if queued and not is_kept:
            raise KafkaError(f"{queued} messages {fate}: {self._last_error}")

    def _abandon(self) -> None:
        self._abandoned.set()
        self._wake.set()

    def _describe_fate(self) -> str:
        """Describe what happens to the messages that Kafka did not acknowledge in time."""
        if not self._settings.buffer_mb:
            return "may be lost"
        kept = "are kept for the next start"
        lost = self._outbox.unwritten
        return f"{kept}, but {lost} of them may be lost ({self._outbox.warning})" if lost else kept

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _describe_outage(self) -> str:
        folder = self._settings.home / "journal" if self._settings.buffer_mb else "memory"
        return f"waiting for Kafka, messages are kept in {folder}: {self._last_error}"

    def _measure_wait(self) -> float:
        connection, since = self._connection, self._down_since
        with contextlib.suppress(IndexError):
            since = since or (connection.in_flight[0].at if connection else None)
        return time.monotonic() - since if since else 0.0

    async def _publish(self, stream: Stream, record: msgspec.Struct) -> bool:
        """Queue a record, or a dead letter with the reason if it breaks its topic's schema."""
        topic, origin = stream.topic(self._settings), getattr(record, stream.partition_by[0])
        value = b""
        try:
            value = encode(record)
            _check(stream, value)
        except (RejectedMessage, ValueError, TypeError) as error:
            await self._set_aside(origin, str(error), value or repr(record), {"topic": topic})
            return False
        await self._put(Message(topic, stream.message_key(record), value, []))
        return True

    async def _set_aside(
        self, venue: str, reason: str, raw: str | bytes, about: Mapping[str, str]
    ) -> None:
        headers = {"venue": venue, "reason": reason[:_REASON_LIMIT], **about}
        encoded = [(name, _encode_text(text)) for name, text in headers.items()]
        value = _encode_text(raw[:_VALUE_LIMIT])
        await self._put(Message(self._settings.dlq_topic, _encode_text(venue), value, encoded))
        self._dead_lettered += 1

    async def _put(self, message: Message) -> None:
        require_own(self._owner, "publisher")
        if self._closing:
            raise KafkaError("the publisher is closed; start a new one")
        while self._outbox.is_full:  # rare: polling beats signals from thread to loop
            await asyncio.sleep(_PAUSE_S)
            self._outbox.flush()  # its disk may have room again
        if self._outbox.add(message):
            asyncio.get_running_loop().call_soon(self._outbox.flush)
        self._queued += 1
        if not self._wake.is_set():  # which costs less than to set it again
            self._wake.set()

    # What follows runs in the sending thread.

    def _run(self) -> None:
        while not self._is_finished():
            self._wake.wait(_DISK_RETRY_S if self._outbox.is_failing else None)
            self._wake.clear()
            started = time.monotonic()
            pause = _LONG_PAUSE_S if len(self._outbox.queue) >= _MANY else _PAUSE_S
            try:
                self._deliver()
            except Exception as error:  # unacknowledged messages are still here, whatever failed
                self._note_failure(error)
                self._reconnect()
            time.sleep(max(0.0, started + pause - time.monotonic()))
        if self._connection:
            self._connection.close()
        self._outbox.close()

    def _is_finished(self) -> bool:
        delivered = self._outbox.is_empty and not (self._connection and self._connection.in_flight)
        return self._abandoned.is_set() or (self._closing and delivered)

    def _deliver(self) -> None:
        if self._connection is None:
            self._connection = self._connect()
        if self._outbox.is_failing:
            self._outbox.flush()
        settled = 0
        try:
            for message in self._connection.settled():
                settled += 1
                self._count(message)
        finally:
            self._outbox.acknowledge(settled)
        # last: while anything is left, something is in flight, whose answer wakes this thread
        self._outbox.refill()
        self._connection.send(self._outbox.queue)

    def _count(self, message: Message) -> None:
        if message.recovered:
            self._recovered += 1
        else:
            self._settled += 1
            self._acknowledged += message.topic in self._counted

    def _reconnect(self) -> None:
        """Drop the connection, if there is one, and queue unacknowledged messages again."""
        connection, self._connection = self._connection, None
        if connection:
            self._outbox.queue.extendleft(sent.message for sent in reversed(connection.in_flight))
            connection.close()
        pause = waiting.pause_s(self._failures, _BACKOFF_S, _LONGEST_BACKOFF_S)
        self._abandoned.wait(None if self._refusal else pause)
        self._wake.set()

    def _connect(self) -> Connection:
        if not self._has_reached:
            ensure_topics(self._settings)
        connection = Connection(self._settings, self._wake.set)
        self._has_reached = True
        self._failures, self._down_since = 0, None
        return connection

    def _note_failure(self, error: Exception) -> None:
        self._errors += 1
        self._failures += 1
        self._last_error = str(error)
        self._down_since = self._down_since or time.monotonic()
        if isinstance(error, KafkaError) and not isinstance(error, KafkaAwayError):
            self._refusal = None if self._has_reached else error


class OutageLog:
    """Logs once that Kafka is waited for, and once that it is connected."""

    def __init__(self) -> None:
        self._is_out = False

    def note(self, awaited: str) -> None:
        """Take `PublisherStats.awaited` of now."""
        if awaited and not self._is_out:
            _LOG.warning("%s", awaited)
        elif self._is_out and not awaited:
            _LOG.warning("Kafka is connected")
        self._is_out = bool(awaited)


def _check(stream: Stream, value: bytes) -> None:
    stream.decode(value)
    if len(value) > _VALUE_LIMIT:
        raise RejectedMessage(f"{len(value)} bytes are too many for one record")


def _encode_text(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="replace")
