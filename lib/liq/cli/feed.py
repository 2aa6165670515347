"""Simulate exchanges and run producers."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from liq.errors import ConfigError
from liq.venues import VENUES

if TYPE_CHECKING:
    from liq.producer import Status
    from liq.simulator.server import Plan

app = typer.Typer()

_LOG_EVERY_S = 60


@app.command()
def produce(
    venue: Annotated[
        list[str] | None,
        typer.Option(help=f"exchange, repeatable; there are: {', '.join(VENUES)}"),
    ] = None,
    url: Annotated[
        str, typer.Option(help="websocket in place of the exchange's own, e.g. a simulator's")
    ] = "",
) -> None:
    """Publish liquidations of exchanges to Kafka.

    Ctrl-C or SIGTERM stops receiving, delivers what is queued and ends. With the --url that
    `liq simulate` prints it needs no exchange; such rows carry the source "simulator".
    """
    from liq.producer import Producer, run  # noqa: PLC0415 - kafka-python would slow all commands

    venues = venue or ["binance_usdm"]
    if url and len(venues) > 1:
        raise ConfigError("--url replaces one exchange's websocket: give one --venue with it")
    with _progress() as show:
        asyncio.run(run([Producer(name, url) for name in venues], lambda all_: show(_lines(all_))))


@app.command()
def simulate(
    *,
    rate: Annotated[
        float, typer.Option(min=0.01, max=100_000, help="liquidations a second, on average")
    ] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="equal seeds give equal orders")] = 0,
    count: Annotated[int, typer.Option(min=0, help="stop sending after so many; 0: never")] = 0,
    close_after: Annotated[
        float, typer.Option(min=0, help="close each connection after so many seconds; 0: never")
    ] = 0.0,
    malformed_every: Annotated[
        int, typer.Option(min=0, help="add a malformed message after so many good ones; 0: none")
    ] = 0,
    ledger: Annotated[
        Path | None, typer.Option(help="append every order sent to this file, as JSON lines")
    ] = None,
) -> None:
    """Run a simulated exchange: a local websocket that speaks Binance's forceOrder protocol.

    Sizes are heavy-tailed, liquidations come in cascades. Ctrl-C or SIGTERM ends it.
    """
    from liq.simulator.server import Plan  # noqa: PLC0415 - numpy would slow all commands

    plan = Plan(rate, seed, count, close_after, malformed_every, ledger)
    with _progress() as show:
        asyncio.run(_simulate(plan, show))


async def _simulate(plan: "Plan", show: Callable[[str], None]) -> None:
    from liq.simulator.server import Simulator  # noqa: PLC0415

    signalled = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    async with Simulator(plan) as simulator:
        while not signalled.is_set():
            show(f"{simulator.url}  {simulator.clients} connected  {simulator.sent:,} sent")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(signalled.wait(), 0.5)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Give a function that shows a text in place; a log file gets it once a minute instead."""
    console = Console()
    if not console.is_terminal:
        log = _Log()
        yield log.note
        log.print()
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda text: live.update(Text(text), refresh=True)


class _Log:
    def __init__(self) -> None:
        self._text = ""
        self._due = 0.0

    def note(self, text: str) -> None:
        self._text = text
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LOG_EVERY_S
            self.print()

    def print(self) -> None:
        print(self._text, flush=True)


def _lines(statuses: Sequence["Status"]) -> str:
    return "\n".join(_line(status) for status in statuses)


def _line(status: "Status") -> str:
    parts = [
        f"{status.venue} {status.state}",
        f"{status.rate:,.1f}/s",
        f"{status.acknowledged:,} acknowledged of {status.sent:,} sent",
        f"{status.dead_lettered:,} dead-lettered",
        f"{status.reconnects:,} reconnects",
        f"{status.queued + status.in_flight:,} queued",
    ]
    if status.lag_s is not None:
        parts.append(f"lag {status.lag_s * 1000:,.0f} ms")
    if status.source is not None:
        parts.append(f"source {status.source}")
    if status.last_error:
        parts.append(f"last error: {status.last_error}")
    return "  ".join(parts)
