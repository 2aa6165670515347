"""Error boundaries: an exception in one part of the page is shown in that part only.

The traceback goes to the log of the process that serves the page: `liq logs dashboard`.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from markupsafe import Markup

from liq.web.dashboard.faults import explain, log
from liq.web.dashboard.html import Html
from liq.web.dashboard.markup import alert

_LOG_AGAIN_S = 60.0


class Guard:
    """A part of the page: ``with guard:`` shows an exception until the next block succeeds.

    ``place`` is the widget that shows it. ``fault`` is its text, "" without an exception.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fault = ""
        self.place = Html(css_class="liq-fault")
        self._logged = ("", float("-inf"))

    def __enter__(self) -> None:
        """Enter the guarded block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        """Show and suppress an exception; `KeyboardInterrupt` and cancellations pass."""
        if error is None:
            self.clear()
        elif isinstance(error, Exception):
            self.show(error)
        return isinstance(error, Exception)

    def show(self, error: Exception) -> None:
        """Show ``error`` and log it."""
        self.fault = explain(error)
        self._log(error)
        self.place.value = alert(f"{self.name}: {self.fault} (see `liq logs dashboard`)")

    def clear(self) -> None:
        """Remove the error."""
        if self.fault:
            self.fault, self.place.value = "", Markup()

    def wrap(self, act: Callable[..., object]) -> Callable[..., None]:
        """Return a guarded ``act``, for callbacks of the visitor's clicks and messages."""

        def guarded(*args: Any) -> None:
            with self:
                act(*args)

        return guarded

    def _log(self, error: Exception) -> None:
        """Log the error, but the same kind once a minute: redraws come many times a second."""
        kind, then = self._logged
        now = time.monotonic()
        if type(error).__name__ != kind or now - then > _LOG_AGAIN_S:
            self._logged = (type(error).__name__, now)
            log(self.name, error)
