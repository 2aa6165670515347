"""The Model Context Protocol (MCP): every query of the catalogue is a tool for an assistant.

The only importer of MCP's SDK, which is the extra ``mcp``. Raises `ServeError` where it is not
installed.
"""

from liq.common.extras import describe_installation
from liq.errors import ServeError

try:
    from liq.web.assistants.server import create_app, create_server, run_http, run_stdio
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "starlette", "uvicorn"):
        raise
    raise ServeError(
        "MCP's SDK is not installed: run make setup in a checkout, else"
        f" {describe_installation('mcp')}"
    ) from None

__all__ = ["create_app", "create_server", "run_http", "run_stdio"]
