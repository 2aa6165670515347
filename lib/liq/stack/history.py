"""The supervisor's events for `liq status`, one line of JSON each."""

import json
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from liq.common.files import write_whole
from liq.config import Settings

_KEPT = 1_000


class StackEvent(NamedTuple):
    """An ``event`` of a ``subject``, e.g. a service, at ``time`` (seconds since 1970)."""

    time: float
    subject: str
    event: str


def add(settings: Settings, subject: str, event: str) -> None:
    """Append an event; the oldest of many are dropped. Raises `OSError`, as for a full disk."""
    kept = newest(settings, _KEPT)
    kept.append(StackEvent(time.time(), subject, event))
    _file(settings).parent.mkdir(parents=True, exist_ok=True)
    write_whole(_file(settings), "".join(json.dumps(one) + "\n" for one in kept[-_KEPT:]))


def newest(settings: Settings, count: int) -> list[StackEvent]:
    """Return the newest ``count`` events, oldest first."""
    try:
        with _file(settings).open() as lines:
            return [one for line in deque(lines, maxlen=count) if (one := _finding(line))]
    except FileNotFoundError:
        return []


def _finding(line: str) -> StackEvent | None:
    """Return the event of a line, None if a crash or a full disk truncated the line."""
    try:
        then, subject, event = json.loads(line)
        return StackEvent(float(then), str(subject), str(event))
    except (ValueError, TypeError):
        return None


def _file(settings: Settings) -> Path:
    return settings.home / "run" / "findings.jsonl"
