"""What the supervisor found and mended, kept for `liq status`: a line of JSON each."""

import json
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from liq.config import Settings
from liq.stack.files import write_whole

_KEPT = 1_000


class StackEvent(NamedTuple):
    """What happened to whom, at ``time`` (seconds since 1970)."""

    time: float
    subject: str
    event: str


def add(settings: Settings, subject: str, event: str) -> None:
    """Keep one more; old ones go once there are many. Raises `OSError`, as for a full disk."""
    kept = newest(settings, _KEPT)
    kept.append(StackEvent(time.time(), subject, event))
    write_whole(_file(settings), "".join(json.dumps(one) + "\n" for one in kept[-_KEPT:]))


def newest(settings: Settings, count: int) -> list[StackEvent]:
    """Return the newest ``count``, oldest first."""
    try:
        with _file(settings).open() as lines:
            return [one for line in deque(lines, maxlen=count) if (one := _finding(line))]
    except FileNotFoundError:
        return []


def _finding(line: str) -> StackEvent | None:
    """Return what a line says, None for one that a crash or a full disk tore."""
    try:
        then, subject, event = json.loads(line)
        return StackEvent(float(then), str(subject), str(event))
    except (ValueError, TypeError):
        return None


def _file(settings: Settings) -> Path:
    return settings.home / "run" / "findings.jsonl"
