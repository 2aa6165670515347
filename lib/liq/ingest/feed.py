"""The door to exchange websockets: a venue's raw frames with their time of receipt.

A venue that publishes over REST alone is polled; see `liq.ingest.polling`.

The feed reconnects after every loss of a connection: an error, a close (also 1000 and 1001), a
half-open socket (pings unanswered), a handshake that never completes, or a server that answers
pings and sends no frames. A quiet market is no fault, so the feed also subscribes to a control
stream.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

from liq.common import addresses, waiting
from liq.errors import FeedError
from liq.ingest import polling
from liq.ingest.venues.base import Heartbeat, Instruments, Venue
from liq.records.model import Source

# how a simulated exchange names itself in the handshake
SIMULATOR_SERVER = "liq-simulator"

Handle = Callable[[bytes, int, Source], Awaitable[None]]
_Connection = ClientConnection | polling.PolledConnection


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits of a feed, in seconds."""

    handshake: float = 10
    ping_interval: float = 10
    pong: float = 10
    backoff: float = 0.25  # doubled with each failure in a row
    backoff_max: float = 30
    max_age: float = 23.5 * 3600  # Binance cuts a connection at 24 h: replace it before that
    overlap: float = 5  # old and new connection both deliver; the dedup key absorbs the doubles


@dataclass(frozen=True, slots=True)
class FeedStats:
    """State of a feed; ``last_frame`` is UTC microseconds, 0 before the first.

    ``source`` is the source of its frames, ``frames`` their number. ``reconnects`` counts
    connections after the first, ``errors`` lost or refused connections. ``gaps`` counts
    disconnections that left no open connection; liquidations published in between are missing.
    """

    source: Source
    connected: bool
    frames: int
    reconnects: int
    errors: int
    gaps: int
    last_frame: int
    last_error: str


@dataclass(eq=False, slots=True)
class _OpenConnection:
    """One connection while it is read."""

    connection: _Connection
    source: Source
    received: float = field(default_factory=time.monotonic)  # when the last frame came
    held: bool = False  # the consumer holds the last frame
    fault: str = ""  # why we closed it


