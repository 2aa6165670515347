"""Evaluate the alert rules: continuously, once, or over the past."""

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liq.cli.completion import complete_rules
from liq.cli.help import Group
from liq.cli.output import LogFormatter, console, create_table, echo, print_notes, show_wait, styled
from liq.common.text import format_number
from liq.errors import QuestDBError, RuleError

if TYPE_CHECKING:
    from rich.text import Text

    from liq.analysis.alerts.evaluator import Evaluation

app = typer.Typer()
alerts = typer.Typer(cls=Group, invoke_without_command=True)
app.add_typer(alerts, name="alerts")


@alerts.callback()
def evaluate(
    context: typer.Context,
    every: Annotated[float, typer.Option(min=0.1, help="seconds between evaluations")] = 5.0,
) -> None:
    """Evaluate the rules of alerts.json every few seconds; log, store and send each alert.

    Every dashboard shows the stored alerts. Alerts are sent to LIQ_WEBHOOK_URL and
    LIQ_NOTIFY_URLS if they are set.
    Stop with Ctrl-C or SIGTERM.
    """
    if context.invoked_subcommand:
        return
    from liq.analysis.alerts.evaluator import run  # noqa: PLC0415 - pandas would slow all commands

    _log_to_stderr()
    asyncio.run(run(every))


def _log_to_stderr() -> None:
    log = logging.StreamHandler()
    log.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[log])


@alerts.command("check")
def check_rules() -> None:
    """Validate alerts.json and evaluate every rule once without sending alerts.

    Exits with 1 if a rule is invalid, or a receiver of LIQ_NOTIFY_URLS or LIQ_WEBHOOK_URL. Without
    QuestDB it prints the invalid rules and receivers only.
    """
    from liq.analysis.alerts.evaluator import check, check_receivers  # noqa: PLC0415 - as above
    from liq.analysis.alerts.rules import load_rules  # noqa: PLC0415 - as above

    unusable = 0
    for fault in check_receivers():
        echo(fault)
        unusable += 1
    try:
        with show_wait("evaluating the rules"):
            evaluations = check()
    except QuestDBError:
        for fault in load_rules().faults.values():
            echo(fault)
        raise
    table = create_table("rule", "value", "condition", "state")
    for one in evaluations:
        table.add_row(*_row(one))
    console.print(table)
    for one in evaluations:
        print_notes(one.notes, one.name)
    faulty = [one for one in evaluations if one.fault]
    for one in faulty:  # a line each, which begins with the place: editors and grep follow it
        echo(f"{one.name}: {one.fault}" if one.rule else one.fault)
    if faulty:
        raise RuleError(f"{len(faulty)} of {len(evaluations)} rules cannot be evaluated")
    if unusable:
        raise RuleError("not every alert can be sent; correct the lines above")


@alerts.command("test")
def send_test_alert() -> None:
    """Send one alert, marked as a test, to every receiver, and print whether it got through.

    Receivers are LIQ_WEBHOOK_URL, LIQ_NOTIFY_URLS and the log. The alert is not stored, so no
    dashboard shows it. Exits with 1 if a receiver did not get it.
    """
    from liq.analysis.alerts.evaluator import send_test  # noqa: PLC0415 - as above

    _log_to_stderr()
    with show_wait("sending a test alert"):
        deliveries = asyncio.run(send_test())
    table = create_table("receiver", "address", "test alert")
    table.add_row("log", "this terminal", "sent")
    for one in deliveries:
        table.add_row(one.receiver, one.address, styled(one.fault, "red") if one.fault else "sent")
    console.print(table)
    if not deliveries:
        print_notes(["only the log gets alerts; set LIQ_NOTIFY_URLS or LIQ_WEBHOOK_URL"])
    if failed := sum(bool(one.fault) for one in deliveries):
        raise RuleError(f"{failed} of {len(deliveries)} receivers did not get the test alert")


@alerts.command("backtest")
def backtest_rule(
    rule: Annotated[
        str, typer.Argument(help="a rule of alerts.json", autocompletion=complete_rules)
    ],
    window: Annotated[str, typer.Option(help="how far back, e.g. 12h or 7d")] = "1d",
    until: Annotated[
        str | None, typer.Option(help="end of the window, ISO 8601 in UTC; now by default")
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(help="time between evaluations, e.g. 10s; by default from the rule's window"),
    ] = None,
) -> None:
    """Evaluate a rule over stored data and list the alerts that it would have sent."""
    from liq.analysis.alerts import backtest  # noqa: PLC0415 - as above

    past = backtest(rule, window, until, step, progress=True)
    table = create_table("time (UTC)", "value", "message")
    raised: Iterator[Any] = past.alerts.itertuples()
    for one in raised:
        table.add_row(f"{one.ts:%Y-%m-%d %H:%M:%S}", format_number(one.value), str(one.message))
    console.print(table)
    console.print(str(past))


def _row(one: "Evaluation") -> "tuple[str, str, str, str | Text]":
    from liq.analysis.alerts.rules import describe_comparison  # noqa: PLC0415 - as above

    rule = one.rule
    if rule is None or one.fault:
        return one.name, "", "", styled("cannot be evaluated", "red")
    value = "none" if one.value is None else format_number(one.value)
    state = "fires" if one.alerts else "cools down" if one.met else "quiet"
    if rule.muted:
        state = "muted"
    elif rule.by and one.met:
        state = f"{state} for {len(one.alerts) or one.met}"
    return one.name, value, describe_comparison(rule), state
