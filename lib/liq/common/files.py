"""Files: written whole or not at all, locked between processes, and shipped beside the code.

The system frees a lock even when its holder crashes. In a checkout the shipped files are at the top
of the repository, where the user edits them. A wheel has them inside the package.
"""

import contextlib
import errno
import fcntl
import math
import os
import secrets
from functools import partial
from pathlib import Path

from liq.common.forks import Private
from liq.common.waiting import poll_until

_POLL_S = 0.02
_PACKAGED = Path(__file__).parents[1] / "_assets"
_CHECKOUT = Path(__file__).parents[3]


def write_whole(path: Path, data: bytes | str, *, mode: int = 0o666) -> None:
    """Write a file, with ``mode`` less the umask, so that readers see all of it or none.

    A link keeps its place, and the file that it names is written. Raises `OSError`, as for a full
    disk or what is no file: a device that is replaced is gone for all programs.
    """
    path = Path(os.path.realpath(path))
    if path.exists():
        _require_file(path)
    # a name of its own, since several threads and processes write at once
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        error.filename = str(path)  # nobody knows the draft
        raise
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data.encode() if isinstance(data, str) else data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_file(path: Path) -> bytes:
    """Return the content of a file that a user named.

    Raises `OSError`, also for what is no file: a named pipe blocks, and a device may have no end.
    """
    path.stat()  # the reason, where there is nothing
    _require_file(path)
    return path.read_bytes()


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))


def lock(
    path: Path, *, seconds: float = math.inf, flags: int = os.O_RDONLY, mode: int = 0o600
) -> Private:
    """Open a file or folder and return the handle that holds its lock until it is closed.

    A forked child does not hold the lock. Raises `BlockingIOError` if another holder keeps the lock
    for ``seconds``, and `OSError` if the file cannot be opened.
    """
    held = Private(os.open(path, flags, mode))
    try:
        _acquire(held.fileno(), seconds)
    except BaseException:
        held.close()
        raise
    return held


def _acquire(descriptor: int, seconds: float) -> None:
    if seconds == math.inf:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    elif not poll_until(partial(_is_acquired, descriptor), seconds, every_s=_POLL_S):
        raise BlockingIOError(f"{seconds:.0f} s")


def _is_acquired(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def is_installed(path: Path) -> bool:
    """Whether a file belongs to an installed liq, whose next version replaces it."""
    return path.resolve().is_relative_to(_PACKAGED)


def find_asset(name: str) -> Path:
    """Return where the shipped file or folder ``name`` is, e.g. ``find_asset("queries.json")``."""
    root = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return root / name
