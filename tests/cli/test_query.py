import io
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from liq import config
from liq.analysis.charts.base import LOWER_BOUND
from liq.cli import app
from liq.config import Settings
from liq.errors import QueryError
from liq.query import coverage, queries
from liq.records.model import Completeness, Source
from liq.records.streams import LIQUIDATIONS
from support.helpers import PATIENCE_S
from support.rows import health, insert, liquidation, own_table, report
from support.terminals import show

UNTIL = ["-p", "until=2026-01-02", "-p", "window=1d"]
LATER = ["-p", "until=2026-02-01T11:01", "-p", "window=1m"]


@pytest.fixture(scope="module")
def own(stack: Settings) -> Iterator[Settings]:
    """The process's settings are those of a table with two rows."""
    settings = own_table(stack)
    insert(settings, [liquidation("2026-01-01T10:00:00.000001", 1234.5, symbol="ETHUSDT"),
                      liquidation("2026-01-01T11:00:00", 10, side="short"),
                      liquidation("2026-02-01T11:00:00", 10, source=Source.SIMULATOR,
                                  completeness=Completeness.SAMPLED)])  # fmt: skip
    report(settings, [health("2026-02-01T10:30:00", exchange="okx"),
                      *(health(f"2026-02-01T11:00:{second:02}") for second in range(60)),
                      health("2026-02-01T11:01:00")])  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.environ().items():
            patch.setenv(name, value)
        config.settings.cache_clear()
        yield settings
    config.settings.cache_clear()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_queries_are_listed_with_parameters_and_columns() -> None:
    listed = run("queries")
    for text in ("latest_timestamp", "top_symbols", "limit: int = 10", "largest_usd"):
        assert text in listed
    lines = listed.splitlines()
    assert max(map(len, lines)) <= 80
    assert {*queries.queries()} <= {*lines}  # each name whole, on a line of its own
    assert "  Symbols by liquidated notional, largest first." in lines


def test_queries_that_cannot_be_used_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.json").write_text('{"good": "SELECT 1", "bad": "SELECT {x}"}')
    monkeypatch.setattr(
        "liq.config.settings",
        lambda: Settings.load(home=tmp_path, queries=tmp_path / "mine.json"),
    )
    with pytest.raises(QueryError, match="entry 'bad'"):
        run("queries")


@pytest.mark.stack
@pytest.mark.usefixtures("own")
def test_a_pipe_gets_all_rows_in_colours_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("liq.cli.query._SCREEN", 1)
    printed = run("hit", "latest_prints", *UNTIL)
    assert "ETHUSDT" in printed
    assert "not shown: 1 " not in printed


@pytest.mark.stack
def test_queries_are_explained_by_questdb(own: Settings, tmp_path: Path) -> None:
    assert re.fullmatch(r"QuestDB can run (\d+) of \1 queries\n", run("queries", "check"))
    file = tmp_path / "mine.json"
    file.write_text('{\n "typo": "SELEC 1"\n}')
    command = [sys.executable, "-m", "liq", "queries", "check"]
    environment = {**os.environ, **own.environ(), "LIQ_QUERIES": str(file)}
    checked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert re.fullmatch(r"error: QuestDB can run (\d+) of (\d+) queries\n", checked.stderr)
    assert checked.stdout.startswith(f"{file}:2:2: entry 'typo': QuestDB refused")
    assert len(checked.stdout.splitlines()) == 1


@pytest.mark.stack
def test_a_terminal_shows_how_many_queries_are_checked(own: Settings) -> None:
    count = len(queries.queries(own))
    said = show("queries", "check", environment=own.environ() | {"TERM": "xterm"})
    assert re.search(rf"checking .*{count}/{count}", said)
    assert f"QuestDB can run {count} of {count} queries" in said


@pytest.mark.stack
def test_rows_are_printed_as_a_table_with_units(own: Settings) -> None:
    table = run("hit", "top_symbols", *UNTIL)
    for text in ("symbol", "(USD)", "ETHUSDT", "1,234"):
        assert text in table


@pytest.mark.stack
def test_rows_are_printed_as_csv_and_json(own: Settings) -> None:
    csv = pd.read_csv(io.StringIO(run("hit", "latest_prints", *UNTIL, "--format", "csv")))
    assert csv["notional"].tolist() == [10, 1234.5]
    assert csv["ts"].iloc[1] == "2026-01-01T10:00:00.000001Z"
    lines = run("hit", "latest_prints", *UNTIL, "-p", "symbols=ETHUSDT", "-f", "json").splitlines()
    (row,) = map(json.loads, lines)
    assert (row["notional"], row["ts"]) == (1234.5, "2026-01-01T10:00:00.000001Z")


@pytest.mark.stack
def test_values_of_a_repeated_list_are_one_list(own: Settings) -> None:
    chosen = ["-p", "symbols=ETHUSDT", "-p", "symbols=BTCUSDT"]
    both = run("hit", "latest_prints", *UNTIL, *chosen, "-f", "json").splitlines()
    assert {json.loads(line)["symbol"] for line in both} == {"ETHUSDT", "BTCUSDT"}


