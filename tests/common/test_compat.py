"""Workarounds: an error names a library that lost a private name; docs and versions agree."""

import atexit
import io
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from multiprocessing import spawn
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import ipykernel.debugger
import ipykernel.iostream
import ipykernel.kernelapp
import pytest
import voila.handler
import voila.notebook_renderer
import waitress.channel
import zmq
from anyio._backends import _asyncio as asyncio_backend
from pyspark import SparkConf, SparkContext

from liq.analysis.spark import session
from liq.common import compat
from liq.common.compat import (
    Workaround,
    fork_server,
    http_deadlines,
    kernel_ports,
    slow_requests,
    voila_pages,
)
from liq.delivery.messaging import client
from liq.errors import DependencyError
from liq.ingest import via_cryptofeed
from liq.web import serve

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "workarounds.md").read_text()
ROWS = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \| .+ \| (.+) \| .+ \|$", DOCS, re.MULTILINE)
WORKAROUNDS = {each.library: each for each in vars(compat).values() if isinstance(each, Workaround)}
PACKAGES = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
Act = Callable[[], object]


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


class Case(NamedTuple):
    """A name that a library may lose, and what then fails."""

    library: str
    owner: object | None  # None if ``act`` itself uses an object without the name
    name: str
    act: Act


def hidden_main() -> None:
    """Hide pytest's main module as one that multiprocessing finds in another way."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("__spec__", "__file__"):
            patch.setattr(sys.modules["__main__"], name, None, raising=False)
        patch.setattr(spawn, "get_preparation_data", lambda _: {"init_main_from_file": "x"})
        fork_server.hide_main()


def debugged_kernel() -> None:
    """Start a kernel of an ipykernel that debugs without debugpy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "debugpy", None)
        patch.setattr(ipykernel.debugger, "_is_debugpy_available", True)
        kernel_ports.keep_closed()


def other_heartbeat() -> None:
    """Serve pages of a Voila with another heartbeat."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voila_pages, "HEARTBEAT", "<script>beat()</script>")
        voila_pages.install()


def limited(**names: Any) -> Act:
    """Return what limits the waits of a client with these names."""
    return lambda: http_deadlines.limit_waits(SimpleNamespace(**names), lambda: 1.0)  # type: ignore[arg-type]


class Transport(httpx.HTTPTransport):
    def __init__(self, **names: object) -> None:
        vars(self).update(names)


def repair_version_2(exchange: object) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(via_cryptofeed, "_is_version_2", lambda: True)
        return via_cryptofeed._build_repairs("okx", exchange)


NOTHING: Any = SimpleNamespace()
CASES = [
    Case("anyio", asyncio_backend, "WorkerThread", compat.end_idle_workers),
    Case("anywidget", None, "AbortSignal", lambda: voila_pages.check_widgets(b"", b"requirejs")),
    Case(
        "cryptofeed",
        None,
        "object._liquidations",
        lambda: repair_version_2(object),
    ),
    Case("httpx", None, "_transport", limited(_mounts={})),
    Case("httpx", None, "_mounts", limited(_transport=None)),
    Case("httpx", None, "Transport._pool", limited(_transport=Transport(), _mounts={})),
    Case(
        "httpx",
        None,
        "_network_backend",
        limited(_transport=Transport(_pool=NOTHING), _mounts={}),
    ),
    *(
        Case("ipykernel", owner, name, kernel_ports.keep_closed)
        for owner, name in [
            (ipykernel.iostream.IOPubThread, "_setup_pipe_in"),
            (ipykernel.iostream.IOPubThread, "_setup_pipe_out"),
            (ipykernel.iostream.IOPubThread, "_handle_pipe_msg"),
            (ipykernel.debugger, "_is_debugpy_available"),
            (ipykernel.kernelapp, "IOPubThread"),
        ]
    ),
    Case("ipykernel", None, "way to run without debugpy", debugged_kernel),
    Case("kafka-python", None, "_closed", lambda: client.check_names(NOTHING)),
    Case(
        "kafka-python",
        None,
        "_sender",
        lambda: client.check_names(SimpleNamespace(_closed=False)),
    ),
    Case(
        "kafka-python",
        None,
        "force_close",
        lambda: client.check_names(SimpleNamespace(_closed=False, _sender=NOTHING)),
    ),
    Case(
        "pyspark",
        SparkContext,
        "_gateway",
        lambda: session._open_gateway(SparkConf(loadDefaults=False), io.BytesIO()),
    ),
    Case("Python", atexit, "_run_exitfuncs", fork_server.hide_main),
    Case("Python", None, "main module", hidden_main),
    Case("tornado", None, "request_callback", lambda: serve._replace_callback(NOTHING, None)),
    *(
        Case("voila", owner, name, voila_pages.install)
        for owner, name in [
            (voila.handler.VoilaHandler, "get_generator"),
            (voila.handler, "NotebookRenderer"),
            (voila.notebook_renderer, "VoilaExporter"),
            (voila.notebook_renderer.NotebookRenderer, "generate_content_generator"),
        ]
    ),
    Case("voila", None, "heartbeat of the known text", other_heartbeat),
    Case("voila", None, "_pools", lambda: voila_pages.find_pool(NOTHING, "")),
    *(
        Case("waitress", waitress.channel.HTTPChannel, name, lambda: slow_requests.limit(NOTHING))
        for name in ("request", "last_activity")
    ),
    Case("waitress", None, "channel_class", lambda: slow_requests.limit(NOTHING)),
    Case(
        "widgetsnbextension",
        None,
        "requirejs",
        lambda: voila_pages.check_widgets(b"AbortSignal.timeout(", b""),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.library}: {case.name}")
def test_a_name_that_is_gone_is_named_with_its_library(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case.owner:
        monkeypatch.delattr(case.owner, case.name)
    workaround = WORKAROUNDS[case.library]
    with pytest.raises(DependencyError) as caught:
        case.act()
    message = str(caught.value)
    assert re.match(rf"{case.library} \d+\.\S+ has no .*{re.escape(case.name)}", message)
    assert f"install {case.library} {workaround.seen_on}" in message
    assert "docs/workarounds.md" in message


def test_a_library_without_metadata_is_named_too() -> None:
    gone = Workaround("not-installed", "1.0")
    with pytest.raises(DependencyError, match="not-installed of an unknown version has no x"):
        gone.require(holds=False, part="x")


def test_a_reader_of_questdb_misses_the_name_at_its_import() -> None:
    code = "import psycopg.errors; del psycopg.errors._WaitTimeout; import liq.query.questdb"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.search(r"DependencyError: psycopg \S+ has no psycopg.errors._WaitTimeout", ran.stderr)


def test_the_grammar_that_is_not_imported_exists_still() -> None:
    """Otherwise `skip_url_grammar` can go."""
    assert any(package["name"] == "rfc3987-syntax" for package in PACKAGES)


@pytest.mark.slow
def test_the_grammar_is_imported_unless_it_is_skipped() -> None:
    code = "import sys, jsonschema; print('lark' in sys.modules)"
    skipped = f"from liq.common import compat; compat.skip_url_grammar(); {code}"
    found = [
        subprocess.run([sys.executable, "-c", each], capture_output=True, text=True, check=True)
        for each in (code, skipped)
    ]
    assert [ran.stdout for ran in found] == ["True\n", "False\n"]


def test_every_workaround_has_a_case() -> None:
    others = {"psycopg", "jsonschema"}  # the two tests above
    others.add("jupyter-client")  # only public names are used
    assert {case.library for case in CASES} | others == WORKAROUNDS.keys()


def test_the_docs_have_every_workaround_with_its_version() -> None:
    assert {(library, seen_on) for library, seen_on, _ in ROWS} == {
        (each.library, each.seen_on) for each in WORKAROUNDS.values()
    }


@pytest.mark.parametrize("library", sorted(WORKAROUNDS))
def test_the_docs_say_where_and_which_setting_was_looked_for(library: str) -> None:
    places = [place for name, _, where in ROWS if name == library for place in code_in(where)]
    assert places
    assert all(exists(place) for place in places), places
    settings = {"widgetsnbextension": "anywidget"}.get(library, library)
    assert f"- **{settings}**: " in DOCS


def code_in(where: str) -> list[str]:
    """Return the modules and files that a row names."""
    return re.findall(r"`((?:liq\.|lib/)[\w./]+)`", where)


def exists(place: str) -> bool:
    if "/" in place:
        return (ROOT / place).is_file()
    parts = ROOT / "lib" / place.replace(".", "/")
    return parts.is_dir() or parts.with_suffix(".py").is_file() or hasattr(compat, parts.name)


def test_every_module_of_changes_is_in_the_docs() -> None:
    named = {place for _, _, where in ROWS for place in code_in(where)}
    folder = ROOT / "lib" / "liq" / "common" / "compat"
    assert {f"liq.common.compat.{file.stem}" for file in folder.glob("[a-z]*.py")} <= named


@pytest.mark.parametrize("library", sorted(WORKAROUNDS.keys() - {"Python"}))
def test_the_locked_version_is_one_that_the_workaround_was_tried_on(library: str) -> None:
    locked = [package["version"] for package in PACKAGES if package["name"] == library]
    seen_on = WORKAROUNDS[library].seen_on
    newer = [version for version in locked if number(version) > number(seen_on)]
    assert locked
    assert not newer, f"{library} {newer}: check the workaround again, see docs/workarounds.md"


def test_this_python_is_one_that_the_workaround_was_tried_on() -> None:
    running = sys.version_info[:2]
    assert running <= number(compat.PYTHON.seen_on), "check the workaround again"


def test_output_that_is_flushed_while_a_kernel_ends_raises_nothing() -> None:
    with zmq.Context() as context:
        make: Any = kernel_ports.OutputThread  # ipykernel has no types
        output = make(context.socket(zmq.PUB))
        output.thread = SimpleNamespace(is_alive=lambda: True)  # as another thread saw it
        output._event_pipe.close()  # as ipykernel does at the end
        flushed: list[bool] = []
        output.schedule(lambda: flushed.append(True))
        assert flushed == [True]
        output.io_loop.close(all_fds=True)
        output.close()
