"""Processes that outlive liq: started detached, remembered in pid files, ended only if still ours.

A pid file holds the pid and the time the process was created, because the system gives a pid away
again: a file that survived a crash or a reboot must never make `end` hit a stranger.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from liq.errors import StackError

# The creation time is derived from the clock at boot, which time synchronisation can move a little.
_CLOCK_SLACK = 2.0
_POLL = 0.02


def spawn(argv: Sequence[str], *, env: Mapping[str, str], log: Path, pid_file: Path) -> None:
    """Start ``argv`` in a session of its own, its output in ``log``, and remember it.

    The log of the run before is kept beside it, as ``<log>.1``.
    """
    for folder in (log.parent, pid_file.parent):
        folder.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))
    # posix_spawn rather than Popen, which would want to be waited for: this process outlives us
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
    remember(pid_file, psutil.Process(pid))


def remember(pid_file: Path, process: psutil.Process) -> None:
    """Write ``process`` into ``pid_file``, all or nothing."""
    draft = pid_file.with_suffix(".new")
    draft.write_text(json.dumps({"pid": process.pid, "created": process.create_time()}))
    draft.replace(pid_file)


def find(pid_file: Path) -> psutil.Process | None:
    """Return the running process that ``pid_file`` remembers, None if it has ended."""
    try:
        entry = json.loads(pid_file.read_text())
        process = psutil.Process(entry["pid"])
        if abs(process.create_time() - entry["created"]) > _CLOCK_SLACK:
            return None
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(f"cannot read {pid_file}: {error}; delete it") from error
    return None if _ended(process) else process


def end(pid_file: Path, *, timeout: float) -> bool:
    """End the process ``pid_file`` remembers and its children; return whether there was one.

    It is asked to end (SIGTERM), and killed ``timeout`` seconds later if it has not.
    """
    process = find(pid_file)
    if process:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            process.terminate()
            if not _wait(process, timeout):
                process.kill()
                _wait(process, timeout)
            _end_orphans(family[1:])
    pid_file.unlink(missing_ok=True)
    return process is not None


def _end_orphans(children: list[psutil.Process]) -> None:
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.send_signal(signal.SIGTERM)
    for child in psutil.wait_procs(children, timeout=2)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def _wait(process: psutil.Process, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not (ended := _ended(process)) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return ended


def _ended(process: psutil.Process) -> bool:
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return False
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)  # a child of this very process: collect it
    except psutil.NoSuchProcess:
        pass
    return True
