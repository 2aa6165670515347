"""The Flask app: routes, checks and errors. It only reads, and runs only known queries."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from flask import Flask, Response, abort, jsonify, render_template, request
from werkzeug.exceptions import (
    GatewayTimeout,
    HTTPException,
    InternalServerError,
    NotFound,
    ServiceUnavailable,
)

from liq.common import forks, web
from liq.common.text import suggest
from liq.config import Settings, choose_settings
from liq.errors import (
    LiqError,
    QueryError,
    QuestDBAwayError,
    QuestDBMemoryError,
    QuestDBTimeoutError,
)
from liq.monitoring import diagnosis
from liq.monitoring.diagnosis import Part
from liq.query import questdb
from liq.query.formats import Format
from liq.web.api import metrics, openapi
from liq.web.api.endpoint import PAGING, Endpoint, Endpoints
from liq.web.api.responses import respond

RUNNING = 8  # queries
WAITING = 32
RETRY_S = 5
_LOG = logging.getLogger(__name__)
_LOGIN_S = 2.0  # a query needs at least this long to log in
_TRANSFER_S = 0.5
_STATE_S = 10.0  # for /health and /metrics
_VISITS = 8  # of /health at once, each of which holds a thread for two seconds at most
_GET_ONLY = "this API only answers GET: parameters are in the address, as ?window=1h"
# by names that are looked for elsewhere too
_PAGES = {
    "health": "/health",
    "metrics": "/metrics",
    "openapi.json": "/openapi.json",
} | dict.fromkeys(("docs", "help", "redoc", "swagger", "queries", "endpoints"), "/docs")
_POLICY = "Content-Security-Policy"
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
    settings = choose_settings(settings)
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined] # of Flask's default provider
    _add_checks(app, settings)
    _add_routes(app, settings, Endpoints(settings, endpoints))
    _add_error_handlers(app)

    @app.after_request
    def _headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
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


def _add_routes(app: Flask, settings: Settings, endpoints: Endpoints) -> None:
    def list_endpoints(folder: str) -> Response:
        root = request.script_root
        return jsonify(
            endpoints=[openapi.summarise(each, folder) for each in endpoints],
            docs=f"{root}/docs",
            openapi=f"{root}/openapi.json",
            health=f"{root}/health",
            metrics=f"{root}/metrics",
        )

    @app.get("/")
    def _index() -> Response:
        return list_endpoints("")

    @app.get("/v1/", strict_slashes=False)
    def _index_of_v1() -> Response:
        return list_endpoints(openapi.V1)

    @app.get("/openapi.json")
    def _openapi() -> Response:
        token, root = requires_token(settings), request.script_root
        return jsonify(openapi.describe([*endpoints], token=token, root=root))

    @app.get("/docs")
    def _docs() -> Response:
        token = request.args.get("token", "") if requires_token(settings) else ""
        page = render_template(
            "docs.html",
            endpoints=[*endpoints],
            formats=list(Format),
            paging=PAGING,
            token=token,
        )
        return Response(page, headers={_POLICY: _allow_docs(page)})

    _add_state(app, settings, endpoints)
    limit = QueryLimit()

    def answer(key: str, *, described: bool) -> Response:
        endpoint = _find(key, endpoints)
        with (
            limit.admit(settings.query_timeout) as left,
            # QuestDB gets the remaining time, less the time to send the response
            questdb.within(max(left - _TRANSFER_S, left / 2)),
        ):
            return respond(endpoint, endpoints, settings, described=described)

    @app.get("/<path:key>")
    def _rows(key: str) -> Response:
        return answer(key, described=False)

    @app.get("/v1/<path:key>")
    def _rows_of_v1(key: str) -> Response:
        return answer(key, described=True)


def _add_state(app: Flask, settings: Settings, endpoints: Endpoints) -> None:
    """Add pages about the pipeline; requests at once share one probe, too many are refused."""
    limit, scraper = QueryLimit(running=1, waiting=3), metrics.Scraper(settings)
    visits, probe = QueryLimit(running=_VISITS, waiting=0), diagnosis.SharedProbe(settings)

    @app.get("/health")
    def _health() -> tuple[Response, int]:
        with visits.admit(_STATE_S):
            faults = probe.find_problems()
        away = any(each.part is Part.QUESTDB for each in faults)
        problems = [*(each._asdict() for each in faults), *endpoints.describe_faults()]
        status = "down" if away else "degraded" if problems else "ok"
        body = jsonify(status=status, version=version("liq"), problems=problems)
        return body, 503 if away else 200

    @app.get("/metrics")
    def _metrics() -> Response:
        with limit.admit(_STATE_S):
            return Response(scraper.scrape(), content_type=metrics.CONTENT_TYPE)


def _find(key: str, endpoints: Endpoints) -> Endpoint:
    if endpoint := endpoints.find(key):
        return endpoint
    if endpoints.has_fault(key):
        raise InternalServerError(f"entry {key!r} cannot be used; `liq queries` says why")
    known = sorted(each.key for each in endpoints)
    page = _PAGES.get(key.rpartition("/")[2])
    guess = f", did you mean {page}? valid are: {', '.join(known)}" if page else suggest(key, known)
    raise NotFound(f"no endpoint {key!r}{guess}")


def _allow_docs(page: str) -> str:
    """Return the policy of the docs, whose script shows the answers."""
    return web.build_policy(
        style_src="'unsafe-inline'",
        img_src="data:",
        script_src=web.allow_scripts(page),
        connect_src="'self'",
    )


def _add_error_handlers(app: Flask) -> None:
    """Return every error as ``{"error": ...}``; details for the host's owner are only logged."""

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        text = _GET_ONLY if error.code == 405 else error.description or error.name
        response = _build_error(text, error.code or 500)
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
