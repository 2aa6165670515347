"""Processes that outlive liq: started detached, remembered in pid files, ended only if still ours.

A pid file holds the pid and the time the process was created, because the system gives a pid away
again: a file that survived a crash or a reboot must never make `end` hit a stranger.
"""

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from liq.errors import StackError

# The creation time is derived from the clock at boot, which time synchronisation can move a little.
_CLOCK_SLACK = 2.0
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Remembered:
    """A running process of a pid file; ``definition`` is what `spawn` was given for it."""

    process: psutil.Process
    definition: str


def spawn(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path, pid_file: Path, definition: str = ""
) -> None:
    """Start ``argv`` in a session of its own, its output in ``log``, and remember it.

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
            env,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    except OSError as error:
        raise StackError(f"cannot start {argv[0]}: {error}") from error
    remember(pid, pid_file=pid_file, argv=argv, definition=definition)


def remember(pid: int, *, pid_file: Path, argv: Sequence[str], definition: str = "") -> None:
    """Write a running process and what it was started with into ``pid_file``."""
    created = psutil.Process(pid).create_time()
    entry = {"pid": pid, "created": created, "definition": definition, "argv": list(argv)}
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    draft = pid_file.with_suffix(".new")
    draft.write_text(json.dumps(entry))
    draft.replace(pid_file)


def argv(pid_file: Path) -> list[str]:
    """Return the command line that ``pid_file`` remembers, whether or not it still runs."""
    try:
        return [str(word) for word in json.loads(pid_file.read_text())["argv"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StackError(f"cannot read {pid_file}: {error!r}; delete it") from error


def find(pid_file: Path) -> Remembered | None:
    """Return the running process that ``pid_file`` remembers, None if it has ended.

    Raises `StackError` when the file cannot be read.
    """
    try:
        entry = json.loads(pid_file.read_text())
        process = psutil.Process(entry["pid"])
        same = abs(process.create_time() - entry["created"]) < _CLOCK_SLACK
        return Remembered(process, entry["definition"]) if same and not _ended(process) else None
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(f"cannot read {pid_file}: {error!r}; delete it") from error


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


def _terminate(processes: Sequence[psutil.Process], timeout: float) -> None:
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        alive = [process for process in processes if not _ended(process)]
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                ask(process)
        deadline = time.monotonic() + timeout
        while not all(map(_ended, alive)) and time.monotonic() < deadline:
            time.sleep(_POLL)


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
