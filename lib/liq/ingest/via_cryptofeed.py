"""The door to cryptofeed: its connections, our parsers.

cryptofeed passes sides and contracts through unconverted, reports ordered quantities and limit
prices as filled and paid ones, and has no id. So only its connections and subscriptions are used.
Each raw message goes to the venue's own parser, marked `Source.CRYPTOFEED`, and becomes the same
record as from the venue's direct feed. cryptofeed's timeout takes a quiet market for a dead
connection, so it is off.

An optional extra, ``liq[cryptofeed]``: version 2.4.1 below Python 3.13, else version 3, whose
licence is AGPL-3.0-or-later. BitMEX's quanto contracts are skipped, as no price of bitcoin is
subscribed to. A contract that is listed later is subscribed to after a restart; until then rows are
marked as sampled. Three routes of 2.4.1 are closed today and are repaired here. Both versions poll
OKX over REST once a minute.
"""

import asyncio
import contextlib
import importlib.metadata
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from liq.common.compat import CRYPTOFEED
from liq.common.extras import describe_installation
from liq.errors import ConfigError, FeedError
from liq.ingest.feed import FeedStats, Handle
from liq.ingest.venues.base import Instruments, Venue
from liq.records.model import Source

# a venue's name and cryptofeed's
EXCHANGES = {
    "binance_usdm": "BINANCE_FUTURES",
    "binance_coinm": "BINANCE_DELIVERY",
    "bybit": "BYBIT",
    "okx": "OKX",
    "deribit": "DERIBIT",
    "bitmex": "BITMEX",  # up to version 2
}


class CryptoFeed:
    """A venue's liquidations through cryptofeed, with the interface of `liq.ingest.feed.Feed`.

    ``symbols`` are cryptofeed's, e.g. ``BTC-USDT-PERP``; the default is all symbols it knows, since
    it has no subscription to all. ``exchange`` replaces the class of `find_exchange_class`, e.g.
    with one for other endpoints.
    """

    def __init__(
        self, venue: Venue, handle: Handle, symbols: Sequence[str] = (), exchange: Any = None
    ) -> None:
        self.url = venue.url
        self._handle = handle
        self._symbols = list(symbols)
        self._exchange = exchange or find_exchange_class(venue)
        self._opened: Counter[Any] = Counter()  # how often each connection was
        self._frames = self._last_frame = 0
        self._polled: object = None
        self._subscribed: frozenset[str] | None = None  # the venue's names; None: not built yet
        self._failure: asyncio.Future[None] | None = None

    def stats(self) -> FeedStats:
        """Return the state now; cryptofeed does not report why a connection was lost."""
        lost = self._opened.total() - len(self._opened)
        return FeedStats(
            source=Source.CRYPTOFEED,
            connected=bool(self._opened) and all(one.is_open for one in self._opened),
            frames=self._frames,
            reconnects=lost,
            errors=lost,
            gaps=lost,
            last_frame=self._last_frame,
            last_error="",
        )

    def listen_to(self, instruments: Instruments) -> None:
        """Do nothing: cryptofeed subscribes to the contracts that it found itself."""

    def count_unsubscribed(self, instruments: Instruments) -> int:
        """Return to how many of these contracts cryptofeed does not subscribe."""
        return 0 if self._subscribed is None else len(instruments.keys() - self._subscribed)

    async def run(self) -> None:
        """Receive until cancelled.

        Raises `FeedError` when cryptofeed gives up, and the errors of ``handle``.
        """
        self._failure = asyncio.get_running_loop().create_future()
        try:
            feed = await asyncio.to_thread(self._build)  # version 2 asks for the symbols here
            await _run(feed, self._failure)
        except (OSError, ValueError, KeyError) as error:
            raise FeedError(f"cryptofeed failed: {error!r}") from error
        finally:
            self._failure = None

    def _build(self) -> Any:
        from cryptofeed.defines import LIQUIDATIONS  # noqa: PLC0415 - an optional extra

        feed = self._exchange(
            symbols=self._symbols or _list_futures(self._exchange),
            channels=[LIQUIDATIONS],
            callbacks={LIQUIDATIONS: self._poll},
            timeout=-1,
            retries=-1,
            config={"log": {"disabled": True}},
        )
        self._subscribed = frozenset().union(*feed.subscription.values())
        feed.tap = self._tap
        feed.note_opened = lambda connection: self._opened.update([connection])
        return feed

    async def _tap(self, raw: str | bytes, timestamp: float) -> None:
        self._last_frame = recv_ts = int(timestamp * 1e6)
        self._frames += 1
        try:
            frame = raw.encode() if isinstance(raw, str) else raw
            await self._handle(frame, recv_ts, Source.CRYPTOFEED)
        except Exception as error:
            # cryptofeed would take it for the connection's fault and reconnect for ever
            if self._failure and not self._failure.done():
                self._failure.set_exception(error)
            raise

    async def _poll(self, liquidation: Any, _receipt: float) -> None:
        """Treat OKX's REST answer as one push, though cryptofeed passes it once for each order."""
        if liquidation.raw is self._polled:
            return
        self._polled = liquidation.raw
        push = {"arg": {"channel": "liquidation-orders"}, "data": liquidation.raw["data"]}
        await self._tap(msgspec.json.encode(push), time.time())


