"""`make run` sets up little before `liq run`, and adds what can wait after it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_UV = """\
#!/bin/sh
echo "$*" >> {log}
case "$*" in *"{fails}"*) echo "error: command 'gcc' failed" >&2; exit 2;; esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of the tools alone, whose Python has no packages."""
    shutil.copytree(
        ROOT / "tools", tmp_path / "tools", ignore=lambda *_: ["compose", "__pycache__"]
    )
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    python.chmod(0o700)
    return tmp_path


def add_extras(checkout: Path, fails: str) -> tuple[list[str], str]:
    """Run `tools/add-extras` with a `uv` that ``fails``; return uv's arguments and what it said."""
    log, programs = checkout / "uv.log", checkout / "programs"
    programs.mkdir()
    (programs / "uv").write_text(_UV.format(log=log, fails=fails))
    (programs / "uv").chmod(0o700)
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        [checkout / "tools" / "add-extras"], env=env, capture_output=True, text=True, check=True
    )
    assert not done.stdout
    return log.read_text().splitlines(), done.stderr


def test_extras_that_fail_are_named_and_end_nothing(checkout: Path) -> None:
    asked, said = add_extras(checkout, fails="--inexact")
    assert len(asked) == 2
    assert said.count("error: command 'gcc' failed") == 2
    assert "warning: pyspark is missing, which the Spark job needs;" in said
    assert "warning: cryptofeed is missing," in said
    assert "gcc and python3-dev" in said


def test_spark_is_added_without_the_package_that_may_fail(checkout: Path) -> None:
    asked, said = add_extras(checkout, fails="nothing")
    assert ["--no-extra cryptofeed" in each for each in asked] == [True, False]
    assert not any("--no-extra spark" in each for each in asked)
    assert "warning" not in said
    assert "adding pyspark to .venv; the dashboard runs already" in said


def test_make_run_adds_after_the_dashboard_what_it_left_out_before() -> None:
    rule = (ROOT / "Makefile").read_text().split("\nrun:")[1].split("\n\n")[0]
    before, after = rule.split("@$(LIQ) run")
    assert "--no-extra spark --no-extra cryptofeed" in before
    assert "@tools/add-extras" in after
