"""The local stack: Kafka, Kafka Connect and QuestDB as plain processes of this machine."""

from liq.stack.control import (
    ServiceStatus,
    State,
    down,
    logs,
    reset,
    start,
    status,
    stop,
    up,
)

__all__ = ["ServiceStatus", "State", "down", "logs", "reset", "start", "status", "stop", "up"]
