"""Probe brokers without a client, since kafka-python leaks a thread for each silent broker."""

import socket
import ssl
import struct
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from liq.config import Settings

# Kafka's protocol: ApiVersions (key 18, version 0), correlation id 7, no client id. A broker
# answers it before anybody has logged in.
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 7, -1)
_HEAD = struct.Struct(">ii")  # length and correlation id


def probe_brokers(settings: Settings, timeout: float) -> Mapping[str, str]:
    """Return the address of each broker that does not answer within ``timeout`` s, and why."""
    brokers = settings.kafka_bootstrap.split(",")
    with ThreadPoolExecutor(len(brokers)) as pool:
        reasons = pool.map(lambda broker: _ask(broker, settings, timeout), brokers)
        return {broker: why for broker, why in zip(brokers, reasons, strict=True) if why}


def _ask(broker: str, settings: Settings, timeout: float) -> str:
    """Return why the broker does not answer, "" if it does."""
    end = time.monotonic() + timeout
    host, port = broker.rsplit(":", 1)
    try:
        with (
            socket.create_connection((host, int(port)), timeout) as plain,
            _secured(plain, host, settings) as connection,
        ):
            connection.sendall(_API_VERSIONS)
            answer = b""
            while len(answer) < _HEAD.size:
                connection.settimeout(max(end - time.monotonic(), 0.01))
                part = connection.recv(_HEAD.size - len(answer))
                if not part:
                    return "it hung up"
                answer += part
    except TimeoutError:
        return f"no answer within {timeout:g} s"
    except OSError as error:
        return error.strerror or str(error)
    return "" if _HEAD.unpack(answer)[1] == 7 else "what answers there is no Kafka"


def _secured(plain: socket.socket, host: str, settings: Settings) -> socket.socket:
    if settings.kafka_security == "PLAINTEXT":
        return plain
    context = ssl.create_default_context(cafile=settings.kafka_ca and str(settings.kafka_ca))
    return context.wrap_socket(plain, server_hostname=host)
