"""Bring the stack up and down, and delete its data."""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from liq.common.files import write_whole
from liq.common.text import describe_error, suggest
from liq.config import Settings, choose_settings
from liq.errors import StackError
from liq.records.streams import STREAMS, Stream
from liq.stack import health, jars, java, process
from liq.stack.apps import define_apps
from liq.stack.process import lock, tail
from liq.stack.servers import CONNECT, KAFKA, QUESTDB, define_servers
from liq.stack.service import OnEvent, Service, ignore_event

T = TypeVar("T")

_POLL = 0.05
_DATA = (KAFKA, QUESTDB, "conf", "cluster-id", "journal", "spark")


def up(settings: Settings | None = None, *, progress: OnEvent = ignore_event) -> None:
    """Start what is not running, wait until all is healthy; create topics, tables and sinks.

    Safe to call again, and by several processes at once. A server whose settings changed is
    restarted. Raises `StackError`, or the error of the server that refused a topic, table or sink.
    """
    settings = choose_settings(settings)
    jars.ensure(settings, progress)
    services = define_servers(settings)
    launch(services, settings, progress)
    contents = {KAFKA: _create_topics, QUESTDB: _create_tables, CONNECT: _register_sinks}
    for service in services:
        wait_healthy(service, progress)
        contents[service.name](settings)


def provision(settings: Settings | None = None, *, repoint: bool = False) -> None:
    """Create topics, tables and sinks in servers that run already, e.g. those of docker-compose.

    Safe to repeat. ``repoint`` lets it change the topic or the table of a sink that is there.
    Raises the error of the server that is unreachable or refuses.
    """
    settings = choose_settings(settings)
    _create_topics(settings)
    _create_tables(settings)
    _register_sinks(settings, repoint=repoint)


def down(settings: Settings | None = None, *, progress: OnEvent = ignore_event) -> list[str]:
    """End every process that liq started for this home; return their names.

    Services that depend on others end first. Each may finish its work: Kafka closes its logs.
    """
    settings = choose_settings(settings)
    local = {service.name: service for service in define_servers(settings)}
    supervisors = [app for app in define_apps(settings) if app.supervisor]
    others = [app for app in define_apps(settings) if not app.supervisor]
    waves = (supervisors, others, [local[CONNECT]], [local[KAFKA], local[QUESTDB]])
    # who holds the lock may end the supervisor at any time: it starts nothing without it
    with _locked(settings):
        process.recover([service.pid_file for wave in waves for service in wave])
        return [name for wave in waves for name in _end(wave, progress)]


def start(name: str, settings: Settings | None = None, *, progress: OnEvent = ignore_event) -> None:
    """Start one server and wait until it is healthy. Raises `StackError`."""
    settings = choose_settings(settings)
    jars.ensure(settings, progress)
    service = _server(settings, name)
    launch([service], settings, progress)
    wait_healthy(service, progress)


def stop(name: str, settings: Settings | None = None, *, progress: OnEvent = ignore_event) -> None:
    """End one server. Raises `StackError` when there is none of that name."""
    settings = choose_settings(settings)
    end([_server(settings, name)], settings, progress)


def reset(settings: Settings | None = None, *, progress: OnEvent = ignore_event) -> None:
    """End everything and delete all data: topics, tables, sinks, what was not delivered yet.

    Logs, recordings and secrets stay.
    """
    settings = choose_settings(settings)
    down(settings, progress=progress)
    with _locked(settings):
        for name in _DATA:
            path = settings.home / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def launch(
    services: Sequence[Service], settings: Settings, progress: OnEvent = ignore_event
) -> None:
    """Start those of ``services`` that do not run, or run by an earlier definition.

    Raises `StackError`, e.g. for a port that is taken.
    """
    with _locked(settings):
        process.recover([service.pid_file for service in services])
        health.require_distinct(pair for service in services for pair in service.ports.items())
        stale = [service for service in services if not _current(service)]
        _end(stale, progress)
        for service in stale:
            health.require_free(settings.host, service.ports)
        _each(lambda service: _spawn(service, progress), stale)


def end(services: Sequence[Service], settings: Settings, progress: OnEvent = ignore_event) -> None:
    """End those of ``services`` that run."""
    with _locked(settings):
        process.recover([service.pid_file for service in services])
        _end(services, progress)


def has_died(service: Service) -> bool:
    """Return True if ``service`` ended without being asked to, by its pid file."""
    return service.pid_file.exists() and not process.find_known(service.pid_file)


