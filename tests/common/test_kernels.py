"""Kernels forked from a process that is ready: they behave as Jupyter's own do, and cost less."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from voila.utils import ENV_VARIABLE

from browser.conftest import kernels as forked
from browser.conftest import serving
from liq.common import kernels
from liq.config import Settings
from liq.web import serve
from liq.web.voila_app import forking
from liq.web.voila_app.kernels import Forked
from support.helpers import PATIENCE_S, eventually, find_free_ports

pytestmark = pytest.mark.skipif(not forking.SUPPORTED, reason="this system's kernels are started")


@pytest.fixture(scope="module", autouse=True)
def ready() -> Iterator[None]:
    """The fork server, and a main module as before it: it is pytest's here, which lives on.

    In a process of ``pytest -n`` it has no file.
    """
    main = vars(sys.modules["__main__"])
    kept = {name: value for name, value in main.items() if name in {"__spec__", "__file__"}}
    forking.preload()
    yield
    main.update(kept)


@pytest.fixture
def provisioner() -> Forked:
    return Forked(kernel_id="mine", kernel_spec=KernelSpec(), parent=None)


@contextmanager
def kernel(
    folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """Run a kernel as the dashboard's server does."""
    config = serve.create_dashboard_config(Settings.load(home=folder, **find_free_ports()))
    KernelProvisionerFactory.clear_instance()
    KernelProvisionerFactory.instance(config=config)
    with pytest.MonkeyPatch.context() as patch, kernels.private_folder() as private:
        for name, value in kernels.build_environment().items():
            patch.setenv(name, value)
        config.KernelManager.connection_file = str(private / "kernel.json")
        manager = KernelManager(kernel_name="python3", config=config)
        manager.start_kernel(cwd=str(folder), env={"LIQ_MINE": "here", **(environ or {})})
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=PATIENCE_S)
            yield manager, client
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            KernelProvisionerFactory.clear_instance()


def answer(client: BlockingKernelClient, code: str) -> str:
    """Return what ``code`` prints, or the name of its error."""
    said: list[str] = []

    def collect(message: dict[str, dict[str, str]]) -> None:
        said.append(message["content"].get("text") or message["content"].get("ename") or "")

    client.execute_interactive(code, output_hook=collect, timeout=PATIENCE_S)
    return "".join(said).strip()


def provisioner_of(manager: KernelManager) -> Any:
    """Return what started the manager's kernel: one of ours."""
    assert manager.provisioner
    return manager.provisioner


def shared(process: psutil.Process) -> float:
    """Return the MiB of memory that is no file's and yet another process's too."""
    maps = process.memory_maps(grouped=False)
    own = [each for each in maps if each.path in {"[heap]", "[anon]"}]
    return sum(float(each.shared_clean + each.shared_dirty) for each in own) / 2**20


def test_a_kernel_has_its_own_folder_and_environment(tmp_path: Path) -> None:
    with kernel(tmp_path) as (_, client):
        asked = "import os; print(os.getcwd(), os.environ['LIQ_MINE'], 'HOME' in os.environ)"
        assert answer(client, asked) == f"{tmp_path} here False"


def test_a_kernel_has_imported_its_modules_and_shares_their_memory(tmp_path: Path) -> None:
    with kernel(tmp_path) as (manager, client):
        assert answer(client, "import sys; print('liq.web.dashboard' in sys.modules)") == "True"
        assert shared(psutil.Process(provisioner_of(manager).pid)) > 20


def test_a_kernel_does_not_import_the_server(tmp_path: Path) -> None:
    """Voila's variables have members of an enum as names, whose module imports the server."""
    with kernel(tmp_path, {ENV_VARIABLE.SCRIPT_NAME: "/app"}) as (_, client):
        asked = "import os, sys; print(os.environ['SCRIPT_NAME'], 'voila' in sys.modules)"
        assert answer(client, asked) == "/app False"


