"""Serve the dashboard (Voila), JupyterLab and Streamlit.

Each server runs in this process until it ends. The kernels inherit the settings through the
environment, so a notebook uses the stack that serves it. Voila and JupyterLab require the token.
Streamlit has no login: it is served on loopback only, or behind a proxy with liq's login.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

from pydantic import SecretStr

from liq.common import addresses, compat, files, kernels, web
from liq.common.extras import describe_installation
from liq.config import Settings, choose_settings
from liq.config import settings as current_settings
from liq.errors import ServeError
from liq.notebook import copies
from liq.web.voila_app import forking

if TYPE_CHECKING:
    from traitlets.config import Config

IDLE_KERNEL = 120  # seconds without a page, after which a kernel is ended


def run_dashboard(
    settings: Settings | None = None,
    *,
    browser: bool = True,
    tracebacks: bool = False,
    pool: int = 2,
) -> None:
    """Serve the dashboard notebook, and the other notebooks as apps, until this process ends.

    Args:
        settings: Settings of the stack; the current ones by default.
        browser: Whether to open the page.
        tracebacks: Whether pages show the notebook's errors, which may contain paths and settings.
        pool: Number of preheated kernels, so that a page opens at once.

    Raises:
        ServeError: The port is taken.
    """
    settings = choose_settings(settings)
    check_port(settings.host, settings.dashboard_port, "LIQ_DASHBOARD_PORT")
    web.redact_logs([settings.token.get_secret_value()])
    # figures are sent as data, not as HTML with plotly.js in it: the page has plotly.js
    os.environ.update(
        settings.environ() | kernels.build_environment(), PLOTLY_RENDERER="plotly_mimetype"
    )
    compat.skip_url_grammar()
    forking.preload()
    from liq.web.voila_app.server import DashboardServer  # noqa: PLC0415 - takes a second to import

    config = create_dashboard_config(settings, browser=browser, tracebacks=tracebacks, pool=pool)
    notebook = copies.update(settings) / "dashboard.ipynb"
    with kernels.private_folder() as private:
        config.Voila.connection_dir_root = str(private)
        DashboardServer.launch_instance([str(notebook)], config=config)


def run_lab(
    settings: Settings | None = None,
    *,
    browser: bool = True,
    folder: Path | None = None,
    page: str = "",
) -> None:
    """Serve JupyterLab until this process ends.

    Args:
        settings: Settings of the stack; the current ones by default.
        browser: Whether to open the page.
        folder: Notebooks; by default the user's copies of the shipped ones.
        page: A notebook in the folder to open; JupyterLab's own start page by default.

    Raises:
        ServeError: The port is taken.
    """
    settings = choose_settings(settings).with_lab_token()
    check_port(settings.host, settings.lab_port, "LIQ_LAB_PORT")
    web.redact_logs([settings.token.get_secret_value(), settings.lab_token.get_secret_value()])
    # our configuration disables Voila's extension, which takes seconds to import and serves more
    # files; `liq dashboard` serves notebooks as apps
    variables = settings.environ() | kernels.build_environment()
    os.environ.update(variables, JUPYTER_CONFIG_PATH=_build_lab_config_path())
    compat.skip_url_grammar()
    from jupyterlab.commands import get_app_dir  # noqa: PLC0415 - takes a second to import
    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - as does this

    from liq.web.access import RequestFilter  # noqa: PLC0415 - as does this

    folder = folder or copies.update(settings)
    config = create_lab_config(settings, folder, browser=browser)
    if page:
        config.LabApp.default_url = f"/lab/tree/{quote(page)}"
    with kernels.private_folder() as private:
        server = LabApp.initialize_server(config=config, runtime_dir=str(private))
        # pages log in by cookie, so that no request contains the token
        server.web_app.settings["page_config_data"]["token"] = ""
        headers = web.build_headers(
            create_lab_policy(Path(get_app_dir()) / "static"), referrer="same-origin"
        )
        # JupyterLab's scripts send the cookie _xsrf back in a header
        request_filter = RequestFilter(server.web_app, settings, headers, readable=["_xsrf"])
        _replace_callback(server.http_server, request_filter)
        try:
            server.start()
        finally:
            compat.end_idle_workers()


def run_streamlit(settings: Settings | None = None, *, browser: bool = True) -> None:
    """Serve ``dashapp.py`` by Streamlit until this process ends.

    It has no login, so it is served on loopback only. Behind a proxy ``dashapp.py`` adds one.

    Args:
        settings: Settings of the stack; the current ones by default.
        browser: Whether to open the page.

    Raises:
        ServeError: Streamlit is not installed or refuses a setting, the host is not loopback, or
            the port is taken.
    """
    settings = choose_settings(settings)
    if not settings.is_on_loopback and not settings.is_behind_proxy:
        raise ServeError(f"Streamlit asks for no token: it is not served on {settings.host}")
    if not find_spec("streamlit"):
        raise ServeError(
            "Streamlit is not installed: run make setup in a checkout, else"
            f" {describe_installation('streamlit')}"
        )
    check_port(settings.host, settings.streamlit_port, "LIQ_STREAMLIT_PORT")
    options = {
        "server.address": settings.host,
        "server.port": settings.streamlit_port,
        "server.baseUrlPath": unquote(settings.find_path("streamlit")).strip("/"),
        "server.headless": str(not browser).lower(),
        "browser.gatherUsageStats": "false",
    }
    os.environ.update(settings.environ())
    from click import Abort, ClickException  # noqa: PLC0415 - streamlit's
    from streamlit.web.cli import main  # noqa: PLC0415 - an extra, which takes a second to import

    arguments = ["run", str(files.find_asset("dashapp.py"))]
    arguments += [f"--{name}={value}" for name, value in options.items()]
    try:
        main(arguments, "streamlit", standalone_mode=False)
    except Abort as error:  # what click makes of Ctrl-C
        raise KeyboardInterrupt from error
    except ClickException as error:  # of a variable STREAMLIT_…
        raise ServeError(f"Streamlit refuses a setting: {error.format_message()}") from error


def build_dashboard_url(settings: Settings | None = None) -> str:
    """Return the dashboard's address with its token."""
    settings = choose_settings(settings)
    return f"{settings.find_url('dashboard')}/?{_build_query(settings.token)}"


def build_lab_url(settings: Settings | None = None) -> str:
    """Return JupyterLab's address with its token."""
    settings = choose_settings(settings).with_lab_token()
    return f"{settings.find_url('lab')}/lab?{_build_query(settings.lab_token)}"


def build_streamlit_url(settings: Settings | None = None) -> str:
    """Return Streamlit's address, with the token where Streamlit asks for it."""
    settings = choose_settings(settings)
    login = f"/?{_build_query(settings.token)}" if settings.is_behind_proxy else ""
    return settings.streamlit_url + login


def define_launcher() -> dict[str, Any]:
    """Return the dashboard as jupyter-server-proxy starts it from JupyterLab's launcher.

    It starts at the first click, on a free port, and ends with JupyterLab. Whoever has logged in to
    JupyterLab needs no other login, since requests get the token on their way.
    """
    token = current_settings().token.get_secret_value()
    own_path = ["--port", "{port}", "--base-url", "{base_url}liq"]
    return {
        "command": [sys.executable, "-m", "liq", "dashboard", "--no-browser", *own_path],
        "absolute_url": True,
        "timeout": 120,  # seconds, of a busy machine
        "request_headers_override": {
            "Authorization": f"token {token}".replace("{", "{{").replace("}", "}}"),
            "Host": "127.0.0.1",  # JupyterLab has checked the name that the browser used
        },
        "launcher_entry": {
            "title": "Liquidations",
            "icon_path": str(Path(__file__).with_name("launcher.svg")),
        },
    }


def define_apps_launcher() -> dict[str, Any]:
    """Return the gallery of notebooks as apps, a second card of the launcher.

    Its address is one of the dashboard's, so jupyter-server-proxy starts no second server.
    """
    entry = define_launcher()["launcher_entry"]
    return define_launcher() | {
        "launcher_entry": entry | {"title": "Notebooks as apps", "path_info": "liq/apps"}
    }


