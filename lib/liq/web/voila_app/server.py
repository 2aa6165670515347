"""Voila's server with our page, a gallery of apps, a health check and cacheable files."""

import gzip
import hashlib
import mimetypes
import resource
import threading
import webbrowser
from collections.abc import AsyncIterator
from functools import cached_property, partial
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.log import log_request
from jupyter_server.utils import url_path_join
from tornado.escape import json_encode
from tornado.web import HTTPError, RequestHandler, authenticated
from traitlets import Instance, Integer
from voila.app import Voila
from voila.handler import BaseVoilaHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

from liq.common import web
from liq.common.compat import voila_pages
from liq.config import Settings
from liq.errors import ServeError
from liq.web.access import LoginForm, RequestFilter
from liq.web.voila_app import gallery
from liq.web.voila_app.admission import Admission, QueuedPage

_HERE = Path(__file__).parent
_YEAR = 365 * 24 * 3600
_KERNEL = r"(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)"
IDLE_S = 20.0  # a connection without a complete request is closed after this
LONGEST_BODY = 2**20  # bytes; the default buffers 100 MB on each connection, before the login

# Scripts come from this server only. Widgets, plotly.js and notebooks' tables have inline styles.
POLICY = web.build_policy(
    script_src="'self'",
    style_src="'self' 'unsafe-inline'",
    img_src="'self' data: blob:",
    font_src="'self' data:",
    connect_src="'self'",
)


class Assets:
    """The pages' files by name, and the version in their URLs."""

    def __init__(self, pictures: Path) -> None:
        files = {file.name: file for file in (_HERE / "static").iterdir()} | {
            **{file.name: file for file in (_HERE.parent / "dashboard").glob("*.js")},
            "plotly.js": _shipped("plotly", "package_data/plotly.min.js"),
            "widgets.js": _shipped("widgetsnbextension", "static/extension.js"),
            "anywidget.js": _shipped("anywidget", "nbextension/index.js"),
        }
        files |= {file.name: file for file in pictures.glob("*.png")}
        self.plain = {name: file.read_bytes() for name, file in files.items()}
        voila_pages.check_widgets(self.plain["anywidget.js"], self.plain["widgets.js"])
        self.zipped = {name: gzip.compress(body, 5, mtime=0) for name, body in self.plain.items()}
        self.version = hashlib.sha256(b"".join(self.plain.values())).hexdigest()[:16]


def allow_many_files() -> None:
    """Raise the limit of open files to the maximum: each kernel and visitor needs some."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _shipped(package: str, path: str) -> Path:
    """Return a file of a package without importing the package, which only kernels need."""
    spec = find_spec(package)
    file = Path(spec.origin).parent / path if spec and spec.origin else None
    if file is None or not file.is_file():
        raise ServeError(f"the page needs {path} of the package {package}; reinstall liq")
    return file


def _log_request(handler: RequestHandler) -> None:
    """Log a request, except for a waiting visitor's retries."""
    is_retry = handler.get_status() == HTTPStatus.SERVICE_UNAVAILABLE
    if not (is_retry and isinstance(handler, QueuedPage)):
        log_request(handler, record_prometheus_metrics=False)  # type: ignore[no-untyped-call]


class DashboardServer(Voila):  # type: ignore[misc] # Voila ships no types
    """Voila for one notebook, and for the others in its folder as apps.

    `liq.web.serve` configures it.
    """

    liq_settings = Instance(Settings).tag(config=True)
    places = Integer(12, config=True, help="kernels at most, see liq.web.voila_app.admission")

    @property
    def folder(self) -> Path:
        """The folder of the notebooks."""
        return Path(self.notebook_path).parent

    @cached_property
    def assets(self) -> Assets:
        """The files of the pages."""
        return Assets(self.folder / gallery.PICTURES)

    def initialize(self, argv: list[str] | None = None) -> None:
        """Pass the address of the page's files to the template."""
        voila_pages.install()
        super().initialize(argv)
        self.voila_configuration.page_config_hook = self._locate_assets

    def setup_template_dirs(self) -> None:
        """Put our page before Voila's."""
        super().setup_template_dirs()
        self.template_paths.insert(0, str(_HERE / "templates"))

    def init_settings(self) -> dict[str, Any]:
        """Return tornado's settings."""
        settings: dict[str, Any] = super().init_settings()
        return settings | {
            # for all handlers: jupyter_server's own templates need files that are not served here
            "jinja2_env": settings["voila_jinja2_env"],
            # all ports of a host share cookies, so each server has its own names
            "xsrf_cookie_name": f"liq-dashboard-xsrf-{self.port}",
            "xsrf_cookie_kwargs": {"path": self.base_url},
            "log_function": _log_request,
        }

    def init_handlers(self) -> list[Any]:
        """Return our routes only; Voila's others serve files that our pages do not use."""
        voila = {"voila_configuration": self.voila_configuration}
        notebook = Path(self.notebook_path).name
        page = voila | {
            "notebook_path": notebook,
            "template_paths": self.template_paths,
            "config": self.config,
            "admission": self._admission(notebook),
            "assets_url": self.assets_url,
        }
        routes: list[Any] = [
            (r"/health", Health),
            (r"/liq/\w+/([\w.-]+)", Asset, {"assets": self.assets}),
            (r"/login", LoginPage, {"assets": self.assets_url}),
            (r"/logout", Logout),
            (rf"/kernels/{_KERNEL}/channels", voila_pages.Channels),
            (rf"/voila/api/shutdown/{_KERNEL}", VoilaShutdownKernelHandler),
            (r"/apps/?", Gallery, {"server": self, **voila}),
            (r"/apps/([\w.-]+)", AppPage, {"folder": self.folder, **page}),
            (r"/(.*)", Page, page),
        ]
        return [(url_path_join(self.base_url, path), *rest) for path, *rest in routes]

    def listen(self) -> None:
        """Serve behind the shield until the process ends.

        Idle connections are closed, since each one takes a file descriptor.
        """
        allow_many_files()
        voila_pages.Exporter(
            template_paths=self.template_paths,
            template_name=self.voila_configuration.template,
            config=self.config,
        ).compile()
        self.app: Any = RequestFilter(self.app, self.liq_settings, web.build_headers(POLICY))
        self.app.listen = partial(  # type: ignore[method-assign] # Voila passes no options
            self.app.listen,
            idle_connection_timeout=IDLE_S,
            body_timeout=IDLE_S,
            max_body_size=LONGEST_BODY,
        )
        super().listen()

    def stop(self) -> None:
        """End the kernels; one that Jupyter loses sight of as it starts ends with this process."""
        try:
            super().stop()
        except HTTPError as error:  # of a kernel that has just ended by itself
            self.log.debug("A kernel was not ended in order: %s", error)

    def _admission(self, notebook: str) -> Admission:
        options = self.voila_configuration
        preheated = options.default_pool_size if options.preheat_kernel else 0
        visitors = f"liq-visitor-{self.port}"  # all ports of a host share cookies
        return Admission(self.kernel_manager, self.places, preheated, notebook, visitors)

    def launch_browser(self) -> None:
        """Open the page with the token, which Voila omits."""
        url = f"{self.connection_url}?{urlencode({'token': self.token})}"
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    @property
    def assets_url(self) -> str:
        """The address of the pages' files."""
        return f"{self.base_url}liq/{self.assets.version}/"

    def _locate_assets(
        self, page_config: dict[str, Any], *, notebook_path: str, **_context: Any
    ) -> dict[str, Any]:
        app = gallery.find(self.folder, Path(notebook_path).stem)
        return page_config | {"liqAssets": self.assets_url, "liqTitle": app.title if app else "liq"}


