"""Probes of servers that need no client library and take a millisecond.

Each has a time limit for the whole answer, however slowly it arrives.
"""

import base64
import os
import socket
import ssl
import struct
import time
from urllib.parse import urlsplit

_TIMEOUT = 2.0
_WEBSOCKET_TIMEOUT = 4.0
_STATUS = len("HTTP/1.1 200")


def answers_http(host: str, port: int, path: str) -> bool:
    """Return whether ``GET path`` answers 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    return _status(host, port, request, _TIMEOUT) == "200"


def is_listening(host: str, port: int) -> bool:
    """Return whether something listens on the port."""
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT).close()
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


def opens_websocket(url: str) -> bool:
    """Return whether the server at a ``ws`` or ``wss`` URL opens a websocket to us."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    request = (
        f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
    )
    return _status(host, port, request, _WEBSOCKET_TIMEOUT, secure=secure) == "101"


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
    with socket.create_connection((host, port), timeout=seconds) as plain:
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
