"""Voila's server, with our page, a health check and files that a browser keeps."""

import gzip
import hashlib
import mimetypes
import threading
import webbrowser
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tornado.web import HTTPError, RequestHandler
from voila.app import Voila
from voila.request_info_handler import RequestInfoSocketHandler
from voila.tornado.handler import TornadoVoilaHandler

from liq.errors import ServeError

_HERE = Path(__file__).parent
_YEAR = 365 * 24 * 3600


class Assets:
    """The page's files by name, and the version that stands in their URLs."""

    def __init__(self) -> None:
        files = {file.name: file for file in (_HERE / "static").iterdir()} | {
            "plotly.js": _shipped("plotly", "package_data/plotly.min.js"),
            "widgets.js": _shipped("widgetsnbextension", "static/extension.js"),
            "anywidget.js": _shipped("anywidget", "nbextension/index.js"),
        }
        self.plain = {name: file.read_bytes() for name, file in files.items()}
        self.zipped = {name: gzip.compress(body, 5, mtime=0) for name, body in self.plain.items()}
        self.version = hashlib.sha256(b"".join(self.plain.values())).hexdigest()[:16]


def _shipped(package: str, path: str) -> Path:
    """Return a file that a package ships, without importing it: that is the kernels' affair."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ServeError(f"the page needs the package {package}; install liq anew")
    return Path(spec.origin).parent / path


class DashboardServer(Voila):  # type: ignore[misc] # Voila ships no types
    """Voila for one notebook; `liq.serve` configures it."""

    @cached_property
    def assets(self) -> Assets:
        """The files of the page."""
        return Assets()

    def initialize(self, argv: list[str] | None = None) -> None:
        """Tell the template where the page's files are."""
        super().initialize(argv)
        self.voila_configuration.page_config_hook = self._locate_assets

    def setup_template_dirs(self) -> None:
        """Put our page before Voila's."""
        super().setup_template_dirs()
        self.template_paths.insert(0, str(_HERE / "templates"))

    def init_handlers(self) -> list[Any]:
        """Add our routes before Voila's, the last of which takes every path."""
        ours = [
            (r"/health", Health),
            (r"/liq/\w+/([\w.]+)", Asset, {"assets": self.assets}),
        ]
        return ours + [
            (path, Page, *options) if handler is TornadoVoilaHandler else (path, handler, *options)
            for path, handler, *options in super().init_handlers()
            # tells a page's query, with the token in it, to whoever knows the kernel's id
            if handler is not RequestInfoSocketHandler
        ]

    def launch_browser(self) -> None:
        """Open the page with the token, which Voila would leave out."""
        url = f"{self.connection_url}?{urlencode({'token': self.token})}"
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    def _locate_assets(self, page_config: dict[str, Any], **_context: Any) -> dict[str, Any]:
        return page_config | {"liqAssets": f"{self.base_url}liq/{self.assets.version}/"}


class Page(TornadoVoilaHandler):  # type: ignore[misc] # Voila ships no types
    """The notebook as a page."""

    async def get(self, path: str | None = None) -> None:
        """Answer with the page, and the cookie that lets it end its kernel when it is left."""
        _ = self.xsrf_token
        await super().get(path)


class Asset(RequestHandler):
    """A file of the page: public, and for ever the same under its URL."""

    def initialize(self, assets: Assets) -> None:
        """Take what there is to serve."""
        self.assets = assets

    def get(self, name: str) -> None:
        """Answer with the file."""
        zipped = "gzip" in self.request.headers.get("Accept-Encoding", "")
        files = self.assets.zipped if zipped else self.assets.plain
        if name not in files:
            raise HTTPError(404)
        self.set_header("Content-Type", mimetypes.guess_type(name)[0] or "text/plain")
        self.set_header("Cache-Control", f"public, max-age={_YEAR}, immutable")
        self.set_header("Vary", "Accept-Encoding")
        if zipped:
            self.set_header("Content-Encoding", "gzip")
        self.finish(files[name])


class Health(RequestHandler):
    """Says that the server runs; it needs no token and tells nothing else."""

    def get(self) -> None:
        """Answer ``{"ok": true}``."""
        self.finish({"ok": True})