def test_its_random_numbers_are_its_own(tmp_path: Path) -> None:
    asked = "import numpy, random; print(numpy.random.random(), random.random())"
    with kernel(tmp_path) as (_, one):
        first = answer(one, asked).split()
    with kernel(tmp_path) as (_, other):
        assert not set(first) & set(answer(other, asked).split())


def test_a_kernel_is_interrupted(tmp_path: Path) -> None:
    with kernel(tmp_path) as (manager, client):
        asked = client.execute("print('begun'); import time; time.sleep(600)")
        while client.get_iopub_msg(timeout=PATIENCE_S)["content"].get("text") is None:
            pass
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=PATIENCE_S)
        while reply["parent_header"]["msg_id"] != asked:  # late answers of its start
            reply = client.get_shell_msg(timeout=PATIENCE_S)
        assert reply["content"]["ename"] == "KeyboardInterrupt"


def test_a_kernel_is_restarted(tmp_path: Path) -> None:
    with kernel(tmp_path) as (manager, client):
        before = answer(client, "import os; mine = 1; print(os.getpid())")
        manager.restart_kernel()
        client.wait_for_ready(timeout=PATIENCE_S)
        assert answer(client, "mine") == "NameError"
        assert answer(client, "import os; print(os.getpid())") != before
        assert not psutil.pid_exists(int(before))


def test_a_kernel_runs_its_exit_handlers(tmp_path: Path) -> None:
    with kernel(tmp_path) as (manager, client):
        answer(client, "import atexit, pathlib; atexit.register(pathlib.Path('left').touch)")
        manager.shutdown_kernel()
        assert (tmp_path / "left").exists()


def test_a_killed_kernel_reports_its_end(tmp_path: Path) -> None:
    with kernel(tmp_path) as (manager, _):
        psutil.Process(provisioner_of(manager).pid).kill()
        eventually(lambda: not manager.is_alive())
        assert provisioner_of(manager).process.poll() == -signal.SIGKILL


def test_a_kernel_may_start_processes(tmp_path: Path) -> None:
    with kernel(tmp_path) as (_, client):
        code = """from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(1) as pool: print(pool.submit(abs, -7).result())"""
        assert answer(client, code) == "7"


async def test_another_kernel_is_started_as_ever(provisioner: Forked, tmp_path: Path) -> None:
    await provisioner.launch_kernel(["sleep", "600"], env={}, cwd=str(tmp_path))
    assert isinstance(provisioner.process, subprocess.Popen)
    provisioner.process.kill()
    await provisioner.wait()


async def test_where_none_can_be_forked_one_is_started(
    provisioner: Forked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object) -> forking.Kernel:
        raise EOFError

    monkeypatch.setattr(forking, "fork", fail)
    command = [sys.executable, "-m", "liq.common.kernels.program", "--version"]
    await provisioner.launch_kernel(command, env={}, cwd=str(tmp_path))
    assert await provisioner.wait() == 0


def test_its_forked_children_print(tmp_path: Path) -> None:
    code = """import multiprocessing
child = multiprocessing.get_context("fork").Process(target=print, args=("from a child",))
child.start(); child.join()"""
    with kernel(tmp_path) as (_, client):
        assert answer(client, code) == "from a child"


@pytest.mark.parametrize("end", [psutil.Process.terminate, psutil.Process.kill])
def test_a_server_that_ends_leaves_none_behind(
    tmp_path: Path, end: Callable[[psutil.Process], None]
) -> None:
    settings = Settings.load(home=tmp_path, **find_free_ports())
    with serving(settings, tmp_path / "log", "--pool", "1") as server:
        eventually(lambda: forked(server))
        family = server.children(recursive=True)
        end(server)
        eventually(lambda: not any(map(psutil.Process.is_running, family)))


def test_a_script_without_a_guard_can_serve(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from pathlib import Path\n"
        "with Path('runs').open('a') as file: file.write('once ')\n"
        "from liq.web.voila_app import forking\n"
        "forking.preload()\n"
        "print(forking.fork(['--version'], {}, '.').wait())\n"
    )
    ran = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split()[-1] == "0"
    assert (tmp_path / "runs").read_text() == "once "
