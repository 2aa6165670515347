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
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

from liq.common import addresses, waiting
from liq.common.text import describe_error
from liq.errors import FeedError
from liq.ingest import polling
from liq.ingest.venues.base import Heartbeat, Instrument, Instruments, Venue
from liq.records.model import Source

# how a simulated exchange names itself in the handshake
SIMULATOR_SERVER = "liq-simulator"

Handle = Callable[[bytes, int, Source], Awaitable[None]]
_Connection = ClientConnection | polling.PolledConnection


def _ignore() -> None:
    pass


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
    connections that follow another, ``errors`` lost or refused connections. ``gaps`` counts
    disconnections that left no open connection for some contracts; their liquidations published in
    between are missing. ``connected`` is whether all contracts have an open connection.
    ``requests`` counts the requests for streams that were sent over the open connections.
    """

    source: Source
    connected: bool
    frames: int
    reconnects: int
    errors: int
    gaps: int
    last_frame: int
    last_error: str
    requests: int = 0


@dataclass(eq=False, slots=True)
class _OpenConnection:
    """One connection while it is read."""

    connection: _Connection
    source: Source
    contracts: dict[str, Instrument]  # that it subscribes to
    requests: asyncio.Queue[str] = field(default_factory=asyncio.Queue)  # that are not sent yet
    sent: int = 0  # requests
    opened: float = field(default_factory=time.monotonic)
    received: float = field(default_factory=time.monotonic)  # when the last frame came
    held: bool = False  # the consumer holds the last frame
    fault: str = ""  # why we closed it


class Feed:
    """One venue's websocket, kept connected; each frame goes to ``handle(raw, recv_ts, source)``.

    ``url`` replaces the venue's own URL, e.g. with a simulator's. Frames of a simulator carry
    `Source.SIMULATOR`; it is recognised by its handshake or a loopback address. While ``handle``
    waits, nothing is read, so a slow consumer slows the sender instead of losing frames.

    If the venue limits the contracts of a connection, there are several. ``reconnected`` is called
    whenever a connection follows another.
    """

    def __init__(
        self,
        venue: Venue,
        handle: Handle,
        url: str = "",
        instruments: Instruments | None = None,
        timeouts: Timeouts | None = None,
        *,
        reconnected: Callable[[], None] = _ignore,
    ) -> None:
        self.url = url or venue.url
        self._venue = venue
        self._create_line = partial(
            _Line, venue, handle, self.url, timeouts or Timeouts(), reconnected
        )
        self._lines = [self._create_line()]
        self._tasks: asyncio.TaskGroup | None = None
        self.listen_to(instruments or {})

    def stats(self) -> FeedStats:
        """Return the state now: connected if every connection is open."""
        lines = self._lines
        failed = max(lines, key=lambda line: line.failed_at)
        return FeedStats(
            source=lines[0].source,
            connected=all(line.is_open for line in lines),
            frames=sum(line.frames for line in lines),
            reconnects=sum(max(0, line.connects - 1) for line in lines),
            errors=sum(line.errors for line in lines),
            gaps=sum(line.gaps for line in lines),
            last_frame=max(line.last_frame for line in lines),
            last_error=failed.last_error,
            requests=sum(line.requests for line in lines),
        )

    def listen_to(self, instruments: Instruments) -> None:
        """Subscribe to these contracts from now on, over the open connections where they can.

        The connection of a contract that is gone is replaced without a gap if its requests name
        several contracts each, since a venue may refuse one that names such a contract whole.
        """
        for line in self._lines:
            line.drop(instruments)
        for line, added in self._spread(instruments):
            line.add(added)

    def count_unsubscribed(self, _instruments: Instruments) -> int:
        """Return 0: `listen_to` subscribes to each of them."""
        return 0

    async def run(self) -> None:
        """Receive until cancelled.

        Raises `FeedError` for an invalid URL, and the errors of ``handle``.
        """
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for line in self._lines:
                    self._tasks.create_task(line.run())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._tasks = None

    def _spread(self, instruments: Instruments) -> Iterator[tuple["_Line", Instruments]]:
        """Yield the lines, each with its new contracts, and create as many as are needed."""
        listened = {symbol for line in self._lines for symbol in line.contracts}
        new = {symbol: one for symbol, one in instruments.items() if symbol not in listened}
        capacity = self._venue.capacity
        if capacity is None:
            yield self._lines[0], new
            return
        lines = iter([*self._lines])
        while new:
            line = next(lines, None) or self._open_line()
            room = capacity.limit - sum(map(capacity.size, line.contracts))
            added: dict[str, Instrument] = {}
            for symbol in list(new):
                room -= capacity.size(symbol)
                if room < 0 and (line.contracts or added):  # a new line takes one, however long
                    break
                added[symbol] = new.pop(symbol)
            yield line, added

    def _open_line(self) -> "_Line":
        line = self._create_line()
        self._lines.append(line)
        if self._tasks:
            self._tasks.create_task(line.run())
        return line


class _Line:
    """A connection and those that replace it, for a part of the venue's contracts."""

    def __init__(
        self,
        venue: Venue,
        handle: Handle,
        url: str,
        timeouts: Timeouts,
        reconnected: Callable[[], None],
    ) -> None:
        self._url = url
        self._venue = venue
        self._handle = handle
        self._timeouts = timeouts
        self._reconnected = reconnected
        self._loopback = _is_loopback(url)
        self._open: set[_OpenConnection] = set()
        self._replacing: asyncio.Event | None = None
        self._failures = 0  # in a row
        self.contracts: dict[str, Instrument] = {}
        self.source = Source.SIMULATOR if self._loopback else Source.LIVE
        self.connects = self.errors = self.frames = self.gaps = 0
        self.last_frame = 0
        self.last_error = ""
        self.failed_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether a connection is open."""
        return bool(self._open)

    @property
    def requests(self) -> int:
        """The number of requests that were sent over the open connections."""
        return sum(opened.sent for opened in self._open)

    def add(self, contracts: Instruments) -> None:
        """Subscribe to further contracts."""
        self.contracts.update(contracts)
        for opened in self._open:
            self._subscribe(opened)

    def drop(self, listed: Instruments) -> None:
        """Forget the contracts that are no longer listed."""
        gone = [symbol for symbol in self.contracts if symbol not in listed]
        if not gone:
            return
        is_shared = 0 < len(self._request(self.contracts)) < len(self.contracts)
        for symbol in gone:
            del self.contracts[symbol]
        if self._replacing and is_shared:
            self._replacing.set()

    async def run(self) -> None:
        """Receive until cancelled; raise as `Feed.run`."""
        self._replacing = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._keep_connected(tasks, self._replacing)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._replacing = None

    async def _keep_connected(self, tasks: asyncio.TaskGroup, replacing: asyncio.Event) -> None:
        old = None
        while True:
            replacing.clear()
            opened = await self._connect()
            reader = tasks.create_task(self._read(opened))
            if old:
                tasks.create_task(self._retire(old))
            await self._wait_until_due(reader, replacing)
            old = None if reader.done() else reader

    async def _wait_until_due(self, reader: asyncio.Task[None], event: asyncio.Event) -> None:
        """Wait until the connection is lost, too old, or to be replaced."""
        replacing = asyncio.create_task(event.wait())
        try:
            await asyncio.wait(
                {reader, replacing},
                timeout=self._timeouts.max_age,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            replacing.cancel()

    async def _connect(self) -> _OpenConnection:
        while True:
            await asyncio.sleep(self._backoff())
            self._failures += 1  # until a connection lasts, see `_receive`
            try:
                opened = await self._handshake()
            # a server may redirect to a page of a network, or to an impossible port or name
            except (OSError, ValueError, WebSocketException) as error:
                if isinstance(error, InvalidURI) and error.uri == self._url:
                    raise FeedError(f"{self._url} is no websocket URL: {error}") from error
                self._note(error)
            else:
                self.connects += 1
                if self.connects > 1:
                    self._reconnected()
                return opened

    def _backoff(self) -> float:
        return self._longest_backoff() * random.uniform(0.5, 1)  # noqa: S311 - jitter

    def _longest_backoff(self) -> float:
        timeouts = self._timeouts
        return waiting.pause_s(self._failures, timeouts.backoff, timeouts.backoff_max)

    async def _handshake(self) -> _OpenConnection:
        connection = await self._open_connection()
        contracts = dict(self.contracts)
        frames = self._venue.subscribe(contracts)
        burst = self._venue.pace.burst if self._venue.pace else len(frames)
        for frame in frames[:burst]:
            await connection.send(frame)
        opened = _OpenConnection(connection, self._find_source(connection), contracts)
        opened.sent = len(frames[:burst])
        for frame in frames[burst:]:
            opened.requests.put_nowait(frame)
        return opened

    async def _open_connection(self) -> _Connection:
        if self._venue.poll and self._url.startswith("http"):  # a simulator pushes
            return await polling.connect(self._url, self._venue.poll)
        return await connect(
            self._url,
            additional_headers=self._venue.headers,
            open_timeout=self._timeouts.handshake,
            ping_interval=None,  # `_watch` pings: the library's own pings kill a slow consumer
            close_timeout=1,
            compression=None,  # small frames: inflating them costs more than their bytes
            max_queue=1024,
            proxy=None if self._loopback else True,
        )

    def _subscribe(self, opened: _OpenConnection) -> None:
        """Subscribe to the contracts that were listed since."""
        new = {s: one for s, one in self.contracts.items() if s not in opened.contracts}
        opened.contracts.update(new)
        for frame in self._request(new):
            opened.requests.put_nowait(frame)

    async def _send_requests(self, opened: _OpenConnection) -> None:
        """Send the requests after the first burst, at the venue's pace."""
        with contextlib.suppress(ConnectionClosed):  # which its reader reports
            while True:
                frame = await opened.requests.get()
                await asyncio.sleep(self._venue.pace.seconds if self._venue.pace else 0)
                await opened.connection.send(frame)
                opened.sent += 1

    def _request(self, contracts: Instruments) -> list[str]:
        """Return the frames that subscribe to contracts alone; none if the venue has no such."""
        control = self._venue.subscribe({})
        return [frame for frame in self._venue.subscribe(contracts) if frame not in control]

    async def _read(self, opened: _OpenConnection) -> None:
        connection = opened.connection
        self.source = opened.source
        self._open.add(opened)
        self._subscribe(opened)
        send = asyncio.create_task(self._send_requests(opened))
        watch = asyncio.create_task(self._watch(opened))
        beat = asyncio.create_task(_beat(connection, self._venue.heartbeat))
        try:
            while True:
                await self._receive(opened)
        except ConnectionClosed as error:
            self.gaps += len(self._open) == 1
            self._note(FeedError(opened.fault) if opened.fault else error)
        finally:
            self._open.discard(opened)
            send.cancel()
            watch.cancel()
            beat.cancel()
            await connection.close()

    async def _receive(self, opened: _OpenConnection) -> None:
        raw = await opened.connection.recv(decode=False)
        self.last_frame = recv_ts = time.time_ns() // 1000
        self.frames += 1
        opened.received = time.monotonic()
        if self._failures and opened.received - opened.opened > self._longest_backoff():
            self._failures = 0  # not by a greeting, after which a venue that is full closes
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
        self.errors += 1
        self.failed_at = time.monotonic()
        self.last_error = f"{self._url}: {describe_error(error)}"


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
