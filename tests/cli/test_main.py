"""The command as a person meets it: help, misspelt names, Ctrl-C, faults."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
import typer.main
from pydantic_core import SchemaError

from liq import cli, config
from liq.cli import app
from liq.cli.help import Group
from liq.config import Settings
from liq.errors import LiqError
from liq.ingest.venues import VENUES
from support.helpers import PATIENCE_S, eventually, find_free_ports, running
from support.terminals import in_terminal, show


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path / "home", **find_free_ports())


def list_commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from list_commands(command, *path, name)


def run(
    words: Sequence[str], environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run a command in this process, since a start of Python takes most of a command's time."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["liq", *words])
    config.settings.cache_clear()
    with pytest.raises(SystemExit):
        cli.main()


@pytest.fixture
def complain(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """``complain("hit totls")``: run a command with the test's settings, and return its error."""

    def read_error(words: str) -> str:
        run(words.split(), settings.environ(), monkeypatch)
        return " ".join(capsys.readouterr().err.split())

    return read_error


COMMANDS = dict(list_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_has_each_text_whole(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        app([*path, "-h"])
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 80
    words = " ".join(page.split())
    command = COMMANDS[path]
    texts = [command.help, *(param.help for param in command.params)]
    texts += [each.help.partition("\n\n")[0] for each in getattr(command, "commands", {}).values()]
    for text in filter(None, texts):
        assert " ".join(text.split()) in words
    assert all(param.help for param in command.params)
    assert isinstance(command, Group) == hasattr(command, "commands")


def test_help_keeps_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    other = typer.Typer(cls=Group, rich_markup_mode=None)

    @other.command(help="Install [bold]liq[spark] for <this>.")
    def one() -> None: ...

    @other.command()
    def two() -> None: ...

    for arguments in (["--help"], ["one", "--help"]):
        with pytest.raises(SystemExit):
            typer.main.get_command(other)(arguments)
        assert "Install [bold]liq[spark] for <this>." in capsys.readouterr().out


def test_the_version_is_printed() -> None:
    assert show("--version") == f"liq {version('liq')}\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("hitt", "Did you mean 'hit'?"),
        ("hit totals --fromat csv", "--format"),
        ("hit totals --wid", "No such option: --wid (Possible options: --wide)"),
        (
            "hit totals --windw 1h",
            "No such option: --windw. A parameter is given as: -p window=VALUE",
        ),
        (
            "hit totals --limti 5",
            "No such option: --limti. A parameter is given as: -p limti=VALUE",
        ),
        ("hit top_symbols --limti 5", "A parameter is given as: -p limit=VALUE"),
        ("hit totals -p side=buy", "totals has no parameter 'side'; valid are: "),
        ("hit totls", "did you mean 'totals'?"),
        ("hit totals -p windw=1h", "did you mean 'window'?"),
        ("produce --venue bybitt", "did you mean 'bybit'?"),
        ("alerts backtest long_brust", "did you mean 'long_burst'?"),
        ("notebook 02-explor", "did you mean '02-explore'?"),
        ("notebook 02-explore -p windw=1h", "did you mean 'window'?"),
        ("notebooks --restore report-", "did you mean 'report'?"),
        ("logs kafkaa", "did you mean 'kafka'?"),
        ("open dashbord", "'page': there is no 'dashbord', did you mean 'dashboard'? valid are: "),
        (
            "hit cascades -p by=symbl",
            "by='symbl' is not a choice, did you mean 'symbol'? valid are: ",
        ),
        ("dlq ls --stage pars", "there is no stage 'pars', did you mean 'parser'? valid are: "),
        ("hit totals -f jsn", "there is no 'jsn', did you mean 'json'? valid are: table, csv, "),
    ],
)
def test_a_misspelt_name_gets_a_suggestion(
    settings: Settings, complain: Callable[[str], str], words: str, hint: str
) -> None:
    (settings.home / "logs").mkdir(parents=True)
    (settings.home / "logs" / "kafka.log").touch()
    said = complain(words)
    assert hint in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("hit", "Missing argument 'key'. A query's name; `liq queries` lists them"),
        ("alerts backtest", "Missing argument 'rule'. A rule of alerts.json"),
        ("hit totals window=1h limit=3", "given as: -p window=1h -p limit=3"),
        ("notebook 02-explore window=1h", "given as: -p window=1h"),
        ("hit totals --window 1h", "No such option: --window. A parameter is given as: -p window="),
        ("help", "No such command 'help'. Write: liq --help"),
        ("export totals", "Write: liq hit KEY --out FILE.csv"),
        ("logs kafka", "there are no logs, as nothing was started yet: liq run"),
        ("env --out /proc/x", "error: No such file or directory: /proc/x"),
        ("replay nofile", "cannot read nofile: No such file or directory"),
        (
            "spark batch prints.parquet --out no/c.csv",
            "cannot write no/c.csv: there is no folder no",
        ),
        ("spark batch a.parquet --out c.csv --sums no/s.csv", "there is no folder no"),
        ("notebook 02-explore -p symbols=[BTC", "'[BTC' is no list; give symbols=A,B"),
    ],
)
def test_an_error_of_usage_says_what_to_write(
    complain: Callable[[str], str], words: str, hint: str
) -> None:
    said = complain(words)
    assert hint in said
    assert "Traceback" not in said
    assert "Errno" not in said


