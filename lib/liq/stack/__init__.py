"""The local stack: Kafka, Kafka Connect and QuestDB as plain processes of this machine."""

from liq.stack.control import down, furnish, reset, start, stop, up
from liq.stack.history import Finding
from liq.stack.overview import overview, repair
from liq.stack.session import Extra, Session, Source, run
from liq.stack.state import ServiceStatus, State, findings, logs, status
from liq.stack.supervisor import Supervisor
from liq.stack.watch import revive_supervisor

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
    "repair",
    "reset",
    "revive_supervisor",
    "run",
    "start",
    "status",
    "stop",
    "up",
]
