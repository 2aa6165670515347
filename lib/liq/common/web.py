"""Security rules of all web servers of liq: response headers, cookies, host names, logs, a login.

If a script gets into a page despite escaping, it must not run and must not find secrets. The
content security policy refuses inline scripts, scripts cannot read cookies, and no address or log
holds a token.
"""

import contextlib
import hashlib
import hmac
import logging
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode

from liq.common.addresses import is_ip
from liq.config import Settings

_DIRECTIVES = {
    "default-src": "'none'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_INLINE_SCRIPT = re.compile(
    r"<script(?: type=[\"']text/javascript[\"'])?>(.*?)</script>", re.DOTALL
)
_HOST = re.compile(r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<name>[^\[\]:]+))(?::\d*)?")
_LOCAL_NAME = "localhost"
_CONTROL_CODES = frozenset(map(chr, [*range(32), 127]))
_LONGEST_FORM = 4096  # bytes
_LOGIN_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>liq: log in</title>
<link rel="icon" href="data:,">
<h1>Log in</h1>
<form method="post">
  <label for="token">Token</label>
  <input type="password" name="token" id="token" autocomplete="current-password" autofocus>
  <button>Log in</button>
</form>
<p><code>liq env</code> prints the token as <code>LIQ_TOKEN</code>.</p>
</html>
"""


def build_policy(**sources: str) -> str:
    """Return a content security policy that allows ``sources``, as ``img_src="'self'"``, only."""
    directives = _DIRECTIVES | {name.replace("_", "-"): value for name, value in sources.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def allow_scripts(template: str) -> str:
    """Return the sources of a policy that allow the inline scripts of a file, and no other."""
    scripts = _INLINE_SCRIPT.findall(template)
    digests = (b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def build_headers(content_policy: str, referrer: str = "no-referrer") -> dict[str, str]:
    """Return the headers of every response."""
    return {
        "Content-Security-Policy": content_policy,
        "Referrer-Policy": referrer,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def is_allowed_host(host: str, settings: Settings) -> bool:
    """Return whether ``host``, a Host header, names this server.

    A web page whose owner points its own name at this machine is of the same origin as this server,
    so the browser lets it read everything. Its requests name that other host. An IP address cannot
    be pointed elsewhere, so it is always allowed.
    """
    parts = _HOST.fullmatch(host)
    if not parts:
        return False
    name = (parts["ipv6"] or parts["name"]).lower().rstrip(".")
    return is_ip(name) or name in _names(settings)


def describe_refusal(host: str) -> str:
    """Return the error message for a client that used another host name."""
    return f"{host!r} is not a name of this server; to allow it, add it to LIQ_ALLOWED_HOSTS"


def is_token(given: str, settings: Settings) -> bool:
    """Return whether ``given`` is the token, in a time that does not depend on ``given``."""
    return _is_equal(given, settings.token.get_secret_value())


def is_clean_path(path: str) -> bool:
    """Return whether a request's path, percent-encoded, is one that a server may take.

    Not if it has control characters or is no UTF-8: Python's file functions raise for those. Nor if
    it begins with two slashes, or a backslash for the second one: a browser that is redirected to
    such a path asks another host.
    """
    if path[1:2] in ("/", "\\"):
        return False
    try:
        return not _CONTROL_CODES & set(unquote(path.partition("?")[0], errors="strict"))
    except UnicodeDecodeError:
        return False


def protect_cookie(cookie: str, *, secure: bool, readable: Iterable[str] = ()) -> str:
    """Return a Set-Cookie header with the attributes that keep scripts and other sites off.

    Scripts may read the cookies named in ``readable``. ``secure`` cookies travel over TLS only.
    """
    name = cookie.partition("=")[0]
    present = {part.strip().partition("=")[0].lower() for part in cookie.split(";")[1:]}
    wanted = {"SameSite": "SameSite=Lax"}
    if name not in readable:
        wanted["HttpOnly"] = "HttpOnly"
    if secure:
        wanted["Secure"] = "Secure"
    missing = [text for key, text in wanted.items() if key.lower() not in present]
    return "; ".join([cookie, *missing])


def is_encrypted(forwarded_proto: str) -> bool:
    """Return whether ``X-Forwarded-Proto`` says that a proxy got the request over TLS.

    A forged header does no harm, since it only makes cookies stricter.
    """
    return forwarded_proto.rpartition(",")[2].strip().lower() == "https"


def derive_cookie_secret(token: str) -> bytes:
    """Return the key that signs cookies, the same after a restart, so that users stay logged in."""
    return hashlib.sha256(f"cookie {token}".encode()).digest()


def redact_logs(secrets: Iterable[str]) -> None:
    """Replace ``secrets`` in all later log messages of this process.

    Servers log addresses, and an address may hold a token, escaped or not.
    """
    hidden = {form for each in secrets if each for form in (each, quote(each), quote_plus(each))}
    make = logging.getLogRecordFactory()

    def redacted(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "[secret]")
        return text

    def record(*args: Any, **options: Any) -> logging.LogRecord:
        made = make(*args, **options)
        with contextlib.suppress(TypeError, ValueError):  # arguments that do not fit the message
            text = made.getMessage()
            if text != (shown := redacted(text)):
                made.msg, made.args = shown, ()
        if made.exc_info:
            made.exc_text = redacted(logging.Formatter().formatException(made.exc_info))
        return made

    logging.setLogRecordFactory(record)


class RequestFilter:
    """An ASGI application in front of ``app`` that keeps these rules for it."""

    def __init__(self, app: Any, settings: Settings, content_policy: str) -> None:
        self._app = app
        self._settings = settings
        self._headers = build_headers(content_policy)

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = given.get(b"host", _LOCAL_NAME)
        secure = is_encrypted(given.get(b"x-forwarded-proto", ""))

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message = message | {"headers": self._protected(message["headers"], secure=secure)}
            await send(message)

        if is_allowed_host(host, self._settings):
            await self._app(scope, receive, answer)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            plain = [(b"content-type", b"text/plain; charset=utf-8")]
            await answer({"type": "http.response.start", "status": 403, "headers": plain})
            await send({"type": "http.response.body", "body": describe_refusal(host).encode()})

    def _protected(
        self, given: Iterable[tuple[bytes, bytes]], *, secure: bool
    ) -> list[tuple[bytes, bytes]]:
        ours = [(name.lower().encode(), value.encode()) for name, value in self._headers.items()]
        names = {name for name, _ in ours}
        kept = [(name, value) for name, value in given if name.lower() not in names]
        return ours + [
            (name, protect_cookie(value.decode("latin-1"), secure=secure).encode("latin-1"))
            if name.lower() == b"set-cookie"
            else (name, value)
            for name, value in kept
        ]


class TokenLogin:
    """An ASGI application in front of Streamlit, which has no login: it asks for the token.

    A cookie remembers a visitor until the browser ends or the token changes. An address with the
    token logs in too. Both lead to the address without the token, with the rest of its query.
    """

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._path = settings.find_path("streamlit")
        self._health = f"{unquote(self._path)}_stcore/health"  # for containers
        key = derive_cookie_secret(settings.token.get_secret_value())
        value = hmac.new(key, b"streamlit", hashlib.sha256).hexdigest()
        self._cookie = f"liq-streamlit-{settings.streamlit_port}={value}"

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Pass a visitor's request on, or ask for the token."""
        if scope["type"] not in ("http", "websocket") or self._may_pass(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            query = _parse(scope["query_string"])
            form = _parse(await _read_form(receive)) if scope["method"] == "POST" else query
            is_right = is_token(dict(form).get("token", ""), self._settings)
            rest = urlencode([each for each in query if each[0] != "token"])
            await self._answer(send, rest, is_right=is_right)

    def _may_pass(self, scope: Mapping[str, Any]) -> bool:
        given = b"; ".join(value for name, value in scope["headers"] if name.lower() == b"cookie")
        cookies = given.decode("latin-1").split("; ")
        return scope["path"] == self._health or any(_is_equal(one, self._cookie) for one in cookies)

    async def _answer(self, send: Any, query: str, *, is_right: bool) -> None:
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
        if is_right:
            cookie = f"{self._cookie}; Path={self._path}"
            place = self._path + (query and f"?{query}")
            headers += [(b"location", place.encode()), (b"set-cookie", cookie.encode())]
        status = HTTPStatus.SEE_OTHER if is_right else HTTPStatus.UNAUTHORIZED
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if is_right else _LOGIN_PAGE})


def _parse(given: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query or a form."""
    return parse_qsl(given.decode("latin-1"), keep_blank_values=True)


async def _read_form(receive: Any) -> bytes:
    """Return the body of a form, as much of it as a token can need."""
    body, more = b"", True
    while more and len(body) < _LONGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body[:_LONGEST_FORM]


def _is_equal(given: str, expected: str) -> bool:
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def _names(settings: Settings) -> set[str]:
    return {_LOCAL_NAME, settings.host.lower(), *settings.allowed_hosts.lower().split(",")} - {""}
