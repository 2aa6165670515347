"""List, show and redrive dead letters."""

import asyncio
import dataclasses
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from liq.cli.help import Group
from liq.cli.output import console, create_table, echo, join_texts, show_steps, show_wait, styled
from liq.common.text import suggest

if TYPE_CHECKING:
    from liq.delivery.deadletters import Letter, Redriven

app = typer.Typer()
dlq = typer.Typer(cls=Group, no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="only letters whose reason contains this text")]
OfVenue = Annotated[str, typer.Option("--venue", help="only letters of this exchange")]
RejectedBy = Annotated[
    str,
    typer.Option("--stage", help="only letters rejected by: parser, publisher, sink or unknown"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, one object per line")]


@dlq.command("ls")
def list_letters(
    reason: Reason = "",
    venue: OfVenue = "",
    stage: RejectedBy = "",
    limit: Annotated[int, typer.Option(min=0, help="newest letters to list; 0: all")] = 50,
    *,
    all_: Annotated[bool, typer.Option("--all", help="include redriven letters")] = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, oldest first, with stage, venue and reason."""
    found = _letters(reason, venue, stage, redriven=all_)
    newest = found[-limit:] if limit else found
    if as_json:
        _print_json(map(_plain, newest))
        return
    if not found:
        chosen = " with this reason, venue or stage" if reason or venue or stage else ""
        console.print(f"no dead letters{chosen}")
        return
    console.print(_table((one, one.reason) for one in newest))
    shown = f"the newest {len(newest):,} of " if len(newest) < len(found) else ""
    letters = "dead letter" if len(found) == 1 else "dead letters"
    console.print(f"\n{shown}{len(found):,} {letters}; `liq dlq show ID` shows one")


@dlq.command()
def show(
    number: Annotated[str, typer.Argument(metavar="ID", help="as `liq dlq ls` lists it")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its content."""
    from liq.delivery import deadletters  # noqa: PLC0415 - kafka-python would slow all commands

    with show_wait("reading dead letters"):
        one = _plain(deadletters.find_letter(number))
    if as_json:
        _print_json([one])
        return
    value = one.pop("value")
    for name, text in one.items():
        console.print(styled(f"{name:9}", "bold"), end=" ")
        console.print(text, soft_wrap=True)
    console.print(value, highlight=True, soft_wrap=True)


@dlq.command()
def redrive(
    reason: Reason = "",
    venue: OfVenue = "",
    stage: RejectedBy = "",
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="publish nothing, only print the results")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Process dead letters again, with the current parsers and schema.

    Letters that pass are published and never redriven again. Letters that fail again stay and are
    listed with the reason. An interruption loses no letter and duplicates no row.
    """
    from liq.delivery import deadletters  # noqa: PLC0415 - kafka-python would slow all commands

    chosen = _letters(reason, venue, stage)
    with show_steps("redriving") as show_step:

        def progress(state: "Redriven") -> None:
            show_step(state.letters, len(chosen))

        state = asyncio.run(deadletters.redrive(chosen, show=progress, dry_run=dry_run))
    if as_json:
        _print_json({"id": one.id, "reason": why} for one, why in state.failed)
        return
    if state.failed:
        console.print(_table(state.failed))
    would = "would pass" if dry_run else "passed"
    console.print(
        f"{state.total - len(state.failed):,} of {state.total:,} dead letters {would},"
        f" with {state.records:,} records; {len(state.failed):,} failed again"
    )


app.add_typer(dlq, name="dlq", help="List, show and redrive messages that could not become rows.")


def _letters(reason: str, venue: str, stage: str, *, redriven: bool = False) -> "list[Letter]":
    from liq.delivery import deadletters  # noqa: PLC0415 - kafka-python would slow all commands

    stages = [each.value for each in deadletters.Stage]
    if stage and stage not in stages:
        raise typer.BadParameter(f"there is no stage {stage!r}{suggest(stage, stages)}")
    chosen = deadletters.Stage(stage) if stage else None
    with show_wait("reading dead letters"):
        return deadletters.list_letters(reason=reason, venue=venue, stage=chosen, redriven=redriven)


def _table(rows: "Iterable[tuple[Letter, str]]") -> Table:
    table = create_table("id", "time (UTC)", "stage", "venue", "reason", box=None, pad_edge=False)
    for one, why in rows:
        done = styled("(redriven) " if one.redriven else "", "dim")
        shown = join_texts(done, styled(why, ""))
        table.add_row(one.id, _time(one.time), one.stage, one.venue, shown)
    return table


def _plain(one: "Letter") -> dict[str, Any]:
    """Return a letter for JSON: bytes as text, or as base64 if they are no text."""
    plain = dataclasses.asdict(one)
    plain["key"], plain["value"] = _readable(one.key), _readable(one.value)
    plain["time"] = _time(one.time)
    if one.recv_ts is not None:
        plain["recv_ts"] = _time(one.recv_ts)
    return plain


def _readable(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "base64:" + b64encode(raw).decode()


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat(" ", "milliseconds")[:-6]


def _print_json(items: Iterable[dict[str, Any]]) -> None:
    for item in items:
        echo(msgspec.json.encode(item).decode())
