"""Every venue's protocol, both its sides, over a real websocket: what was sent is what is read."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from liq.config import Settings
from liq.errors import RejectedMessage
from liq.ingest.feed import Feed, Timeouts
from liq.ingest.instruments import load_snapshot
from liq.ingest.simulator.exchanges import create_exchange
from liq.ingest.simulator.server import Schedule, Simulator
from liq.ingest.venues import VENUES, build_url
from liq.ingest.venues.base import Instruments, Venue
from liq.records.model import Liquidation, Side, Source
from support.helpers import PATIENCE_S, reached

COUNT = 300
every_venue = pytest.mark.parametrize("venue", VENUES.values(), ids=VENUES)


def instruments(venue: Venue) -> Instruments:
    return load_snapshot(venue) or {}


@dataclass
class Receiver:
    """What a venue's own feed and parser make of the frames."""

    venue: Venue
    liquidations: list[Liquidation] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    frames: int = 0

    def __post_init__(self) -> None:
        self.parse = self.venue.create_parser()

    async def take(self, raw: bytes, recv_ts: int, source: Source) -> None:
        self.frames += 1
        try:
            found = self.parse(raw, instruments(self.venue), recv_ts, source)
        except RejectedMessage as rejection:
            self.rejected.append(str(rejection))
            found = list(rejection.accepted)
        self.liquidations += [one for one in found if isinstance(one, Liquidation)]


@asynccontextmanager
async def receiving(venue: Venue, url: str, **timeouts: float) -> AsyncIterator[Receiver]:
    receiver = Receiver(venue)
    feed = Feed(venue, receiver.take, url, instruments(venue), Timeouts(backoff=0.02, **timeouts))
    task = asyncio.create_task(feed.run())
    try:
        yield receiver
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def frames_of(connection: ClientConnection) -> AsyncIterator[str | bytes]:
    with suppress(ConnectionClosed):
        while True:
            yield await connection.recv()


def fields_of(one: Liquidation) -> dict[str, Any]:
    """Return a record in the terms of the simulator's ledger."""
    return {
        "exchange": one.exchange,
        "symbol": one.symbol,
        "side": one.side.value,
        "ts": one.ts,
        "price": one.price,
        "quantity": pytest.approx(one.quantity),
        "notional": pytest.approx(one.notional),
    }


def by_symbol_and_time(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["symbol"], entry["ts"], entry["side"], entry["price"]


@every_venue
async def test_every_order_of_the_exchange_is_read_once(
    venue: Venue, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.ingest.simulator.venue.CONTROL_S", 0.05)
    plan = Schedule(rate=2_000, count=COUNT, malformed_every=50, ledger=tmp_path / "ledger")
    async with (
        Simulator(plan, settings) as simulator,
        receiving(venue, build_url(venue.name, simulator.urls)) as receiver,
    ):
        await reached(lambda: len(receiver.liquidations) >= COUNT and len(receiver.rejected) > 0)
        assert simulator.sent == COUNT
        frames = receiver.frames  # a control frame is behind anything more that was sent
        await reached(lambda: receiver.frames > frames)
    ledger = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert len(ledger) == COUNT
    read = [fields_of(one) for one in receiver.liquidations]
    if venue.name == "bitmex":  # it sends no time
        for sent, one in zip(ledger, receiver.liquidations, strict=True):
            assert 0 <= one.ts - sent["ts"] < PATIENCE_S * 1_000_000
            sent["ts"] = one.ts
    key = by_symbol_and_time
    assert sorted(read, key=key) == sorted(ledger, key=key)
    assert len({(one.ts, one.symbol, one.event_id) for one in receiver.liquidations}) == COUNT
    assert {one.side for one in receiver.liquidations} == {Side.LONG, Side.SHORT}
    assert {one.source for one in receiver.liquidations} == {Source.SIMULATOR}
    assert {one.completeness for one in receiver.liquidations} == {venue.completeness}
    assert 1 <= len(receiver.rejected) <= 6


@every_venue
async def test_a_quiet_market_is_distinguished_from_a_dead_connection(
    venue: Venue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.ingest.simulator.venue.CONTROL_S", 0.05)
    async with (
        Simulator(Schedule(rate=0.01), settings) as simulator,
        receiving(venue, build_url(venue.name, simulator.urls)) as receiver,
    ):
        await reached(lambda: simulator.clients == 1)
        await asyncio.sleep(0.2)  # the answers to the subscription, whose number venues differ in
        before = receiver.frames
        await reached(lambda: receiver.frames >= before + 3)
    assert not receiver.rejected
    assert not receiver.liquidations


@pytest.mark.parametrize("name", [name for name in VENUES if create_exchange(name).cuts_s])
async def test_a_client_that_is_silent_is_cut_off(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(create_exchange(name)), "cuts_s", 2)
    monkeypatch.setattr("liq.ingest.simulator.venue.CONTROL_S", 0.1)
    venue = VENUES[name]
    beating = replace(venue.heartbeat, seconds=0.1) if venue.heartbeat else None
    async with Simulator(Schedule(rate=10), settings) as simulator:
        url = build_url(name, simulator.urls)
        async with connect(url) as mute:
            async for _ in frames_of(mute):
                pass
            assert mute.close_code == 1008
        async with receiving(replace(venue, heartbeat=beating), url) as receiver:
            await reached(lambda: len(receiver.liquidations) > 20)
            assert simulator.clients == 1


async def test_a_simulator_behind_its_schedule_sends_frames_that_are_read_whole(
    settings: Settings,
) -> None:
    venue = VENUES["bitfinex"]  # which has the most rows of an order
    async with (
        Simulator(Schedule(rate=1_000_000, count=2_000), settings) as simulator,
        receiving(venue, build_url(venue.name, simulator.urls)) as receiver,
    ):
        await reached(lambda: len(receiver.liquidations) == 2_000 or receiver.rejected)
    assert not receiver.rejected


async def test_all_venues_are_received_at_once(settings: Settings, tmp_path: Path) -> None:
    plan = Schedule(rate=200, count=50, ledger=tmp_path / "ledger")
    async with Simulator(plan, settings) as simulator, asyncio.timeout(PATIENCE_S):
        receiver = [Receiver(venue) for venue in VENUES.values()]
        feeds = [
            Feed(
                one.venue,
                one.take,
                build_url(one.venue.name, simulator.urls),
                instruments(one.venue),
            )
            for one in receiver
        ]
        tasks = [asyncio.create_task(feed.run()) for feed in feeds]
        await reached(lambda: all(len(one.liquidations) == 50 for one in receiver))
        assert simulator.finished.is_set()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    lines = (tmp_path / "ledger").read_text().splitlines()
    assert Counter(json.loads(line)["exchange"] for line in lines) == dict.fromkeys(VENUES, 50)


@every_venue
async def test_odd_requests_and_paths_are_refused(venue: Venue, settings: Settings) -> None:
    async with Simulator(Schedule(), settings) as simulator:
        url = build_url(venue.name, simulator.urls)
        with pytest.raises(InvalidStatus, match="404"):
            await connect(url + "/elsewhere")
        async with connect(url) as client, asyncio.timeout(PATIENCE_S):
            for request in ("no json", "[]", '{"op":"shout","args":["nonsense"],"id":3}'):
                await client.send(request)
            refused = 0
            while refused < 3:
                try:
                    VENUES[venue.name].parse(await client.recv(), {}, 0)
                except RejectedMessage:
                    refused += 1
