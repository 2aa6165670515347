"""The program of a Python kernel: ipykernel, but it listens on no TCP port.

Written for ipykernel 7.4, which opens two ports even if its channels are unix sockets. One takes
the output of forked children; here it is a unix socket beside the kernel's others. The other is the
debugger's, which lets every user of the machine who connects run code; here is no debugger.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__" and Path(sys.path[0]).resolve() == Path.cwd():
    del sys.path[0]  # as ipykernel_launcher does: no file beside a notebook replaces a library

# ipykernel has no debugger where debugpy is missing
sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type] # importing it fails

import zmq  # noqa: E402 - after the path and debugpy
from ipykernel import kernelapp  # noqa: E402
from ipykernel.iostream import IOPubThread  # noqa: E402
from zmq.eventloop.zmqstream import ZMQStream  # noqa: E402


class OutputThread(IOPubThread):
    """Receives the output of forked children over a unix socket."""

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


for _name in ("_setup_pipe_in", "_setup_pipe_out", "_handle_pipe_msg"):
    assert hasattr(IOPubThread, _name), f"ipykernel has no IOPubThread.{_name} any more"  # noqa: S101 - ours to notice
kernelapp.IOPubThread = OutputThread  # type: ignore[attr-defined] # it takes no other


def launch(arguments: Sequence[str], **options: Any) -> None:
    """Run a kernel with these command-line arguments until it is shut down."""
    kernelapp.IPKernelApp.launch_instance([*arguments], **options)


if __name__ == "__main__":
    launch(sys.argv[1:])
