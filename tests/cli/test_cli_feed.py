"""`liq simulate` and `liq produce` as the processes that users run."""

import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from liq.cli import app
from liq.config import Settings
from liq.errors import ConfigError
from liq.ingest.venues import VENUES
from liq.records.model import Source, decode
from liq.records.streams import LIQUIDATIONS
from support.helpers import PATIENCE_S, consume, eventually, finish, running

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


def test_a_broker_that_is_away_is_one_line(unused_tcp_port: int, tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path, kafka_port=unused_tcp_port)
    with running(settings, "-m", "liq", "produce") as producer:
        output, _ = producer.communicate(timeout=PATIENCE_S)
    assert producer.returncode == 1
    assert "liq up" in output
    assert "Traceback" not in output
