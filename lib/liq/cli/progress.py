"""The progress of long-running commands."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.live import Live

from liq.cli.output import console, echo

_LOG_EVERY_S = 60


@contextlib.contextmanager
def in_place() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a text in place; in a log file it prints once a minute."""
    if not console.is_terminal:
        log = _Log()
        yield log.note
        log.print()
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda text: live.update(text, refresh=True)


class _Log:
    def __init__(self) -> None:
        self._text = ""
        self._due = 0.0

    def note(self, text: str) -> None:
        self._text = text
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LOG_EVERY_S
            self.print()

    def print(self) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end the command
            echo(self._text)
