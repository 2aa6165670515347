"""Processes forked from one that has imported and drawn already, and lets them be kernels.

A kernel that starts on its own imports pandas, plotly and liq, for two seconds of a processor, and
keeps all of that to itself. A fork has it at once and shares what neither changes, so that a page
opens sooner and one more visitor takes less memory. The process that is forked is the fork server
of `multiprocessing`; what it has ready is in `liq.web.voila_app.preloaded`.
"""

import atexit
import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess

from traitlets.config import Config

# elsewhere libraries of the system may not survive a fork; before 3.11.1 every user of the machine
# could have the fork server run what they like (CVE-2022-42919)
SUPPORTED = sys.platform == "linux" and sys.version_info >= (3, 11, 1)


def preload() -> None:
    """Have the process that is forked get ready, without waiting for it.

    From here on this process has no main module that `multiprocessing` could tell by a name: it
    would run that again in each fork, and a script that serves the dashboard need not bear it.
    """
    if SUPPORTED:
        main = sys.modules["__main__"]
        main.__spec__ = main.__file__ = None
        atexit.register(_end_all)
        forkserver.set_forkserver_preload(["liq.web.voila_app.preloaded"])
        forkserver.ensure_running()


class Kernel:
    """A forked kernel, with what Jupyter asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid = process.pid or 0

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        return self._process.exitcode

    def wait(self) -> int | None:
        """Wait until it has ended, and return its exit code."""
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def fork(arguments: Sequence[str], environ: Mapping[str, str], folder: str) -> Kernel:
    """Return a new kernel, as ``python -m liq.common.kernels.program ARGUMENTS`` in ``folder`` is
    one.

    A first one waits until all is imported. Raises OSError or EOFError where none can be had.
    """
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_run, args=(arguments, environ, folder))
    process.start()
    return Kernel(process)


def _run(arguments: Sequence[str], environ: Mapping[str, str], folder: str) -> None:
    import numpy as np  # noqa: PLC0415 - the server needs neither

    from liq.common.kernels import program  # noqa: PLC0415

    np.random.seed()  # Python's own random numbers start anew by themselves
    os.setsid()  # its group takes the signals, as Jupyter sends them
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv = ["liq.common.kernels.program", *arguments]
    threading.Thread(target=_end_with_server, daemon=True).start()
    config = Config()
    config.IPKernelApp.extensions = ["ipywidgets"]  # it hears its page only where it is loaded
    config.HistoryManager.enabled = False  # nobody types
    try:
        program.launch(arguments, config=config)
    finally:
        atexit._run_exitfuncs()  # which a forked process leaves out


def _end_all() -> None:
    """End kernels that the server did not, as those that were starting: its exit would wait."""
    for kernel in multiprocessing.active_children():
        kernel.kill()


def _end_with_server() -> None:
    """End at once when the server is gone, however it went."""
    if server := multiprocessing.parent_process():
        server.join()
        os._exit(1)
