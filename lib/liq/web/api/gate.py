"""How many queries run at once, and how many may wait: the others are refused at once.

Each request that waits holds one of the server's threads. Bounds on both leave it threads that
answer what needs no query, and those that are refused, whatever QuestDB does.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

from werkzeug.exceptions import GatewayTimeout, ServiceUnavailable

from liq.common import forks

RUNNING = 8
WAITING = 32
RETRY_S = 5
_LOGIN_S = 2.0  # a query that begins later than this before the end could not even log in


class Gate:
    """Lets ``running`` queries work, and holds ``waiting`` more until one of them ends."""

    def __init__(self, running: int = RUNNING, waiting: int = WAITING) -> None:
        self._bounds = running + waiting, running
        self._renew()
        forks.in_child(self, Gate._renew)  # there is none of its threads to leave

    def _renew(self) -> None:
        self._all, self._running = map(threading.BoundedSemaphore, self._bounds)

    @contextlib.contextmanager
    def enter(self, seconds: float) -> Iterator[float]:
        """Yield how many of ``seconds`` are left once the query may run.

        Raises `ServiceUnavailable` if too many wait already, `GatewayTimeout` if none ends in time.
        """
        with contextlib.ExitStack() as held:
            if not self._all.acquire(blocking=False):
                raise ServiceUnavailable("too many queries wait already; ask again later")
            held.callback(self._all.release)
            ends_at = time.monotonic() + seconds
            if not self._running.acquire(timeout=max(seconds - _LOGIN_S, seconds / 2)):
                raise GatewayTimeout(
                    f"other queries kept QuestDB busy for {seconds:g} s, or it does not answer;"
                    " ask again later, `liq status` shows whether it runs"
                )
            held.callback(self._running.release)
            yield ends_at - time.monotonic()
