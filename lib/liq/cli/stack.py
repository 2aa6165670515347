"""Start, stop and watch the local stack: Kafka, Kafka Connect, QuestDB and liq's services."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.text import Text

from liq import stack
from liq.cli.completion import complete_services, complete_venues
from liq.cli.output import (
    ProgressView,
    console,
    create_table,
    echo,
    join_texts,
    serving,
    show_wait,
    stderr,
    styled,
)
from liq.cli.run import Extra, RunSource
from liq.cli.run import run as run_all
from liq.cli.serve import BaseUrl, choose_settings, open_browser, print_address
from liq.common.files import write_whole
from liq.common.text import describe_error
from liq.common.waiting import hold_screen
from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import LiqError, QuestDBError, ServeError
from liq.ingest.venues.base import SkipReason
from liq.records.model import Source
from liq.records.streams import STREAMS
from liq.stack import ServiceState, ServiceStatus, apps
from liq.stack.servers import QUESTDB
from liq.stack.service import Download, OnEvent
from liq.web import serve

if TYPE_CHECKING:
    from liq.query.questdb import LoadedContracts, SkippedReports

app = typer.Typer()


class Page(StrEnum):
    """A page of the stack that a browser shows."""

    DASHBOARD = "dashboard"
    API = "api"
    STREAMLIT = "streamlit"


_STARTS = {
    Page.DASHBOARD: "`liq run`",
    Page.API: "`liq run --with api`",
    Page.STREAMLIT: "`liq run --with streamlit`",
}
UNHEALTHY = 3  # exit code of `liq status`
_DAY_S = 86_400
_COLUMNS = ("service", "state", "pid", "memory", "up", "address")
_NUMBERS = {"pid", "memory", "up"}
_WIDE = 70  # characters; a narrower terminal shows no numbers
_COLOURS = {
    ServiceState.HEALTHY: "green",
    ServiceState.STARTING: "yellow",
    ServiceState.UNHEALTHY: "red",
    ServiceState.DIED: "red",
    ServiceState.STOPPED: "dim",
    ServiceState.REACHABLE: "green",
    ServiceState.UNREACHABLE: "red",
}
_ANSWERING = (ServiceState.HEALTHY, ServiceState.REACHABLE)


@app.command()
def run(
    feed: Annotated[
        RunSource,
        typer.Option(help="auto: the live exchanges, or the simulator if none can be reached"),
    ] = RunSource.AUTO,
    venue: Annotated[
        list[str] | None,
        typer.Option(
            help="exchange, repeatable; every exchange by default", autocompletion=complete_venues
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(help="liquidations per second of a simulated exchange", min=0.01)
    ] = 5.0,
    extras: Annotated[
        list[Extra] | None,
        typer.Option("--with", help="also start this, repeatable; streamlit starts the api too"),
    ] = None,
    *,
    prices: Annotated[bool, typer.Option(help="also publish mark prices")] = True,
    open_: Annotated[bool, typer.Option("--open", help="open the dashboard in a browser")] = False,
    base_url: BaseUrl = None,
) -> None:
    """Start everything: the servers, a feed, the live dashboard, alerts. Print the dashboard's URL.

    Everything runs in the background until `liq down`. Run it again to change the feed.
    """
    with _progress() as report:
        session = run_all(
            choose_settings(base_url=base_url),
            source=feed,
            venues=venue or (),
            rate=rate,
            prices=prices,
            extras=extras or (),
            progress=report,
        )
    _show_status()
    if session.source is RunSource.SIMULATOR:
        console.print("\nThe liquidations are", styled("simulated,", "bold"), "not real.")
    for extra, url in session.extra_urls.items():
        console.print(f"\n{extra}:", styled(url, "bold"), soft_wrap=True)
    console.print("\nDashboard:", styled(session.dashboard_url, "bold"), soft_wrap=True)
    if open_:
        open_browser(session.dashboard_url)


@app.command()
def up(
    *,
    stay: Annotated[
        bool, typer.Option("--supervise", help="then supervise the servers, as `liq supervise`")
    ] = False,
) -> None:
    """Start Kafka, Kafka Connect and QuestDB, with topics, tables and sinks. Safe to repeat.

    The first start downloads them, 100 MB; later starts use the cache and take seconds.
    """
    with _progress() as report:
        stack.up(progress=report)
    _show_status()
    if stay:
        supervise()


@app.command()
def supervise() -> None:
    """Restart crashed services and failed sinks; report each recovery.

    It also resumes suspended tables. `liq run` starts a supervisor in the background. Ctrl-C stops
    the supervisor only.
    """
    ended = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # at once, even during a repair

    def report(subject: str, event: str) -> None:
        console.print(f"{_clock(time.time())}  {subject}: {event}", soft_wrap=True)

    with serving():
        stack.Supervisor(report=report).run(ended)


@app.command()
def init(
    *,
    force: Annotated[
        bool, typer.Option("--force", help="change the topic or table of an existing sink")
    ] = False,
) -> None:
    """Create topics, tables and sinks in running servers, e.g. the servers of docker-compose.

    `liq up` does this for its own servers. Safe to repeat. With
    LIQ_LIQUIDATIONS__TOPIC it adds a sink for your own topic and keeps the existing sink.
    """
    with show_wait("creating topics, tables and sinks"):
        stack.provision(repoint=force)
    for stream in STREAMS:
        names = (stream.topic, stream.connector, stream.table)
        topic, sink, table = (name(current_settings()) for name in names)
        console.print(f"topic {topic}, by sink {sink} into table {table}", soft_wrap=True)


@app.command()
def env(
    *,
    out: Annotated[
        Path | None, typer.Option(help="file to write, readable by its owner only", dir_okay=False)
    ] = None,
) -> None:
    """Print the settings as LIQ_* variables, including passwords and tokens.

    Keep the output secret. docker-compose.yml reads it from a file: `liq env --out .env`.
    """
    variables = current_settings().with_lab_token().variables()
    lines = [f"{name}={value}" for name, value in variables.items()]
    if out is None:
        echo("\n".join(lines))
    else:
        write_whole(out, "".join(f"{line}\n" for line in lines), mode=0o600)


@app.command()
def status() -> None:
    """Show each service's state, process, memory and address, and recent repairs.

    On a terminal the dashboard's address has the token, as in `jupyter server list`; in a file or
    a pipe it has none. Exits with 3 if a service or the supervisor crashed, hangs or was given up.
    """
    if Page.DASHBOARD in stack.list_running():
        print_address("\nDashboard", _build_url(Page.DASHBOARD, current_settings()), "LIQ_TOKEN")
    unhealthy = [service for service in _show_status() if service.needs_repair]
    if unhealthy:
        console.print(f"\n{stack.advise_repair(unhealthy)}", style="red", soft_wrap=True)
        revive_supervisor()
        raise typer.Exit(UNHEALTHY)


@app.command("open")
def open_page(
    page: Annotated[Page, typer.Argument(help="what to open")] = Page.DASHBOARD,
) -> None:
    """Open the running dashboard in a browser, or another page of the stack, logged in."""
    # a port alone may be another user's, who would get the token
    if page not in stack.list_running():
        raise ServeError(f"{page} does not run; {_STARTS[page]} starts it")
    url = _build_url(page, current_settings())
    name = page.upper() if page is Page.API else page.capitalize()
    print_address(name, url, "LIQ_TOKEN")
    open_browser(url)


def _build_url(page: Page, settings: Settings) -> str:
    """Return the address of a page that runs, with its token."""
    settings = apps.restore_base_url(settings)
    if page is Page.API:
        from liq.web.api import build_url  # noqa: PLC0415 - Flask would slow all commands

        return build_url(settings)
    if page is Page.STREAMLIT:
        return serve.build_streamlit_url(settings)
    return serve.build_dashboard_url(settings)


def revive_supervisor() -> None:
    """Restart the supervisor if it died or hangs, and report it on stderr."""
    try:
        report = stack.revive_supervisor()
    except (LiqError, OSError) as error:
        reason = describe_error(error)
        report = f"the supervisor died or hangs, and cannot be started again: {reason}"
    if report:
        stderr.print(report, soft_wrap=True)


def _show_status() -> list[ServiceStatus]:
    with show_wait("checking the services"):
        found = stack.status()
    rows = [_row(service) for service in found]
    names = [name for name in _COLUMNS if console.width >= _WIDE or name not in _NUMBERS]
    table = create_table(*names, box=None, header_style="bold", pad_edge=False)
    for column in table.columns:
        column.justify = "right" if column.header in _NUMBERS else "left"
    for row in rows:
        table.add_row(*(cell for name, cell in zip(_COLUMNS, row, strict=True) if name in names))
    console.print(table)
    a_day_ago = time.time() - _DAY_S
    if recent := [one for one in stack.recent_events() if one.time > a_day_ago]:
        console.print(
            "\nrepairs of the last day (UTC), oldest first; `liq logs supervisor` shows more",
            style="dim",
        )
        for one in recent:
            line = f"{_clock(one.time)}  {one.subject}: {one.event}"
            console.print(line, soft_wrap=True)
    if any(one.name == QUESTDB and one.state in _ANSWERING for one in found):
        _show_passed()
        _show_contracts()
    return found


def _show_passed() -> None:
    from liq.query import questdb  # noqa: PLC0415 - psycopg would slow all commands

    with contextlib.suppress(QuestDBError):  # no table yet; other commands report other faults
        lines = [*describe_skipped(questdb.list_skipped())]
        _show_lines("liquidations without a row in the last hour", lines)


def describe_skipped(feeds: "Iterable[SkippedReports]") -> Iterator[str]:
    """Yield a line for each reason why feeds skipped reports of liquidations."""
    on_purpose: list[str] = []
    repeated: list[str] = []
    late: list[str] = []
    for one in feeds:
        if others := one.passed - one.too_old:
            on_purpose.append(f"{one.exchange} {others:,}")
        if one.too_old:
            (repeated if one.seconds else late).append(f"{one.exchange} {one.too_old:,}")
    if on_purpose:
        yield f"skipped on purpose, `liq logs producer` says why: {', '.join(on_purpose)}"
    if repeated:
        yield f"history that the exchange repeats as a feed connects: {', '.join(repeated)}"
    if late:
        yield f"all {SkipReason.OLD}, as if the clock here were fast: {', '.join(late)}"


def _show_contracts() -> None:
    from liq.query import questdb  # noqa: PLC0415 - psycopg would slow all commands

    with contextlib.suppress(QuestDBError):  # no table yet; other commands report other faults
        lines = [*describe_contracts(questdb.list_contracts())]
        _show_lines("contracts of the running feeds, and their age", lines)


def describe_contracts(feeds: "Iterable[LoadedContracts]") -> Iterator[str]:
    """Yield a line for each origin of contracts, with the reason why there are no newer ones."""
    groups: dict[tuple[str, str], list[LoadedContracts]] = {}
    for one in feeds:
        groups.setdefault((one.origin, _explain_contracts(one)), []).append(one)
    for (origin, reason), members in groups.items():
        ages = sorted(one.age_s / 3600 for one in members if one.age_s is not None)
        ends = dict.fromkeys(f"{hours:,.1f}" for hours in (*ages[:1], *ages[-1:]))
        age = f", {' to '.join(ends)} h" if ends else ""
        yield f"{origin}{age}{reason}: {', '.join(one.exchange for one in members)}"


def _explain_contracts(one: "LoadedContracts") -> str:
    from liq.ingest.instruments import Origin  # noqa: PLC0415 - httpx would slow all commands

    is_snapshot = one.origin == Origin.SNAPSHOT
    if is_snapshot and one.source == Source.SIMULATOR:
        return " (a simulated exchange trades no others)"
    fault = (one.fault or "").removeprefix(f"{one.exchange} ").partition(" for url ")[0]
    lacks = ["sampled: most contracts are missing"] if is_snapshot else []
    reasons = "; ".join([*lacks, *([f"it {fault}"] if fault else [])])
    return f" ({reasons})" if reasons else ""


def _show_lines(heading: str, lines: Sequence[str]) -> None:
    if lines:
        console.print(f"\n{heading}", style="dim")
    for line in lines:
        console.print(line, soft_wrap=True)


@app.command()
def logs(
    service: Annotated[
        str,
        typer.Argument(
            help="kafka, connect, questdb, producer, dashboard, supervisor, ...",
            autocompletion=complete_services,
        ),
    ],
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="number of lines from the end")
    ] = 50,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="print new lines too, until Ctrl-C")
    ] = False,
) -> None:
    """Show the log of a service. SERVICE.log.1 in the same folder is the previous run's log."""
    for line in stack.logs(service, lines=lines, follow=follow):
        echo(line)


