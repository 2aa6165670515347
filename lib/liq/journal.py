"""A queue on disk for what its owner has not delivered yet, so that a killed process loses nothing.

Entries are appended to segment files, read back in order, and gone once acknowledged, oldest first;
a segment is deleted when its last entry is. An entry is its length and CRC-32, then its bytes.
Nothing is synced: the system writes the pages of a killed process, though not those of a machine
that loses power.

Each open journal has a folder of its own, locked while its owner lives. A new one takes over what
dead owners left, ahead of its own entries. Of that some was delivered already: a segment is kept as
a whole. Used by one thread at a time.
"""

import contextlib
import errno
import fcntl
import os
import struct
import time
import uuid
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from liq.errors import JournalError

SEGMENT = 4 * 1024 * 1024
_HEAD = struct.Struct("<II")  # length, CRC-32
_SUFFIX = ".log"
_RENEW = 64 * 1024  # an acknowledged segment is emptied when it has grown to this


@dataclass(slots=True)
class _Segment:
    path: Path
    size: int
    inherited: bool = False
    held: int = 0  # entries handed out and not acknowledged


class Journal:
    """One owner's queue below ``parent``, of ``limit`` bytes at most.

    ``damaged`` lists files that could not be read to their end, which are kept in ``parent``. All
    methods raise `JournalError` when the disk fails.
    """

    def __init__(self, parent: Path, limit: int, segment: int = SEGMENT) -> None:
        self.damaged: list[Path] = []
        self._limit = limit
        self._segment_size = segment
        self._parent = parent
        self._folder = parent / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}"  # by age
        self._segments: deque[_Segment] = deque()
        self._pending: list[bytes] = []  # appended, and not written yet
        self._number = 0
        self._file = -1  # the last segment's
        with self._disk():
            parent.mkdir(parents=True, exist_ok=True)
            others = _locked(parent, fcntl.LOCK_EX)  # who opens one at this moment, too
            self._folder.mkdir()
            self._lock = _locked(self._folder)
            self._segments.extend(self._inherited())
            os.close(others)
            self._size = sum(segment.size for segment in self._segments)
            self._begin()
        self._reading = self._segments[0]
        self._offset = 0  # of the next entry to read, there

    @property
    def unread(self) -> bool:
        """Whether entries wait to be read."""
        last = self._segments[-1]
        return self._reading is not last or self._offset < last.size

    @property
    def inheriting(self) -> bool:
        """Whether the entries read next are those of an earlier owner."""
        return self._reading.inherited

    @property
    def full(self) -> bool:
        """Whether it holds as much as it may."""
        return self._size >= self._limit

    def append(self, entry: bytes, *, held: bool) -> None:
        """Add an entry, to be written by the next `flush`; one that is held is not read again.

        Only an entry without any unread before it can be ``held``, by the owner.
        """
        data = _HEAD.pack(len(entry), zlib.crc32(entry)) + entry
        last = self._segments[-1]
        if last.size >= self._segment_size:
            last = self._begin()
        self._pending.append(data)
        last.size += len(data)
        self._size += len(data)
        if held:
            last.held += 1
            self._reading, self._offset = last, last.size

    def read(self, count: int) -> list[bytes]:
        """Return the next entries of one segment, ``count`` at most."""
        self.flush()
        segment = self._reading
        entries = self._read(segment, count)
        segment.held += len(entries)
        if self._offset >= segment.size and segment is not self._segments[-1]:
            self._reading = self._segments[self._segments.index(segment) + 1]
            self._offset = 0
        self._drop()
        return entries

    def acknowledge(self, count: int) -> None:
        """Forget the oldest ``count`` of the entries handed out or held."""
        for segment in self._segments:
            done = min(count, segment.held)
            segment.held -= done
            count -= done
            if not count:
                break
        self._drop()

    def close(self) -> None:
        """Give the folder up; without entries it is deleted, else the next journal inherits it."""
        self.flush()
        left = self.unread or any(segment.held for segment in self._segments)
        os.close(self._file)
        with self._disk():
            if not left:
                for segment in self._segments:
                    segment.path.unlink()
                self._folder.rmdir()
        os.close(self._lock)

    def flush(self) -> None:
        """Write what was appended: many at once cost little more than one."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        try:
            written = os.write(self._file, data)
        except OSError as error:
            raise self._failure(error) from error
        if written < len(data):
            os.ftruncate(self._file, self._segments[-1].size - len(data))
            raise self._failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self._pending.clear()

    def _read(self, segment: _Segment, count: int) -> list[bytes]:
        found: list[bytes] = []
        with self._disk(), segment.path.open("rb") as file:
            file.seek(self._offset)
            while len(found) < count and self._offset < segment.size:
                head = file.read(_HEAD.size)
                length, checksum = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 1)
                entry = file.read(length)
                if len(entry) < length or zlib.crc32(entry) != checksum:
                    self._give_up(segment)
                    break
                found.append(entry)
                self._offset += _HEAD.size + length
        return found

    def _give_up(self, segment: _Segment) -> None:
        """Pass over the rest of a segment, which was torn by a crash or is damaged."""
        kept = self._parent / f"{self._folder.name}-{segment.path.stem}.damaged"
        segment.path.rename(kept)
        segment.path.touch()
        self.damaged.append(kept)
        self._offset = segment.size
        if segment is self._segments[-1]:
            self._begin()  # what is appended from now on must not follow it

    def _drop(self) -> None:
        """Delete what is read and acknowledged."""
        first = self._segments[0]
        while not first.held and first is not self._reading:
            with self._disk():
                first.path.unlink()
            self._size -= first.size
            self._segments.popleft()
            first = self._segments[0]
        if len(self._segments) == 1 and not first.held and first.size > _RENEW and not self.unread:
            self._pending.clear()
            with self._disk():
                os.ftruncate(self._file, 0)
            self._size = self._offset = first.size = 0

    def _begin(self) -> _Segment:
        """Begin a segment to append to."""
        self.flush()
        path = self._path()
        with self._disk():
            if self._file >= 0:
                os.close(self._file)
            self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._segments.append(_Segment(path, 0))
        return self._segments[-1]

    def _path(self) -> Path:
        self._number += 1
        return self._folder / f"{self._number:08}{_SUFFIX}"

    def _inherited(self) -> Iterator[_Segment]:
        """Move the segments of dead owners here."""
        folders = [path for path in self._parent.iterdir() if path.is_dir()]
        for folder in sorted(folders, key=lambda path: path.name):
            try:
                lock = _locked(folder)
            except BlockingIOError:
                continue  # its owner lives
            for path in sorted(folder.glob(f"*{_SUFFIX}")):
                size = path.stat().st_size
                yield _Segment(path.rename(self._path()), size, inherited=True)
            folder.rmdir()
            os.close(lock)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> JournalError:
        return JournalError(
            f"cannot keep unacknowledged messages in {self._folder}: {error}; free disk, or set"
            " LIQ_BUFFER_MB=0 to keep them in memory only"
        )


def _locked(folder: Path, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> int:
    """Return a handle that holds a folder's lock; `BlockingIOError` if another one does."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        os.close(handle)
        raise
    return handle
