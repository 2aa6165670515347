"""Diagnose whether liquidations arrive, and the fault if they do not.

Each producer reports once a second through Kafka, Kafka Connect and QuestDB, as liquidations do. A
fresh report or row proves that all of them work. Only if nothing fresh arrives, the servers are
probed, all at once and for two seconds at most, since a stopped process accepts connections and
never answers.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import pandas as pd

from liq.common import forks
from liq.common.heartbeat import silence_s
from liq.config import Settings, choose_settings
from liq.delivery import connect, messaging
from liq.delivery.connect import ConnectorStatus
from liq.errors import (
    LiqError,
    QuestDBAwayError,
    QuestDBError,
    QuestDBLoginError,
    QuestDBTimeoutError,
)
from liq.query import queries, questdb
from liq.query.coverage import name_feed
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS

FRESH = timedelta(seconds=5)
_LATE = FRESH / 2  # the servers are probed from then on, so that the reason is known in time
_AHEAD = timedelta(seconds=2)  # clocks differ; a row dated later than that proves nothing
_REMEMBERED = timedelta(minutes=10)  # how far back connections of feeds are queried
_PATIENCE_S = 2.0
_AGAIN_S = 2.0
_FEW = 3  # feeds that a headline names
_STREAMS = (LIQUIDATIONS, FEED_HEALTH)  # without one of them nothing fresh arrives


class Part(StrEnum):
    """A part of the pipeline, in the order in which a fault of one is a fault of the next."""

    QUESTDB = "QuestDB"
    KAFKA = "Kafka"
    CONNECT = "Kafka Connect"
    SINK = "sink"
    TABLE = "table"
    PRODUCER = "producer"
    FEED = "feed"
    SUPERVISOR = "supervisor"
    DASHBOARD = "dashboard"


class Problem(NamedTuple):
    """A fault: ``what`` in a few words, ``detail`` in sentences, with `code` in backticks."""

    part: Part
    what: str
    detail: str


NO_PRODUCER = Problem(
    Part.PRODUCER,
    "no producer reports",
    "No running producer has reported for hours, so a quiet market and a stopped publisher look"
    " the same. `liq run` starts a producer",
)


class FeedReport(NamedTuple):
    """A feed's last report: its time, whether it was connected, and when it last was."""

    exchange: str
    source: str
    reported: datetime
    connected: bool
    connected_at: datetime | None

    @property
    def name(self) -> str:
        """The exchange, and the kind of the source unless that is live."""
        return name_feed(self.exchange, self.source)


class Pulse(NamedTuple):
    """The newest row and the feeds' reports as of ``at``, which prove that the pipeline works."""

    at: datetime
    row: datetime | None
    feeds: Sequence[FeedReport]

    @property
    def is_fresh(self) -> bool:
        """Whether a row or a report is so new that all parts work."""
        return self._has_newer(FRESH)

    @property
    def is_late(self) -> bool:
        """Whether the next row or report is overdue, though not yet missing."""
        return not self._has_newer(_LATE)

    def find_silent(self, exchanges: Sequence[str] = ()) -> list[Problem]:
        """Return the faults of feeds, of ``exchanges`` only if any are given."""
        chosen = [feed for feed in self.feeds if not exchanges or feed.exchange in exchanges]
        silent = [feed for feed in chosen if not self._is_fresh(feed.reported)]
        lost = [feed for feed in chosen if feed not in silent and not feed.connected]
        return [*_describe_disconnected(lost), *_describe_silent(silent, self.at)]

    def _has_newer(self, age: timedelta) -> bool:
        moments = [self.row, *(feed.reported for feed in self.feeds)]
        return any(self._is_fresh(moment, age) for moment in moments)

    def _is_fresh(self, moment: datetime | None, age: timedelta = FRESH) -> bool:
        return moment is not None and -_AHEAD <= self.at - moment <= age


def fetch_feeds(settings: Settings | None = None) -> Sequence[FeedReport]:
    """Return the feeds that are expected now, by ``feed_health``. Raises `QuestDBError`."""
    found = queries.hit("feed_health", window=_REMEMBERED, settings=settings)
    rows: Iterator[Any] = found.itertuples(index=False)
    return [_build_feed(row) for row in rows if row.known and not row.stopped]


