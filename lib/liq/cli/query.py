"""List and run the named queries, show odd rows and write reports."""

import sys
import textwrap
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import liq
from liq.cli import tables
from liq.cli.completion import complete_columns, complete_parameters, complete_queries
from liq.cli.help import Group
from liq.cli.output import (
    console,
    echo,
    print_notes,
    show_steps,
    show_wait,
    stderr,
    styled,
)
from liq.cli.tables import Style
from liq.config import settings as current_settings
from liq.errors import QueryError, QuestDBError
from liq.query import catalogue
from liq.records.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from liq.query.catalogue import Query
    from liq.query.parameters import Parameter

_SCREEN = 40  # rows of a table on a terminal
app = typer.Typer()
named = typer.Typer(cls=Group, invoke_without_command=True)
app.add_typer(named, name="queries")


class PrintFormat(StrEnum):
    """The format of printed rows."""

    TABLE = "table"
    CSV = "csv"
    SPREADSHEET = "spreadsheet"
    JSON = "json"


@named.callback()
def list_queries(
    context: typer.Context,
    *,
    markdown: Annotated[bool, typer.Option(help="print a reference in Markdown")] = False,
) -> None:
    """List the named queries with their parameters and columns.

    Exits with 1 if an entry of the catalogue is invalid.
    """
    if context.invoked_subcommand:
        return
    from liq.query.queries import load_catalogue  # noqa: PLC0415 - pandas would slow every other command

    found = load_catalogue()
    if markdown:
        echo(catalogue.render_reference(found.queries), end="")
    else:
        for query in found.queries.values():
            _print_query(query)
    if faults := found.list_faults():
        raise QueryError("\n".join(faults))


@named.command("check")
def check_queries() -> None:
    """Have QuestDB explain every query, your own ones too, without reading rows.

    Exits with 1 if an entry cannot be used, and names its file, line and column. Without QuestDB it
    prints the entries that are invalid without it.
    """
    from liq.query.checks import check_catalogue  # noqa: PLC0415 - pandas would slow all commands
    from liq.query.queries import load_catalogue  # noqa: PLC0415 - as above

    try:
        with show_steps("checking") as show_step:
            found = check_catalogue(show=show_step)
    except QuestDBError:
        for fault in load_catalogue().list_faults():
            echo(fault)
        raise
    faults = dict.fromkeys(
        fault for fault in (*load_catalogue().file_faults.values(), *found.values()) if fault
    )
    for fault in faults:
        echo(fault)  # a line each, however long: editors and grep follow it
    can_run = sum(not fault for fault in found.values())
    summary = f"QuestDB can run {can_run} of {len(found)} queries"
    if faults:
        raise QueryError(summary)
    echo(summary)


def _print_query(query: "Query") -> None:
    """Print a query's name, and below it what it answers, its parameters and columns."""
    params = (_describe(name, param) for name, param in query.params.items())
    texts = {
        "": query.summary,
        "parameters": ", ".join(params),
        "columns": ", ".join(query.columns),
    }
    console.print(styled(query.key, "bold"), soft_wrap=True)
    for label, text in texts.items():
        begin, further = (f"  {label}: ", "    ") if label else ("  ", "  ")
        lines = textwrap.wrap(text, console.width, initial_indent=begin, subsequent_indent=further)
        for line in lines:
            console.print(line, soft_wrap=True)


@app.command("hit")
def hit(
    key: Annotated[
        str,
        typer.Argument(
            help="a query's name; `liq queries` lists them", autocompletion=complete_queries
        ),
    ],
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", help="name=value, repeatable", autocompletion=complete_parameters
        ),
    ] = None,
    form: Annotated[
        PrintFormat, typer.Option("--format", "-f", help="spreadsheet is CSV without formulas")
    ] = PrintFormat.TABLE,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="write to this .csv or .parquet file, print no rows"),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            "-c",
            help="print these only, as ts,symbol,notional",
            autocompletion=complete_columns,
        ),
    ] = None,
    *,
    wide: Annotated[
        bool, typer.Option("--wide", "-w", help="all columns in exact numbers, in long lines")
    ] = False,
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows",
            "-n",
            min=0,
            help=f"rows of a table, 0 for all; {_SCREEN} on a terminal, all in a pipe or file",
        ),
    ] = None,
) -> None:
    """Run a named query and print its rows, or write them to a file.

    A table fits the terminal: its numbers are shortened and columns left out where it must be. One
    row is shown as a line for each field. A ≥ marks sums that are lower bounds. CSV and JSON are
    always exact and whole. Notes on stderr say what the rows lack, such as feeds that were
    disconnected.
    """
    from liq.analysis.charts.base import list_limits  # noqa: PLC0415 - pandas would slow all commands
    from liq.query.exports import export_noted, list_stamped_notes  # noqa: PLC0415 - as above
    from liq.query.queries import find  # noqa: PLC0415 - as above

    query = find(key)
    lists = {name for name, each in query.params.items() if each.type == "list"}
    given = parse_assignments(param or (), lists)
    if out:
        _check_options_of_file(out, form, columns, wide=wide, rows=rows)
        frame, stamp = export_noted(key, out, given, spreadsheet=form is PrintFormat.SPREADSHEET)
        echo(f"{out}: {stamp.rows:,} rows, row hash {stamp.row_hash}")
        print_notes([*list_stamped_notes(stamp, frame), *list_limits(frame)])
        return
    from liq.query.callables import fetch_noted  # noqa: PLC0415 - as above

    if rows is not None and form is not PrintFormat.TABLE:
        raise QueryError(f"--rows is for tables; {form} has all rows that the query returns")
    if columns is not None and query.columns:  # before the query, which may take long
        tables.check_columns(columns, [*query.columns])
    frame, _, has_gaps = fetch_noted(key, None, given)
    # FORCE_COLOR makes a pipe a terminal for rich
    most = rows if rows is not None else _SCREEN if sys.stdout.isatty() else 0
    bounds = _find_bounds(frame, has_gaps=has_gaps)
    _print(frame, form, Style(columns, wide, most, query.leads, bounds))
    print_notes([*frame.attrs.get("notes", ()), *list_limits(frame)])


