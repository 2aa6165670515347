"""Recordings: a venue's raw frames, unchanged, as compressed lines of JSON.

A file ``<venue>-<UTC time of its first frame>.jsonl.gz`` holds frames in order of receipt::

    {"venue":"okx","source":"live","recv_ts":1750000000000000,"text":"{\\"arg\\":…"}

with ``base64`` in place of ``text`` for a binary frame (HTX sends gzip). Flushed frames can always
be read. If a file stops in the middle, because its writer died or still writes, it is read up to
its last whole line.
"""

import asyncio
import contextlib
import gzip
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated

import msgspec

from liq.common import waiting
from liq.common.forks import Private, in_child
from liq.common.text import describe_error
from liq.config import Settings
from liq.errors import RecordingError
from liq.ingest.contracts import Contracts
from liq.ingest.feed import Feed, FeedStats
from liq.ingest.venues import build_url, find_venue
from liq.records.model import Source

SUFFIX = ".jsonl.gz"
FLUSH_S = 1.0  # between two flushes, about
_SHOW_S = 0.5
_RETRY_S = 5.0
_LONGEST_LINE = 64 * 1024 * 1024  # bytes: a frame has a megabyte, a bomb no end
_YEAR_10000 = 253_402_300_800_000_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is full: its bytes on disk, or the seconds since its first frame.

    ``keep`` limits the bytes of a venue's full files in the folder. Before a new file begins, the
    oldest are deleted down to that limit. 0 keeps all.
    """

    size: int = 64 * 1024 * 1024
    seconds: float = 3600
    keep: int = 0


class RecordedFrame(msgspec.Struct, frozen=True, gc=False):
    """One frame, unchanged, with its venue, time of receipt (UTC microseconds) and source."""

    venue: str
    raw: bytes
    recv_ts: int
    source: Source


class _Line(msgspec.Struct, omit_defaults=True, gc=False):
    venue: str
    source: Source
    recv_ts: Annotated[int, msgspec.Meta(ge=0, lt=_YEAR_10000)]
    text: str | None = None
    base64: bytes | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


class Recorder:
    """Writes one venue's frames into files of ``folder``, which it creates at the first frame.

    A frame is handed to the system within a second if others follow or `flush` is called. All
    methods raise `RecordingError` if writing fails.
    """

    def __init__(self, folder: Path, venue: str, rotation: Rotation | None = None) -> None:
        self._folder = folder
        self._venue = venue
        self._rotation = rotation or Rotation()
        self._file: IO[bytes] | None = None
        self._lines: gzip.GzipFile | None = None
        self._private: Private | None = None
        self._opened = self._flushed = 0.0
        self.unflushed = 0  # frames that the system may not have
        self.path: Path | None = None
        self.frames = 0
        in_child(self, Recorder._forget)

    def write(self, raw: bytes, recv_ts: int, source: Source) -> None:
        """Add one frame."""
        with self._disk():
            if self._is_full():
                self._end()
                self.unflushed = 0
            if self._lines is None:
                self._begin(recv_ts)
            assert self._lines  # noqa: S101 - just begun
            self._lines.write(
                _encoder.encode(_build_line(self._venue, raw, recv_ts, source)) + b"\n"
            )
        self.frames += 1
        self.unflushed += 1
        if time.monotonic() - self._flushed > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Hand the written frames to the system."""
        self._flushed = time.monotonic()
        if not self.unflushed:  # an empty flush would add bytes to the file
            return
        with self._disk():
            if self._lines and self._file:
                self._lines.flush()
                self._file.flush()
        self.unflushed = 0

    def close(self) -> None:
        """End the file; another `write` begins a new one."""
        with self._disk():
            self._end()
        self.unflushed = 0

    def abandon(self) -> None:
        """Give up a file that could not be written; another `write` begins a new one.

        Flushed frames of it stay. A file without any is deleted.
        """
        lines, file = self._forget()
        self.unflushed = 0
        for one in (lines, file):
            with contextlib.suppress(OSError):
                if one:
                    one.close()
        with contextlib.suppress(OSError):
            if self.path and not self.path.stat().st_size:
                self.path.unlink()

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordingError(
                f"cannot record into {self._folder}: {describe_error(error)}"
            ) from error

    def _is_full(self) -> bool:
        if self._file is None:
            return False
        age = time.monotonic() - self._opened
        return self._file.tell() >= self._rotation.size or age >= self._rotation.seconds

    def _begin(self, recv_ts: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room()
        self.path = self._folder / _build_name(self._venue, recv_ts)
        self._file = self.path.open("xb")
        self._private = Private(self._file.fileno())  # a child has the same bytes in its buffers
        # level 6 costs a tenth of what parsing and publishing the frame does
        self._lines = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=6)
        self._opened = time.monotonic()

    def _make_room(self) -> None:
        if not self._rotation.keep:
            return
        files = _list_files(self._folder, self._venue)
        while files and sum(file.stat().st_size for file in files) > self._rotation.keep:
            files.pop(0).unlink()

    def _forget(self) -> tuple[gzip.GzipFile | None, IO[bytes] | None]:
        lines, file, self._lines, self._file = self._lines, self._file, None, None
        self._private = None
        return lines, file

    def _end(self) -> None:
        lines, file = self._forget()
        if lines and file:
            lines.close()
            file.close()