@pytest.mark.parametrize(
    ("words", "variable", "entry", "fault"),
    [
        ("alerts check", "LIQ_ALERTS", {"quer": "totals"}, "rule 'mine': there is no field 'quer'"),
        (
            "queries check",
            "LIQ_QUERIES",
            {"sq": "SELECT 1"},
            "entry 'mine': there is no field 'sq'",
        ),
    ],
)
def test_a_check_without_questdb_prints_invalid_entries(
    settings: Settings, words: str, variable: str, entry: dict[str, str], fault: str
) -> None:
    file = settings.home / "mine.json"
    file.write_text(json.dumps({"mine": entry}))
    variables = settings.environ() | {variable: str(file)}
    ended = subprocess.run(
        [sys.executable, "-m", "liq", *words.split()],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.startswith(f"{file}:1:")
    assert fault in ended.stdout
    assert ended.stderr.startswith("error: cannot reach QuestDB")
    assert ended.returncode == 1


def test_a_misspelt_stream_gets_a_suggestion(settings: Settings) -> None:
    said = show("env", environment=settings.environ() | {"LIQ_PRISE__TOPIC": "mine"})
    assert "LIQ_PRICE__TOPIC" in said
    assert "Traceback" not in said


def test_a_fault_is_one_line_and_a_traceback_with_debug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.cli.stack.current_settings", _fail)
    for debug in ([], ["--debug"]):
        monkeypatch.setattr(sys, "argv", ["liq", "env", *debug])
        with pytest.raises(SystemExit, match="1"):
            cli.main()
        said = " ".join(capsys.readouterr().err.split())
        assert said.endswith("error: KeyError: 'settings'; a fault of liq, --debug shows where")
        assert ("Traceback" in said) == bool(debug)


def _fail() -> None:
    raise KeyError("settings")


INTERRUPTED = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == "MODULE":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv[1:] = ["status"]
runpy.run_module("liq", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["liq.cli", "liq.config", "typer", "liq.stack.control"])
def test_ctrl_c_during_the_imports_is_one_line(settings: Settings, module: str) -> None:
    program = INTERRUPTED.replace("MODULE", module)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | settings.environ(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        130,
        "",
        "interrupted; `liq status` shows what runs on\n",
    )


@pytest.mark.parametrize(
    ("place", "error"),
    [
        (
            "liq.cli.stack.current_settings",
            SchemaError('Error building "model" schema: KeyboardInterrupt: '),
        ),
        ("liq.cli.completion.join_words_of_bash", KeyboardInterrupt()),
    ],
    ids=["pydantic builds a class", "before the command"],
)
def test_ctrl_c_is_no_fault_and_says_what_runs_on_while(
    place: str,
    error: BaseException,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    def build() -> None:
        raise error

    monkeypatch.setenv("LIQ_HOME", str(settings.home))
    monkeypatch.setattr(place, build)
    monkeypatch.setattr(sys, "argv", ["liq", "env"])
    with pytest.raises(SystemExit, match="130"):
        cli.main()
    assert capsys.readouterr().err.startswith("interrupted; ")


def test_ctrl_c_in_a_command_is_one_line_that_says_what_runs_on(settings: Settings) -> None:
    waiting = [sys.executable, "-c", WAITING]
    with in_terminal(waiting, settings.environ()) as session:
        session.read("waiting")
        session.press("\x03")
        said = session.read()
    assert session.process.returncode == 130
    assert said.splitlines()[-1] == "interrupted; nothing that liq started runs on"
    assert "Traceback" not in said


def has_answered(address: str) -> bool:
    try:
        httpx.get(address, timeout=PATIENCE_S)
    except httpx.TransportError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "listens"),
    [
        (["dashboard", "--no-browser", "--pool=0"], "dashboard_port"),
        (["lab", "--no-browser"], "lab_port"),
        (["api"], "api_port"),
        (["mcp", "--http"], "mcp_port"),
        (["streamlit", "--no-browser"], "streamlit_port"),
        (["simulate"], "simulator_port"),
    ],
)
def test_ctrl_c_ends_a_server_with_a_line_that_says_what_runs_on(
    settings: Settings, command: list[str], listens: str
) -> None:
    address = f"http://127.0.0.1:{getattr(settings, listens)}"
    with running(settings, "-m", "liq", *command) as process:
        eventually(lambda: has_answered(address))
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (0, 130)
    # a thread of JupyterLab's may log another line
    ends = {f"{event}; nothing that liq started runs on" for event in ("ended", "interrupted")}
    assert ends & {*said.splitlines()}
    assert "Traceback" not in said
    assert "Aborted" not in said


