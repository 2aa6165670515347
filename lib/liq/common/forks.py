"""What a forked child does not share with its parent.

A fork copies locks that other threads hold, but not the threads, which would free them. It copies
open connections and files too: two processes that use one read each other's answers. So whatever
owns such a thing says here how a child begins without it.
"""

import contextlib
import os
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_owners: WeakKeyDictionary[Any, Callable[[Any], object]] = WeakKeyDictionary()


def in_child(owner: T, begin: Callable[[T], object]) -> None:
    """Have ``begin(owner)`` called first of all in each child forked while ``owner`` lives.

    ``begin`` must wait for nothing: whoever held a lock is not there.
    """
    _owners[owner] = begin


class Private:
    """An open file that a forked child finds replaced by /dev/null.

    What the child still writes from a buffer is nowhere, and a lock on the file is free once this
    process is gone, whatever children of it still run.
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
    owners = list(_owners.items())
    # files first: what others let go of may still write its buffers
    for owner, begin in sorted(owners, key=lambda item: not isinstance(item[0], Private)):
        begin(owner)


os.register_at_fork(after_in_child=_begin)
