"""Record raw frames and replay them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liq.cli.feed import Url, Venues, select_venues
from liq.cli.output import show_in_place, stderr
from liq.config import settings as current_settings
from liq.records.streams import LIQUIDATIONS

if TYPE_CHECKING:
    from liq.ingest.recording import Recorded

app = typer.Typer()
_FULL_SPEED = "max"


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
        asyncio.run(record(select_venues(venue, url), into, url, lambda all_: show(_lines(all_))))


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


def _lines(recorded: Mapping[str, "Recorded"]) -> str:
    return "\n".join(
        f"{name}  {'connected' if one.feed.connected else 'connecting'}  {one.frames:,} frames"
        f"  {one.feed.reconnects:,} reconnects  {one.path or one.feed.last_error}"
        for name, one in recorded.items()
    )
