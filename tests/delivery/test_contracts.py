"""Contracts while a producer runs: simulated exchanges, real websockets, a local REST server.

Kafka is away in most tests: the publisher's queue in memory holds all messages.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import liq
from liq.cli.feed import _line
from liq.config import Settings
from liq.delivery.intake import Intake
from liq.delivery.messaging import Publisher
from liq.delivery.messaging.client import Message
from liq.delivery.producer import Producer
from liq.ingest import venues, via_cryptofeed
from liq.ingest.contracts import ReloadLimits
from liq.ingest.feed import Timeouts
from liq.ingest.instruments import load_snapshot
from liq.ingest.simulator.server import Schedule, Simulator
from liq.ingest.venues.base import Instrument, SkipReason, Through, Venue
from liq.query import questdb
from liq.records.model import Completeness, FeedHealth, Liquidation, Source, decode
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS
from support.helpers import PATIENCE_S, consume, eventually, reached, running
from support.listings import Exchange, serve_listings
from support.recordings import load_recording

HASTY = Timeouts(backoff=0.02, backoff_max=0.1)
SOON = ReloadLimits(every=3600, pause=0.05, pause_max=0.2)
OFTEN = replace(SOON, every=0.2)


@pytest.fixture
def rest() -> Iterator[Exchange]:
    with serve_listings() as served:
        yield served


@pytest.fixture
def settings(unused_tcp_port: int, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, cache=tmp_path / "cache", simulator_port=unused_tcp_port)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> "Serve":
    return Serve(monkeypatch)


class Serve:
    """Puts a venue with another REST API in place of the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, venue: Venue) -> str:
        self._monkeypatch.setitem(venues.VENUES, venue.name, venue)
        return venue.name


@asynccontextmanager
async def producing(
    name: str,
    url: str,
    settings: Settings,
    limits: ReloadLimits,
    through: Through = Through.DIRECT,
) -> AsyncIterator[Producer]:
    """Run a producer without Kafka."""
    producer = Producer(
        name, url, timeouts=HASTY, limits=limits, through=through, settings=settings
    )
    await producer._contracts.load()
    producer._renew()
    producer._task = asyncio.create_task(producer._run())
    try:
        yield producer
    finally:
        await producer.stop()


def queued(producer: Producer, topic: str) -> list[Message]:
    return [one for one in producer._publisher._outbox.queue if one.topic == topic]


def rows(producer: Producer, settings: Settings) -> list[Liquidation]:
    return [decode(one.value) for one in queued(producer, LIQUIDATIONS.topic(settings))]


def health(producer: Producer, settings: Settings) -> list[FeedHealth]:
    reports = queued(producer, FEED_HEALTH.topic(settings))
    return [FEED_HEALTH.decode(one.value) for one in reports]  # type: ignore[misc]


def symbols(producer: Producer, settings: Settings) -> set[str]:
    return {one.symbol for one in rows(producer, settings)}


async def test_a_contract_listed_later_is_subscribed_over_the_open_connection(
    rest: Exchange, settings: Settings, serve: Serve
) -> None:
    name = serve(rest.list_bybit("BTCUSDT"))
    async with Simulator(Schedule(rate=300), settings) as simulator:
        url = simulator.urls.format(venue=name)
        async with producing(name, url, settings, OFTEN) as producer:
            await reached(lambda: symbols(producer, settings) == {"BTCUSDT"})
            rest.list_bybit("BTCUSDT", "ETHUSDT", "SOLUSDT")
            await reached(lambda: len(symbols(producer, settings)) == 3)
            status = producer.status()
            assert simulator.clients == 1
    assert (status.reconnects, status.errors, status.dead_lettered) == (0, 0, 0)
    assert {one.completeness for one in rows(producer, settings)} == {Completeness.FULL}
    assert "3 contracts from the REST of " in status.contracts
    assert "3 contracts from the REST of " in _line(status)


