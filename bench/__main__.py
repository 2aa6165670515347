"""``python -m bench [NAME ...]``: measure, and print tables."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.status import Status
from rich.table import Table

from bench import compare, report, scale_report
from bench.candles import candles
from bench.compare import Row
from bench.decoding import decoding
from bench.drain import drain
from bench.environment import temporary_stack
from bench.first_bar import first_bar
from bench.latency import latency, stages
from bench.paint import painting
from bench.publishing import publishing
from bench.queries import HEAD, measure_queries
from bench.reading import reading
from bench.recovery import recovery
from bench.scale import scale
from bench.sizes import Sizes
from bench.throughput import all_venues, live_path
from bench.updates import updates
from bench.visitors import crowd, opening
from liq.config import Settings

# compared side by side: what returns the rows, with a stack or without
_COMPARED: Mapping[str, Callable[[Settings, Sizes], list[Row]]] = {
    "latency": latency,
    "stages": stages,
    "drain": drain,
    "producer": publishing,
    "read": reading,
    "recovery": recovery,
    "paint": painting,
    "visitors": opening,
}
_COMPARED_ALONE: Mapping[str, Callable[[Sizes], list[Row]]] = {
    "decode": decoding,
    "updates": updates,
    "candles": candles,
}
_ON_A_STACK: dict[str, Callable[[Settings], dict[str, float]]] = {
    "crowd": crowd,
    "live-path": live_path,
    "all-venues": all_venues,
}
COMPARED = (*_COMPARED, *_COMPARED_ALONE)
NAMES = (*COMPARED, "first-bar", *_ON_A_STACK, "queries", "scale")
_BAR = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
_OUT = Path("bench/results")
_DEFAULT = Sizes()


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"what to measure; all: {', '.join(NAMES)}")
    ] = None,
    *,
    repeat: Annotated[
        int, typer.Option(min=1, help="rounds of a comparison; each contender has a turn in each")
    ] = _DEFAULT.repeat,
    events: Annotated[
        int, typer.Option(min=1_000, help="queued events that drain carries into the table")
    ] = _DEFAULT.drained,
    away: Annotated[
        float, typer.Option(min=0, help="seconds that recovery leaves QuestDB killed")
    ] = _DEFAULT.away,
    out: Annotated[Path, typer.Option(help="folder that gets each comparison as JSON")] = _OUT,
    publish: Annotated[
        bool,
        typer.Option(
            "--publish",
            help=f"then write the comparisons of that folder, as tables and a picture, into"
            f" {report.PAGE}, in place of its earlier ones of the same names, and what scale"
            f" measured into {scale_report.PAGE}; without names it makes just the comparisons",
        ),
    ] = False,
) -> None:
    """Measure liq on this machine, with a stack of its own, and print the figures.

    Most are comparisons, in which liq and others do the same in turn, round after round: what
    counts is how many times liq is ahead. first-bar, crowd, live-path, all-venues, queries and
    scale are figures of liq alone.
    """
    chosen = names or list(COMPARED if publish else NAMES)
    if unknown := set(chosen) - set(NAMES):
        raise typer.BadParameter(f"unknown {', '.join(unknown)}; there are {', '.join(NAMES)}")
    sizes = Sizes(repeat=repeat, drained=events, away=away)
    _compare(chosen, sizes, out)
    if others := set(chosen) - {*COMPARED, "queries", "scale"}:
        Console().print(_pipeline(others))
    if "queries" in chosen:
        _queries(publish=publish)
    if "scale" in chosen:
        _scale(out)
    if publish:
        _publish(out)


def _scale(out: Path) -> None:
    with _status("starting a stack") as status, temporary_stack() as stack:
        measured = scale(stack, status.update)
    scale_report.save(measured, out)
    Console().print(*scale_report.tables(measured))


def _publish(out: Path) -> None:
    if comparisons := compare.load(out):
        report.publish(comparisons, _place)
    if measured := scale_report.load(out):
        scale_report.publish(measured)


def _place(key: str) -> int:
    """Return where on the page a comparison belongs, whenever it was made."""
    return next(at for at, name in enumerate([*NAMES, ""]) if key.startswith(name))


def _compare(chosen: Collection[str], sizes: Sizes, out: Path) -> None:
    for name, rows_of in _COMPARED_ALONE.items():
        if name in chosen:
            _run(rows_of(sizes), sizes, out)
    if set(chosen) & set(_COMPARED):
        with _status("starting a stack") as status, temporary_stack() as stack:
            status.stop()
            for name, rows_on in _COMPARED.items():
                if name in chosen:
                    with _status(f"preparing {name}"):
                        rows = rows_on(stack, sizes)
                    _run(rows, sizes, out)


def _run(rows: Sequence[Row], sizes: Sizes, out: Path) -> None:
    for row in rows:
        with Progress(*_BAR, console=Console(stderr=True), transient=True) as progress:
            total = sizes.repeat * len(row.contenders)
            task = progress.add_task(row.title, total=total)
            comparison = compare.run(row, sizes.repeat, partial(_advance, progress, task))
        compare.save(comparison, out)
        Console().print(report.table(comparison))


def _advance(progress: Progress, task: TaskID, _done: str) -> None:
    progress.advance(task)


def _pipeline(chosen: Collection[str]) -> Table:
    table = Table("measured", "figure", "value")
    with _status("starting") as status:
        if "first-bar" in chosen:
            status.update("time to the first bar, memory")
            times, memory = first_bar()
            _add(table, "liq run to first bar", times)
            _add(table, "memory, MiB", memory)
        if set(chosen) & set(_ON_A_STACK):
            status.update("starting a stack")
            with temporary_stack() as stack:
                for name, measure in _ON_A_STACK.items():
                    if name in chosen:
                        status.update(name)
                        _add(table, name, measure(stack))
    return table


def _queries(*, publish: bool) -> None:
    before = os.getloadavg()[0]
    with Progress(*_BAR, console=Console(stderr=True)) as progress:
        rows = [figure.cells for figure in measure_queries(progress)]
    about = report.machine(os.cpu_count() or 0, (before, os.getloadavg()[0]))
    table = Table(*HEAD, caption=about)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if publish:
        text = f"{about}\n\n{report.grid([HEAD, *rows])}\n"
        report.PAGE.write_text(report.fill(report.PAGE.read_text(), "queries", text))


def _status(text: str) -> Status:
    return Console(stderr=True).status(text)


def _add(table: Table, name: str, figures: dict[str, float]) -> None:
    for figure, value in figures.items():
        table.add_row(name, figure, f"{value:,.1f}")
        name = ""
    table.add_section()


typer.run(main)
