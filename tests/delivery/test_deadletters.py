"""Dead letters on the real servers: who set them aside, why, and what a redrive makes of them."""

import asyncio
import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer

from liq.config import Settings
from liq.delivery import deadletters
from liq.delivery.deadletters import Letter, Redriven, Stage, list_letters, redrive
from liq.delivery.intake import Intake
from liq.delivery.messaging import Publisher
from liq.errors import DeadLetterError, RejectedMessage
from liq.ingest import venues
from liq.ingest.venues.base import Instruments
from liq.ingest.venues.binance import BINANCE_USDM
from liq.query import questdb
from liq.records.model import Liquidation, Record, Source, decode, encode
from liq.records.streams import LIQUIDATIONS
from support.helpers import consume, eventually, running
from support.rows import liquidation

pytestmark = pytest.mark.stack
RECEIVED = 1_750_000_000_123_456


def frame(number: int, symbol: str = "BTCUSDT") -> bytes:
    order: dict[str, object] = {
        "s": symbol,
        "S": "SELL",
        "o": "LIMIT",
        "f": "IOC",
        "q": str(number + 1),
        "p": "2",
    }
    order |= {"ap": "2", "X": "FILLED", "l": "1", "z": str(number + 1), "T": 1_750_000_000_000}
    return json.dumps({"e": "forceOrder", "E": 1_750_000_000_001, "o": order}).encode()


class Parser:
    """Binance's, with a fault that can be repaired."""

    broken = True

    def __call__(
        self, raw: str | bytes, instruments: Instruments, recv_ts: int, source: Source = Source.LIVE
    ) -> Sequence[Record]:
        if self.broken:
            raise RejectedMessage("not known yet")
        return BINANCE_USDM.parse(raw, instruments, recv_ts, source)


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Parser:
    """The parser of a venue ``odd``."""
    parser = Parser()
    monkeypatch.setitem(venues.VENUES, "odd", replace(BINANCE_USDM, name="odd", parse=parser))
    return parser


async def receive(settings: Settings, *frames: bytes, source: Source = Source.SIMULATOR) -> None:
    async with Publisher(settings) as publisher:
        intake = Intake(venues.find_venue("odd"), {}, publisher)
        for raw in frames:
            await intake.take(raw, RECEIVED, source)


def found(settings: Settings, **which: str) -> list[Letter]:
    return list_letters(settings, **which)  # type: ignore[arg-type]


def again(settings: Settings, **options: Any) -> Redriven:
    return asyncio.run(redrive(list_letters(settings), settings, **options))


def published(settings: Settings) -> list[Liquidation]:
    return [decode(record.value) for record in consume(LIQUIDATIONS.topic(settings), settings)]


def test_a_frame_goes_through_the_repaired_parser_as_of_its_receipt(
    broker: Settings, parser: Parser
) -> None:
    asyncio.run(receive(broker, frame(1), b"{", frame(2)))
    assert [(one.stage, one.venue, one.reason) for one in found(broker)] == [
        (Stage.PARSER, "odd", "not known yet")
    ] * 3
    state = again(broker)
    assert [why for _, why in state.failed] == ["not known yet"] * 3
    assert published(broker) == []

    parser.broken = False
    state = again(broker)
    assert (state.total, state.letters, state.records) == (3, 3, 2)
    [(left, why)] = state.failed
    assert "JSON" in why
    rows = published(broker)
    assert {(row.quantity, row.recv_ts, row.source) for row in rows} == {
        (2.0, RECEIVED, Source.SIMULATOR),
        (3.0, RECEIVED, Source.SIMULATOR),
    }
    assert found(broker) == [left]
    assert left.value == b"{"


