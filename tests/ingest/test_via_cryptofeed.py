"""The same raw messages, over the direct feed and through cryptofeed, become the same records."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from liq.delivery.producer import Producer
from liq.errors import ConfigError, RejectedMessage
from liq.ingest.feed import Feed, Handle
from liq.ingest.venues import VENUES
from liq.ingest.venues.base import Instrument, Through
from liq.ingest.via_cryptofeed import EXCHANGES, CryptoFeed, find_exchange_class
from liq.records.model import Liquidation, Source
from support.helpers import PATIENCE_S

cryptofeed = pytest.importorskip("cryptofeed")
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint  # noqa: E402
from cryptofeed.exchanges import EXCHANGE_MAP  # noqa: E402
from cryptofeed.symbols import Symbols  # noqa: E402

PAYLOADS = Path(__file__).parent / "venues" / "payloads"
# venue -> cryptofeed's name of a contract, the venue's own name, what marks a subscription
CONTRACTS = {
    "binance_usdm": ("BTC-USDT-PERP", "BTCUSDT", "/stream?streams=btcusdt@forceOrder"),
    "binance_coinm": ("BTC-USD-PERP", "BTCUSD_PERP", "/stream?streams=btcusd_perp@forceOrder"),
    "bybit": ("BTC-USDT-PERP", "BTCUSDT", "allLiquidation.BTCUSDT"),
    "deribit": ("BTC-USD-PERP", "BTC-PERPETUAL", "trades.BTC-PERPETUAL.100ms"),
    "okx": ("IOST-USDT-PERP", "IOST-USDT-SWAP", ""),
    "bitmex": ("BTC-USD-PERP", "XBTUSD", "liquidation:XBTUSD"),
}
PUSHED = pytest.mark.parametrize(
    "name", [name for name in CONTRACTS if EXCHANGES[name] in EXCHANGE_MAP and name != "okx"]
)


@dataclass
class Exchange:
    """A real websocket server that sends a venue's recording to whoever comes."""

    frames: list[str]
    port: int = 0
    asked: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Exchange"]:
        async with serve(self._serve, "127.0.0.1", 0) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            yield self

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request
        self.asked.put_nowait(connection.request.path)
        for frame in self.frames:
            await connection.send(frame)
        async for request in connection:
            self.asked.put_nowait(str(request))


def recording(name: str) -> tuple[list[str], dict[str, Instrument]]:
    """Return a venue's recorded frames, as text, and its contracts."""
    content = json.loads((PAYLOADS / f"{name}.json").read_text())
    frames = [one if one == "pong" else json.dumps(one) for one in content["frames"].values()]
    listing = VENUES[name].listing
    listed = listing.parse(json.dumps(content["listing"]).encode())[0] if listing else []
    return frames, {one.symbol: one for one in listed}


def parsed(name: str, raw: bytes, recv_ts: int, source: Source) -> list[Liquidation]:
    try:
        found = VENUES[name].parse(raw, recording(name)[1], recv_ts, source)
    except RejectedMessage as rejection:
        found = rejection.accepted
    return [one for one in found if isinstance(one, Liquidation)]


Build = Callable[[Handle], Feed | CryptoFeed]


@asynccontextmanager
async def running(build: Build) -> AsyncIterator[asyncio.Queue[tuple[bytes, int, Source]]]:
    """Run the feed that ``build`` makes; what it hands on is in the queue. It leaves no task."""
    others = asyncio.all_tasks()
    frames: asyncio.Queue[tuple[bytes, int, Source]] = asyncio.Queue()

    async def handle(*frame: Any) -> None:
        frames.put_nowait(frame)

    task = asyncio.create_task(build(handle).run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield frames
    finally:
        task.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(asyncio.all_tasks() - others), return_exceptions=True)


async def received(build: Build, name: str, count: int) -> list[Liquidation]:
    """Return the liquidations in the first ``count`` frames of a feed."""
    async with running(build) as frames:
        return [one for _ in range(count) for one in parsed(name, *await frames.get())]


def through_cryptofeed(name: str, port: int, **body: Any) -> Build:
    """Return what makes the adapter, its exchange class led to the server at ``port``.

    cryptofeed refuses all but wss: addresses, so TLS is taken off below them.
    """
    theirs, ours, _ = CONTRACTS[name]
    Symbols.set(EXCHANGES[name], {theirs: ours}, {"instrument_type": {theirs: "perpetual"}})
    plain = {"ssl": False, "server_hostname": None, "compression": None}
    body["websocket_endpoints"] = [WebsocketEndpoint(f"wss://127.0.0.1:{port}", options=plain)]
    exchange = type("Local", (find_exchange_class(VENUES[name]),), body)
    return lambda handle: CryptoFeed(VENUES[name], handle, [theirs], exchange)


def fields_of(liquidation: Liquidation) -> dict[str, object]:
    """Return all of a record but what differs from run to run."""
    record = msgspec.structs.asdict(liquidation)
    received_only = ("recv_ts", "source", *(["ts"] if liquidation.exchange == "bitmex" else []))
    return {name: value for name, value in record.items() if name not in received_only}


