"""The producer on the real broker, fed by the simulated exchange."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import liq
from liq.cli.feed import _line
from liq.config import Settings
from liq.delivery.producer import FeedState, Producer, run
from liq.errors import ConfigError, FeedError, KafkaError, RejectedMessage
from liq.ingest import venues
from liq.ingest.feed import Timeouts
from liq.ingest.instruments import load_snapshot
from liq.ingest.simulator.server import Schedule, Simulator
from liq.ingest.venues.base import Instruments, SkipReason
from liq.ingest.venues.binance import BINANCE_USDM
from liq.ingest.venues.bybit import BYBIT
from liq.ingest.venues.okx import OKX
from liq.query import questdb
from liq.records.model import Liquidation, Record, Source, decode
from liq.records.streams import LIQUIDATIONS
from support.disk import KINDS, small_disk
from support.helpers import PATIENCE_S, consume, eventually, reached, running

BTCUSDT = {"symbol": "BTCUSDT", "base": "BTC", "quote": "USDT"}
HASTY = Timeouts(backoff=0.02, backoff_max=0.1)


def published(settings: Settings) -> list[Liquidation]:
    return [decode(record.value) for record in consume(LIQUIDATIONS.topic(settings), settings)]


@pytest.mark.stack
async def test_liquidations_of_the_exchange_are_in_the_topic(
    broker: Settings, tmp_path: Path
) -> None:
    plan = Schedule(rate=3_000, count=6_000, ledger=tmp_path / "ledger")
    async with Simulator(plan, broker) as simulator:
        producer = Producer(url=simulator.url, settings=broker)
        await producer.start()
        await reached(lambda: producer.status().sent == 6_000)
        await reached(lambda: producer.status().state is FeedState.RUNNING)
        status = producer.status()
        assert status.source is Source.SIMULATOR
        assert status.rate > 100
        assert status.lag_s is not None
        assert 0 <= status.lag_s < 30
        await producer.stop()
    status = producer.status()
    assert status.state is FeedState.STOPPED
    assert (status.received, status.sent, status.acknowledged) == (6_000, 6_000, 6_000)
    assert (status.dead_lettered, status.errors, status.last_error) == (0, 0, "")

    ledger = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert sorted(
        (one.symbol, one.ts, one.side, one.quantity) for one in published(broker)
    ) == sorted((one["symbol"], one["ts"], one["side"], one["quantity"]) for one in ledger)


@pytest.mark.stack
async def test_bad_messages_are_dead_lettered_and_the_good_go_on(broker: Settings) -> None:
    async with Simulator(Schedule(rate=500, count=300, malformed_every=50), broker) as simulator:
        producer = Producer(url=simulator.url, settings=broker)
        await producer.start()
        await reached(lambda: producer.status().received == 306)
        await producer.stop()
    status = producer.status()
    assert (status.acknowledged, status.dead_lettered) == (300, 6)
    assert len(published(broker)) == 300
    for record in consume(broker.dlq_topic, broker):
        headers = {name: value.decode() for name, value in record.headers}
        assert headers["venue"] == "binance_usdm"
        assert headers["reason"]
        assert int(headers["recv_ts"]) > 0
        assert b"forceOrder" in record.value


@pytest.mark.stack
async def test_good_records_of_a_bad_message_are_published(
    broker: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(
        raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
    ) -> Sequence[Record]:
        found = BINANCE_USDM.parse(raw, instruments, recv_ts, source)
        if b'"BUY"' in bytes(raw):  # type: ignore[arg-type]
            raise RejectedMessage("the other one is odd", found)
        if b'"result"' in bytes(raw):  # type: ignore[arg-type]
            raise ZeroDivisionError
        return found

    monkeypatch.setitem(venues.VENUES, "odd", replace(BINANCE_USDM, name="odd", parse=odd))
    async with Simulator(Schedule(rate=500, count=100), broker) as simulator:
        producer = Producer("odd", simulator.url, settings=broker)
        await producer.start()
        await reached(lambda: producer.status().sent == 100)
        await producer.stop()
    assert producer.status().acknowledged == 100
    letters = consume(broker.dlq_topic, broker)
    reasons = {dict(letter.headers)["reason"].decode() for letter in letters}
    assert reasons == {"the other one is odd", "the parser failed: ZeroDivisionError()"}


@pytest.mark.stack
async def test_records_that_a_fast_clock_makes_old_are_counted_and_shown(
    pipeline: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fast(
        raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
    ) -> Sequence[Record]:
        return OKX.parse(raw, instruments, recv_ts + 3_600_000_000, source)

    monkeypatch.setitem(venues.VENUES, "okx", replace(OKX, parse=fast))
    async with Simulator(Schedule(rate=200), pipeline) as simulator:
        url = simulator.urls.replace("{venue}", "okx")
        producer = Producer("okx", url, instruments=load_snapshot(OKX), settings=pipeline)
        await producer.start()
        await reached(lambda: producer.status().passed.get(SkipReason.OLD, 0) > 100)
        await asyncio.to_thread(eventually, lambda: questdb.list_skipped(pipeline))
        await producer.stop()
    status = producer.status()
    assert (status.sent, status.dead_lettered, status.received) == (0, 0, 0)

    def has_reported() -> bool:
        row = liq.hit("feed_health", window="10m", settings=pipeline).iloc[0]
        return bool(0 < row["passed"] == row["too_old"] <= status.passed[SkipReason.OLD])

    await asyncio.to_thread(eventually, has_reported)
    assert "skipped on purpose" in _line(status)

    def is_shown() -> bool:  # the last report may still be on its way
        [feed] = questdb.list_skipped(pipeline)
        assert (feed.exchange, feed.passed) == ("okx", feed.too_old)
        with running(pipeline, "-m", "liq", "status") as process:
            output, _ = process.communicate(timeout=PATIENCE_S)
        return f"as if the clock here were fast: okx {feed.too_old:,}\n" in output

    await asyncio.to_thread(eventually, is_shown)


@pytest.mark.stack
async def test_a_producer_can_be_started_again_and_twice_is_once(broker: Settings) -> None:
    async with Simulator(Schedule(rate=200), broker) as simulator:
        producer = Producer(url=simulator.url, settings=broker)
        assert producer.status().state is FeedState.STOPPED
        await producer.stop()  # nothing to stop
        for _ in range(2):
            await producer.start()
            await producer.start()
            await reached(lambda: producer.status().acknowledged > 0)
            assert simulator.clients == 1
            await producer.stop()
            await reached(lambda: simulator.clients == 0)


@pytest.mark.stack
async def test_an_exchange_that_goes_and_comes_is_waited_for(broker: Settings) -> None:
    async with Simulator(Schedule(rate=200), broker) as simulator:
        url = simulator.url
    producer = Producer(url=url, timeouts=HASTY, settings=broker)
    await producer.start()
    await reached(lambda: producer.status().errors > 0)
    await reached(lambda: producer.status().state is FeedState.CONNECTING)
    assert url in producer.status().last_error
    async with Simulator(Schedule(rate=200, close_after=0.5), broker):
        await reached(lambda: producer.status().reconnects >= 2)
        assert producer.is_running
    await producer.stop()
    assert producer.status().acknowledged == producer.status().sent > 0


@pytest.mark.stack
async def test_a_hopeless_url_makes_it_fail(broker: Settings) -> None:
    producer = Producer(url="http://127.0.0.1/", settings=broker)
    await producer.start()
    await reached(lambda: not producer.is_running)
    assert producer.status().state is FeedState.FAILED
    assert "no websocket URL" in producer.status().last_error
    with pytest.raises(FeedError, match="no websocket URL"):
        await producer.stop()
    assert producer.status().state is FeedState.STOPPED


@pytest.fixture
def unlisted(
    broker: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Producer]:
    """Return a function that creates a producer whose contracts no source has."""
    assert BYBIT.listing
    listing = replace(BYBIT.listing, urls=("http://127.0.0.1:9/",))
    monkeypatch.setitem(venues.VENUES, "unlisted", replace(BYBIT, name="unlisted", listing=listing))
    monkeypatch.setattr("liq.delivery.producer._RESTART_S", 0.1)
    monkeypatch.setattr("liq.delivery.producer._LONGEST_RESTART_S", 0.1)
    settings = broker.model_copy(update={"cache": tmp_path})
    url = f"ws://127.0.0.1:{broker.simulator_port}/bybit"
    return lambda: Producer("unlisted", url, settings=settings)


@pytest.mark.stack
async def test_a_venue_that_fails_does_not_stop_the_others_and_is_started_again(
    broker: Settings,
    unlisted: Callable[[], Producer],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Simulator(Schedule(rate=100), broker) as simulator:
        good, bad = Producer(url=simulator.url, settings=broker), unlisted()
        running = asyncio.create_task(run([good, bad]))
        await reached(lambda: good.status().acknowledged > 20 and len(caplog.messages) > 1)
        assert bad.status().state is FeedState.FAILED
        assert "unlisted does not list its contracts" in bad.status().last_error
        assert "the others go on, next attempt in 0.1 s" in caplog.messages[0]

        kept = {"header": "", "as_of": "2026-11-28T00:00:00Z", "instruments": [BTCUSDT]}
        file = tmp_path / "instruments" / "unlisted.json"
        file.parent.mkdir()
        file.write_text(json.dumps(kept))
        await reached(lambda: bad.status().acknowledged > 0)
        await reached(lambda: bad.status().state is FeedState.RUNNING)
        running.cancel()
        await asyncio.wait({running})
    assert [one.status().state for one in (good, bad)] == [FeedState.STOPPED] * 2


@pytest.mark.stack
async def test_a_run_ends_once_all_its_venues_have_failed(
    unlisted: Callable[[], Producer],
) -> None:
    with pytest.raises(FeedError, match="unlisted does not list its contracts"):
        await run([unlisted(), unlisted()])


@pytest.mark.stack
@pytest.mark.parametrize("kind", KINDS)
async def test_a_full_disk_is_shown_and_does_not_end_it(
    kind: str, pipeline: Settings, tmp_path: Path
) -> None:
    with small_disk(kind, tmp_path / "disk") as disk:
        settings = pipeline.model_copy(update={"home": disk.path})
        async with Simulator(Schedule(rate=500), settings) as simulator:
            kept = disk.path / "recordings"
            producer = Producer(url=simulator.url, record=kept, settings=settings)
            await producer.start()
            await reached(lambda: producer.status().acknowledged > 100)
            assert producer.status().warning == ""
            disk.fill()
            await reached(lambda: "frames are not recorded" in producer.status().warning)
            await reached(lambda: "unacknowledged messages" in producer.status().warning)
            before = producer.status().acknowledged
            await reached(lambda: producer.status().acknowledged > before + 500)
            await reached(lambda: producer.status().state is FeedState.RUNNING)
            disk.free()
            await reached(lambda: producer.status().warning == "")
            disk.fill()
            await producer.stop()
    status = producer.status()
    assert (status.sent, status.errors) == (status.acknowledged, 0)


async def test_without_a_broker_it_does_not_start(unused_tcp_port: int) -> None:
    producer = Producer(settings=Settings(kafka_port=unused_tcp_port))
    with pytest.raises(KafkaError, match="liq up"):
        await producer.start()
    assert producer.status().state is FeedState.STOPPED


def test_an_unknown_venue_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="binance_usdm"):
        Producer("nowhere")