def describe_failure(error: QuestDBError) -> Problem:
    """Return the fault of QuestDB that ``error`` shows."""
    kinds = {
        QuestDBLoginError: "QuestDB refuses the password",
        QuestDBAwayError: "QuestDB is unreachable",
        QuestDBTimeoutError: "QuestDB does not answer",
        QuestDBError: "QuestDB fails",
    }
    what = next(what for kind, what in kinds.items() if isinstance(error, kind))
    return Problem(Part.QUESTDB, what, str(error))


def find_problems(settings: Settings | None = None) -> list[Problem]:
    """Return the faults that keep liquidations from arriving, the cause first.

    Takes two seconds at most, whatever hangs. Raises nothing that a service's fault causes.
    """
    settings = choose_settings(settings)
    probes: dict[Part, Callable[[], list[Problem]]] = {
        Part.QUESTDB: lambda: _probe_questdb(settings),
        Part.KAFKA: lambda: _probe_kafka(settings),
        Part.CONNECT: lambda: _probe_connect(settings),
    }
    pool = ThreadPoolExecutor(len(probes) + 1)
    answers = {part: pool.submit(probe) for part, probe in probes.items()}
    reported = pool.submit(_probe_producers, settings)
    wait([*answers.values(), reported], _PATIENCE_S)
    pool.shutdown(wait=False)  # hanging probes end by their own deadlines
    found = [
        problem for part, answer in answers.items() for problem in _collect_answer(part, answer)
    ]
    # producers that cannot deliver are not to blame
    return found or _collect_answer(Part.QUESTDB, reported)


def check_supervisor(settings: Settings) -> Problem | None:
    """Return the fault of a local stack's supervisor, None if it works or there is none.

    While it works it updates the modification time of a file every second, see
    `liq.common.heartbeat`.
    """
    run = settings.home / "run"
    silence = silence_s(run / "supervisor.beat")
    if not silence or not (run / "supervisor.json").exists():  # the latter: ended on purpose
        return None
    return Problem(
        Part.SUPERVISOR,
        "the supervisor does not run",
        f"The supervisor has sent no heartbeat for {silence:.0f} s. A service that crashes now is"
        " not restarted. Enter `liq status`, which starts the supervisor again",
    )


class SharedProbe:
    """`find_problems` for callers that may come at once: all that wait get one probe's result."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._begin()
        forks.in_child(self, SharedProbe._begin)  # the thread stays with the parent

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="liq-probe")
        self._running: Future[list[Problem]] | None = None

    def find_problems(self) -> list[Problem]:
        """Return the faults of the probe that runs, of a new one if none runs."""
        with self._lock:
            if self._running is None or self._running.done():
                self._running = self._pool.submit(find_problems, self._settings)
            running = self._running
        return running.result()  # of a bounded probe


class Examiner:
    """Finds `find_problems` on its own thread, for callers that must not wait."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.found: list[Problem] | None = None
        self._begin()
        forks.in_child(self, Examiner._begin)  # the thread stays with the parent

    def _begin(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="liq-examiner")
        self._running: Future[list[Problem]] | None = None
        self._ended = float("-inf")

    def ask(self) -> None:
        """Check again unless a check runs or has just ended; ``found`` gets the result."""
        if self._running is not None and self._running.done():
            self.found, self._running = self._running.result(), None
            self._ended = time.monotonic()
        if self._running is None and time.monotonic() - self._ended > _AGAIN_S:
            self._running = self._pool.submit(find_problems, self._settings)

    def forget(self) -> None:
        """Forget the faults, since liquidations arrive again."""
        self.found, self._running, self._ended = None, None, float("-inf")


def _build_feed(row: Any) -> FeedReport:
    reported = row.ts.to_pydatetime()
    last = None if pd.isna(row.connected_ts) else row.connected_ts.to_pydatetime()
    return FeedReport(str(row.exchange), str(row.source), reported, last == reported, last)


def _collect_answer(part: Part, answer: Future[list[Problem]]) -> list[Problem]:
    if answer.done():
        return answer.result()
    return [_describe_silence(part, f"No answer within {_PATIENCE_S:g} s")]


def _describe_silence(part: Part, why: str) -> Problem:
    return Problem(part, f"{part} does not answer", f"{why}; `liq status` shows whether it runs")


