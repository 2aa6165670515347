"""The definition of a local service, and how slow steps report their progress.

`liq.stack.control` starts and ends services.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

OnEvent = Callable[[str, str], None]
"""Called with a subject (``jars``, a service's name) and what is happening to it."""


class Download(str):
    """An event of a download, with the bytes that have arrived and the bytes of all."""

    __slots__ = ("done", "total")
    done: int
    total: int

    def __new__(cls, done: int, total: int) -> Self:
        """Return the event, which reads as in "downloaded 12.3 of 103.4 MB"."""
        event = super().__new__(cls, f"downloaded {done / 1e6:.1f} of {total / 1e6:.1f} MB")
        event.done, event.total = done, total
        return event


def _nothing() -> None:
    return


def _none() -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process of the stack.

    ``healthy`` says, at once, whether it does its work. ``ports`` maps the setting that chooses a
    port to its number, the main one first. Before a start ``files`` are written, then ``prepare``
    is called. ``options`` are more arguments, put after the program, that change nothing but speed.
    Timeouts are seconds. A ``supervisor`` starts others, which do not end with it. Where
    ``is_elsewhere``, the settings name a server of another machine or container.
    """

    name: str
    home: Path
    argv: Sequence[str]
    healthy: Callable[[], bool]
    address: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)
    prepare: Callable[[], None] = _nothing
    options: Callable[[], Sequence[str]] = _none
    start_timeout: float = 90.0
    stop_timeout: float = 10.0
    supervisor: bool = False
    is_elsewhere: bool = False

    @property
    def log(self) -> Path:
        """The file that its output goes to."""
        return self.home / "logs" / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """The file that names its running process."""
        return self.home / "run" / f"{self.name}.json"

    @property
    def definition(self) -> str:
        """A hash of all arguments of its start; a running service with another one is restarted."""
        parts = (list(self.argv), sorted(self.env.items()), sorted(self.files.items()))
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def ignore_event(subject: str, event: str) -> None:
    """Report nothing."""
