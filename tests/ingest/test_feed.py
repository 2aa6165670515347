"""The feed against real local websocket servers that fail in the ways an exchange does."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import count, pairwise
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from liq.errors import FeedError
from liq.ingest.feed import SIMULATOR_SERVER, Feed, Timeouts
from liq.ingest.venues.base import Heartbeat, Instrument, Instruments, Pace, Venue, send_always
from liq.ingest.venues.binance import BINANCE_USDM
from liq.ingest.venues.bybit import BYBIT
from liq.ingest.venues.okx import OKX
from liq.records.model import Source
from support.helpers import PATIENCE_S, reached

HASTY = Timeouts(
    handshake=0.5,
    ping_interval=0.1,
    pong=0.3,
    backoff=0.02,
    backoff_max=0.1,
    max_age=3600,
    overlap=0.2,
)
PATIENT = replace(HASTY, handshake=PATIENCE_S, pong=PATIENCE_S)  # with a busy machine
QUIET = replace(BINANCE_USDM, subscribe=send_always(), silence=60.0)
Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler, port: int, **options: Any) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", port, ping_interval=None, close_timeout=0.2, **options):
        yield f"ws://127.0.0.1:{port}/"


class Frames(list[tuple[bytes, int, Source]]):
    """What a feed received."""

    async def add(self, raw: bytes, recv_ts: int, source: Source) -> None:
        self.append((raw, recv_ts, source))

    @property
    def texts(self) -> list[str]:
        return [raw.decode() for raw, _, _ in self]


@asynccontextmanager
async def feeding(
    url: str, frames: Frames, venue: Venue = QUIET, timeouts: Timeouts = PATIENT
) -> AsyncIterator[Feed]:
    feed = Feed(venue, frames.add, url, timeouts=timeouts)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
        assert not task.done(), "nothing a server does ends a feed"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("code", [1000, 1001, 1011])
async def test_any_close_is_a_disconnect(code: int, unused_tcp_port: int) -> None:
    async def one_frame(connection: ServerConnection) -> None:
        await connection.send("frame")
        await connection.close(code, "over")

    frames = Frames()
    async with served(one_frame, unused_tcp_port) as url, feeding(url, frames) as feed:
        await reached(lambda: len(frames) >= 3)
    stats = feed.stats()
    assert stats.reconnects >= 2
    assert stats.errors >= 2
    assert stats.gaps >= 2
    assert stats.frames == len(frames)
    assert str(code) in stats.last_error


async def test_frames_carry_the_time_of_receipt(unused_tcp_port: int) -> None:
    async def one_frame(connection: ServerConnection) -> None:
        await connection.send("frame")
        await connection.wait_closed()

    frames, before = Frames(), time.time_ns() // 1000
    async with served(one_frame, unused_tcp_port) as url, feeding(url, frames) as feed:
        await reached(lambda: len(frames) == 1)
        assert feed.stats().connected
        assert feed.stats().last_frame == frames[0][1]
    assert before <= frames[0][1] <= time.time_ns() // 1000
    assert not feed.stats().connected


@pytest.mark.slow
async def test_half_open_connection_is_replaced(unused_tcp_port: int) -> None:
    connections = []

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # complete the handshake by the book, then neither read nor write again
        from websockets.server import ServerProtocol  # noqa: PLC0415 - only here

        protocol = ServerProtocol()
        while not connections_open(protocol):
            protocol.receive_data(await reader.read(4096))
            for request in protocol.events_received():
                protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]
                writer.write(b"".join(protocol.data_to_send()))
        connections.append(writer)

    def connections_open(protocol: object) -> bool:
        return protocol.state.name == "OPEN"  # type: ignore[attr-defined,no-any-return]

    server = await asyncio.start_server(deaf, "127.0.0.1", unused_tcp_port)
    url, timeouts = f"ws://127.0.0.1:{unused_tcp_port}/", replace(HASTY, handshake=PATIENCE_S)
    async with server, feeding(url, Frames(), timeouts=timeouts) as feed:
        await reached(lambda: len(connections) >= 3)
        assert "ping unanswered" in feed.stats().last_error
        for writer in connections:  # before the server waits for them
            writer.close()


async def test_handshake_that_never_completes_is_given_up(unused_tcp_port: int) -> None:
    accepted = []

    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)

    server = await asyncio.start_server(mute, "127.0.0.1", unused_tcp_port)
    url = f"ws://127.0.0.1:{unused_tcp_port}/"
    async with server, feeding(url, Frames(), timeouts=HASTY) as feed:
        await reached(lambda: len(accepted) >= 2)
        await reached(lambda: "timed out" in feed.stats().last_error)
        assert not feed.stats().connected
        for writer in accepted:  # before the server waits for them
            writer.close()


async def test_server_that_only_answers_pings_is_dead_after_a_while(unused_tcp_port: int) -> None:
    opened = []

    async def silent(connection: ServerConnection) -> None:
        opened.append(connection)
        await connection.wait_closed()

    venue = replace(QUIET, silence=0.3)
    async with (
        served(silent, unused_tcp_port) as url,
        feeding(url, Frames(), venue) as feed,
    ):
        await reached(lambda: len(opened) >= 2)
        assert "no frame for 0.3 s" in feed.stats().last_error


async def test_quiet_market_is_no_fault(unused_tcp_port: int) -> None:
    opened = []

    async def silent(connection: ServerConnection) -> None:
        opened.append(connection)
        await connection.wait_closed()

    async with (
        served(silent, unused_tcp_port) as url,
        feeding(url, Frames()) as feed,
    ):
        await reached(lambda: feed.stats().connected)
        # ten pings: no event shows that a connection is kept
        await asyncio.sleep(10 * PATIENT.ping_interval)
        assert feed.stats().connected
        assert feed.stats().errors == 0
    assert len(opened) == 1


@pytest.mark.slow
async def test_slow_consumer_is_not_taken_for_a_dead_server(unused_tcp_port: int) -> None:
    opened = []

    async def flood(connection: ServerConnection) -> None:
        opened.append(connection)
        with suppress(ConnectionClosed):
            for number in range(20_000):
                await connection.send(f"{number:0500}")
        await connection.wait_closed()

    gate, received = asyncio.Event(), []

    async def held(raw: bytes, _recv_ts: int, _source: Source) -> None:
        await gate.wait()
        received.append(int(raw))

    timeouts = replace(PATIENT, pong=5)  # nor is a busy machine, for five seconds
    feed = Feed(QUIET, held, f"ws://127.0.0.1:{unused_tcp_port}/", timeouts=timeouts)
    async with served(flood, unused_tcp_port):
        task = asyncio.create_task(feed.run())
        await reached(lambda: feed.stats().connected)
        # long enough for a pong to be late: no event shows that a connection is kept
        await asyncio.sleep(1.5 * (timeouts.ping_interval + timeouts.pong))
        gate.set()
        await reached(lambda: len(received) == 20_000)
        task.cancel()
        await asyncio.wait({task})
    assert received == list(range(20_000))
    assert len(opened) == 1


async def test_server_that_appears_late_is_found(unused_tcp_port: int) -> None:
    async def one_frame(connection: ServerConnection) -> None:
        await connection.send("frame")
        await connection.wait_closed()

    frames = Frames()
    async with feeding(f"ws://127.0.0.1:{unused_tcp_port}/", frames) as feed:
        await reached(lambda: feed.stats().errors >= 2)
        assert feed.stats().gaps == 0  # there was nothing to lose
        assert str(unused_tcp_port) in feed.stats().last_error
        async with served(one_frame, unused_tcp_port):
            await reached(lambda: len(frames) == 1)


async def test_failures_in_a_row_are_retried_ever_more_slowly(unused_tcp_port: int) -> None:
    async def refuse(connection: ServerConnection) -> None:
        await connection.close(1013, "try again later")

    timeouts = replace(PATIENT, backoff=0.1, backoff_max=10)
    opened: list[float] = []

    async def note(connection: ServerConnection) -> None:
        opened.append(time.monotonic())
        await refuse(connection)

    async with (
        served(note, unused_tcp_port) as url,
        feeding(url, Frames(), timeouts=timeouts),
    ):
        await reached(lambda: len(opened) == 5)
    gaps = [later - earlier for earlier, later in pairwise(opened)]
    # 0.1 s doubled each time, with jitter down to a half
    assert all(gap >= 0.05 * 2**n for n, gap in enumerate(gaps))


async def test_a_server_that_greets_and_closes_is_asked_ever_more_slowly(
    unused_tcp_port: int,
) -> None:
    opened: list[float] = []

    async def greet(connection: ServerConnection) -> None:
        opened.append(time.monotonic())
        await connection.send("greeting")
        await connection.close(1013, "full")

    timeouts = replace(PATIENT, backoff=0.1, backoff_max=10)
    async with (
        served(greet, unused_tcp_port) as url,
        feeding(url, Frames(), timeouts=timeouts),
    ):
        await reached(lambda: len(opened) == 5)
    pauses = [later - earlier for earlier, later in pairwise(opened)]
    assert pauses[-1] > 0.1 * 2**3 / 2


@pytest.mark.slow
async def test_old_connection_overlaps_with_its_replacement(unused_tcp_port: int) -> None:
    alive: set[ServerConnection] = set()
    most = 0

    async def listen(connection: ServerConnection) -> None:
        nonlocal most
        alive.add(connection)
        most = max(most, len(alive))
        await connection.wait_closed()
        alive.discard(connection)

    async def send_frames() -> None:
        for number in count():
            broadcast(alive, str(number))
            await asyncio.sleep(0.02)

    frames = Frames()
    timeouts = replace(PATIENT, max_age=0.5, overlap=0.2)
    async with (
        served(listen, unused_tcp_port) as url,
        feeding(url, frames, timeouts=timeouts) as feed,
    ):
        sending = asyncio.create_task(send_frames())
        await reached(lambda: feed.stats().reconnects >= 3)
        sending.cancel()
        assert (feed.stats().errors, feed.stats().gaps) == (0, 0)
    got = set(map(int, frames.texts))
    assert got == set(range(min(got), max(got) + 1))
    assert most == 2


async def test_subscriptions_heartbeats_and_replies_are_sent(unused_tcp_port: int) -> None:
    got: list[str] = []

    async def listen(connection: ServerConnection) -> None:
        await connection.send('{"ping":7}')
        while True:
            got.append(str(await connection.recv()))

    venue = replace(
        QUIET,
        subscribe=send_always("first", "second"),
        heartbeat=Heartbeat(0.05, "beat"),
        reply=lambda raw: "pong 7" if b"ping" in bytes(raw) else None,  # type: ignore[arg-type]
    )
    async with served(listen, unused_tcp_port) as url, feeding(url, Frames(), venue):
        await reached(lambda: got.count("beat") >= 2 and "pong 7" in got)
    assert got[:2] == ["first", "second"]


@pytest.mark.parametrize(
    ("host", "server", "source"),
    [
        ("127.0.0.1", "nginx", Source.SIMULATOR),
        ("localhost", "nginx", Source.SIMULATOR),
        ("elsewhere.test", SIMULATOR_SERVER, Source.SIMULATOR),
        ("elsewhere.test", "nginx", Source.LIVE),
    ],
)
async def test_simulated_rows_never_look_real(
    host: str, server: str, source: Source, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one_frame(connection: ServerConnection) -> None:
        await connection.send("frame")
        await connection.wait_closed()

    lookup = asyncio.get_running_loop().getaddrinfo

    async def local(_host: str, *args: object, **options: object) -> object:
        return await lookup("127.0.0.1", *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", local)
    frames = Frames()
    url = f"ws://{host}:{unused_tcp_port}/"
    async with (
        served(one_frame, unused_tcp_port, server_header=server),
        feeding(url, frames),
    ):
        await reached(lambda: len(frames) == 1)
    assert frames[0][2] is source


async def test_consumer_s_own_error_ends_the_feed(unused_tcp_port: int) -> None:
    async def one_frame(connection: ServerConnection) -> None:
        await connection.send("frame")
        await connection.wait_closed()

    async def broken(_raw: bytes, _recv_ts: int, _source: Source) -> None:
        raise ZeroDivisionError

    async with served(one_frame, unused_tcp_port) as url:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(Feed(QUIET, broken, url, timeouts=PATIENT).run(), PATIENCE_S)


async def test_url_that_is_none_is_an_error() -> None:
    with pytest.raises(FeedError, match="no websocket URL"):
        await Feed(QUIET, Frames().add, "http://127.0.0.1/").run()


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1/blocked", "ws://127.0.0.1:99999/", "ws://[::1/", f"ws://{'a' * 64}/"],
    ids=["page", "port", "bracket", "name"],
)
async def test_a_redirect_to_no_websocket_is_a_failed_connection(
    location: str, unused_tcp_port: int
) -> None:
    def redirect(connection: ServerConnection, _request: Request) -> Response:
        response = connection.respond(302, "")
        response.headers["Location"] = location
        return response

    async with (
        served(ServerConnection.wait_closed, unused_tcp_port, process_request=redirect) as url,
        feeding(url, Frames()) as feed,
    ):
        await reached(lambda: feed.stats().errors >= 2)
    assert not feed.stats().connected


def contracts(*symbols: str) -> dict[str, Instrument]:
    return {symbol: Instrument(symbol, symbol, "USDT") for symbol in symbols}


def topics(requests: list[str]) -> list[str]:
    return [topic for request in requests for topic in json.loads(request)["args"]]


class Bybit:
    """Notes the requests of each connection, by its number, and answers the first with a frame."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.connections: list[ServerConnection] = []

    async def serve(self, connection: ServerConnection) -> None:
        requests: list[str] = []
        self.requests.append(requests)
        self.connections.append(connection)
        with suppress(ConnectionClosed):
            async for request in connection:
                requests.append(str(request))
                await connection.send("frame")

    @property
    def topics(self) -> list[list[str]]:
        """What each connection has subscribed to, besides the candle."""
        return [[one for one in topics(all_) if "kline" not in one] for all_ in self.requests]


