"""`liq record` and `liq replay` as the processes that users run."""

import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from liq.cli import app
from liq.config import Settings
from liq.ingest.recording import Recording
from liq.records.model import Source, decode
from liq.records.streams import LIQUIDATIONS
from support.helpers import (
    PATIENCE_S,
    consume,
    eventually,
    find_free_ports,
    finish,
    own_streams,
    running,
)


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
