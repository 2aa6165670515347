"""Bring the local Kafka, Kafka Connect and QuestDB up and down."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from liq import config, stack
from liq.stack import State
from liq.stack.progress import Report

app = typer.Typer()
_console = Console()
_COLOURS = {
    State.HEALTHY: "green",
    State.STARTING: "yellow",
    State.UNHEALTHY: "red",
    State.DIED: "red",
    State.STOPPED: "dim",
}


@app.command()
def up() -> None:
    """Start Kafka, Kafka Connect and QuestDB, with topics, table and sink; safe to repeat.

    The first run downloads them with Maven; later runs start from the cache.
    """
    with _progress() as report:
        stack.up(progress=report)
    status()


@app.command()
def status() -> None:
    """Show each service: state, process, memory, address."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("service", "state", "pid", "memory", "up", "address"):
        table.add_column(column, justify="right" if column in ("pid", "memory", "up") else "left")
    for service in stack.status():
        table.add_row(
            service.name,
            f"[{_COLOURS[service.state]}]{service.state}[/]",
            str(service.pid or ""),
            f"{service.memory / 2**20:.0f} MB" if service.memory else "",
            _duration(service.uptime),
            service.address,
        )
    _console.print(table)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="kafka, connect, questdb or an app of `liq run`")],
    lines: Annotated[int, typer.Option("--lines", "-n", help="how many of the last lines")] = 50,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with new lines")] = False,
) -> None:
    """Show the log of a service."""
    for line in stack.logs(service, lines=lines, follow=follow):
        typer.echo(line)


@app.command()
def down() -> None:
    """End what liq started, and nothing else. Data stays."""
    with _progress() as report:
        ended = stack.down(progress=report)
    _console.print(f"ended {', '.join(ended)}" if ended else "nothing was running")


@app.command()
def reset(*, yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False) -> None:
    """End everything and delete all data: topics, table and connectors. Asks first."""
    home = config.settings().home
    if not yes:
        typer.confirm(f"Delete all liquidations stored under {home}?", abort=True)
    with _progress() as report:
        stack.reset(progress=report)
    _console.print(f"deleted the data under {home}")


@contextmanager
def _progress() -> Iterator[Report]:
    """Show the latest event of each subject, in place on a terminal, line by line elsewhere."""
    if not _console.is_terminal:
        yield lambda subject, event: _console.print(f"{subject}: {event}", highlight=False)
        return
    events: dict[str, str] = {}

    def report(subject: str, event: str) -> None:
        events[subject] = event
        table = Table(box=None, show_header=False, pad_edge=False)
        for row in events.items():
            table.add_row(*row)
        live.update(table)

    with Live(console=_console, transient=True) as live:
        yield report


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
