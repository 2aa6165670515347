"""HTTP requests with a deadline for the whole answer, not for each piece of it.

httpx's own timeouts restart with every byte, so a server that sends one byte a second can block a
caller for ever. `Client` is an `httpx.Client` with a deadline.
"""

import contextlib
import math
import os
import ssl
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)


class Client(httpx.Client):
    """A client whose requests, with redirects, end after ``seconds``.

    Raises httpx's errors; a passed deadline is an `httpx.TimeoutException`. A forked process gets
    its own connections.
    """

    def __init__(self, seconds: float, **options: Any) -> None:
        super().__init__(timeout=seconds, **options)
        self._seconds = seconds
        self._options = options
        self._owner = os.getpid()
        self._parents: list[object] = []
        self._limit_waits()

    def _limit_waits(self) -> None:
        # httpx 0.28 has no public way to its connections; tests/security/test_silent_servers.py
        # fails if these names go
        for transport in (self._transport, *self._mounts.values()):
            if isinstance(transport, httpx.HTTPTransport):
                pool = transport._pool
                pool._network_backend = _Backend(pool._network_backend)

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send the request and read the answer, within the client's seconds and those of `within`.

        The answer is whole: it is not to be streamed.
        """
        if self._owner != os.getpid():
            self._renew()
        with within(self._seconds):
            return super().send(request, **options)

    def _renew(self) -> None:
        """Leave all connections to the parent; two threads may do so at once."""
        fresh = httpx.Client(timeout=self._seconds, **self._options)
        self._parents += [self._transport, self._mounts]  # what is collected is closed
        self._transport, self._mounts = fresh._transport, fresh._mounts
        self._limit_waits()
        self._owner = os.getpid()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit all requests of this block (and thread) to ``seconds`` in total.

    A nested block can only shorten the time.
    """
    token = _ends_at.set(min(_ends_at.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ends_at.reset(token)


def time_left() -> float:
    """Return how many seconds `within` leaves; infinity outside of it."""
    return _ends_at.get() - time.monotonic()


def _left(timeout: float | None) -> float:
    left = time_left()
    if left <= 0:
        raise httpcore.ReadTimeout("no whole answer in time")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A connection that gives each step only the time which is left."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "_Stream":
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens such connections."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> _Stream:
        return _Stream(self._backend.connect_tcp(host, port, _left(timeout), *args, **options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(_left(seconds))
