"""A queue on disk for undelivered entries, so that a killed process loses nothing.

Entries are appended to segment files, read back in order, and removed once acknowledged, oldest
first. A segment is deleted with its last entry. An entry is its length and CRC-32, then its bytes.
Nothing is synced: the system writes the pages of a killed process, but a power failure loses them.

Each open journal has its own folder, locked while its owner lives. A new journal takes over the
segments of dead owners, ahead of its own entries. Segments are kept whole, so some of these entries
are delivered twice. One thread uses a journal at a time.

A failing disk does not stop the journal. The newest entries stay in memory, the tail, until a later
`Journal.flush` writes them. `Journal.fault` is the disk's error.
"""

import contextlib
import errno
import os
import struct
import time
import uuid
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from liq.common.files import lock
from liq.common.forks import Private
from liq.errors import JournalError

SEGMENT = 4 * 1024 * 1024
_HEAD = struct.Struct("<II")  # length, CRC-32
_SUFFIX = ".log"
_RENEW = 64 * 1024  # an acknowledged segment is emptied when it has grown to this
_TAIL = 4 * 1024 * 1024  # bytes kept in memory while the disk takes nothing
_RETRY_S = 1.0
# faults of the disk, which a user can repair while the owner runs; others are wrong settings
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
_GONE = (errno.ENOENT, errno.EIO)  # of a segment: reading it again gives nothing either


@dataclass(slots=True, eq=False)
class _Segment:
    path: Path
    size: int
    inherited: bool = False
    held: int = 0  # entries handed out and not acknowledged


