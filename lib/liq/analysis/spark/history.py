"""Cascades and sums over long history: Parquet files of the query ``prints``."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame

from liq.analysis.spark import detection
from liq.analysis.spark.session import start, translate_errors
from liq.config import Settings
from liq.config import settings as current_settings
from liq.records.streams import CASCADES, SUMS, Stream

Files = Sequence[str | Path]


def compute_cascades(
    files: Files, *, gap: int = 5, min_prints: int = 5, settings: Settings | None = None
) -> pd.DataFrame:
    """Return the cascades in files that ``liq.export("prints", …)`` wrote, oldest first.

    Files may overlap: a print counts once. Columns as in `liq.records.model.Cascade`, ``ts`` and
    ``to_ts`` as datetime64[us, UTC]. Raises `SparkError` when Spark cannot be started or read a
    file.
    """
    return _compute(
        files, CASCADES, lambda prints: detection.find_cascades(prints, gap, min_prints), settings
    )


def compute_sums(
    files: Files, *, bucket: int = 60, settings: Settings | None = None
) -> pd.DataFrame:
    """Return sums by contract and ``bucket`` seconds of such files, oldest first.

    Columns as in `liq.records.model.Sums`, ``ts`` as datetime64[us, UTC]. Raises
    like `compute_cascades`.
    """
    return _compute(files, SUMS, lambda prints: detection.sum_buckets(prints, bucket), settings)


def _compute(
    files: Files,
    stream: Stream,
    find: Callable[[DataFrame], DataFrame],
    settings: Settings | None,
) -> pd.DataFrame:
    settings = settings or current_settings()
    spark = start(settings)
    try:
        with translate_errors(settings):
            stored = spark.read.parquet(*map(_escape_path, files))
            once = detection.deduplicate(detection.keep_valid(stored), lateness=0)
            rows = find(once).orderBy(*stream.keys).collect()
    finally:
        spark.stop()
    frame = pd.DataFrame(rows, columns=list(stream.columns()))
    for name, kind in stream.columns().items():
        if kind == "TIMESTAMP":
            frame[name] = frame[name].astype("datetime64[us]").dt.tz_localize("UTC")
    return frame


def _escape_path(file: str | Path) -> str:
    """Return a file's path so that Spark takes no character of it for a pattern."""
    return re.sub(r"[\\*?\[\]{}]", r"\\\g<0>", str(Path(file).absolute()))
