"""Bring the local Kafka, Kafka Connect and QuestDB up and down, and all of liq with them."""

import contextlib
import signal
import threading
import time
import webbrowser
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from liq import config, stack
from liq.stack import Extra, ServiceStatus, Source, State
from liq.stack.progress import Report

app = typer.Typer()
_console = Console()
_DAY_S = 86_400
_COLOURS = {
    State.HEALTHY: "green",
    State.STARTING: "yellow",
    State.UNHEALTHY: "red",
    State.DIED: "red",
    State.STOPPED: "dim",
}


@app.command()
def run(
    feed: Annotated[
        Source,
        typer.Option(help="auto takes the live exchanges, the simulator where none is reached"),
    ] = Source.AUTO,
    venue: Annotated[
        list[str] | None, typer.Option(help="exchange, repeatable; all: every one")
    ] = None,
    rate: Annotated[
        float, typer.Option(help="liquidations a second of a simulated exchange", min=0.01)
    ] = 5.0,
    extras: Annotated[
        list[Extra] | None,
        typer.Option("--with", help="start this too, repeatable; streamlit brings the api"),
    ] = None,
    *,
    prices: Annotated[bool, typer.Option(help="follow mark prices too")] = True,
    open_: Annotated[bool, typer.Option("--open", help="open the dashboard in a browser")] = False,
) -> None:
    """Start everything: the servers, a feed, the live dashboard, alerts. Print the dashboard's URL.

    It all goes on in the background until `liq down`. Repeat it to change the feed.
    """
    with _progress() as report:
        session = stack.run(
            source=feed,
            venues=venue or (),
            rate=rate,
            prices=prices,
            extras=extras or (),
            progress=report,
        )
    status()
    if session.source is Source.SIMULATOR:
        _console.print("\nThe liquidations are [bold]simulated[/], not real.")
    for extra, url in session.extra_urls.items():
        _console.print(f"\n{extra}: [bold]{url}[/]", soft_wrap=True)
    _console.print(f"\nDashboard: [bold]{session.dashboard_url}[/]", soft_wrap=True)
    if open_:
        webbrowser.open(session.dashboard_url)


@app.command()
def up(
    *,
    keep: Annotated[
        bool, typer.Option("--supervise", help="then stay, as `liq supervise` does")
    ] = False,
) -> None:
    """Start Kafka, Kafka Connect and QuestDB, with topics, tables and sinks. Safe to repeat.

    The first time Maven fetches them; later they start from the cache, in seconds.
    """
    with _progress() as report:
        stack.up(progress=report)
    status()
    if keep:
        supervise()


@app.command()
def supervise() -> None:
    """Keep what runs running, and tell what was mended.

    Dead processes are started again, failed tasks of the sinks restarted, suspended tables resumed.
    `liq run` has one in the background. Ctrl-C ends it, and leaves all else as it is.
    """
    ended = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())

    def report(subject: str, event: str) -> None:
        _console.print(f"{_clock(time.time())}  {subject}: {event}", soft_wrap=True, markup=False)

    stack.Supervisor(report=report).run(ended)


@app.command()
def init() -> None:
    """Create topics, tables and sinks in servers that run already, e.g. those of docker-compose.

    `liq up` does it for its own. Safe to repeat.
    """
    stack.furnish()
    _console.print("topics, tables and sinks are there")


@app.command()
def env() -> None:
    """Print the settings, passwords and token too, as LIQ_* variables.

    Keep what it prints to yourself: `liq env > .env` is what docker-compose.yml reads.
    """
    for name, value in config.settings().environ().items():
        typer.echo(f"{name}={value}")


@app.command()
def status() -> None:
    """Show what runs: state, process, memory, address; and what was mended lately."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("service", "state", "pid", "memory", "up"):
        table.add_column(column, justify="right" if column in ("pid", "memory", "up") else "left")
    table.add_column("address", overflow="fold")
    for service in stack.status():
        table.add_row(*_row(service))
    _console.print(table)
    a_day_ago = time.time() - _DAY_S
    if lately := [one for one in stack.findings() if one.time > a_day_ago]:
        _console.print(
            "\nmended within a day (UTC), oldest first; `liq logs supervisor` goes on", style="dim"
        )
        for one in lately:
            line = f"{_clock(one.time)}  {one.subject}: {one.event}"
            _console.print(line, soft_wrap=True, markup=False, highlight=False)


@app.command()
def logs(
    service: Annotated[
        str, typer.Argument(help="kafka, connect, questdb, producer, dashboard, supervisor, ...")
    ],
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="how many of the last lines")
    ] = 50,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="go on with what is added, until Ctrl-C")
    ] = False,
) -> None:
    """Show the log of a service. The run before is in the same folder, as SERVICE.log.1."""
    with contextlib.suppress(KeyboardInterrupt):
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
    """End everything and delete all data: topics, tables, sinks, what was not delivered yet.

    Asks first. Logs, recordings and secrets stay.
    """
    home = config.settings().home
    if not yes:
        typer.confirm(f"Delete all liquidations stored under {home}?", abort=True)
    with _progress() as report:
        stack.reset(progress=report)
    _console.print(f"deleted the data under {home}")


def _row(service: ServiceStatus) -> list[str]:
    return [
        service.name,
        f"[{_COLOURS[service.state]}]{service.state}[/]",
        str(service.pid or ""),
        f"{service.memory / 2**20:.0f} MB" if service.memory else "",
        _duration(service.uptime) if service.uptime is not None else "",
        service.address,
    ]


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


@contextlib.contextmanager
def _progress() -> Iterator[Report]:
    """Show the latest event of each subject, in place on a terminal, line by line elsewhere."""
    if not _console.is_terminal:
        yield lambda subject, event: _console.print(
            f"{subject}: {event}", highlight=False, soft_wrap=True
        )
        return
    events: dict[str, str] = {}
    with _console.status("") as line:

        def report(subject: str, event: str) -> None:
            events[subject] = event
            line.update("   ".join(f"[bold]{who}[/] {what}" for who, what in events.items()))

        yield report
