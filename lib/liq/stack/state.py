"""The state of the stack: each service, and an overview with advice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import psutil

from liq.common.waiting import show_wait
from liq.config import Settings, choose_settings
from liq.errors import QuestDBError, QuestDBLoginError, StackError
from liq.stack import identity, process
from liq.stack.apps import SUPERVISOR, define_apps, restore_base_url
from liq.stack.servers import QUESTDB, define_servers
from liq.stack.service import Service

if TYPE_CHECKING:
    import pandas as pd

_FEEDS = ("producer", "simulator")


class ServiceState(StrEnum):
    """The state of a service; a died service ended without being asked to.

    One of another machine or container is only reachable or unreachable.
    """

    HEALTHY = "healthy"
    STARTING = "starting"
    UNHEALTHY = "unhealthy"
    DIED = "died"
    STOPPED = "stopped"
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"


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
    def needs_repair(self) -> bool:
        """Whether it should run but has died or is not healthy, or cannot be reached."""
        return self.state in (ServiceState.DIED, ServiceState.UNHEALTHY, ServiceState.UNREACHABLE)


def status(settings: Settings | None = None) -> list[ServiceStatus]:
    """Return the state of each server, and of each app that `liq run` started.

    Services that run without a valid pid file are included.
    """
    settings = choose_settings(settings)
    settings = restore_base_url(settings)
    local, others = define_servers(settings), define_apps(settings)
    # nothing is written, since another command may stop services and delete pid files now
    lost = process.search([service.pid_file for service in (*local, *others)])
    started = [app for app in others if app.pid_file.exists() or app.pid_file in lost]
    found = [_status(service, lost.get(service.pid_file)) for service in (*local, *started)]
    return [_of_login(one, settings) if one.name == QUESTDB else one for one in found]


def list_running(settings: Settings | None = None) -> list[str]:
    """Return the names of the services that liq started and that run, by their pid files only."""
    settings = choose_settings(settings)
    services = (*define_servers(settings), *define_apps(settings))
    return [service.name for service in services if _runs(service)]


def _runs(service: Service) -> bool:
    try:
        return process.find_known(service.pid_file) is not None
    except StackError:  # the file of another user
        return False


def _of_login(found: ServiceStatus, settings: Settings) -> ServiceStatus:
    """Return the state of QuestDB, unhealthy if it refuses our passwords."""
    if found.state is not ServiceState.HEALTHY:  # who reads only may not know the admin's password
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
        found = lost or process.find_known(service.pid_file)
    except StackError as error:  # the others can be shown
        return replace(absent, state=ServiceState.UNHEALTHY, fault=str(error))
    if not found:
        return _probe(absent, service) if service.is_elsewhere else absent
    try:
        uptime = identity.measure_uptime(found.process)
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


def _probe(absent: ServiceStatus, service: Service) -> ServiceStatus:
    """Return the state of a server that another machine or container runs."""
    if service.healthy():
        return replace(absent, state=ServiceState.REACHABLE)
    fault = f"it does not answer at {service.address}; see the machine or container that runs it"
    return replace(absent, state=ServiceState.UNREACHABLE, fault=fault)


def overview(settings: Settings | None = None) -> "pd.DataFrame":
    """Return each service: ``service``, ``state``, ``pid``, ``memory_mb``, ``up`` and ``address``.

    ``attrs["advice"]`` says what to do next.
    """
    import pandas as pd  # noqa: PLC0415 - `liq status` needs none

    settings = choose_settings(settings)
    with show_wait("checking the services", settings.progress_after):
        found = status(settings)
    frame = pd.DataFrame(
        {
            "service": [one.name for one in found],
            "state": [str(one.state) for one in found],
            "pid": pd.array([one.pid for one in found], dtype="Int64"),
            "memory_mb": pd.array([_megabytes(one.memory) for one in found], dtype="Int64"),
            "up": [_clock(one.uptime) for one in found],
            "address": [one.address for one in found],
        }
    )
    frame.attrs["advice"] = advise(found)
    return frame


def advise(found: Sequence[ServiceStatus]) -> str:
    """Return advice on what to do next, from the states of services."""
    states = {one.name: one.state for one in found}
    if ailing := [one for one in found if one.needs_repair]:
        return advise_repair(ailing)
    if ServiceState.STARTING in states.values():
        return "Some services are still starting: run this cell again in a moment."
    if ServiceState.STOPPED in states.values():
        return (
            "Some services do not run here: enter `liq run` in a terminal. It starts the servers,"
            " a feed (live, or simulated if no exchange can be reached) and the dashboard. Servers"
            " in containers or on other machines are in this table if settings name their hosts."
        )
    if ServiceState.REACHABLE in states.values():
        return "The servers run elsewhere and are reachable; so may a producer."
    if not any(name.startswith(_FEEDS) for name in states):
        return "No producer runs: enter `liq run`, or open the notebook 01-start-producers."
    return "Everything runs."


def advise_repair(ailing: Sequence[ServiceStatus]) -> str:
    """Return advice for services that died or are not healthy."""
    local = [one.name for one in ailing if one.state is not ServiceState.UNREACHABLE]
    others = [name for name in local if name != SUPERVISOR]
    parts = [f"{one.name}: {one.fault}" for one in ailing if one.fault]
    if others:
        parts.append(f"{', '.join(others)}: see `liq logs {others[0]}`; `liq run` starts it again")
    if len(others) < len(local):
        parts.append(
            "the supervisor died or hangs, so crashed services are not restarted; the next `liq`"
            " command starts it again if `liq run` had started it"
        )
    return "; ".join(parts)


def _clock(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))


def _megabytes(size: int | None) -> int | None:
    return None if size is None else size // 2**20
