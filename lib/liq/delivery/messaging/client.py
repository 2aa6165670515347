"""Connection options and errors of all Kafka clients."""

import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Any

from kafka.errors import KafkaConnectionError, KafkaTimeoutError, SaslAuthenticationFailedError
from kafka.errors import KafkaError as ClientError

from liq.config import Settings
from liq.errors import KafkaError

TIMEOUT_MS = 10_000  # for a request's answer; kafka-python repeats some requests once
CLOSE_MS = 2_000
_PROBE_S = 5.0
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)  # size, key, version, correlation, client
_FROZEN = f"it takes connections, but did not answer within {_PROBE_S:g} s"
_AWAY = "is it running? Start it with `liq up`, or set LIQ_KAFKA_HOST and LIQ_KAFKA_PORT"
_LOGIN = (
    "it listens, but lets nobody in like this: are LIQ_KAFKA_SECURITY, LIQ_KAFKA_USER,"
    " LIQ_KAFKA_PASSWORD and LIQ_KAFKA_CA the broker's?"
)
_SHUT_OUT = (KafkaTimeoutError, KafkaConnectionError, SaslAuthenticationFailedError)


def client_options(settings: Settings) -> dict[str, Any]:
    """Return the options with which every client of kafka-python connects and logs in."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "bootstrap_timeout_ms": 5_000,
        "request_timeout_ms": TIMEOUT_MS,
        "security_protocol": settings.kafka_security,
    }
    if settings.kafka_security != "PLAINTEXT":
        options["ssl_cafile"] = settings.kafka_ca and str(settings.kafka_ca)
    if settings.kafka_security == "SASL_SSL":
        options |= {
            "sasl_mechanism": settings.kafka_mechanism,
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


@contextlib.contextmanager
def translate_errors(settings: Settings) -> Iterator[None]:
    """Turn the client's exceptions into a `KafkaError` that names the fix."""
    try:
        _probe(settings.kafka_bootstrap, plain=settings.kafka_security == "PLAINTEXT")
        yield
    except (ClientError, OSError) as error:
        shut_out = isinstance(error, _SHUT_OUT) and settings.kafka_security != "PLAINTEXT"
        raise KafkaError(
            f"Kafka at {settings.kafka_bootstrap}: {error}; {_LOGIN if shut_out else _AWAY}"
        ) from error


def require_own(owner: int, what: str) -> None:
    """Raise `KafkaError` in a process forked from ``owner``, which has ``what`` of Kafka open.

    Two processes on one connection read each other's answers, and a fork has none of the threads.
    """
    if os.getpid() != owner:
        raise KafkaError(f"process {owner} has this {what} open; start one in this process")


def _probe(brokers: str, *, plain: bool) -> None:
    """Probe the brokers with a TCP connection; raise `OSError` if none answers.

    kafka-python retries for seconds and leaks sockets when no broker is up.
    """
    for address in brokers.split(","):
        host, port = address.rsplit(":", 1)
        try:
            with socket.create_connection((host, int(port)), timeout=_PROBE_S) as connection:
                if plain:
                    return _ask_versions(connection)
                return _shake_hands(connection)
        except OSError as error:
            refusal = error
    raise refusal


def _ask_versions(connection: socket.socket) -> None:
    """Raise `OSError` unless the broker answers; the system accepts connections of a frozen one."""
    connection.sendall(_API_VERSIONS)
    try:
        answer = connection.recv(1)
    except TimeoutError as error:
        raise TimeoutError(_FROZEN) from error
    if not answer:
        raise ConnectionError("it hung up")


def _shake_hands(connection: socket.socket) -> None:
    """Raise `OSError` unless the broker speaks TLS, for which kafka-python waits without a limit.

    The certificate is not verified here. kafka-python verifies it before it sends the password.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with contextlib.suppress(ssl.SSLError):  # kafka-python says better what is wrong
            context.wrap_socket(connection).close()
    except TimeoutError as error:
        raise TimeoutError(_FROZEN) from error
