"""ipykernel: no TCP ports, of which it opens two even if its channels are unix sockets.

One port takes the output of forked children; here it is a unix socket beside the kernel's others.
The other one is the debugger's, which lets every user of the machine who connects run code; here is
no debugger.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

# ipykernel has no debugger where debugpy is missing
sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type] # importing it fails

import zmq  # noqa: E402 - after debugpy
from ipykernel import debugger, kernelapp  # noqa: E402
from ipykernel.iostream import IOPubThread  # noqa: E402
from ipykernel.kernelapp import IPKernelApp  # noqa: E402
from zmq.eventloop.zmqstream import ZMQStream  # noqa: E402

from liq.common.compat import IPYKERNEL  # noqa: E402

__all__ = ["IPKernelApp", "keep_closed"]


class OutputThread(IOPubThread):
    """Receives the output of forked children over a unix socket, and ends without a traceback."""

    def schedule(self, f: Callable[[], Any]) -> None:
        """Call ``f`` in this thread; at once if the kernel ends, which has closed the pipe to it.

        ipykernel closes it while another thread still flushes the output.
        """
        try:
            super().schedule(f)  # type: ignore[no-untyped-call]
        except zmq.ZMQError as error:
            if error.errno != zmq.ENOTSOCK:
                raise
            f()

    def _setup_pipe_in(self) -> None:
        channel = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        if not channel.startswith("ipc://"):
            super()._setup_pipe_in()  # type: ignore[no-untyped-call]
            return
        self._pipe = f"{channel}-pipe"
        self._pipe_uuid = os.urandom(16)
        receiver = self.socket.context.socket(zmq.PULL)
        receiver.linger = 0
        receiver.bind(self._pipe)
        self._pipe_in = ZMQStream(receiver, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def _setup_pipe_out(self) -> tuple[Any, Any]:
        if not hasattr(self, "_pipe"):
            return super()._setup_pipe_out()  # type: ignore[no-untyped-call, no-any-return]
        context: zmq.Context[Any] = zmq.Context()  # a context does not survive a fork
        sender = context.socket(zmq.PUSH)
        sender.linger = 3000
        sender.connect(self._pipe)
        return context, sender


def keep_closed() -> None:
    """Have the kernels of this process open no TCP port.

    Raises `DependencyError` if ipykernel has other names or a debugger without debugpy.
    """
    for name in ("_setup_pipe_in", "_setup_pipe_out", "_handle_pipe_msg"):
        IPYKERNEL.get(IOPubThread, name)
    debugs = IPYKERNEL.get(debugger, "_is_debugpy_available")
    IPYKERNEL.require(not debugs or sys.modules["debugpy"], "way to run without debugpy")
    IPYKERNEL.get(kernelapp, "IOPubThread")
    kernelapp.IOPubThread = OutputThread  # type: ignore[attr-defined] # it takes no other
