"""What waits for the broker: a queue in memory, and on disk what memory has no room for too.

A message is on disk from the next turn of the event loop on, until Kafka has it: see `liq.journal`.
A write for each would let go of the interpreter's lock as often, and wait for it. Order is kept
whatever happens: once a message is left to the disk, all later ones are too until it is read.
"""

import threading
from collections import deque

import msgspec

from liq.config import Settings
from liq.errors import JournalError
from liq.journal import Journal
from liq.kafka.connection import Message

_QUEUE = 20_000  # messages in memory
_REFILL = 2_000  # messages read from disk at once

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


class Outbox:
    """Filled by one thread, emptied by another one.

    ``queue`` holds what goes out next, ``on_disk`` counts the messages that wait behind it there,
    without those of an earlier owner. Without a journal (`Settings.buffer_mb` is 0) what the queue
    holds is all.
    """

    def __init__(self, settings: Settings) -> None:
        self.queue: deque[Message] = deque()
        self.on_disk = 0
        self._folder = settings.home / "journal"
        self._limit = settings.buffer_mb * 2**20
        self._journal: Journal | None = None
        self._unwritten = False
        self._failure: JournalError | None = None
        self._lock = threading.Lock()  # a message goes to the queue, and to disk, in the same order

    def open(self) -> None:
        """Begin, with what earlier owners left. Raises `JournalError`."""
        if self._limit:
            self._journal = Journal(self._folder, self._limit)

    @property
    def full(self) -> bool:
        """Whether it has no room."""
        return self._journal.full if self._journal else len(self.queue) >= _QUEUE

    @property
    def empty(self) -> bool:
        """Whether nothing waits in it, in memory or on disk."""
        return not self.queue and not (self._journal and self._journal.unread)

    def add(self, message: Message) -> bool:
        """Take a message; return whether `flush` is to be called, soon, for it and others.

        Raises `JournalError`, also of a flush before.
        """
        journal = self._journal
        if journal is None:
            self.queue.append(message)
            return False
        if self._failure:
            raise self._failure
        entry = _encoder.encode(message)
        with self._lock:
            held = not journal.unread and len(self.queue) < _QUEUE
            journal.append(entry, held=held)
            if held:
                self.queue.append(message)
            else:
                self.on_disk += 1
            first, self._unwritten = not self._unwritten, True
        return first

    def flush(self) -> None:
        """Write to disk what was added."""
        with self._lock:
            self._unwritten = False
            try:
                if self._journal:
                    self._journal.flush()
            except JournalError as error:  # nobody waits for this call: the next `add` tells
                self._failure = error

    def refill(self) -> None:
        """Read what memory has room for again. Raises `JournalError`."""
        journal = self._journal
        while journal and journal.unread and len(self.queue) < _QUEUE // 2:
            with self._lock:
                inherited = journal.inheriting
                entries = journal.read(_REFILL)
                self.on_disk -= 0 if inherited else len(entries)
                messages = map(_decoder.decode, entries)
                self.queue.extend(each._replace(recovered=inherited) for each in messages)

    def acknowledge(self, count: int) -> None:
        """Forget the oldest ``count`` of those that left the queue. Raises `JournalError`."""
        if self._journal and count:
            with self._lock:
                self._journal.acknowledge(count)

    def close(self) -> None:
        """Keep on disk what is left, for the next owner. Raises `JournalError`."""
        if self._journal:
            self._journal.close()
