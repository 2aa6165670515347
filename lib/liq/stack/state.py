"""The state of each service of the stack, and its log."""

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TextIO

import psutil

from liq import config
from liq.config import Settings
from liq.errors import QuestDBError, QuestDBLoginError, StackError
from liq.stack import identity, process
from liq.stack.apps import apps
from liq.stack.history import StackEvent, newest
from liq.stack.servers import QUESTDB, servers
from liq.stack.service import Service

_POLL = 0.1


class ServiceState(StrEnum):
    """The state of a service; a died service ended without being asked to."""

    HEALTHY = "healthy"
    STARTING = "starting"
    UNHEALTHY = "unhealthy"
    DIED = "died"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """A service at one moment; ``memory`` is resident bytes, ``uptime`` seconds.

    ``pid``, ``memory`` and ``uptime`` are None where nothing runs, ``port`` where none is used.
    ``fault`` says what is wrong where the state does not.
    """

    name: str
    state: ServiceState
    address: str
    port: int | None
    pid: int | None = None
    memory: int | None = None
    uptime: float | None = None
    fault: str = ""

    @property
    def is_ailing(self) -> bool:
        """Whether it should run but has died or is not healthy."""
        return self.state in (ServiceState.DIED, ServiceState.UNHEALTHY)


def status(settings: Settings | None = None) -> list[ServiceStatus]:
    """Return the state of each server, and of each app that `liq run` started.

    Services that run without a valid pid file are included.
    """
    settings = settings or config.settings()
    local, others = servers(settings), apps(settings)
    # nothing is written, since another command may stop services and delete pid files now
    lost = process.search([service.pid_file for service in (*local, *others)])
    started = [app for app in others if app.pid_file.exists() or app.pid_file in lost]
    found = [_status(service, lost.get(service.pid_file)) for service in (*local, *started)]
    return [_of_login(one, settings) if one.name == QUESTDB else one for one in found]


def recent_events(settings: Settings | None = None, count: int = 10) -> list[StackEvent]:
    """Return the last events that the supervisor logged, oldest first."""
    return newest(settings or config.settings(), count)


def logs(
    name: str, settings: Settings | None = None, *, lines: int = 50, follow: bool = False
) -> Iterator[str]:
    """Return the last ``lines`` of a service's log; with ``follow``, also new lines as they come.

    Raises `StackError` when the service has no log.
    """
    folder = (settings or config.settings()).home / "logs"
    file = folder / f"{name}.log"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none yet"
        raise StackError(f"{name} has no log; there are: {known}")
    return _follow(file, lines) if follow else iter(tail(file, lines))


def tail(file: Path, lines: int) -> list[str]:
    """Return the last ``lines`` of a file."""
    with file.open(errors="replace") as handle:
        return [line.rstrip("\n") for line in deque(handle, maxlen=lines)]


def _follow(file: Path, lines: int) -> Iterator[str]:
    while True:
        with file.open(errors="replace") as handle:
            yield from (line.rstrip("\n") for line in deque(handle, maxlen=lines))
            yield from _additions(handle, file)
        lines = sys.maxsize  # the service was started again: all of its new log


def _additions(handle: TextIO, file: Path) -> Iterator[str]:
    """Yield new lines of an open log until ``file`` is replaced."""
    begun = ""
    while True:
        part = handle.readline()
        begun += part
        if begun.endswith("\n"):
            yield begun.rstrip("\n")
            begun = ""
        elif not part:
            if file.exists() and not os.path.samestat(file.stat(), os.fstat(handle.fileno())):
                return
            time.sleep(_POLL)


def _of_login(found: ServiceStatus, settings: Settings) -> ServiceStatus:
    """Return the state of QuestDB, unhealthy if it refuses our passwords."""
    if found.state is not ServiceState.HEALTHY:
        return found
    from liq.query import questdb  # noqa: PLC0415 - psycopg takes its time, and nothing may run

    try:
        questdb.check_logins(settings)
    except QuestDBLoginError as error:
        return replace(found, state=ServiceState.UNHEALTHY, fault=str(error))
    except QuestDBError:  # e.g. all of its connections are taken
        pass
    return found


def _status(service: Service, lost: process.Remembered | None) -> ServiceStatus:
    """Return the state of ``service``; ``lost`` is its process if found without a pid file."""
    absent = ServiceStatus(
        name=service.name,
        state=ServiceState.DIED if service.pid_file.exists() else ServiceState.STOPPED,
        address=service.address,
        port=next(iter(service.ports.values()), None),
    )
    try:
        found = lost or process.known(service.pid_file)
    except StackError as error:  # the others can be shown
        return replace(absent, state=ServiceState.UNHEALTHY, fault=str(error))
    if not found:
        return absent
    try:
        uptime = identity.uptime(found.process)
        starts = uptime < service.start_timeout and not service.supervisor  # it is there or hangs
        late = ServiceState.STARTING if starts else ServiceState.UNHEALTHY
        fault = ""
        if found.process.status() == psutil.STATUS_STOPPED:
            late = ServiceState.UNHEALTHY
            fault = f"it is stopped: `kill -CONT {found.process.pid}` lets it go on"
        return replace(
            absent,
            state=ServiceState.HEALTHY if not fault and service.healthy() else late,
            fault=fault,
            pid=found.process.pid,
            memory=found.process.memory_info().rss,
            uptime=uptime,
        )
    except psutil.NoSuchProcess:
        return absent