async def test_messages_of_a_contract_listed_later_are_parsed_after_the_reload(
    rest: Exchange, settings: Settings, serve: Serve, tmp_path: Path
) -> None:
    name = serve(rest.list_binance("BTC"))
    plan = Schedule(rate=300, count=300, ledger=tmp_path / "ledger")
    async with Simulator(plan, settings) as simulator:
        url = simulator.urls.format(venue=name)
        async with producing(name, url, settings, SOON) as producer:
            shipped = load_snapshot(venues.VENUES[name])
            assert shipped
            rest.list_binance(*(one.base for one in shipped.values()))
            await reached(lambda: producer.status().sent == 300)
            status = producer.status()
    assert (status.received, status.dead_lettered, status.reconnects) == (300, 0, 0)
    assert len(rest.asked) == 2
    sent = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    found = rows(producer, settings)
    assert len({one["symbol"] for one in sent}) > 2
    for symbol in {one["symbol"] for one in sent}:
        times = [one.ts for one in found if one.symbol == symbol]
        assert times == [one["ts"] for one in sent if one["symbol"] == symbol]


async def test_contracts_that_stay_unknown_are_dead_lettered_after_one_request(
    rest: Exchange, settings: Settings, serve: Serve, tmp_path: Path
) -> None:
    name = serve(rest.list_binance("BTC"))
    plan = Schedule(rate=500, count=500, ledger=tmp_path / "ledger")
    limits = replace(SOON, pause=0.5, again=3600)
    async with Simulator(plan, settings) as simulator:
        url = simulator.urls.format(venue=name)
        async with producing(name, url, settings, limits) as producer:
            await reached(lambda: producer.status().received == 500)
            await reached(simulator.finished.is_set)
    status = producer.status()
    sent = [json.loads(line)["symbol"] for line in (tmp_path / "ledger").read_text().splitlines()]
    unknown = [symbol for symbol in sent if symbol != "BTCUSD_PERP"]
    assert status.dead_lettered == len(unknown) > 100
    assert status.sent == sent.count("BTCUSD_PERP")
    # each contract causes a request at most, and those that appear at once share theirs
    assert len(rest.asked) <= 1 + len(set(unknown))
    letters = queued(producer, settings.dlq_topic)
    assert all(b"unknown contract" in dict(one.headers)["reason"] for one in letters)