def test_a_redriven_dead_letter_is_not_redriven_again(broker: Settings, parser: Parser) -> None:
    asyncio.run(receive(broker, *(frame(number) for number in range(1_200))))
    parser.broken = False
    shown: list[int] = []
    chosen = list_letters(broker)
    state = asyncio.run(redrive(chosen, broker, lambda state: shown.append(state.letters)))
    assert shown == list(range(1, 1_201))
    assert (state.records, state.failed) == (1_200, [])
    assert found(broker) == []
    assert again(broker).records == 0
    assert len(published(broker)) == 1_200
    assert len(list_letters(broker, redriven=True)) == 1_200


def test_the_newest_are_reported_without_reading_all(broker: Settings, parser: Parser) -> None:
    asyncio.run(receive(broker, *(frame(number) for number in range(5))))
    assert [one.id for one in list_letters(broker, newest=2)] == ["0:3", "0:4"]
    assert len(list_letters(broker, newest=9)) == 5
    parser.broken = False
    asyncio.run(redrive(list_letters(broker, newest=1), broker))
    assert [one.id for one in list_letters(broker, newest=3)] == ["0:3"]  # the last one is the note


def test_a_dry_run_says_and_does_nothing(broker: Settings, parser: Parser) -> None:
    asyncio.run(receive(broker, frame(1), b"["))
    parser.broken = False
    state = again(broker, dry_run=True)
    assert (state.records, len(state.failed)) == (1, 1)
    assert published(broker) == []
    assert len(found(broker)) == 2


async def test_no_record_passes_the_door_that_its_schema_does_not_allow(broker: Settings) -> None:
    good = liquidation("2026-03-01", 1.0)
    bad = {
        "null": msgspec.structs.replace(good, price=math.nan),
        ">= 2e-10": msgspec.structs.replace(good, notional=-1.0),
        "float": msgspec.structs.replace(good, quantity="many"),
        "enum": msgspec.structs.replace(good, side="both"),
        "<= 9223372036854775807": msgspec.structs.replace(good, event_id=2**63),
        "<= 253402300799999999": msgspec.structs.replace(good, ts=10**18),
        "surrogates": msgspec.structs.replace(good, symbol="\ud83d"),
    }
    async with Publisher(broker) as publisher:
        for record in (*bad.values(), good):
            await publisher.publish(record)
    assert publisher.stats().sent == 1
    assert await asyncio.to_thread(published, broker) == [good]
    kept = await asyncio.to_thread(list_letters, broker)
    assert {(one.stage, one.venue, one.topic) for one in kept} == {
        (Stage.PUBLISHER, "binance_usdm", LIQUIDATIONS.topic(broker))
    }
    for one, reason in zip(kept, bad, strict=True):
        assert reason in one.reason
    state = await redrive(kept, broker)
    assert len(state.failed) == len(bad)
    assert state.records == 0


def test_a_record_that_the_sink_refused_is_checked_then_published_again(pipeline: Settings) -> None:
    table = LIQUIDATIONS.table(pipeline)
    questdb.execute(f"ALTER TABLE {table} DROP COLUMN raw_side", settings=pipeline)
    good = liquidation("2026-03-01", 1.0)
    extra = msgspec.json.encode(msgspec.to_builtins(good) | {"leverage": 20})
    client = KafkaProducer(bootstrap_servers=pipeline.kafka_bootstrap)
    for value in (encode(good), b'{"ts": 1', extra, None):
        client.send(LIQUIDATIONS.topic(pipeline), key=b"binance_usdm:BTCUSDT", value=value)
    client.close()
    eventually(lambda: len(found(pipeline)) == 4)
    kept = found(pipeline)
    assert {(one.stage, one.venue, one.topic) for one in kept} == {
        (Stage.SINK, "binance_usdm", LIQUIDATIONS.topic(pipeline))
    }
    assert len(found(pipeline, reason="RAW_SIDE")) >= 1

    questdb.execute(f"ALTER TABLE {table} ADD COLUMN raw_side SYMBOL", settings=pipeline)
    state = again(pipeline)
    assert state.records == 1
    failed = {one.value: why for one, why in state.failed}
    assert failed.keys() == {b'{"ts": 1', extra, None}
    assert "leverage" in failed[extra]
    sql = f"SELECT raw_side FROM {table}"  # noqa: S608 - our own name
    rows = eventually(lambda: list(questdb.fetch(sql, None, pipeline)["raw_side"]))
    assert rows == ["SELL"]
    assert len(found(pipeline)) == 3


