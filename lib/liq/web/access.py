"""Request filter and login of liq's two Jupyter servers, Voila and JupyterLab.

The filter applies the rules of `liq.common.web` to every response of every handler. The login
removes the token from the address before a page is made.
"""

from collections.abc import Awaitable, Iterable
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from jupyter_server.auth.identity import PasswordIdentityProvider, User
from jupyter_server.auth.login import LoginFormHandler
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import ensure_async
from tornado.concurrent import Future
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import Finish
from traitlets import default

from liq.common import web
from liq.config import Settings

_Line = RequestStartLine | ResponseStartLine


class RequestFilter(HTTPServerConnectionDelegate):
    """Wraps a tornado ``application``, as `liq.common.web.RequestFilter` wraps an ASGI app.

    It refuses foreign host names and adds ``headers`` and cookie attributes to every response. A
    page's scripts may read the cookies in ``readable``.
    """

    def __init__(
        self,
        application: HTTPServerConnectionDelegate,
        settings: Settings,
        headers: dict[str, str],
        *,
        readable: Iterable[str] = (),
    ) -> None:
        self._application = application
        self._liq_settings = settings
        self._headers = headers
        self._readable = frozenset(readable)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)

    def listen(self, port: int, address: str, **options: Any) -> HTTPServer:
        """Serve, as tornado's `Application.listen` does; ``options`` are `HTTPServer`'s."""
        server = HTTPServer(self, **options)
        server.listen(port, address)
        return server

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Return the delegate that passes a request to the application or refuses it."""
        connection = _Connection(request_conn, self._headers, self._readable)
        delegate = self._application.start_request(server_conn, connection)
        return _Request(delegate, connection, self._liq_settings)


class _Connection(HTTPConnection):
    """A connection that adds headers and cookie attributes to its responses."""

    secure = False

    def __init__(
        self, connection: HTTPConnection, headers: dict[str, str], readable: frozenset[str]
    ) -> None:
        self._connection = connection
        self._headers = headers
        self._readable = readable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def write_headers(
        self, start_line: _Line, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Future[None]:
        for name, value in self._headers.items():
            headers[name] = value
        if cookies := headers.get_list("Set-Cookie"):
            del headers["Set-Cookie"]
            for cookie in cookies:
                protected = web.protect_cookie(cookie, secure=self.secure, readable=self._readable)
                headers.add("Set-Cookie", protected)
        return self._connection.write_headers(start_line, headers, chunk)

    def write(self, chunk: bytes) -> Future[None]:
        return self._connection.write(chunk)

    def finish(self) -> None:
        self._connection.finish()


class _Request(HTTPMessageDelegate):
    """A request that is passed to the application unless it is refused."""

    def __init__(
        self, application: HTTPMessageDelegate, connection: _Connection, settings: Settings
    ) -> None:
        self._application = application
        self._connection = connection
        self._settings = settings
        self._refused = False

    def headers_received(self, start_line: _Line, headers: HTTPHeaders) -> Awaitable[None] | None:
        self._connection.secure = web.is_encrypted(headers.get("X-Forwarded-Proto", ""))
        line, host = cast("RequestStartLine", start_line), headers.get("Host", "localhost")
        if not web.is_allowed_host(host, self._settings):
            self._refuse(
                line, ResponseStartLine("HTTP/1.1", 403, "Forbidden"), web.describe_refusal(host)
            )
            return None
        if not web.is_clean_path(line.path):
            bad = ResponseStartLine("HTTP/1.1", 400, "Bad Request")
            self._refuse(line, bad, "this is no path of this server")
            return None
        return self._application.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None if self._refused else self._application.data_received(chunk)

    def finish(self) -> None:
        if not self._refused:
            self._application.finish()

    def on_connection_close(self) -> None:
        if not self._refused:
            self._application.on_connection_close()

    def _refuse(self, line: RequestStartLine, answer: ResponseStartLine, reason: str) -> None:
        self._refused = True
        body = reason.encode()
        headers = HTTPHeaders(
            {
                "Content-Type": "text/plain; charset=utf-8",
                "Content-Length": str(len(body)),
                # tornado closes the connection if it did not read the body, without a header: the
                # client's next request on this connection would be lost
                "Connection": "close",
            }
        )
        self._connection.write_headers(answer, headers, body if line.method != "HEAD" else None)
        self._connection.finish()


class LoginForm(LoginFormHandler):
    """The login page, which leads to the page that was asked for."""

    def get_argument(self, name: str, *default: Any, **options: Any) -> Any:
        """Return an argument; the address of the next page has no colon on this server.

        jupyter_server takes the first colon for the end of a scheme: 11:05 became 11://05.
        """
        value = super().get_argument(name, *default, **options)
        return escape_colons(value) if name == "next" else value


def escape_colons(address: str) -> str:
    """Return an address on this server without colons; another one keeps those before its query."""
    start = 0 if address.startswith("/") else len(address.partition("?")[0])
    return address[:start] + address[start:].replace(":", "%3A")


class Login(PasswordIdentityProvider):
    """A login by token; an address with the token is redirected to the address without it."""

    @default("login_handler_class")
    def _default_login_handler_class(self) -> type[LoginForm]:
        return LoginForm

    async def get_user(self, handler: JupyterHandler) -> User | None:  # type: ignore[override]
        """Return the user of a request; redirect a page whose address has a token."""
        user = await ensure_async(super().get_user(handler))
        request = handler.request
        is_page = request.method in ("GET", "HEAD") and not isinstance(handler, APIHandler)
        if not is_page or "Upgrade" in request.headers or "token" not in request.query_arguments:
            return user
        address, login = _remove_token(request.uri or "/"), handler.get_login_url()
        if user is None and request.path != login:
            address = f"{login}?{urlencode({'next': address})}"
        handler.redirect(address)
        raise Finish


def _remove_token(uri: str) -> str:
    """Return the path and query of an address, without the token."""
    path, _, query = uri.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    kept = urlencode([(name, value) for name, value in given if name != "token"])
    path = "/" + path.lstrip("/\\")  # two slashes would lead to another host
    return f"{path}?{kept}" if kept else path