@PUSHED
async def test_both_paths_make_the_same_records(name: str) -> None:
    frames, _ = recording(name)
    async with Exchange(frames).running() as exchange:
        url = f"ws://127.0.0.1:{exchange.port}/"
        straight = partial(Feed, VENUES[name], url=url)
        direct = await received(straight, name, len(frames))
        adapted = await received(through_cryptofeed(name, exchange.port), name, len(frames))
    assert [fields_of(one) for one in adapted] == [fields_of(one) for one in direct]
    assert len(adapted) > 1
    assert {one.source for one in adapted} == {Source.CRYPTOFEED}


async def test_a_lost_connection_is_reported() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("{}")
        await connection.close(1001)

    async with serve(close, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        feed = through_cryptofeed("deribit", port)(lambda *_frame: asyncio.sleep(0))
        task = asyncio.create_task(feed.run())
        async with asyncio.timeout(PATIENCE_S):
            while feed.stats().gaps < 1:  # noqa: ASYNC110 - the condition is the feed's doing
                await asyncio.sleep(0.02)
        stats = feed.stats()
        assert stats.source is Source.CRYPTOFEED
        assert stats.frames >= 1
        assert stats.reconnects == stats.gaps
        task.cancel()
        await asyncio.wait({task})
        assert not feed.stats().connected


@PUSHED
async def test_cryptofeed_asks_for_liquidations_only(name: str) -> None:
    async with (
        Exchange(recording(name)[0]).running() as exchange,
        running(through_cryptofeed(name, exchange.port)),
    ):
        while CONTRACTS[name][2] not in await exchange.asked.get():
            pass


async def test_okx_is_polled_over_rest() -> None:
    frame = json.loads((PAYLOADS / "okx.json").read_text())["frames"]["documented"]
    answer = json.dumps({"code": "0", "msg": "", "data": frame["data"]})

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
        writer.write((head + answer).encode())
        await writer.drain()
        writer.close()

    rest = await asyncio.start_server(respond, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{rest.sockets[0].getsockname()[1]}"
    routes = Routes("/instruments", liquidations="/liquidations?{}{}{}")
    async with rest, Exchange([]).running() as exchange:
        build = through_cryptofeed(
            "okx", exchange.port, rest_endpoints=[RestEndpoint(address, routes=routes)]
        )
        async with running(build) as frames:
            raw, _, source = await frames.get()
    recv_ts = int(frame["data"][0]["details"][0]["ts"]) * 1000
    direct = parsed("okx", json.dumps(frame).encode(), recv_ts, Source.LIVE)
    adapted = parsed("okx", raw, recv_ts, source)
    assert [fields_of(one) for one in adapted] == [fields_of(one) for one in direct]
    assert [one.source for one in adapted] == [Source.CRYPTOFEED]


async def test_an_error_of_the_handler_ends_the_cryptofeed_feed() -> None:
    async def handle(*_frame: Any) -> None:
        raise RuntimeError("Kafka is unreachable")

    async with Exchange(recording("deribit")[0]).running() as exchange:
        feed = through_cryptofeed("deribit", exchange.port)(handle)
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(RuntimeError, match="Kafka is unreachable"):
                await feed.run()


async def test_without_symbols_all_futures_are_asked_for() -> None:
    exchange = find_exchange_class(VENUES["binance_usdm"])
    contracts = {"BTC-USDT-PERP": "BTCUSDT", "ETH-USDT-PERP": "ETHUSDT", "BTC-USDT": "x"}
    kinds = dict(zip(contracts, ("perpetual", "futures", "spot"), strict=True))
    Symbols.set(EXCHANGES["binance_usdm"], contracts, {"instrument_type": kinds})
    async with Exchange([]).running() as server:
        plain = {"ssl": False, "server_hostname": None, "compression": None}
        endpoint = WebsocketEndpoint(f"wss://127.0.0.1:{server.port}", options=plain)
        local = type("Local", (exchange,), {"websocket_endpoints": [endpoint]})
        async with running(partial(CryptoFeed, VENUES["binance_usdm"], exchange=local)):
            asked = await server.asked.get()
    assert sorted(asked.partition("=")[2].split("/")) == [
        "btcusdt@forceOrder",
        "ethusdt@forceOrder",
    ]


def test_a_venue_that_cryptofeed_lacks_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"no liquidations of htx, but of .*binance_usdm"):
        find_exchange_class(VENUES["htx"])
    with pytest.raises(ConfigError, match="no liquidations of htx"):
        Producer("htx", through=Through.CRYPTOFEED)


def test_a_url_cannot_go_through_cryptofeed() -> None:
    with pytest.raises(ConfigError, match="leave the URL out"):
        Producer(url="ws://127.0.0.1", through=Through.CRYPTOFEED)


def test_without_the_extra_the_error_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptofeed.exchanges", None)
    with pytest.raises(ConfigError, match="pip install 'cryptofeed"):
        Producer(through=Through.CRYPTOFEED)
