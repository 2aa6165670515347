"""The simulated exchange over a real websocket, as any Binance client sees it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from liq.config import Settings
from liq.errors import FeedError, RejectedMessage
from liq.ingest.simulator.server import Schedule, Simulator
from liq.ingest.venues.binance import BINANCE_USDM
from liq.records.model import Liquidation, Side
from support.helpers import PATIENCE_S, eventually, reached

ALL = "!forceOrder@arr"


@asynccontextmanager
async def client(settings: Settings, target: str) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{settings.simulator_port}{target}") as connection:
        yield connection


async def receive(connection: ClientConnection, number: int) -> list[Any]:
    async with asyncio.timeout(PATIENCE_S):
        return [json.loads(await connection.recv()) for _ in range(number)]


async def ask(connection: ClientConnection, method: str, *params: str) -> Any:
    await connection.send(json.dumps({"method": method, "params": params, "id": 3}))
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = json.loads(await connection.recv())
            if "id" in answer:
                return answer


@pytest.mark.parametrize("target", [f"/ws/{ALL}", f"/market/ws/{ALL}", "/ws/%21forceOrder%40arr"])
async def test_raw_streams_send_bare_events(target: str, settings: Settings) -> None:
    async with Simulator(Schedule(rate=500), settings), client(settings, target) as connection:
        events = await receive(connection, 50)
    assert {event["e"] for event in events} == {"forceOrder"}
    assert set(events[0]["o"]) == set("sSofqpXlzT") | {"ap", "ps", "st"}


class Stepped:
    """A clock that is off by some seconds."""

    monotonic_ns = time.monotonic_ns

    def __init__(self, by_s: int) -> None:
        self._by_s = by_s

    def time(self) -> float:
        return time.time() + self._by_s

    def time_ns(self) -> int:
        return time.time_ns() + self._by_s * 10**9


HOUR_S = 3600


async def test_a_clock_that_steps_back_stops_neither_liquidations_nor_prices(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        Simulator(Schedule(rate=20), settings),
        client(settings, f"/stream?streams={ALL}/btcusdt@markPrice@1s") as connection,
        asyncio.timeout(PATIENCE_S),
    ):
        await receive(connection, 30)
        monkeypatch.setattr("liq.ingest.simulator.venue.time", Stepped(-HOUR_S))
        latest = (time.time() - HOUR_S + 60) * 1000
        old = Counter[str]()
        while min(old["forceOrder"], old["markPriceUpdate"]) < 3:
            data = json.loads(await connection.recv())["data"]
            old[data["e"]] += data["E"] < latest


@pytest.mark.parametrize("is_watched", [True, False])
async def test_after_a_machine_slept_no_liquidation_is_sent_for_that_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *, is_watched: bool
) -> None:
    """As of a suspend: the clock goes on, and the time since the start does not."""
    target, woke = f"/ws/{ALL}", Stepped(HOUR_S)
    async with Simulator(Schedule(rate=20), settings) as simulator, asyncio.timeout(PATIENCE_S):
        async with client(settings, target) as connection:
            await receive(connection, 5)
            if is_watched:
                monkeypatch.setattr("liq.ingest.simulator.venue.time", woke)
                assert await find_next_age_s(connection) < 60
        if not is_watched:
            await asyncio.to_thread(eventually, lambda: not simulator.clients)
            monkeypatch.setattr("liq.ingest.simulator.venue.time", woke)
            async with client(settings, target) as connection:
                assert await find_next_age_s(connection) < 60


async def find_next_age_s(connection: ClientConnection) -> float:
    """Return the age of the first event that is later than those from before the sleep."""
    slept_ms = time.time() * 1000
    while (moment_ms := json.loads(await connection.recv())["E"]) < slept_ms + 10_000:
        pass
    return float(slept_ms / 1000 + HOUR_S - moment_ms / 1000)


@pytest.mark.parametrize("target", [f"/stream?streams={ALL}", f"/market/stream?streams={ALL}"])
async def test_combined_streams_wrap_them(target: str, settings: Settings) -> None:
    async with Simulator(Schedule(rate=500), settings), client(settings, target) as connection:
        messages = await receive(connection, 50)
    assert {message["stream"] for message in messages} == {ALL}
    assert {message["data"]["e"] for message in messages} == {"forceOrder"}


async def test_one_contract_s_stream_has_only_that(settings: Settings) -> None:
    async with (
        Simulator(Schedule(rate=500), settings),
        client(settings, "/ws/ethusdt@forceOrder") as connection,
    ):
        events = await receive(connection, 20)
    assert {event["o"]["s"] for event in events} == {"ETHUSDT"}


async def test_requests_are_answered_as_binance_does(settings: Settings) -> None:
    async with Simulator(Schedule(rate=500), settings), client(settings, "/ws") as connection:
        assert await ask(connection, "LIST_SUBSCRIPTIONS") == {"result": [], "id": 3}
        assert await ask(connection, "SUBSCRIBE", ALL, "btcusdt@forceOrder") == {
            "result": None,
            "id": 3,
        }
        assert (await ask(connection, "LIST_SUBSCRIPTIONS"))["result"] == [
            ALL,
            "btcusdt@forceOrder",
        ]
        assert await receive(connection, 5)
        assert await ask(connection, "UNSUBSCRIBE", ALL, "btcusdt@forceOrder")
        assert (await ask(connection, "LIST_SUBSCRIPTIONS"))["result"] == []
        async with client(settings, f"/ws/{ALL}") as other:
            await receive(other, 50)  # orders that this connection is not to get
        await connection.send(json.dumps({"method": "SUBSCRIBE", "params": ["nonsense"], "id": 3}))
        [answer] = await receive(connection, 1)  # no order is ahead of it
        assert answer["error"]["code"] == 2
        assert (await ask(connection, "SHOUT"))["error"]["code"] == 2
        await connection.send("no json")
        assert json.loads(await connection.recv())["id"] is None


async def test_unknown_paths_are_not_found(settings: Settings) -> None:
    async with Simulator(Schedule(), settings):
        for target in ("/", "/api/v3/time", "/ws/nonsense"):
            with pytest.raises(InvalidStatus, match="404"):
                async with client(settings, target):
                    pass


def parsed(frame: str | bytes) -> list[Liquidation]:
    records = BINANCE_USDM.parse(frame, {}, 0)
    return [one for one in records if isinstance(one, Liquidation)]


async def test_mark_prices_are_a_control_stream(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.ingest.simulator.venue.CONTROL_S", 0.1)
    async with (
        Simulator(Schedule(), settings),
        client(settings, "/ws/btcusdt@markPrice") as connection,
    ):
        events = await receive(connection, 3)
    assert {(event["e"], event["s"]) for event in events} == {("markPriceUpdate", "BTCUSDT")}
    assert float(events[0]["p"]) == pytest.approx(97_250, rel=0.05)
    assert BINANCE_USDM.parse(json.dumps(events[0]), {}, 0) == []


async def test_mark_prices_come_each_second_and_equal_prices_of_the_orders(
    settings: Settings,
) -> None:
    async with (
        Simulator(Schedule(rate=500), settings),
        client(settings, "/ws/btcusdt@markPrice@1s/ethusdt@markPrice/btcusdt@forceOrder") as one,
        client(settings, "/binance_usdm_mark") as other,
    ):
        assert await ask(other, "SUBSCRIBE", "btcusdt@markPrice@1s") == {"result": None, "id": 3}
        events: list[Any] = []
        while Counter(event.get("s") for event in events)["BTCUSDT"] < 4:
            events += await receive(one, 1)
        others = await receive(other, 2)
    marks = [event for event in events if event["e"] == "markPriceUpdate"]
    by_moment = {event["E"]: event["p"] for event in marks if event["s"] == "BTCUSDT"}
    assert [moment - min(by_moment) for moment in by_moment] == [0, 1000, 2000, 3000]
    assert min(by_moment) % 1000 == 0
    slow = [event["E"] for event in marks if event["s"] == "ETHUSDT"]
    assert [moment - slow[0] for moment in slow] in ([0], [0, 3000])
    assert {event["s"] for event in others} == {"BTCUSDT"}
    shared = [event for event in others if event["E"] in by_moment]
    assert shared
    for event in shared:
        assert float(event["p"]) == pytest.approx(float(by_moment[event["E"]]), rel=1e-4)
    paid = [float(event["o"]["ap"]) for event in events if event["e"] == "forceOrder"]
    assert paid == pytest.approx([float(marks[-1]["p"])] * len(paid), rel=0.01)


async def test_orders_of_the_simulator_are_read_by_the_venue_s_parser(settings: Settings) -> None:
    async with (
        Simulator(Schedule(rate=2_000), settings),
        client(settings, f"/ws/{ALL}") as connection,
    ):
        frames = [await connection.recv() for _ in range(1_000)]
    liquidations = [one for frame in frames for one in parsed(frame)]
    assert len(liquidations) == 1_000
    assert len({one.event_id for one in liquidations}) == 1_000
    assert {one.side for one in liquidations} == {Side.LONG, Side.SHORT}
    assert abs(liquidations[0].ts / 1e6 - time.time()) < 60


async def test_a_seed_s_orders_begin_with_the_first_listener(settings: Settings) -> None:
    async def first(number: int) -> list[tuple[str, str]]:
        async with Simulator(Schedule(rate=300, seed=5), settings):
            await asyncio.sleep(0.3)  # orders would be due, if they began with the server
            async with client(settings, f"/ws/{ALL}") as connection:
                events = await receive(connection, number)
        return [(event["o"]["s"], event["o"]["q"]) for event in events]

    assert await first(100) == await first(100)


async def test_orders_keep_to_their_schedule(settings: Settings) -> None:
    due, delays = [], []
    async with (
        Simulator(Schedule(rate=400), settings),
        client(settings, f"/ws/{ALL}") as connection,
    ):
        for number in range(400):
            if number == 100:
                time.sleep(0.5)  # noqa: ASYNC251 - the simulator cannot send meanwhile
            event = json.loads(await connection.recv())
            due.append(event["o"]["T"])
            delays.append(time.time() * 1000 - due[-1])
    assert min(delays) >= 0
    assert max(delays) > 300  # milliseconds: what was due meanwhile came late
    # and yet says when it was due
    assert max(later - earlier for earlier, later in pairwise(due)) < 100


async def test_every_client_gets_every_order_of_its_time(settings: Settings) -> None:
    async with (
        Simulator(Schedule(rate=500, count=500), settings) as simulator,
        client(settings, f"/ws/{ALL}") as one,
        client(settings, f"/stream?streams={ALL}") as two,
    ):
        await asyncio.wait_for(simulator.finished.wait(), PATIENCE_S)
        assert simulator.clients == 2
        assert simulator.sent == 500
        events = await receive(one, 500)
        [first] = await receive(two, 1)
        expected = events[events.index(first["data"]) + 1 :]
        assert [message["data"] for message in await receive(two, len(expected))] == expected


async def test_the_ledger_holds_every_order_and_no_malformed_message(
    settings: Settings, tmp_path: Path
) -> None:
    plan = Schedule(rate=2_000, count=600, malformed_every=50, ledger=tmp_path / "ledger")
    good: list[Liquidation] = []
    bad: list[str] = []
    async with (
        Simulator(plan, settings) as simulator,
        client(settings, f"/ws/{ALL}") as connection,
    ):
        for _ in range(612):
            frame = await asyncio.wait_for(connection.recv(), PATIENCE_S)
            try:
                good += parsed(frame)
            except RejectedMessage as rejection:
                bad.append(str(rejection))
        assert simulator.finished.is_set()
    ledger = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [(one["symbol"], one["ts"], one["side"], one["notional"]) for one in ledger] == [
        (one.symbol, one.ts, one.side, one.notional) for one in good
    ]
    assert len(bad) == 12
    assert len(set(bad)) >= 5


async def test_connections_are_closed_after_their_time(settings: Settings) -> None:
    async with (
        Simulator(Schedule(rate=100, close_after=0.3), settings) as simulator,
        client(settings, f"/ws/{ALL}") as connection,
    ):
        with pytest.raises(ConnectionClosed) as closed:
            await receive(connection, 10**6)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        await reached(lambda: simulator.clients == 0)


async def test_a_taken_port_is_a_clear_error(settings: Settings) -> None:
    async with Simulator(Schedule(), settings):
        with pytest.raises(FeedError, match="LIQ_SIMULATOR_PORT"):
            async with Simulator(Schedule(), settings):
                pass
