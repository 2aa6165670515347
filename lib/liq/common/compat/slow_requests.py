"""waitress: an idle timeout that a request sent byte by byte does not extend."""

from typing import Any

from waitress.channel import HTTPChannel

from liq.common.compat import WAITRESS


class Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A connection whose request must be complete within the idle timeout."""

    last_activity: float

    def handle_read(self) -> None:
        """Read; bytes of a still incomplete request do not count as activity."""
        request, since = self.request, self.last_activity
        super().handle_read()
        if request is not None and self.request is request:
            self.last_activity = since


def limit(server: Any) -> None:
    """Have a waitress server make each connection a `Channel`.

    Raises `DependencyError` if it cannot.
    """
    for name in ("request", "last_activity"):
        WAITRESS.get(HTTPChannel, name)
    WAITRESS.get(server, "channel_class")
    server.channel_class = Channel