def _probe_questdb(settings: Settings) -> list[Problem]:
    try:
        reasons = questdb.list_suspended_tables(settings, as_reader=True, timeout=1.0)
    except QuestDBTimeoutError as error:
        return [_describe_silence(Part.QUESTDB, str(error))]
    except QuestDBError as error:
        return [describe_failure(error)]
    return [
        Problem(
            Part.TABLE,
            f"table {table} is suspended",
            f"QuestDB keeps its rows but does not show them: {reasons[table] or 'no reason given'}."
            " The supervisor resumes it within seconds; `liq status` starts a supervisor that does"
            " not run",
        )
        for table in (stream.table(settings) for stream in _STREAMS)
        if table in reasons
    ]


def _probe_kafka(settings: Settings) -> list[Problem]:
    silent = messaging.probe_brokers(settings, timeout=_PATIENCE_S - 0.5)
    if not silent:
        return []
    some = len(silent) < len(settings.kafka_bootstrap.split(","))
    who = f"{len(silent)} of Kafka's brokers" if some else Part.KAFKA
    verb = "do" if some and len(silent) > 1 else "does"
    why = "; ".join(f"{broker}: {reason}" for broker, reason in silent.items())
    return [_describe_silence(Part.KAFKA, why)._replace(what=f"{who} {verb} not answer")]


def _probe_connect(settings: Settings) -> list[Problem]:
    try:
        sinks = connect.read_statuses(settings, _STREAMS, timeout=_PATIENCE_S - 0.5)
    except LiqError as error:
        return [_describe_silence(Part.CONNECT, str(error))]
    return [_describe_sink(sink) for sink in sinks if not sink.is_running]


def _describe_sink(sink: ConnectorStatus) -> Problem:
    if sink.failures:
        why = "; ".join(sink.failures)
        how = "The supervisor restarts it; `liq up` does so at once"
        return Problem(Part.SINK, f"sink {sink.name} failed", f"{why}. {how}")
    states = {sink.state, *(task.state for task in sink.tasks)} - {"RUNNING"}
    state = ", ".join(sorted(states)).lower() or "without a task"
    how = f"PUT /connectors/{sink.name}/resume resumes a paused sink, `liq up` registers one"
    return Problem(Part.SINK, f"sink {sink.name} is {state}", f"No row reaches QuestDB. {how}")


def _probe_producers(settings: Settings) -> list[Problem]:
    try:
        reported = fetch_feeds(settings)
    except LiqError as error:
        return [Problem(Part.TABLE, "feed health cannot be read", str(error))]
    if not reported:
        return [NO_PRODUCER]
    return Pulse(datetime.now(UTC), None, reported).find_silent()


def _describe_disconnected(lost: Sequence[FeedReport]) -> list[Problem]:
    if not lost:
        return []
    since: dict[str, list[FeedReport]] = {}  # after an outage many have the same one
    long = f"for more than {_REMEMBERED // timedelta(minutes=1)} minutes"
    for feed in lost:
        at = feed.connected_at
        since.setdefault(f"since {_format_clock(at)} UTC" if at else long, []).append(feed)
    listed = (f"{', '.join(feed.name for feed in feeds)} {when}" for when, feeds in since.items())
    names = _join_names(lost)
    return [
        Problem(
            Part.FEED,
            f"disconnected: {names}",
            f"No connection to {'; '.join(listed)}. Liquidations since then are missing;"
            " `liq logs producer` shows why",
        )
    ]


def _describe_silent(silent: Sequence[FeedReport], now: datetime) -> list[Problem]:
    if not silent:
        return []
    last = ", ".join(
        f"{feed.name} {(now - feed.reported).total_seconds():.0f} s ago" for feed in silent
    )
    names = _join_names(silent)
    return [
        Problem(
            Part.PRODUCER,
            f"producer of {names} does not report",
            f"Reports are due every second; the last came from {last}. `liq status` shows whether"
            " it runs, `liq logs producer` what it says",
        )
    ]


def _join_names(feeds: Sequence[FeedReport]) -> str:
    return ", ".join(feed.name for feed in feeds) if len(feeds) <= _FEW else f"{len(feeds)} feeds"


def _format_clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}"
