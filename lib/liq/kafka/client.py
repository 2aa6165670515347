"""What every conversation with the broker has in common: how it is reached, and its errors."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from kafka.errors import KafkaConnectionError, KafkaTimeoutError, SaslAuthenticationFailedError
from kafka.errors import KafkaError as ClientError

from liq.config import Settings
from liq.errors import KafkaError

_AWAY = "is it running? Start it with `liq up`, or set LIQ_KAFKA_HOST and LIQ_KAFKA_PORT"
_LOGIN = (
    "it listens, but lets nobody in like this: are LIQ_KAFKA_SECURITY, LIQ_KAFKA_USER,"
    " LIQ_KAFKA_PASSWORD and LIQ_KAFKA_CA the broker's?"
)
_SHUT_OUT = (KafkaTimeoutError, KafkaConnectionError, SaslAuthenticationFailedError)


def client_options(settings: Settings) -> dict[str, Any]:
    """Return what every client of kafka-python needs to reach the broker, and to log in there."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "bootstrap_timeout_ms": 5_000,
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
def translated(settings: Settings) -> Iterator[None]:
    """Turn what the client raises into a `KafkaError` that says what to do."""
    try:
        _knock(settings.kafka_bootstrap)
        yield
    except (ClientError, OSError) as error:
        shut_out = isinstance(error, _SHUT_OUT) and settings.kafka_security != "PLAINTEXT"
        raise KafkaError(
            f"Kafka at {settings.kafka_bootstrap}: {error}; {_LOGIN if shut_out else _AWAY}"
        ) from error


def _knock(brokers: str) -> None:
    """Raise `OSError` if none is there: kafka-python tries for seconds, then leaks its sockets."""
    for address in brokers.split(","):
        host, port = address.rsplit(":", 1)
        try:
            return socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            refusal = error
    raise refusal
