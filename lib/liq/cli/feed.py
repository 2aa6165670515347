"""Run producers and simulated exchanges; record raw frames and replay them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liq.cli.completion import complete_venues
from liq.cli.output import show_in_place, stderr
from liq.common import waiting
from liq.config import settings as current_settings
from liq.errors import ConfigError
from liq.ingest.venues import ALL, PRICE_FEEDS, VENUES, resolve_names
from liq.ingest.venues.base import Through
from liq.records.streams import LIQUIDATIONS

if TYPE_CHECKING:
    from liq.delivery.producer import Status
    from liq.ingest.recording import Recorded
    from liq.ingest.simulator.server import Schedule

app = typer.Typer()

_SHOW_S = 0.5
Venues = Annotated[
    list[str] | None,
    typer.Option(
        "--venue",
        help=f"exchange, repeatable, all by default: {', '.join([*VENUES, ALL])}; or a price feed:"
        f" {', '.join(PRICE_FEEDS)}",
        autocompletion=complete_venues,
    ),
]
Url = Annotated[
    str,
    typer.Option(
        help="websocket that replaces the exchange's own; {venue} in it is replaced by the name,"
        " as in the URL that `liq simulate` prints"
    ),
]
_ONE = "binance_usdm"  # the default where there can be one only
_MIB = 1024 * 1024
_FULL_SPEED = "max"


@app.command()
def produce(
    venue: Venues = None,
    url: Url = "",
    through: Annotated[
        Through,
        typer.Option(help="liq's own connections, or cryptofeed's (an optional extra)"),
    ] = Through.DIRECT,
    record: Annotated[
        Path | None, typer.Option(help="also record the raw frames, in files of this folder")
    ] = None,
    record_keep: Annotated[
        int, typer.Option(min=0, help="MiB of frames to keep per venue, newest first; 0: all")
    ] = 0,
    *,
    prices: Annotated[
        bool, typer.Option(help="also publish mark prices, unless --url is one exchange's")
    ] = True,
    processes: Annotated[
        int,
        typer.Option(min=1, help="share the exchanges among processes, for thousands of events/s"),
    ] = 1,
) -> None:
    """Publish the liquidations and mark prices of exchanges to Kafka, by default of all.

    An exchange that cannot be reached is retried and does not stop the others.
    With the --url that `liq simulate` prints no exchange is needed; the rows then have the source
    "simulator". Ctrl-C or SIGTERM stops receiving and delivers the queued records.
    """
    from liq.delivery.producer import create_producers, list_feeds, run  # noqa: PLC0415 - kafka-python would slow all commands
    from liq.delivery.workers import run_in_processes, split_feeds  # noqa: PLC0415 - as above
    from liq.ingest.recording import Rotation  # noqa: PLC0415 - as above

    if through is Through.CRYPTOFEED:  # it knows some venues only
        venue = venue or [_ONE]
        if processes > 1:
            raise ConfigError("--processes shares liq's own connections, not cryptofeed's")
    venues = select_venues(venue, url)
    create = partial(
        create_producers,
        url=url,
        through=through,
        record=record,
        rotation=Rotation(keep=record_keep * _MIB),
    )
    groups = split_feeds(list_feeds(venues, url, prices=prices), processes)
    with show_in_place() as show:
        if len(groups) == 1:
            work = run(create(venues, prices=prices), lambda all_: show(_lines(all_)))
        else:
            grouped = partial(create, prices=False)
            work = run_in_processes(groups, grouped, lambda all_: show(_lines(all_)))
        asyncio.run(work)


def select_venues(venue: Sequence[str] | None, url: str) -> list[str]:
    """Return the requested venues, by default all, or Binance USD-M for one exchange's ``url``.

    Raises `ConfigError` for an unknown one, or one URL for many.
    """
    is_for_one = url and "{venue}" not in url
    requested = resolve_names(venue or [_ONE if is_for_one else ALL])
    if is_for_one and len(requested) > 1:
        raise ConfigError("--url is one exchange's websocket: put {venue} into it for several")
    return requested


@app.command()
def simulate(
    *,
    rate: Annotated[
        float, typer.Option(min=0.01, max=100_000, help="mean liquidations per second")
    ] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="the same seed gives the same orders")] = 0,
    count: Annotated[
        int, typer.Option(min=0, help="liquidations to send in total; 0: no limit")
    ] = 0,
    close_after: Annotated[
        float, typer.Option(min=0, help="seconds until each connection is closed; 0: never")
    ] = 0.0,
    malformed_every: Annotated[
        int, typer.Option(min=0, help="valid messages between two malformed ones; 0: none")
    ] = 0,
    ledger: Annotated[
        Path | None, typer.Option(help="append every sent order to this file, as JSON lines")
    ] = None,
) -> None:
    """Run simulated exchanges: a local websocket server that speaks each venue's protocol.

    Binance's streams have Binance's paths; every venue also has the path /VENUE. To receive all of
    them, pass the printed URL with {venue} to `liq produce --venue all --url`. Sizes are
    heavy-tailed and liquidations come in cascades. Stop with Ctrl-C or SIGTERM.
    """
    from liq.ingest.simulator.server import Schedule  # noqa: PLC0415 - numpy would slow all commands

    plan = Schedule(rate, seed, count, close_after, malformed_every, ledger)
    with show_in_place() as show:
        asyncio.run(_simulate(plan, show))


@app.command()
def record(
    venue: Venues = None,
    url: Url = "",
    folder: Annotated[
        Path | None, typer.Option(help="folder of the files; recordings in LIQ_HOME by default")
    ] = None,
) -> None:
    """Record raw frames of exchanges, with their time of receipt, in compressed files.

    It needs no Kafka. `liq replay` publishes the frames later. Stop with Ctrl-C or SIGTERM.
    """
    from liq.ingest.recording import record  # noqa: PLC0415 - websockets would slow all commands

    into = folder or current_settings().recordings
    with show_in_place() as show:
        asyncio.run(
            record(select_venues(venue, url), into, url, lambda all_: show(_recorded_lines(all_)))
        )


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="files of `liq record`; merged by time")],
    speed: Annotated[
        str, typer.Option(help=f"multiple of the recorded speed, or {_FULL_SPEED}")
    ] = "1",
) -> None:
    """Publish recorded frames to Kafka, through the same parsers as live frames.

    The rows have the source "replay"; frames of a simulator keep the source "simulator". Frames
    that are already stored add no rows. Stop with Ctrl-C or SIGTERM.
    """
    from liq.delivery import connect  # noqa: PLC0415 - httpx would slow all commands
    from liq.delivery.replay import replay  # noqa: PLC0415 - as would kafka-python

    if warning := connect.describe_unread(current_settings(), [LIQUIDATIONS]):
        stderr.print(f"WARNING: {warning}", soft_wrap=True)
    asyncio.run(replay(files, _multiple(speed)))


async def _simulate(plan: "Schedule", show: Callable[[str], None]) -> None:
    from liq.ingest.simulator.server import Simulator  # noqa: PLC0415

    with waiting.catch_signals() as ended:
        async with Simulator(plan) as simulator:
            over = False
            while not over:
                over = await waiting.wait(_SHOW_S, ended)
                show(
                    f"{simulator.url}  {simulator.clients} connected  {simulator.sent:,} sent  "
                    f"every venue: {simulator.urls}"
                )


def _multiple(speed: str) -> float | None:
    if speed == _FULL_SPEED:
        return None
    try:
        multiple = float(speed)
    except ValueError:
        multiple = 0.0
    if not 0 < multiple < float("inf"):
        raise typer.BadParameter(f"{speed!r} is neither a number above zero nor {_FULL_SPEED}")
    return multiple


def _recorded_lines(recorded: Mapping[str, "Recorded"]) -> str:
    return "\n".join(
        f"{name}  {'connected' if one.feed.connected else 'connecting'}  {one.frames:,} frames"
        f"  {one.feed.reconnects:,} reconnects  {one.path or one.feed.last_error}"
        for name, one in recorded.items()
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
        parts.append(f"skipped on purpose: {status.passed_text}")
    if status.lag_s is not None:
        parts.append(f"lag {status.lag_s * 1000:,.0f} ms")
    if status.source is not None:
        parts.append(f"source {status.source}")
    if status.contracts:
        parts.append(status.contracts)
    if status.warning:
        parts.append(f"WARNING: {status.warning}")
    if status.last_error:
        parts.append(f"last error: {status.last_error}")
    return "  ".join(parts)
