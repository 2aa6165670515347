import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from liq import config
from liq.cli import app

DAY_S = 86_400


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The process's settings are those of a home where nothing runs."""
    monkeypatch.setenv("LIQ_HOME", str(tmp_path))
    config.settings.cache_clear()
    yield tmp_path
    config.settings.cache_clear()


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
