"""The supervisor's heartbeat, which shows other processes that it still works.

It is a file's modification time, in the machine's monotonic time. Nobody can set that clock, it
pauses while the machine sleeps, and a new time needs no space on a full disk.
"""

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
    try:
        age = (time.monotonic_ns() - file.stat().st_mtime_ns) / 1e9
    except FileNotFoundError:
        return 0.0
    return age if age > STALE_S else 0.0
