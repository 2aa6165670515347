"""The program of a Python kernel: ipykernel, but it listens on no TCP port."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__" and Path(sys.path[0]).resolve() == Path.cwd():
    del sys.path[0]  # as ipykernel_launcher does: no file beside a notebook replaces a library

from liq.common.compat import kernel_ports


def launch(arguments: Sequence[str], **options: Any) -> None:
    """Run a kernel with these command-line arguments until it is shut down."""
    kernel_ports.keep_closed()
    kernel_ports.IPKernelApp.launch_instance([*arguments], **options)


if __name__ == "__main__":
    # an interrupted kernel logs tracebacks, which would be beside the output of `liq notebook`
    is_watched = sys.stderr is not None and sys.stderr.isatty()
    launch([*sys.argv[1:], *(["--log-level=CRITICAL"] if is_watched else [])])
