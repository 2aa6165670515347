import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from liq import stack as local
from liq.config import Settings
from liq.stack import apps, control
from support.helpers import PATIENCE_S, eventually, find_free_ports


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a home of the test's own; what runs in it at the end is ended."""
    made = Settings.load(home=tmp_path / "home", **find_free_ports())
    yield made
    local.down(made)


@pytest.fixture
def supervised(settings: Settings) -> Settings:
    """A running supervisor, and a simulated exchange that it looks after."""
    services = [apps.define_simulator(settings), apps.define_supervisor(settings)]
    control.launch(services, settings)
    for service in services:
        control.wait_healthy(service)
    eventually(apps.heartbeat_file(settings).exists)
    return settings


def shows_healthy(settings: Settings, number: int, *, within: Sequence[str] = ()) -> bool:
    """Return True if `liq status` finds ``number`` healthy services; else an `AssertionError`.

    For `eventually`: a busy server may miss a probe.
    """
    done = liq(settings, "status", within=within)
    shown = done.returncode, done.stdout.count("healthy")
    assert shown == (0, number), done.stdout + done.stderr
    return True


def liq(
    settings: Settings, *words: str, within: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a command of liq to its end, ``within`` another program if that is given."""
    return subprocess.run(
        [*within, sys.executable, "-m", "liq", *words],
        env=os.environ | settings.environ() | {"COLUMNS": "200"},
        text=True,
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )
