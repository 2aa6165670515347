"""The guard against misspelt parameters, under plain papermill as users run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from liq.config import Settings
from liq.errors import NotebookError
from liq.notebook import copies, parameters
from support.helpers import PATIENCE_S, find_free_ports

# write the error of the first cell that fails, by notebook
_RUN = """
import json
import sys
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook


def find_error(path):
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    notebook = parameterize_notebook(load_notebook_node(path), {"run_second": 1})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ran = shell.run_cell(cell.source, store_history=True)
            if error := ran.error_before_exec or ran.error_in_exec:
                return f"{type(error).__name__}: {error}"
    return "no error"


found, *paths = sys.argv[1:]
Path(found).write_text(json.dumps({path: find_error(path) for path in paths}))
"""
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


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The first error of each notebook with an unknown parameter, all in one process."""
    folder = tmp_path_factory.mktemp("parameters")
    settings = Settings.load(home=folder / "home", **find_free_ports())
    found = folder / "errors.json"
    subprocess.run(
        [sys.executable, "-c", _RUN, str(found), *map(str, copies.list_shipped())],
        env=os.environ | settings.environ() | {"IPYTHONDIR": str(folder)},
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    errors: dict[str, str] = json.loads(found.read_text())
    return errors


@pytest.mark.parametrize("path", copies.list_shipped(), ids=lambda path: path.stem)
def test_a_shipped_notebook_fails_first_on_an_unknown_parameter(
    errors: dict[str, str], path: Path
) -> None:
    """Its cells run as papermill orders them, in a shell as a kernel has one."""
    error = errors[str(path)]
    assert error.startswith("NotebookError: there is no parameter 'run_second', did you mean")


def test_plain_papermill_fails_on_an_unknown_parameter(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path / "home", **find_free_ports())
    notebook = copies.find_shipped("04-venues")
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
