"""Bring the local Kafka, Kafka Connect and QuestDB up and down, and all of liq with them."""

import contextlib
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from liq import config, stack
from liq.cli import session as sessions
from liq.cli.output import beside, console, echo, errors, styled
from liq.cli.session import Extra, Source
from liq.errors import LiqError, QuestDBError
from liq.records.streams import STREAMS
from liq.stack import ServiceState, ServiceStatus
from liq.stack.progress import Report
from liq.stack.servers import QUESTDB

app = typer.Typer()
AILING = 3  # exit code of `liq status`
_DAY_S = 86_400
_COLOURS = {
    ServiceState.HEALTHY: "green",
    ServiceState.STARTING: "yellow",
    ServiceState.UNHEALTHY: "red",
    ServiceState.DIED: "red",
    ServiceState.STOPPED: "dim",
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
        session = sessions.run(
            source=feed,
            venues=venue or (),
            rate=rate,
            prices=prices,
            extras=extras or (),
            progress=report,
        )
    _show_status()
    if session.source is Source.SIMULATOR:
        console.print("\nThe liquidations are", styled("simulated,", "bold"), "not real.")
    for extra, url in session.extra_urls.items():
        console.print(f"\n{extra}:", styled(url, "bold"), soft_wrap=True)
    console.print("\nDashboard:", styled(session.dashboard_url, "bold"), soft_wrap=True)
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
    _show_status()
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # at once, whatever it is doing

    def report(subject: str, event: str) -> None:
        console.print(f"{_clock(time.time())}  {subject}: {event}", soft_wrap=True)

    stack.Supervisor(report=report).run(ended)


@app.command()
def init(
    *,
    force: Annotated[
        bool, typer.Option("--force", help="change the topic or table of a sink that is there")
    ] = False,
) -> None:
    """Create topics, tables and sinks in servers that run already, e.g. those of docker-compose.

    `liq up` does it for its own. Safe to repeat. With LIQ_TOPIC it gives a topic of your own a sink
    of its own, beside the one that is there.
    """
    stack.provision(repoint=force)
    for stream in STREAMS:
        names = (stream.topic, stream.connector, stream.table)
        topic, sink, table = (name(config.settings()) for name in names)
        console.print(f"topic {topic}, by sink {sink} into table {table}", soft_wrap=True)


@app.command()
def env() -> None:
    """Print the settings, passwords and tokens too, as LIQ_* variables.

    Keep what it prints to yourself: `liq env > .env` is what docker-compose.yml reads.
    """
    for name, value in config.settings().with_lab_token().variables().items():
        echo(f"{name}={value}")


@app.command()
def status() -> None:
    """Show what runs: state, process, memory, address; and recent repairs.

    Exits with 3 if anything that should run died, hangs or was given up, the supervisor too.
    """
    ailing = [service for service in _show_status() if service.is_ailing]
    if ailing:
        console.print(f"\n{stack.repair(ailing)}", style="red", soft_wrap=True)
        revive_supervisor()
        raise typer.Exit(AILING)


def revive_supervisor() -> None:
    """Start the supervisor again if it died or hangs, and say so on stderr."""
    try:
        said = stack.revive_supervisor()
    except (LiqError, OSError) as error:
        said = f"the supervisor died or hangs, and cannot be started again: {error}"
    if said:
        errors.print(said, soft_wrap=True)


def _show_status() -> list[ServiceStatus]:
    found = stack.status()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("service", "state", "pid", "memory", "up"):
        table.add_column(column, justify="right" if column in ("pid", "memory", "up") else "left")
    table.add_column("address", overflow="fold")
    for service in found:
        table.add_row(*_row(service))
    console.print(table)
    a_day_ago = time.time() - _DAY_S
    if lately := [one for one in stack.recent_events() if one.time > a_day_ago]:
        console.print(
            "\nmended within a day (UTC), oldest first; `liq logs supervisor` goes on", style="dim"
        )
        for one in lately:
            line = f"{_clock(one.time)}  {one.subject}: {one.event}"
            console.print(line, soft_wrap=True)
    if any(one.name == QUESTDB and one.state is ServiceState.HEALTHY for one in found):
        _show_passed()
    return found


def _show_passed() -> None:
    from liq.query import questdb  # noqa: PLC0415 - psycopg would slow all commands

    with contextlib.suppress(QuestDBError):  # no table yet; its other faults are told elsewhere
        if passed := questdb.passed_over():
            console.print(
                "\nreported by exchanges and passed over on purpose within the hour; `liq logs"
                " producer` gives the reasons",
                style="dim",
                soft_wrap=True,
            )
            for one in passed:
                old = f", {one.too_old:,} as too old (or our clock is fast)" if one.too_old else ""
                console.print(f"{one.exchange}: {one.passed:,}{old}", soft_wrap=True)


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
            echo(line)


@app.command()
def down() -> None:
    """End what liq started, and nothing else. Data stays."""
    with _progress() as report:
        ended = stack.down(progress=report)
    console.print(f"ended {', '.join(ended)}" if ended else "nothing was running")


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
    console.print(f"deleted the data under {home}")


def _row(service: ServiceStatus) -> list[str | Text]:
    return [
        service.name,
        styled(service.state, _COLOURS[service.state]),
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
    if not console.is_terminal:
        yield lambda subject, event: console.print(f"{subject}: {event}", soft_wrap=True)
        return
    events: dict[str, str] = {}
    with console.status("") as line:

        def report(subject: str, event: str) -> None:
            events[subject] = event
            line.update(beside(*chain.from_iterable(map(_event, events.items()))))

        yield report


def _event(item: tuple[str, str]) -> tuple[Text, Text]:
    subject, event = item
    return styled(f"{subject} ", "bold"), styled(f"{event}   ", "")
