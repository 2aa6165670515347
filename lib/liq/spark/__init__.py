"""Cascades on Spark: as a stream from Kafka to Kafka, and over files that `liq.export` wrote.

The only importer of pyspark, which is an extra: ``liq[spark]``. It needs Java 17 or later.
"""

import warnings

with warnings.catch_warnings():
    # of frames that Spark hands to pandas: liq has none of those
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    from liq.spark.history import cascades
    from liq.spark.job import Job, Progress, run

__all__ = ["Job", "Progress", "cascades", "run"]
