"""What comes of more: of partitions, tasks and Connect workers, and of events a second.

Backlogs are drained with one worker, then two, two and one: what else the machine does meets both.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import psutil

from bench import ways
from bench.drain import drain_rate
from bench.environment import liq, own_names, prepare
from bench.events import events
from bench.publishing import send
from bench.watch import faults, rows
from liq import stack as local
from liq.config import Settings
from liq.delivery import connect, messaging
from liq.query import questdb, views
from liq.records.model import Liquidation
from liq.records.streams import LIQUIDATIONS
from liq.stack import control
from liq.stack.health import find_free_ports
from liq.stack.servers import CONNECT, define_servers

QUEUED = 400_000
SECONDS = 10
RATES = (100, 1_000, 5_000, 10_000, 15_000)
COMMON_RATE, COMMON_LAYOUT = 1_000, (3, 2, 1)
_LAYOUTS = ((1, 1), (3, 1), (3, 3), (6, 6), (12, 12))  # partitions, tasks
_OFFERED_TO = ((1, 1, 1), (6, 6, 1), (12, 12, 1), (6, 6, 2), (12, 12, 2))  # and workers
_WORKERS = (1, 2, 2, 1)
_CONTRACTS = 200  # in a backlog, spread over the partitions
_SAMPLES_PER_S = 200
_WARM_UP_S = 2
_PATIENCE_S = 60.0
_POLL_S = 0.005


class Drained(msgspec.Struct, frozen=True):
    """A backlog that came into the table: rows/s of each time, from the first seen to the last."""

    partitions: int
    tasks: int
    workers: int
    rates: list[float]
    lost: int
    doubled: int


class Offered(msgspec.Struct, frozen=True):
    """Events that came ``rate`` a second, from simulator to table, by a layout as of `Drained`.

    ``carried`` a second until the last was seen; ``p50`` and ``p99`` are milliseconds from when an
    event was due to the query that showed it. ``cpu`` is microseconds an event, by process,
    ``message_bytes`` what a message takes in the topic.
    """

    rate: int
    partitions: int
    tasks: int
    workers: int
    carried: float
    p50: float
    p99: float
    lost: int
    doubled: int
    cpu: dict[str, float]
    message_bytes: float


class Scale(msgspec.Struct, frozen=True):
    """All that was measured; a row is ``row_bytes`` on disk, ``sink_bytes`` on its way there."""

    drained: list[Drained]
    offered: list[Offered]
    row_bytes: float
    sink_bytes: float
    begun: str
    cores: int
    load: tuple[float, float]


def scale(stack: Settings, done: Callable[[str], object] = lambda _: None) -> Scale:
    """Measure on a running stack; ``done`` gets the name of the next step."""
    begun, before = datetime.now(UTC).isoformat(timespec="seconds"), os.getloadavg()[0]
    runs = [(rate, COMMON_LAYOUT) for rate in RATES]
    runs += [(COMMON_RATE, layout) for layout in _OFFERED_TO]
    offered = []
    for rate, layout in runs:
        done(f"{rate:,} events/s by {_described(layout)}")
        with _workers(stack, layout[-1]):
            offered.append(_offer(stack, rate, layout))
    drained = _drain_all(stack, done)
    done("bytes of a row")
    row_bytes, sink_bytes = _bytes(stack)
    return Scale(
        drained=drained,
        offered=offered,
        row_bytes=row_bytes,
        sink_bytes=sink_bytes,
        begun=begun,
        cores=os.cpu_count() or 0,
        load=(before, os.getloadavg()[0]),
    )


def _described(layout: tuple[int, int, int]) -> str:
    return "{} partitions, {} tasks, {} workers".format(*layout)


def _offer(stack: Settings, rate: int, layout: tuple[int, int, int]) -> Offered:
    partitions, tasks, workers = layout
    own = {"partitions": partitions, "sink_tasks": tasks}
    settings = own_names(stack).model_copy(update=own)
    prepare(settings)
    total = rate * SECONDS
    with (
        liq(settings, "produce", "--url", ways.url(settings)) as producer,
        liq(settings, "simulate", "--rate", str(rate), "--count", str(total)) as simulator,
    ):
        ours = {"producer": producer.pid, "simulator": simulator.pid}
        with _cpu(settings, ours) as spent:
            seen = _watch(settings, total, every=max(1, rate // _SAMPLES_PER_S))
    lost = faults(settings, total)
    connect.remove(settings)
    first, last = min(seen.values()), max(due + late for due, late in seen.values())
    delays = [late / 1000 for due, late in seen.values() if due > first[0] + _WARM_UP_S * 1e6]
    p50, p99 = np.percentile(delays, [50, 99])
    return Offered(
        rate=rate,
        partitions=partitions,
        tasks=tasks,
        workers=workers,
        carried=(total - lost["lost"]) * 1e6 / (last - first[0]),
        p50=float(p50),
        p99=float(p99),
        lost=int(lost["lost"]),
        doubled=int(lost["doubled"]),
        cpu={name: seconds * 1e6 / total for name, seconds in spent.items()},
        message_bytes=_topic_bytes(settings) / total,
    )


def _watch(settings: Settings, total: int, every: int) -> dict[int, tuple[int, int]]:
    """Return when one event in ``every`` was due, and how much later it showed, microseconds."""
    sql = (
        "SELECT event_id, cast(ts AS LONG) AS due"  # noqa: S608 - our own name
        f" FROM {LIQUIDATIONS.table(settings)} WHERE event_id % {every} = 0"
    )
    seen: dict[int, tuple[int, int]] = {}
    end = time.monotonic() + SECONDS + _PATIENCE_S
    complete = False
    while not complete and time.monotonic() < end:
        complete = rows(settings) >= total  # asked first, so that all are in the last look
        frame = questdb.fetch(sql, None, settings)
        now = time.time_ns() // 1000
        for event, due in zip(frame["event_id"].tolist(), frame["due"].tolist(), strict=True):
            if event not in seen:
                seen[event] = (due, now - due)
        time.sleep(_POLL_S)
    return seen


@contextmanager
def _cpu(settings: Settings, pids: Mapping[str, int]) -> Iterator[dict[str, float]]:
    """Fill in the seconds of CPU that the servers and ``pids`` took within the block."""
    servers = {one.name: one.pid for one in local.status(settings) if one.pid}
    processes = {name: psutil.Process(pid) for name, pid in (servers | dict(pids)).items()}
    before = {name: _seconds(process) for name, process in processes.items()}
    spent: dict[str, float] = {}
    yield spent
    spent |= {name: _seconds(process) - before[name] for name, process in processes.items()}


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _drain_all(stack: Settings, done: Callable[[str], object]) -> list[Drained]:
    topics = {}
    for partitions in sorted({partitions for partitions, _ in _LAYOUTS}):
        done(f"a backlog in {partitions} partitions")
        topics[partitions] = _queued(stack, partitions)
    found: dict[tuple[int, int, int], Drained] = {}
    for workers in _WORKERS:
        with _workers(stack, workers):
            for partitions, tasks in _LAYOUTS:
                if tasks >= workers:
                    layout = (partitions, tasks, workers)
                    done(f"a backlog by {_described(layout)}")
                    drained = _drain(stack, topics[partitions], layout)
                    found[layout] = _both(found[layout], drained) if layout in found else drained
    return list(found.values())


def _drain(stack: Settings, topic: str, layout: tuple[int, int, int]) -> Drained:
    partitions, tasks, workers = layout
    settings = own_names(stack).with_streams(liquidations={"topic": topic})
    settings = settings.model_copy(update={"sink_tasks": tasks})
    questdb.ensure_table(settings)
    views.ensure(settings)
    # the first rows come before all tasks are known to run
    registering = threading.Thread(target=connect.ensure, args=(settings,))
    registering.start()
    rate = drain_rate(settings, QUEUED)
    registering.join()
    lost = faults(settings, QUEUED)
    connect.remove(settings)
    return Drained(partitions, tasks, workers, [rate], int(lost["lost"]), int(lost["doubled"]))


def _both(one: Drained, other: Drained) -> Drained:
    return msgspec.structs.replace(
        one,
        rates=[*one.rates, *other.rates],
        lost=max(one.lost, other.lost),
        doubled=max(one.doubled, other.doubled),
    )


@contextmanager
def _workers(stack: Settings, number: int) -> Iterator[None]:
    """Run this number of Connect workers in the stack's group."""
    with TemporaryDirectory(prefix="liq-bench-") as home:
        port = find_free_ports()["connect_port"]
        settings = stack.model_copy(update={"home": Path(home), "connect_port": port})
        more = [each for each in define_servers(settings) if each.name == CONNECT][: number - 1]
        try:
            control.launch(more, settings)
            for each in more:
                control.wait_healthy(each)
            yield
        finally:
            control.end(more, settings)


