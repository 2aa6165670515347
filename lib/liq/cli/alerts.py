"""Evaluate the alert rules, once or again and again."""

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from liq.cli.output import LogFormatter, console, notes, styled
from liq.errors import RuleError

if TYPE_CHECKING:
    from rich.text import Text

    from liq.analysis.alerts.evaluator import Evaluation

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
    from liq.analysis.alerts.evaluator import run  # noqa: PLC0415 - pandas would slow all commands

    log = logging.StreamHandler()
    log.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[log])
    asyncio.run(run(every))


@alerts.command("check")
def once() -> None:
    """Check alerts.json and evaluate each rule once; raise nothing, fail if one cannot be used."""
    from liq.analysis.alerts.evaluator import check  # noqa: PLC0415 - as above

    findings = check()
    table = Table("rule", "value", "fires when", "now")
    for finding in findings:
        table.add_row(*_row(finding))
    console.print(table)
    for one in findings:
        notes(one.notes, one.name)
    if faults := [f"{one.name}: {one.fault}" for one in findings if one.fault]:
        raise RuleError("\n".join(faults))


@alerts.command("backtest")
def over_the_past(
    rule: Annotated[str, typer.Argument(help="a rule of alerts.json")],
    window: Annotated[str, typer.Option(help="how much of the past, e.g. 12h or 7d")] = "1d",
    until: Annotated[str | None, typer.Option(help="its end, ISO 8601 in UTC; now")] = None,
    step: Annotated[
        str | None, typer.Option(help="between evaluations, e.g. 10s; by the rule's window")
    ] = None,
) -> None:
    """Evaluate a rule over what is stored: the alerts it would have raised. Raises none."""
    from liq.analysis.alerts import backtest  # noqa: PLC0415 - as above

    past = backtest(rule, window, until, step, progress=True)
    table = Table("time (UTC)", "value", "message")
    for one in past.alerts.itertuples():
        table.add_row(f"{one.ts:%Y-%m-%d %H:%M:%S}", f"{one.value:,.6g}", str(one.message))
    console.print(table)
    console.print(str(past))


def _row(finding: "Evaluation") -> "tuple[str, str, str, str | Text]":
    from liq.analysis.alerts.rules import comparison  # noqa: PLC0415 - as above

    rule = finding.rule
    if rule is None or finding.fault:
        return finding.name, "", "", styled("cannot be evaluated", "red")
    value = "nothing" if finding.value is None else f"{finding.value:,.6g}"
    state = "fires" if finding.alerts else "cools down" if finding.met else "quiet"
    if rule.by and finding.met:
        state = f"{state} for {len(finding.alerts) or finding.met}"
    return finding.name, value, comparison(rule), state