def find_exchange_class(venue: Venue) -> Any:
    """Return cryptofeed's class of the venue, with messages going to its attribute ``tap``.

    Its attribute ``note_opened`` is called with each connection whenever that has subscribed.

    Raises `ConfigError` if cryptofeed is not installed or does not know the venue.
    """
    try:
        from cryptofeed.exchanges import EXCHANGE_MAP  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ConfigError(
            "cryptofeed is not installed: run tools/add-extras in a checkout, else"
            f" {describe_installation('cryptofeed')}"
        ) from error
    known = [name for name, exchange in EXCHANGES.items() if exchange in EXCHANGE_MAP]
    if venue.name not in known:
        raise ConfigError(f"cryptofeed has no liquidations of {venue.name}, but of {known}")

    async def message_handler(self: Any, raw: str, _connection: Any, timestamp: float) -> None:
        await self.tap(raw, timestamp)

    async def subscribe(self: Any, connection: Any) -> None:
        await repaired.subscribe(self, connection)
        self.note_opened(connection)

    base = EXCHANGE_MAP[EXCHANGES[venue.name]]
    repaired: Any = type(base.__name__, (base,), _build_repairs(venue.name, base))
    body = {"message_handler": message_handler, "subscribe": subscribe}
    return type(base.__name__, (repaired,), body)


def _list_futures(exchange: Any) -> list[str]:
    """Ask the exchange for its contracts, by cryptofeed; return all but options and spot."""
    from cryptofeed.defines import FUTURES, PERPETUAL  # noqa: PLC0415 - an optional extra

    kinds = exchange.info()["instrument_type"]
    return [symbol for symbol, kind in kinds.items() if kind in (FUTURES, PERPETUAL)]


def _build_repairs(name: str, base: Any) -> dict[str, object]:
    """Return repaired attributes for version 2: closed routes and endless tasks."""
    from cryptofeed.connection import WebsocketEndpoint  # noqa: PLC0415 - an optional extra
    from cryptofeed.defines import LIQUIDATIONS  # noqa: PLC0415 - an optional extra

    async def public_trades(self: Any, connection: Any) -> None:
        channels = [f"trades.{contract}.100ms" for contract in self.subscription["trades"]]
        request = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "public/subscribe",
            "params": {"channels": channels},
        }
        await connection.write(msgspec.json.encode(request).decode())

    async def poll(self: Any, pairs: list[str]) -> None:
        self.poller = asyncio.current_task()
        await base._liquidations(self, pairs)

    if not _is_version_2():
        return {}
    if name == "okx":
        CRYPTOFEED.get(base, "_liquidations")

    repairs: dict[str, dict[str, object]] = {
        # an URL without a route acknowledges and stays silent
        "binance_usdm": {
            "websocket_endpoints": [WebsocketEndpoint("wss://fstream.binance.com/market")],
        },
        # the topic it knows is deprecated
        "bybit": {
            "websocket_channels": {**base.websocket_channels, LIQUIDATIONS: "allLiquidation"},
            "websocket_endpoints": [WebsocketEndpoint("wss://stream.bybit.com/v5/public/linear")],
        },
        # raw trades are for logged-in users
        "deribit": {"subscribe": public_trades},
        # nobody keeps the task that polls, so it would outlive the feed
        "okx": {"_liquidations": poll},
    }
    return repairs.get(name, {})


def _is_version_2() -> bool:
    return importlib.metadata.version("cryptofeed").startswith("2.")


async def _run(feed: Any, failure: asyncio.Future[None]) -> None:
    if not _is_version_2():
        await _await_first(asyncio.create_task(feed.run(asyncio.Event())), failure)
        return
    others = asyncio.all_tasks()
    feed.start(asyncio.get_running_loop())
    connections = asyncio.all_tasks() - others  # it keeps none, so would leave one half opened
    try:
        await failure
    finally:
        feed.stop()
        if poller := getattr(feed, "poller", None):
            poller.cancel()
        await feed.shutdown()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _await_first(run: asyncio.Task[None], failure: asyncio.Future[None]) -> None:
    try:
        await asyncio.wait({run, failure}, return_when=asyncio.FIRST_COMPLETED)
        await (failure if failure.done() else run)
    finally:
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
