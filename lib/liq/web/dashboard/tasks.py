"""Work that a reader's press of a button starts in the kernel's loop."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from liq.web.dashboard.faults import log


class Tasks:
    """Tasks that run until they are done; without it they might be collected before."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether any of them runs."""
        return bool(self._running)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``, which shows what fails; what it does not expect is logged."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log("a task", error)
