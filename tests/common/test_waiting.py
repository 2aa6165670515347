"""Pauses, waits with a deadline, and the line that shows people what they wait for."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from liq.common.waiting import pause_s, poll_until, show_wait
from liq.config import Settings
from support.helpers import PATIENCE_S
from support.terminals import LIQ, in_terminal

CLEARED = "\r\x1b[K"


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_s(failures, 0.25, 2.0) for failures in range(7)] == [0, 0.25, 0.5, 1, 2, 2, 2]


def test_pauses_without_a_limit_go_on_doubling() -> None:
    assert [pause_s(failures, 1.0) for failures in range(1, 7)] == [1, 2, 4, 8, 16, 32]


def test_failures_for_weeks_do_not_overflow() -> None:
    assert pause_s(1_000_000, 1.0, 60.0) == 60


def test_polling_ends_as_soon_as_the_condition_is_true() -> None:
    answers = iter([False, 0, "yes"])
    assert poll_until(lambda: next(answers), 60, every_s=0.001)
    assert next(answers, None) is None


def test_polling_gives_up_at_the_deadline_but_asks_once() -> None:
    answers = iter([False] * 1000)
    assert not poll_until(lambda: next(answers), 0, every_s=0.001)
    assert len([*answers]) < 1000


def test_polling_pauses_no_longer_than_until_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert not poll_until(lambda: False, 0.01, every_s=3600)
    assert max(pauses) <= 0.01


WAITING = """
import sys
from liq.config import Settings
from liq.common.waiting import show_wait
with show_wait("asking [bold] \\x1b[2J", AFTER):
    print("begun")
    sys.stdin.readline()
print("over")
"""


def test_a_long_wait_is_shown_in_a_terminal_until_it_ends() -> None:
    program = [sys.executable, "-c", WAITING.replace("AFTER", "0.0")]
    with in_terminal(program, {"TERM": "xterm"}) as session:
        session.read("still asking [bold] ?[2J, 0 s ...\x1b[K")
        session.read("still asking [bold] ?[2J, 1 s ...\x1b[K")  # it goes on
        session.press("\n")
        assert session.read().endswith(f"s ...\x1b[K{CLEARED}over\n")
    assert session.process.returncode == 0


@pytest.mark.parametrize(
    ("after", "terminal"), [("3600.0", "xterm"), ("float('inf')", "xterm"), ("0.0", "dumb")]
)
def test_a_short_wait_is_not_shown_nor_is_one_in_a_dumb_terminal(after: str, terminal: str) -> None:
    program = [sys.executable, "-c", WAITING.replace("AFTER", after)]
    with in_terminal(program, {"TERM": terminal}) as session:
        session.read("begun")
        session.press("\n")
        assert session.read() == "begun\nover\n"


def test_a_line_of_a_wait_fits_the_terminal() -> None:
    program = [sys.executable, "-c", WAITING.replace("AFTER", "0.0").replace("asking", "ask" * 99)]
    with in_terminal(program, {"TERM": "xterm"}) as session:
        shown = session.read("\x1b[K").rpartition("\r")[2].partition("\x1b")[0]
        session.press("\n")
        session.read()
    assert shown == ("still " + "ask" * 99)[:79]


def test_a_wait_shows_nothing_in_pipes() -> None:
    program = [sys.executable, "-c", WAITING.replace("AFTER", "0.0")]
    for wanted in ("", "import sys; sys.stderr = None\n", "import sys; sys.stderr.close()\n"):
        program[2] = wanted + WAITING.replace("AFTER", "0.0")
        ended = subprocess.run(program, input="\n", capture_output=True, text=True, check=True)
        assert (ended.stdout, ended.stderr) == ("begun\nover\n", "")


INTERRUPTED = """
from threading import Event
from liq.config import Settings
from liq.common.waiting import show_wait
try:
    with show_wait("asking", 0.0):
        Event().wait()
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_ends_a_wait_and_its_line() -> None:
    with in_terminal([sys.executable, "-c", INTERRUPTED], {"TERM": "xterm"}) as session:
        session.read("still asking")
        session.press("\x03")
        assert session.read().endswith(f"{CLEARED}interrupted\n")


