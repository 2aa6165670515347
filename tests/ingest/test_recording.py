"""Recordings on a real disk: what goes in comes out, also after a crash."""

import asyncio
import errno
import gzip
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from liq.errors import FeedError, RecordingError
from liq.ingest.recording import (
    SUFFIX,
    RecordedFrame,
    Recorder,
    Recording,
    Rotation,
    SideRecorder,
    find,
    record,
)
from liq.records.model import Source
from support.disk import KINDS, small_disk
from support.helpers import PATIENCE_S

START = 1_750_000_000_000_000


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def frames(folder: Path) -> list[RecordedFrame]:
    return [frame for file in files(folder) for frame in Recording(file)]


# a loaded machine is slow at random
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raws=st.lists(st.binary() | st.text().map(str.encode), min_size=1))
def test_frames_of_a_recording_are_read_as_written(tmp_path: Path, raws: list[bytes]) -> None:
    recorder = Recorder(tmp_path, "htx")
    for number, raw in enumerate(raws):
        recorder.write(raw, START + number, Source.LIVE)
    recorder.close()
    assert recorder.path
    assert list(Recording(recorder.path)) == [
        RecordedFrame("htx", raw, START + number, Source.LIVE) for number, raw in enumerate(raws)
    ]
    recorder.path.unlink()


def test_a_file_is_named_after_venue_and_time_and_any_gzip_reads_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "new" / "folder", "okx")
    recorder.write(b"pong", START, Source.SIMULATOR)
    recorder.close()
    [file] = files(tmp_path / "new" / "folder")
    assert file.name == "okx-20250615T150640.000000Z.jsonl.gz"
    line = '{"venue":"okx","source":"simulator","recv_ts":1750000000000000,"text":"pong"}\n'
    assert gzip.decompress(file.read_bytes()).decode() == line


def test_a_frame_is_found_by_its_time_of_receipt(tmp_path: Path) -> None:
    for begin in (0, 1000, 2000):
        recorder = Recorder(tmp_path, "okx")
        for number in range(5):
            recorder.write(f"{begin + number}".encode(), START + begin + number, Source.LIVE)
        recorder.close()
    other = Recorder(tmp_path, "okx_other")
    other.write(b"another venue's", START + 2500, Source.LIVE)
    other.close()
    for recv_ts in (0, 4, 1000, 2004):
        frame = find(tmp_path, "okx", START + recv_ts)
        assert frame is not None
        assert frame.raw == str(recv_ts).encode()
    assert [find(tmp_path, "okx", START + at) for at in (-1, 5, 2500)] == [None, None, None]
    assert find(tmp_path / "nowhere", "okx", START) is None


def test_only_a_limited_amount_is_kept_when_set(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    other = Recorder(tmp_path, "bybit")
    other.write(b"x" * 1000, START, Source.LIVE)
    other.close()
    recorder = Recorder(tmp_path, "okx", Rotation(size=5_000, keep=20_000))
    for number in range(200):
        recorder.write(os.urandom(500), START + number * 1_000_000, Source.LIVE)
    recorder.close()
    mine = [file for file in files(tmp_path) if file.name.startswith("okx")]
    assert sum(file.stat().st_size for file in mine[:-1]) <= 20_000
    assert [frame.recv_ts for frame in Recording(mine[-1])][-1] == START + 199 * 1_000_000
    assert other.path in files(tmp_path)
    assert (tmp_path / "notes.txt").exists()


def test_a_full_file_is_followed_by_another(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "okx", Rotation(size=1_000_000))
    raws = [os.urandom(10_000).hex().encode() for _ in range(400)]
    for number, raw in enumerate(raws):
        recorder.write(raw, START + number, Source.LIVE)
    recorder.close()
    assert len(files(tmp_path)) > 2
    # Python's gzip keeps up to half a megabyte before it writes
    assert all(file.stat().st_size < 2_000_000 for file in files(tmp_path))
    assert [frame.raw for frame in frames(tmp_path)] == raws


def test_an_old_file_is_followed_by_another(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "okx", Rotation(seconds=0.05))
    for number in range(3):
        recorder.write(b"frame", START + number, Source.LIVE)
        time.sleep(0.06)  # the file grows older than its rotation allows
    recorder.close()
    assert len(files(tmp_path)) == 3
    assert len(frames(tmp_path)) == 3


def test_a_file_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "okx")
    recorder.write(b"one", START, Source.LIVE)
    recorder.flush()
    assert [frame.raw for frame in frames(tmp_path)] == [b"one"]
    recorder.write(b"two", START + 1, Source.LIVE)
    recorder.flush()
    assert [frame.raw for frame in frames(tmp_path)] == [b"one", b"two"]
    recorder.close()


def test_a_killed_recorder_leaves_the_frames_it_flushed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path;"
        "from liq.ingest.recording import Recorder; from liq.records.model import Source;"
        "recorder = Recorder(Path(sys.argv[1]), 'okx');"
        "[recorder.write(b'%d' % n, n, Source.LIVE) for n in range(1000)]; recorder.flush();"
        "[recorder.write(b'%d' % n, n, Source.LIVE) for n in range(1000, 1500)];"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    raws = [frame.raw for frame in frames(tmp_path)]
    assert len(raws) >= 1_000
    assert raws == [b"%d" % number for number in range(len(raws))]


