"""Cascades over long history: Parquet files of the query ``prints``."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from liq import config
from liq.config import Settings
from liq.spark import detection
from liq.spark.session import start, translated
from liq.streams import CASCADES


def cascades(
    files: Sequence[str | Path],
    *,
    gap: int = 5,
    min_prints: int = 5,
    settings: Settings | None = None,
) -> pd.DataFrame:
    """Return the cascades in files that ``liq.export("prints", …)`` wrote, oldest first.

    Files may overlap: a print counts once. Columns as in `liq.model.Cascade`, ``ts`` and ``to_ts``
    as datetime64[us, UTC]. Raises `SparkError` when Spark cannot be started or read a file.
    """
    settings = settings or config.settings()
    spark = start(settings)
    try:
        with translated(settings):
            prints = spark.read.parquet(*[str(Path(file).absolute()) for file in files])
            once = detection.deduplicated(prints, lateness=0)
            rows = detection.found(once, gap, min_prints).orderBy("ts", "base").collect()
    finally:
        spark.stop()
    frame = pd.DataFrame(rows, columns=list(CASCADES.columns()))
    for name in ("ts", "to_ts"):
        frame[name] = frame[name].astype("datetime64[us]").dt.tz_localize("UTC")
    return frame
