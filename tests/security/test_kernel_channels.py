"""Another user of the machine reaches no channel of a kernel, whichever command started it."""

import json
import os
import pwd
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import nbformat
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from browser.conftest import kernels as forked
from browser.conftest import serving
from liq.common import kernels
from liq.config import Settings
from liq.notebook import notebooks
from support.helpers import PATIENCE_S, eventually, find_free_ports, running

CHANNELS = 5  # shell, iopub, stdin, control, heartbeat
# the interpreter may be where nobody cannot go: it starts as root, then becomes nobody
INTRUDER = """
import json, os, pwd, socket, sys
nobody = pwd.getpwnam("nobody")
os.setgroups([]); os.setgid(nobody.pw_gid); os.setuid(nobody.pw_uid)
def attempt(action, *given):
    try:
        action(*given)
        return "allowed"
    except OSError as error:
        return type(error).__name__
results = {}
for path in map(os.fsdecode, json.load(sys.stdin)):
    results[path] = attempt(socket.socket(socket.AF_UNIX).connect, path)
    results["file " + path] = attempt(open, path)
    results["folder of " + path] = attempt(os.listdir, os.path.dirname(path))
print(json.dumps(results))
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path / "home", **find_free_ports()).with_lab_token()


def as_nobody(paths: list[str]) -> dict[str, str]:
    """Return what a process of the user nobody gets when it opens each path."""
    ran = subprocess.run(
        [sys.executable, "-c", INTRUDER],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


def listening_on_tcp(process: psutil.Process) -> list[tuple[str, int]]:
    return [
        (each.laddr.ip, each.laddr.port)
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]


def socket_paths(process: psutil.Process) -> set[str]:
    return {str(each.laddr) for each in process.net_connections("unix") if each.laddr}


def connection_file(process: psutil.Process) -> Path:
    """Return the connection file of the kernel that this process is."""
    sockets, folder = socket_paths(process), private_folder(process)
    for file in folder.rglob("*.json"):
        if any(path.startswith(str(file.with_suffix(""))) for path in sockets):
            return file
    raise AssertionError(f"no connection file in {folder} names any of {sockets}")


def private_folder(process: psutil.Process) -> Path:
    path = Path(next(iter(socket_paths(process))))
    return next(each for each in path.parents if each.name.startswith("liq-kernels-"))


def assert_private(process: psutil.Process) -> Path:
    """Fail if another user can reach a channel of this kernel, or read its connection file.

    Returns the private folder that it uses.
    """
    eventually(lambda: len([*socket_paths(process), *listening_on_tcp(process)]) >= CHANNELS)
    assert listening_on_tcp(process) == []
    paths = socket_paths(process)
    assert not [path for path in paths if path.startswith("\0")]  # abstract: open to every user
    folder = private_folder(process)
    file = connection_file(process)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    results = as_nobody([*paths, str(file)])
    assert set(results.values()) == {"PermissionError"}, results
    return folder


def test_the_user_nobody_can_open_files_that_are_open_to_all() -> None:
    """The intruder of these tests gets in where a way in exists."""
    assert as_nobody(["/etc/passwd"])["file /etc/passwd"] == "allowed"
    assert as_nobody(["/etc/passwd"])["folder of /etc/passwd"] == "allowed"


def test_dashboard_kernels_are_private(settings: Settings, tmp_path: Path) -> None:
    with serving(settings, tmp_path / "log", "--pool", "1") as server:
        eventually(lambda: forked(server))
        folders = {assert_private(kernel) for kernel in forked(server)}
        fork_server = [path for child in server.children() for path in socket_paths(child)]
        results = as_nobody([*fork_server, *socket_paths(server)])
        assert set(results.values()) <= {"PermissionError"}, results
        for process in (server, *server.children(recursive=True)):
            assert {port for _, port in listening_on_tcp(process)} <= {settings.dashboard_port}
    assert not [each for each in folders if each.exists()]


def test_jupyterlab_kernels_are_private_and_restart_and_answer(
    settings: Settings, tmp_path: Path
) -> None:
    with lab(settings, tmp_path) as (server, client):
        kernel = client.post("/api/kernels", json={"name": "python3"}).json()["id"]
        (first,) = eventually(lambda: started(server))
        assert_private(first)
        assert listening_on_tcp(server) == [(settings.host, settings.lab_port)]
        client.post(f"/api/kernels/{kernel}/restart").raise_for_status()
        (second,) = eventually(lambda: [each for each in started(server) if each != first])
        folder = assert_private(second)
        answer = BlockingKernelClient(connection_file=str(connection_file(second)))
        answer.load_connection_file()
        answer.start_channels()
        try:
            answer.wait_for_ready(timeout=PATIENCE_S)
            assert answer.execute("1", reply=True, timeout=PATIENCE_S)["content"]["status"] == "ok"
        finally:
            answer.stop_channels()
    assert not folder.exists()


def test_kernels_of_papermill_and_reports_are_private(settings: Settings, tmp_path: Path) -> None:
    """`liq report` runs its notebook by the same function."""
    go = tmp_path / "go"
    notebook = str(waiting_notebook(tmp_path, go))
    code = f"from liq.notebook import notebooks; notebooks.run({notebook!r})"
    with running(settings, "-c", code) as one, running(settings, "-c", code) as other:
        folders = set()
        for process in (one, other):
            (kernel,) = eventually(lambda pid=process.pid: started(psutil.Process(pid)))  # type: ignore[misc]
            folders.add(assert_private(kernel))
        assert len(folders) == 2
        go.touch()
        for process in (one, other):
            output, _ = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, output
    assert not [each for each in folders if each.exists()]


def test_folders_of_killed_processes_are_removed_and_others_are_kept() -> None:
    code = """import time
