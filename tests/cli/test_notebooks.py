"""`liq notebook`, `liq notebooks` and `liq report`, as typed into a terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from typer.testing import CliRunner

from liq import config
from liq.cli import app
from liq.config import Settings
from liq.errors import LiqError
from support.helpers import eventually, find_free_ports
from support.terminals import LIQ, in_terminal, show

KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
PLOTLY = "application/vnd.plotly.v1+json"
BODY = f"""
from IPython.display import display
trace = {{"type": "bar", "x": x, "y": x}}
display({{"{PLOTLY}": {{"data": [trace], "layout": {{}}}}}}, raw=True)
assert not fails, "made on purpose"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path / "home", **find_free_ports())


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    parameters = 'x = [1]\nfails = False\nname = "1"\nrate = 1.0\nend = None'
    return write(tmp_path, parameters, ["parameters"])


def write(folder: Path, parameters: str, tags: list[str]) -> Path:
    cells = [
        nbformat.v4.new_code_cell(parameters, metadata={"tags": tags}),
        nbformat.v4.new_code_cell(BODY),
        nbformat.v4.new_code_cell("print([name, rate, end])"),
    ]
    path = folder / "made.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), path)
    return path


def run(settings: Settings, *words: object) -> str:
    return show(
        "notebook", *map(str, words), environment=settings.environ(), cwd=settings.home.parent
    )


@pytest.fixture
def invoke(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run commands in this process: each of its own would import papermill again."""
    for name, value in settings.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(settings.home.parent)
    config.settings.cache_clear()
    return lambda *words: CliRunner().invoke(app, words)


def test_a_notebook_is_run_with_progress_and_written(settings: Settings, notebook: Path) -> None:
    out = notebook.with_name("result.ipynb")
    given = ["-p", "name=2", "-p", "rate=3", "-p", "end=2026-01-01", "-p", "x=1,2"]
    said = run(settings, "made.ipynb", *given, "-o", out)
    assert said.endswith(f"wrote {out}\n")
    assert "100%" in said
    last = nbformat.read(out, as_version=4).cells[-1]
    assert last.outputs[0].text == "['2', 3.0, '2026-01-01']\n"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (["-p", "nam=1"], "made.ipynb has no parameter 'nam', did you mean 'name'?"),
        (["-p", "rate=fast"], "rate='fast' is no number; the default is 1.0"),
        (["-p", "fails=maybe"], "fails='maybe' is no truth value; the default is False"),
        (["-p", "x=[]"], "made.ipynb: nothing to draw in the figure of cell 3"),
        (["-p", "name"], "--param 'name' has no '='; write --param name=value"),
        (["-o", "out.html"], "end the name of out.html with .ipynb"),
        (["-o", "made.ipynb"], "made.ipynb is the notebook itself"),
        (["-o", "nowhere/out.ipynb"], "cannot write nowhere/out.ipynb"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_notebook_is_run_strictly(
    invoke: Callable[..., Any], notebook: Path, given: list[str], error: str
) -> None:
    raised = invoke("notebook", "made.ipynb", *given).exception
    assert isinstance(raised, LiqError)
    assert str(raised).startswith(error)


def test_a_notebook_that_fails_is_an_error_without_a_traceback(
    settings: Settings, notebook: Path
) -> None:
    said = run(settings, "made.ipynb", "-p", "fails=True")
    error = "error: cell 3 of made.ipynb failed: AssertionError: made on purpose"
    assert error in " ".join(said.split())
    assert "Traceback" not in said


def test_ctrl_c_in_a_notebook_is_one_line(settings: Settings, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    cells = [
        nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            f"open({str(begun)!r}, 'w').close()\nimport time; time.sleep(600)"
        ),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), tmp_path / "made.ipynb")
    command = [*LIQ, "notebook", "made.ipynb"]
    with in_terminal(command, settings.environ(), cwd=tmp_path) as session:
        eventually(begun.exists)
        session.press("\x03")
        said = session.read()
    assert session.process.returncode == 130
    assert said.splitlines()[-1] == "interrupted; nothing that liq started runs on"
    assert "Traceback" not in said


def test_an_empty_figure_is_accepted_on_request(invoke: Callable[..., Any], notebook: Path) -> None:
    said = invoke("notebook", "made.ipynb", "-p", "x=[]", "--allow-empty").output
    assert said.endswith("wrote made.out.ipynb\n")


def test_a_notebook_without_parameters_is_refused(
    invoke: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path, "x = [1]", [])
    raised = invoke("notebook", "made.ipynb").exception
    assert "no cell of made.ipynb is tagged parameters" in str(raised)


def test_the_copies_are_listed_and_restored(settings: Settings, invoke: Callable[..., Any]) -> None:
    listed = show("notebooks", environment=settings.environ())
    assert "02-explore as shipped" in " ".join(listed.split())
    folder = settings.home / "notebooks"
    (folder / "02-explore.ipynb").write_text("{}")
    assert "changed by you" in invoke("notebooks").output
    said = invoke("notebooks", "--restore", "02-explore").output
    kept = folder / "02-explore.mine-1.ipynb"
    assert "".join(said.split()) == f"restored02-explore;yourcopyis{kept}"
    assert kept.read_text() == "{}"


def test_a_report_without_questdb_is_one_line(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    said = show("report", "--out", str(out), environment=settings.environ())
    assert said.startswith("error: cannot reach QuestDB")
    assert "Traceback" not in said
    assert "kernel" not in said
    assert not out.exists()