THREADS = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from liq.config import Settings
from liq.common.waiting import show_wait
ends = [threading.Event(), threading.Event()]

def wait(number):
    with show_wait(f"asking {number}", 0.0):
        ends[number].wait()

with ThreadPoolExecutor() as threads:
    waits = []
    for number in range(2):
        waits.append(threads.submit(wait, number))
        sys.stdin.readline()
    for end, wait in zip(ends, waits):
        end.set()
        wait.result()
        sys.stdin.readline()
print("over")
"""


def test_threads_that_wait_share_one_line() -> None:
    with in_terminal([sys.executable, "-c", THREADS], {"TERM": "xterm"}) as session:
        session.read("still asking 0, 0 s")
        session.press("\n")
        assert "asking 1" not in session.read("still asking 0, 3 s")
        session.press("\n")
        assert "asking 0" not in session.read("still asking 1").partition(CLEARED)[2]
        session.press("\n\n")
        assert session.read().endswith(f"{CLEARED}over\n")


HELD = """
import threading
from liq.common.waiting import hold_screen, show_wait
with hold_screen(), show_wait("asking", 0.0):
    threading.Event().wait(1.5)
with show_wait("asking then", 0.0):
    threading.Event().wait(1.5)
"""


def test_a_block_that_shows_its_own_progress_has_no_line_in_it() -> None:
    with in_terminal([sys.executable, "-c", HELD], {"TERM": "xterm"}) as session:
        shown = session.read()
    assert "asking," not in shown
    assert "asking then," in shown


CHILDREN = """
import multiprocessing
from liq.config import Settings
from liq.common.waiting import show_wait

def wait(begun, ended):
    with show_wait("asking in a child", 0.0):
        begun.set()
        ended.wait()

if __name__ == "__main__":
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        begun, ended = context.Event(), context.Event()
        child = context.Process(target=wait, args=(begun, ended))
        with show_wait("asking", 0.0):
            child.start()
            begun.wait()
        ended.set()
        child.join()
        print(f"{method} {child.exitcode}")
"""


def test_children_show_no_line(tmp_path: Path) -> None:
    program = tmp_path / "program.py"  # a file, which a spawned child imports
    program.write_text(CHILDREN)
    with in_terminal([sys.executable, str(program)], {"TERM": "xterm"}) as session:
        shown = session.read()
    assert "child" not in shown
    assert "fork 0\n" in shown
    assert "spawn 0\n" in shown
    assert "Traceback" not in shown


SLOW_CELL = """
import time
from liq.config import Settings
from liq.common.waiting import show_wait
with show_wait("asking", 0.0):
    time.sleep(1.5)
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(startup_timeout=PATIENCE_S)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run_cell(kernel: BlockingKernelClient, code: str, *, is_watched: bool) -> list[dict[str, Any]]:
    """Return the messages with output of a cell; only a front end with a person allows input."""
    found: list[dict[str, Any]] = []
    kernel.execute_interactive(
        code, allow_stdin=is_watched, timeout=PATIENCE_S, output_hook=found.append
    )
    kinds = {"stream", "error", "display_data", "update_display_data", "execute_result"}
    return [each for each in found if each["msg_type"] in kinds]


