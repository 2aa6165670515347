"""Exceptions as text for the page, in the kernel's log, and of tasks in its event loop."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from traitlets.log import get_logger

from liq.errors import LiqError

_LONGEST = 400  # characters of a reason


def explain(error: BaseException) -> str:
    """Return the text of an error; an exception that is no `LiqError` is named too."""
    text = str(error) if isinstance(error, LiqError) else f"{type(error).__name__}: {error}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def log(what: str, error: BaseException) -> None:
    """Log ``error`` with its traceback in the kernel's log, which the page never shows."""
    get_logger().error("%s: %s", what, explain(error), exc_info=error)


class Tasks:
    """Keeps running tasks, which Python's garbage collector could otherwise delete."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
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
