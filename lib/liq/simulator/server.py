"""The simulated exchange: a local websocket server that sends the process's orders on time."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from liq import config
from liq.config import Settings
from liq.errors import FeedError
from liq.feed import SIMULATOR_SERVER
from liq.simulator.binance import Subscription, force_order, malformed, mark_price
from liq.simulator.process import MARKET, Order, Process

_TICK_S = 0.002  # orders due within it are written at once
_BEHIND = 1_000  # so many are written at once when it is behind its schedule
_MARK_PRICE_S = 3.0
_SLOW_CLIENT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """What a simulated exchange sends.

    ``rate`` is in liquidations a second, ``count`` ends the stream (connections stay),
    ``close_after`` closes each connection after so many seconds, ``malformed_every`` adds a bad
    message after so many good ones, ``ledger`` gets each order sent as a line of JSON; 0 means not.
    """

    rate: float = 5.0
    seed: int = 0
    count: int = 0
    close_after: float = 0.0
    malformed_every: int = 0
    ledger: Path | None = None


class Simulator:
    """A simulated Binance on ``settings.simulator_port``; use it as ``async with``.

    Orders are due at the process's own times, whether clients keep up or not. While nobody listens
    the process waits, so that the first client sees a seed's orders from the first one on.
    """

    def __init__(self, plan: Plan | None = None, settings: Settings | None = None) -> None:
        self._plan = plan or Plan()
        settings = settings or config.settings()
        self._address = (settings.host, settings.simulator_port)
        self._process = Process(self._plan.rate, self._plan.seed)
        self._clients: dict[ServerConnection, Subscription] = {}
        self._listened = asyncio.Event()
        self._exit = contextlib.AsyncExitStack()
        self._ledger: IO[bytes] | None = None
        self.sent = 0
        self.finished = asyncio.Event()

    @property
    def url(self) -> str:
        """Where all its liquidations are."""
        host, port = self._address
        return f"ws://{host}:{port}/market/ws/!forceOrder@arr"

    @property
    def clients(self) -> int:
        """How many connections there are."""
        return len(self._clients)

    async def __aenter__(self) -> Self:
        """Listen. Raises `FeedError` when the port is taken."""
        host, port = self._address
        server = serve(
            self._serve,
            host,
            port,
            process_request=_refuse_unknown,
            compression=None,
            close_timeout=1,
            ping_interval=180,  # as Binance does
            ping_timeout=600,
            server_header=SIMULATOR_SERVER,
        )
        try:
            if self._plan.ledger:
                self._ledger = self._exit.enter_context(self._plan.ledger.open("ab"))
            await self._exit.enter_async_context(server)
        except OSError as error:
            raise FeedError(
                f"cannot simulate an exchange on {host}:{port}: {error}; "
                "is LIQ_SIMULATOR_PORT another one's, or the ledger not writable?"
            ) from error
        tasks = await self._exit.enter_async_context(asyncio.TaskGroup())
        for work in (self._send_liquidations(), self._send_mark_prices()):
            self._exit.callback(tasks.create_task(work).cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request  # noqa: S101 - the handshake is over
        subscription = Subscription(connection.request.path)
        self._clients[connection] = subscription
        self._note_listeners()
        closing = asyncio.create_task(self._close_in_time(connection))
        try:
            async for text in connection:
                await connection.send(subscription.answer(text))
                self._note_listeners()
        except ConnectionClosed:
            pass
        finally:
            closing.cancel()
            del self._clients[connection]
            self._note_listeners()

    async def _close_in_time(self, connection: ServerConnection) -> None:
        if self._plan.close_after:
            await asyncio.sleep(self._plan.close_after)
            await connection.close(1001, "maximum connection time")

    def _listeners(self) -> list[tuple[ServerConnection, Subscription]]:
        return [
            (connection, subscription)
            for connection, subscription in self._clients.items()
            if subscription.hears_liquidations and connection.state is State.OPEN
        ]

    def _note_listeners(self) -> None:
        if self._listeners():
            self._listened.set()
        else:
            self._listened.clear()

    async def _send_liquidations(self) -> None:
        batch: list[Order] = []
        epoch_ms = await self._pause(_now_ms())
        for order in self._process.orders():
            while (ahead := epoch_ms + order.due_ms - _now_ms()) > 0 or len(batch) >= _BEHIND:
                self._send(batch, epoch_ms)
                await asyncio.sleep(max(ahead / 1000, _TICK_S) if ahead > 0 else 0)
                epoch_ms = await self._pause(epoch_ms)
            batch.append(order)
            if self._plan.count and self.sent + len(batch) >= self._plan.count:
                self._send(batch, epoch_ms)
                self.finished.set()
                return

    async def _pause(self, epoch_ms: int) -> int:
        """Wait for a listener; return the epoch moved on by as much."""
        before = _now_ms()
        await self._listened.wait()
        return epoch_ms + _now_ms() - before

    def _send(self, batch: list[Order], epoch_ms: int) -> None:
        listeners = self._listeners()
        if batch and listeners:
            events = list(self._events(batch, epoch_ms))
            for connection, subscription in listeners:
                _write(
                    connection,
                    [m for event in events for m in subscription.liquidations(*event)],
                )
        batch.clear()

    def _events(self, batch: list[Order], epoch_ms: int) -> Iterator[tuple[str, bytes]]:
        """Yield symbol and payload of each order, the planned malformed ones between them."""
        for order in batch:
            time_ms = epoch_ms + order.due_ms
            payload = force_order(order, time_ms)
            if self._ledger:
                self._ledger.write(payload + b"\n")
            yield order.symbol, payload
            self.sent += 1
            every = self._plan.malformed_every
            if every and self.sent % every == 0:
                yield order.symbol, malformed(self.sent // every, order, time_ms)
        if self._ledger:
            self._ledger.flush()

    async def _send_mark_prices(self) -> None:
        while True:
            await asyncio.sleep(_MARK_PRICE_S)
            for contract in MARKET:
                price = self._process.price(contract.symbol)
                payload = mark_price(contract.symbol, price, _now_ms())
                for connection, subscription in self._clients.items():
                    _write(connection, subscription.mark_price(contract.symbol, payload))


def _write(connection: ServerConnection, messages: list[bytes]) -> None:
    """Write text frames at once: a send for each would cost more than all else here."""
    if connection.state is State.OPEN and messages:
        connection.transport.write(b"".join(map(_frame, messages)))
        if connection.transport.get_write_buffer_size() > _SLOW_CLIENT_BYTES:
            connection.transport.abort()


def _frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), payload)  # none is 64 KiB long


def _refuse_unknown(connection: ServerConnection, request: Request) -> Response | None:
    try:
        Subscription(request.path)
    except ValueError as error:
        return connection.respond(HTTPStatus.NOT_FOUND, f"{error}\n")
    return None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
