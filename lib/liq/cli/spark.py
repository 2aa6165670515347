"""Find cascades and sum liquidations with Spark, live or in exported history."""

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liq import config
from liq.cli.help import Group
from liq.cli.output import echo, show_in_place, show_wait
from liq.common import heartbeat
from liq.config import settings as current_settings
from liq.stack import apps
from liq.stack.service import ignore_event

if TYPE_CHECKING:
    from types import ModuleType

    import pandas as pd

    from liq.analysis.spark import Progress

_UNHEALTHY = 3  # exit code of `liq spark health`, as of `liq status`
app = typer.Typer()
spark = typer.Typer(cls=Group, invoke_without_command=True)
app.add_typer(spark, name="spark")

Gap = Annotated[
    int, typer.Option(min=1, max=3600, help="maximum seconds between prints of a cascade")
]
MinPrints = Annotated[int, typer.Option(min=2, help="minimum prints of a cascade")]
Bucket = Annotated[int, typer.Option(min=1, max=86400, help="seconds per sum")]


@spark.callback()
def stream(
    context: typer.Context,
    *,
    gap: Gap = 5,
    min_prints: MinPrints = 5,
    bucket: Bucket = 60,
    lateness: Annotated[
        float,
        typer.Option(min=0, help="seconds that a print may be older than the newest one"),
    ] = 30,
    every: Annotated[float, typer.Option(min=0, help="minimum seconds between batches")] = 1,
    master: Annotated[
        str, typer.Option(help="spark://HOST:PORT, local[*]; LIQ_SPARK_MASTER by default")
    ] = "",
    ui: Annotated[bool, typer.Option("--ui", help="serve Spark's pages at 127.0.0.1:4040")] = False,
) -> None:
    """Find cascades across venues with Spark, and sum each contract's longs and shorts.

    The job reads the topic of liquidations and writes topics of its own. After a stop or a crash
    it continues from its checkpoint. Stop with Ctrl-C or SIGTERM.
    """
    if context.invoked_subcommand:
        return
    liq_spark = _spark()
    settings = current_settings()
    if master:
        settings = config.Settings.load(spark_master=master)
    job = liq_spark.Job(
        gap=gap,
        min_prints=min_prints,
        bucket=bucket,
        lateness=lateness,
        every=every,
        ui=ui,
        settings=settings,
    )
    with show_in_place() as show:
        asyncio.run(liq_spark.run(job, lambda now: show(_line(now))))


@spark.command()
def health(
    *,
    within: Annotated[float, typer.Option(min=1, help="seconds since the last sign of life")] = 120,
) -> None:
    """Exit with 3 unless the running job has ended a batch lately, or waits for messages."""
    age = heartbeat.age_s(apps.heartbeat_file(current_settings(), apps.SPARK))
    if age > within:
        echo("no batch has ended" if math.isinf(age) else f"no batch has ended for {age:.0f} s")
        raise typer.Exit(_UNHEALTHY)


@spark.command()
def jars() -> None:
    """Print the jars that read Kafka, as spark-submit's option --jars takes them."""
    from liq.stack import jars as shipped  # noqa: PLC0415 - no other command needs it

    settings = current_settings()
    shipped.ensure(settings, ignore_event)
    echo(",".join(map(str, sorted((shipped.find_folder(settings) / "spark").glob("*.jar")))))


@spark.command()
def batch(
    *,
    files: Annotated[list[Path], typer.Argument(help="Parquet files of the query prints")],
    out: Annotated[
        Path | None, typer.Option(help="file for the cascades, .csv or .parquet")
    ] = None,
    sums: Annotated[Path | None, typer.Option(help="file for the sums, .csv or .parquet")] = None,
    gap: Gap = 5,
    min_prints: MinPrints = 5,
    bucket: Bucket = 60,
) -> None:
    """Find cascades and sums in exported prints, where no print is too late.

    Export them with `liq hit prints -p window=30d --out prints.parquet`.
    """
    from liq.query.exports import require_folder  # noqa: PLC0415 - pandas would slow all commands

    wanted = [file for file in (out, sums) if file]
    if not wanted:
        raise typer.BadParameter("say with --out where the cascades go, with --sums the sums")
    for file in wanted:
        if file.suffix.lower() not in (".csv", ".parquet"):
            raise typer.BadParameter(f"end the name of {file.name} with .csv or .parquet")
        require_folder(file)
    liq_spark = _spark()
    if out:
        with show_wait("finding cascades"):
            found = liq_spark.compute_cascades(files, gap=gap, min_prints=min_prints)
        _save(found, "cascades", out)
    if sums:
        with show_wait("summing"):
            found = liq_spark.compute_sums(files, bucket=bucket)
        _save(found, "sums", sums)


def _save(found: "pd.DataFrame", what: str, file: Path) -> None:
    from liq.query.exports import write_export  # noqa: PLC0415 - pandas would slow all commands
    from liq.query.formats import Format, encode  # noqa: PLC0415 - as above

    write_export(file, encode(found, Format(file.suffix.lower().removeprefix("."))))
    echo(f"{len(found):,} {what} -> {file}")


def _spark() -> "ModuleType":
    import liq.analysis.spark  # noqa: PLC0415 - an optional extra

    return liq.analysis.spark


def _line(now: "Progress") -> str:
    if now.batch < 0:
        return "starting"
    return (
        f"batch {now.batch:,}  {now.rows:,} messages  in {now.input_rate:,.1f}/s"
        f"  processed {now.processed_rate:,.1f}/s  {now.late:,} too late  state {now.state:,} rows,"
        f" {now.state_bytes / 1e6:,.1f} MB  watermark {now.watermark or '-'}"
    )
