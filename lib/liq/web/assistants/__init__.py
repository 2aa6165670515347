"""The Model Context Protocol (MCP): every query of the catalogue is a tool for an assistant.

The only importer of MCP's SDK, which is an extra: ``liq[mcp]``. Raises `ServeError` where it is not
installed.
"""

from liq.errors import ServeError

try:
    from liq.web.assistants.server import create_app, create_server, run_http, run_stdio
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "starlette", "uvicorn"):
        raise
    raise ServeError("MCP's SDK is not installed; it is an extra: pip install 'liq[mcp]'") from None

__all__ = ["create_app", "create_server", "run_http", "run_stdio"]
