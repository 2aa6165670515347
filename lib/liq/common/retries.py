"""Pauses between attempts: doubled with each failure in a row, or short until a deadline."""

import math
import time
from collections.abc import Callable

_DOUBLINGS = 60  # 2.0**1024 is an OverflowError


def pause_s(failures: int, first_s: float, longest_s: float = math.inf) -> float:
    """Return the pause after ``failures`` in a row: 0, then ``first_s``, doubled with each."""
    if not failures:
        return 0.0
    return min(first_s * 2.0 ** min(failures - 1, _DOUBLINGS), longest_s)


def poll_until(condition: Callable[[], object], seconds: float, *, every_s: float) -> bool:
    """Wait at most ``seconds`` until ``condition`` is true; return whether it is."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every_s)
    return True