@asynccontextmanager
async def following(
    port: int, listed: Instruments, venue: Venue = BYBIT
) -> AsyncIterator[tuple[Bybit, Feed]]:
    exchange = Bybit()
    async with served(exchange.serve, port) as url:
        feed = Feed(venue, Frames().add, url, listed, PATIENT)
        task = asyncio.create_task(feed.run())
        try:
            await reached(lambda: feed.stats().connected)
            yield exchange, feed
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_a_new_contract_is_subscribed_over_the_open_connection(unused_tcp_port: int) -> None:
    async with following(unused_tcp_port, contracts("A", "B")) as (exchange, feed):
        feed.listen_to(contracts("A", "B", "C"))
        feed.listen_to(contracts("A", "B", "C"))
        await reached(lambda: len(exchange.requests[0]) == 3)
        stats = feed.stats()
    assert exchange.topics == [["allLiquidation.A", "allLiquidation.B", "allLiquidation.C"]]
    assert topics(exchange.requests[0]).count("kline.1.BTCUSDT") == 1
    assert (stats.connected, stats.reconnects, stats.errors, stats.gaps) == (True, 0, 0, 0)


async def test_contracts_are_spread_over_as_many_connections_as_their_topics_need(
    unused_tcp_port: int,
) -> None:
    names = [f"CONTRACT{number:04}USDT" for number in range(1_500)]
    async with following(unused_tcp_port, contracts(*names)) as (exchange, feed):
        await reached(lambda: sum(map(len, exchange.topics)) == 1_500)
        assert len(exchange.requests) == 3
        for requests in exchange.requests:
            assert len(json.dumps(topics(requests))) <= 21_000
        added = [f"NEW{number:04}USDT" for number in range(600)]
        feed.listen_to(contracts(*names, *added))
        await reached(lambda: sum(map(len, exchange.topics)) == 2_100)
        await reached(lambda: feed.stats().connected)
        stats = feed.stats()
    every = [topic for each in exchange.topics for topic in each]
    assert sorted(every) == sorted(f"allLiquidation.{name}" for name in (*names, *added))
    for requests in exchange.requests:
        assert len(json.dumps(topics(requests))) <= 21_000
    assert (stats.reconnects, stats.errors, stats.gaps) == (0, 0, 0)


