"""The notebooks: how they are written, and that each runs from its first cell to its last."""

import ast
import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from msgspec.structs import replace

from liq.config import Settings
from liq.delivery import connect, messaging
from liq.errors import NotebookError
from liq.ingest import semantics
from liq.ingest.recording import Recorder
from liq.ingest.simulator.server import Schedule, Simulator
from liq.notebook import notebooks
from liq.query import questdb
from liq.records.model import Completeness, FeedHealth, Source
from liq.records.streams import LIQUIDATIONS
from support.helpers import eventually, find_free_ports, own_streams
from support.rows import (
    ask,
    insert,
    insert_prices,
    liquidation,
    micros_of,
    own_table,
    price,
    report,
)

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SQL = re.compile(r"\b(SELECT\b.+\bFROM|INSERT\s+INTO|SAMPLE\s+BY|CREATE\s+TABLE)\b", re.IGNORECASE)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    found: nbformat.NotebookNode = nbformat.read(request.param, as_version=4)
    return found


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "00-start-here",
        "01-start-producers",
        "02-explore",
        "03-pipeline",
        "04-venues",
        "05-cascades",
        "06-backtest",
        "07-spark",
        "dashboard",
        "report",
    ]


def test_a_shipped_notebook_is_valid_and_has_no_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))
    assert notebook.metadata.kernelspec.name == "python3"


def test_a_shipped_notebook_begins_with_a_title_and_has_one_parameters_cell(
    notebook: nbformat.NotebookNode,
) -> None:
    title, *rest = notebook.cells
    assert title.cell_type == "markdown"
    assert title.source.startswith("# ")
    tagged = [cell for cell in rest if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == code(notebook)[:1]
    assert "run_seconds" in tagged[0].source


def test_a_shipped_notebook_is_thin(notebook: nbformat.NotebookNode) -> None:
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


def test_the_contents_lead_to_each_with_a_line() -> None:
    lines = notebooks.list_contents().splitlines()
    assert len(lines) == 2 + len(NOTEBOOKS)
    for path, line in zip(NOTEBOOKS, lines[2:], strict=True):
        assert re.fullmatch(rf"\| \[{path.stem}\]\({path.name}\) \| .{{20,}} \|", line)


def test_a_misspelt_parameter_is_an_error_that_lists_the_valid_ones() -> None:
    with pytest.raises(
        NotebookError, match=r"no parameter 'windw', did you mean 'window'. valid are: bucket"
    ):
        notebooks.run("dashboard", {"windw": "1h"})


def test_a_notebook_without_a_parameters_cell_is_an_error(tmp_path: Path) -> None:
    path = _write(tmp_path, "x = 1", tags=[])
    with pytest.raises(NotebookError, match=r"no cell of made\.ipynb is tagged parameters"):
        notebooks.run(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"text", b"[]", b"{}", b"null", b"\xff\xfe{", b"[" * 100_000,
     b'{"nbformat": 9, "nbformat_minor": 0, "metadata": {}, "cells": []}',
     b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}'],
)  # fmt: skip
def test_a_damaged_notebook_is_an_error(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "mine.ipynb"
    file.write_bytes(data)
    with pytest.raises(NotebookError, match=r"mine\.ipynb is no notebook") as raised:
        notebooks.run(file)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "No kernel name"),
        (
            {"kernelspec": {"name": "nothing", "language": "python", "display_name": "x"}},
            "No such kernel",
        ),
    ],
)
def test_a_missing_kernel_is_an_error(
    tmp_path: Path, metadata: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "mine.ipynb"
    cell = nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), file)
    with pytest.raises(NotebookError, match=rf"mine\.ipynb.*: {reason}"):
        notebooks.run(file)
    with pytest.raises(NotebookError, match="there is no notebook"):
        notebooks.run("a" * 5_000)


def test_a_section_is_found_by_its_heading() -> None:
    assert notebooks.read_section("00-start-here", "Glossary").startswith("## Glossary\n")
    with pytest.raises(NotebookError, match="no cell of 02-explore"):
        notebooks.read_section("02-explore", "Glossary")


def test_a_missing_notebook_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(
        NotebookError,
        match=r"no notebook '03-pipelin', did you mean '03-pipeline'. valid are: 00-start",
    ):
        notebooks.run("03-pipelin")


def test_a_failing_or_endless_cell_is_an_error(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path / "home")
    path = _write(tmp_path, "seconds = 0\nfails = False", tags=["parameters"], then=_BODY)
    assert notebooks.run(path, settings=settings).cells[-1].outputs[0].text == "ran\n"
    with pytest.raises(NotebookError, match="made on purpose"):
        notebooks.run(path, {"fails": True}, settings=settings)
    with pytest.raises(NotebookError, match=r"made\.ipynb failed"):
        notebooks.run(path, {"seconds": 60}, timeout=1, settings=settings)


def test_late_output_of_a_busy_kernel_is_not_left_out(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path / "home")
    path = _write(tmp_path, "", tags=["parameters"], then=_LATE)
    shown = notebooks.run(path, settings=settings).cells[-1].outputs[0]
    assert shown.data["text/plain"] == "'late'"


@pytest.fixture
def own(stack: Settings) -> Settings:
    """A topic, table and connector of the test's own; the notebook is to ensure the sink."""
    settings = own_streams(stack, LIQUIDATIONS).model_copy(
        update={"simulator_port": find_free_ports()["simulator_port"]}
    )
    messaging.ensure_topics(settings)
    questdb.ensure_table(settings)
    return settings


@pytest.mark.stack
async def test_producers_fill_the_tables_of_the_other_notebooks(own: Settings) -> None:
    async with Simulator(Schedule(rate=50, seed=1), own) as simulator:
        given = {"url": simulator.url, "run_seconds": 60}
        ran = await asyncio.to_thread(notebooks.run, "01-start-producers", given, settings=own)
    assert "RUNNING" in str(ran.cells)
    assert connect.read_status(own).is_running

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