def create_dashboard_config(
    settings: Settings, *, browser: bool = True, tracebacks: bool = False, pool: int = 2
) -> "Config":
    """Return Voila's configuration."""
    token = settings.token.get_secret_value()
    config = kernels.create_config()
    config.Voila.update(
        ip=settings.host,
        port=settings.dashboard_port,
        base_url=settings.find_path("dashboard"),
        port_retries=0,
        open_browser=browser,
        token=token,
        cookie_secret=web.derive_cookie_secret(token),
        identity_provider_class="liq.web.access.Login",
        config_file_paths=[],
    )
    config.DashboardServer.update(liq_settings=settings, places=settings.dashboard_kernels)
    config.Login.cookie_name = f"liq-dashboard-{settings.dashboard_port}"
    config.VoilaConfiguration.update(
        show_tracebacks=tracebacks,
        preheat_kernel=pool > 0,
        default_pool_size=min(pool, settings.dashboard_kernels),
        allow_template_override="NO",
        allow_theme_override="NO",
        file_allowlist=[],
    )
    config.NbConvertBase.display_data_priority = [
        "application/vnd.jupyter.widget-view+json",
        "application/vnd.plotly.v1+json",
        "text/html",
        "text/markdown",
        "image/svg+xml",
        "image/png",
        "image/jpeg",
        "text/plain",
    ]
    config.VoilaExecutor.cell_error_instruction = (
        "The log says why: liq logs dashboard. To see it here, run: liq dashboard --show-tracebacks"
    )
    # with the default of 4 s a slow cell has no output and the page stays empty: many visitors at
    # once can slow the machine that much
    config.VoilaExecutor.iopub_timeout = 60
    # after the default of 60 s a starting kernel is killed and its page is incomplete
    config.VoilaExecutor.startup_timeout = 300
    if forking.SUPPORTED:
        config.KernelProvisionerFactory.default_provisioner_name = "liq-forked"
    # a starting kernel would take the processor from the page that just got a preheated one
    config.VoilaKernelManager.fill_delay = 5
    config.MappingKernelManager.update(
        cull_idle_timeout=IDLE_KERNEL,
        cull_interval=30,
        # messages of a dashboard without a page do not count as activity and need no buffer
        untracked_message_types=["comm_msg", "status", "stream", "error"],
        buffer_offline_messages=False,
    )
    return config


def create_lab_config(settings: Settings, folder: Path, *, browser: bool = True) -> "Config":
    """Return JupyterLab's configuration, without requests to other hosts."""
    token = settings.lab_token.get_secret_value()
    config = kernels.create_config()
    config.ServerApp.update(
        ip=settings.host,
        port=settings.lab_port,
        base_url=settings.find_path("lab"),
        port_retries=0,
        open_browser=browser,
        root_dir=str(folder),
        allow_root=True,  # for containers; other commands of liq may run as root too
        allow_remote_access=True,  # `RequestFilter` checks the host names
        cookie_secret=web.derive_cookie_secret(token),
        identity_provider_class="liq.web.access.Login",
    )
    config.Login.update(
        token=token,
        cookie_name=f"liq-lab-{settings.lab_port}",
        allow_password_change=False,
    )
    config.LabApp.update(
        news_url=None,
        check_for_updates_class="jupyterlab.NeverCheckForUpdate",
        extension_manager="readonly",
    )
    return config


def create_lab_policy(templates: Path) -> str:
    """Return JupyterLab's content security policy; its page is in the folder ``templates``.

    JupyterLab needs two more permissions than our own pages. It compiles JSON schemas to code
    (``unsafe-eval``), and anywidget loads a widget's module from memory (``blob:``). Scripts in a
    cell's output are blocked, as on all our pages.
    """
    import jupyter_server  # noqa: PLC0415 - only its folder is needed, and only here

    jupyter = Path(jupyter_server.__file__).parent / "templates"
    pages = [templates / "index.html", jupyter / "page.html"]
    scripts = " ".join(web.allow_scripts(page.read_text()) for page in pages)
    return web.build_policy(
        script_src=f"'self' 'unsafe-eval' blob: {scripts}",
        style_src="'self' 'unsafe-inline'",
        img_src="'self' data: blob:",
        font_src="'self' data:",
        connect_src="'self'",
        worker_src="'self' blob:",
        frame_src="'self' blob:",
        frame_ancestors="'self'",
    )


def _replace_callback(server: Any, callback: object) -> None:
    """Put ``callback`` in front of JupyterLab's handlers, which has no setting for a filter."""
    compat.TORNADO.get(server, "request_callback")
    server.request_callback = callback


def _build_lab_config_path() -> str:
    """Return the folders of JupyterLab's configuration files: ours before the user's own."""
    own = str(Path(__file__).with_name("labconf"))
    return os.pathsep.join(filter(None, [own, os.environ.get("JUPYTER_CONFIG_PATH")]))


def _build_query(token: SecretStr) -> str:
    return urlencode({"token": token.get_secret_value()})


def check_port(host: str, port: int, setting: str) -> None:
    """Raise `ServeError` if the port is taken: the servers only log it, or use another port."""
    try:
        addresses.check_free(host, port)
    except OSError as error:
        raise ServeError(
            f"cannot listen on {host}:{port}: {error.strerror}; "
            f"end what runs there, or set {setting} to a free port"
        ) from error
