"""The supervisor's sign of life, for whoever must know whether it still looks after the others.

It is a file's time of change, in the machine's monotonic time: nobody can set that clock, it stands
still while the machine sleeps, and it needs no room on a full disk.
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
    """Return for how long the beats have stopped: 0 if they go on, or did not begin yet."""
    try:
        age = (time.monotonic_ns() - file.stat().st_mtime_ns) / 1e9
    except FileNotFoundError:
        return 0.0
    return age if age > STALE_S else 0.0