def test_wherever_a_file_is_cut_its_beginning_is_read(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "okx")
    raws = [b"frame %d" % number for number in range(50)]
    for number, raw in enumerate(raws):
        recorder.write(raw, START + number, Source.LIVE)
        recorder.flush()
    recorder.close()
    [file] = files(tmp_path)
    whole, longest = file.read_bytes(), 0
    for size in range(0, len(whole), 7):
        file.write_bytes(whole[:size])
        found = [frame.raw for frame in Recording(file)]
        assert found == raws[: len(found)]
        longest = max(longest, len(found))
    assert longest >= 49


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no gzip at all", "no recording"),
        (gzip.compress(b"no json\n", mtime=0), "line 1 is no frame"),
        (
            gzip.compress(b'{"venue":"okx","source":"live","recv_ts":1}\n', mtime=0),
            "neither text nor",
        ),
        (
            gzip.compress(b'{"venue":"okx","source":"live","recv_ts":-1}\n', mtime=0),
            "line 1 is no frame",
        ),
        (
            gzip.compress(
                b'{"venue":"okx","source":"live","recv_ts":%b}\n' % (b"9" * 4_000), mtime=0
            ),
            "line 1 is no frame",
        ),
        (gzip.compress(b" " * 65 * 1024 * 1024, 1, mtime=0), "a line has 67,108,864 bytes or more"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-30] + b"\0" * 30, "no recording"),
    ],
)
def test_a_file_that_is_no_recording_is_an_error(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / f"odd{SUFFIX}"
    file.write_bytes(content)
    with pytest.raises(RecordingError, match=reason):
        list(Recording(file))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot read"):
        Recording(tmp_path / "none")


def test_a_disk_that_does_not_take_it_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="cannot record into"):
        Recorder(tmp_path / "file", "okx").write(b"frame", START, Source.LIVE)


@pytest.mark.parametrize("kind", KINDS)
def test_beside_other_work_a_full_disk_costs_frames_that_are_counted(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.ingest.recording.FLUSH_S", 0)
    monkeypatch.setattr("liq.ingest.recording._RETRY_S", 0)
    with small_disk(kind, tmp_path / "disk") as disk:
        folder = disk.path / "recordings"
        recorder = SideRecorder(Recorder(folder, "okx"))
        recorder.write(b"first", 1, Source.LIVE)
        disk.fill()
        for number in range(2, 200):
            recorder.write(os.urandom(100), number, Source.LIVE)
        assert 150 < recorder.missed <= 198
        assert f"{folder}" in recorder.warning
        assert f"{recorder.missed} frames are not recorded" in recorder.warning
        disk.free()
        recorder.write(b"last", 200, Source.LIVE)
        assert recorder.warning == ""
        disk.fill()
        recorder.write(os.urandom(9_000), 201, Source.LIVE)
        recorder.close()
        disk.free()
        frames = [frame.raw for file in sorted(folder.iterdir()) for frame in Recording(file)]
    assert frames[0] == b"first"
    assert b"last" in frames
    assert len(frames) < 60  # and no file for each frame that was missed


def test_all_frames_that_could_not_be_flushed_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, "okx")
    beside = SideRecorder(recorder)
    for number in range(4):  # the first frame of a file is flushed at once
        beside.write(b"frame", number, Source.LIVE)

    def refuse() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(recorder._lines, "flush", refuse)
        beside.flush()
    assert beside.missed == 3
    beside.flush()
    assert beside.missed == 3
    monkeypatch.setattr("liq.ingest.recording._RETRY_S", 0)
    monkeypatch.setattr(recorder, "_begin", lambda _: refuse())
    beside._retry_at = 0
    beside.write(b"frame", 5, Source.LIVE)
    assert beside.missed == 4


def test_a_frame_that_none_follows_is_found_once_it_is_flushed(tmp_path: Path) -> None:
    recorder = SideRecorder(Recorder(tmp_path, "okx"))
    for number in (1, 2):  # the first frame of a file is flushed at once
        recorder.write(b"frame", number, Source.LIVE)
    assert find(tmp_path, "okx", 2) is None
    recorder.flush()
    assert find(tmp_path, "okx", 2) == RecordedFrame("okx", b"frame", 2, Source.LIVE)
    [file] = tmp_path.iterdir()
    size = file.stat().st_size
    recorder.flush()
    assert file.stat().st_size == size
    recorder.close()


@pytest.mark.slow
async def test_venues_are_recorded_until_a_signal_comes(tmp_path: Path) -> None:
    async def exchange(connection: ServerConnection) -> None:
        assert connection.request
        with suppress(ConnectionClosed):
            for number in count():
                await connection.send(f"{connection.request.path} {number}")
                await asyncio.sleep(0.01)

    looks = count(1)

    def look(_state: object) -> None:
        if next(looks) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    venues = ["binance_usdm", "bitfinex"]
    async with serve(exchange, "127.0.0.1", 0) as server, asyncio.timeout(PATIENCE_S):
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/{{venue}}"
        await record(venues, tmp_path, url, look)
    for venue in venues:
        found = [frame for frame in frames(tmp_path) if frame.venue == venue]
        assert len(found) > 10
        assert [frame.raw.decode() for frame in found] == [
            f"/{venue} {number}" for number in range(len(found))
        ]
        assert {frame.source for frame in found} == {Source.SIMULATOR}
        assert all(abs(frame.recv_ts / 1e6 - time.time()) < 60 for frame in found)


async def test_an_error_that_ends_a_recording_is_raised(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="no websocket URL"):
        await record(["binance_usdm"], tmp_path, "http://127.0.0.1/")
