"""Restart dead processes and failed sink tasks, resume suspended tables, cancel long queries.

The first repair of a part is immediate, further ones follow with exponential backoff. A process
that dies repeatedly soon after its start is given up, with a logged event, until a user starts it.
A service that `liq down` stopped stays down. Each repair is an event in a file.

Each `liq` command checks whether the supervisor itself died or hangs. A supervisor that `liq run`
started is started again, with its settings. A supervisor that ended on purpose or never ran is not.
A supervisor in a terminal or a container belongs to its user, or to the container.
"""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from liq.common import heartbeat
from liq.common.files import write_whole
from liq.common.waiting import pause_s
from liq.config import Settings, choose_settings
from liq.errors import ConnectError, LiqError, QuestDBError, StackError
from liq.records.streams import STREAMS
from liq.stack import apps, control, process
from liq.stack.servers import QUESTDB, define_servers
from liq.stack.service import OnEvent, Service, ignore_event

_CHECK_S = 1.0
_ASK_S = 3.0  # between questions to Connect and QuestDB
_SINKS_S = 10.0
_BACKOFF_S = 1.0
_BACKOFF_MAX_S = 60.0
_LASTED_S = 10.0
_CHECK_MAX_S = (
    900.0  # one look that takes longer hangs; it may wait for the lock, minutes each time
)
_QUICK_DEATHS = 5
_KILL_S = 5.0
_KEPT_EVENTS = 1_000


class StackEvent(NamedTuple):
    """An ``event`` of a ``subject``, e.g. a service, at ``time`` (seconds since 1970)."""

    time: float
    subject: str
    event: str


@dataclass(slots=True)
class _Case:
    """A repaired part that has not proved healthy since; times are monotonic seconds.

    ``starts`` counts the restarts of a dead process among the repairs.
    """

    repairs: int = 0
    starts: int = 0
    given_up: bool = False
    last: float = 0.0
    due: float = 0.0

    def note_repair(self) -> None:
        """Count a repair and set the backoff before the next one."""
        self.last = time.monotonic()
        self.repairs += 1
        self.due = self.last + pause_s(self.repairs, _BACKOFF_S, _BACKOFF_MAX_S)

    @property
    def is_due(self) -> bool:
        """Whether it may be repaired now."""
        return time.monotonic() >= self.due

    @property
    def has_lasted(self) -> bool:
        """Whether the last repair was long ago."""
        return time.monotonic() > self.last + _LASTED_S


