"""The HTTP API: every query of the catalogue is an endpoint, ``GET /<key>?param=value``."""

from liq.web.api.app import create_app
from liq.web.api.endpoint import Endpoint
from liq.web.api.server import build_url, run

__all__ = ["Endpoint", "build_url", "create_app", "run"]
