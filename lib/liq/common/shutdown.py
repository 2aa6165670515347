"""How a program of ours is asked to end: SIGINT and SIGTERM as an event."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def catch_signals() -> Iterator[asyncio.Event]:
    """Give an event that Ctrl-C and SIGTERM set, in place of what they else do to the program."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, event.set)
    try:
        yield event
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def wait(seconds: float, event: asyncio.Event) -> bool:
    """Wait for ``event`` at most so long; return whether it is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
