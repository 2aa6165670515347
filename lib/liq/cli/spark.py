"""Find cascades with Spark, as they happen or in exported history."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liq import config
from liq.cli import progress
from liq.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from liq.spark import Progress

app = typer.Typer()
spark = typer.Typer(invoke_without_command=True)
app.add_typer(spark, name="spark")

Gap = Annotated[int, typer.Option(min=1, max=3600, help="most seconds between prints of a cascade")]
MinPrints = Annotated[int, typer.Option(min=2, help="least prints of a cascade")]


@spark.callback()
def stream(
    context: typer.Context,
    *,
    gap: Gap = 5,
    min_prints: MinPrints = 5,
    lateness: Annotated[
        float, typer.Option(min=0, help="seconds that a print may be late behind the newest")
    ] = 30,
    every: Annotated[float, typer.Option(min=0, help="least seconds between batches")] = 1,
    master: Annotated[
        str, typer.Option(help="spark://HOST:PORT, local[*]; LIQ_SPARK_MASTER by default")
    ] = "",
    ui: Annotated[bool, typer.Option("--ui", help="serve Spark's pages at 127.0.0.1:4040")] = False,
) -> None:
    """Find cascades across venues with Spark, from the topic of liquidations into their own.

    A job that ended, in whatever way, goes on where it was. Ctrl-C or SIGTERM ends it.
    """
    if context.invoked_subcommand:
        return
    liq_spark = _spark()
    settings = config.settings()
    if master:
        settings = config.Settings.load(spark_master=master)
    job = liq_spark.Job(
        gap=gap, min_prints=min_prints, lateness=lateness, every=every, ui=ui, settings=settings
    )
    with progress.in_place() as show:
        asyncio.run(liq_spark.run(job, lambda now: show(_line(now))))


@spark.command()
def batch(
    files: Annotated[list[Path], typer.Argument(help="Parquet files of the query prints")],
    out: Annotated[Path, typer.Option(help="where the cascades go: .csv or .parquet")],
    gap: Gap = 5,
    min_prints: MinPrints = 5,
) -> None:
    """Find the cascades in exported prints: `liq hit prints -p window=30d --out prints.parquet`."""
    from liq.exports import write_whole  # noqa: PLC0415 - pandas would slow all commands
    from liq.formats import Format, encode  # noqa: PLC0415 - as above

    suffix = out.suffix.lower().removeprefix(".")
    if suffix not in (Format.CSV, Format.PARQUET):
        raise typer.BadParameter(f"end the name of {out.name} with .csv or .parquet")
    found = _spark().cascades(files, gap=gap, min_prints=min_prints)
    write_whole(out, encode(found, Format(suffix)))
    print(f"{len(found):,} cascades -> {out}")


def _spark() -> "ModuleType":
    try:
        import liq.spark  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ConfigError("pyspark is not installed: pip install 'liq[spark]'") from error
    return liq.spark


def _line(now: "Progress") -> str:
    if now.batch < 0:
        return "starting"
    return (
        f"batch {now.batch:,}  {now.rows:,} messages  in {now.input_rate:,.1f}/s"
        f"  done {now.processed_rate:,.1f}/s  state {now.state:,} rows,"
        f" {now.state_bytes / 1e6:,.1f} MB  watermark {now.watermark or '-'}"
    )
