"""From one venue's websocket to Kafka: feed, parser, publisher, and a status to show."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from liq.common import waiting
from liq.config import Settings, choose_settings
from liq.delivery import connect
from liq.delivery.intake import Intake
from liq.delivery.messaging import OutageLog, Publisher, PublisherStats
from liq.errors import ConfigError, FeedError
from liq.ingest.contracts import Contracts, ReloadLimits
from liq.ingest.feed import Feed, FeedStats, Timeouts
from liq.ingest.instruments import ListedInstruments, Origin, limit_completeness
from liq.ingest.recording import FLUSH_S, Recorder, Rotation, SideRecorder
from liq.ingest.venues import PRICE_FEEDS, build_url, find_venue
from liq.ingest.venues.base import Instruments, SkipReason, Through
from liq.ingest.via_cryptofeed import CryptoFeed
from liq.records.model import Completeness, FeedHealth, Record, Source
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS, PRICES

_LOG = logging.getLogger(__name__)

_STALLED_S = 2.0  # Kafka acknowledges in milliseconds
_RATE_WINDOW_S = 5.0
_SHOW_S = 0.5
_HEALTH_S = 1.0
_SINKS_S = 15.0
_FAULT = 500  # characters
_RESTART_S = 5.0
_LONGEST_RESTART_S = 300.0
_SAY_S = 1.0  # how long the last row of health waits for room


class FeedState(StrEnum):
    """What a producer is doing."""

    STOPPED = "stopped"
    CONNECTING = "connecting"  # to the exchange
    RUNNING = "running"
    STALLED = "stalled"  # Kafka does not acknowledge; nothing is lost while it is waited for
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Status:
    """A producer at one moment.

    ``received`` counts messages that hold records (liquidations, or prices of a price feed), of
    which ``dead_lettered`` were invalid. ``sent`` and ``acknowledged`` count records that Kafka was
    given and confirmed. ``errors`` counts failures of Kafka and of the feed's connections. ``rate``
    is in records/s over the last seconds, ``lag_s`` the age of the newest record at receipt.
    ``last_frame`` is the time of the last frame of any kind (UTC microseconds, 0 before it).
    ``passed`` counts reports of liquidations that were skipped on purpose, by the reason.
    ``warning`` is a fault that does not stop the producer: a full disk, a topic that no sink reads.
    ``contracts`` says how many contracts the venue has, their origin and age, and why there are no
    newer ones. ``awaited`` says that Kafka is waited for, and why.
    """

    venue: str
    url: str
    state: FeedState
    source: Source | None
    rate: float
    received: int
    sent: int
    acknowledged: int
    dead_lettered: int
    errors: int
    reconnects: int
    queued: int
    in_flight: int
    last_frame: int
    lag_s: float | None
    last_error: str
    warning: str = ""
    passed: Mapping[SkipReason, int] = field(default_factory=dict)
    contracts: str = ""
    awaited: str = ""

    @property
    def passed_text(self) -> str:
        """``passed`` as text, "" if nothing was skipped."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.passed.items())


