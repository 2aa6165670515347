"""A lock between processes, freed by the system even when its holder crashes."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from liq.common import forks
from liq.errors import StackError

_PATIENCE_S = 300.0  # servers may take a minute each to end
_POLL_S = 0.02


@contextmanager
def lock(file: Path, seconds: float = _PATIENCE_S) -> Iterator[None]:
    """Hold ``file`` against other processes; wait for the one that holds it.

    Raises `StackError`, which names that process, after ``seconds``.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise StackError(f"cannot write {file}: {error}; set LIQ_HOME and LIQ_CACHE") from error
    with contextlib.closing(forks.Private(descriptor)):
        _acquire(descriptor, file, seconds)
        with contextlib.suppress(OSError):  # on a full disk the lock is as good without a name
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())  # for the error of waiting processes
        yield


def _acquire(handle: int, file: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StackError(
                    f"{_holder(file)} has held {file} for {seconds:.0f} s;"
                    " wait for it, or end it and try again"
                ) from None
            time.sleep(_POLL_S)


def _holder(file: Path) -> str:
    number = file.read_text(errors="replace")
    try:
        return f"process {number} ({' '.join(psutil.Process(int(number)).cmdline())})"
    except (ValueError, psutil.Error):
        return "another process"
