import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from liq import config
from liq.cli import app
from liq.common import heartbeat
from liq.stack import apps

DAY_S = 86_400


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The process's settings are those of a home where nothing runs."""
    monkeypatch.setenv("LIQ_HOME", str(tmp_path))
    config.settings.cache_clear()
    yield tmp_path
    config.settings.cache_clear()


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
