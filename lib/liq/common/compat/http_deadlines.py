"""httpx: a deadline for a whole answer, which has no setting.

httpx's timeouts restart with every byte. So the connections of a client are wrapped, and each step
gets only the time that is left.
"""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import httpx

from liq.common import addresses
from liq.common.compat import HTTPX

TimeLeft = Callable[[], float]


def limit_waits(client: httpx.Client, time_left: TimeLeft) -> None:
    """Limit each step of the client's connections to the seconds that ``time_left`` returns.

    Raises `DependencyError` if httpx has no such names.
    """
    for transport in _transports(client):
        if isinstance(transport, httpx.HTTPTransport):
            pool = HTTPX.get(transport, "_pool")
            pool._network_backend = _Backend(HTTPX.get(pool, "_network_backend"), time_left)


def replace_connections(client: httpx.Client, fresh: httpx.Client) -> list[object]:
    """Give ``client`` the connections of ``fresh``; return its own, which are closed when freed."""
    own = _transports(client)
    client._transport, client._mounts = fresh._transport, fresh._mounts
    return own


def find_cause(error: BaseException) -> BaseException | None:
    """Return the error of the system in httpcore's error of connecting, which names no cause."""
    return error.__context__ if isinstance(error, httpcore.ConnectError) else None


def _transports(client: httpx.Client) -> list[object]:
    return [HTTPX.get(client, "_transport"), *HTTPX.get(client, "_mounts").values()]


class _Stream(httpcore.NetworkStream):
    """A connection that gives each step only the time that is left."""

    def __init__(self, stream: httpcore.NetworkStream, time_left: TimeLeft) -> None:
        self._stream = stream
        self._time_left = time_left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _shorten(timeout, self._time_left))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _shorten(timeout, self._time_left))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "_Stream":
        seconds = _shorten(timeout, self._time_left)
        return _Stream(
            self._stream.start_tls(ssl_context, server_hostname, seconds), self._time_left
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens connections, each as a `_Stream`."""

    def __init__(self, backend: httpcore.NetworkBackend, time_left: TimeLeft) -> None:
        self._backend = backend
        self._time_left = time_left

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> _Stream:
        seconds = _shorten(timeout, self._time_left)
        failure: Exception | None = None
        with _translate_errors():
            for address, share in addresses.share_time(host, port, seconds):
                try:
                    stream = self._backend.connect_tcp(address, port, share, *args, **options)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failure = error
                else:
                    return _Stream(stream, self._time_left)
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(_shorten(seconds, self._time_left))


@contextlib.contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except OSError as error:  # the name has no address
        raise httpcore.ConnectError(str(error)) from error


def _shorten(timeout: float | None, time_left: TimeLeft) -> float:
    left = time_left()
    if left <= 0:
        raise httpcore.ReadTimeout("no whole answer in time")
    return left if timeout is None else min(timeout, left)
