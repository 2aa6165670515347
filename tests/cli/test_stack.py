import io
import json
import os
import re
import stat
import time
from pathlib import Path
from typing import Any

import pytest
import rich.console
from typer.testing import CliRunner

from liq import config
from liq.cli import app, output
from liq.cli import stack as cli
from liq.common import heartbeat
from liq.query.questdb import LoadedContracts, SkippedReports
from liq.stack import apps
from liq.stack.service import Download

DAY_S = 86_400


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The process's settings are those of a home where nothing runs."""
    monkeypatch.setenv("LIQ_HOME", str(tmp_path))
    config.settings.cache_clear()
    return tmp_path


def test_a_written_environment_is_its_owners_only(home: Path) -> None:
    printed = CliRunner().invoke(app, ["env"], catch_exceptions=False).output
    file = home / ".env"
    file.write_text("of before")
    file.chmod(0o644)
    assert CliRunner().invoke(app, ["env", "--out", str(file)], catch_exceptions=False).output == ""
    assert file.read_text() == printed
    assert "LIQ_TOKEN=" in printed
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_sparks_health_is_that_of_the_jobs_last_heartbeat(home: Path) -> None:
    def ask(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["spark", "health", *options])
        return done.exit_code, done.output

    assert ask() == (3, "no batch has ended\n")
    file = apps.heartbeat_file(config.settings(), apps.SPARK)
    file.parent.mkdir()
    heartbeat.beat(file)
    assert ask() == (0, "")
    long_ago = time.monotonic_ns() - 1000 * 10**9
    os.utime(file, ns=(long_ago, long_ago))
    assert ask("--within", "2000")[0] == 0
    assert ask()[0] == 3


def contracts(exchange: str, fault: str | None = None, **changes: Any) -> LoadedContracts:
    hours = 36 if exchange == "kraken" else 132
    known = LoadedContracts(exchange, "sampled", "snapshot", hours * 3600.0, fault, "ws")
    return known._replace(**changes)


UNRESOLVED = "the name of its server, or of the proxy, cannot be resolved"


def test_feeds_with_one_origin_of_contracts_share_a_line() -> None:
    away = f"{{}} does not list its contracts: {UNRESOLVED}"
    names = contracts("aster", origin="names", age_s=None)
    loaded = [names, *(contracts(name, away.format(name)) for name in ("okx", "kraken"))]
    assert [*cli.describe_contracts(loaded)] == [
        "names: aster",
        "snapshot, 36.0 to 132.0 h (sampled: most contracts are missing; it does not list its"
        f" contracts: {UNRESOLVED}): okx, kraken",
    ]
    refused = contracts("gate", "gate does not list its contracts: '503' for url 'https://x'")
    assert [*cli.describe_contracts([refused, contracts("htx", origin="REST", age_s=60.0)])] == [
        "snapshot, 132.0 h (sampled: most contracts are missing; it does not list its contracts:"
        " '503'): gate",
        "REST, 0.0 h: htx",
    ]


def test_a_simulated_exchange_lacks_no_contracts() -> None:
    fault = f"okx does not list its contracts: {UNRESOLVED}"
    assert [*cli.describe_contracts([contracts("okx", fault, source="simulator")])] == [
        "snapshot, 132.0 h (a simulated exchange trades no others): okx"
    ]


def test_a_clock_is_doubted_only_where_no_liquidation_was_young() -> None:
    feeds = [
        SkippedReports("bitmex", 1_231, 0, 9),
        SkippedReports("dydx", 14, 14, 20),
        SkippedReports("kraken", 20, 18, 20),
        SkippedReports("okx", 2, 2, 0),
    ]
    assert [*cli.describe_skipped(feeds)] == [
        "skipped on purpose, `liq logs producer` says why: bitmex 1,231, kraken 2",
        "history that the exchange repeats as a feed connects: dydx 14, kraken 18",
        "all older than 10 minutes at receipt, as if the clock here were fast: okx 2",
    ]


def test_a_narrow_terminal_shows_each_service_in_whole(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output.console, "_width", 40)
    shown = CliRunner().invoke(app, ["status"], catch_exceptions=False).output
    assert "…" not in shown
    assert all(f"{name} " in shown for name in ("service", "kafka", "questdb", "connect"))


def test_status_lists_the_repairs_of_the_last_day(home: Path) -> None:
    now = time.time()
    found = [(now - 2 * DAY_S, "kafka", "died long ago"), (now - DAY_S / 2, "questdb", "died")]
    (home / "run").mkdir()
    lines = [json.dumps(one) + "\n" for one in found]
    (home / "run" / "findings.jsonl").write_text("".join(lines))
    said = CliRunner().invoke(app, ["status"], catch_exceptions=False).output
    assert "repairs of the last day" in said
    assert "questdb: died" in said
    assert "long ago" not in said
    (home / "run" / "findings.jsonl").write_text(lines[0])
    assert "repairs" not in CliRunner().invoke(app, ["status"], catch_exceptions=False).output


def test_a_download_prints_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with cli._progress() as report:
        for done in range(0, 2001, 20):
            report("jars", Download(done * 10**5, 2 * 10**8))
        report("sink", "compiling")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["jars: downloaded 0.0 of 200.0 MB", "jars: downloaded 20.0 of 200.0 MB"]
    assert lines[-2:] == ["jars: downloaded 200.0 of 200.0 MB", "sink: compiling"]
    assert len(lines) == 12


def test_a_download_has_one_bar_of_bytes_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    terminal = rich.console.Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(cli, "console", terminal)
    with cli._progress() as report:
        report("jars", Download(10**6, 10**8))
        report("jars", Download(5 * 10**7, 10**8))
        report("sink", "compiling")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert re.search(r"jars ━.* 50\.0/100\.0 MB", shown)
    assert "sink compiling" in shown