def test_a_redrive_that_is_killed_is_made_good_by_the_next(pipeline: Settings) -> None:
    """The real venue's parser now takes what an earlier one had rejected."""

    async def set_aside() -> None:
        async with Publisher(pipeline) as publisher:
            for number in range(5_000):
                await publisher.dead_letter(
                    "binance_usdm", "odd", frame(number), RECEIVED, Source.SIMULATOR
                )

    asyncio.run(set_aside())
    with running(pipeline, "-m", "liq", "dlq", "redrive") as process:
        eventually(lambda: consume(LIQUIDATIONS.topic(pipeline), pipeline))
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = len(found(pipeline))
    assert again(pipeline).records == left
    assert found(pipeline) == []
    sql = f"SELECT quantity FROM {LIQUIDATIONS.table(pipeline)}"  # noqa: S608 - our own name

    def stored() -> bool:
        quantities = sorted(questdb.fetch(sql, None, pipeline)["quantity"])
        assert quantities == [number + 1.0 for number in range(5_000)]
        return True

    eventually(stored)


def test_a_foreign_letter_is_shown_and_left(broker: Settings) -> None:
    client = KafkaProducer(bootstrap_servers=broker.kafka_bootstrap)
    odd = [("odd", b"\xff"), ("recv_ts", b"9" * 5_000)]
    client.send(broker.dlq_topic, value=b"hello", headers=odd)
    client.close()
    [one] = found(broker)
    assert (one.stage, one.venue, one.reason) == (Stage.UNKNOWN, "", "it does not say why")
    [(_, why)] = again(broker).failed
    assert why == "it is no message for a topic of liq's"


@pytest.fixture
def liq(broker: Settings) -> Callable[..., str]:
    """Run ``liq dlq`` with such words and return what it says."""

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "liq", "dlq", *words]
        environment = {**broker.environ(), "COLUMNS": "200"}
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
        assert done.returncode in (0, 2), done.stderr
        return done.stdout + done.stderr

    return run


def test_the_command_lists_shows_and_redrives(broker: Settings, liq: Callable[..., str]) -> None:
    async def set_aside() -> None:
        async with Publisher(broker) as publisher:
            source = Source.SIMULATOR
            await publisher.dead_letter("binance_usdm", "[odd]", frame(1), RECEIVED, source)
            await publisher.dead_letter("htx", "torn", b"\x1f\x8b\xff", RECEIVED, source)

    asyncio.run(set_aside())
    said = liq("ls")
    assert "[odd]" in said
    assert "2 dead letters" in said
    assert "htx" not in liq("ls", "--venue", "binance_usdm")
    assert "the newest 1 of 2" in liq("ls", "--limit", "1")
    assert "valid are: parser, publisher" in liq("ls", "--stage", "nobody")
    [one] = [json.loads(line) for line in liq("ls", "--reason", "TORN", "--json").splitlines()]
    assert (one["id"], one["stage"], one["value"]) == ("0:1", "parser", "base64:H4v/")
    assert "forceOrder" in liq("show", "0:0")
    assert json.loads(liq("show", "0:0", "--json"))["source"] == "simulator"

    assert "1 of 2 dead letters would pass" in liq("redrive", "--dry-run")
    assert "1 of 2 dead letters passed, with 1 records; 1 failed again" in liq("redrive")
    assert [json.loads(line)["id"] for line in liq("ls", "--json").splitlines()] == ["0:1"]
    assert "(redriven)" in liq("ls", "--all")


def test_a_letter_that_is_not_there_is_one_clear_error(broker: Settings) -> None:
    with pytest.raises(DeadLetterError, match=r"no dead letter '7:7'.*liq dlq ls"):
        deadletters.find_letter("7:7", broker)
