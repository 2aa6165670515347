"""Cascades and sums on Spark: a stream from Kafka to Kafka, and files that `liq.export` wrote.

The only importer of pyspark, which is an extra: ``liq[spark]``. It needs Java 17 or later.
"""

from liq.analysis.spark.job import Job, Progress, compute_cascades, compute_sums, run

__all__ = ["Job", "Progress", "compute_cascades", "compute_sums", "run"]
