"""Serve the dashboard, JupyterLab, the HTTP API, tools for assistants and Streamlit."""

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from markupsafe import Markup

from liq.cli.output import console, serving, stderr
from liq.common import files
from liq.config import Settings
from liq.config import settings as current_settings
from liq.web import serve

Browser = Annotated[bool, typer.Option(help="open the page in a browser")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="port to listen on")]
BaseUrl = Annotated[
    str | None,
    typer.Option(help="path of all apps behind a reverse proxy, as /liq; LIQ_BASE_URL by default"),
]
app = typer.Typer()


@app.command()
def dashboard(
    *,
    port: Port = None,
    base_url: BaseUrl = None,
    browser: Browser = True,
    show_tracebacks: Annotated[
        bool, typer.Option(help="show the notebook's errors in the page")
    ] = False,
    pool: Annotated[int, typer.Option(min=0, help="kernels to preheat for new visitors")] = 2,
) -> None:
    """Serve the live dashboard and print its address."""
    settings = choose_settings(dashboard_port=port, base_url=base_url)
    print_address("Dashboard", serve.build_dashboard_url(settings), "LIQ_TOKEN")
    with serving():
        serve.run_dashboard(settings, browser=browser, tracebacks=show_tracebacks, pool=pool)


@app.command()
def lab(
    *,
    port: Port = None,
    base_url: BaseUrl = None,
    browser: Browser = True,
    folder: Annotated[
        Path | None, typer.Option(help="another folder of notebooks", exists=True, file_okay=False)
    ] = None,
) -> None:
    """Open JupyterLab on your copies of the notebooks, with the settings of the stack.

    The copies are in LIQ_HOME/notebooks. `liq notebooks` lists and restores them.
    """
    settings = choose_settings(lab_port=port, base_url=base_url)
    print_address("JupyterLab", serve.build_lab_url(settings), "LIQ_LAB_TOKEN")
    with serving():
        serve.run_lab(settings, browser=browser, folder=folder)


@app.command()
def api(*, port: Port = None, base_url: BaseUrl = None) -> None:
    """Serve every query of the catalogue over HTTP and print the address of the API's docs."""
    from liq.web.api import build_url, run  # noqa: PLC0415 - Flask and pandas would slow all commands

    settings = choose_settings(api_port=port, base_url=base_url)
    print_address("API", build_url(settings), "LIQ_TOKEN")
    with serving():
        run(settings)


@app.command()
def mcp(
    *,
    http: Annotated[
        bool, typer.Option("--http", help="serve over HTTP, with the token, in place of stdio")
    ] = False,
    port: Port = None,
    base_url: BaseUrl = None,
) -> None:
    """Serve every query as a tool for assistants: the Model Context Protocol.

    An assistant starts the command itself and speaks over stdin and stdout. With --http it connects
    to a running server.
    """
    from liq.web import assistants  # noqa: PLC0415 - MCP's SDK is an extra, and slow to import

    settings = choose_settings(mcp_port=port, base_url=base_url)
    if http:
        print_address("MCP", f"{settings.mcp_url} (log in with Authorization: Bearer LIQ_TOKEN)")
        with serving():
            assistants.run_http(settings)
    else:
        if sys.stdin.isatty():
            stderr.print(
                "waiting for an assistant on stdin, see docs/assistants.md; Ctrl-C ends it"
            )
        assistants.run_stdio(settings)


@app.command()
def streamlit(*, port: Port = None, base_url: BaseUrl = None, browser: Browser = True) -> None:
    """Serve the Streamlit dashboard over the HTTP API (`liq api`) and print its address."""
    settings = choose_settings(streamlit_port=port, base_url=base_url)
    print_address("Streamlit", serve.build_streamlit_url(settings), "LIQ_TOKEN")
    with serving():
        serve.run_streamlit(settings, browser=browser)


def choose_settings(**chosen: object) -> Settings:
    """Return the current settings, or others with the ``chosen`` values that are not None.

    Raises:
        ConfigError: A value is not valid.
    """
    given = {name: value for name, value in chosen.items() if value is not None}
    return Settings.load(**given) if given else current_settings()


def open_browser(url: str) -> None:
    """Open a page in the user's browser, or say that there is none.

    Other users of the machine see the arguments of a browser, so a page with a token is opened by
    a file that only this user can read, as Jupyter does. Without a browser no file is left.
    """
    page = current_settings().home / "open.html"
    text = Markup('<meta http-equiv="refresh" content="0;url={}">').format(url)
    try:
        webbrowser.get()
        files.write_whole(page, text, mode=0o600)
        if webbrowser.open(page.as_uri()):
            return
        page.unlink(missing_ok=True)
        reason = ""
    except webbrowser.Error:
        reason = ""
    except OSError as error:
        reason = f" ({error})"
    where = "" if sys.stdout.isatty() else "; `liq status` shows it with the token on a terminal"
    stderr.print(f"no browser could be started{reason}; copy the address into one{where}")


def print_address(what: str, url: str, token: str = "") -> None:
    """Print a server's address: with the token on a terminal, without it in a log.

    ``token`` is the name of the variable that holds the token.
    """
    if "?" in url and not sys.stdout.isatty():
        where = "`liq env` prints it; docker-compose's is in .env"
        url = f"{url.partition('?')[0]} (log in with {token}: {where})"
    console.print(f"{what}: {url}", soft_wrap=True)
