"""Limits on running and waiting queries; further queries are refused at once.

Each waiting request occupies one of the server's threads. The limits keep threads free for pages
without a query and for refusals, even if QuestDB hangs.
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
_LOGIN_S = 2.0  # a query needs at least this long to log in


class Gate:
    """Lets ``running`` queries run at once and ``waiting`` queries wait."""

    def __init__(self, running: int = RUNNING, waiting: int = WAITING) -> None:
        self._bounds = running + waiting, running
        self._renew()
        forks.in_child(self, Gate._renew)  # a fork has no thread that would release them

    def _renew(self) -> None:
        self._all, self._running = map(threading.BoundedSemaphore, self._bounds)

    @contextlib.contextmanager
    def enter(self, seconds: float) -> Iterator[float]:
        """Yield the remaining time, out of ``seconds``, once the query may run.

        Raises:
            ServiceUnavailable: too many queries are waiting.
            GatewayTimeout: no running query ended in time.
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