class Producer:
    """Publishes one venue's liquidations, or the prices of a price feed, until it is stopped.

    Once a second it publishes a `FeedHealth` row for a feed of liquidations; a price feed needs
    none, since gaps show in its rows. If the producer is stopped on purpose, its last row has
    ``stopped`` set. After a failure or a kill the feed stays expected, so the time is a gap.

    In a notebook ``await producer.start()`` returns once Kafka is reached; the producer keeps a
    task of the kernel's loop running. ``await producer.stop()`` delivers queued messages. A program
    passes it to `run`.

    Args:
        venue: A feed of `liq.ingest.venues`, e.g. ``"bybit"``.
        url: A websocket in place of the venue's own, e.g. a simulator's.
        instruments: The venue's contracts by symbol, which are never reloaded. By default they are
            loaded at the start and reloaded while it runs, see `liq.ingest.contracts`.
        timeouts: Time limits of the connection, in seconds.
        limits: When the venue's listing is requested again, in seconds.
        record: A folder for the raw frames; they are not recorded by default.
        rotation: The size, age and number of recorded files, see `liq.ingest.recording`.
        through: Whether liq's own feed or cryptofeed connects.
        settings: Settings of the stack; the current ones by default.

    Example:
        >>> import asyncio
        >>> async def follow(seconds: float) -> str:
        ...     producer = liq.Producer("bybit", "ws://127.0.0.1:8765/bybit")
        ...     await producer.start()
        ...     await asyncio.sleep(seconds)
        ...     await producer.stop()
        ...     return producer.status().state
        >>> asyncio.run(follow(seconds=1))
        <FeedState.STOPPED: 'stopped'>
    """

    def __init__(
        self,
        venue: str = "binance_usdm",
        url: str = "",
        *,
        instruments: Instruments | None = None,
        timeouts: Timeouts | None = None,
        limits: ReloadLimits | None = None,
        through: Through = Through.DIRECT,
        record: Path | None = None,
        rotation: Rotation | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Raises `ConfigError` for a venue that is unknown, or that cryptofeed does not support."""
        if url and through is Through.CRYPTOFEED:
            raise ConfigError("cryptofeed connects to the exchange itself: leave the URL out")
        self._venue = find_venue(venue)
        self._url = build_url(venue, url)
        self._contracts = Contracts(self._venue, settings, given=instruments, limits=limits)
        self._timeouts = timeouts
        self._through = through
        self._settings = settings
        self._recorder = SideRecorder(Recorder(record, venue, rotation)) if record else None
        self._task: asyncio.Task[None] | None = None
        self._refusal = ""  # why it did not start
        self._renew()

    @property
    def is_running(self) -> bool:
        """Whether it receives, or tries to."""
        return self._task is not None and not self._task.done()

    async def start(self, *, wait: bool = False) -> None:
        """Load the contracts, connect to Kafka, then receive in the background.

        Does nothing when running. An unreachable websocket is retried until it answers, and
        `status` says so.

        Args:
            wait: Also start while no broker can be reached. The journal keeps the messages until
                one answers. If that broker refuses, the producer fails.

        Raises:
            KafkaError: The broker cannot be reached, or refuses.
            FeedError: No source has the venue's contracts.
        """
        if self.is_running:
            return
        try:
            await self._contracts.load()
        except FeedError as error:
            self._refusal = str(error)
            raise
        self._refusal = ""
        self._renew()
        await self._publisher.start(wait=wait)
        self._task = asyncio.create_task(self._run(), name=f"liq {self._venue.name}")

    async def stop(self, timeout: float = 10, *, on_purpose: bool = True) -> None:
        """Stop receiving and deliver queued messages; does nothing when stopped.

        With ``on_purpose=False`` the feed stays expected, as after a kill.

        Raises:
            KafkaError: Delivery takes longer than ``timeout`` seconds.
            LiqError: The error that made the producer fail.
        """
        task, self._task = self._task, None
        if task is None:
            return
        self._on_purpose = on_purpose
        task.cancel()
        await asyncio.wait({task})
        try:
            await self._publisher.close(timeout)
        finally:
            if self._recorder:
                self._recorder.close()
        if not task.cancelled() and (failure := task.exception()):
            raise failure

    async def wait(self) -> None:
        """Wait until it ends by itself or is stopped. Raises the error that made it fail."""
        task = self._task
        if task is None:
            return
        await asyncio.wait({task})
        if not task.cancelled() and (failure := task.exception()):
            raise failure

    def status(self) -> Status:
        """Return the status now; cheap enough to call many times a second."""
        feed, kafka = self._feed.stats(), self._publisher.stats()
        newest = self._intake.newest
        return Status(
            venue=self._venue.name,
            url=self._feed.url,
            state=self._state(feed, kafka),
            source=newest.source if newest else None,
            rate=self._rate(kafka.sent),
            received=self._intake.received,
            sent=kafka.sent,
            acknowledged=kafka.acknowledged,
            dead_lettered=kafka.dead_lettered,
            errors=kafka.errors + feed.errors,
            reconnects=feed.reconnects,
            queued=kafka.queued,
            in_flight=kafka.in_flight,
            last_frame=feed.last_frame,
            lag_s=_lag_s(newest),
            last_error=self._failure() or kafka.last_error or feed.last_error,
            warning="; ".join(
                filter(None, (kafka.warning, self._recorder_warning(), self._unread))
            ),
            passed=dict(self._intake.passed),
            contracts=str(self._contracts),
            awaited=kafka.awaited,
        )

    def _renew(self) -> None:
        """Create a publisher, an intake and a feed with counters at zero."""
        self._publisher = Publisher(self._settings)
        self._intake = Intake(
            self._venue, self._contracts.known, self._publisher, self._contracts.request_for
        )
        self._feed = self._new_feed()
        self._samples: deque[tuple[float, int]] = deque()
        self._unread = ""
        self._last_health: FeedHealth | None = None
        self._on_purpose = True

    def _new_feed(self) -> Feed | CryptoFeed:
        if self._through is Through.CRYPTOFEED:
            return CryptoFeed(self._venue, self._take)
        return Feed(
            self._venue,
            self._take,
            self._url,
            self._contracts.listed,
            self._timeouts,
            reconnected=self._contracts.request,
        )

    async def _take(self, raw: bytes, recv_ts: int, source: Source) -> None:
        if self._recorder:
            self._recorder.write(raw, recv_ts, source)
        await self._intake.take(raw, recv_ts, source)

    async def _run(self) -> None:
        completeness = self._venue.completeness
        health = self._health(completeness) if completeness else None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publisher.reach())
                tasks.create_task(self._feed.run())
                tasks.create_task(self._follow_contracts())
                if health:
                    tasks.create_task(self._report(health))
                tasks.create_task(self._look_for_sinks())
                tasks.create_task(self._flush_recording())
        except ExceptionGroup as group:
            await self._give_up_waiting()
            raise group.exceptions[0] from None
        except asyncio.CancelledError:
            await self._give_up_waiting()
            if health and self._last_health and self._on_purpose:
                await self._report_stopped(next(health), self._last_health)
            raise

    async def _follow_contracts(self) -> None:
        """Subscribe to new contracts, and parse messages that waited for them."""
        async for contracts in self._contracts.reloads():
            self._feed.listen_to(contracts.listed)
            contracts.note_unsubscribed(self._feed.count_unsubscribed(contracts.listed))
            await self._intake.renew(contracts.known)

    async def _give_up_waiting(self) -> None:
        """Send messages of unknown contracts to the dead letters."""
        with contextlib.suppress(TimeoutError):  # a full journal must not keep it from ending
            async with asyncio.timeout(_SAY_S):
                await self._intake.renew(self._contracts.known)

    async def _look_for_sinks(self) -> None:
        """Note a warning if no sink reads the topic."""
        settings = choose_settings(self._settings)
        streams = [LIQUIDATIONS, FEED_HEALTH] if self._venue.completeness else [PRICES]
        while True:
            self._unread = await asyncio.to_thread(connect.describe_unread, settings, streams)
            await asyncio.sleep(_SINKS_S)

    async def _flush_recording(self) -> None:
        """Put recorded frames on disk also if none follow them, so that they are found."""
        while self._recorder:
            await asyncio.sleep(FLUSH_S)
            self._recorder.flush()

    async def _report(self, health: Iterator[FeedHealth]) -> None:
        next(health)  # it counts from now on
        while True:
            await asyncio.sleep(_HEALTH_S)
            listed = self._contracts.listed
            self._contracts.note_unsubscribed(self._feed.count_unsubscribed(listed))
            before, row = self._last_health, next(health)
            self._last_health = row
            if before and before.source != row.source:  # the handshake showed a simulator
                await self._publisher.report(replace(before, ts=row.ts, stopped=True))
            await self._publisher.report(row)

    async def _report_stopped(self, row: FeedHealth, before: FeedHealth) -> None:
        """Report that the feed was stopped on purpose: ``row`` is the time since ``before``."""
        # the connection is closed by now, but it was open until now
        last = replace(row, connected=before.connected and not row.gaps, stopped=True)
        with contextlib.suppress(TimeoutError):  # a full journal must not keep it from ending
            async with asyncio.timeout(_SAY_S):
                await self._publisher.report(last)

    def _health(self, completeness: Completeness) -> Iterator[FeedHealth]:
        """Yield feed health since the previous row, for ever."""
        feed, newest = self._feed.stats(), self._intake.newest
        passed = self._intake.passed.copy()
        while True:
            before, feed = feed, self._feed.stats()
            seen, newest = newest, self._intake.newest
            skipped, passed = self._intake.passed - passed, self._intake.passed.copy()
            kafka = self._publisher.stats()
            yield FeedHealth(
                ts=time.time_ns() // 1000,
                exchange=self._venue.name,
                source=feed.source,
                completeness=limit_completeness(self._contracts.listed, completeness, feed.source),
                connected=feed.connected,
                messages=feed.frames - before.frames,
                gaps=feed.gaps - before.gaps,
                reconnects=feed.reconnects - before.reconnects,
                lag=_lag_s(newest) if newest is not seen else None,
                queued=kafka.queued + kafka.in_flight,
                passed=skipped.total(),
                too_old=skipped[SkipReason.OLD],
                **_describe_contracts(self._contracts.listed),
            )

    def _state(self, feed: FeedStats, kafka: PublisherStats) -> FeedState:
        if self._refusal:
            return FeedState.FAILED
        if self._task is None:
            return FeedState.STOPPED
        if self._task.done():
            return FeedState.FAILED
        if kafka.waiting_s > _STALLED_S:
            return FeedState.STALLED
        return FeedState.RUNNING if feed.connected else FeedState.CONNECTING

    def _recorder_warning(self) -> str:
        return self._recorder.warning if self._recorder else ""

    def _failure(self) -> str:
        failed = self._task and self._task.done() and not self._task.cancelled()
        return str(self._task.exception()) if self._task and failed else self._refusal

    def _rate(self, sent: int) -> float:
        now = time.monotonic()
        self._samples.append((now, sent))
        while self._samples[0][0] < now - _RATE_WINDOW_S:
            self._samples.popleft()
        then, before = self._samples[0]
        return (sent - before) / (now - then) if now > then else 0.0


def _describe_contracts(listed: Instruments) -> dict[str, Any]:
    """Return the fields of feed health about the contracts; none if the caller gave them."""
    if not isinstance(listed, ListedInstruments):
        return {}
    age = (datetime.now(UTC) - listed.as_of).total_seconds()
    fault = listed.fault[:_FAULT].encode("ascii", "replace").decode()
    return {
        "contracts": str(listed.origin),
        "contracts_age": None if listed.origin is Origin.NAMES else age,
        "contracts_fault": fault or None,
    }


def _lag_s(record: Record | None) -> float | None:
    return (record.recv_ts - record.ts) / 1e6 if record else None


def list_feeds(venues: Sequence[str], url: str = "", *, prices: bool = True) -> list[str]:
    """Return the venues and, with ``prices``, the price feeds.

    With a ``url`` of a single venue there are no price feeds, since prices of the real market do
    not fit a simulated exchange.
    """
    with_prices = prices and (not url or "{venue}" in url)
    return list(dict.fromkeys([*venues, *(PRICE_FEEDS if with_prices else ())]))


def create_producers(
    venues: Sequence[str],
    url: str = "",
    *,
    prices: bool = True,
    through: Through = Through.DIRECT,
    record: Path | None = None,
    rotation: Rotation | None = None,
    settings: Settings | None = None,
) -> list[Producer]:
    """Return a producer for each of `list_feeds`.

    Other arguments are as in `Producer`. Raises `ConfigError`.
    """
    kept: dict[str, Any] = {"record": record, "rotation": rotation, "settings": settings}
    return [
        Producer(name, url, through=through if name in venues else Through.DIRECT, **kept)
        for name in list_feeds(venues, url, prices=prices)
    ]


async def run(
    producers: Sequence[Producer],
    show: Callable[[list[Status]], None] | None = None,
    *,
    others: bool = False,
) -> None:
    """Run producers until SIGINT, SIGTERM or a failure, then deliver queued messages.

    A producer whose feed fails is started again, with a pause that doubles, as long as another has
    not failed. With ``others``, which run elsewhere, it is always started again. While Kafka is
    away, the journal keeps the messages. ``show`` gets their statuses twice a second and at the
    end. Raises the error of a failed producer; the feeds of the other producers then stay expected.
    """
    on_purpose = False
    outages = OutageLog()
    failed: set[Producer] = set()
    with waiting.catch_signals() as ended:
        works = [
            asyncio.create_task(_keep_running(producer, failed, len(producers) + others))
            for producer in producers
        ]
        try:
            while not any(work.done() for work in works):
                statuses = [producer.status() for producer in producers]
                if not others:  # else the process that started this one logs it
                    note_outage(outages, statuses)
                if show:
                    show(statuses)
                if await waiting.wait(_SHOW_S, ended):
                    on_purpose = True
                    break
        except asyncio.CancelledError:
            on_purpose = True
            raise
        finally:
            failures = await waiting.cancel_all(works)
            try:
                await _all(_stop(producer, on_purpose=on_purpose) for producer in producers)
            finally:
                if show:
                    show([producer.status() for producer in producers])
    for failure in failures:
        raise failure


def note_outage(outages: OutageLog, statuses: Iterable[Status]) -> None:
    """Log once for all producers that they wait for Kafka."""
    outages.note(next((status.awaited for status in statuses if status.awaited), ""))


async def _keep_running(producer: Producer, failed: set[Producer], number: int) -> None:
    """Run one of ``number`` producers; start it again after a failure while another runs."""
    failures = 0
    while True:
        try:
            await producer.start(wait=True)
            failed.discard(producer)
            await producer.wait()
        except FeedError as error:
            failures += 1
            failed.add(producer)
            if len(failed) == number:
                raise
            pause = waiting.pause_s(failures, _RESTART_S, _LONGEST_RESTART_S)
            _LOG.warning("%s; the others go on, next attempt in %g s", error, pause)
            await asyncio.sleep(pause)
            await _stop(producer, on_purpose=False)
        else:
            return


async def _stop(producer: Producer, *, on_purpose: bool) -> None:
    """Stop a producer, also one whose feed failed."""
    with contextlib.suppress(FeedError):  # its failure was reported
        await producer.stop(on_purpose=on_purpose)


async def _all(works: Iterable[Awaitable[None]]) -> None:
    """Wait until all are done; raise the first error."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
