"""One venue of the simulator: its process sends orders on time to all who listen."""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from liq.ingest.simulator.exchange import ClientSession, Event, Exchange
from liq.ingest.simulator.hawkes import HawkesProcess, Order, Walk

_TICK_S = 0.002  # orders due within it are written at once
# orders that are written at once when it is behind its schedule: a parser reads 2,500 rows of a
# frame, and Bitfinex has three of an order
_BEHIND = 500
CONTROL_S = 1.0
_STEP_MS = 500  # a clock that runs slower or faster to be right again is off by less
_SLOW_CLIENT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Schedule:
    """The schedule of a simulated venue.

    ``rate`` is in liquidations a second, ``count`` ends the stream (connections stay).
    ``close_after`` closes each connection after that many seconds, ``malformed_every`` adds a bad
    message after that many good ones, 0 for never. ``ledger`` gets each sent order as a line of
    JSON, in canonical terms: exchange, symbol, side, ts (microseconds), price, quantity (base),
    notional (USD).
    """

    rate: float = 5.0
    seed: int = 0
    count: int = 0
    close_after: float = 0.0
    malformed_every: int = 0
    ledger: Path | None = None


class SimulatedVenue:
    """An exchange at work.

    Orders are due at the process's own times, whether clients keep up or not. While nobody listens
    the process waits, so that the first client sees a seed's orders from the first one on.
    """

    def __init__(
        self,
        exchange: Exchange,
        schedule: Schedule,
        seed: int,
        walk: Walk,
        ledger: IO[bytes] | None = None,
    ) -> None:
        self.clients: dict[ServerConnection, ClientSession] = {}
        self.sent = 0
        self.finished = False
        self._exchange = exchange
        self._schedule = schedule
        self._ledger = ledger
        self._walk = walk
        self._orders = HawkesProcess(schedule.rate, seed, exchange.market, walk)
        self._contracts = {contract.symbol: contract for contract in exchange.market}
        self._listened = asyncio.Event()
        self._offset_ms = _read_clock_ms() - _read_uptime_ms()

    async def serve(self, connection: ServerConnection, session: ClientSession) -> None:
        """Talk with a client until it goes, or is cut off."""
        self.clients[connection] = session
        closing = asyncio.create_task(self._close_in_time(connection))
        try:
            self._write(connection, session.greet())
            self._note_listeners()
            while True:
                async with asyncio.timeout(self._exchange.cuts_s or None):
                    request = await connection.recv(decode=False)
                self._write(connection, session.answer(request))
                self._note_listeners()
        except ConnectionClosed:
            pass
        except TimeoutError:
            await connection.close(1008, "no frame received")
        finally:
            closing.cancel()
            del self.clients[connection]
            self._note_listeners()

    async def send_liquidations(self) -> None:
        """Send the process's orders when they are due, until the schedule's count is reached."""
        tick_s = max(self._exchange.gathers_s, _TICK_S)
        batch: list[Order] = []
        epoch_ms = self._follow_clock(await self._pause(_read_clock_ms()))
        self._walk.begin(epoch_ms)
        for draft in self._orders.drafts():
            while (ahead := epoch_ms + int(draft.due_ms) - _read_clock_ms()) > 0 or len(
                batch
            ) >= _BEHIND:
                self._send(batch, epoch_ms)
                # for a second at most: meanwhile the clock may step back by hours
                pause_s = min(max(ahead / 1000, tick_s), CONTROL_S) if ahead > 0 else 0
                await asyncio.sleep(pause_s)
                epoch_ms = self._follow_clock(await self._pause(epoch_ms))
            batch.append(self._orders.order(draft, epoch_ms))
            if self._schedule.count and self.sent + len(batch) >= self._schedule.count:
                self._send(batch, epoch_ms)
                self.finished = True
                return

    async def send_control(self) -> None:
        """Send what goes on beside liquidations, each second on the second, for ever."""
        sent_ms = 0
        while True:
            await asyncio.sleep(CONTROL_S - time.time() % CONTROL_S)
            time_ms = round(round(time.time() / CONTROL_S) * CONTROL_S * 1000)
            # a busy machine was late for the one before, or woke early; the clock may step back
            if time_ms == sent_ms:
                continue
            sent_ms = time_ms
            price = partial(self._orders.price, time_ms=time_ms)
            for connection, session in self.clients.items():
                self._write(connection, session.control(price, time_ms))
            self._note_listeners()

    async def _close_in_time(self, connection: ServerConnection) -> None:
        if self._schedule.close_after:
            await asyncio.sleep(self._schedule.close_after)
            await connection.close(1001, "maximum connection time")

    def _listeners(self) -> list[tuple[ServerConnection, ClientSession]]:
        return [
            (connection, session)
            for connection, session in self.clients.items()
            if session.is_subscribed and connection.state is State.OPEN
        ]

    def _note_listeners(self) -> None:
        if self._listeners():
            self._listened.set()
        else:
            self._listened.clear()

    async def _pause(self, epoch_ms: int) -> int:
        """Wait for a listener; return the epoch moved on by as much."""
        if self._listened.is_set():
            return epoch_ms
        before_ms = _read_uptime_ms()
        await self._listened.wait()
        return epoch_ms + _read_uptime_ms() - before_ms

    def _follow_clock(self, epoch_ms: int) -> int:
        """Return the epoch, moved with a clock that was set, or went on while a machine slept.

        No order then waits until the clock catches up, and none is sent for the time it left out.
        """
        offset_ms = _read_clock_ms() - _read_uptime_ms()
        stepped_ms = self._offset_ms - offset_ms
        self._offset_ms = offset_ms
        return epoch_ms - stepped_ms if abs(stepped_ms) > _STEP_MS else epoch_ms

    def _send(self, batch: list[Order], epoch_ms: int) -> None:
        listeners = self._listeners()
        if batch and listeners:
            events = list(self._events(batch, epoch_ms))
            for connection, session in listeners:
                self._write(connection, session.liquidations(events))
        batch.clear()

    def _events(self, batch: list[Order], epoch_ms: int) -> Iterator[Event]:
        """Yield the orders' events, the planned malformed ones between them."""
        for order in batch:
            time_ms = epoch_ms + order.due_ms
            if self._ledger:
                self._ledger.write(self._entry(order, time_ms))
            yield Event(order, time_ms, self._exchange.row(order, time_ms))
            self.sent += 1
            every = self._schedule.malformed_every
            if every and self.sent % every == 0:
                bad = self._exchange.malformed(self.sent // every, order, time_ms)
                yield Event(order, time_ms, bad)
        if self._ledger:
            self._ledger.flush()

    def _entry(self, order: Order, time_ms: int) -> bytes:
        contract, price = self._contracts[order.symbol], float(self._exchange.price(order))
        size = float(order.quantity) * contract.multiplier
        entry = {
            "exchange": self._exchange.name,
            "symbol": order.symbol,
            "side": "long" if order.closes_long else "short",
            "ts": time_ms * 1000,
            "price": price,
            "quantity": size / price if contract.inverse else size,
            "notional": size if contract.inverse else size * price,
        }
        return json.dumps(entry).encode() + b"\n"

    def _write(self, connection: ServerConnection, messages: Iterable[bytes]) -> None:
        """Write frames at once: a send for each would cost more than all else here."""
        opcode = b"\x82" if self._exchange.binary else b"\x81"
        data = b"".join(opcode + _encode_length(message) + message for message in messages)
        if data and connection.state is State.OPEN:
            connection.transport.write(data)
            if connection.transport.get_write_buffer_size() > _SLOW_CLIENT_BYTES:
                connection.transport.abort()


def _encode_length(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return b"%c" % size
    return (
        b"\x7e" + size.to_bytes(2, "big") if size < 1 << 16 else b"\x7f" + size.to_bytes(8, "big")
    )


def _read_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _read_uptime_ms() -> int:
    return time.monotonic_ns() // 1_000_000
