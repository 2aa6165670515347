"""The ``liq`` command: a thin module for each group of commands.

In: command lines. Out: calls of the other folders, and their results as text.
"""

import contextlib
import logging
import os
import signal
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer
from pydantic_core import SchemaError

from liq.cli import (
    alerts,
    completion,
    deadletters,
    feed,
    notebooks,
    output,
    query,
    serve,
    spark,
    stack,
    venues,
)
from liq.cli.help import Group
from liq.common import waiting
from liq.common.text import describe_error
from liq.config import settings as current_settings
from liq.errors import ConfigError, LiqError

_DEBUG = "--debug"
_HELP = {"-h", "--help"}
_INTERRUPTED = 130  # what typer makes of Ctrl-C

app = typer.Typer(
    name="liq",
    cls=Group,
    help="Realtime crypto liquidations: exchange websockets, Kafka, QuestDB, live notebooks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": sorted(_HELP)},
)
# These commands end or reset the supervised processes, or only print; `status` revives the
# supervisor itself. The others are services that the supervisor starts: it would become the child
# of its own child.
_NO_REVIVAL = {"down", "reset", "env", "status", "supervise", "simulate", "produce", "dashboard"}
_NO_REVIVAL |= {"alerts", "api", "mcp", "streamlit", "spark", "init", "check-venues"}

for module in (stack, feed, venues, query, notebooks, serve, deadletters, alerts, spark):
    app.add_typer(module.app)


def _print_version(value: bool) -> None:  # noqa: FBT001 - as typer calls it
    if value:
        output.echo(f"liq {version('liq')}")
        raise typer.Exit


@app.callback()
def begin(
    context: typer.Context,
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    _debug: Annotated[
        bool, typer.Option(_DEBUG, help="Show the traceback of an error; also after a command.")
    ] = False,
) -> None:
    """Restart the supervisor if it died or hangs, before a command that uses the stack."""
    if context.invoked_subcommand not in _NO_REVIVAL and not _HELP & set(sys.argv):
        with contextlib.suppress(ConfigError):  # the command itself reports the error
            current_settings()
            stack.revive_supervisor()


def main() -> None:
    """Run the command line; an error is one line, with exit code 1, unless ``--debug`` is there."""
    output.prepare_streams()
    if logging.lastResort:  # prints the warnings of commands without a log
        logging.lastResort.setFormatter(output.LogFormatter())
    given = sys.argv[1:]
    arguments = [argument for argument in given if argument != _DEBUG]
    try:
        with completion.join_words_of_bash():
            app(arguments)
    except (
        BrokenPipeError
    ):  # whoever reads the output has ended; typer sees it within a command only
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        sys.exit(1)
    except (Exception, KeyboardInterrupt) as error:  # a fault of ours, too, is one line
        if _is_interruption(error):
            output.report_interruption()
            sys.exit(_INTERRUPTED)
        if _DEBUG in given:
            output.stderr.print(traceback.format_exc(), soft_wrap=True)
        _report(error)
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == _INTERRUPTED or waiting.was_interrupted():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # the next one ends the process at once
            output.report_interruption()
        raise


def _is_interruption(error: BaseException) -> bool:
    # pydantic makes an error of a Ctrl-C that comes while it builds a class
    is_hidden = isinstance(error, SchemaError) and KeyboardInterrupt.__name__ in str(error)
    return is_hidden or isinstance(error, KeyboardInterrupt)  # typer sees one within a command only


def _report(error: BaseException) -> None:
    text = describe_error(error)
    if not isinstance(error, LiqError | OSError):
        text = f"{type(error).__name__}: {error}; a fault of liq, {_DEBUG} shows where"
    label, is_terminal = output.styled("error:", "bold red"), output.stderr.is_terminal
    output.stderr.print(label, text, soft_wrap=not is_terminal)  # one line in files, for grep