def _queued(stack: Settings, partitions: int) -> str:
    """Return a topic of its own that holds a backlog."""
    settings = own_names(stack).model_copy(update={"partitions": partitions})
    messaging.ensure_topics(settings)
    send(settings, _spread(QUEUED))
    return LIQUIDATIONS.topic(settings)


def _spread(count: int) -> Iterator[Liquidation]:
    for number, event in enumerate(events(count)):
        symbol = f"A{number % _CONTRACTS:03}USDT"
        yield msgspec.structs.replace(event, symbol=symbol)


def _bytes(stack: Settings) -> tuple[float, float]:
    """Return the bytes of a row on disk, of a day that is over, and from Connect to QuestDB."""
    settings = own_names(stack)
    messaging.ensure_topics(settings)
    questdb.ensure_table(settings)
    day = 86_400_000_000
    past = [msgspec.structs.replace(each, ts=each.ts - 2 * day) for each in _spread(QUEUED)]
    send(settings, [*past, msgspec.structs.replace(past[-1], ts=past[-1].ts + 2 * day)])
    before = _loopback()
    connect.ensure(settings)
    drain_rate(settings, QUEUED + 1)
    carried = (_loopback() - before - _topic_bytes(settings)) / QUEUED
    sql = f"SELECT numRows, diskSize FROM table_partitions('{LIQUIDATIONS.table(settings)}')"  # noqa: S608
    oldest = questdb.fetch(sql, None, settings).iloc[0]
    connect.remove(settings)
    return float(oldest["diskSize"] / oldest["numRows"]), carried


def _topic_bytes(settings: Settings) -> int:
    folders = (settings.home / "kafka").glob(f"{LIQUIDATIONS.topic(settings)}-[0-9]*")
    return sum(log.stat().st_size for folder in folders for log in folder.glob("*.log"))


def _loopback() -> int:
    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)