@pytest.mark.stack
def test_rows_are_written_to_a_file(own: Settings, tmp_path: Path) -> None:
    file = tmp_path / "prints.parquet"
    assert "2 rows, row hash " in run("hit", "latest_prints", *UNTIL, "--out", str(file))
    assert pd.read_parquet(file)["notional"].tolist() == [10, 1234.5]


@pytest.mark.stack
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_notes_on_stderr_say_what_the_rows_lack(own: Settings, form: str) -> None:
    partial = f"note: ≥ {LOWER_BOUND}"
    assert notes_of("hit", "by_exchange", *LATER, "-f", form) == [
        "note: 1 of 2 feeds disconnected: okx",
        "note: SIMULATED OR REPLAYED DATA: not_live counts its prints",
        partial,
    ]
    marked = run("hit", "by_exchange", *LATER, "-f", form).count("≥")
    assert marked == (5 if form == "table" else 0)  # the rest is exact for programs
    assert notes_of("hit", "totals", *UNTIL, "-f", form) == [f"note: {coverage.UNKNOWN}", partial]


@pytest.mark.stack
def test_notes_of_a_file_say_what_its_rows_lack(own: Settings, tmp_path: Path) -> None:
    file = str(tmp_path / "rows.csv")
    partial = f"note: ≥ {LOWER_BOUND}"
    assert notes_of("hit", "totals", *UNTIL, "--out", file) == [
        f"note: {coverage.UNKNOWN}",
        partial,
    ]
    gaps, *others = notes_of("hit", "totals", *LATER, "--out", file)
    assert gaps.startswith("note: disconnected for a part of the window: okx ")
    assert others == ["note: SIMULATED OR REPLAYED DATA: not_live counts its prints", partial]
    assert notes_of("hit", "alerts", *LATER, "--out", file) == []  # gaps are no lack of alerts


@pytest.mark.stack
def test_notes_of_a_file_and_of_printed_rows_are_of_the_same_queries(
    own: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one's own query, which names its table itself."""
    table = LIQUIDATIONS.table(own)
    sql = f"SELECT notional FROM {table} WHERE ts >= %(since)s AND ts < %(until)s"  # noqa: S608 - our own name
    mine = {"sql": sql, "description": "x", "common": ["window", "until"]}
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"mine": mine}))
    monkeypatch.setenv("LIQ_QUERIES", str(file))
    config.settings.cache_clear()
    for form in ([], ["--out", str(tmp_path / "rows.csv")]):
        assert any("okx" in note for note in notes_of("hit", "mine", *LATER, *form)), form


def notes_of(*arguments: str) -> list[str]:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False).stderr.splitlines()


def test_columns_are_checked_before_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liq.query.questdb.fetch", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(QueryError, match="no column 'symbl', did you mean 'symbol'"):
        run("hit", "latest_prints", "--columns", "ts,symbl")
    for more in ([], ["-f", "json"]):
        with pytest.raises(QueryError, match="--columns names no column; valid are: ts, "):
            run("hit", "latest_prints", "-c", "", *more)


def test_the_reference_is_printed_as_markdown() -> None:
    assert "## top_symbols\n" in run("queries", "--markdown")


def test_wrong_use_is_a_readable_error() -> None:
    for arguments, reason in (
        (["hit", "top_symbls"], "did you mean 'top_symbols'"),
        (["hit", "totals", "-p", "window"], "write --param name=value"),
        (
            ["hit", "totals", "-p", "window=1h", "-p", "window=4h", "-p", "window=1d"],
            "given more than once: 1h, 4h, 1d; give",
        ),
        (["hit", "totals", "-o", "x.csv", "-f", "json"], "--format json is for printed rows"),
        (["hit", "totals", "-o", "x.csv", "--rows", "5"], "--rows is for printed rows"),
        (["hit", "totals", "-f", "csv", "--rows", "5"], "--rows is for tables; csv has all rows"),
        (
            ["hit", "totals", "-o", "x.parquet", "-f", "csv"],
            "--format csv is for .csv files, and x",
        ),
        (
            ["hit", "totals", "-o", "x.PARQUET", "-f", "spreadsheet"],
            "spreadsheet is for .csv files",
        ),
        (["hit", "totals", "-p", "window=soon"], "window='soon' is no duration"),
    ):
        with pytest.raises(QueryError, match=reason):
            run(*arguments)


@pytest.mark.parametrize("is_hanging", [True, False])
@pytest.mark.parametrize("command", ["report", "hit totals"])
def test_a_questdb_that_does_not_answer_is_one_line_of_error(
    tmp_path: Path, command: str, *, is_hanging: bool
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    port = listener.getsockname()[1]
    if not is_hanging:
        listener.close()
    ports = {"questdb_pg_port": port, "query_timeout": 600}  # which it must not wait for
    environment = Settings.load(home=tmp_path / "home", **ports).environ()
    words = [sys.executable, "-m", "liq", *command.split()]
    with listener:
        ended = subprocess.run(
            words,
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    where = f"QuestDB at 127.0.0.1:{port}"
    reason = f"{where} did not answer a login" if is_hanging else f"cannot reach {where}"
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: {reason}")  # of the command, not of a notebook's cell
    assert (ended.returncode, ended.stdout) == (1, "")
    assert not (tmp_path / "report.html").exists()