async def test_contracts_that_cryptofeed_does_not_subscribe_to_make_its_rows_sampled(
    rest: Exchange, settings: Settings, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptofeed")
    from cryptofeed.connection import WebsocketEndpoint  # noqa: PLC0415 - an optional extra
    from cryptofeed.symbols import Symbols  # noqa: PLC0415 - an optional extra

    name = serve(rest.list_bybit("BTCUSDT"))
    Symbols.set(
        "BYBIT", {"BTC-USDT-PERP": "BTCUSDT"}, {"instrument_type": {"BTC-USDT-PERP": "perpetual"}}
    )
    plain = {"ssl": False, "server_hostname": None, "compression": None}
    address = f"wss://127.0.0.1:{settings.simulator_port}/{name}"
    body = {"websocket_endpoints": [WebsocketEndpoint(address, options=plain)]}
    local = type("Local", (via_cryptofeed.find_exchange_class(venues.VENUES[name]),), body)
    monkeypatch.setattr(via_cryptofeed, "find_exchange_class", lambda _venue: local)
    through = Through.CRYPTOFEED
    async with (
        Simulator(Schedule(rate=300), settings),
        producing(name, "", settings, OFTEN, through) as producer,
    ):
        await reached(lambda: rows(producer, settings) and health(producer, settings))
        assert {one.completeness for one in rows(producer, settings)} == {"full"}
        rest.list_bybit("BTCUSDT", "ETHUSDT")
        await reached(lambda: rows(producer, settings)[-1].completeness == "sampled")
        await reached(lambda: health(producer, settings)[-1].completeness == "sampled")
        assert "1 of them not subscribed to: restart the feed" in producer.status().contracts
        rest.list_bybit("BTCUSDT")
        await reached(lambda: rows(producer, settings)[-1].completeness == "full")
    assert {one.symbol for one in rows(producer, settings)} == {"BTCUSDT"}


@pytest.mark.slow
async def test_a_simulated_feed_with_the_snapshot_is_full_and_says_its_origin(
    rest: Exchange, settings: Settings, serve: Serve
) -> None:
    name = serve(rest.venue("bybit", "/bybit"))
    async with Simulator(Schedule(rate=300), settings) as simulator:
        url = simulator.urls.format(venue=name)
        async with producing(name, url, settings, SOON) as producer:
            await reached(lambda: rows(producer, settings) and health(producer, settings))
            status = producer.status()
            assert "contracts from the snapshot of " in status.contracts
            assert "bybit does not list its contracts: Server error '503" in status.contracts
            # a simulated exchange trades no other contracts
            assert {one.completeness for one in rows(producer, settings)} == {"full"}
            report = health(producer, settings)[-1]
            assert (report.completeness, report.contracts) == ("full", "snapshot")
            assert report.contracts_age
            assert "bybit does not list" in (report.contracts_fault or "")

            rest.list_bybit("BTCUSDT", "ETHUSDT", "SOLUSDT")
            await reached(lambda: health(producer, settings)[-1].contracts == "REST")
            report = health(producer, settings)[-1]
            assert (report.completeness, report.contracts_fault) == ("full", None)
            assert rows(producer, settings)[-1].completeness == "full"
            assert producer.status().state == "running"


@pytest.mark.slow
async def test_a_reconnect_requests_the_listing(
    rest: Exchange, settings: Settings, serve: Serve
) -> None:
    name = serve(rest.list_bybit("BTCUSDT"))
    async with Simulator(Schedule(rate=300, close_after=1), settings) as simulator:
        url = simulator.urls.format(venue=name)
        async with producing(name, url, settings, SOON) as producer:
            await reached(lambda: symbols(producer, settings) == {"BTCUSDT"})
            assert len(rest.asked) == 1
            rest.list_bybit("BTCUSDT", "ETHUSDT")
            await reached(lambda: "ETHUSDT" in symbols(producer, settings))
            assert producer.status().reconnects > 0


async def test_a_message_with_known_and_unknown_contracts_is_published_once(
    settings: Settings,
) -> None:
    recording = load_recording("okx")
    frame = recording.frames["several"]
    everything = dict(recording.instruments)
    venue = venues.VENUES["okx"]
    expected = list(venue.parse(frame, everything, recording.recv_ts))
    names = sorted({one.symbol for one in expected})
    known = {name: one for name, one in everything.items() if name == names[0]}
    publisher = Publisher(settings)
    intake = Intake(venue, known, publisher, lambda unknown: set(unknown) == set(names[1:]))
    await intake.take(frame, recording.recv_ts, Source.LIVE)
    await intake.take(frame, recording.recv_ts, Source.LIVE)
    assert len(names) > 1
    assert publisher.stats().sent == 2 * sum(one.symbol == names[0] for one in expected)
    assert (intake.received, publisher.stats().dead_lettered) == (2, 0)
    await intake.renew(everything)
    assert (publisher.stats().sent, publisher.stats().dead_lettered) == (2 * len(expected), 0)
    await intake.renew(everything)
    assert (publisher.stats().sent, intake.received) == (2 * len(expected), 2)


async def test_a_new_contract_that_is_not_in_dollars_is_counted_as_skipped(
    settings: Settings,
) -> None:
    def row(position: int, pair: str, match: int = 0) -> list[object]:
        time = 1_740_000_000_000
        return ["pos", position, time, None, pair, 0.5, 9135.9, None, match, 1, None, 9080]

    rows = [row(1, "tBTCUSD"), row(2, "tNEWBTC"), row(3, "tETHBTC"), row(1, "tBTCUSD", match=1)]
    frame = json.dumps([91684, rows]).encode()
    known = dict(load_recording("bitfinex").instruments)
    publisher = Publisher(settings)
    intake = Intake(venues.VENUES["bitfinex"], known, publisher, lambda _unknown: True)
    await intake.take(frame, 1_740_000_001_000_000, Source.LIVE)
    assert intake.passed == {SkipReason.NOT_IN_DOLLARS: 1, SkipReason.FOLLOW_UP: 1}
    await intake.renew(known | {"tNEWBTC": Instrument("tNEWBTC", "NEW", "BTC")})
    assert intake.passed == {SkipReason.NOT_IN_DOLLARS: 2, SkipReason.FOLLOW_UP: 1}
    assert (publisher.stats().sent, publisher.stats().dead_lettered) == (1, 0)


async def test_a_message_that_names_its_contract_by_number_waits_for_the_listing(
    settings: Settings,
) -> None:
    recording = load_recording("lighter")
    frame = next(recording.frames[name] for name in recording.expected["records"])
    venue, everything = venues.VENUES["lighter"], dict(recording.instruments)
    expected = list(venue.parse(frame, everything, recording.recv_ts))
    numbers = {str(everything[one.symbol].number) for one in expected}
    publisher = Publisher(settings)
    intake = Intake(venue, {}, publisher, lambda unknown: set(unknown) == numbers)
    await intake.take(frame, recording.recv_ts, Source.LIVE)
    assert (publisher.stats().sent, publisher.stats().dead_lettered) == (0, 0)
    await intake.renew(everything)
    assert (publisher.stats().sent, publisher.stats().dead_lettered) == (len(expected), 0)


async def test_a_stopped_producer_dead_letters_what_waits(
    rest: Exchange, settings: Settings, serve: Serve
) -> None:
    name = serve(rest.list_binance("BTC"))
    limits = ReloadLimits(pause=3600, patience=3600)
    async with Simulator(Schedule(rate=300, count=200), settings) as simulator:
        url = simulator.urls.format(venue=name)
        async with producing(name, url, settings, limits) as producer:
            await reached(lambda: producer.status().received == 200)
            assert producer.status().dead_lettered == 0
    status = producer.status()
    assert status.sent + status.dead_lettered == 200
    assert status.dead_lettered > 0


async def test_messages_wait_in_bounded_memory(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = load_recording("binance_coinm")
    frame = next(recording.frames[name] for name in recording.expected["records"])
    monkeypatch.setattr("liq.delivery.intake._WAITING_BYTES", 3 * len(frame))
    publisher = Publisher(settings)
    intake = Intake(venues.VENUES["binance_coinm"], {}, publisher, lambda _unknown: True)
    for _ in range(5):
        await intake.take(frame, recording.recv_ts, Source.LIVE)
    assert publisher.stats().dead_lettered == 2
    await intake.renew(recording.instruments)
    assert publisher.stats().sent == 3
    await intake.renew({"X": Instrument("X", "X", "USD")})
    assert (publisher.stats().sent, publisher.stats().dead_lettered) == (3, 2)


@pytest.mark.stack
async def test_a_contract_listed_later_is_in_the_topic(
    rest: Exchange, broker: Settings, serve: Serve, tmp_path: Path
) -> None:
    settings = broker.model_copy(update={"cache": tmp_path})
    name = serve(rest.list_bybit("BTCUSDT"))
    async with Simulator(Schedule(rate=300), settings) as simulator:
        url = simulator.urls.format(venue=name)
        producer = Producer(name, url, timeouts=HASTY, limits=OFTEN, settings=settings)
        await producer.start()
        await reached(lambda: producer.status().acknowledged > 0)
        rest.list_bybit("BTCUSDT", "ETHUSDT")
        await reached(lambda: "2 contracts" in producer.status().contracts)
        seen = producer.status().acknowledged
        await reached(lambda: producer.status().acknowledged > seen + 300)
        await producer.stop()
    found = {decode(one.value).symbol for one in consume(LIQUIDATIONS.topic(settings), settings)}
    assert found == {"BTCUSDT", "ETHUSDT"}


@pytest.mark.stack
async def test_origin_and_age_of_the_contracts_are_in_the_feed_status(
    rest: Exchange, pipeline: Settings, serve: Serve, tmp_path: Path
) -> None:
    settings = pipeline.model_copy(update={"cache": tmp_path})
    name = serve(rest.venue("bybit", "/bybit"))
    async with Simulator(Schedule(rate=50), settings) as simulator:
        url = simulator.urls.format(venue=name)
        producer = Producer(name, url, timeouts=HASTY, settings=settings)
        await producer.start()
        [loaded] = await asyncio.to_thread(eventually, lambda: questdb.list_contracts(settings))
        [row] = liq.hit("feed_health", window="10m", settings=settings).itertuples()
        with running(settings, "-m", "liq", "status") as process:
            output, _ = process.communicate(timeout=PATIENCE_S)
        await producer.stop()
    assert (loaded.exchange, loaded.completeness, loaded.origin) == (name, "full", "snapshot")
    assert (row.completeness, row.contracts) == ("full", "snapshot")
    assert row.contracts_age_s == pytest.approx(loaded.age_s, rel=0.01)
    assert "bybit does not list its contracts: Server error '503" in str(row.contracts_fault)
    assert re.search(
        r"\nsnapshot, \S+ h \(a simulated exchange trades no others\): \S*bybit\n", output
    )
