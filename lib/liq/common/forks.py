"""Reset locks, connections and files in a forked child.

A fork copies locks that other threads hold, but not the threads that would free them. It also
copies open connections and files, and two processes on one connection read each other's answers. So
each owner registers here how a child starts without them.
"""

import contextlib
import os
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_process = os.getpid()
_owners: WeakKeyDictionary[Any, Callable[[Any], object]] = WeakKeyDictionary()


def find_process() -> int:
    """Return this process's id. Unlike `os.getpid` it makes no system call."""
    return _process


def in_child(owner: T, begin: Callable[[T], object]) -> None:
    """Have ``begin(owner)`` called first of all in each child forked while ``owner`` lives.

    ``begin`` must not wait for a lock, since its holder does not exist in the child.
    """
    _owners[owner] = begin


class Private:
    """An open file that a forked child finds replaced by /dev/null.

    Buffered bytes that the child still writes are discarded. A lock on the file is free once this
    process has ended, even if children still run.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        in_child(self, Private._replace)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def close(self) -> None:
        """Close it."""
        _owners.pop(self, None)
        os.close(self._descriptor)

    def _replace(self) -> None:
        with contextlib.suppress(OSError):
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, self._descriptor, inheritable=False)
            os.close(nothing)


def _begin() -> None:
    global _process  # noqa: PLW0603 - a process has one id
    _process = os.getpid()
    owners = list(_owners.items())
    # files first: objects that later owners drop may still write their buffers
    for owner, begin in sorted(owners, key=lambda item: not isinstance(item[0], Private)):
        begin(owner)


os.register_at_fork(after_in_child=_begin)