def _check_options_of_file(
    out: Path, form: PrintFormat, columns: str | None, *, wide: bool, rows: int | None
) -> None:
    printed = {
        "--columns": columns is not None,
        "--wide": wide,
        "--rows": rows is not None,
        "--format json": form == "json",
    }
    for option, is_given in printed.items():
        if is_given:
            raise QueryError(
                f"{option} is for printed rows; a file of --out has all rows and columns"
            )
    is_csv = form in (PrintFormat.CSV, PrintFormat.SPREADSHEET)
    if is_csv and out.suffix.lower() != ".csv":
        raise QueryError(f"--format {form} is for .csv files, and {out.name} is none; give one")


@app.command()
def odd(
    window: Annotated[str, typer.Option(help="how far back, e.g. 4h, 1d or 7d")] = "1d",
    until: Annotated[
        str | None, typer.Option(help="end of the window, ISO 8601 in UTC; now by default")
    ] = None,
    limit: Annotated[int, typer.Option(help="newest rows to show")] = 20,
) -> None:
    """Show odd rows, which no query counts because of invalid fields, and how to remove them.

    With --window 3660d --until 2100-01-01 it also shows rows dated in the future.
    """
    counts = liq.hit("left_out", window=window, until=until)
    if counts.empty:
        echo(f"no odd row in {window}")
        return
    tables.print_table(counts)
    rows = liq.hit("odd_rows", window=window, until=until, limit=limit)
    tables.print_fields(rows)
    settings = current_settings()
    echo(
        "\nA later row with the same key replaces a wrong row; UPDATE corrects it in place."
        "\nQuestDB has no DELETE. To remove rows: pause the sink with `curl -X PUT"
        f" {settings.connect_url}/connectors/NAME/pause`, run the"
        f"\nstatements below in order, as the admin at {settings.questdb_url}. Then resume the sink"
        "\nand run `liq up`."
    )
    days = sorted(set(zip(rows["kind"], rows["ts"].dt.date, strict=True)))
    for kind, day in days:
        stream = next(each for each in STREAMS if each.default_table == kind)
        echo(f"\n{day} of {stream.table(settings)}, sink {stream.connector(settings)}:")
        for statement in stream.render_removal(day, settings):
            echo(f"{statement};")


@app.command()
def report(
    window: Annotated[str, typer.Option(help="how far back, e.g. 4h, 1d or 7d")] = "1d",
    until: Annotated[
        str | None, typer.Option(help="end of the window, ISO 8601 in UTC; now by default")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="file to write")] = Path("report.html"),
) -> None:
    """Write the figures of a window as one HTML file, each with its query and row hash.

    The command runs the notebook "report". The same --until gives the same row hashes.
    """
    from liq.query import questdb  # noqa: PLC0415 - psycopg would slow all commands

    with show_wait("preparing the report"):
        questdb.require()  # before the imports, which take seconds
        from liq.notebook import reports  # noqa: PLC0415 - pandas and papermill would slow all commands

    reports.write(out, window, until, progress=stderr.is_terminal)
    echo(f"wrote {out}")


def _find_bounds(frame: "pd.DataFrame", *, has_gaps: bool) -> "dict[str, pd.Series[bool]]":
    """Return the columns of sums, each with the rows in which it is a lower bound."""
    from liq.query import coverage  # noqa: PLC0415 - pandas would slow all commands

    return dict.fromkeys(coverage.list_sums(frame), coverage.find_bounds(frame, has_gaps=has_gaps))


def _print(frame: "pd.DataFrame", form: PrintFormat, style: Style) -> None:
    from liq.query import formats  # noqa: PLC0415 - pandas would slow every other command

    if form is PrintFormat.TABLE:
        tables.print_table(frame, style)
        return
    frame = frame if style.columns is None else tables.select_columns(frame, style.columns)
    if form in (PrintFormat.CSV, PrintFormat.SPREADSHEET):
        echo(formats.encode(frame, formats.Format(form)).decode(), end="")
    else:
        echo(formats.encode_lines(frame).decode(), end="")


def parse_assignments(texts: "Iterable[str]", lists: "Collection[str]" = ()) -> dict[str, Any]:
    """Return the values of options ``--param name=value`` by name.

    Several values of a name in ``lists`` are one list. Raises `QueryError`, also for another name
    that is given more than once.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise QueryError(f"--param {text!r} has no '='; write --param name=value")
        found.setdefault(name, []).append(value)
    for name, values in found.items():
        if len(values) > 1 and name not in lists:
            raise QueryError(
                f"--param {name} is given more than once: {', '.join(values)}; give it once"
            )
    return {name: ",".join(values) for name, values in found.items()}


def _describe(name: str, param: "Parameter") -> str:
    default = "" if param.default in (None, []) else f" = {param.default}"
    return f"{name}: {param.type}{default}"
