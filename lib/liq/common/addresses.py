"""Addresses to listen on, and to connect to.

Which of them only this machine reaches, which are taken, and which a name has.
"""

import errno
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any


def is_ip(host: str) -> bool:
    """Return whether ``host`` is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches ``host``."""
    return ipaddress.ip_address(host).is_loopback if is_ip(host) else host == "localhost"


def name_local(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on ``host``.

    It is ``host`` itself, or loopback for all networks, 0.0.0.0.
    """
    everywhere = is_ip(host) and ipaddress.ip_address(host).is_unspecified
    return "127.0.0.1" if everywhere else host


def check_free(host: str, port: int) -> None:
    """Raise `OSError` if a server cannot listen there, e.g. as another one does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # as the JVM does: a port is free though connections of an ended server linger on it
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def share_time(host: str, port: int, seconds: float) -> Iterator[tuple[str, float]]:
    """Yield each address of ``host``, with its share of the seconds that are left.

    ``socket``, libpq and psycopg give all of the time to each address of a name, so that a name
    with several silent ones takes a multiple of it. Raises `OSError` if the name has no address,
    and `UnicodeError` if no host can have it.
    """
    end = time.monotonic() + seconds
    names = [host] if is_ip(host) else _resolve(host, port, seconds)
    for number, name in enumerate(names):
        yield name, max(end - time.monotonic(), 0.001) / (len(names) - number)


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a name, each once.

    Raises as `share_time`; a name server that does not answer is a TimeoutError.
    """
    answer: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:
            answer.set_exception(error)

    # the system gives each of its name servers 5 s, twice, and takes no limit
    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answer.result(seconds)
    except TimeoutError as error:
        raise TimeoutError(errno.ETIMEDOUT, f"the name {host} is not resolved in time") from error
    return [*dict.fromkeys(str(address[0]) for *_, address in found)]


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """Connect to the first address of ``host`` that accepts, within ``seconds``.

    They are also the timeout of the connection. Raises `OSError`.
    """
    failure: OSError | None = None
    for address, share in share_time(host, port, seconds):
        try:
            connection = socket.create_connection((address, port), share)
        except OSError as error:
            failure = error
        else:
            connection.settimeout(seconds)
            return connection
    raise failure or OSError(f"{host} has no address")
