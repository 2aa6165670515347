"""The pipeline now: topics, sinks and tables, with lags and faults.

It shows what Kafka UI shows, without Docker. If one part does not answer, its fault is shown in its
place, and the other parts are still shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from liq.common import http
from liq.config import Settings, choose_settings
from liq.delivery import connect, deadletters
from liq.delivery.connect import ConnectorStatus
from liq.delivery.deadletters import Letter
from liq.delivery.messaging import Partition, read_offsets
from liq.errors import LiqError, StackError
from liq.query import questdb
from liq.query.questdb import SkippedReports, WalState
from liq.records.streams import STREAMS, Stream

NEWEST = 1_000  # messages of the dead-letter topic: all of them may be too many to read each time
_CHECK_S = 10.0  # for what each server is asked, all together
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Flow:
    """A stream's state: ``partitions`` of its topic, its ``sink``, and its table's ``wal``.

    A part that did not answer is None. ``problems`` list the reason and other faults.
    """

    topic: str
    table: str
    partitions: Sequence[Partition] | None
    sink: ConnectorStatus | None
    wal: WalState | None
    problems: Sequence[str]

    @property
    def messages(self) -> int:
        """Messages that the topic holds."""
        return sum(each.end - each.begin for each in self.partitions or ())

    @property
    def lag(self) -> int:
        """Messages that the sink has not read yet."""
        return sum(each.lag for each in self.partitions or ())


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All flows, the letters not redriven among the `NEWEST` dead letters, and skipped reports.

    ``letters`` is None while Kafka is unreachable, ``passed`` (within the hour) while QuestDB is.
    """

    flows: Sequence[Flow]
    letters: Sequence[Letter] | None
    passed: Sequence[SkippedReports] | None = ()

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is broken."""
        return not any(flow.problems for flow in self.flows)


def check(settings: Settings | None = None) -> Pipeline:
    """Ask Kafka, Kafka Connect and QuestDB. Raises nothing: problems are part of the answer."""
    settings = choose_settings(settings)
    groups = {stream.topic(settings): f"connect-{stream.connector(settings)}" for stream in STREAMS}
    partitions, unread = _ask(lambda: read_offsets(groups, settings))
    letters, _unread = _ask(lambda: deadletters.list_letters(settings, newest=NEWEST))
    with http.within(_CHECK_S):
        sinks = [_ask(partial(connect.read_status, settings, stream)) for stream in STREAMS]
    with questdb.within(_CHECK_S):
        tables = [stream.table(settings) for stream in STREAMS]
        wals = [_ask(partial(questdb.read_wal_state, table, settings)) for table in tables]
        passed, _missing = _ask(lambda: questdb.list_skipped(settings))
    flows = [
        _build_flow(stream, (partitions, unread), sink, wal, settings)
        for stream, sink, wal in zip(STREAMS, sinks, wals, strict=True)
    ]
    return Pipeline(flows, letters, passed)


def _build_flow(
    stream: Stream,
    asked_partitions: tuple[Sequence[Partition] | None, str],
    asked_sink: tuple[ConnectorStatus | None, str],
    asked_wal: tuple[WalState | None, str],
    settings: Settings,
) -> Flow:
    topic, table = stream.topic(settings), stream.table(settings)
    partitions, unread = asked_partitions
    sink, unregistered = asked_sink
    wal, unwritten = asked_wal
    problems = [unread, unregistered, unwritten]
    if sink:
        problems += sink.failures or ([] if sink.is_running else [f"the sink is {sink.state}"])
    if wal and wal.suspended:
        problems.append(f"table {table} is suspended: {wal.reason or 'QuestDB does not say why'}")
    own = None if partitions is None else [each for each in partitions if each.topic == topic]
    return Flow(topic, table, own, sink, wal, [problem for problem in problems if problem])


def repair(settings: Settings | None = None) -> None:
    """Register missing sinks, restart failed tasks, and resume suspended tables.

    A failed repair does not stop the others. Raises `StackError` with all failures.
    """
    settings = choose_settings(settings)
    suspended, unread = _ask(lambda: questdb.list_suspended_tables(settings))
    acts: list[Callable[[], object]] = [
        *(partial(questdb.resume, table, settings) for table in suspended or ()),
        *(partial(connect.ensure, settings, stream) for stream in STREAMS),
    ]
    refusals = [unread, *(refusal for _, refusal in map(_ask, acts))]
    if faults := "; ".join(dict.fromkeys(filter(None, refusals))):
        raise StackError(faults)


def _ask(ask: Callable[[], T]) -> tuple[T | None, str]:
    try:
        return ask(), ""
    except LiqError as error:
        return None, str(error)