def revive(service: Service, settings: Settings) -> bool:
    """Restart a died service; return False if somebody stopped or started it, or it runs.

    Raises `StackError` when it cannot be started.
    """
    with _locked(settings):
        if not service.pid_file.exists() or process.find(service.pid_file):
            return False
        health.require_free(settings.host, service.ports)
        _spawn(service, ignore_event)
        return True


def adopt(service: Service, settings: Settings) -> bool:
    """Register this process as ``service``; return False if it was started as that service.

    Raises `StackError` when another process is, also one whose pid file is gone.
    """
    with _locked(settings):
        process.recover([service.pid_file])
        found = process.find(service.pid_file)
        if found is None:
            process.remember(os.getpid(), pid_file=service.pid_file, argv=service.argv)
            return True
        if found.process.pid != os.getpid():
            raise StackError(f"a {service.name} runs already, pid {found.process.pid}")
        return False


def wait_healthy(service: Service, progress: OnEvent = ignore_event) -> None:
    """Wait until ``service`` is healthy. Raises `StackError` if it ends or takes too long."""
    begin = time.monotonic()
    while not service.healthy():
        waited = time.monotonic() - begin
        if not process.find(service.pid_file):
            raise StackError(f"{service.name} ended while it started; {_read_log_end(service)}")
        if waited > service.start_timeout:
            raise StackError(
                f"{service.name} does not answer after {waited:.0f} s; {_read_log_end(service)}"
            )
        time.sleep(_POLL)
    progress(service.name, "healthy")


def _current(service: Service) -> bool:
    found = process.find(service.pid_file)
    return found is not None and found.definition == service.definition


def _spawn(service: Service, progress: OnEvent) -> None:
    progress(service.name, "starting")
    try:
        for file, text in service.files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, text)
        service.prepare()
    except OSError as error:
        raise StackError(f"cannot prepare {service.name}: {describe_error(error)}") from error
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIQ_")}
    program, *arguments = service.argv
    process.spawn(
        [java.find() if program == java.JAVA else program, *service.options(), *arguments],
        env=inherited | dict(service.env),
        log=service.log,
        pid_file=service.pid_file,
        definition=service.definition,
    )


def _end(services: Sequence[Service], progress: OnEvent) -> list[str]:
    """End ``services``, forget those that had died, and return the names of those that ran."""
    running = [service for service in services if process.find(service.pid_file)]
    for service in running:
        progress(service.name, "stopping")
    _each(_end_one, services)
    for service in running:
        progress(service.name, "stopped")
    return [service.name for service in running]


def _end_one(service: Service) -> None:
    process.end(service.pid_file, timeout=service.stop_timeout, alone=service.supervisor)


def _create_topics(settings: Settings) -> None:
    from liq.delivery import messaging  # noqa: PLC0415 - loads while the servers start; `liq status` needs none

    messaging.ensure_topics(settings)


def _create_tables(settings: Settings) -> None:
    from liq.query import questdb, views  # noqa: PLC0415 - as above

    for stream in STREAMS:
        questdb.ensure_table(settings, stream)
    views.ensure(settings, changed=_fill_assets(settings))


def _register_sinks(settings: Settings, *, repoint: bool = False) -> None:
    """Register the sinks, then complete the rows that sinks of an earlier version wrote before."""
    from liq.delivery import connect  # noqa: PLC0415 - as above
    from liq.query import views  # noqa: PLC0415 - as above

    _each(lambda stream: connect.ensure(settings, stream, repoint=repoint), STREAMS)
    if filled := _fill_assets(settings):
        views.ensure(settings, changed=filled)


def _fill_assets(settings: Settings) -> list[Stream]:
    """Complete rows of an earlier version; return the streams that had some."""
    from liq.query import questdb  # noqa: PLC0415 - as above

    return [stream for stream in STREAMS if questdb.fill_assets(settings, stream)]


def _each(action: Callable[[T], object], items: Iterable[T]) -> None:
    """Do ``action`` for all at once; raise the first error once all have ended."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(action, items))


def _server(settings: Settings, name: str) -> Service:
    found = {service.name: service for service in define_servers(settings)}
    if name not in found:
        raise StackError(f"there is no server {name!r}{suggest(name, list(found))}")
    return found[name]


def _read_log_end(service: Service) -> str:
    lines = tail(service.log, 50) if service.log.exists() else []
    # without the frames of stack traces, and what the JVM says of its archive of classes
    useful = [line for line in lines if not line.startswith("\t") and "[cds]" not in line]
    return "\n".join([f"see {service.log}", *useful[-5:]])


def _locked(settings: Settings) -> AbstractContextManager[None]:
    return lock(settings.home / "run" / "lock")
