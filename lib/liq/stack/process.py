"""Processes that outlive liq: started detached, with pid files, ended only if still ours.

A pid file holds the pid and the start time, because the system reuses pids. A file that survived a
crash or a reboot must never make `end` kill a foreign process. If a file cannot be read, the
process is found by its mark, see `liq.stack.identity`. A `lock` keeps commands from starting and
ending processes at once. `logs` reads what they print.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import psutil

from liq.common import files
from liq.common.files import write_whole
from liq.common.text import suggest
from liq.common.waiting import poll_until
from liq.config import Settings, choose_settings
from liq.errors import StackError
from liq.stack import identity

_POLL = 0.02
_EXEC_S = 5.0  # until the system has started a program; it takes a millisecond
_FOLLOW_POLL_S = 0.1  # between looks for new lines of a log
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError)  # what reading a damaged file raises
_PATIENCE_S = 300.0  # servers may take a minute each to end


class Remembered(NamedTuple):
    """A running process of a pid file; ``definition`` is the argument of `spawn`."""

    process: psutil.Process
    definition: str


def spawn(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path, pid_file: Path, definition: str = ""
) -> None:
    """Start ``argv`` in a session of its own, its output in ``log``, and write its pid file.

    The log of the run before is kept beside it, as ``<log>.1``. Raises `StackError`.
    """
    for folder in (log.parent, pid_file.parent):
        folder.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))
    # not Popen, which wants to be waited for: this process outlives us
    try:
        pid = os.posix_spawnp(
            argv[0],
            list(argv),
            {**env, **identity.build_mark(pid_file, definition)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    except OSError as error:
        raise StackError(f"cannot start {argv[0]}: {error.strerror or error}") from error
    try:
        remember(pid, pid_file=pid_file, argv=argv, definition=definition)
    except StackError:  # nobody would know the process, nor be able to end it
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    poll_until(lambda: identity.has_environment(pid), _EXEC_S, every_s=0.001)


def remember(pid: int, *, pid_file: Path, argv: Sequence[str], definition: str = "") -> None:
    """Write a running process, its command line and its definition into ``pid_file``.

    Raises `StackError` if writing fails.
    """
    created = psutil.Process(pid).create_time()
    entry = {
        "pid": pid,
        "created": created,
        "born": identity.read_start(pid),
        "definition": definition,
        "argv": list(argv),
    }
    try:
        pid_file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(pid_file, json.dumps(entry))
    except OSError as error:
        raise StackError(
            f"cannot write {pid_file}: {error.strerror or error}; free disk"
        ) from error


def read_argv(pid_file: Path) -> list[str]:
    """Return the command line that ``pid_file`` remembers, whether or not it still runs."""
    return [str(word) for word in _entry(pid_file)["argv"]]


def read_definition(pid_file: Path) -> str:
    """Return the definition in ``pid_file``, whether or not the process still runs."""
    return str(_entry(pid_file)["definition"])


def find(pid_file: Path) -> Remembered | None:
    """Return the running process that ``pid_file`` remembers, None if it has ended.

    If the file is empty, damaged or outdated, all processes are searched for its mark, and the file
    is rewritten. Raises `StackError` when the file may not be read.
    """
    if found := find_known(pid_file):
        return found
    return recover([pid_file]).get(pid_file) if pid_file.exists() else None


def find_known(pid_file: Path) -> Remembered | None:
    """Return the process of `find` by reading the file only, without a search.

    Raises `StackError` when the file may not be read.
    """
    try:
        found = _remembered(pid_file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StackError(f"cannot read {pid_file}: {error.strerror or error}") from error
    except _DAMAGE:
        return None
    return None if found is None or _ended(found.process) else found


def recover(pid_files: Sequence[Path]) -> dict[Path, Remembered]:
    """Return the processes of `search`, and rewrite their pid files."""
    found = search(pid_files)
    for file, (process, definition) in found.items():
        with contextlib.suppress(
            StackError, psutil.Error
        ):  # on a full disk it is found by its mark
            remember(process.pid, pid_file=file, argv=process.cmdline(), definition=definition)
    return found


def search(pid_files: Sequence[Path]) -> dict[Path, Remembered]:
    """Find running processes whose pid files are gone, damaged or of one that has ended.

    All processes are searched, once, if there is any such file.
    """
    lost = {file.absolute(): file for file in pid_files if not _is_whole(file)}
    return {
        lost[absolute]: Remembered(process, definition)
        for process, absolute, definition in (identity.find_marked() if lost else ())
        if absolute in lost and not _ended(process) and _may_be_of(process, lost[absolute])
    }


def _remembered(pid_file: Path) -> Remembered | None:
    entry = _read(pid_file)
    try:
        process = psutil.Process(entry["pid"])
        same = identity.is_same(process, entry.get("born", ""), entry["created"])
    except psutil.NoSuchProcess:
        return None
    return Remembered(process, entry["definition"]) if same else None


def _read(pid_file: Path) -> dict[str, Any]:
    """Return what a pid file holds. Raises `OSError`, or one of ``_DAMAGE``."""
    entry = json.loads(pid_file.read_text())
    types: dict[str, Any] = {"pid": int, "created": float | int, "definition": str, "argv": list}
    if not all(isinstance(entry[name], kind) for name, kind in types.items()):
        raise TypeError(f"it holds {entry}")
    return dict(entry)


def _is_whole(pid_file: Path) -> bool:
    try:
        return _remembered(pid_file) is not None
    except (OSError, *_DAMAGE):
        return False


def _may_be_of(process: psutil.Process, pid_file: Path) -> bool:
    """Whether a marked process is the process of ``pid_file``, not a child that outlived it."""
    try:
        return bool(_read(pid_file)["argv"] == process.cmdline())
    except (OSError, *_DAMAGE):  # the file cannot be read
        return True
    except psutil.Error:
        return False


def forget(pid_file: Path) -> None:
    """Forget this very process, if ``pid_file`` remembers it."""
    found = find(pid_file)
    if found and found.process.pid == os.getpid():
        pid_file.unlink(missing_ok=True)


def kill(process: psutil.Process, *, timeout: float) -> None:
    """Kill a process, not its children, and wait until it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    _wait_ended([process], timeout)


