"""Files that several processes write, read and lock."""

import contextlib
import errno
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from liq.common.files import lock, read_file, write_whole
from support.disk import small_disk
from support.helpers import PATIENCE_S


@pytest.fixture
def plain_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("plain_umask")
@pytest.mark.parametrize(("mode", "given"), [(0o666, 0o644), (0o644, 0o644), (0o600, 0o600)])
def test_a_file_has_the_mode_that_the_umask_allows(tmp_path: Path, mode: int, given: int) -> None:
    write_whole(tmp_path / "file", "ü", mode=mode)
    assert (tmp_path / "file").read_bytes() == "ü".encode()
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == given


def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("pipe", "link", "/dev/zero", "."):
        with pytest.raises(OSError, match="no regular file"):
            read_file(tmp_path / name)
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        read_file(tmp_path / "loop")
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "missing")


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with small_disk("limit", tmp_path / "disk") as disk:
        file = disk.path / "file"
        write_whole(file, b"before")
        disk.fill()
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            write_whole(file, b"after")
        assert file.read_bytes() == b"before"
        assert {path.name for path in disk.path.iterdir()} <= {"file", "filler"}


def test_a_folder_that_is_missing_or_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file", b"")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        write_whole(tmp_path / "file" / "file", b"")


def test_devices_and_folders_are_not_replaced_by_a_file(tmp_path: Path) -> None:
    """As a device does, which root could replace."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link", ""):
        with pytest.raises(OSError, match="no regular file"):
            write_whole(tmp_path / name, b"")
    assert (tmp_path / "pipe").is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link"}


def test_a_link_keeps_its_place_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("there", "missing"):
        (tmp_path / name).symlink_to(f"folder/{name}")
    (tmp_path / "folder" / "there").write_text("before")
    for name in ("there", "missing"):
        write_whole(tmp_path / name, "after")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "folder" / name).read_text() == "after"


def test_readers_see_whole_files_while_threads_write(tmp_path: Path) -> None:
    file, over = tmp_path / "file", threading.Event()
    write_whole(file, "0" * 100_000)

    def write(text: str) -> None:
        while not over.is_set():
            write_whole(file, text * 100_000)

    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(3)]
    for thread in threads:
        thread.start()
    seen = [file.read_text() for _ in range(300)]
    over.set()
    for thread in threads:
        thread.join()
    assert {(len(text), len(set(text))) for text in seen} == {(100_000, 1)}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_lock_is_refused_to_others_after_their_patience(tmp_path: Path) -> None:
    with contextlib.closing(lock(tmp_path)):
        begin = time.monotonic()
        for seconds in (0, 0.1):
            with pytest.raises(BlockingIOError):
                lock(tmp_path, seconds=seconds)
        assert time.monotonic() - begin >= 0.1
    lock(tmp_path, seconds=0).close()


def test_a_killed_process_frees_its_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from liq.common.files import lock\n"
        "held = lock(Path(sys.argv[1])); print(flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(BlockingIOError):
            lock(tmp_path, seconds=0)
        holder.kill()
    lock(tmp_path, seconds=0).close()


def test_a_forked_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    held = lock(tmp_path)
    context = multiprocessing.get_context("fork")
    begun, over = context.Event(), context.Event()

    def live() -> None:
        begun.set()
        over.wait()

    child = context.Process(target=live)
    child.start()
    try:
        assert begun.wait(PATIENCE_S)
        held.close()
        lock(tmp_path, seconds=0).close()
    finally:
        over.set()
        child.join()
