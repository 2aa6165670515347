"""Bring the stack up and down, look at it, read its logs, delete its data."""

import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from liq import config, kafka, questdb
from liq.config import Settings
from liq.errors import StackError
from liq.stack import ports, process, resolve, toolchain
from liq.stack.lock import lock
from liq.stack.progress import Report, silent
from liq.stack.servers import CONNECT, KAFKA, QUESTDB, servers
from liq.stack.service import Service

_POLL = 0.05
_DATA = (KAFKA, QUESTDB, "conf", "cluster-id")


class State(StrEnum):
    """How a service is; a died one ended without being asked to."""

    HEALTHY = "healthy"
    STARTING = "starting"
    UNHEALTHY = "unhealthy"
    DIED = "died"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """A service at one moment; ``memory`` is resident bytes, ``uptime`` seconds."""

    name: str
    state: State
    address: str
    pid: int | None = None
    memory: int | None = None
    uptime: float | None = None


def up(settings: Settings | None = None, *, progress: Report = silent) -> None:
    """Start what is not running, wait until all is healthy; create topics, table and sink.

    Safe to call again, and by several processes at once. Raises `StackError`.
    """
    settings = settings or config.settings()
    resolve.ensure(settings, progress)
    services = servers(settings)
    launch(settings, services, progress)
    first: dict[str, Callable[[Settings], None]] = {
        KAFKA: kafka.ensure_topics,
        QUESTDB: questdb.ensure_table,
    }

    def settle(service: Service) -> None:
        wait_healthy(service, progress)
        if service.name in first:
            first[service.name](settings)

    with ThreadPoolExecutor() as pool:
        list(pool.map(settle, services))


def down(settings: Settings | None = None, *, progress: Report = silent) -> list[str]:
    """End every process that liq started for this home; return their names.

    What depends on others goes first, and each may finish its work: Kafka closes its logs.
    """
    settings = settings or config.settings()
    with lock(_lock_file(settings)):
        running = sorted(file.stem for file in _run_folder(settings).glob("*.json"))
        waves = (
            [name for name in running if name not in (KAFKA, CONNECT, QUESTDB)],
            [name for name in running if name == CONNECT],
            [name for name in running if name in (KAFKA, QUESTDB)],
        )
        return [name for wave in waves for name in _end(settings, wave, progress)]


def start(name: str, settings: Settings | None = None, *, progress: Report = silent) -> None:
    """Start one server and wait until it is healthy. Raises `StackError`."""
    settings = settings or config.settings()
    service = _server(settings, name)
    launch(settings, [service], progress)
    wait_healthy(service, progress)


def stop(name: str, settings: Settings | None = None, *, progress: Report = silent) -> None:
    """End one server."""
    settings = settings or config.settings()
    with lock(_lock_file(settings)):
        _end(settings, [_server(settings, name).name], progress)


def launch(settings: Settings, services: Iterable[Service], progress: Report = silent) -> None:
    """Start those of ``services`` that do not run. Raises `StackError`, e.g. for a taken port."""
    with lock(_lock_file(settings)):
        absent = [service for service in services if not process.find(service.pid_file)]
        if not absent:
            return
        toolchain.check_java()
        ports.require_distinct(pair for each in services for pair in each.ports.items())
        for service in absent:
            ports.require_free(settings.host, service.ports)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda service: _spawn(service, progress), absent))


def wait_healthy(service: Service, progress: Report = silent) -> None:
    """Wait until ``service`` is healthy. Raises `StackError` if it ends or takes too long."""
    begin = time.monotonic()
    progress(service.name, "starting")
    while not service.healthy():
        if not process.find(service.pid_file):
            raise StackError(f"{service.name} ended while starting; {_last_words(service)}")
        if time.monotonic() - begin > service.start_timeout:
            raise StackError(
                f"{service.name} does not answer after {service.start_timeout:.0f} s; "
                f"{_last_words(service)}"
            )
        time.sleep(_POLL)
    progress(service.name, f"healthy after {time.monotonic() - begin:.1f} s")


def status(settings: Settings | None = None) -> list[ServiceStatus]:
    """Return the state of each server and of each app that runs beside them."""
    settings = settings or config.settings()
    return [_status(service) for service in servers(settings)]


def logs(
    name: str, settings: Settings | None = None, *, lines: int = 50, follow: bool = False
) -> Iterator[str]:
    """Yield the last ``lines`` of a service's log; with ``follow``, go on with what is added.

    Raises `StackError` when the service has no log.
    """
    folder = (settings or config.settings()).home / "logs"
    file = folder / f"{name}.log"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none yet"
        raise StackError(f"{name} has no log; there are: {known}")
    with file.open(errors="replace") as handle:
        yield from deque((line.rstrip("\n") for line in handle), maxlen=lines)
        while follow:
            if line := handle.readline():
                yield line.rstrip("\n")
            else:
                time.sleep(_POLL)


def reset(settings: Settings | None = None, *, progress: Report = silent) -> None:
    """End everything and delete all data (topics, table, connectors). Logs and secrets stay."""
    settings = settings or config.settings()
    down(settings, progress=progress)
    with lock(_lock_file(settings)):
        for name in _DATA:
            path = settings.home / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _spawn(service: Service, progress: Report) -> None:
    progress(service.name, "launching")
    service.prepare()
    process.spawn(
        service.argv, env={**os.environ, **service.env}, log=service.log, pid_file=service.pid_file
    )


def _end(settings: Settings, names: list[str], progress: Report) -> list[str]:
    timeouts = {service.name: service.stop_timeout for service in servers(settings)}

    def end(name: str) -> bool:
        progress(name, "stopping")
        ended = process.end(_run_folder(settings) / f"{name}.json", timeout=timeouts.get(name, 10))
        progress(name, "stopped")
        return ended

    with ThreadPoolExecutor() as pool:
        return [name for name, ended in zip(names, pool.map(end, names), strict=True) if ended]


def _status(service: Service) -> ServiceStatus:
    running = process.find(service.pid_file)
    if not running:
        state = State.DIED if service.pid_file.exists() else State.STOPPED
        return ServiceStatus(name=service.name, state=state, address=service.address)
    uptime = time.time() - running.create_time()
    if service.healthy():
        state = State.HEALTHY
    else:
        state = State.STARTING if uptime < service.start_timeout else State.UNHEALTHY
    return ServiceStatus(
        name=service.name,
        state=state,
        address=service.address,
        pid=running.pid,
        memory=running.memory_info().rss,
        uptime=uptime,
    )


def _server(settings: Settings, name: str) -> Service:
    found = {service.name: service for service in servers(settings)}
    if name not in found:
        raise StackError(f"no service {name}; there are: {', '.join(found)}")
    return found[name]


def _last_words(service: Service) -> str:
    last = "\n".join(logs(service.name, None, lines=5)) if service.log.exists() else ""
    return f"see {service.log}\n{last}"


def _run_folder(settings: Settings) -> Path:
    return settings.home / "run"


def _lock_file(settings: Settings) -> Path:
    return _run_folder(settings) / "lock"
