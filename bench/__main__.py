"""``python -m bench [NAME ...]``: measure, and print a table."""

import os
from collections.abc import Collection
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.environment import temporary_stack
from bench.first_bar import first_bar
from bench.latency import latency
from bench.paint import paint
from bench.queries import measure_queries
from bench.throughput import drain, live_path
from bench.updates import updates
from bench.visitors import visitors

_ON_A_STACK = {
    "latency": latency,
    "paint": paint,
    "visitors": visitors,
    "live-path": live_path,
    "drain": drain,
}
NAMES = ("first-bar", "updates", *_ON_A_STACK, "queries")


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"what to measure; all: {', '.join(NAMES)}")
    ] = None,
) -> None:
    """Measure liq on this machine, with a stack of its own, and print the figures."""
    chosen = names or list(NAMES)
    if unknown := set(chosen) - set(NAMES):
        raise typer.BadParameter(f"unknown {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if set(chosen) - {"queries"}:
        Console().print(_pipeline(chosen))
    if "queries" in chosen:
        Console().print(_queries())


def _pipeline(chosen: Collection[str]) -> Table:
    table = Table("measured", "figure", "value")
    with Console(stderr=True).status("starting") as status:
        if "first-bar" in chosen:
            status.update("time to the first bar, memory")
            times, memory = first_bar()
            _add(table, "liq run to first bar", times)
            _add(table, "memory, MiB", memory)
        if "updates" in chosen:
            status.update("updates of a chart")
            _add(table, "an update of 5,000 points", updates())
        if set(chosen) & set(_ON_A_STACK):
            status.update("starting a stack")
            with temporary_stack() as stack:
                for name, measure in _ON_A_STACK.items():
                    if name in chosen:
                        status.update(name)
                        _add(table, name, measure(stack))
    return table


def _queries() -> Table:
    table = Table("query", "window", "p50 ms", "p99 ms", "from the table, p50 ms", "times")
    before = os.getloadavg()[0]
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*bar, console=Console(stderr=True)) as progress:
        for figure in measure_queries(progress):
            numbers = [f"{figure.p50:,.1f}", f"{figure.p99:,.1f}"]
            if figure.table is not None:
                numbers += [f"{figure.table:,.1f}", f"{figure.table / figure.p50:,.1f}"]
            table.add_row(figure.key, figure.window, *numbers)
    table.caption = (
        f"{os.cpu_count()} cores, load {before:.1f} before, {os.getloadavg()[0]:.1f} after"
    )
    return table


def _add(table: Table, name: str, figures: dict[str, float]) -> None:
    for figure, value in figures.items():
        table.add_row(name, figure, f"{value:,.1f}")
        name = ""
    table.add_section()


typer.run(main)
