"""`liq check-venues` as the process that users run."""

import re
import signal
from pathlib import Path

from liq.config import Settings
from liq.ingest.recording import Recording
from support.helpers import PATIENCE_S, eventually, find_free_ports, finish, running


def test_check_venues_reports_what_simulated_exchanges_send(tmp_path: Path) -> None:
    port = find_free_ports()["simulator_port"]
    settings = Settings(home=tmp_path / "home", simulator_port=port)
    url = f"ws://127.0.0.1:{port}/{{venue}}"
    argv = ["-m", "liq", "check-venues", "--venue=bybit", "--venue=htx", f"--url={url}"]
    with (
        running(settings, "-m", "liq", "simulate", "--rate=200"),
        running(settings, *argv) as checking,
    ):
        folder = settings.home / "checks"
        eventually(lambda: len(list(folder.glob("*/*.gz"))) == 2)
        output = finish(checking, signal.SIGINT)
    assert checking.returncode == 0, output
    assert re.search(r"venue +connected +subscribed +frames +parsed +skipped +rejected", output)
    for venue in ("bybit", "htx"):
        [row] = re.findall(rf"^{venue} +yes +[12] +([\d,]+) +[\d,]+ +0 +0$", output, re.MULTILINE)
        [file] = folder.glob(f"*/{venue}-*.gz")
        assert len(list(Recording(file))) == int(row.replace(",", ""))
    assert f"The raw frames are in {file.parent}" in output


def test_check_venues_fails_if_an_exchange_cannot_be_reached(tmp_path: Path) -> None:
    argv = ["check-venues", "--venue=bybit", "--url=ws://127.0.0.1:9/", "--seconds=1"]
    with running(Settings(home=tmp_path), "-m", "liq", *argv) as checking:
        output, _ = checking.communicate(timeout=PATIENCE_S)
    assert checking.returncode == 1
    assert re.search(r"^bybit +no +0 +0 +0 +0 +0$", output, re.MULTILINE)
    assert "bybit: connection: ws://127.0.0.1:9/: " in output
    assert "raw frames" not in output
    assert "No exchange can be reached from here" in output