class Supervisor:
    """Repairs one stack; ``report`` gets the events that `liq status` shows."""

    def __init__(self, settings: Settings | None = None, report: OnEvent = ignore_event) -> None:
        self._settings = choose_settings(settings)
        self._report = report
        self._cases: dict[str, _Case] = {}
        # by part: why it cannot be checked, and when to retry
        self._faults: dict[str, tuple[str, float]] = {}
        self._ask_at = 0.0
        self._checked_at = time.monotonic()
        self._adopted = False

    def run(self, ended: threading.Event) -> None:
        """Repair the stack until ``ended`` is set.

        Raises `StackError` when another supervisor does.
        """
        supervisor = apps.define_supervisor(self._settings)
        over = threading.Event()
        heart = threading.Thread(target=self._beat, args=(over,), name="liq-heart", daemon=True)
        try:  # a signal may end it from here on
            self._adopted = control.adopt(supervisor, self._settings)
            heart.start()
            while not ended.wait(_CHECK_S):
                self._guard("supervisor", self.check)
        finally:
            over.set()
            if heart.ident:
                heart.join()
            if self._adopted:  # its user ended it in the foreground, it did not die
                process.forget(supervisor.pid_file)

    def check(self) -> None:
        """Repair parts that are broken and due."""
        self._checked_at = time.monotonic()
        self._guard("supervisor", self._stay_known)
        local = define_servers(self._settings)
        for server in local:
            self._guard(server.name, partial(self._check_process, server))
        for app in apps.define_apps(self._settings):
            if not app.supervisor:
                self._guard(app.name, partial(self._check_app, app, local))
        if time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _ASK_S
            self._guard("sinks", self._check_sinks)
            self._guard("tables", self._check_tables)
            self._guard("queries", self._check_queries)

    def _stay_known(self) -> None:
        """Rewrite the pid file if it is damaged; without a mark no other process can."""
        supervisor = apps.define_supervisor(self._settings)
        if self._adopted and process.find(supervisor.pid_file) is None:
            control.adopt(supervisor, self._settings)

    def _beat(self, over: threading.Event) -> None:
        """Update the heartbeat file, unless a check takes too long."""
        file = apps.heartbeat_file(self._settings)
        while True:
            if time.monotonic() - self._checked_at < _CHECK_MAX_S:
                with contextlib.suppress(OSError):
                    heartbeat.beat(file)
            if over.wait(heartbeat.BEAT_S):
                return

    def _guard(self, name: str, act: Callable[[], object]) -> None:
        """Check one part; a fault in it stops neither the supervisor nor the other parts.

        After a fault it pauses, because the check may have searched all processes.
        """
        before, due = self._faults.get(name, ("", 0.0))
        if time.monotonic() < due:
            return
        try:
            act()
            self._faults.pop(name, None)
        except Exception as error:
            fault = f"cannot be checked: {error}"
            self._faults[name] = fault, time.monotonic() + _ASK_S
            if fault != before:
                self._log_event(name, fault)

    def _check_app(self, app: Service, local: Sequence[Service]) -> None:
        started = apps.restore_arguments(app)
        if started is None:
            return
        # without its servers it would die again, and be given up for no fault of its own
        needed = (server for server in local if server.pid_file.exists())
        if not control.has_died(started) or all(server.healthy() for server in needed):
            self._check_process(started)

    def _check_process(self, service: Service) -> None:
        case = self._cases.get(service.name)
        if not control.has_died(service):
            if case and service.healthy():
                self._close_case(service.name)
        elif case and case.starts == _QUICK_DEATHS:
            if case.given_up:
                return
            case.given_up = True
            self._log_event(
                service.name,
                f"GIVEN UP: it crashed {_QUICK_DEATHS} times soon after a start; see {service.log},"
                " then start it with `liq up` or `liq run`",
            )
        elif case is None or case.is_due:
            self._revive(service)

    def _revive(self, service: Service) -> None:
        try:
            if control.revive(service, self._settings):
                self._note_repair(
                    service.name, f"died, started again; it ended with {service.log}.1"
                )
                self._cases[service.name].starts += 1
        except (LiqError, OSError) as error:  # a taken port, a full disk: it is tried again
            self._note_repair(service.name, f"died, cannot be started again: {error}")

    def _check_sinks(self) -> None:
        from liq.delivery import connect  # noqa: PLC0415 - loads while the servers start

        with contextlib.suppress(ConnectError):  # unreachable or starting: its process's matter
            found = connect.read_statuses(self._settings, STREAMS, timeout=_SINKS_S)
            for stream, status in zip(STREAMS, found, strict=True):
                name, failures = f"sink {status.name}", status.failures
                if not failures:
                    self._close_case(name)
                elif self._due(name):
                    restart = partial(connect.restart, self._settings, stream)
                    self._repair(name, restart, "failed", "restarted", "; ".join(failures))

    def _check_tables(self) -> None:
        from liq.query import questdb  # noqa: PLC0415 - as above

        with contextlib.suppress(QuestDBError):  # as above
            suspended = questdb.list_suspended_tables(self._settings)
            for table, reason in suspended.items():
                name = f"table {table}"
                if self._due(name):
                    resume = partial(questdb.resume, table, self._settings)
                    self._repair(
                        name, resume, "was suspended", "resumed", reason or "no reason given"
                    )
            for name in [name for name in self._cases if name.startswith("table ")]:
                if name.removeprefix("table ") not in suspended:
                    self._close_case(name)

    def _check_queries(self) -> None:
        from liq.query import questdb  # noqa: PLC0415 - as above

        with contextlib.suppress(QuestDBError):  # as above
            for sql in questdb.cancel_overdue(self._settings):
                self._log_event(QUESTDB, describe_overdue(sql))

    def _repair(
        self, name: str, act: Callable[[], object], found: str, done: str, why: str
    ) -> None:
        """Repair one part; a failed repair does not stop the others."""
        try:
            act()
            self._note_repair(name, f"{found}, {done}: {why}")
        except LiqError as error:
            self._note_repair(name, f"{found} ({why}), cannot be {done}: {error}")

    def _due(self, name: str) -> bool:
        case = self._cases.get(name)
        return case is None or case.is_due

    def _note_repair(self, name: str, event: str) -> None:
        self._cases.setdefault(name, _Case()).note_repair()
        self._log_event(name, event)

    def _close_case(self, name: str) -> None:
        case = self._cases.get(name)
        if case and case.has_lasted:
            del self._cases[name]
            self._log_event(name, "healthy again")

    def _log_event(self, name: str, event: str) -> None:
        # repairs go on with a full disk or a closed terminal
        with contextlib.suppress(OSError, ValueError):
            self._report(name, event)
        with contextlib.suppress(OSError):
            add_event(self._settings, name, event)


