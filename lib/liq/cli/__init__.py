"""The ``liq`` command: one module a group of commands, each a thin face over the library."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from liq.cli import alerts, api, deadletters, feed, query, record, serve, spark, stack
from liq.errors import LiqError

app = typer.Typer(
    name="liq",
    help="Realtime crypto liquidations: exchange websockets, Kafka, QuestDB, live notebooks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for module in (stack, feed, record, query, serve, api, deadletters, alerts, spark):
    app.add_typer(module.app)


def main() -> None:
    """Run the command line; a `LiqError` ends it with one readable line and exit code 1."""
    try:
        app()
    except LiqError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
        sys.exit(1)