IN_THREAD = """
import threading
def wait():
    with show_wait("asking", 0.0):
        time.sleep(1.5)
thread = threading.Thread(target=wait)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("code", [SLOW_CELL, SLOW_CELL.partition("with")[0] + IN_THREAD])
def test_a_notebook_shows_a_long_wait_and_keeps_an_empty_output(
    kernel: BlockingKernelClient, code: str
) -> None:
    first, *others, last = run_cell(kernel, code, is_watched=True)
    assert first["msg_type"] == "display_data"
    assert first["content"]["data"] == {"text/plain": "still asking, 0 s ..."}
    assert {each["msg_type"] for each in (*others, last)} == {"update_display_data"}
    assert "still asking, 1 s ..." in [each["content"]["data"]["text/plain"] for each in others]
    assert last["content"]["data"] == {}
    assert len({each["content"]["transient"]["display_id"] for each in (first, last)}) == 1


def test_a_notebook_that_a_program_runs_keeps_nothing_of_a_wait(
    kernel: BlockingKernelClient,
) -> None:
    assert not run_cell(kernel, SLOW_CELL, is_watched=False)


def test_a_wait_in_the_output_of_a_widget_shows_no_line_that_would_stay(
    kernel: BlockingKernelClient,
) -> None:
    head, block = SLOW_CELL.split("with")
    code = f"{head}import ipywidgets\noutput = ipywidgets.Output()\nwith output:\n  with{block}"
    assert not run_cell(kernel, code.replace("    time", "      time"), is_watched=True)
    assert run_cell(kernel, SLOW_CELL, is_watched=True)  # of a cell that has none


def test_a_wait_whose_output_a_cell_captures_shows_no_line_that_would_stay(
    kernel: BlockingKernelClient,
) -> None:
    assert not run_cell(kernel, f"%%capture out\n{SLOW_CELL}", is_watched=True)
    assert not run_cell(kernel, "out.show()", is_watched=True)


def test_a_wait_in_a_forked_child_of_a_notebook_says_nothing(kernel: BlockingKernelClient) -> None:
    code = SLOW_CELL.replace("with", "import os\nif not (child := os.fork()):\n  with")
    code = code.replace("    time.sleep(1.5)", "      time.sleep(0.5)\n  os._exit(0)")
    assert not run_cell(kernel, f"{code}\nos.waitpid(child, 0);", is_watched=True)


def test_a_wait_without_a_thread_to_spare_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with show_wait("asking", 0.0):
        pass


CALLS = {
    "import liq; liq.hit('totals')": "querying QuestDB: totals",
    "import liq; liq.hit.top_symbols(window='1h')": "querying QuestDB: top_symbols",
    "import liq; liq.export('totals', 'totals.csv')": "querying QuestDB: totals",
    "import liq; liq.alerts.backtest('long_burst')": "evaluating long_burst over the past",
    "from liq.query import queries; queries.wait_for_rows(9)": "waiting for liquidations",
    "from liq.notebook.reports import Report; Report()": "querying QuestDB: sources",
    "from liq.delivery import connect; connect.ensure()": "starting the sink alt-liquidations",
    "from liq.notebook.tour import load_first_picture as load; load()": (
        "querying QuestDB: liquidations_by_bucket"
    ),
    "from liq import stack; stack.overview()": "checking the services",
    "from liq.web.client import ApiClient; ApiClient().hit('totals')": "asking the API: totals",
    "from liq.web import client; client.ApiClient().describe('totals')": "asking the API: totals",
    "hit totals": "querying QuestDB: totals",
    "hit totals --out totals.csv": "querying QuestDB: totals",
    "odd": "querying QuestDB: left_out",
    "report": "preparing the report",
    "status": "checking the services",
    "init": "creating topics, tables and sinks",
    "alerts check": "evaluating the rules",
    "dlq ls": "reading dead letters",
    "dlq show 0-0": "reading dead letters",
}


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables of servers that take connections and never answer, whose waits show at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        port = server.getsockname()[1]
        names = ("kafka_port", "connect_port", "questdb_pg_port", "api_port", "dashboard_port")
        home = tmp_path_factory.mktemp("home")
        settings = Settings.load(home=home, progress_after=0, **dict.fromkeys(names, port))
        yield {**settings.environ(), "TERM": "xterm"}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_says_for_what_it_waits(call: str, silent: dict[str, str], tmp_path: Path) -> None:
    program = [sys.executable, "-c", call] if call.startswith(("import", "from")) else [*LIQ]
    words = [] if program[-1] == call else call.split()
    with in_terminal([*program, *words], silent, cwd=tmp_path) as session:
        session.read(f"still {CALLS[call]}, ")
