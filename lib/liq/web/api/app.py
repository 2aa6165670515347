"""The Flask app: routes, checks and errors. It only reads, and runs only known queries."""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, abort, jsonify, render_template, request
from werkzeug.exceptions import (
    GatewayTimeout,
    HTTPException,
    InternalServerError,
    NotFound,
    ServiceUnavailable,
)

from liq.common import forks, web
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import (
    LiqError,
    QueryError,
    QuestDBAwayError,
    QuestDBMemoryError,
    QuestDBTimeoutError,
)
from liq.query import queries, questdb
from liq.query.catalogue import RESERVED
from liq.query.formats import MEDIA_TYPES, Format, encode
from liq.query.lastgood import LastGood
from liq.web.api import openapi
from liq.web.api.endpoint import PAGING, Endpoint, hash_parts

RUNNING = 8  # queries
WAITING = 32
RETRY_S = 5
_LOG = logging.getLogger(__name__)
_LOGIN_S = 2.0  # a query needs at least this long to log in
_TRANSFER_S = 0.5
_HEADERS = {
    "Cache-Control": "private, no-cache",
    # data: is the empty icon
    **web.build_headers(web.build_policy(style_src="'unsafe-inline'", img_src="data:")),
}


class QueryLimit:
    """Lets ``running`` queries run at once and ``waiting`` queries wait; refuses others at once.

    Each waiting request occupies one of the server's threads. The limits keep threads free for
    pages without a query and for refusals, even if QuestDB hangs.
    """

    def __init__(self, running: int = RUNNING, waiting: int = WAITING) -> None:
        self._bounds = running + waiting, running
        self._renew()
        forks.in_child(self, QueryLimit._renew)  # a fork has no thread that would release them

    def _renew(self) -> None:
        self._all, self._running = map(threading.BoundedSemaphore, self._bounds)

    @contextlib.contextmanager
    def admit(self, seconds: float) -> Iterator[float]:
        """Yield the remaining time, out of ``seconds``, once the query may run.

        Raises:
            ServiceUnavailable: Too many queries are waiting.
            GatewayTimeout: No running query ended in time.
        """
        with contextlib.ExitStack() as held:
            if not self._all.acquire(blocking=False):
                raise ServiceUnavailable("too many queries wait already; ask again later")
            held.callback(self._all.release)
            ends_at = time.monotonic() + seconds
            if not self._running.acquire(timeout=max(seconds - _LOGIN_S, seconds / 2)):
                raise GatewayTimeout(
                    f"other queries kept QuestDB busy for {seconds:g} s, or it does not answer;"
                    " ask again later, `liq status` shows whether it runs"
                )
            held.callback(self._running.release)
            yield ends_at - time.monotonic()


