"""How slow steps report their progress."""

from collections.abc import Callable

Report = Callable[[str, str], None]
"""Called with a subject (``maven``, a service's name) and what is happening to it."""


def silent(subject: str, event: str) -> None:
    """Report nothing."""