async def test_a_topic_that_no_connection_has_room_for_gets_one_of_its_own(
    unused_tcp_port: int,
) -> None:
    names = ["A", "L" * 30_000, "B"]
    async with following(unused_tcp_port, contracts(*names)) as (exchange, _feed):
        await reached(lambda: sum(map(len, exchange.topics)) == 3)
    assert [len(one) for one in exchange.topics] == [1, 1, 1]


async def test_a_feed_of_several_connections_is_connected_if_all_are(unused_tcp_port: int) -> None:
    names = [f"CONTRACT{number:04}USDT" for number in range(900)]
    async with following(unused_tcp_port, contracts(*names)) as (exchange, feed):
        await reached(lambda: sum(map(len, exchange.topics)) == 900)
        lost = exchange.connections[1]
        before = sorted(exchange.topics[1])
        await lost.close()
        await reached(lambda: feed.stats().gaps == 1)
        await reached(lambda: feed.stats().connected)
        await reached(lambda: sorted(exchange.topics[-1]) == before)
        stats = feed.stats()
    assert (stats.reconnects, stats.errors) == (1, 1)
    assert len(exchange.requests) == 3


async def test_a_connection_that_subscribed_to_a_contract_which_is_gone_is_replaced(
    unused_tcp_port: int,
) -> None:
    async with following(unused_tcp_port, contracts("A", "B")) as (exchange, feed):
        await reached(lambda: len(exchange.requests[0]) == 2)
        feed.listen_to(contracts("A", "C"))
        await reached(lambda: len(exchange.requests) == 2)
        await reached(lambda: len(exchange.topics[1]) == 2)
        stats = feed.stats()
    assert exchange.topics[1] == ["allLiquidation.A", "allLiquidation.C"]
    assert (stats.reconnects, stats.errors, stats.gaps) == (1, 0, 0)


