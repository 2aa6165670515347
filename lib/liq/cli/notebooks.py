"""Run a notebook unattended; list and restore the user's copies of the shipped notebooks."""

from pathlib import Path
from typing import Annotated

import typer

from liq.cli.completion import complete_notebooks
from liq.cli.output import console, create_table, echo, serving, stderr, styled
from liq.cli.query import parse_assignments
from liq.cli.serve import print_address
from liq.config import settings as current_settings
from liq.errors import NotebookError
from liq.notebook import copies
from liq.web import serve

app = typer.Typer()


@app.command("notebook")
def run_notebook(
    notebook: Annotated[
        str,
        typer.Argument(
            help="a shipped notebook, or a file; `liq notebooks` lists them",
            autocompletion=complete_notebooks,
        ),
    ],
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="name=value of the parameters cell, repeatable"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="file to write; NAME.out.ipynb by default")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="maximum seconds of a cell")] = 120.0,
    *,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="accept figures that nothing is drawn in")
    ] = False,
    open_: Annotated[
        bool, typer.Option("--open", help="then open the output in JupyterLab")
    ] = False,
) -> None:
    """Run a notebook from its first cell to its last, and write it with its outputs.

    It is strict: an unknown parameter, a notebook without a parameters cell, a failing cell and an
    empty figure are errors. After a failing cell the file has the outputs so far.
    """
    from liq.notebook import notebooks  # noqa: PLC0415 - papermill would slow all commands

    given = parse_assignments(param or ())
    path = notebooks.find(notebook)
    target = out or Path(f"{path.stem}.out.ipynb")
    if target.suffix != ".ipynb":
        raise NotebookError(f"end the name of {target.name} with .ipynb")
    notebooks.run(
        path,
        notebooks.parse_parameters(path, given),
        out=target,
        timeout=timeout,
        progress=stderr.is_terminal,
        empty_figures=allow_empty,
    )
    echo(f"wrote {target}")
    if open_:
        print_address("JupyterLab", serve.build_lab_url(), "LIQ_LAB_TOKEN")
        with serving():
            serve.run_lab(current_settings(), folder=target.parent, page=target.name)


@app.command("notebooks")
def list_notebooks(
    restore: Annotated[
        str | None,
        typer.Option(
            help="copy this notebook again; a copy that you changed is kept beside it",
            autocompletion=complete_notebooks,
        ),
    ] = None,
) -> None:
    """List the shipped notebooks and your copies of them, which `liq lab` opens."""
    if restore:
        kept = copies.restore(restore)
        echo(f"restored {restore}" + (f"; your copy is {kept}" if kept else ""))
        return
    folder = copies.update()
    table = create_table(
        "notebook", "your copy", "shows", box=None, pad_edge=False, header_style="bold"
    )
    table.columns[0].no_wrap = True
    for copy in copies.list_copies():
        table.add_row(
            styled(copy.name, "bold"), copy.state, copies.read_summary(copy.path).partition(". ")[0]
        )
    console.print(table)
    console.print(f"\nin {folder}", soft_wrap=True)