class Feed:
    """One venue's websocket, kept connected; each frame goes to ``handle(raw, recv_ts, source)``.

    ``url`` replaces the venue's own URL, e.g. with a simulator's. Frames of a simulator carry
    `Source.SIMULATOR`; it is recognised by its handshake or a loopback address. While ``handle``
    waits, nothing is read, so a slow consumer slows the sender instead of losing frames.
    """

    def __init__(
        self,
        venue: Venue,
        handle: Handle,
        url: str = "",
        instruments: Instruments | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.url = url or venue.url
        self._venue = venue
        self._handle = handle
        self._subscriptions: Sequence[str] = venue.subscribe(instruments or {})
        self._burst = venue.pace.burst if venue.pace else len(self._subscriptions)
        self._timeouts = timeouts or Timeouts()
        self._loopback = _is_loopback(self.url)
        self._open: set[_OpenConnection] = set()
        self._source = Source.SIMULATOR if self._loopback else Source.LIVE
        self._connects = self._errors = self._frames = self._gaps = 0
        self._failures = 0  # in a row
        self._last_frame = 0
        self._last_error = ""

    def stats(self) -> FeedStats:
        """Return the state now."""
        return FeedStats(
            source=self._source,
            connected=bool(self._open),
            frames=self._frames,
            reconnects=max(0, self._connects - 1),
            errors=self._errors,
            gaps=self._gaps,
            last_frame=self._last_frame,
            last_error=self._last_error,
        )

    async def run(self) -> None:
        """Receive until cancelled.

        Raises `FeedError` for an invalid URL, and the errors of ``handle``.
        """
        old = None
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    connection = await self._connect()
                    reader = tasks.create_task(self._read(connection))
                    if old:
                        tasks.create_task(self._retire(old))
                    lost, _ = await asyncio.wait({reader}, timeout=self._timeouts.max_age)
                    old = None if lost else reader
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _connect(self) -> _Connection:
        while True:
            await asyncio.sleep(self._backoff())
            self._failures += 1  # until a frame proves the connection good
            try:
                connection = await self._handshake()
            except InvalidURI as error:
                raise FeedError(f"{self.url} is no websocket URL: {error}") from error
            except (OSError, WebSocketException) as error:
                self._note(error)
            else:
                self._connects += 1
                return connection

    def _backoff(self) -> float:
        timeouts = self._timeouts
        pause = waiting.pause_s(self._failures, timeouts.backoff, timeouts.backoff_max)
        return pause * random.uniform(0.5, 1)  # noqa: S311 - jitter

    async def _handshake(self) -> _Connection:
        if self._venue.poll and self.url.startswith("http"):  # a simulator pushes
            return await polling.connect(self.url, self._venue.poll)
        connection = await connect(
            self.url,
            additional_headers=self._venue.headers,
            open_timeout=self._timeouts.handshake,
            ping_interval=None,  # `_watch` pings: the library's own pings kill a slow consumer
            close_timeout=1,
            compression=None,  # small frames: inflating them costs more than their bytes
            max_queue=1024,
            proxy=None if self._loopback else True,
        )
        for frame in self._subscriptions[: self._burst]:
            await connection.send(frame)
        return connection

    async def _read(self, connection: _Connection) -> None:
        opened = _OpenConnection(connection, self._find_source(connection))
        self._source = opened.source
        self._open.add(opened)
        watch = asyncio.create_task(self._watch(opened))
        beat = asyncio.create_task(_beat(connection, self._venue.heartbeat))
        rest = asyncio.create_task(self._subscribe_to_rest(connection))
        try:
            while True:
                await self._receive(opened)
        except ConnectionClosed as error:
            self._gaps += len(self._open) == 1
            self._note(FeedError(opened.fault) if opened.fault else error)
        finally:
            self._open.discard(opened)
            watch.cancel()
            beat.cancel()
            rest.cancel()
            await connection.close()

    async def _subscribe_to_rest(self, connection: _Connection) -> None:
        """Send the requests after the first burst, at the venue's pace."""
        with contextlib.suppress(ConnectionClosed):
            for frame in self._subscriptions[self._burst :]:
                await asyncio.sleep(self._venue.pace.seconds if self._venue.pace else 0)
                await connection.send(frame)

    async def _receive(self, opened: _OpenConnection) -> None:
        raw = await opened.connection.recv(decode=False)
        self._last_frame = recv_ts = time.time_ns() // 1000
        self._frames += 1
        self._failures = 0
        opened.received = time.monotonic()
        opened.held = True
        if answer := self._venue.reply(raw):
            await opened.connection.send(answer)
        await self._handle(raw, recv_ts, opened.source)
        opened.held = False

    async def _watch(self, opened: _OpenConnection) -> None:
        """Close the connection when it is dead, which ends its reader."""
        fault = ""
        with contextlib.suppress(ConnectionClosed):
            while not fault:
                await asyncio.sleep(self._timeouts.ping_interval)
                fault = await self._fault(opened)
            opened.fault = fault
            await opened.connection.close()

    async def _fault(self, opened: _OpenConnection) -> str:
        asked = time.monotonic()
        answered = await self._ping(opened.connection)
        if opened.held:  # the consumer holds up reading, also of pongs
            opened.received = time.monotonic()
        if not answered and opened.received < asked:  # a frame counts too: pongs queue behind it
            return f"ping unanswered for {self._timeouts.pong:g} s"
        if time.monotonic() - opened.received > self._venue.silence:
            return f"no frame for {self._venue.silence:g} s"
        return ""

    async def _ping(self, connection: _Connection) -> bool:
        pong = await connection.ping()
        try:
            async with asyncio.timeout(self._timeouts.pong):
                await pong
        except TimeoutError:
            return False
        return True

    async def _retire(self, reader: asyncio.Task[None]) -> None:
        await asyncio.sleep(self._timeouts.overlap)
        reader.cancel()

    def _find_source(self, connection: _Connection) -> Source:
        server = connection.response.headers.get("Server") if connection.response else None
        return Source.SIMULATOR if self._loopback or server == SIMULATOR_SERVER else Source.LIVE

    def _note(self, error: Exception) -> None:
        self._errors += 1
        self._last_error = f"{self.url}: {error or type(error).__name__}"


async def _beat(connection: _Connection, heartbeat: Heartbeat | None) -> None:
    if heartbeat is None:
        return
    with contextlib.suppress(ConnectionClosed):
        while True:
            await asyncio.sleep(heartbeat.seconds)
            await connection.send(heartbeat.frame)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    # a name below localhost is enough for a client; a server would need it resolved first
    return addresses.is_loopback(host) or host.endswith(".localhost")
