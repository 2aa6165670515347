"""The output of commands; no other module of `liq.cli` prints.

Text from outside is never interpreted. In a terminal, control characters could move the cursor,
change the window's title or forge output, and rich would take ``[bold]`` for a style. `console`,
`echo` and `LogFormatter` let neither through; only `styled` gives text a style.
"""

import contextlib
import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import rich.console
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from liq import stack
from liq.common import waiting
from liq.config import settings as current_settings
from liq.errors import LiqError

# visible symbols, e.g. U+241B for the escape character
_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
# eight-bit controls, and controls that change the direction of text
_NO_PICTURE = (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_PRINTABLE = _PICTURES | {0x7F: 0x2421} | dict.fromkeys(_NO_PICTURE, 0xFFFD)
_LOG_EVERY_S = 60
_WIDTH = 80  # of a terminal that does not say


def prepare_streams() -> None:
    """Let all text be printed: what an encoding lacks as an escape, and nowhere where it is closed.

    A file of rows keeps each character that the encoding has.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, as by >&-
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - as Python opens it
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """Return ``text`` with a visible symbol for each control character but tab and newline."""
    return text.translate(_PRINTABLE)


def styled(text: str, style: str) -> Text:
    """Return text in one of rich's styles, e.g. ``bold red``."""
    return Text(printable(text), style)


def join_texts(*parts: Text) -> Text:
    """Return styled texts as one text, each in its own style."""
    return Text.assemble(*parts)


class Console(rich.console.Console):
    """A console that shows markup and control characters as text."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.width:  # COLUMNS=0, of terminals that do not know it
            self.width = _WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        """Return ``text`` without control characters; tables call this too."""
        return super().render_str(printable(text), **options)


console, stderr = Console(), Console(stderr=True)


def create_table(*headings: str, **options: Any) -> Table:
    """Return a table that breaks long words over lines; rich would leave their ends out."""
    table = Table(*headings, **options)
    for column in table.columns:
        column.overflow = "fold"
    return table


class ProgressView:
    """A spinner beside a line of text, below a bar of bytes once there is a download; for rich."""

    def __init__(self) -> None:
        self._spinner = Spinner("dots")
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )

    def show_download(self, subject: str, done: int, total: int) -> None:
        """Show how much of the one download has arrived."""
        if not self._bar.tasks:
            self._bar.add_task(printable(subject), total=total)
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def show_line(self, line: Text) -> None:
        """Show a line of text in place of the one before."""
        self._spinner.update(text=line)

    def __rich__(self) -> rich.console.Group:
        return rich.console.Group(self._bar.get_renderable(), self._spinner)


def echo(text: str, end: str = "\n") -> None:
    """Print ``text`` unchanged; on a terminal, as `printable` text."""
    print(printable(text) if sys.stdout.isatty() else text, end=end, flush=True)


def print_notes(texts: Iterable[str], about: str = "") -> None:
    """Print notes to stderr, each with the name ``about`` if that is given."""
    for text in texts:
        label = f"note: {about}:" if about else "note:"
        stderr.print(styled(label, "bold yellow"), text, soft_wrap=True)


class LogFormatter(logging.Formatter):
    """Formats a log record as `printable` text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return printable(super().format(record))


@contextlib.contextmanager
def show_wait(what: str) -> Iterator[None]:
    """Show on a terminal's stderr what the block does, if it takes long."""
    with waiting.show_wait(what, current_settings().progress_after):
        yield


@contextlib.contextmanager
def show_steps(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows on a terminal's stderr how many of all steps are done."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=stderr, disable=not stderr.is_terminal)
    with waiting.hold_screen(), bar:
        task = bar.add_task(printable(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def show_in_place() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a text in place; in a log file it prints once a minute."""
    if not console.is_terminal:
        log = _Log()
        yield log.note
        log.print()
        return
    with waiting.hold_screen(), Live(console=console, auto_refresh=False) as live:
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


def describe_end(event: str) -> str:
    """Say in one line how a command ended, e.g. ``interrupted``, and what runs on."""
    try:
        running = stack.list_running()
    except (LiqError, OSError):
        return f"{event}; `liq status` shows what runs on"
    if not running:
        return f"{event}; nothing that liq started runs on"
    return f"{event}; these run on until `liq down`: {', '.join(running)}"


def report_interruption() -> None:
    """Print to stderr that Ctrl-C ended the command, and what runs on."""
    stderr.print(describe_end("interrupted"), soft_wrap=True)


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """Report the end of a server that handles Ctrl-C itself, or was shut down from its page."""
    yield
    stderr.print(describe_end("ended"), soft_wrap=True)
