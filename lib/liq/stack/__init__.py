"""The local stack: Kafka, Kafka Connect and QuestDB as plain processes of this machine.

In: settings. Out: running servers and apps, and a supervisor that restarts them. Next: `liq.cli`,
which starts and stops the stack.
"""

from liq.stack.control import down, provision, reset, start, stop, up
from liq.stack.process import list_logs, logs
from liq.stack.state import (
    ServiceState,
    ServiceStatus,
    advise_repair,
    list_running,
    overview,
    status,
)
from liq.stack.supervisor import StackEvent, Supervisor, recent_events, revive_supervisor

__all__ = [
    "ServiceState",
    "ServiceStatus",
    "StackEvent",
    "Supervisor",
    "advise_repair",
    "down",
    "list_logs",
    "list_running",
    "logs",
    "overview",
    "provision",
    "recent_events",
    "reset",
    "revive_supervisor",
    "start",
    "status",
    "stop",
    "up",
]