async def test_a_venue_with_a_request_for_each_contract_keeps_its_connection(
    unused_tcp_port: int,
) -> None:
    single = replace(BYBIT, subscribe=lambda listed: [f'{{"args":["{one}"]}}' for one in listed])
    async with following(unused_tcp_port, contracts("A", "B"), single) as (exchange, feed):
        feed.listen_to(contracts("A", "C"))
        await reached(lambda: len(exchange.requests[0]) == 3)
        assert feed.stats().reconnects == 0
    assert exchange.topics == [["A", "B", "C"]]


async def test_a_venue_of_one_stream_is_not_subscribed_again(unused_tcp_port: int) -> None:
    got: list[str] = []

    async def listen(connection: ServerConnection) -> None:
        got.append(str(await connection.recv()))
        await connection.wait_closed()

    frames = Frames()
    async with served(listen, unused_tcp_port) as url:
        feed = Feed(OKX, frames.add, url, contracts("A"), timeouts=PATIENT)
        task = asyncio.create_task(feed.run())
        await reached(lambda: feed.stats().connected and got)
        feed.listen_to(contracts("B", "C"))
        await asyncio.sleep(0.2)  # nothing is to come
        assert feed.stats().reconnects == 0
        task.cancel()
        await asyncio.wait({task})
    assert got == [*OKX.subscribe({})]


@pytest.mark.parametrize(("seconds", "expected"), [(0.01, 5), (3600, 2)])
async def test_a_venue_with_a_pace_gets_a_burst_of_requests_and_then_one_by_one(
    unused_tcp_port: int, seconds: float, expected: int
) -> None:
    requests = [str(number) for number in range(5)]
    asked: list[str] = []

    async def exchange(connection: ServerConnection) -> None:
        async for request in connection:
            asked.append(str(request))
            await connection.send("answer")

    frames = Frames()
    venue = replace(QUIET, subscribe=send_always(*requests), pace=Pace(burst=2, seconds=seconds))
    async with served(exchange, unused_tcp_port) as url, feeding(url, frames, venue):
        await reached(lambda: len(frames) == expected)
        await asyncio.sleep(0.2)
    assert asked == requests[:expected]
