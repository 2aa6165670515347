"""The local stack: Kafka, Kafka Connect and QuestDB as plain processes of this machine."""

from liq.stack.control import down, furnish, reset, start, stop, up
from liq.stack.session import Extra, Session, Source, run
from liq.stack.state import ServiceStatus, State, logs, status

__all__ = [
    "Extra",
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
