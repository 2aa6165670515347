"""The ``liq`` command: one module a group of commands, each a thin face over the library."""

import logging
import sys

import typer

from liq.cli import alerts, api, deadletters, feed, output, query, record, serve, spark, stack
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
    if logging.lastResort:  # prints the warnings of commands that set up no log
        logging.lastResort.setFormatter(output.LogFormatter())
    try:
        app()
    except LiqError as error:
        output.errors.print(output.styled("error:", "bold red"), str(error))
        sys.exit(1)
