"""Simulate exchanges and run producers."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liq.cli import progress
from liq.common import shutdown
from liq.errors import ConfigError
from liq.ingest.venues import ALL, PRICE_FEEDS, VENUES, names
from liq.ingest.venues.base import Through

if TYPE_CHECKING:
    from liq.delivery.producer import Status
    from liq.ingest.simulator.server import Schedule

app = typer.Typer()

_SHOW_S = 0.5
Venues = Annotated[
    list[str] | None,
    typer.Option(
        "--venue",
        help=f"exchange, repeatable; there are: {', '.join([*VENUES, ALL])}; and of prices"
        f" {', '.join(PRICE_FEEDS)}",
    ),
]
Url = Annotated[
    str,
    typer.Option(
        help="websocket in place of the exchange's own; {venue} in it stands for its name, as in"
        " the URL that `liq simulate` prints"
    ),
]
_DEFAULT_VENUE = "binance_usdm"
_MIB = 1024 * 1024


@app.command()
def produce(
    venue: Venues = None,
    url: Url = "",
    through: Annotated[
        Through, typer.Option(help="whose connections; cryptofeed is an extra: liq[cryptofeed]")
    ] = Through.DIRECT,
    record: Annotated[
        Path | None, typer.Option(help="keep the raw frames too, in files of this folder")
    ] = None,
    record_keep: Annotated[
        int, typer.Option(min=0, help="MiB of a venue's frames to keep, deleting older; 0: all")
    ] = 0,
    *,
    prices: Annotated[
        bool, typer.Option(help="follow mark prices too, unless --url is one exchange's")
    ] = True,
) -> None:
    """Publish liquidations of exchanges to Kafka, and mark prices beside them.

    Ctrl-C or SIGTERM stops receiving, delivers what is queued and ends. With the --url that
    `liq simulate` prints it needs no exchange; such rows carry the source "simulator".
    """
    from liq.delivery.producer import producers, run  # noqa: PLC0415 - kafka-python would slow all commands
    from liq.ingest.recording import Rotation  # noqa: PLC0415 - as above

    rotation = Rotation(keep=record_keep * _MIB)
    started = producers(
        chosen(venue, url), url, prices=prices, through=through, record=record, rotation=rotation
    )
    with progress.in_place() as show:
        asyncio.run(run(started, lambda all_: show(_lines(all_))))


def chosen(venue: Sequence[str] | None, url: str) -> list[str]:
    """Return the venues asked for. Raises `ConfigError` for an unknown one, or one URL for many."""
    asked = names(venue or [_DEFAULT_VENUE])
    if url and len(asked) > 1 and "{venue}" not in url:
        raise ConfigError("--url is one exchange's websocket: put {venue} into it for several")
    return asked


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
    """Run simulated exchanges: a local websocket server that speaks each venue's protocol.

    Binance's streams are where Binance has them, and any venue is below /VENUE: the URL with
    {venue} in it that this prints makes `liq produce --venue all --url` hear them all. Sizes are
    heavy-tailed, liquidations come in cascades. Ctrl-C or SIGTERM ends it.
    """
    from liq.ingest.simulator.server import Schedule  # noqa: PLC0415 - numpy would slow all commands

    plan = Schedule(rate, seed, count, close_after, malformed_every, ledger)
    with progress.in_place() as show:
        asyncio.run(_simulate(plan, show))


async def _simulate(plan: "Schedule", show: Callable[[str], None]) -> None:
    from liq.ingest.simulator.server import Simulator  # noqa: PLC0415

    with shutdown.catch_signals() as ended:
        async with Simulator(plan) as simulator:
            over = False
            while not over:
                over = await shutdown.wait(_SHOW_S, ended)
                show(
                    f"{simulator.url}  {simulator.clients} connected  {simulator.sent:,} sent  "
                    f"every venue: {simulator.urls}"
                )


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
    if status.passed:
        parts.append(f"passed over on purpose: {status.passed_text}")
    if status.lag_s is not None:
        parts.append(f"lag {status.lag_s * 1000:,.0f} ms")
    if status.source is not None:
        parts.append(f"source {status.source}")
    if status.warning:
        parts.append(f"WARNING: {status.warning}")
    if status.last_error:
        parts.append(f"last error: {status.last_error}")
    return "  ".join(parts)
