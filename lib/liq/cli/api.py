"""Serve the HTTP API."""

from typing import Annotated

import typer

from liq.cli.serve import print_address
from liq.config import settings as current_settings

app = typer.Typer()


@app.command()
def api(
    *,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="port to listen on")] = None,
) -> None:
    """Serve every query of the catalogue over HTTP and print the address of the API's docs."""
    from liq.web.api import run, url  # noqa: PLC0415 - Flask and pandas would slow all commands

    settings = current_settings()
    if port:
        settings = settings.model_copy(update={"api_port": port})
    print_address("API", url(settings), "LIQ_TOKEN")
    run(settings)
