"""A lock between processes, freed by the system even when its holder crashes."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from liq.common import files
from liq.errors import StackError

_PATIENCE_S = 300.0  # servers may take a minute each to end


@contextmanager
def lock(file: Path, seconds: float = _PATIENCE_S) -> Iterator[None]:
    """Hold ``file`` against other processes; wait for the one that holds it.

    Raises `StackError`, which names that process, after ``seconds``.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        held = files.lock(file, seconds=seconds, flags=flags, mode=0o666)
    except BlockingIOError:
        raise StackError(
            f"{_holder(file)} has held {file} for {seconds:.0f} s;"
            " wait for it, or end it and try again"
        ) from None
    except OSError as error:
        raise StackError(f"cannot write {file}: {error}; set LIQ_HOME and LIQ_CACHE") from error
    with contextlib.closing(held):
        with contextlib.suppress(OSError):  # on a full disk the lock is as good without a name
            os.ftruncate(held.fileno(), 0)
            os.write(held.fileno(), str(os.getpid()).encode())  # for the error of waiting processes
        yield


def _holder(file: Path) -> str:
    number = file.read_text(errors="replace")
    try:
        return f"process {number} ({' '.join(psutil.Process(int(number)).cmdline())})"
    except (ValueError, psutil.Error):
        return "another process"
