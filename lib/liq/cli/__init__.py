"""The ``liq`` command: a thin module for each group of commands.

In: command lines. Out: calls of the other folders, and their results as text.
"""

import contextlib
import logging
import sys

import typer

from liq.cli import alerts, deadletters, feed, output, query, serve, spark, stack, venues
from liq.config import settings as current_settings
from liq.errors import ConfigError, LiqError

app = typer.Typer(
    name="liq",
    help="Realtime crypto liquidations: exchange websockets, Kafka, QuestDB, live notebooks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# These commands end or reset the supervised processes, or only print; `status` revives the
# supervisor itself. The others are services that the supervisor starts: it would become the child
# of its own child.
_NO_REVIVAL = {"down", "reset", "env", "status", "supervise", "simulate", "produce", "dashboard"}
_NO_REVIVAL |= {"alerts", "api", "mcp", "streamlit", "spark", "init", "check-venues"}

for module in (stack, feed, venues, query, serve, deadletters, alerts, spark):
    app.add_typer(module.app)


@app.callback()
def revive_supervisor(context: typer.Context) -> None:
    """Restart the supervisor if it died or hangs, before a command that uses the stack."""
    if context.invoked_subcommand not in _NO_REVIVAL and "--help" not in sys.argv:
        with contextlib.suppress(ConfigError):  # the command itself reports the error
            current_settings()
            stack.revive_supervisor()


def main() -> None:
    """Run the command line; a `LiqError` is printed as one line, with exit code 1."""
    if logging.lastResort:  # prints the warnings of commands without a log
        logging.lastResort.setFormatter(output.LogFormatter())
    try:
        app()
    except LiqError as error:
        output.stderr.print(output.styled("error:", "bold red"), str(error))
        sys.exit(1)