def end(pid_file: Path, *, timeout: float, alone: bool = False) -> bool:
    """End the process ``pid_file`` remembers and its children; return whether there was one.

    With ``alone`` its children are left: they are services of their own.
    It is asked to end (SIGTERM), and killed ``timeout`` seconds later if it has not.
    """
    found = find(pid_file)
    if found:
        with contextlib.suppress(psutil.NoSuchProcess):
            children = [] if alone else found.process.children(recursive=True)
            _terminate([found.process], timeout)
            _terminate(children, timeout=2)  # those it left behind
    pid_file.unlink(missing_ok=True)
    return found is not None


def _entry(pid_file: Path) -> Mapping[str, Any]:
    """Return a pid file's content, or the same from its process. Raises `StackError` if neither."""
    try:
        return _read(pid_file)
    except (OSError, *_DAMAGE) as error:
        if found := recover([pid_file]).get(pid_file):
            return {"argv": found.process.cmdline(), "definition": found.definition}
        raise StackError(
            f"cannot read {pid_file}: {error!r}; `liq run` restarts its service"
        ) from error


def _terminate(processes: Sequence[psutil.Process], timeout: float) -> None:
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        alive = [process for process in processes if not _ended(process)]
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                ask(process)
        _wait_ended(alive, timeout)


def _wait_ended(processes: Sequence[psutil.Process], timeout: float) -> None:
    poll_until(lambda: all(map(_ended, processes)), timeout, every_s=_POLL)


def _ended(process: psutil.Process) -> bool:
    try:
        # a killed JVM keeps its ports, as a zombie of several threads, until the last one is gone
        if process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1:
            return False
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)  # a child of this very process: collect it
    except psutil.NoSuchProcess:
        pass
    return True


@contextmanager
def lock(file: Path, seconds: float = _PATIENCE_S) -> Iterator[None]:
    """Hold ``file`` against other processes; wait for the one that holds it.

    Raises `StackError`, which names that process, after ``seconds``.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        held = files.lock(file, seconds=seconds, flags=flags, mode=0o666)
    except BlockingIOError:
        raise StackError(
            f"{_holder(file)} has held {file} for {seconds:.0f} s;"
            " wait for it, or end it and try again"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise StackError(f"cannot write {file}: {reason}; set LIQ_HOME and LIQ_CACHE") from error
    with contextlib.closing(held):
        with contextlib.suppress(OSError):  # on a full disk the lock is as good without a name
            os.ftruncate(held.fileno(), 0)
            os.write(held.fileno(), str(os.getpid()).encode())  # for the error of waiting processes
        yield


def _holder(file: Path) -> str:
    number = file.read_text(errors="replace")
    try:
        return f"process {number} ({' '.join(psutil.Process(int(number)).cmdline())})"
    except (ValueError, psutil.Error):
        return "another process"


def list_logs(settings: Settings | None = None) -> list[str]:
    """Return the names of the services that have a log."""
    folder = choose_settings(settings).home / "logs"
    return sorted(path.stem for path in folder.glob("*.log"))


def logs(
    name: str, settings: Settings | None = None, *, lines: int = 50, follow: bool = False
) -> Iterator[str]:
    """Return the last ``lines`` of a service's log; with ``follow``, also new lines as they come.

    Raises `StackError` when the service has no log.
    """
    folder = choose_settings(settings).home / "logs"
    file = folder / f"{name}.log"
    if not file.exists():
        known = list_logs(settings)
        if not known:
            raise StackError("there are no logs, as nothing was started yet: liq run")
        raise StackError(f"{name!r} has no log{suggest(name, known)}")
    return _follow(file, lines) if follow else iter(tail(file, lines))


def tail(file: Path, lines: int) -> list[str]:
    """Return the last ``lines`` of a file."""
    with file.open(errors="replace") as handle:
        return [line.rstrip("\n") for line in deque(handle, maxlen=lines)]


def _follow(file: Path, lines: int) -> Iterator[str]:
    while True:
        with file.open(errors="replace") as handle:
            yield from (line.rstrip("\n") for line in deque(handle, maxlen=lines))
            yield from _additions(handle, file)
        lines = sys.maxsize  # the service was started again: all of its new log


def _additions(handle: TextIO, file: Path) -> Iterator[str]:
    """Yield new lines of an open log until ``file`` is replaced."""
    begun = ""
    while True:
        part = handle.readline()
        begun += part
        if begun.endswith("\n"):
            yield begun.rstrip("\n")
            begun = ""
        elif not part:
            if file.exists() and not os.path.samestat(file.stat(), os.fstat(handle.fileno())):
                return
            time.sleep(_FOLLOW_POLL_S)
