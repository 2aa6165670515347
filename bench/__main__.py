"""``python -m bench [NAME ...]``: measure, and print a table."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.environment import temporary_stack
from bench.first_bar import first_bar
from bench.latency import latency
from bench.throughput import drain, live_path

NAMES = ("first-bar", "latency", "live-path", "drain")


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"what to measure; all: {', '.join(NAMES)}")
    ] = None,
) -> None:
    """Measure liq on this machine, with a stack of its own, and print the figures."""
    chosen = names or list(NAMES)
    if unknown := set(chosen) - set(NAMES):
        raise typer.BadParameter(f"unknown {', '.join(unknown)}; there are {', '.join(NAMES)}")
    table = Table("measured", "figure", "value")
    with Console(stderr=True).status("starting") as status:
        if "first-bar" in chosen:
            status.update("time to the first bar, memory")
            times, memory = first_bar()
            _add(table, "liq run to first bar", times)
            _add(table, "memory, MiB", memory)
        if set(chosen) - {"first-bar"}:
            status.update("starting a stack")
            with temporary_stack() as stack:
                for name, measure in (
                    ("latency", latency),
                    ("live-path", live_path),
                    ("drain", drain),
                ):
                    if name in chosen:
                        status.update(name)
                        _add(table, name, measure(stack))
    Console().print(table)


def _add(table: Table, name: str, figures: dict[str, float]) -> None:
    for figure, value in figures.items():
        table.add_row(name, figure, f"{value:,.1f}")
        name = ""
    table.add_section()


typer.run(main)
