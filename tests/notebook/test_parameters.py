"""The guard against misspelt parameters, under plain papermill as users run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from liq.config import Settings
from liq.errors import NotebookError
from liq.notebook import copies, parameters
from support.helpers import PATIENCE_S, find_free_ports

CELL = 'window = "1h"\nsymbols: list = []  # empty: all\nrun_seconds = None'


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (["", CELL], ""),
        (["", CELL, '# Parameters\nwindow = "2h"\nsymbols = ["A"]\n'], ""),
        (["", '# Parameters\nwindow = "2h"\n', CELL], ""),  # run again in another order
        (["", "%matplotlib inline\n!ls", CELL], ""),
        (["", CELL, '# Parameters\nwindw = "2h"\n'], "'windw', did you mean 'window'"),
        (["", CELL, "# Parameters\nbroken ="], ""),
        (["", '# Parameters\nwindow = "2h"\n'], "sets a default"),
        ([], ""),
    ],
)
def test_only_names_that_the_notebook_sets_pass(cells: list[str], fault: str) -> None:
    if fault:
        with pytest.raises(NotebookError, match=fault):
            parameters.check_cells(cells)
    else:
        parameters.check_cells(cells)


def test_outside_of_a_kernel_nothing_is_checked() -> None:
    parameters.check()


@pytest.mark.parametrize("name", [path.stem for path in copies.list_shipped()])
def test_plain_papermill_fails_on_an_unknown_parameter(tmp_path: Path, name: str) -> None:
    settings = Settings.load(home=tmp_path / "home", **find_free_ports())
    notebook = copies.find_shipped(name)
    done = subprocess.run(
        [sys.executable, "-m", "papermill", notebook, "out.ipynb", "-p", "run_second", "1"],
        env=os.environ | settings.environ(),
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert "NotebookError: there is no parameter 'run_second', did you mean" in done.stderr
