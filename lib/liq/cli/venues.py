"""Check that the exchanges can be reached and send what liq expects."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from liq.cli.feed import Url, Venues, select_venues
from liq.cli.output import console, show_in_place, styled
from liq.config import settings as current_settings
from liq.ingest.venues import PRICE_FEEDS, VENUES

if TYPE_CHECKING:
    from liq.ingest.rehearsal import VenueCheck

app = typer.Typer()


@app.command("check-venues")
def check(
    venue: Venues = None,
    seconds: Annotated[float, typer.Option(min=1, help="for how long to receive")] = 60.0,
    url: Url = "",
    folder: Annotated[
        Path | None, typer.Option(help="folder of the raw frames; checks in LIQ_HOME by default")
    ] = None,
) -> None:
    """Connect to the real exchanges for a while, and show what they send and liq makes of it.

    Run it first on a new machine. It needs no Kafka and publishes nothing. The raw frames are kept
    for a report. The exit code is 1 if an exchange cannot be reached or sends what liq rejects.
    Ctrl-C or SIGTERM ends it early.
    """
    from liq.ingest.rehearsal import check_venues  # noqa: PLC0415 - websockets would slow all commands

    names = select_venues(venue or [*VENUES, *PRICE_FEEDS], url)
    into = folder or current_settings().home / "checks" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    with show_in_place() as show:
        checks = asyncio.run(
            check_venues(
                names,
                into,
                seconds=seconds,
                url=url,
                show=lambda checks, elapsed: show(_progress(checks, elapsed, seconds)),
            )
        )
    _report(checks, into)
    if not all(one.is_good for one in checks):
        raise typer.Exit(1)


def _progress(checks: Sequence["VenueCheck"], elapsed: float, seconds: float) -> str:
    connected = sum(one.connected for one in checks)
    frames, parsed = sum(one.frames for one in checks), sum(one.parsed for one in checks)
    return (
        f"{elapsed:.0f} s, each venue for {seconds:.0f} s  {connected} of {len(checks)} connected"
        f"  {frames:,} frames  {parsed:,} parsed  {sum(one.rejected for one in checks):,} rejected"
    )


def _report(checks: Sequence["VenueCheck"], folder: Path) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("venue", no_wrap=True)
    for name in ("connected", "subscribed", "frames", "parsed", "skipped", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in checks:
        numbers = (one.subscribed, one.frames, one.parsed, one.skipped, one.rejected)
        connected = styled("yes", "green") if one.connected else styled("no", "bold red")
        table.add_row(one.venue, connected, *(f"{number:,}" for number in numbers))
    console.print(table)
    for one in checks:
        for note in [one.contracts, *one.notes]:
            if note:
                console.print(f"{one.venue}: {note}", soft_wrap=True)
    if not any(one.connected for one in checks):
        console.print(
            "\nNo exchange can be reached from here. Does this machine have internet access?"
            " Behind a proxy, set HTTPS_PROXY.",
            soft_wrap=True,
        )
    if any(one.frames for one in checks):
        console.print(f"\nThe raw frames are in {folder}.", soft_wrap=True)
