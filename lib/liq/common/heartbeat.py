"""Heartbeats of the supervisor and of Spark's job, which show other processes that they still work.

One is a file's modification time, in the machine's monotonic time. Nobody can set that clock, it
pauses while the machine sleeps, and a new time needs no space on a full disk.
"""

import math
import os
import time
from pathlib import Path

BEAT_S = 1.0
STALE_S = 15.0


def beat(file: Path) -> None:
    """Show that this process is alive now. Raises `OSError`."""
    file.touch()
    now = time.monotonic_ns()
    os.utime(file, ns=(now, now))


def silence_s(file: Path) -> float:
    """Return the seconds since the last beat, 0 if it is recent or there was none yet."""
    age = age_s(file)
    return age if STALE_S < age < math.inf else 0.0


def age_s(file: Path) -> float:
    """Return the seconds since the last beat, infinite if there was none yet."""
    try:
        return (time.monotonic_ns() - file.stat().st_mtime_ns) / 1e9
    except FileNotFoundError:
        return math.inf