@pytest.mark.slow
def test_ctrl_c_while_the_fork_server_imports_prints_no_traceback(settings: Settings) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRELOADING],
        env=os.environ | settings.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.5)  # of the seconds that the imports take
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert errors == ""


PRELOADING = """
import signal
from liq.web.voila_app import forking

forking.preload()
print(flush=True)
try:
    signal.pause()
except KeyboardInterrupt:
    pass
"""


WAITING = """
import sys, time
from liq import cli
from liq.cli import stack

def wait():
    print("waiting", flush=True)
    time.sleep(600)

stack.stack.down = lambda progress: wait()
sys.argv = ["liq", "down"]
cli.main()
"""


def test_the_last_line_after_ctrl_c_names_what_runs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.stack.list_running", lambda: ["kafka", "producer"])
    said = cli.output.describe_end("interrupted")
    assert said == "interrupted; these run on until `liq down`: kafka, producer"

    def fail() -> list[str]:
        raise LiqError

    monkeypatch.setattr("liq.stack.list_running", fail)
    assert cli.output.describe_end("ended") == "ended; `liq status` shows what runs on"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["hit", "top_"], ["top_symbols", "top_assets"]),
        (["hit", "totals", "-p", "wi"], ["window=", "window=1h"]),
        (["hit", "totals", "-p", "min"], ["min_notional="]),
        (["hit", "totals", "--columns", "prints,long_u"], ["prints,long_usd"]),
        (
            ["hit", "liquidations_by_bucket", "-p", "bucket=1"],
            ["bucket=1s", "bucket=10s", "bucket=1m", "bucket=15m", "bucket=1h", "bucket=1d"],
        ),
        (["hit", "totals", "-p", "exchange=byb"], ["exchange=bybit", "exchange=bybit_inverse"]),
        (["hit", "no_query", "-p", "w"], []),
        (["produce", "--venue", "okx"], ["okx"]),
        (["run", "--venue", "deri"], ["deribit"]),
        (["notebook", "02"], ["02-explore"]),
        (["notebooks", "--restore", "re"], ["report"]),
        (["alerts", "backtest", "long"], ["long_burst"]),
        (["logs", "ka"], ["kafka"]),
        (["op"], ["open"]),
        (["open", "da"], ["dashboard"]),
    ],
    ids=" ".join,
)
def test_names_are_completed(
    settings: Settings,
    typed: list[str],
    expected: list[str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (settings.home / "logs").mkdir(parents=True)
    (settings.home / "logs" / "kafka.log").touch()
    assert complete("bash", settings, typed, capfd, monkeypatch) == expected


SPLIT = {
    "liq hit venue_share -p bucket=3": ["30s", "30m"],
    "liq hit totals -p exchange=": [*VENUES],
    "liq hit totals --param=wi": ["window=", "window=1h"],
    "liq hit totals -p symbols=tBTCF0:USTF0": [],
    "liq hit totals -p window=1h --col": ["--columns"],
    "liq hit totals -p window=1h --columns=prin": ["prints"],
}


def test_bash_completes_words_that_it_splits(settings: Settings) -> None:
    """bash itself runs the function that `liq --show-completion bash` prints."""
    script = 'eval "$(_LIQ_COMPLETE=source_bash liq)"\n'
    for typed in SPLIT:
        words = re.findall(r"[=:]+|[^\s=:]+", typed)  # as bash does
        script += f"""
            COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
            _liq_completion liq
            echo "${{COMPREPLY[@]}}"
        """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        env=os.environ | settings.environ() | {"PATH": path, "SHELL": "/bin/bash"},
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stderr == ""
    found = [line.split() for line in done.stdout.splitlines()]
    assert dict(zip(SPLIT, found, strict=True)) == SPLIT


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_each_shell_completes_queries(
    settings: Settings,
    shell: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    completed = complete(shell, settings, ["hit", "top_a"], capfd, monkeypatch)
    assert "top_assets" in " ".join(completed)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_days_are_completed(
    settings: Settings,
    shell: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    today = str(datetime.now(UTC).date())
    typed = ["hit", "totals", "-p", f"since={today[:3]}"]
    assert today in " ".join(complete(shell, settings, typed, capfd, monkeypatch))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"_LIQ_COMPLETE": "source_bash"}, []),
        ({"_LIQ_COMPLETE": "complete_bash", "COMP_WORDS": "liq\nhit\ntot", "COMP_CWORD": "2"}, []),
        ({"_LIQ_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "liq hit tot"}, []),
        ({}, ["--show-completion", "bash"]),
        ({}, ["queries"]),
    ],
)
def test_a_reader_that_has_ended_is_no_error(
    settings: Settings, asked: dict[str, str], words: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = "import sys; sys.argv[0] = 'liq'; from liq.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env=os.environ | settings.environ() | asked,
        text=True,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_broken_catalogue_completes_nothing_in_silence(
    settings: Settings,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "mine.json").write_text("{")
    broken = settings.model_copy(update={"queries": tmp_path / "mine.json"})
    assert complete("bash", broken, ["hit", "zz"], capfd, monkeypatch) == []


def complete(
    shell: str,
    settings: Settings,
    typed: Sequence[str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """Ask as the shell's function does; typer's own scripts set these variables."""
    words = ("\n" if shell == "bash" else " ").join(["liq", *typed])
    asked = {
        "_LIQ_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(typed)),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    run([], settings.environ() | asked, monkeypatch)
    printed = capfd.readouterr()
    assert printed.err == ""
    return printed.out.split()
