import json
from pathlib import Path

import pytest

from liq.config import Settings
from liq.errors import QuestDBAwayError
from liq.query import queries
from liq.query.checks import check_catalogue
from support.rows import own_table

pytestmark = pytest.mark.stack

OWN = """{
  "good": {
    "description": "Every clause can be explained.",
    "common": ["window", "until", "symbols", "bucket"],
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
  "invalid": {"sql": "SELECT 1"}
}"""


def test_questdb_can_run_each_shipped_query(stack: Settings) -> None:
    found = check_catalogue(own_table(stack))
    assert found == dict.fromkeys(queries.queries(stack), "")


def test_each_fault_is_one_line_with_its_place(stack: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(OWN)
    found = check_catalogue(own_table(stack).model_copy(update={"queries": file}))
    faults = {key: fault for key, fault in found.items() if fault}
    assert list(faults) == ["typo", "column", "table", "clause", "writes", "invalid"]
    refused = "QuestDB refused the statement: "
    for key, reason in {
        "typo": f"7:3: entry 'typo': {refused}",
        "column": f"8:3: entry 'column': {refused}Invalid column: nope",
        "table": f"9:3: entry 'table': {refused}table does not exist",
        "clause": f"10:3: entry 'clause': {refused}Invalid column: wrong",
        "writes": f"15:3: entry 'writes': {refused}",
        "invalid": "16:3: entry 'invalid': Object missing required field `description`",
    }.items():
        assert faults[key].startswith(f"{file}:{reason}")
        assert "\n" not in faults[key]


def test_an_unreachable_questdb_is_no_fault_of_an_entry(stack: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"one": "SELECT 1"}))
    away = stack.model_copy(update={"queries": file, "questdb_pg_port": 1})
    with pytest.raises(QuestDBAwayError):
        check_catalogue(away)