class Page(QueuedPage):
    """The notebook as a page."""

    async def get(self, path: str | None = None) -> None:
        """Send the page, and at its end the key with which it stops its kernel on leaving."""
        if path:
            raise HTTPError(404)
        self._key = self.xsrf_token.decode()  # the page cannot read the cookie
        await super().get()  # type: ignore[misc] # authenticated may return None

    async def get_generator(self, path: str | None = None) -> AsyncIterator[str]:
        """Yield the page's pieces and the key; a blank line replaces Voila's heartbeat script.

        The query is the page's own (`liq.analysis.links`): for some names in it, such as ``theme``,
        Voila would start a cold kernel.
        """
        self.request.arguments, self.request.query = {}, ""
        async for piece in super().get_generator(path):
            yield "\n" if piece == voila_pages.HEARTBEAT else piece
        visit = json_encode({"xsrf": self._key})
        yield f'<script type="application/json" id="liq-visit">{visit}</script>\n'


class AppPage(Page):
    """Another notebook as a page, without parameters in the address."""

    def initialize(self, folder: Path, **options: Any) -> None:  # type: ignore[override] # by tornado
        """Set the folder of the notebooks."""
        super().initialize(**options)
        self.folder = folder

    @authenticated
    async def get(self, name: str | None = None) -> None:  # type: ignore[override] # by tornado
        """Send the app, or redirect to its address."""
        app = gallery.find(self.folder, (name or "").removesuffix(".ipynb"))
        if app is None:
            raise HTTPError(404, f"{name} is no app; JupyterLab opens every notebook: liq lab")
        if f"apps/{name}" != app.path:
            self.redirect(f"{self.base_url}{app.path}")
            return
        self.notebook_path = f"{app.name}.ipynb"
        await super().get()


class Gallery(BaseVoilaHandler):  # type: ignore[misc] # Voila ships no types
    """All apps, each with its picture."""

    def initialize(self, server: DashboardServer, **options: Any) -> None:
        """Set the server, which has the apps."""
        super().initialize(**options)
        self.server = server

    @authenticated
    def get(self) -> None:
        """Send the page."""
        page = self.render_template(
            "apps.html",
            apps=gallery.list_apps(self.server.folder),
            assets=self.server.assets_url,
            pictures=self.server.assets.plain,
        )
        self.finish(page)


class LoginPage(LoginForm):
    """The login page, in the style of the other pages."""

    def initialize(self, assets: str) -> None:
        """Set the address of the pages' files."""
        self.assets = assets

    @property
    def template_namespace(self) -> dict[str, Any]:
        """The variables of templates."""
        return super().template_namespace | {"assets": self.assets}


class Logout(JupyterHandler):
    """Logs a visitor out."""

    @allow_unauthenticated
    def get(self) -> None:
        """Clear the login and redirect to the login page."""
        self.identity_provider.clear_login_cookie(self)
        self.redirect(self.get_login_url())


class Asset(RequestHandler):
    """A file of the page: public, and immutable under its URL."""

    def initialize(self, assets: Assets) -> None:
        """Set the files."""
        self.assets = assets

    def get(self, name: str) -> None:
        """Send the file."""
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
    """The health check, which needs no token and reveals nothing else."""

    def get(self) -> None:
        """Send ``{"ok": true}``."""
        self.finish({"ok": True})