def create_app(settings: Settings | None = None, endpoints: Iterable[Endpoint] = ()) -> Flask:
    """Return the API as a WSGI app: the catalogue's queries, and your own ``endpoints``.

    Edits of the catalogue take effect at once; an invalid edit leaves the last valid version.

    Args:
        settings: Settings of the stack; the current ones by default.
        endpoints: Your own; each replaces the query of the same name.

    Example:
        app = create_app(endpoints=[Endpoint("hello", "A greeting.", rows)])
    """
    settings = settings or current_settings()
    own = {endpoint.key: endpoint for endpoint in endpoints}
    catalogue = LastGood(settings)

    def known() -> Mapping[str, Endpoint]:
        found = catalogue.load().queries
        return {**{key: Endpoint.of(query, settings) for key, query in found.items()}, **own}

    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined] # of Flask's default provider
    _add_checks(app, settings)
    _add_routes(app, settings, known, catalogue)
    _add_error_handlers(app)

    @app.after_request
    def _headers(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    return app


def requires_token(settings: Settings) -> bool:
    """Return whether requests need the token: always on other addresses and behind a proxy."""
    return settings.api_token_required or settings.is_behind_proxy or not settings.is_on_loopback


def _add_checks(app: Flask, settings: Settings) -> None:
    if not requires_token(settings):
        # without a token the host name keeps other sites' pages out: a site could point a name of
        # its own at 127.0.0.1, and its pages could then read the responses
        @app.before_request
        def _know_host() -> None:
            host = request.headers.get("Host", "localhost")
            if not web.is_allowed_host(host, settings):
                abort(403, web.describe_refusal(host))
            # another site's page cannot read the response, but could load QuestDB; links are fine
            site, mode = (request.headers.get(f"Sec-Fetch-{name}", "") for name in ("Site", "Mode"))
            if site == "cross-site" and mode != "navigate":
                abort(403, "a page of another site may not ask this API")

        return

    @app.before_request
    def _authorise() -> None:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not web.is_token(bearer or request.args.get("token", ""), settings):
            abort(401, "give the token: Authorization: Bearer TOKEN, or ?token=TOKEN")


def _add_routes(
    app: Flask,
    settings: Settings,
    known: Callable[[], Mapping[str, Endpoint]],
    catalogue: LastGood,
) -> None:
    @app.get("/")
    def _index() -> Response:
        return jsonify(
            endpoints=[openapi.summarise(endpoint) for endpoint in known().values()],
            docs=f"{request.script_root}/docs",
            openapi=f"{request.script_root}/openapi.json",
        )

    @app.get("/openapi.json")
    def _openapi() -> Response:
        token, root = requires_token(settings), request.script_root
        return jsonify(openapi.describe(known().values(), token=token, root=root))

    @app.get("/docs")
    def _docs() -> str:
        token = request.args.get("token", "") if requires_token(settings) else ""
        return render_template(
            "docs.html",
            endpoints=known().values(),
            formats=list(Format),
            paging=PAGING,
            token=token,
        )

    @app.get("/health")
    def _health() -> Response:
        problems = catalogue.load().describe_faults()
        status = "degraded" if problems else "ok"
        return jsonify(status=status, problems=problems)

    limit = QueryLimit()

    @app.get("/<path:key>")
    def _rows(key: str) -> Response:
        endpoint = _find(key, known(), catalogue)
        with (
            limit.admit(settings.query_timeout) as left,
            # QuestDB gets the remaining time, less the time to send the response
            questdb.within(max(left - _TRANSFER_S, left / 2)),
        ):
            return _respond(endpoint, settings)


def _find(key: str, known: Mapping[str, Endpoint], catalogue: LastGood) -> Endpoint:
    if endpoint := known.get(key):
        return endpoint
    if key in catalogue.load().faults:
        raise InternalServerError(f"entry {key!r} cannot be used; `liq queries` says why")
    raise NotFound(f"no endpoint {key!r}; there are: {', '.join(sorted(known))}")


def _respond(endpoint: Endpoint, settings: Settings) -> Response:
    out, paging = _parse_format(), _parse_paging()
    values = endpoint.validate(_parse_arguments(endpoint))
    version = endpoint.read_version(values, settings)
    tag = version and hash_parts(version, endpoint.key, out, paging)
    if tag and request.if_none_match.contains_weak(tag):
        return _tag(Response(status=304), tag)
    page = endpoint.fetch_page(values, **paging, settings=settings)
    body = encode(page.frame, out)
    response = Response(body, mimetype=MEDIA_TYPES[out])
    _tag(response, tag or hash_parts(body)).make_conditional(request.environ)
    if notes := page.frame.attrs.get("notes"):
        response.headers["X-Notes"] = json.dumps(notes)  # ASCII, whatever the names are
    if page.next:
        response.headers["X-Truncated"] = "true"
        response.headers["Link"] = f'<{_build_address(page.next)}>; rel="next"'
    return response


def _build_address(changes: Mapping[str, str]) -> str:
    """Return this request's address with other arguments."""
    given = {**request.args.to_dict(flat=False), **changes}
    return f"{quote(request.script_root + request.path)}?{urlencode(given, doseq=True)}"


def _parse_paging() -> dict[str, int]:
    given = {name: text for name in PAGING if (text := request.args.get(name))}
    return queries.validate("paging", PAGING, given)


def _tag(response: Response, tag: str) -> Response:
    response.set_etag(tag, weak=True)
    return response


def _parse_format() -> Format:
    given = request.args.get("format") or Format.JSON
    name = given.lower()
    if name not in list(Format):
        raise QueryError(f"format={given!r} is not one of: {', '.join(Format)}")
    return Format(name)


def _parse_arguments(endpoint: Endpoint) -> dict[str, Any]:
    """Return the request's parameters without empty ones, which forms send for unset fields."""
    given: dict[str, Any] = {}
    for name, texts in request.args.lists():
        values = [text for text in texts if text]
        if name in RESERVED or not values:
            continue
        is_list = name in endpoint.params and endpoint.params[name].type == "list"
        if len(values) > 1 and not is_list:
            raise QueryError(f"{name} is given {len(values)} times; it takes one value")
        given[name] = values if len(values) > 1 else values[0]
    return given


def _add_error_handlers(app: Flask) -> None:
    """Return every error as ``{"error": ...}``; details for the host's owner are only logged."""

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        response = _build_error(error.description or error.name, error.code or 500)
        if isinstance(allowed := getattr(error, "valid_methods", None), Iterable):
            response.headers["Allow"] = ", ".join(sorted(allowed))
        if error.code in (503, 504):
            response.headers["Retry-After"] = str(RETRY_S)
        if error.code == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    @app.errorhandler(QueryError)
    def _query(error: QueryError) -> Response:
        return _build_error(str(error), 400)

    @app.errorhandler(QuestDBMemoryError)
    @app.errorhandler(QuestDBAwayError)
    def _away(error: QuestDBAwayError | QuestDBMemoryError) -> Response:
        response = _build_error(str(error), 503)
        response.headers["Retry-After"] = str(RETRY_S)
        return response

    @app.errorhandler(QuestDBTimeoutError)
    def _slow(error: QuestDBTimeoutError) -> Response:
        return _build_error(str(error), 504)

    @app.errorhandler(LiqError)
    def _other(error: LiqError) -> Response:
        _LOG.error("%s: %s", request.path, error)
        return _build_error("QuestDB did not answer this query; the API's log says why", 502)


def _build_error(text: str, status: int) -> Response:
    response = jsonify(error=text)
    response.status_code = status
    return response
