"""What was raised: in words for a reader, and with its traceback in the kernel's log."""

from traitlets.log import get_logger

from liq.errors import LiqError

_LONGEST = 400  # characters of a reason


def explain(error: BaseException) -> str:
    """Return why something failed, for a reader: liq's errors say what to do, others are named."""
    text = str(error) if isinstance(error, LiqError) else f"{type(error).__name__}: {error}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def log(what: str, error: BaseException) -> None:
    """Log ``error`` with its traceback where the kernel logs, which its page never shows."""
    get_logger().error("%s: %s", what, explain(error), exc_info=error)
