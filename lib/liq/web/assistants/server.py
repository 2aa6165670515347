"""The MCP server: tools and resources, over stdin and stdout or over HTTP. It only reads."""

import signal
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import anyio
import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from liq.common import web
from liq.config import Settings, choose_settings
from liq.errors import LiqError, QueryError, QuestDBTimeoutError
from liq.query import queries
from liq.query.catalogue import Query
from liq.web import serve
from liq.web.assistants import answers

_T = TypeVar("_T")
_Context = ServerRequestContext[Any]

RUNNING = 8  # queries
_GRACE_S = 2.0  # a query that is cancelled says so itself
_TYPES: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "timestamp": {"type": "string", "format": "date-time"},
    "list": {"type": "array", "items": {"type": "string"}},
}
_TEXT = {"type": "string"}
_READ_ONLY = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def create_server(settings: Settings | None = None) -> Server[Any]:
    """Return the server without a transport.

    Edits of ``queries.json`` take effect at the next request.

    Args:
        settings: Settings of the stack; the current ones by default.
    """
    handlers = _Handlers(choose_settings(settings))
    return Server(
        "liq",
        version=version("liq"),
        title="liq: crypto liquidations",
        instructions=answers.INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
    )


class _Handlers:
    """Answers the requests of assistants; a `LiqError` becomes one line, never a traceback."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limiter = anyio.CapacityLimiter(RUNNING)

    async def list_tools(self, _: _Context, __: Any) -> types.ListToolsResult:
        try:
            known = queries.load_catalogue(self._settings).queries
        except QueryError as error:
            raise MCPError(types.INTERNAL_ERROR, _join_lines(error)) from error
        tools = [_describe_tool(each) for each in known.values()]
        return types.ListToolsResult(tools=tools)

    async def call_tool(
        self, _: _Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        work = partial(answers.answer, params.name, params.arguments or {}, self._settings)
        try:
            text, data = await self._run(work)
        except LiqError as error:
            content = types.TextContent(text=_join_lines(error))
            return types.CallToolResult(content=[content], is_error=True)
        return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=data)

    async def list_resources(self, _: _Context, __: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=_describe_resources())

    async def list_templates(self, _: _Context, __: Any) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=_describe_templates())

    async def read_resource(
        self, _: _Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        address = str(params.uri)
        try:
            media_type, text = await self._run(
                partial(answers.read_resource, address, self._settings)
            )
        except LiqError as error:
            raise MCPError(types.INVALID_PARAMS, _join_lines(error)) from error
        content = types.TextResourceContents(uri=address, mime_type=media_type, text=text)
        return types.ReadResourceResult(contents=[content])

    async def _run(self, work: Callable[[], _T]) -> _T:
        """Run ``work`` on a thread, for as long as a query may take."""
        seconds = self._settings.query_timeout
        try:
            with anyio.fail_after(seconds + _GRACE_S):
                return await anyio.to_thread.run_sync(
                    work, limiter=self._limiter, abandon_on_cancel=True
                )
        except TimeoutError as error:
            raise QuestDBTimeoutError(
                f"no answer within {seconds:g} s; ask for a shorter window, or again later"
            ) from error


def run_stdio(settings: Settings | None = None) -> None:
    """Serve the assistant that started this process, until it closes stdin or sends a signal."""
    # the SDK reads stdin on a thread, which Python would wait for after a KeyboardInterrupt
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = create_server(settings)

    async def run() -> None:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(run)


def create_app(settings: Settings) -> ASGIApp:
    """Return the server as an ASGI app: ``mcp`` below the base URL, for requests with the token."""
    app = create_server(settings).streamable_http_app(
        streamable_http_path=unquote(settings.mcp_path),
        json_response=True,
        stateless_http=True,  # nothing is kept for a client, so a restart loses none
        # our filters check host names and origins, by the settings
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return web.RequestFilter(_TokenFilter(app, settings), settings, web.build_policy())


def run_http(settings: Settings | None = None) -> None:
    """Serve assistants over HTTP until this process ends.

    Args:
        settings: Settings of the stack; the current ones by default.

    Raises:
        ServeError: The port is taken.
    """
    settings = choose_settings(settings)
    serve.check_port(settings.host, settings.mcp_port, "LIQ_MCP_PORT")
    web.redact_logs([settings.token.get_secret_value()])
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.mcp_port,
        log_config=None,
        access_log=False,
        limit_concurrency=100,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
    )


class _TokenFilter:
    """Passes requests with the token on to ``app``, unless a page of another site sends them."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refuse(scope["headers"]) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refuse(self, headers: Iterable[tuple[bytes, bytes]]) -> ASGIApp | None:
        given = {name.lower(): value.decode("latin-1") for name, value in headers}
        if _is_foreign(given.get(b"origin"), given.get(b"host")):
            return _build_error(403, "a page of another site may not ask this server")
        scheme, _, token = given.get(b"authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not web.is_token(token, self._settings):
            return _build_error(401, "give the token: Authorization: Bearer TOKEN")
        return None


def _is_foreign(origin: str | None, host: str | None) -> bool:
    try:
        return origin is not None and urlsplit(origin).netloc != host
    except ValueError:
        return True


def _build_error(status: int, text: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": text}, status, headers)


def _describe_tool(query: Query) -> types.Tool:
    params = {**query.params, **answers.PAGING}
    schema = {
        "type": "object",
        "properties": {
            name: {
                "description": param.description,
                **_TYPES.get(param.type, _TEXT),
                **param.list_constraints(),
            }
            for name, param in params.items()
        },
        "additionalProperties": False,
    }
    columns = ", ".join(
        f"{name} ({column.unit})" if column.unit else name for name, column in query.columns.items()
    )
    about = [query.description, f"Columns: {columns}." if columns else ""]
    return types.Tool(
        name=query.key,
        description=" ".join(filter(None, about)),
        input_schema=schema,
        annotations=_READ_ONLY,
    )


def _describe_resources() -> list[types.Resource]:
    return [
        types.Resource(
            uri=address,
            name=address.rpartition("/")[2],
            title=each.title,
            description=each.description,
            mime_type=each.media_type,
        )
        for address, each in answers.RESOURCES.items()
    ]


def _describe_templates() -> list[types.ResourceTemplate]:
    return [
        types.ResourceTemplate(
            uri_template=address + "{name}",
            name=each.title.lower(),
            title=each.title,
            description=each.description,
            mime_type=each.media_type,
        )
        for address, each in answers.TEMPLATES.items()
    ]


def _join_lines(error: LiqError) -> str:
    return " ".join(str(error).split())