class Journal:
    """One owner's queue below ``parent``, of ``limit`` bytes at most.

    ``damaged`` lists files that could not be read to their end; they are kept if the disk allows
    it. The constructor raises `JournalError` if ``parent`` cannot be used as a folder.
    """

    def __init__(self, parent: Path, limit: int, segment: int = SEGMENT) -> None:
        self.damaged: list[Path] = []
        self._limit = limit
        self._segment_size = segment
        self._parent = parent
        self._folder = parent / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}"  # by age
        self._locks: dict[Path, Private] = {}  # of the own folder and of inherited ones
        self._segments: deque[_Segment] = deque()
        self._current: _Segment | None = None  # the own one that is written to
        self._file = -1
        self._number = 0
        self._reading: _Segment | None = None  # None: all segments are read
        self._offset = 0  # of the next entry to read, there
        self._tail: list[bytes] = []  # appended, and not written yet
        self._handed = 0  # the first entries of the tail: handed out or held, not acknowledged
        self._tail_size = 0
        self._error: OSError | None = None
        self._retry_at = 0.0
        try:
            self._inherit()
        except OSError as error:
            if error.errno not in _PASSING:
                self._unlock()
                raise self._failure(error) from error
            self._fail(error)
        self._size = sum(segment.size for segment in self._segments)
        self._reading = self._segments[0] if self._segments else None

    @property
    def has_unread(self) -> bool:
        """Whether entries wait to be read."""
        return self._reading is not None or self._handed < len(self._tail)

    @property
    def is_inheriting(self) -> bool:
        """Whether the next entries belong to an earlier owner."""
        return self._reading is not None and self._reading.inherited

    @property
    def is_full(self) -> bool:
        """Whether it has reached its limit, on disk or, while the disk fails, in memory."""
        return self._size >= self._limit or (
            self._error is not None and self._tail_size >= min(_TAIL, self._limit)
        )

    @property
    def fault(self) -> JournalError | None:
        """Why the last write to disk failed, None if it succeeded."""
        return self._failure(self._error) if self._error else None

    @property
    def unwritten(self) -> int:
        """How many entries are in memory only."""
        return len(self._tail)

    def append(self, entry: bytes, *, held: bool) -> None:
        """Add an entry, which the next `flush` writes; a ``held`` entry is not read back.

        The owner may hold an entry only if no unread entry precedes it.
        """
        data = _HEAD.pack(len(entry), zlib.crc32(entry)) + entry
        self._tail.append(data)
        self._tail_size += len(data)
        self._size += len(data)
        self._handed += held
        if self._tail_size >= self._segment_size:
            self.flush()

    def read(self, count: int) -> list[bytes]:
        """Return the next entries of one segment, or of the tail, ``count`` at most.

        Raises `JournalError` when a segment cannot be opened for now.
        """
        segment = self._reading
        if segment is None:
            data = self._tail[self._handed : self._handed + count]
            self._handed += len(data)
            return [entry[_HEAD.size :] for entry in data]
        try:
            entries = self._read(segment, count)
        except OSError as error:
            if error.errno not in _GONE:
                raise self._failure(error) from error
            entries = []
            self._give_up(segment)
        segment.held += len(entries)
        if self._offset >= segment.size:
            following = self._segments.index(segment) + 1
            more = following < len(self._segments)
            self._reading, self._offset = (self._segments[following] if more else None), 0
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
        done = min(count, self._handed)
        if done:
            size = sum(map(len, self._tail[:done]))
            del self._tail[:done]
            self._handed -= done
            self._tail_size -= size
            self._size -= size
        self._drop()

    def flush(self, *, insist: bool = False) -> None:
        """Write the appended entries; many at once cost little more than one.

        After a fault it retries once a second at most, unless the caller sets ``insist``.
        """
        if not self._tail or (self._error and not insist and time.monotonic() < self._retry_at):
            return
        data = b"".join(self._tail)
        try:
            segment = self._writable()
            self._write(data, segment.size)
        except OSError as error:
            self._fail(error)
            return
        self._error = None
        if self._reading is None and self._handed < len(self._tail):
            self._reading = segment
            self._offset = segment.size + sum(map(len, self._tail[: self._handed]))
        segment.size += len(data)
        segment.held += self._handed
        self._tail.clear()
        self._tail_size = self._handed = 0

    def close(self) -> None:
        """Release the folder: delete it if empty, else the next journal inherits it."""
        self.flush(insist=True)
        if self._reading is None and not any(segment.held for segment in self._segments):
            with contextlib.suppress(OSError):  # a kept segment is delivered twice, harmlessly
                for segment in self._segments:
                    segment.path.unlink(missing_ok=True)
                for folder in self._locks:
                    folder.rmdir()
        if self._file >= 0:
            os.close(self._file)
        self._file, self._current = -1, None
        self._tail.clear()
        self._unlock()

    def _read(self, segment: _Segment, count: int) -> list[bytes]:
        found: list[bytes] = []
        with segment.path.open("rb") as file:
            file.seek(self._offset)
            while len(found) < count and self._offset < segment.size:
                head = file.read(_HEAD.size)
                length, checksum = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 1)
                entry = file.read(length)
                # a machine that lost power may leave zeros, and no entry is empty
                if not length or len(entry) < length or zlib.crc32(entry) != checksum:
                    self._give_up(segment)
                    break
                found.append(entry)
                self._offset += _HEAD.size + length
        return found

    def _give_up(self, segment: _Segment) -> None:
        """Skip the rest of a segment that a crash truncated, or that is damaged or missing."""
        kept = self._parent / f"{segment.path.parent.name}-{segment.path.stem}.damaged"
        try:
            segment.path.rename(kept)
            self.damaged.append(kept)
        except OSError:
            self.damaged.append(segment.path)
        self._offset = segment.size
        if segment is self._current:
            self._current = None  # what is appended from now on must not follow it

    def _drop(self) -> None:
        """Delete segments that are read and acknowledged."""
        while self._segments:
            first = self._segments[0]
            if first.held or first is self._reading:
                return
            try:
                if first is self._current:
                    if first.size > _RENEW:
                        os.ftruncate(self._file, 0)
                        self._size -= first.size
                        first.size = 0
                    return
                first.path.unlink(missing_ok=True)
            except OSError as error:  # a segment that stays is delivered twice, harmlessly
                self._fail(error)
                if first is self._current:
                    return
            self._size -= first.size
            self._segments.popleft()
            self._leave(first.path.parent)

    def _leave(self, folder: Path) -> None:
        """Delete an inherited folder once its last segment is gone."""
        if folder == self._folder or any(one.path.parent == folder for one in self._segments):
            return
        with contextlib.suppress(OSError):
            folder.rmdir()
        self._locks.pop(folder).close()

    def _writable(self) -> _Segment:
        """Return the segment to append to, a new one where there is none or it is full or gone."""
        current = self._current
        if current and current.size < self._segment_size and os.fstat(self._file).st_nlink:
            return current
        if not self._folder.is_dir():
            self._make_folder()
        self._number += 1
        path = self._folder / f"{self._number:08}{_SUFFIX}"
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self._current = _Segment(path, 0)
        self._segments.append(self._current)
        return self._current

    def _write(self, data: bytes, offset: int) -> None:
        if os.pwrite(self._file, data, offset) < len(data):
            os.ftruncate(self._file, offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _make_folder(self) -> None:
        self._parent.mkdir(parents=True, exist_ok=True)
        others = lock(self._parent)  # others may look for dead owners now
        try:
            self._folder.mkdir()
            own = lock(self._folder, seconds=0)
        finally:
            others.close()
        if self._folder in self._locks:  # the lock of a folder that was deleted
            self._locks[self._folder].close()
        self._locks[self._folder] = own

    def _inherit(self) -> None:
        """Take over the segments of dead owners in place, since a full disk has no room to move.

        Their folders stay locked until they are delivered.
        """
        self._parent.mkdir(parents=True, exist_ok=True)
        others = lock(self._parent)  # another journal may open now too
        try:
            folders = [path for path in self._parent.iterdir() if path.is_dir()]
            for folder in sorted(folders, key=lambda path: path.name):
                try:
                    self._locks[folder] = lock(folder, seconds=0)
                except BlockingIOError:
                    continue  # its owner lives
                files = sorted(folder.glob(f"*{_SUFFIX}"))
                found = [_Segment(path, path.stat().st_size, inherited=True) for path in files]
                self._segments.extend(found)
                if not found:
                    self._leave(folder)
        finally:
            others.close()

    def _unlock(self) -> None:
        for held in self._locks.values():
            held.close()
        self._locks.clear()

    def _fail(self, error: OSError) -> None:
        self._error = error
        self._retry_at = time.monotonic() + _RETRY_S

    def _failure(self, error: OSError) -> JournalError:
        return JournalError(
            f"cannot keep unacknowledged messages in {self._parent}: {error}; free disk, or set"
            " LIQ_BUFFER_MB=0 to keep them in memory only"
        )