@app.command()
def down() -> None:
    """Stop every service that liq started, and nothing else. Data stays."""
    with _progress() as report:
        ended = stack.down(progress=report)
    console.print(f"ended {', '.join(ended)}" if ended else "nothing was running")


@app.command()
def reset(*, yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False) -> None:
    """Stop everything and delete all data: topics, tables, sinks and undelivered records.

    Asks for confirmation. Logs, recordings and secrets stay.
    """
    home = current_settings().home
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
    hours, remainder = divmod(round(seconds), 3600)
    return f"{hours}:{remainder // 60:02}:{remainder % 60:02}"


@contextlib.contextmanager
def _progress() -> Iterator[OnEvent]:
    """Show the latest event of each subject: in place on a terminal, otherwise line by line.

    A download has a bar on a terminal, otherwise a line for each tenth.
    """
    if not console.is_terminal:
        yield _print_events()
        return
    events: dict[str, str] = {}
    view = ProgressView()
    with hold_screen(), Live(view, console=console, transient=True):

        def report(subject: str, event: str) -> None:
            if isinstance(event, Download):
                view.show_download(subject, event.done, event.total)
                return
            events[subject] = event
            view.show_line(join_texts(*chain.from_iterable(map(_event, events.items()))))

        yield report


def _print_events() -> OnEvent:
    tenths: dict[str, int] = {}

    def report(subject: str, event: str) -> None:
        if isinstance(event, Download):
            tenth = 10 * event.done // event.total
            if tenth == tenths.get(subject):
                return
            tenths[subject] = tenth
        console.print(f"{subject}: {event}", soft_wrap=True)

    return report


def _event(item: tuple[str, str]) -> tuple[Text, Text]:
    subject, event = item
    return styled(f"{subject} ", "bold"), styled(f"{event}   ", "")
