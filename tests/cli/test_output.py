"""What commands print: text from outside stays text on a terminal."""

import io
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rich.table import Table
from typer.testing import CliRunner

from liq.cli import app, main, output, query
from liq.errors import LiqError
from liq.query.callables import Noted

TAKEOVER = "\x1b]0;mine\x07\x1b[2J\x9b31m\r\x7f\u202egnp"
MARKUP = "[bold red]B[/] [link=x]y[/link] :smile: [/]"
ORDERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Have standard output and errors be a terminal, one without colours.

    That is no fixture: pytest replaces the streams after the fixtures.
    """
    screen = Terminal()
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_a_console_shows_markup_as_text_and_gives_no_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen, table = terminal(monkeypatch), Table(MARKUP)
    table.add_row(TAKEOVER + MARKUP)
    table.add_row(output.styled(TAKEOVER + MARKUP, "bold"))
    output.console.print(TAKEOVER + MARKUP)
    output.console.print(table)
    shown = screen.getvalue()
    assert shown.count(MARKUP) == 4
    assert "␛]0;mine␇␛[2J\N{REPLACEMENT CHARACTER}31m␍␡\N{REPLACEMENT CHARACTER}gnp" in shown
    assert not ORDERS.search(shown)


def test_text_is_exact_for_a_program_and_printable_for_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = terminal(monkeypatch)
    output.echo(TAKEOVER)
    assert not ORDERS.search(screen.getvalue())
    monkeypatch.setattr(sys, "stdout", pipe := io.StringIO())
    output.echo(TAKEOVER)
    assert pipe.getvalue() == f"{TAKEOVER}\n"


@pytest.mark.parametrize("form", query.PrintFormat)
def test_rows_give_a_terminal_no_orders(
    form: query.PrintFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen, rows = terminal(monkeypatch), pd.DataFrame({"symbol": [TAKEOVER + MARKUP]})
    monkeypatch.setattr("liq.query.callables.fetch_noted", lambda *_: Noted(rows, []))
    query.hit("latest_prints", form=form)
    assert "symbol" in screen.getvalue()
    assert "[bold red]" in screen.getvalue()
    assert not ORDERS.search(screen.getvalue())


def test_an_error_gives_a_terminal_no_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr("liq.cli.app", raising(LiqError(TAKEOVER + MARKUP)))
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(screen))
    with pytest.raises(SystemExit):
        main()
    assert logging.lastResort
    logging.lastResort.handle(logging.makeLogRecord({"msg": TAKEOVER}))
    assert f"error: {output.printable(TAKEOVER + MARKUP)}" in screen.getvalue()
    assert not ORDERS.search(screen.getvalue())


def raising(error: Exception) -> Callable[[list[str]], None]:
    def run(_arguments: list[str]) -> None:
        raise error

    return run


def test_rows_are_printed_for_a_spreadsheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "liq.query.callables.fetch_noted", lambda *_: Noted(pd.DataFrame({"symbol": ["=1+1"]}), [])
    )
    said = CliRunner().invoke(
        app, ["hit", "latest_prints", "-f", "spreadsheet"], catch_exceptions=False
    )
    assert said.output == "symbol\n'=1+1\n"


def test_a_narrow_table_leaves_no_end_of_a_word_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output.console, "_width", 20)
    table = output.create_table("rule", "condition")
    table.add_row("unusual_longs_of_BTC", "long_usd of totals")
    output.console.print(table)
    shown = capsys.readouterr().out
    assert "…" not in shown
    first = "".join(line.split("│")[1].strip() for line in shown.splitlines() if "│" in line)
    assert first == "unusual_longs_of_BTC"


def run_liq(*words: str, redirect: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command by a shell, which can close its output."""
    command = f"{shlex.join([sys.executable, '-m', 'liq', *words])} {redirect}"
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_closed_output_is_no_fault(tmp_path: Path) -> None:
    for words in (["--version"], ["queries", "--markdown"], ["queries"]):
        ended = run_liq(*words, redirect=">&-", LIQ_HOME=str(tmp_path))
        assert (words, ended.returncode, ended.stderr) == (words, 0, "")
    assert run_liq("nothing", redirect="2>&-", LIQ_HOME=str(tmp_path)).returncode == 2


def test_an_encoding_without_a_character_gets_an_escape(tmp_path: Path) -> None:
    ended = run_liq("queries", PYTHONIOENCODING="ascii", LIQ_HOME=str(tmp_path))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.isascii()


def test_a_terminal_that_does_not_know_its_width_has_80_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    assert output.Console().width == 80