def test_the_tour_works_where_nothing_runs(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path / "home", **find_free_ports())
    ran = notebooks.run("00-start-here", settings=settings)
    assert len(figures(ran)) == 1
    assert "simulated in this kernel, because: cannot reach QuestDB" in str(ran.cells)
    assert "enter `liq run` in a terminal" in str(ran.cells)
    assert "[04-venues](04-venues.ipynb)" in str(ran.cells)


@pytest.fixture(scope="module")
def market(stack: Settings) -> Settings:
    """Cascades over two venues some minutes ago, with prices and reports of feeds."""
    settings, begin = own_table(stack), datetime.now(UTC) - timedelta(minutes=12)
    second, venues = timedelta(seconds=1), ("binance_usdm", "bybit")
    insert(
        settings,
        [
            liquidation(begin + (60 * number + step) * second, 90_000 + step, exchange=venue)
            for number in range(5)
            for step, venue in enumerate((*venues, *reversed(venues)) * 4)
        ],
    )
    insert_prices(
        settings, [price(begin + step * second, 100 - step / 100) for step in range(-20, 660)]
    )
    health = FeedHealth(
        ts=0, exchange="bybit", source=Source.LIVE, completeness=Completeness.FULL,
        connected=True, messages=1, gaps=0, reconnects=0, lag=None, queued=0,
    )  # fmt: skip
    report(
        settings,
        [replace(health, ts=micros_of(begin + step * second)) for step in range(0, 60, 2)],
    )
    return settings


@pytest.mark.stack
@pytest.mark.parametrize(
    ("name", "drawn"), [("00-start-here", 1), ("04-venues", 2), ("05-cascades", 4)]
)
def test_studies_draw_the_stored_rows(market: Settings, name: str, drawn: int) -> None:
    ran = notebooks.run(name, {"run_seconds": 5, "window": "1h"}, settings=market)
    assert len(figures(ran)) == drawn
    assert "kernel, because" not in str(ran.cells)


@pytest.mark.stack
def test_a_rule_is_tried_on_the_past(market: Settings) -> None:
    given = {"window": "30m", "step": "15s", "run_seconds": 5}
    ran = notebooks.run("06-backtest", given, settings=market)
    bars, thresholds = figures(ran)
    assert bars["data"][-1]["name"] == "alerts (1)"  # of five within the cool-down of five minutes
    assert len(thresholds["data"][0]["x"]) > 10
    with pytest.raises(NotebookError, match="there is no rule 'long_brust'"):
        notebooks.run("06-backtest", given | {"rule": "long_brust"}, settings=market)


@pytest.mark.stack
def test_recordings_are_replayed_before_the_rule_is_tried(
    pipeline: Settings, tmp_path: Path
) -> None:
    recorder, begin = Recorder(tmp_path, "binance_usdm"), datetime.now(UTC) - timedelta(minutes=5)
    raw = semantics.read_example("binance_usdm").replace("0.014", "500")
    for number in range(3):
        ms = micros_of(begin) // 1000 + number
        text = raw.replace("1568014460893", str(ms))
        recorder.write(text.encode(), 1000 * ms, Source.LIVE)
    recorder.close()
    given = {"recordings": [str(recorder.path)], "window": "10m", "run_seconds": 60, "step": "20s"}
    ran = notebooks.run("06-backtest", given, settings=pipeline)
    assert "liquidations=3" in str(ran.cells)
    assert figures(ran)[0]["data"][-1]["name"] == "alerts (1)"


@pytest.mark.stack
@pytest.mark.parametrize("name", ["04-venues", "05-cascades", "06-backtest"])
def test_studies_without_rows_report_it_and_fail_where_rows_are_expected(
    stack: Settings, name: str
) -> None:
    settings = own_table(stack)
    ran = notebooks.run(name, {"window": "10m"}, settings=settings)
    assert re.search(r"no \w+ (cascade|liquidations|feed)|no liquidations", str(ran.cells))
    with pytest.raises(NotebookError, match=r"no liquidations within 0\.1 s"):
        notebooks.run(name, {"window": "10m", "run_seconds": 0.1}, settings=settings)


def figures(ran: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """Return what was drawn, as plotly's JSON; each figure holds data."""
    bundles = [output.get("data", {}) for cell in code(ran) for output in cell.outputs]
    drawn = [bundle[_PLOTLY] for bundle in bundles if _PLOTLY in bundle]
    for figure in drawn:
        assert any(len(trace.get("x", ())) for trace in figure["data"]), figure["layout"]
    return drawn


_PLOTLY = "application/vnd.plotly.v1+json"
# the thread that sends the outputs of a cell pauses for longer than the 4 s of nbclient
_LATE = """
import sys, time
sys.stdout.flush_timeout = sys.stderr.flush_timeout = 0
get_ipython().kernel.iopub_thread.schedule(lambda: time.sleep(6))
display("late")
"""
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


@pytest.mark.parametrize("text", ["BTC,ETH", "[BTC, ETH]", "['BTC', \"ETH\"]", "[BTC,'ETH']"])
def test_a_list_may_be_written_in_brackets(text: str) -> None:
    given = notebooks.parse_parameters("02-explore", {"symbols": text})
    assert given == {"symbols": ["BTC", "ETH"]}


@pytest.mark.parametrize("text", ["[BTC", "BTC]"])
def test_a_list_with_one_bracket_is_refused(text: str) -> None:
    with pytest.raises(NotebookError, match="is no list; give symbols=A,B"):
        notebooks.parse_parameters("02-explore", {"symbols": text})
