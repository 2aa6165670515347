"""What it costs to receive an event, decode and normalise it: CPU of the receiving process.

The same frames come over a local websocket, as fast as they are taken, into liq's feed and parser
and into cryptofeed's feed and handler; both end in a coroutine that counts. liq does more with
them: it makes base, quote, USD notional and an id, and checks what it makes.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from cryptofeed.connection import WebsocketEndpoint
from cryptofeed.defines import LIQUIDATIONS
from cryptofeed.exchanges import EXCHANGE_MAP
from cryptofeed.symbols import Symbols

from bench.compare import Figure, Figures, Row
from bench.environment import module, temporary_settings, wait_until
from bench.sizes import Sizes
from liq.ingest.feed import Feed
from liq.ingest.instruments import load_snapshot
from liq.ingest.simulator.exchange import Event
from liq.ingest.simulator.exchanges import create_exchange
from liq.ingest.simulator.hawkes import HawkesProcess
from liq.ingest.venues import find_venue
from liq.ingest.venues.base import Instruments
from liq.ingest.via_cryptofeed import EXCHANGES, _run
from liq.records.model import Source
from liq.stack.health import is_listening

Receive = Callable[[int, "_Counter"], Coroutine[Any, Any, None]]

_START_MS = 1_767_225_600_000
_PATIENCE_S = 120
# by venue: the path and the request that subscribe to all liquidations of its exchange
_ASKED = {
    "binance_usdm": ("/stream?streams=!forceOrder@arr", b""),
    "deribit": ("", b'{"method":"public/subscribe","params":{"channels":["trades.any.100ms"]}}'),
}


def decoding(sizes: Sizes) -> list[Row]:
    """Compare liq with cryptofeed, a venue a row."""
    return [_row(name, sizes.decoded) for name in _ASKED]


def _row(name: str, total: int) -> Row:
    frames = _frames(name, total)

    def measure(receive: Receive) -> Figures:
        with _served(frames) as port:
            spent = asyncio.run(_spent(receive, port, total))
        return {"cpu": 1e6 * spent / total}

    return Row(
        key=f"decode-{name.partition('_')[0]}",
        title=f"Receiving, decoding and normalising an event of {name}",
        figures=(Figure("cpu", "us/event"),),
        contenders={
            "liq": lambda: measure(_ours(name)),
            "cryptofeed": lambda: measure(_theirs(name)),
        },
        note=f"CPU of the receiving process, {total:,} frames over a local websocket.",
    )


class _Counter:
    """Counts events up to ``total``."""

    def __init__(self, total: int) -> None:
        self._left = total
        self.done = asyncio.Event()

    def tick(self) -> None:
        """Note an event."""
        self._left -= 1
        if not self._left:
            self.done.set()


def _ours(name: str) -> Receive:
    found = find_venue(name)
    instruments: Instruments = load_snapshot(found) or {}

    async def receive(port: int, counter: _Counter) -> None:
        async def handle(raw: bytes, recv_ts: int, source: Source) -> None:
            for _ in found.parse(raw, instruments, recv_ts, source):
                counter.tick()

        await Feed(found, handle, f"ws://127.0.0.1:{port}", instruments).run()

    return receive


def _theirs(name: str) -> Receive:
    """Return what runs cryptofeed's own class; TLS, which it insists on, is taken off below it."""
    known = {
        f"C{number}-USD-PERP": one.symbol for number, one in enumerate(create_exchange(name).market)
    }
    Symbols.set(EXCHANGES[name], known, {"instrument_type": dict.fromkeys(known, "perpetual")})
    plain = {"ssl": False, "server_hostname": None, "compression": None}

    async def receive(port: int, counter: _Counter) -> None:
        async def receive(_liquidation: object, _receipt: float) -> None:
            counter.tick()

        endpoints = [WebsocketEndpoint(f"wss://127.0.0.1:{port}", options=plain)]
        base = EXCHANGE_MAP[EXCHANGES[name]]
        feed = type("Local", (base,), {"websocket_endpoints": endpoints})(
            symbols=list(known),
            channels=[LIQUIDATIONS],
            callbacks={LIQUIDATIONS: receive},
            timeout=-1,
            config={"log": {"disabled": True}},
        )
        await _run(feed, asyncio.get_running_loop().create_future())

    return receive


async def _spent(receive: Receive, port: int, total: int) -> float:
    """Return the CPU seconds from before it connects until it has had all events."""
    counter = _Counter(total)
    begin = time.process_time()
    receiving = asyncio.create_task(receive(port, counter))
    done = asyncio.create_task(counter.done.wait())
    try:
        await asyncio.wait({receiving, done}, timeout=_PATIENCE_S, return_when="FIRST_COMPLETED")
        if receiving.done():
            await receiving
        if not counter.done.is_set():
            raise TimeoutError(f"not {total} events within {_PATIENCE_S} s")
        return time.process_time() - begin
    finally:
        done.cancel()
        receiving.cancel()
        await asyncio.gather(done, receiving, return_exceptions=True)


def _frames(name: str, total: int) -> list[bytes]:
    """Return a frame of each of ``total`` simulated liquidations."""
    simulated = create_exchange(name)
    path, request = _ASKED[name]
    session = simulated.session(path)
    session.answer(request)
    orders = HawkesProcess(1_000, 1, simulated.market).orders()
    moments = ((order, _START_MS + order.due_ms) for order in itertools.islice(orders, total))
    events = (Event(order, time_ms, simulated.row(order, time_ms)) for order, time_ms in moments)
    return [frame for event in events for frame in session.liquidations([event])]


@contextmanager
def _served(frames: list[bytes]) -> Iterator[int]:
    """Give the port of a websocket, in another process, that sends them to whoever comes."""
    with temporary_settings() as settings:
        file, port = settings.home / "frames", settings.simulator_port
        file.write_bytes(b"\n".join(frames))
        with module(settings, "bench.scripts.exchange", f"{port}", f"{file}"):
            wait_until(lambda: is_listening("127.0.0.1", port), timeout=30)
            yield port
