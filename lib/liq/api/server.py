"""Serve the API with waitress."""

from urllib.parse import urlencode

import waitress
from flask import Flask

from liq import web
from liq.api.app import create_app, token_required
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import ServeError

_THREADS = 8


def run(settings: Settings | None = None, app: Flask | None = None) -> None:
    """Serve ``app`` (by default the catalogue's) until this process is ended.

    Raises `ServeError` if the port is taken.
    """
    settings = settings or current_settings()
    app = app or create_app(settings)
    web.redact_logs([settings.token.get_secret_value()])
    try:
        server = waitress.create_server(
            app, host=settings.host, port=settings.api_port, threads=_THREADS, ident="liq"
        )
    except OSError as error:
        raise ServeError(
            f"cannot listen on {settings.host}:{settings.api_port}: {error.strerror}; "
            "end what runs there, or set LIQ_API_PORT to a free port"
        ) from error
    server.run()


def url(settings: Settings | None = None) -> str:
    """Return the address of the docs page, with the token if it asks for one."""
    settings = settings or current_settings()
    query = urlencode({"token": settings.token.get_secret_value()})
    return f"{settings.api_url}/docs" + (f"?{query}" if token_required(settings) else "")