def describe_overdue(sql: str) -> str:
    """Return the event of a query that was cancelled; QuestDB does not give the text of each."""
    text = " ".join(sql.split())[:200]
    if not text:
        return "a query whose text QuestDB does not give took too long, cancelled"
    return f"a query took too long, cancelled: {text}"


def revive_supervisor(settings: Settings | None = None) -> str:
    """Start the supervisor again if it died or hangs; return what was found and done, in a line.

    The line is empty if there is nothing to do. Raises `StackError` if it cannot be started.
    """
    settings = choose_settings(settings)
    supervisor = apps.define_supervisor(settings)
    if not supervisor.pid_file.exists():
        return ""
    found = process.find(supervisor.pid_file)
    fault = _fault(found, supervisor, settings)
    if not fault:
        return ""
    if not _is_as_started(supervisor):
        return (
            f"the supervisor {fault}, so nothing that dies is started again;"
            " `liq run` starts it with these settings"
        )
    if found:  # this very one, not the one that another command has started meanwhile
        process.kill(found.process, timeout=_KILL_S)
    if not control.revive(supervisor, settings):  # another command was faster, or `liq down`
        return ""
    add_event(settings, supervisor.name, f"{fault}, started again")
    return f"the supervisor {fault}; started it again"


def _fault(found: process.Remembered | None, supervisor: Service, settings: Settings) -> str:
    """Return what is wrong with the supervisor, nothing if it works or is starting."""
    if found is None:
        return "died" if supervisor.pid_file.exists() else ""
    silence = heartbeat.silence_s(apps.heartbeat_file(settings))
    return f"did not respond for {silence:.0f} s" if silence else ""


def _is_as_started(supervisor: Service) -> bool:
    """Return True if it was started with the present settings, by its pid file."""
    try:
        return process.read_definition(supervisor.pid_file) == supervisor.definition
    except StackError:
        return False


def recent_events(settings: Settings | None = None, count: int = 10) -> list[StackEvent]:
    """Return the last events that the supervisor logged, oldest first."""
    try:
        with _events_file(choose_settings(settings)).open() as lines:
            return [one for line in deque(lines, maxlen=count) if (one := _parse_event(line))]
    except FileNotFoundError:
        return []


def add_event(settings: Settings, subject: str, event: str) -> None:
    """Append an event; the oldest of many are dropped. Raises `OSError`, as for a full disk."""
    file = _events_file(settings)
    kept = recent_events(settings, _KEPT_EVENTS)
    kept.append(StackEvent(time.time(), subject, event))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, "".join(json.dumps(one) + "\n" for one in kept[-_KEPT_EVENTS:]))


def _events_file(settings: Settings) -> Path:
    return settings.home / "run" / "findings.jsonl"


def _parse_event(line: str) -> StackEvent | None:
    """Return the event of a line, None if a crash or a full disk truncated the line."""
    try:
        then, subject, event = json.loads(line)
        return StackEvent(float(then), str(subject), str(event))
    except (ValueError, TypeError):
        return None
