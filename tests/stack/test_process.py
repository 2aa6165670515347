"""Real processes: that they outlive who started them, and that only ours are ended."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from liq.errors import StackError
from liq.stack import identity, process
from liq.stack.process import lock
from support.disk import small_disk
from support.helpers import eventually

SLEEP = ["sleep", "1000"]
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)"
PARENT = "import subprocess, time; subprocess.Popen(['sleep', '1000']); print('up', flush=True)"
FOREVER = "; time.sleep(1000)"


@pytest.fixture
def pid_file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "run" / "it.json"
    yield file
    process.end(file, timeout=1)


def spawn(pid_file: Path, argv: list[str]) -> psutil.Process:
    log = pid_file.parents[1] / "logs" / "it.log"
    process.spawn(argv, env=os.environ, log=log, pid_file=pid_file, definition="d")
    found = process.find(pid_file)
    assert found
    return found.process


def python(pid_file: Path, code: str) -> psutil.Process:
    """Start Python and wait until it printed something."""
    started = spawn(pid_file, [sys.executable, "-c", code])
    log = pid_file.parents[1] / "logs" / "it.log"
    eventually(log.read_text)
    return started


def ended(one: psutil.Process) -> bool:
    # an orphan stays a zombie where the first process of a container collects none
    return not one.is_running() or one.status() == psutil.STATUS_ZOMBIE


def test_a_started_process_is_found_and_ended(pid_file: Path) -> None:
    started = spawn(pid_file, SLEEP)
    found = process.find(pid_file)
    assert found
    assert (found.process, found.definition) == (started, "d")
    assert process.end(pid_file, timeout=5)
    assert ended(started)
    assert process.find(pid_file) is None
    assert not process.end(pid_file, timeout=5)


def test_a_process_has_a_session_of_its_own_and_no_input(pid_file: Path) -> None:
    started = spawn(pid_file, SLEEP)
    assert os.getsid(started.pid) == started.pid
    assert Path(f"/proc/{started.pid}/fd/0").resolve() == Path(os.devnull)


def test_both_outputs_go_to_the_log_and_the_log_before_is_kept(pid_file: Path) -> None:
    log = pid_file.parents[1] / "logs" / "it.log"
    for text in ("first", "second"):
        spawn(pid_file, ["sh", "-c", f"echo {text}; echo {text} >&2; exec sleep 1000"])
        eventually(partial(_says, log, f"{text}\n{text}\n"))
        process.end(pid_file, timeout=5)
    assert (log.parent / "it.log.1").read_text() == "first\nfirst\n"


def _says(log: Path, text: str) -> bool:
    return log.read_text() == text


def test_a_process_outlives_a_killed_starter_and_is_still_ended(pid_file: Path) -> None:
    code = (
        "import os, sys, pathlib, time\n"
        "from liq.stack import process\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "process.spawn(['sleep', '1000'], env=os.environ, log=file.with_suffix('.log'),"
        " pid_file=file)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(pid_file)]) as starter:
        found = eventually(lambda: process.find(pid_file))
        starter.kill()
    assert found
    assert found.process.is_running()
    assert process.end(pid_file, timeout=5)
    assert ended(found.process)


def test_a_recycled_pid_is_left_alone(pid_file: Path) -> None:
    stranger = spawn(pid_file, SLEEP)
    entry = json.loads(pid_file.read_text())
    stale = pid_file.with_name("stale.json")
    stale.write_text(json.dumps(entry | {"born": "", "created": entry["created"] - 3600}))
    assert process.find(stale) is None
    assert not process.end(stale, timeout=5)
    assert stranger.is_running()
    assert not stale.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have only the clock")
def test_a_clock_that_is_set_makes_no_stranger_of_a_process(pid_file: Path) -> None:
    ours = spawn(pid_file, SLEEP)
    entry = json.loads(pid_file.read_text())
    pid_file.write_text(json.dumps(entry | {"created": entry["created"] + 3600}))
    found = process.find(pid_file)
    assert found
    assert found.process == ours
    stale = pid_file.with_name("stale.json")
    stale.write_text(json.dumps(entry | {"born": "another-boot 1234"}))
    assert process.find(stale) is None


def test_a_process_that_a_full_disk_cannot_remember_is_not_left_behind(
    pid_file: Path, tmp_path: Path
) -> None:
    argv = ["sleep", f"10{os.getpid()}"]
    with small_disk("limit", tmp_path / "disk") as disk:
        disk.fill()
        with pytest.raises(StackError, match=f"{pid_file}.*free disk"):
            spawn(pid_file, argv)
    assert not pid_file.exists()
    assert argv not in [one.info["cmdline"] for one in psutil.process_iter(["cmdline"])]


def test_one_that_ignores_the_request_is_killed_at_the_deadline(pid_file: Path) -> None:
    stubborn = python(pid_file, STUBBORN + FOREVER)
    assert process.end(pid_file, timeout=0.3)
    eventually(lambda: ended(stubborn))  # a busy machine takes longer to kill it


def test_children_that_stay_behind_are_ended_too(pid_file: Path) -> None:
    parent = python(pid_file, PARENT + FOREVER)
    (child,) = parent.children()
    process.end(pid_file, timeout=5)
    eventually(lambda: ended(child))


def test_one_that_died_is_not_found(pid_file: Path) -> None:
    started = spawn(pid_file, SLEEP)
    os.kill(started.pid, signal.SIGKILL)
    eventually(lambda: process.find(pid_file) is None)


def test_a_missing_program_is_named(pid_file: Path) -> None:
    with pytest.raises(StackError, match="no-such-program"):
        spawn(pid_file, ["no-such-program"])


def test_an_unreadable_pid_file_is_named(pid_file: Path) -> None:
    pid_file.mkdir(parents=True)
    with pytest.raises(StackError, match=f"cannot read {pid_file}"):
        process.find(pid_file)
    pid_file.rmdir()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": "x"}', '{"pid": 1}', "\0" * 99])
def test_a_damaged_pid_file_is_written_again_by_its_process(pid_file: Path, text: str) -> None:
    started = spawn(pid_file, SLEEP)
    before = pid_file.read_text()
    pid_file.write_text(text)
    found = process.find(pid_file)
    assert found
    assert (found.process, found.definition) == (started, "d")
    assert pid_file.read_text() == before
    process.end(pid_file, timeout=5)
    pid_file.write_text(text)
    assert process.find(pid_file) is None
    assert not process.end(pid_file, timeout=5)
    assert not pid_file.exists()


def test_a_process_has_its_mark_as_soon_as_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux runs the parent before the environment of a new process is there."""
    pids: list[int] = []
    monkeypatch.setattr(process, "remember", lambda pid, **_: pids.append(pid))
    for _ in range(100):
        process.spawn(SLEEP, env={}, log=tmp_path / "log", pid_file=tmp_path / "run" / "it.json")
        environment = psutil.Process(pids[-1]).environ()
        os.kill(pids[-1], signal.SIGKILL)
        os.waitpid(pids[-1], 0)
        assert environment


