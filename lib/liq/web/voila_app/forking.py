"""Kernels forked from a process that has already imported their packages.

A kernel that starts on its own imports pandas, plotly and liq. That takes two seconds of processor
time and memory that it shares with no other kernel. A fork has the packages at once and shares
unchanged memory, so pages open sooner and visitors need less memory. The fork server of
`multiprocessing` is forked; `liq.web.voila_app.preloaded` has its imports.
"""

import atexit
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess

from liq.common.compat import fork_server

# on other systems, system libraries may not survive a fork; before 3.11.1 every user of the machine
# could run code in the fork server (CVE-2022-42919)
SUPPORTED = sys.platform == "linux" and sys.version_info >= (3, 11, 1)


def preload() -> None:
    """Start the fork server, without waiting for its imports.

    It also hides this process's main module from `multiprocessing`, which would otherwise run it
    again in each fork.
    """
    if SUPPORTED:
        fork_server.hide_main()
        atexit.register(_end_all)
        forkserver.set_forkserver_preload(["liq.web.voila_app.preloaded"])
        # its imports take seconds, in which Ctrl-C would end it with a traceback; later it ignores
        # SIGINT anyway
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            forkserver.ensure_running()
        finally:
            signal.signal(signal.SIGINT, before)


class Kernel:
    """A forked kernel, with the methods of `subprocess.Popen` that Jupyter calls."""

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
    """Return a new kernel: a fork of ``python -m liq.common.kernels.program ARGUMENTS``.

    It runs in ``folder``. The first kernel waits for the fork server's imports. Raises OSError or
    EOFError if the fork fails.
    """
    # Voila names variables by members of an enum, whose unpickling would import its server in each
    # kernel: a second of processor time
    plain = {str.__str__(name): value for name, value in environ.items()}
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_run, args=(arguments, plain, folder))
    process.start()
    return Kernel(process)


def _run(arguments: Sequence[str], environ: Mapping[str, str], folder: str) -> None:
    import numpy as np  # noqa: PLC0415 - the server does not need it
    from traitlets.config import Config  # noqa: PLC0415 - no other command needs it

    from liq.common.kernels import program  # noqa: PLC0415 - as numpy

    np.random.seed()  # Python reseeds its own generator in a fork, numpy does not
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    os.setsid()  # Jupyter sends signals to the process group
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv = ["liq.common.kernels.program", *arguments]
    threading.Thread(target=_end_with_server, daemon=True).start()
    config = Config()
    config.IPKernelApp.extensions = ["ipywidgets"]  # receives the page's messages
    config.HistoryManager.enabled = False  # no input to remember
    try:
        program.launch(arguments, config=config)
    finally:
        fork_server.run_exit_functions()


def _end_all() -> None:
    """Kill the remaining kernels, e.g. starting ones: the server's exit would wait for them."""
    for kernel in multiprocessing.active_children():
        kernel.kill()


def _end_with_server() -> None:
    """Exit at once when the server has ended, after a crash too."""
    if server := multiprocessing.parent_process():
        server.join()
        os._exit(1)
