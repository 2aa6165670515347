"""The ``liq`` command: one module a group of commands, each thin.

In: what a user types. Out: calls of all other folders, and what they return as text.
"""

import contextlib
import logging
import sys

import typer

from liq import config
from liq.cli import alerts, api, deadletters, feed, output, query, record, serve, spark, stack
from liq.errors import ConfigError, LiqError

app = typer.Typer(
    name="liq",
    help="Realtime crypto liquidations: exchange websockets, Kafka, QuestDB, live notebooks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# They end or reset what is supervised, or only print; `status` does it last. The others serve for
# long: the supervisor starts them itself, and would become a child of its own.
_LEFT_ALONE = {"down", "reset", "env", "status", "supervise", "simulate", "produce", "dashboard"}
_LEFT_ALONE |= {"alerts", "api", "streamlit", "spark", "init"}

for module in (stack, feed, record, query, serve, api, deadletters, alerts, spark):
    app.add_typer(module.app)


@app.callback()
def before(context: typer.Context) -> None:
    """Start the supervisor again if it died or hangs, before a command that uses the stack."""
    if context.invoked_subcommand not in _LEFT_ALONE and "--help" not in sys.argv:
        with contextlib.suppress(ConfigError):  # the command itself says what is wrong
            config.settings()
            stack.revive_supervisor()


def main() -> None:
    """Run the command line; a `LiqError` ends it with one readable line and exit code 1."""
    if logging.lastResort:  # prints the warnings of commands that set up no log
        logging.lastResort.setFormatter(output.LogFormatter())
    try:
        app()
    except LiqError as error:
        output.errors.print(output.styled("error:", "bold red"), str(error))
        sys.exit(1)
