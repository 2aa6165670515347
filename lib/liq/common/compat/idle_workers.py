"""Ends threads that anyio keeps when a server's loop stops.

Jupyter's server reads notebooks in threads of anyio, which end with the task that began them. A
loop that stops within a request never ends its task, and Python then waits for the thread for ever.
"""

import threading

from anyio._backends import _asyncio

from liq.common.compat import ANYIO


def end() -> None:
    """End anyio's threads of this process; its loops have stopped."""
    kind = ANYIO.get(_asyncio, "WorkerThread")
    for thread in threading.enumerate():
        if isinstance(thread, kind):
            ANYIO.get(thread, "stop")()
