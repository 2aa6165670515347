"""Probes: whether a server answers, and whether a port is free.

Probes need no client library and take a millisecond. Each probe of a server has a time limit for
the whole answer, however slowly it arrives.
"""

import base64
import contextlib
import os
import random
import ssl
import struct
import time
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import psutil

from liq.common import addresses
from liq.config import Settings
from liq.errors import StackError

_TIMEOUT = 2.0
_VENUE_TIMEOUT = 4.0
_STATUS = len("HTTP/1.1 200")
_LOOPBACK = "127.0.0.1"
# below the range of outgoing connections: a client that retries a stopped server's port could
# otherwise get that port as its own, and occupy it
_CHOICE = range(15_000, 32_000)


def answers_http(host: str, port: int, path: str) -> bool:
    """Return whether ``GET path`` answers 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    return _status(host, port, request, _TIMEOUT) == "200"


def is_listening(host: str, port: int) -> bool:
    """Return whether something listens on the port."""
    try:
        addresses.connect(host, port, _TIMEOUT).close()
    except OSError:
        return False
    return True


def is_kafka_ready(host: str, port: int) -> bool:
    """Return whether the broker answers and takes part in its cluster.

    It asks for the cluster's metadata (Kafka protocol, api key 3, version 1, no topics): the answer
    counts only brokers that are ready, after an 8-byte head (length and correlation id).
    """
    body = struct.pack(">hhihi", 3, 1, 7, -1, 0)
    try:
        answer = _exchange(host, port, struct.pack(">i", len(body)) + body, 12, _TIMEOUT)
        _, correlation, brokers = struct.unpack(">iii", answer)
    except (OSError, struct.error):
        return False
    return (correlation, brokers > 0) == (7, True)


def answers_kafka(settings: Settings) -> bool:
    """Return whether a broker is ready; of one with TLS only whether it listens."""
    is_plain_text = settings.kafka_security == "PLAINTEXT"
    answers = is_kafka_ready if is_plain_text else is_listening
    brokers = (each.rpartition(":") for each in settings.kafka_bootstrap.split(","))
    return any(answers(host, int(port)) for host, _, port in brokers)


def opens_websocket(url: str) -> bool:
    """Return whether the server at a ``ws`` or ``wss`` URL opens a websocket to us."""
    headers = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
    )
    return _request(url, headers) == "101"


def answers_url(url: str) -> bool:
    """Return whether the server at an ``http`` or ``https`` URL answers 200."""
    return _request(url, "Connection: close\r\n") == "200"


def find_free_ports() -> dict[str, int]:
    """Return a free port for each port setting: what a second stack beside a running one needs."""
    candidates = iter(random.sample(_CHOICE, 1_000))
    names = (name for name in Settings.model_fields if name.endswith("_port"))
    return {name: next(port for port in candidates if _free(_LOOPBACK, port)) for name in names}


def require_free(host: str, ports: Mapping[str, int]) -> None:
    """Raise `StackError` if a port (setting's name to number) is in use, saying by whom."""
    taken = [(name, port) for name, port in ports.items() if not _free(host, port)]
    if taken:
        faults = (
            f"port {port} is taken{_owner(port)}: set LIQ_{name.upper()}" for name, port in taken
        )
        raise StackError(f"{'; '.join(faults)} to another port, or end what uses it")


def require_distinct(ports: Iterable[tuple[str, int]]) -> None:
    """Raise `StackError` if two settings choose the same port."""
    seen: dict[int, str] = {}
    for name, port in ports:
        if port in seen:
            both = f"LIQ_{seen[port].upper()} and LIQ_{name.upper()}"
            raise StackError(f"{both} are both {port}; give each a port of its own")
        seen[port] = name


def _request(url: str, headers: str) -> str:
    """Return the status that a venue's server answers, "" if none."""
    parts = urlsplit(url)
    secure = parts.scheme in ("wss", "https")
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {host}:{port}\r\n{headers}\r\n"
    return _status(host, port, request, _VENUE_TIMEOUT, secure=secure)


def _status(host: str, port: int, request: str, seconds: float, *, secure: bool = False) -> str:
    """Return the status that an HTTP server answers, "" if none."""
    try:
        line = _exchange(host, port, request.encode(), _STATUS, seconds, secure=secure).decode()
    except (OSError, ValueError):
        return ""
    version, _, status = line.partition(" ")
    return status if version.startswith("HTTP/") else ""


def _exchange(
    host: str, port: int, request: bytes, size: int, seconds: float, *, secure: bool = False
) -> bytes:
    """Send ``request`` and return the first ``size`` bytes of the answer, fewer if it ends there.

    Raises OSError, a TimeoutError after ``seconds`` in all.
    """
    ends_at = time.monotonic() + seconds
    with addresses.connect(host, port, seconds) as plain:
        context = ssl.create_default_context() if secure else None
        connection = context.wrap_socket(plain, server_hostname=host) if context else plain
        with connection:
            connection.sendall(request)
            answer = b""
            while len(answer) < size:
                connection.settimeout(max(ends_at - time.monotonic(), 0.001))
                part = connection.recv(size - len(answer))
                if not part:
                    break
                answer += part
    return answer


def _free(host: str, port: int) -> bool:
    try:
        addresses.check_free(host, port)
    except OSError:
        return False
    return True


def _owner(port: int) -> str:
    with contextlib.suppress(psutil.Error):  # macOS shows the sockets of others to root only
        for socket_ in psutil.net_connections("tcp"):
            listens = socket_.status == psutil.CONN_LISTEN and socket_.laddr[1:] == (port,)
            if listens and socket_.pid:
                return f" by {psutil.Process(socket_.pid).name()} (pid {socket_.pid})"
    return ""
