"""Wait: a pause that doubles with each failure, for a condition, or for SIGINT and SIGTERM."""

import asyncio
import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence

_DOUBLINGS = 60  # 2.0**1024 is an OverflowError
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_interrupted = threading.Event()


def pause_s(failures: int, first_s: float, longest_s: float = math.inf) -> float:
    """Return the pause after ``failures`` in a row: 0, then ``first_s``, doubled with each."""
    if not failures:
        return 0.0
    return min(first_s * 2.0 ** min(failures - 1, _DOUBLINGS), longest_s)


def poll_until(condition: Callable[[], object], seconds: float, *, every_s: float) -> bool:
    """Wait at most ``seconds`` until ``condition`` is true; return whether it is."""
    end = time.monotonic() + seconds
    while not condition():
        if (left := end - time.monotonic()) <= 0:
            return False
        time.sleep(min(every_s, left))
    return True


@contextlib.contextmanager
def catch_signals() -> Iterator[asyncio.Event]:
    """Yield an event that SIGINT and SIGTERM set, instead of ending the program."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()

    def end(number: signal.Signals) -> None:
        if number is signal.SIGINT:
            _interrupted.set()
        event.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number)
    try:
        yield event
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def was_interrupted() -> bool:
    """Return whether `catch_signals` has received a SIGINT, as Ctrl-C sends."""
    return _interrupted.is_set()


async def wait(seconds: float, event: asyncio.Event) -> bool:
    """Wait at most ``seconds`` for ``event``; return whether it is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


async def cancel_all(tasks: Sequence[asyncio.Task[None]]) -> list[BaseException]:
    """Cancel tasks and wait for their end; return the errors of those that failed."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return [error for task in tasks if not task.cancelled() and (error := task.exception())]
