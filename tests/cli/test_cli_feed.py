"""`liq simulate`, `produce`, `record` and `replay` as the processes that users run."""

import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from liq.cli import app
from liq.cli.feed import select_venues
from liq.config import Settings
from liq.errors import ConfigError
from liq.ingest.recording import Recording
from liq.ingest.venues import VENUES
from liq.records.model import Source, decode
from liq.records.streams import LIQUIDATIONS
from support.helpers import (
    PATIENCE_S,
    consume,
    eventually,
    find_free_ports,
    finish,
    own_streams,
    read_until,
    running,
)

STREAM = "/market/ws/!forceOrder@arr"


@pytest.mark.stack
@pytest.mark.parametrize(
    ("produce", "number"),
    [
        (["-m", "liq", "produce"], signal.SIGTERM),
        (["notebooks/work/ws_server.py"], signal.SIGINT),
    ],
)
def test_a_stopped_producer_delivers_the_orders_that_were_sent(
    produce: list[str], number: signal.Signals, broker: Settings, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    url = f"ws://127.0.0.1:{broker.simulator_port}{STREAM}"
    simulate = ["-m", "liq", "simulate", "--rate=500", "--count=400", f"--ledger={ledger}"]
    with (
        running(broker, *simulate) as exchange,
        running(broker, *produce, "--url", url) as producer,
    ):
        eventually(lambda: ledger.exists() and len(ledger.read_text().splitlines()) == 400)
        # the last frames may still be on their way to the topic
        eventually(lambda: len(consume(LIQUIDATIONS.topic(broker), broker)) >= 400)
        output = finish(producer, number)
        assert "400 sent" in finish(exchange, number)
    assert "400 acknowledged of 400 sent" in output
    assert "source simulator" in output
    sources = {
        decode(record.value).source for record in consume(LIQUIDATIONS.topic(broker), broker)
    }
    assert sources == {Source.SIMULATOR}


@pytest.mark.parametrize("command", ["produce", "simulate"])
def test_help_of_a_feed_command_names_the_choices(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    if command == "produce":
        assert all(name in result.output for name in VENUES)
        assert "--url" in result.output
    else:
        assert "--malformed-every" in result.output


def test_one_url_is_one_venue_s() -> None:
    argv = ["produce", "--venue", "bybit", "--venue", "okx", "--url", "ws://127.0.0.1/"]
    result = CliRunner().invoke(app, argv)
    assert isinstance(result.exception, ConfigError)
    assert "--url" in str(result.exception)


@pytest.mark.parametrize(
    ("processes", "number"), [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGTERM)]
)
def test_a_broker_that_is_away_is_awaited_until_a_signal(
    processes: int, number: signal.Signals, unused_tcp_port: int, tmp_path: Path
) -> None:
    settings = Settings.load(home=tmp_path, kafka_port=unused_tcp_port)
    feeds = ["--venue=bybit", "--venue=okx", "--url=ws://127.0.0.1:1/{venue}"]
    produce = ["-m", "liq", "produce", f"--processes={processes}", *feeds]
    with running(settings, *produce) as producer:
        line = read_until(producer, "waiting for Kafka")
        output = finish(producer, number)
    assert f"waiting for Kafka, messages are kept in {tmp_path}/journal: " in line
    assert "liq up" in line
    assert "waiting for Kafka" not in output
    assert "Traceback" not in output


def test_an_unknown_venue_is_an_error_though_kafka_is_away(
    unused_tcp_port: int, tmp_path: Path
) -> None:
    settings = Settings.load(home=tmp_path, kafka_port=unused_tcp_port)
    with running(settings, "-m", "liq", "produce", "--venue=nowhere") as producer:
        output, _ = producer.communicate(timeout=PATIENCE_S)
    assert producer.returncode == 1
    assert "nowhere" in output
    assert "waiting" not in output


def recorded(folder: Path, settings: Settings) -> list[Path]:
    """Record two simulated venues until each has sent 50 liquidations; return the files."""
    url = f"ws://127.0.0.1:{settings.simulator_port}/{{venue}}"
    ledger = folder / "ledger"
    record = ["record", "--venue", "bybit", "--venue", "htx", "--url", url, "--folder", str(folder)]
    with (
        running(
            settings, "-m", "liq", "simulate", "--count=50", "--rate=200", f"--ledger={ledger}"
        ),
        running(settings, "-m", "liq", *record) as recorder,
    ):
        eventually(lambda: ledger.exists() and len(ledger.read_text().splitlines()) == 100)
        output = finish(recorder, signal.SIGINT)
    assert "bybit" in output
    return sorted(folder.glob("*.gz"))


@pytest.mark.stack
def test_a_recording_is_replayed(stack: Settings, tmp_path: Path) -> None:
    own = own_streams(stack, LIQUIDATIONS, names=["topic"])
    settings = own.model_copy(update={"simulator_port": find_free_ports()["simulator_port"]})
    files = recorded(tmp_path, settings)
    assert [file.name.partition("-")[0] for file in files] == ["bybit", "htx"]
    assert all(frame.source is Source.SIMULATOR for file in files for frame in Recording(file))
    argv = ["-m", "liq", "replay", *map(str, files), "--speed", "max"]
    with running(settings, *argv) as replay:
        output, _ = replay.communicate(timeout=PATIENCE_S)
    assert replay.returncode == 0, output
    assert "100%" in output
    assert "100 liquidations" in output
    found = [decode(record.value) for record in consume(LIQUIDATIONS.topic(settings), settings)]
    assert len(found) == 100
    assert {one.source for one in found} == {Source.SIMULATOR}


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf"])
def test_a_speed_is_a_number_above_zero_or_max(speed: str) -> None:
    result = CliRunner().invoke(app, ["replay", "file", "--speed", speed])
    assert result.exit_code == 2
    assert "max" in result.output


def test_all_exchanges_are_the_default_and_binance_for_one_url() -> None:
    assert select_venues(None, "") == list(VENUES)
    assert select_venues(None, "ws://127.0.0.1/{venue}") == list(VENUES)
    assert select_venues(None, "ws://127.0.0.1/ws") == ["binance_usdm"]
    assert select_venues(["okx", "OKX"], "ws://127.0.0.1/ws") == ["okx"]
