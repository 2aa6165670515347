"""Producers in several processes, for more events than one processor parses.

Each process runs the producers of some feeds, see `liq.delivery.producer.run`, and reports their
statuses over a socket. A process whose parent is gone ends, and its feeds stay expected. A parent
that does not read, as its terminal is paused, holds no process up.
"""

import asyncio
import contextlib
import multiprocessing
import select
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection

from liq.common import waiting
from liq.delivery.messaging import OutageLog
from liq.delivery.producer import FeedState, Producer, Status, note_outage, run
from liq.errors import FeedError, LiqError

_SHOW_S = 0.5
_END_EVERY_S = 0.05
_LONGEST_END_S = 30.0  # more than producers take to deliver, see `Producer.stop`

Create = Callable[[Sequence[str]], list[Producer]]


class _Worker:
    """One process, and what it reported last."""

    def __init__(self, feeds: Sequence[str], create: Create) -> None:
        context = multiprocessing.get_context("spawn")  # a fork copies locks that threads hold
        self._reports, sending = context.Pipe()  # a socket, see `_has_room`
        self.process = context.Process(target=_work, args=(feeds, create, sending), daemon=True)
        self.process.start()
        sending.close()
        self.statuses: Sequence[Status] = ()
        self.error: LiqError | None = None

    def read(self) -> None:
        """Take the reports that are there."""
        with contextlib.suppress(EOFError, OSError):
            while self._reports.poll():
                report = self._reports.recv()
                if isinstance(report, LiqError):
                    self.error = report
                else:
                    self.statuses = report

    def end(self, *, on_purpose: bool) -> None:
        """Have it stop its feeds; unless that is ``on_purpose`` they stay expected."""
        if on_purpose:
            self.process.terminate()
        else:
            self._reports.close()


def split_feeds(feeds: Sequence[str], processes: int) -> list[Sequence[str]]:
    """Return the feeds of each process: at most as many processes as feeds."""
    return [feeds[first::processes] for first in range(min(processes, len(feeds)))]


async def run_in_processes(
    groups: Sequence[Sequence[str]],
    create: Create,
    show: Callable[[Sequence[Status]], None],
) -> None:
    """Run a process for each group of feeds until SIGINT, SIGTERM or a failure.

    ``create`` returns the producers of a group, and can be pickled. ``show`` gets the statuses of
    all feeds twice a second and at the end. Raises the error that ended a process, or `FeedError`
    if every feed has failed.
    """
    workers = [_Worker(feeds, create) for feeds in groups]
    outages = OutageLog()
    with waiting.catch_signals() as ended:
        try:
            while all(worker.process.is_alive() for worker in workers):
                statuses = _read(workers)
                note_outage(outages, statuses)
                show(statuses)
                _require_one(statuses)
                if await waiting.wait(_SHOW_S, ended):
                    break
        finally:
            gone = [worker for worker in workers if not worker.process.is_alive()]
            on_purpose = ended.is_set()
            await _end(workers, on_purpose=on_purpose)
            show(_read(workers))
    for worker in workers:
        if worker.error:
            raise worker.error
    if gone and not on_purpose:
        raise LiqError(f"a process of producers ended with code {gone[0].process.exitcode}")


def _read(workers: Sequence[_Worker]) -> Sequence[Status]:
    for worker in workers:
        worker.read()
    return [status for worker in workers for status in worker.statuses]


def _require_one(statuses: Sequence[Status]) -> None:
    """Raise `FeedError` if every feed has failed."""
    if statuses and all(status.state is FeedState.FAILED for status in statuses):
        raise FeedError(statuses[0].last_error)


async def _end(workers: Sequence[_Worker], *, on_purpose: bool) -> None:
    for worker in workers:
        worker.read()
        worker.end(on_purpose=on_purpose)
    end = time.monotonic() + _LONGEST_END_S
    while alive := [worker for worker in workers if worker.process.is_alive()]:
        _read(workers)  # a full socket would block its error
        if time.monotonic() > end:  # frozen; its messages are on disk
            for worker in alive:
                worker.process.kill()
        await asyncio.sleep(_END_EVERY_S)


def _work(feeds: Sequence[str], create: Create, reports: Connection) -> None:
    """Run the producers of a process."""

    try:
        asyncio.run(run(create(feeds), partial(_report, reports=reports), others=True))
    except LiqError as error:
        with contextlib.suppress(OSError):
            reports.send(error)


def _report(statuses: list[Status], reports: Connection) -> None:
    """Send the statuses; not if that would block, which would hold the feeds up."""
    if not _has_room(reports):
        return
    try:
        reports.send(statuses)
    except OSError as error:
        raise LiqError("the process that started this one is gone") from error


def _has_room(reports: Connection) -> bool:
    """Return whether the socket takes a report: Linux calls it writable if it is nearly empty."""
    poll = select.poll()
    poll.register(reports.fileno(), select.POLLOUT)
    return bool(poll.poll(0))
