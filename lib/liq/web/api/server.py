"""Serve the API with waitress."""

from typing import Any
from urllib.parse import urlencode

import waitress
from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

from liq.common import web
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import ServeError
from liq.web.api import gate
from liq.web.api.app import create_app, token_required

_SPARE = 8  # threads for what runs no query
_OPTIONS: dict[str, Any] = {
    "ident": "liq",
    "threads": gate.RUNNING + gate.WAITING + _SPARE,
    # Connections that ask nothing are dropped soon, so that they keep nobody out. Their number is
    # below the 1,024 files that a process may open by default.
    "connection_limit": 500,
    "channel_timeout": 10,
    "cleanup_interval": 2,
    "asyncore_use_poll": True,  # select() ends at the file numbered 1,024
    "max_request_body_size": 64 * 1024,  # only GET is answered
    # an answer goes to a file beyond 1 MB: no thread waits for whoever reads it slowly
    "outbuf_high_watermark": 2**30,
}


class _Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A connection whose request must come whole within the time that an idle one has."""

    last_activity: float

    def handle_read(self) -> None:
        """Read; bytes of a request that was not whole before, and is not now, are no activity."""
        request, since = self.request, self.last_activity
        super().handle_read()
        if request is not None and self.request is request:
            self.last_activity = since


def run(settings: Settings | None = None, app: Flask | None = None) -> None:
    """Serve ``app`` (by default the catalogue's) until this process is ended.

    Raises `ServeError` if the port is taken.
    """
    settings = settings or current_settings()
    app = app or create_app(settings)
    web.redact_logs([settings.token.get_secret_value()])
    sockets: dict[int, Any] = {}
    try:
        server = waitress.create_server(
            app, map=sockets, host=settings.host, port=settings.api_port, **_OPTIONS
        )
    except OSError as error:
        raise ServeError(
            f"cannot listen on {settings.host}:{settings.api_port}: {error.strerror}; "
            "end what runs there, or set LIQ_API_PORT to a free port"
        ) from error
    for each in sockets.values():
        if isinstance(each, BaseWSGIServer):  # one for each address that the host's name has
            each.channel_class = _Channel
    server.run()


def url(settings: Settings | None = None) -> str:
    """Return the address of the docs page, with the token if it asks for one."""
    settings = settings or current_settings()
    query = urlencode({"token": settings.token.get_secret_value()})
    return f"{settings.api_url}/docs" + (f"?{query}" if token_required(settings) else "")
