"""The notebooks: how they are written, and that each runs from its first cell to its last."""

import ast
import asyncio
import re
import uuid
from pathlib import Path

import nbformat
import pytest

from helpers import eventually, free_ports
from liq import connect, kafka, notebooks, questdb
from liq.config import Settings
from liq.errors import NotebookError
from liq.simulator.server import Plan, Simulator
from rows import ask

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SQL = re.compile(r"\b(SELECT\b.+\bFROM|INSERT\s+INTO|SAMPLE\s+BY|CREATE\s+TABLE)\b", re.IGNORECASE)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01-start-producers",
        "02-explore",
        "03-pipeline",
        "dashboard",
        "report",
    ]


def test_it_is_a_valid_notebook_without_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))
    assert notebook.metadata.kernelspec.name == "python3"


def test_it_begins_with_a_title_and_has_one_parameters_cell(
    notebook: nbformat.NotebookNode,
) -> None:
    title, *rest = notebook.cells
    assert title.cell_type == "markdown"
    assert title.source.startswith("# ")
    tagged = [cell for cell in rest if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == code(notebook)[:1]
    assert "run_seconds" in tagged[0].source


def test_it_is_thin(notebook: nbformat.NotebookNode) -> None:
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 15
        tree = compile(cell.source, "cell", "exec", ast.PyCF_ONLY_AST | _TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            assert not isinstance(node, _DEFINITIONS)
            assert not (isinstance(node, ast.Name | ast.Attribute) and _name(node) in _ENVIRONMENT)
            text = node.value if isinstance(node, ast.Constant) else None
            assert not (isinstance(text, str) and SQL.search(text))


_TOP_LEVEL_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ENVIRONMENT = {"getenv", "environ"}


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def test_a_misspelt_parameter_is_an_error_that_lists_the_valid_ones() -> None:
    with pytest.raises(NotebookError, match=r"no parameter windw; it has: .*window"):
        notebooks.run("dashboard", {"windw": "1h"})


def test_a_notebook_without_a_parameters_cell_is_an_error(tmp_path: Path) -> None:
    path = _write(tmp_path, "x = 1", tags=[])
    with pytest.raises(NotebookError, match=r"no cell of made\.ipynb is tagged parameters"):
        notebooks.run(path)


def test_a_missing_notebook_is_an_error_that_lists_the_shipped_ones() -> None:
    with pytest.raises(NotebookError, match=r"no notebook 03-nothing; shipped are: 01-start"):
        notebooks.run("03-nothing")


def test_a_failing_or_endless_cell_is_an_error(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path / "home")
    path = _write(tmp_path, "seconds = 0\nfails = False", tags=["parameters"], then=_BODY)
    assert notebooks.run(path, settings=settings).cells[-1].outputs[0].text == "ran\n"
    with pytest.raises(NotebookError, match="made on purpose"):
        notebooks.run(path, {"fails": True}, settings=settings)
    with pytest.raises(NotebookError, match=r"made\.ipynb failed"):
        notebooks.run(path, {"seconds": 60}, timeout=1, settings=settings)


@pytest.fixture
def own(stack: Settings) -> Settings:
    """A topic, table and connector of the test's own; the notebook is to ensure the sink."""
    suffix = uuid.uuid4().hex[:8]
    settings = stack.model_copy(
        update={
            "topic": f"liquidations_{suffix}",
            "dlq_topic": f"dead_{suffix}",
            "table": f"liquidations_{suffix}",
            "connector": f"sink-{suffix}",
            "simulator_port": free_ports()["simulator_port"],
        }
    )
    kafka.ensure_topics(settings)
    questdb.ensure_table(settings)
    return settings


@pytest.mark.stack
async def test_producers_fill_what_the_other_notebooks_show(own: Settings) -> None:
    async with Simulator(Plan(rate=50, seed=1), own) as simulator:
        given = {"url": simulator.url, "run_seconds": 4}
        ran = await asyncio.to_thread(notebooks.run, "01-start-producers", given, settings=own)
    assert "RUNNING" in str(ran.cells)
    assert connect.status(own).running

    def stored() -> bool:
        found = ask("SELECT count() AS n, count_distinct(source) AS sources FROM {table}", own)
        return bool(found["n"].item() > 50 and found["sources"].item() == 1)

    await asyncio.to_thread(eventually, stored)
    for name in ("02-explore", "03-pipeline", "dashboard"):
        await asyncio.to_thread(notebooks.run, name, {"run_seconds": 2}, settings=own)


@pytest.mark.stack
async def test_producers_that_publish_nothing_fail(own: Settings) -> None:
    nobody = f"ws://127.0.0.1:{own.simulator_port}/ws"
    given = {"url": nobody, "run_seconds": 2}
    with pytest.raises(NotebookError, match=r"published nothing in 2 s \(connecting"):
        await asyncio.to_thread(notebooks.run, "01-start-producers", given, settings=own)


@pytest.mark.stack
def test_a_dashboard_of_nothing_fails(own: Settings) -> None:
    with pytest.raises(NotebookError, match="nothing to draw"):
        notebooks.run("dashboard", {"run_seconds": 1}, settings=own)


_BODY = """import time
time.sleep(seconds)
assert not fails, "made on purpose"
print("ran")"""


def _write(folder: Path, parameters: str, *, tags: list[str], then: str = "") -> Path:
    cells = [
        nbformat.v4.new_code_cell(parameters, metadata={"tags": tags}),
        nbformat.v4.new_code_cell(then),
    ]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    path = folder / "made.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path
