"""Exponential backoff: pauses between attempts that double with each failure in a row."""

import math

_DOUBLINGS = 60  # 2.0**1024 is an OverflowError


def pause_s(failures: int, first_s: float, longest_s: float = math.inf) -> float:
    """Return the pause after ``failures`` in a row: 0, then ``first_s``, doubled with each."""
    if not failures:
        return 0.0
    return min(first_s * 2.0 ** min(failures - 1, _DOUBLINGS), longest_s)
