"""The HTTP API: every query of the catalogue is an endpoint, ``GET /<key>?param=value``."""

from liq.api.app import create_app
from liq.api.endpoint import Endpoint
from liq.api.server import run, url

__all__ = ["Endpoint", "create_app", "run", "url"]
