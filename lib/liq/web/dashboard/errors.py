"""Exceptions as text for the page, and in the kernel's log."""

from traitlets.log import get_logger

from liq.errors import LiqError

_LONGEST = 400  # characters of a reason


def explain(error: BaseException) -> str:
    """Return the text of an error; an exception that is no `LiqError` is named too."""
    text = str(error) if isinstance(error, LiqError) else f"{type(error).__name__}: {error}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def log(what: str, error: BaseException) -> None:
    """Log ``error`` with its traceback in the kernel's log, which the page never shows."""
    get_logger().error("%s: %s", what, explain(error), exc_info=error)
