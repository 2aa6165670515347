"""A lock between processes, freed by the system even when its holder crashes."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from liq.errors import StackError


@contextmanager
def lock(file: Path) -> Iterator[None]:
    """Hold ``file`` against other processes; wait for the one that holds it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = file.open("w")
    except OSError as error:
        raise StackError(f"cannot write {file}: {error}; set LIQ_HOME and LIQ_CACHE") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
