"""Cascades on Spark: as a stream from Kafka to Kafka, and over files that `liq.export` wrote.

The only importer of pyspark, which is an extra: ``liq[spark]``. It needs Java 17 or later.
"""

from liq.spark.history import cascades
from liq.spark.job import Job, Progress, run

__all__ = ["Job", "Progress", "cascades", "run"]
