"""The simulated exchanges: one local websocket server, with a path for each venue."""

import asyncio
import contextlib
from http import HTTPStatus
from typing import IO, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from liq.config import Settings, choose_settings
from liq.errors import FeedError
from liq.ingest.feed import SIMULATOR_SERVER
from liq.ingest.simulator.exchange import ClientSession
from liq.ingest.simulator.exchanges import DEFAULT, create_exchange
from liq.ingest.simulator.hawkes import Walk
from liq.ingest.simulator.venue import Schedule, SimulatedVenue
from liq.ingest.venues import PRICE_FEEDS, VENUES

__all__ = ["Schedule", "Simulator"]

_SERVED = VENUES | PRICE_FEEDS


class Simulator:
    """Every venue, simulated on ``settings.simulator_port``; use it as ``async with``.

    Below ``/<venue>`` it speaks that venue's protocol, below all other paths Binance USD-M's. Each
    venue starts with its first client, by the same schedule. All venues have the same price of an
    asset.
    """

    def __init__(self, schedule: Schedule | None = None, settings: Settings | None = None) -> None:
        self._schedule = schedule or Schedule()
        settings = choose_settings(settings)
        self._address = (settings.host, settings.simulator_port)
        self._venues: dict[str, SimulatedVenue] = {}
        self._walk = Walk(self._schedule.seed)
        self._exit = contextlib.AsyncExitStack()
        self._ledger: IO[bytes] | None = None
        self.finished = asyncio.Event()

    @property
    def url(self) -> str:
        """Where all Binance USD-M liquidations are."""
        host, port = self._address
        return f"ws://{host}:{port}/market/ws/!forceOrder@arr"

    @property
    def urls(self) -> str:
        """Where each venue is: its name belongs in place of ``{venue}``."""
        host, port = self._address
        return f"ws://{host}:{port}/{{venue}}"

    @property
    def clients(self) -> int:
        """How many connections there are."""
        return sum(len(venue.clients) for venue in self._venues.values())

    @property
    def sent(self) -> int:
        """How many liquidations there were."""
        return sum(venue.sent for venue in self._venues.values())

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
            if self._schedule.ledger:
                self._ledger = self._exit.enter_context(self._schedule.ledger.open("ab"))
            await self._exit.enter_async_context(server)
        except OSError as error:
            raise FeedError(
                f"cannot simulate an exchange on {host}:{port}: {error}; "
                "is LIQ_SIMULATOR_PORT another one's, or the ledger not writable?"
            ) from error
        self._tasks = await self._exit.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request  # noqa: S101 - the handshake is over
        name, session = _route(connection.request.path)
        await self._venue(name).serve(connection, session)

    def _venue(self, name: str) -> SimulatedVenue:
        if name not in self._venues:
            seed = self._schedule.seed + list(_SERVED).index(name)
            venue = SimulatedVenue(
                create_exchange(name), self._schedule, seed, self._walk, self._ledger
            )
            for work in (self._send_liquidations(venue), venue.send_control()):
                self._exit.callback(self._tasks.create_task(work).cancel)
            self._venues[name] = venue
        return self._venues[name]

    async def _send_liquidations(self, venue: SimulatedVenue) -> None:
        await venue.send_liquidations()
        if all(venue.finished for name, venue in self._venues.items() if name in VENUES):
            self.finished.set()


def _route(target: str) -> tuple[str, ClientSession]:
    """Return the venue that a path asks for, and a session. Raises `ValueError` for an unknown."""
    first, slash, rest = target.removeprefix("/").partition("/")
    if first in _SERVED:
        return first, create_exchange(first).session(slash + rest)
    if target == "/":
        raise ValueError(f"there are: {', '.join(f'/{name}' for name in _SERVED)}")
    return DEFAULT, create_exchange(DEFAULT).session(target)


def _refuse_unknown(connection: ServerConnection, request: Request) -> Response | None:
    try:
        _route(request.path)
    except ValueError as error:
        return connection.respond(HTTPStatus.NOT_FOUND, f"{error}\n")
    return None
