"""What the supervisor found and mended, kept for `liq status`: a line of JSON each."""

import json
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from liq.config import Settings

_KEPT = 1_000


class Finding(NamedTuple):
    """What happened to whom, at ``time`` (seconds since 1970)."""

    time: float
    subject: str
    event: str


def add(settings: Settings, subject: str, event: str) -> None:
    """Keep one more; old ones go once there are many."""
    kept = newest(settings, _KEPT)
    kept.append(Finding(time.time(), subject, event))
    file = _file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.write_text("".join(json.dumps(one) + "\n" for one in kept[-_KEPT:]))
    draft.replace(file)


def newest(settings: Settings, count: int) -> list[Finding]:
    """Return the newest ``count``, oldest first."""
    try:
        with _file(settings).open() as lines:
            return [Finding(*json.loads(line)) for line in deque(lines, maxlen=count)]
    except FileNotFoundError:
        return []


def _file(settings: Settings) -> Path:
    return settings.home / "run" / "findings.jsonl"
