"""What commands print. Text from outside is shown as text; no other module of liq.cli prints.

A terminal takes control characters for orders: they move the cursor, change the window's title, or
write what was never there. rich takes ``[bold]`` for a style. `console`, `echo` and `LogFormatter`
let neither through; what is styled says so with `styled`.
"""

import logging
import sys
from collections.abc import Iterable
from typing import Any

import rich.console
from rich.text import Text

# their pictures, e.g. U+241B for the escape character
_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
# controls of eight bits, and those that turn the direction of what follows
_NO_PICTURE = (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_PRINTABLE = _PICTURES | {0x7F: 0x2421} | dict.fromkeys(_NO_PICTURE, 0xFFFD)


def printable(text: str) -> str:
    """Return ``text`` with visible signs in place of all control characters but tab and newline."""
    return text.translate(_PRINTABLE)


def styled(text: str, style: str) -> Text:
    """Return text in one of rich's styles, e.g. ``bold red``."""
    return Text(printable(text), style)


def beside(*parts: Text) -> Text:
    """Return styled texts as one, each in its own style."""
    return Text.assemble(*parts)


class Console(rich.console.Console):
    """A console on which text has no markup, and no control characters."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return what is shown of ``text``, in a table too."""
        return super().render_str(printable(text), **options)


console, errors = Console(), Console(stderr=True)


def echo(text: str, end: str = "\n") -> None:
    """Print ``text`` as it is; to a terminal, what is `printable` of it."""
    print(printable(text) if sys.stdout.isatty() else text, end=end, flush=True)


def notes(texts: Iterable[str], about: str = "") -> None:
    """Print what is to be noted, of ``about`` if that is given, beside the output."""
    for text in texts:
        label = f"note: {about}:" if about else "note:"
        errors.print(styled(label, "bold yellow"), text, soft_wrap=True)


class LogFormatter(logging.Formatter):
    """Formats a record as the text that is `printable` of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return printable(super().format(record))
