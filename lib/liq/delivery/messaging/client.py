"""Connections to Kafka: options, errors and probes, and the publisher's connection.

Probes need no client: kafka-python leaks sockets and a thread when no broker answers.
"""

import contextlib
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    IllegalSaslStateError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaTimeoutError,
    PolicyViolationError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.errors import KafkaError as ClientError
from kafka.partitioner.default import murmur2

from liq.common import addresses, forks
from liq.common.compat import KAFKA_PYTHON
from liq.common.text import describe_error
from liq.config import Settings
from liq.errors import KafkaAwayError, KafkaError

TIMEOUT_MS = 10_000  # for a request's answer; kafka-python repeats some requests once
CLOSE_MS = 2_000
_PROBE_S = 5.0
# Kafka's protocol: ApiVersions (key 18, version 0), correlation id 7, no client id. A broker
# answers it before anybody has logged in.
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 7, -1)
_HEAD = struct.Struct(">ii")  # length and correlation id
_FROZEN = f"it takes connections, but did not answer within {_PROBE_S:g} s"
_AWAY = "is it running? Start it with `liq up`, or set LIQ_KAFKA_HOST and LIQ_KAFKA_PORT"
_LOGIN = (
    "it refuses this login: are LIQ_KAFKA_SECURITY, LIQ_KAFKA_USER,"
    " LIQ_KAFKA_PASSWORD and LIQ_KAFKA_CA the broker's?"
)
_SHUT_OUT = (KafkaTimeoutError, KafkaConnectionError, SaslAuthenticationFailedError)
_REFUSALS = (  # a retry gets the same answer
    AuthorizationError,
    IllegalSaslStateError,
    InvalidTopicError,
    PolicyViolationError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
_IN_FLIGHT = 20_000  # messages kafka-python holds: its own buffer has no bound

# An expired batch would be lost, so batches do not expire while the broker is unreachable.
_PRODUCER: dict[str, Any] = {
    "client_id": "liq-producer",
    "delivery_timeout_ms": float("inf"),
    "max_block_ms": 5_000,
    "reconnect_backoff_max_ms": 1_000,
    "batch_size": 256 * 1024,
    "metrics_enabled": False,
}


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
    """Turn the client's exceptions into a `KafkaError` that names the fix.

    It is a `KafkaAwayError` unless a broker answered and refused the login or the request.
    """
    try:
        _probe(settings.kafka_bootstrap, plain=settings.kafka_security == "PLAINTEXT")
        yield
    except (ClientError, OSError) as error:
        shut_out = isinstance(error, _SHUT_OUT) and settings.kafka_security != "PLAINTEXT"
        is_refusal = shut_out or isinstance(error, _REFUSALS)
        raise (KafkaError if is_refusal else KafkaAwayError)(
            f"Kafka at {settings.kafka_bootstrap}: {describe_error(error)};"
            f" {_LOGIN if shut_out else _AWAY}"
        ) from error


def require_own(owner: int, what: str) -> None:
    """Raise `KafkaError` in a process forked from ``owner``, which has ``what`` of Kafka open.

    Two processes on one connection read each other's answers, and a fork has none of the threads.
    """
    if forks.find_process() != owner:
        raise KafkaError(f"process {owner} has this {what} open; start one in this process")


def probe_brokers(settings: Settings, timeout: float) -> Mapping[str, str]:
    """Return the address of each broker that does not answer within ``timeout`` s, and why."""
    brokers = settings.kafka_bootstrap.split(",")
    with ThreadPoolExecutor(len(brokers)) as pool:
        reasons = pool.map(lambda broker: _ask(broker, settings, timeout), brokers)
        return {broker: why for broker, why in zip(brokers, reasons, strict=True) if why}


def _probe(brokers: str, *, plain: bool) -> None:
    """Probe the brokers with a TCP connection; raise `OSError` if none answers.

    kafka-python retries for seconds and leaks sockets when no broker is up.
    """
    for address in brokers.split(","):
        host, port = address.rsplit(":", 1)
        try:
            with addresses.connect(host, int(port), _PROBE_S) as connection:
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
        raise ConnectionError("it closed the connection")


def _shake_hands(connection: socket.socket) -> None:
    """Raise `OSError` unless the broker answers over TLS.

    kafka-python waits for TLS without a limit. A broker that answers has started, so a login that
    fails after that is refused.

    The certificate is not verified here. kafka-python verifies it before it sends the password.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        # kafka-python says better what is wrong
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection) as secured:
            _ask_versions(secured)
    except TimeoutError as error:
        raise TimeoutError(_FROZEN) from error


def _ask(broker: str, settings: Settings, timeout: float) -> str:
    """Return why the broker does not answer, "" if it does."""
    end = time.monotonic() + timeout
    host, port = broker.rsplit(":", 1)
    try:
        with (
            addresses.connect(host, int(port), timeout) as plain,
            _secure(plain, host, settings) as connection,
        ):
            connection.sendall(_API_VERSIONS)
            answer = b""
            while len(answer) < _HEAD.size:
                connection.settimeout(max(end - time.monotonic(), 0.01))
                part = connection.recv(_HEAD.size - len(answer))
                if not part:
                    return "it closed the connection"
                answer += part
    except TimeoutError:
        return f"no answer within {timeout:g} s"
    except OSError as error:
        return error.strerror or str(error)
    return "" if _HEAD.unpack(answer)[1] == 7 else "what answers there is no Kafka"


def _secure(plain: socket.socket, host: str, settings: Settings) -> socket.socket:
    if settings.kafka_security == "PLAINTEXT":
        return plain
    context = ssl.create_default_context(cafile=settings.kafka_ca and str(settings.kafka_ca))
    return context.wrap_socket(plain, server_hostname=host)


class Message(NamedTuple):
    """A message with its topic and key; ``recovered`` if it comes from a dead owner's journal."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    recovered: bool = False


class _Sent(NamedTuple):
    future: Any
    message: Message
    at: float


def check_names(producer: Any) -> None:
    """Raise `DependencyError` if kafka-python lacks the names that end a connection."""
    KAFKA_PYTHON.get(producer, "_closed")
    KAFKA_PYTHON.get(KAFKA_PYTHON.get(producer, "_sender"), "force_close")


class Connection:
    """One `KafkaProducer` and what it has not delivered yet; used by one thread.

    The publisher drops it when anything fails.
    """

    def __init__(self, settings: Settings, on_progress: Callable[[], object]) -> None:
        self._on_progress = on_progress
        self._partitions: dict[tuple[str, bytes | None], int] = {}
        self.in_flight: deque[_Sent] = deque()
        with translate_errors(settings):
            self._producer = KafkaProducer(**client_options(settings), **_PRODUCER)
        check_names(self._producer)
        forks.in_child(self, Connection._leave)

    def _leave(self) -> None:
        """Mark it closed in a forked child, which would else wait for a thread that it lacks."""
        self._producer._closed = True  # a public name does not exist

    def send(self, queue: deque[Message]) -> None:
        """Send the queue's messages; ``on_progress`` is called when they are settled."""
        last_of_partition = {}
        now = time.monotonic()
        for _ in range(min(len(queue), _IN_FLIGHT - len(self.in_flight))):
            message = queue[0]
            partition = self._partition(message.topic, message.key)
            future = self._producer.send(
                message.topic, message.value, message.key, message.headers, partition
            )
            self.in_flight.append(_Sent(future, message, now))
            queue.popleft()
            last_of_partition[message.topic, partition] = future
        for future in last_of_partition.values():
            future.add_both(lambda _: self._on_progress())

    def settled(self) -> Iterator[Message]:
        """Yield and forget acknowledged messages; raise the error of a failed message."""
        while self.in_flight and self.in_flight[0].future.is_done:
            if self.in_flight[0].future.failed():
                raise self.in_flight[0].future.exception
            yield self.in_flight.popleft().message

    def close(self) -> None:
        """Disconnect at once; the caller sends messages in flight again."""
        if self.in_flight:
            # close() alone would wait for the broker; there is no public way to give up
            self._producer._sender.force_close()
        with contextlib.suppress(ClientError):
            self._producer.close(timeout=5)

    def _partition(self, topic: str, key: bytes | None) -> int:
        """Return the key's partition by Kafka's default; cached, since Python hashes slowly."""
        partition = self._partitions.get((topic, key))
        if partition is None:
            count = len(self._producer.partitions_for(topic))
            partition = self._partitions[topic, key] = (murmur2(key or b"") & 0x7FFFFFFF) % count
        return partition
