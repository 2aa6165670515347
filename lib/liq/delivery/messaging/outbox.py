"""Messages that wait for the broker: a queue in memory, and the journal on disk.

A message is on disk from the next turn of the event loop until Kafka acknowledges it, see
`liq.delivery.journal`. Messages are written in groups, since each write releases the interpreter's
lock and waits for it. Order is kept: once a message is on disk only, all later ones are too until
it is read.
"""

import threading
from collections import deque

import msgspec

from liq.config import Settings
from liq.delivery.journal import Journal
from liq.delivery.messaging.client import Message

_QUEUE = 20_000  # messages in memory
_REFILL = 2_000  # messages read from disk at once

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


class Outbox:
    """One thread adds messages, another one takes them.

    ``queue`` holds the next messages. ``on_disk`` counts the messages behind them on disk, without
    messages of an earlier owner. Without a journal (`Settings.buffer_mb` is 0) there is only the
    queue. While the disk fails, memory holds some messages in its place.
    """

    def __init__(self, settings: Settings) -> None:
        self.queue: deque[Message] = deque()
        self.on_disk = 0
        self._folder = settings.home / "journal"
        self._limit = settings.buffer_mb * 2**20
        self._journal: Journal | None = None
        self._flush_due = False
        self._lock = threading.Lock()  # a message goes to the queue, and to disk, in the same order

    def open(self) -> None:
        """Open the journal and inherit messages of earlier owners. Raises `JournalError`."""
        if self._limit:
            self._journal = Journal(self._folder, self._limit)

    @property
    def is_full(self) -> bool:
        """Whether it has no room."""
        return self._journal.is_full if self._journal else len(self.queue) >= _QUEUE

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits in it, in memory or on disk."""
        return not self.queue and not (self._journal and self._journal.has_unread)

    @property
    def unwritten(self) -> int:
        """How many messages are not on disk yet."""
        return self._journal.unwritten if self._journal else 0

    @property
    def is_failing(self) -> bool:
        """Whether the last write to the journal's disk failed."""
        return self._journal is not None and self._journal.fault is not None

    @property
    def warning(self) -> str:
        """What is wrong with the journal, and how to repair it; empty if nothing is."""
        journal = self._journal
        if journal is None:
            return ""
        parts = [f"the journal skipped a damaged file, {path}" for path in journal.damaged]
        if fault := journal.fault:
            parts.append(f"{fault}; {journal.unwritten:,} messages are in memory only")
        return "; ".join(parts)

    def add(self, message: Message) -> bool:
        """Take a message; return whether `flush` is to be called, soon, for it and others."""
        journal = self._journal
        if journal is None:
            self.queue.append(message)
            return False
        entry = _encoder.encode(message)
        with self._lock:
            held = not journal.has_unread and len(self.queue) < _QUEUE
            journal.append(entry, held=held)
            if held:
                self.queue.append(message)
            else:
                self.on_disk += 1
            first, self._flush_due = not self._flush_due, True
        return first

    def flush(self, *, insist: bool = False) -> None:
        """Write the added messages to disk, see `Journal.flush`."""
        with self._lock:
            self._flush_due = False
            if self._journal:
                self._journal.flush(insist=insist)

    def refill(self) -> None:
        """Read messages from disk while the queue has room. Raises `JournalError`."""
        journal = self._journal
        while journal and journal.has_unread and len(self.queue) < _QUEUE // 2:
            with self._lock:
                inherited = journal.is_inheriting
                entries = journal.read(_REFILL)
                self.on_disk -= 0 if inherited else len(entries)
                messages = map(_decoder.decode, entries)
                self.queue.extend(each._replace(recovered=inherited) for each in messages)

    def acknowledge(self, count: int) -> None:
        """Forget the oldest ``count`` messages that left the queue."""
        if self._journal and count:
            with self._lock:
                self._journal.acknowledge(count)

    def close(self) -> None:
        """Leave the remaining messages on disk for the next owner."""
        with self._lock:
            if self._journal:
                self._journal.close()