def test_a_pid_file_of_one_before_is_written_again_but_not_for_a_child_that_outlived_it(
    pid_file: Path,
) -> None:
    started = python(pid_file, PARENT + FOREVER)
    (child,) = started.children()
    before = pid_file.read_text()
    pid_file.write_text(before.replace(f'"pid": {started.pid}', f'"pid": {os.getpid()}'))
    found = process.find(pid_file)
    assert found
    assert found.process == started
    assert pid_file.read_text() == before
    started.kill()
    eventually(lambda: ended(started))
    assert process.find(pid_file) is None
    assert child.is_running()
    child.kill()


def test_a_process_whose_pid_file_is_gone_is_found_its_children_and_namesakes_are_not(
    pid_file: Path,
) -> None:
    started = python(pid_file, PARENT + FOREVER)
    (child,) = started.children()
    before = pid_file.read_text()
    pid_file.unlink()
    assert process.find(pid_file) is None  # it was ended on purpose, by the file
    stranger = pid_file.with_name("stranger.json")
    found = process.recover([pid_file, stranger])
    assert {file: one.process for file, one in found.items()} == {pid_file: started}
    assert pid_file.read_text() == before
    assert child.is_running()


def test_a_container_with_the_same_folders_is_another_ones(pid_file: Path) -> None:
    mark = identity.build_mark(pid_file, "d")
    argv = ["unshare", "--pid", "--fork", "--kill-child", *SLEEP]
    allowed = subprocess.run([*argv[:-2], "true"], capture_output=True, check=False)
    if allowed.returncode:
        pytest.skip("this user may not make namespaces")
    with subprocess.Popen(argv, env=os.environ | mark) as outside:
        (inside,) = eventually(psutil.Process(outside.pid).children)
        outside_mark = [
            one.process.pid for one in identity.find_marked() if one.pid_file == pid_file
        ]
        assert outside_mark == [outside.pid]
        assert identity._marked(inside) is None
        outside.kill()


def test_a_full_disk_keeps_nobody_from_the_lock(tmp_path: Path) -> None:
    with small_disk("limit", tmp_path / "disk") as disk:
        disk.fill()
        with lock(tmp_path / "lock"):
            pass
        with lock(tmp_path / "lock"):
            pass
