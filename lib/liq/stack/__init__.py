"""The local stack: Kafka, Kafka Connect and QuestDB as plain processes of this machine."""

from liq.stack.control import down, furnish, reset, start, stop, up
from liq.stack.history import Finding
from liq.stack.overview import overview
from liq.stack.session import Extra, Session, Source, run
from liq.stack.state import ServiceStatus, State, findings, logs, status
from liq.stack.supervisor import Supervisor

__all__ = [
    "Extra",
    "Finding",
    "ServiceStatus",
    "Session",
    "Source",
    "State",
    "Supervisor",
    "down",
    "findings",
    "furnish",
    "logs",
    "overview",
    "reset",
    "run",
    "start",
    "status",
    "stop",
    "up",
]
