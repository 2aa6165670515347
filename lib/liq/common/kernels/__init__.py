"""How Jupyter talks to its kernels: over unix sockets in a folder that only this user can enter.

Jupyter's default is TCP on loopback with signed messages. A signature does not hide anything: every
user of the machine could subscribe to a kernel's output and read code, results and pages.
"""

import contextlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from liq.common.files import lock
from liq.common.forks import Private

if TYPE_CHECKING:
    from traitlets.config import Config

_LOG = logging.getLogger(__name__)
_SPECS = Path(__file__).with_name("jupyter")
_PREFIX = "liq-kernels-"
# The path of a unix socket has at most 103 bytes on macOS and 107 on Linux. Voila adds
# /voila_XXXXXXXX, jupyter_client /kernel-UUID-ipc-N, liq.common.kernels.program -pipe.
_LONGEST_FOLDER = 103 - len("/voila_12345678/kernel--ipc-5-pipe") - 36


def build_environment() -> dict[str, str]:
    """Return the variables by which Jupyter takes `liq.common.kernels.program` for its Python."""
    others = os.environ.get("JUPYTER_PATH", "").split(os.pathsep)
    return {"JUPYTER_PATH": os.pathsep.join([str(_SPECS), *filter(None, others)])}


def create_config() -> "Config":
    """Return the configuration of `KernelManager` that keeps other users out of its kernels.

    It needs the variables of `build_environment`. Kernels have their sockets beside their
    connection file, so that file must be in a `private_folder`. Where ZeroMQ has no unix sockets,
    kernels use TCP encrypted with CurveZMQ.
    """
    import zmq  # noqa: PLC0415 - keeps the import of this module fast
    from traitlets.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.AsyncKernelManager.client_class = "liq.common.compat.kernel_client.Client"
    if zmq.has("ipc"):
        config.KernelManager.transport = "ipc"
    else:
        _LOG.warning(
            "This system's ZeroMQ has no unix sockets: kernels use TCP on loopback, encrypted for "
            "kernels that support CurveZMQ, as Python's do. Other users can read other kernels."
        )
        config.KernelManager.transport_encryption = "auto"
    return config


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can enter, and remove it at the end.

    Folders that a killed process left behind are removed first.
    """
    root = _find_root()
    for folder in root.glob(f"{_PREFIX}*"):
        _remove_leftover(folder)
    folder, held = _lock_new_folder(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        held.close()


def _find_root() -> Path:
    """Return the folder for temporary files, or /tmp if its path is too long for a socket's."""
    root = Path(tempfile.gettempdir())
    fits = len(os.fsencode(root)) + len(f"/{_PREFIX}12345678") <= _LONGEST_FOLDER
    return root if fits else Path("/tmp")  # noqa: S108 - a folder of mode 0700 is made in it


def _lock_new_folder(root: Path) -> tuple[Path, Private]:
    """Make a folder and lock it: no other process takes it for a leftover."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        with contextlib.suppress(OSError):
            held = lock(folder)
            if folder.exists():  # another process may have removed it before it was locked
                return folder, held
            held.close()


def _remove_leftover(folder: Path) -> None:
    """Remove a folder of this user's that no living process has locked."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        held = lock(folder, seconds=0, flags=flags)
    except OSError:  # a living process has it, or it is another user's, or gone
        return
    with contextlib.closing(held):
        if _is_own(os.fstat(held.fileno())):
            shutil.rmtree(folder, ignore_errors=True)


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
