"""The wheel runs in a new environment, where there is nothing but Python."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from liq import stack as local
from liq.config import Settings
from support.helpers import PATIENCE_S, eventually, find_free_ports
from support.programs import link_programs

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
INSTALL_S = 600.0


def uv(*words: str | Path) -> None:
    subprocess.run([UV, *words, "--quiet"], check=True, cwd=ROOT, timeout=INSTALL_S)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and the versions of uv.lock."""
    folder = tmp_path_factory.mktemp("wheel")
    pins = folder / "pins.txt"
    uv("build", "--wheel", "--out-dir", folder)
    exported = ("--frozen", "--no-default-groups", "--no-emit-project", "--no-hashes")
    uv("export", *exported, "--output-file", pins)
    uv("venv", "--python", sys.executable, folder / "venv")
    [wheel] = folder.glob("*.whl")
    programs = folder / "venv" / "bin"
    uv("pip", "install", "--python", programs / "python", "--constraints", pins, wheel)
    return programs


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings of an empty home and an empty cache; what runs there at the end is ended."""
    folders = {"home": tmp_path / "home", "cache": tmp_path / "cache"}
    made = Settings.load(**folders, **find_free_ports())
    yield made
    local.down(made)


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_runs_where_there_is_neither_java_nor_maven(
    installed: Path, settings: Settings, tmp_path: Path
) -> None:
    path = link_programs(tmp_path / "bin", "env", "sh")
    inherited = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    environment = inherited | {"PATH": path, "HOME": str(tmp_path)} | settings.environ()
    (tmp_path / "empty").mkdir()

    def liq(*words: str) -> str:
        done = subprocess.run(
            [installed / "liq", *words],
            env=environment,
            cwd=tmp_path / "empty",
            text=True,
            capture_output=True,
            check=False,
            timeout=INSTALL_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = liq("run", "--feed", "simulator", "--venue", "binance_usdm", "--rate", "20")
    assert re.search(r"downloaded (\d+\.\d) of \1 MB", said)
    url = said.splitlines()[-1].removeprefix("Dashboard: ")
    page = httpx.get(url, follow_redirects=True, timeout=PATIENCE_S)
    assert page.status_code == httpx.codes.OK
    eventually(lambda: liq("hit", "prints", "-p", "window=1h", "--format", "json").splitlines())
    java = json.loads((settings.home / "run" / "kafka.json").read_text())["argv"][0]
    assert Path(java).is_relative_to(installed.parent), java
    assert "kafka" in liq("down")
    assert not list((tmp_path / "empty").iterdir())
