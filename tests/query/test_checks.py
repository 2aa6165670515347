import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import plotly.express as px
import pytest

import liq
from liq.config import Settings
from liq.errors import QuestDBAwayError, QuestDBTimeoutError
from liq.query import queries
from liq.query.checks import check_catalogue
from support.rows import insert, liquidation, own_table

pytestmark = pytest.mark.stack

OWN = """{
  "good": {
    "description": "Every clause can be explained.",
    "common": ["window", "until", "symbols", "min_notional", "max_notional", "bucket"],
    "sql": "SELECT ts, count() AS prints FROM {bars} SAMPLE BY {bucket}"
  },
  "typo": "SELEC 1",
  "column": "SELECT nope FROM {table}",
  "table": "SELECT * FROM nowhere",
  "clause": {
    "description": "Wrong only if the parameter has a value.",
    "sql": "SELECT * FROM {table} [[ WHERE wrong > %(least)s ]]",
    "params": {"least": {"type": "float"}}
  },
  "writes": "DROP TABLE nowhere",
  "invalid": {"sql": "SELECT 1"},
  "absent": {
    "description": "A column is declared that is not returned.",
    "sql": "SELECT count() AS prints FROM {table}",
    "columns": {"print": {"dtype": "int64"}}
  },
  "other": {
    "description": "A column is declared with another type.",
    "sql": "SELECT count() AS prints FROM {table}",
    "columns": {"prints": {"dtype": "flot64"}}
  }
}"""


def test_questdb_can_run_each_shipped_query(stack: Settings) -> None:
    found = check_catalogue(own_table(stack))
    assert found == dict.fromkeys(queries.queries(stack), "")


def test_each_fault_is_one_line_with_its_place(stack: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(OWN)
    found = check_catalogue(own_table(stack).model_copy(update={"queries": file}))
    faults = {key: fault for key, fault in found.items() if fault}
    assert list(faults) == [
        "typo",
        "column",
        "table",
        "clause",
        "writes",
        "absent",
        "other",
        "invalid",
    ]
    refused = "QuestDB refused the statement: "
    for key, reason in {
        "typo": f"7:3: entry 'typo': {refused}",
        "column": f"8:3: entry 'column': {refused}Invalid column: nope",
        "table": f"9:3: entry 'table': {refused}table does not exist",
        "clause": f"10:3: entry 'clause': {refused}Invalid column: wrong",
        "writes": f"15:3: entry 'writes': {refused}",
        "absent": "17:3: entry 'absent': its sql does not return the column 'print', did you mean",
        "other": "22:3: entry 'other': the column 'prints' is int64, declared flot64",
        "invalid": "16:3: entry 'invalid': the field 'description' is missing",
    }.items():
        assert faults[key].startswith(f"{file}:{reason}")
        assert "\n" not in faults[key]


def test_an_unreachable_questdb_is_no_fault_of_an_entry(stack: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"one": "SELECT 1"}))
    away = stack.model_copy(update={"queries": file, "questdb_pg_port": 1})
    with pytest.raises(QuestDBAwayError):
        check_catalogue(away)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hangs = away.model_copy(update={"questdb_pg_port": silent.getsockname()[1]})
        with pytest.raises(QuestDBTimeoutError):
            check_catalogue(hangs)


PAGE = (Path(__file__).parents[2] / "docs" / "queries.md").read_text()
[ENTRY] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
[TRANSCRIPT] = re.findall(r"```\n(\$ export LIQ_QUERIES.*?)```", PAGE, re.DOTALL)


def test_the_page_shows_what_the_commands_print(stack: Settings, tmp_path: Path) -> None:
    settings = own_table(stack)
    (tmp_path / "mine.json").write_text(ENTRY)
    bin_folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        **settings.environ(),
        "LIQ_QUERIES": str(tmp_path / "mine.json"),
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
    }
    shown = []
    for command in re.findall(r"^\$ (.*)$", TRANSCRIPT, re.MULTILINE):
        done = subprocess.run(
            ["bash", "-c", command],  # noqa: S607 - as a user types it
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        shown += [f"$ {command}", *done.stdout.splitlines(), *done.stderr.splitlines()]
    expected = TRANSCRIPT.replace("/home/me", str(tmp_path)).splitlines()
    for line, printed in zip(expected, shown, strict=True):
        assert printed.startswith(line.removesuffix("…"))


def test_the_entry_of_the_page_runs(stack: Settings, tmp_path: Path) -> None:
    settings = own_table(stack)
    insert(
        settings,
        [
            liquidation("2026-01-01T10:10:00", 5_000, side="long", base="BTC"),
            liquidation("2026-01-01T10:20:00", 7_000, side="long", base="BTC"),
            liquidation("2026-01-01T11:20:00", 10, side="long", base="BTC"),
        ],
    )
    (tmp_path / "mine.json").write_text(ENTRY)
    own = settings.model_copy(update={"queries": tmp_path / "mine.json"})
    rows = liq.hit("largest_by_hour", settings=own, until="2026-01-02", window="1d")
    assert rows["largest_usd"].tolist() == [7_000]
    declared = queries.find("largest_by_hour", own).columns
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == {
        name: column.dtype for name, column in declared.items()
    }
    assert rows.attrs["units"] == {"largest_usd": "USD"}
    chart = px.bar(rows, x="ts", y="largest_usd", color="side", barmode="group")
    assert len(chart.data) == 1
