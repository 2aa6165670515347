"""Tasks in the kernel's event loop, e.g. for a pressed button."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from liq.web.dashboard.faults import log


class Tasks:
    """Keeps running tasks, which Python's garbage collector could otherwise delete."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether any task runs."""
        return bool(self._running)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``, which shows its own errors; any other exception is logged."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._remove)

    def _remove(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log("a task", error)
