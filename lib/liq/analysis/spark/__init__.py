"""Cascades and sums on Spark: a stream from Kafka to Kafka, and files that `liq.export` wrote.

The only importer of pyspark, which is the extra ``spark``. Raises `SparkError` where
it is not installed.
"""

from liq.common.extras import describe_installation
from liq.errors import SparkError

try:
    from liq.analysis.spark.job import Job, Progress, compute_cascades, compute_sums, run
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("pyspark", "py4j"):
        raise
    raise SparkError(
        "Spark is not installed here: run tools/add-extras in a checkout, else"
        f" {describe_installation('spark')}. With docker-compose, the profile spark runs the job in"
        " its own containers"
    ) from None

__all__ = ["Job", "Progress", "compute_cascades", "compute_sums", "run"]
