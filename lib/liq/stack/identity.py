"""Identify a process by the boot and tick of its start, and by a mark in its environment.

The clock cannot identify it, since it is stepped by hours after a laptop's sleep, or on a board
without a clock. The mark is an environment variable of the process. It identifies a process whose
pid file is empty, damaged or gone.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

_MARK = "_LIQ_PROCESS"
# Without /proc the creation time is derived from the clock, which somebody can set.
_CLOCK_SLACK_S = 2.0


class Marked(NamedTuple):
    """A running process of ours, with its pid file and its definition."""

    process: psutil.Process
    pid_file: Path
    definition: str


def build_mark(pid_file: Path, definition: str) -> Mapping[str, str]:
    """Return the environment variable that identifies a process without its ``pid_file``."""
    return {_MARK: f"{definition}:{pid_file.absolute()}"}


def has_environment(pid: int) -> bool:
    """Return False while a new process has no environment yet, and so no mark.

    The kernel lets the parent of a spawned process run before it sets that process's environment.
    """
    try:
        process = psutil.Process(pid)
        return bool(process.environ()) or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:  # it has ended, or is unreadable
        return True


def find_marked() -> Iterator[Marked]:
    """Yield this user's running processes that have a mark, without their children."""
    found = {each.process.pid: each for each in map(_marked, psutil.process_iter()) if each}
    for each in found.values():
        with contextlib.suppress(psutil.Error):
            # a child has its parent's variables
            if not any(
                parent.pid in found and _same(each, found[parent.pid])
                for parent in each.process.parents()
            ):
                yield each


def read_start(pid: int) -> str:
    """Return when a process began, in a clock that nobody can set; empty where there is none.

    Linux counts the ticks since the machine's boot, which has an id of its own.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {_ticks(pid)}"
    except (OSError, IndexError, ValueError):
        return ""


def is_same(process: psutil.Process, then: str, created: float) -> bool:
    """Return whether a process started ``then``, by `read_start`, or else was created then."""
    now = read_start(process.pid)
    if then and now:
        return then == now
    return abs(process.create_time() - created) < _CLOCK_SLACK_S


def measure_uptime(process: psutil.Process) -> float:
    """Return for how many seconds a process has been there, whatever the clock says."""
    try:
        begin = _ticks(process.pid) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - begin
    except (OSError, IndexError, ValueError, AttributeError):
        return time.time() - process.create_time()


def _ticks(pid: int) -> int:
    # the fields after the program's name, which may hold spaces and brackets: 22 is the 20th
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return int(fields[19])


def _marked(process: psutil.Process) -> Marked | None:
    try:
        text = process.environ().get(_MARK)
        if text is None or process.uids().real != os.getuid() or not _is_near(process.pid):
            return None
        definition, _, file = text.partition(":")
        return Marked(process, Path(file), definition)
    except (psutil.Error, OSError):  # another user's, or it has just ended
        return None


def _is_near(pid: int) -> bool:
    """Return whether it is in no container, whose folders may be others of the same name."""
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    except FileNotFoundError:  # a system without
        return True


def _same(one: Marked, other: Marked) -> bool:
    return one.pid_file == other.pid_file