from liq.common import kernels
with kernels.private_folder() as folder:
    print(folder, flush=True)
    time.sleep(600)
"""
    killed, living = (
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    left, used = (Path(each.stdout.readline().strip()) for each in (killed, living))  # type: ignore[union-attr]
    killed.kill()
    killed.communicate()
    assert left.is_dir()
    with kernels.private_folder() as mine:
        assert stat.S_IMODE(mine.stat().st_mode) == 0o700
        assert not left.exists()
        assert used.is_dir()
    assert not mine.exists()
    living.kill()
    living.communicate()
    with kernels.private_folder():
        assert not used.exists()


def test_another_users_folder_and_links_are_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    names = ("link", "theirs", "wide")
    link, theirs, wide = (Path(tempfile.gettempdir(), f"liq-kernels-test-{each}") for each in names)
    link.symlink_to(target)
    theirs.mkdir(mode=0o700)
    os.chown(theirs, pwd.getpwnam("nobody").pw_uid, -1)
    wide.mkdir()
    try:
        with kernels.private_folder():
            assert link.is_symlink()
            assert target.is_dir()
            assert theirs.is_dir()
            assert wide.is_dir()
    finally:
        link.unlink()
        theirs.rmdir()
        wide.rmdir()


def test_a_long_path_of_temporary_files_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with kernels.private_folder() as folder:
        assert folder.parent == Path("/tmp")  # noqa: S108 - where it falls back to


def test_without_unix_sockets_channels_are_encrypted(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("zmq.has", lambda feature: feature != "ipc")
    go = tmp_path / "go"
    go.touch()
    notebooks.run(waiting_notebook(tmp_path, go), settings=settings, timeout=PATIENCE_S)
    assert "no unix sockets" in caplog.text
    assert kernels.create_config().KernelManager.transport_encryption == "auto"


@contextmanager
def lab(settings: Settings, folder: Path) -> Iterator[tuple[psutil.Popen, httpx.Client]]:
    """Run JupyterLab on an empty folder; yield its process and a client that has the token."""
    notebooks_folder = folder / "notebooks"
    notebooks_folder.mkdir()
    token = {"Authorization": f"token {settings.lab_token.get_secret_value()}"}
    base = f"http://{settings.host}:{settings.lab_port}"
    with (
        serving(
            settings, folder / "log", "--folder", str(notebooks_folder), command="lab"
        ) as server,
        httpx.Client(base_url=base, headers=token, timeout=PATIENCE_S) as client,
    ):
        yield server, client


def test_forked_children_print_through_a_unix_socket(settings: Settings, tmp_path: Path) -> None:
    code = """import multiprocessing
child = multiprocessing.get_context("fork").Process(target=print, args=("from a child",))
child.start(); child.join()"""
    ran = notebooks.run(notebook_of(tmp_path, code), settings=settings, timeout=PATIENCE_S)
    assert "from a child" in str(ran.cells[-1].outputs)


def started(process: psutil.Process) -> list[psutil.Process]:
    """Return the kernels that a process has started, not forked."""

    def is_kernel(child: psutil.Process) -> bool:
        try:
            return "liq.common.kernels.program" in child.cmdline()
        except psutil.NoSuchProcess:
            return False

    return list(filter(is_kernel, process.children()))


def waiting_notebook(folder: Path, go: Path) -> Path:
    """Write a notebook that runs until the file ``go`` exists."""
    code = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.1)"
    return notebook_of(folder, code)


def notebook_of(folder: Path, code: str) -> Path:
    parameters = nbformat.v4.new_code_cell("", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(code)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    path = folder / "mine.ipynb"
    nbformat.write(notebook, path)
    return path