class SideRecorder:
    """Records frames beside more important work, which a full disk must not stop.

    ``missed`` counts the frames that could not be written, ``warning`` is the reason while writing
    fails. It retries every few seconds.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._retry_at = 0.0
        self._fault = ""
        self.missed = 0

    @property
    def warning(self) -> str:
        """What is wrong now, empty if nothing is."""
        return f"{self._fault}; {self.missed:,} frames are not recorded" if self._fault else ""

    def write(self, raw: bytes, recv_ts: int, source: Source) -> None:
        """Add one frame, or count it as missed."""
        if self._fault and time.monotonic() < self._retry_at:
            self.missed += 1
            return
        taken = self._recorder.frames
        try:
            self._recorder.write(raw, recv_ts, source)
            if self._fault:
                self._recorder.flush()  # a small frame would stay in a buffer, full disk or not
            self._fault = ""
        except RecordingError as error:
            self.missed += self._recorder.frames == taken  # else the frame is an unflushed one
            self._fail(error)

    def flush(self) -> None:
        """Hand the written frames to the system as well as the disk allows."""
        try:
            self._recorder.flush()
        except RecordingError as error:
            self._fail(error)

    def close(self) -> None:
        """End the file as well as the disk allows."""
        try:
            self._recorder.close()
        except RecordingError as error:
            self._fail(error)

    def _fail(self, error: RecordingError) -> None:
        self.missed += self._recorder.unflushed
        self._fault = str(error)
        self._retry_at = time.monotonic() + _RETRY_S
        self._recorder.abandon()


@dataclass(frozen=True, slots=True)
class Recorded:
    """The state of `record` for a venue: the number of frames, and the present file."""

    frames: int
    path: Path | None
    feed: FeedStats


async def record(
    venues: Sequence[str],
    folder: Path,
    url: str = "",
    show: Callable[[Mapping[str, Recorded]], None] = lambda _: None,
    settings: Settings | None = None,
) -> None:
    """Record venues until SIGINT or SIGTERM; Kafka is not needed.

    ``url`` is as in `liq.ingest.venues.build_url`. ``show`` gets the state of each venue twice a
    second. Raises `RecordingError` if writing fails, and `FeedError` for an invalid URL.
    """
    recorders = {name: Recorder(folder, name) for name in venues}
    with waiting.catch_signals() as ended:
        contracts = {name: Contracts(find_venue(name), settings) for name in venues}
        feeds = {
            name: await _create_feed(name, recorder, url, contracts[name])
            for name, recorder in recorders.items()
        }
        tasks = [asyncio.create_task(feed.run()) for feed in feeds.values()]
        following = [asyncio.create_task(_follow(contracts[name], feeds[name])) for name in feeds]
        try:
            while not (await waiting.wait(_SHOW_S, ended) or any(task.done() for task in tasks)):
                for recorder in recorders.values():
                    recorder.flush()
                show(
                    {
                        name: Recorded(recorder.frames, recorder.path, feeds[name].stats())
                        for name, recorder in recorders.items()
                    }
                )
        finally:
            failures = await waiting.cancel_all([*tasks, *following])
            for recorder in recorders.values():
                recorder.close()
    for failure in failures:
        raise failure


async def _create_feed(name: str, recorder: Recorder, url: str, contracts: Contracts) -> Feed:
    async def write(raw: bytes, recv_ts: int, source: Source) -> None:
        recorder.write(raw, recv_ts, source)

    await contracts.load()
    return Feed(
        find_venue(name),
        write,
        build_url(name, url),
        contracts.listed,
        reconnected=contracts.request,
    )


async def _follow(contracts: Contracts, feed: Feed) -> None:
    async for reloaded in contracts.reloads():
        feed.listen_to(reloaded.listed)


class Recording:
    """A recorded file; iterate over its frames. ``position`` of ``size`` bytes are read."""

    def __init__(self, path: Path) -> None:
        """Raises `RecordingError` if there is no such file."""
        self.path = path
        self.position = 0
        try:
            self.size = path.stat().st_size
        except OSError as error:
            raise RecordingError(f"cannot read {path}: {error.strerror}") from error

    def __iter__(self) -> Iterator[RecordedFrame]:
        """Yield the frames. Raises `RecordingError` for what is no recording."""
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(_read_whole_lines(file), 1):
                    self.position = file.tell()
                    yield self._frame(number, line)
        except (OSError, zlib.error) as error:
            raise RecordingError(f"{self.path} is no recording: {error}") from error

    def _frame(self, number: int, text: bytes) -> RecordedFrame:
        try:
            line = _decoder.decode(text)
        except msgspec.DecodeError as error:
            raise RecordingError(f"{self.path} line {number} is no frame: {error}") from error
        raw = line.base64 if line.text is None else line.text.encode()
        if raw is None:
            raise RecordingError(f"{self.path} line {number} has neither text nor base64")
        return RecordedFrame(line.venue, raw, line.recv_ts, line.source)


def find(folder: Path, venue: str, recv_ts: int) -> RecordedFrame | None:
    """Return the frame of ``venue`` that was received at ``recv_ts``, None where none was kept.

    Reads at most the two files that it may be in. Raises `RecordingError` for what is no recording.
    """
    until = _build_name(venue, recv_ts)
    # the second: a producer that overlapped with another may have begun its file meanwhile
    for file in reversed([file for file in _list_files(folder, venue) if file.name <= until][-2:]):
        for frame in Recording(file):
            if frame.recv_ts == recv_ts:
                return frame
    return None


def _build_name(venue: str, recv_ts: int) -> str:
    return f"{venue}-{datetime.fromtimestamp(recv_ts / 1e6, UTC):%Y%m%dT%H%M%S.%fZ}{SUFFIX}"


def _list_files(folder: Path, venue: str) -> list[Path]:
    """Return the venue's files, oldest first."""
    return sorted(folder.glob(f"{venue}-[0-9]*{SUFFIX}"))


def _build_line(venue: str, raw: bytes, recv_ts: int, source: Source) -> _Line:
    try:
        return _Line(venue, source, recv_ts, text=raw.decode())
    except UnicodeDecodeError:
        return _Line(venue, source, recv_ts, base64=raw)


def _read_whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=file) as lines:
            while line := lines.readline(_LONGEST_LINE):
                if len(line) == _LONGEST_LINE:
                    raise gzip.BadGzipFile(f"a line has {_LONGEST_LINE:,} bytes or more")
                if line.endswith(b"\n"):
                    yield line
    except EOFError:
        return  # its writer died, or has not ended it yet
