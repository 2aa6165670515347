"""The API's server: waitress."""

from typing import Any
from urllib.parse import unquote, urlencode

import waitress
from flask import Flask
from waitress.server import BaseWSGIServer

from liq.common import web
from liq.common.compat import slow_requests
from liq.config import Settings, choose_settings
from liq.errors import ServeError
from liq.web.api.app import RUNNING, WAITING, create_app, requires_token

_SPARE = 16  # threads for requests without a query; /health and /metrics hold 12 at most
_OPTIONS: dict[str, Any] = {
    "ident": "liq",
    "threads": RUNNING + WAITING + _SPARE,
    # Idle connections are closed soon, so that they do not block others. The limit is below the
    # 1,024 files that a process may open by default.
    "connection_limit": 500,
    "channel_timeout": 10,
    "cleanup_interval": 2,
    "asyncore_use_poll": True,  # select() cannot handle file numbers above 1,023
    "max_request_body_size": 64 * 1024,  # the API has only GET
    # a response beyond 1 MB goes to a file: no thread waits for a slow client
    "outbuf_high_watermark": 2**30,
}


def run(settings: Settings | None = None, app: Flask | None = None) -> None:
    """Serve ``app`` until this process ends.

    Args:
        settings: Settings of the stack; the current ones by default.
        app: From `create_app`; by default the catalogue's queries.

    Raises:
        ServeError: The port is taken.
    """
    settings = choose_settings(settings)
    app = app or create_app(settings)
    web.redact_logs([settings.token.get_secret_value()])
    sockets: dict[int, Any] = {}
    try:
        server = waitress.create_server(
            app,
            map=sockets,
            host=settings.host,
            port=settings.api_port,
            url_prefix=unquote(settings.find_path("api")).rstrip("/"),
            **_OPTIONS,
        )
    except OSError as error:
        raise ServeError(
            f"cannot listen on {settings.host}:{settings.api_port}: {error.strerror}; "
            "end what runs there, or set LIQ_API_PORT to a free port"
        ) from error
    for each in sockets.values():
        if isinstance(each, BaseWSGIServer):  # one for each address of the host name
            slow_requests.limit(each)
    server.run()


def build_url(settings: Settings | None = None) -> str:
    """Return the address of the API's docs, with the token if the API requires it."""
    settings = choose_settings(settings)
    query = urlencode({"token": settings.token.get_secret_value()})
    return f"{settings.api_url}/docs" + (f"?{query}" if requires_token(settings) else "")
