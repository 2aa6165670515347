"""HTTP requests with a deadline for the whole answer, not for each piece of it.

httpx's own timeouts restart with every byte, so a server that sends one byte a second can block a
caller for ever. `Client` is an `httpx.Client` with a deadline.
"""

import contextlib
import math
import os
import socket
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import httpx

from liq.common.compat import http_deadlines
from liq.common.text import describe_error

MOST_BYTES = 64 * 1024 * 1024  # of an answer: the longest listing of a venue has a few megabytes

_PLAIN: dict[type[BaseException], str] = {
    socket.gaierror: "the name of its server, or of the proxy, cannot be resolved",
    ConnectionRefusedError: "the connection is refused",
}
_VARIABLES = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY or SSL_CERT_FILE"

_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)


class Client(httpx.Client):
    """A client whose requests, with redirects, end after ``seconds``.

    Raises httpx's errors; a passed deadline is an `httpx.TimeoutException`, a name that no host can
    have an `httpx.ConnectError`, and so is a proxy or a file of certificates in the environment
    that cannot be used. A forked process gets its own connections.
    """

    def __init__(self, seconds: float, **options: Any) -> None:
        with translate_environment():
            super().__init__(timeout=seconds, **options)
        self._seconds = seconds
        self._options = options
        self._owner = os.getpid()
        self._parents: list[object] = []
        http_deadlines.limit_waits(self, time_left)

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send the request and read the answer, within the client's seconds and those of `within`.

        The answer is whole, unless `download` streams it.
        """
        if self._owner != os.getpid():
            self._renew()
        with within(self._seconds):
            try:
                return super().send(request, **options)
            except UnicodeError as error:  # of a redirect, which httpx does not translate
                raise httpx.ConnectError(f"no host has this name: {error}") from error

    def download(self, url: str, most: int = MOST_BYTES) -> tuple[httpx.Response, bytes]:
        """Return the answer's head and its content, which a server of others may make endless.

        Raises `httpx.DecodingError` for a content of more than ``most`` bytes, once it is unpacked,
        and `httpx.HTTPStatusError` for an answer that is an error.
        """
        content = bytearray()
        with within(self._seconds), self.stream("GET", url) as response:
            response.raise_for_status()
            for part in response.iter_bytes():
                content += part
                if len(content) > most:
                    raise httpx.DecodingError(f"the answer has more than {most:,} bytes")
        return response, bytes(content)

    def _renew(self) -> None:
        """Leave all connections to the parent; two threads may do so at once."""
        fresh = httpx.Client(timeout=self._seconds, **self._options)
        self._parents += http_deadlines.replace_connections(self, fresh)
        http_deadlines.limit_waits(self, time_left)
        self._owner = os.getpid()


def explain(error: BaseException) -> str:
    """Return why a request failed, in plain words where httpx quotes an error of the system.

    Example:
        >>> from liq.common import http
        >>> http.explain(TimeoutError("no answer"))
        'no answer'
    """
    causes = [*_list_causes(error)]
    for kind, words in _PLAIN.items():
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return describe_error(error)


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # another context may be an error of before, which was handled
        error = error.__cause__ or http_deadlines.find_cause(error)


@contextlib.contextmanager
def translate_environment() -> Iterator[None]:
    """Raise `httpx.ConnectError` for what a new client of httpx cannot use in the environment."""
    try:
        yield
    except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        # the text of InvalidURL quotes the proxy's URL, which may hold a password
        reason = "one holds no URL" if isinstance(error, httpx.InvalidURL) else error
        raise httpx.ConnectError(f"cannot use {_VARIABLES}: {reason}") from error


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
