"""The local stack: Kafka, Kafka Connect and QuestDB as plain processes of this machine."""

from liq.stack.control import down, furnish, reset, start, stop, up
from liq.stack.session import Session, Source, run
from liq.stack.state import ServiceStatus, State, logs, status

__all__ = [
    "ServiceStatus",
    "Session",
    "Source",
    "State",
    "down",
    "furnish",
    "logs",
    "reset",
    "run",
    "start",
    "status",
    "stop",
    "up",
]
