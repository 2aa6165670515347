"""Evaluate the alert rules, once or again and again."""

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from liq.errors import RuleError

if TYPE_CHECKING:
    from liq.alerts.evaluator import Finding

app = typer.Typer()
alerts = typer.Typer(invoke_without_command=True)
app.add_typer(alerts, name="alerts")


@alerts.callback()
def evaluate(
    context: typer.Context,
    every: Annotated[float, typer.Option(min=0.1, help="seconds between evaluations")] = 5.0,
) -> None:
    """Evaluate the rules of alerts.json every few seconds: log, store and post what fires.

    What fires goes into the table of alerts, which every dashboard shows, and to LIQ_WEBHOOK_URL
    where that is set. Ctrl-C or SIGTERM ends it.
    """
    if context.invoked_subcommand:
        return
    from liq.alerts.evaluator import run  # noqa: PLC0415 - pandas would slow all commands

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(run(every))


@alerts.command("check")
def once() -> None:
    """Check alerts.json and evaluate each rule once; raise nothing, fail if one cannot be used."""
    from liq.alerts.evaluator import check  # noqa: PLC0415 - as above

    findings = check()
    table = Table("rule", "value", "fires when", "now")
    for finding in findings:
        table.add_row(*_row(finding))
    Console().print(table)
    if faults := [f"{one.name}: {one.fault}" for one in findings if one.fault]:
        raise RuleError("\n".join(faults))


def _row(finding: "Finding") -> tuple[str, str, str, str]:
    from liq.alerts.rules import comparison  # noqa: PLC0415 - as above

    rule = finding.rule
    if rule is None or finding.fault:
        return finding.name, "", "", "[red]cannot be evaluated[/]"
    value = "nothing" if finding.value is None else f"{finding.value:,.6g}"
    state = "fires" if finding.alert else "cools down" if finding.met else "quiet"
    return finding.name, value, comparison(rule), state
