"""Is it answering? Probes that need no client library and take a millisecond."""

import base64
import contextlib
import http.client
import os
import socket
import struct
from http import HTTPStatus
from urllib.parse import urlsplit

_TIMEOUT = 2.0
_WEBSOCKET_TIMEOUT = 4.0


def http_ok(host: str, port: int, path: str) -> bool:
    """Return whether ``GET path`` answers 200."""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def accepts(host: str, port: int) -> bool:
    """Return whether something listens on the port."""
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT).close()
    except OSError:
        return False
    return True


def kafka_ready(host: str, port: int) -> bool:
    """Return whether the broker answers and takes part in its cluster.

    It asks for the cluster's metadata (Kafka protocol, api key 3, version 1, no topics): the answer
    counts only brokers that are ready, after an 8-byte head (length and correlation id).
    """
    body = struct.pack(">hhihi", 3, 1, 7, -1, 0)
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            with connection.makefile("rb") as answer:
                _, correlation, brokers = struct.unpack(">iii", answer.read(12))
    except (OSError, struct.error):
        return False
    return (correlation, brokers > 0) == (7, True)


def websocket_ok(url: str) -> bool:
    """Return whether the server at a ``ws`` or ``wss`` URL opens a websocket to us."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_WEBSOCKET_TIMEOUT)
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    with contextlib.closing(connection):
        try:
            connection.request("GET", parts.path or "/", headers=headers)
            return connection.getresponse().status == HTTPStatus.SWITCHING_PROTOCOLS
        except (OSError, http.client.HTTPException):
            return False
