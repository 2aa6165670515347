"""How many events a second the live path carries."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import psutil

from bench import ways
from bench.environment import create_stamped_topic, liq, own_names, prepare, wait_until
from bench.watch import rows
from liq.config import Settings
from liq.delivery import connect, messaging
from liq.ingest.simulator.exchanges import create_exchange
from liq.ingest.venues import VENUES
from liq.records.model import decode
from liq.records.streams import LIQUIDATIONS


class _Run(NamedTuple):
    settings: Settings
    url: str
    feeds: int
    rate: int  # events/s of all feeds
    seconds: int
    processes: int = 1


class Moments(NamedTuple):
    """When an event was due by its venue, and when Kafka had it, in seconds."""

    due: float
    appended: float


def live_path(stack: Settings, rate: int = 15_000, seconds: int = 20) -> dict[str, float]:
    """Return events/s from simulator to SQL while the simulator offers ``rate`` a second.

    ``lost`` counts events that were sent and are not stored, ``behind_s`` how long after the last
    one was due the last one was visible, ``producer_us`` and ``simulator_us`` the processor time of
    each for an event, in microseconds.
    """
    settings = own_names(stack)
    prepare(settings)
    return _carry(_Run(settings, ways.url(settings), 1, rate, seconds), lambda: rows(settings))


def all_venues(
    stack: Settings, rate: int = 15_000, seconds: int = 60, processes: int = 2
) -> dict[str, float]:
    """Return events/s from simulators to Kafka, of all venues in one ``liq produce``.

    The sink starts after the last one, so simulators, producers and Kafka have the machine to
    themselves. ``lost`` counts events that were sent and are not stored in the end. The rates and
    ``behind_s`` are those of `compare_with_schedule`.
    """
    settings = own_names(stack)
    create_stamped_topic(settings)
    prepare(settings)
    connect.remove(settings)
    url = f"ws://127.0.0.1:{settings.simulator_port}/{{venue}}"
    run = _Run(settings, url, len(VENUES), rate, seconds, processes)
    figures = _carry(run, lambda: _count(settings), every=0.5)
    figures |= compare_with_schedule(_read_moments(settings))
    connect.ensure(settings)
    sent = _count(settings)
    _settle(lambda: rows(settings), sent, 10 * seconds)
    return {**figures, "lost": figures["lost"] + sent - rows(settings)}


def compare_with_schedule(feeds: Mapping[str, Sequence[Moments]]) -> dict[str, float]:
    """Return the rates while all feeds are on, and by how much Kafka's last event was late.

    Feeds begin and end seconds apart, since some wait for subscriptions, and events are due at
    random times. So the time from the first event of all to the last one says little about whether
    the producers keep up. ``offered_per_s`` counts events by when they were due, ``carried_per_s``
    by when Kafka had them. ``behind_s`` is the longest delay of an event. The time for which a
    venue gathers events into a frame is no delay.
    """
    begin = max(min(one.due for one in feed) for feed in feeds.values())
    end = min(max(one.due for one in feed) for feed in feeds.values())
    if begin >= end:
        raise ValueError("at no time were all feeds on: something else keeps the machine busy")
    gathers = {name: create_exchange(name).gathers_s for name in feeds}
    due, appended, delay = np.array(
        [
            (one.due, one.appended, one.appended - one.due - gathers[name])
            for name, feed in feeds.items()
            for one in feed
        ]
    ).T
    is_due = (due >= begin) & (due < end)
    return {
        "offered_per_s": float(is_due.sum() / (end - begin)),
        "carried_per_s": float(((appended >= begin) & (appended < end)).sum() / (end - begin)),
        "behind_s": max(0.0, float(delay[is_due].max())),
    }


def _read_moments(settings: Settings) -> dict[str, list[Moments]]:
    """Return the moments of each feed's events."""
    feeds: dict[str, list[Moments]] = {}
    for message in messaging.read(LIQUIDATIONS.topic(settings), settings):
        if message.value:
            record = decode(message.value)
            moments = Moments(record.ts / 1e6, message.time / 1e6)
            feeds.setdefault(record.exchange, []).append(moments)
    return feeds


def _count(settings: Settings) -> int:
    """Return how many messages Kafka has."""
    group = {LIQUIDATIONS.topic(settings): f"connect-{LIQUIDATIONS.connector(settings)}"}
    return sum(one.end for one in messaging.read_offsets(group, settings))


def _carry(run: _Run, count: Callable[[], int], every: float = 0.05) -> dict[str, float]:
    """Return the figures of a run, by the number of events that arrived."""
    each = round(run.rate / run.feeds * run.seconds)  # events of a feed
    total = each * run.feeds
    shared = ["--processes", str(run.processes)]
    pace = ["--rate", str(run.rate / run.feeds), "--count", str(each)]
    with (
        liq(run.settings, "produce", "--no-prices", "--url", run.url, *shared) as producer,
        liq(run.settings, "simulate", *pace) as simulator,
    ):
        wait_until(lambda: count() > 0, timeout=60, every=every)
        begin = time.monotonic()
        _settle(count, total, 10 * run.seconds, every)
        took = time.monotonic() - begin
        used = _measure_cpu(producer.pid)
        made = _measure_cpu(simulator.pid)
        arrived = count()
    return {
        "feeds": run.feeds,
        "offered_per_s": run.rate,
        "carried_per_s": arrived / took,
        "lost": total - arrived,
        "behind_s": max(0.0, took - run.seconds),
        "processes": run.processes,
        "producer_us": used * 1e6 / arrived,
        "simulator_us": made * 1e6 / arrived,
    }


def _measure_cpu(pid: int) -> float:
    """Return the processor time of a process and its children so far, in seconds."""
    parent = psutil.Process(pid)
    times = [one.cpu_times() for one in (parent, *parent.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _settle(count: Callable[[], int], total: int, timeout: float, every: float = 0.05) -> None:
    try:
        wait_until(lambda: count() >= total, timeout, every)
    except TimeoutError:
        return  # the caller reports what is missing
