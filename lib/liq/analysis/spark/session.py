"""Start and stop Spark, with the jars that read Kafka, bound to this machine."""

import atexit
import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from liq.common.compat import PYSPARK
from liq.config import SPARK_SUBMIT, Settings
from liq.errors import SparkAwayError, SparkError
from liq.stack import health, jars, java
from liq.stack.service import OnEvent, ignore_event

# Spark's default one runs programs for each file of a local checkpoint, dozens a batch
_FILE_MANAGER = (
    "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
)
_MANAGED_BY = "spark.sql.streaming.checkpointFileManagerClass"
_links = contextlib.ExitStack()
atexit.register(_links.close)


def start(
    settings: Settings, *, ui: bool = False, progress: OnEvent = ignore_event
) -> SparkSession:
    """Start Spark and return its session; ``ui`` serves its pages at 127.0.0.1:4040.

    Its log is ``<home>/logs/spark.log`` unless the settings name another. Raises `SparkError` when
    it cannot be started or this process has one already, as `SparkAwayError` when no master of its
    cluster answers, and `StackError` when the jars cannot be downloaded.
    """
    # of frames that Spark hands to pandas, which liq has none of
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    _require_master(settings)  # Spark itself asks for a minute
    if settings.spark_master != SPARK_SUBMIT:
        jars.ensure(settings, progress)
    conf = SparkConf(loadDefaults=False).setAll(list(_configure(settings, ui=ui).items()))
    log = _find_log(settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    with translate_errors(settings), open(log, "ab", opener=_open_private) as sink:
        context = SparkContext(conf=conf, gateway=_open_gateway(conf, sink))
        try:
            return SparkSession.builder.getOrCreate()
        except Exception:  # no master answered, which stopped Java's context, not Python's
            context.stop()
            raise


def has_executors(spark: SparkSession) -> bool:
    """Return whether tasks can run, in this process or in executors of a cluster."""
    context = spark.sparkContext
    if str(context.master).startswith("local"):
        return True
    known = PYSPARK.get(context, "_jsc").sc().getExecutorMemoryStatus()
    return int(known.size()) > 1  # the driver is one of them


def _open_gateway(conf: SparkConf, sink: BinaryIO) -> Any:
    """Return the gateway to Java, which logs to ``sink``.

    It is started once a process: Spark's Java goes on, idle, when a session has ended.
    """
    running = PYSPARK.get(SparkContext, "_gateway")
    own = {"stdout": sink, "stderr": sink}
    with java.set_home():
        return running or launch_gateway(conf, own)  # type: ignore[no-untyped-call]


def _open_private(path: str, flags: int) -> int:
    """Open a file that its owner alone can read, as all logs are."""
    return os.open(path, flags, 0o600)


@contextlib.contextmanager
def translate_errors(settings: Settings) -> Iterator[None]:
    """Turn Spark's exceptions into a `SparkError` that names its log."""
    try:
        yield
    except (PySparkException, Py4JError, ValueError, OSError) as error:
        _require_master(settings, error)
        first = str(error).strip().partition("\n")[0]
        raise SparkError(f"Spark: {first}; see {_find_log(settings)}") from error


def _require_master(settings: Settings, cause: Exception | None = None) -> None:
    """Raise `SparkAwayError` if Spark's own cluster is to run the job and no master listens."""
    scheme, _, masters = settings.spark_master.partition("://")
    if scheme != "spark":
        return
    places = (master.rpartition(":") for master in masters.split(","))
    if not any(
        health.is_listening(host, int(port)) for host, _, port in places if port.isdecimal()
    ):
        raise SparkAwayError(f"no master answers at {settings.spark_master}") from cause


def _find_log(settings: Settings) -> Path:
    return settings.spark_log or settings.home / "logs" / "spark.log"


def _configure(settings: Settings, *, ui: bool) -> dict[str, str]:
    own = {
        "spark.app.name": "liq",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.streaming.numRecentProgressUpdates": "20",  # read twice a second
        # kept with a checkpoint for good: as many pieces of state as the topic has partitions
        "spark.sql.shuffle.partitions": str(settings.partitions),
    }
    return own if settings.spark_master == SPARK_SUBMIT else own | _place(settings, ui=ui)


def _place(settings: Settings, *, ui: bool) -> dict[str, str]:
    """Return where Spark runs, with which jars and ports, which else spark-submit says."""
    # Java goes on while this process does
    folder = _links.enter_context(java.plain_path(jars.find_folder(settings) / "spark"))
    built = sorted(folder.glob("*.jar"))
    local = settings.spark_master.startswith("local")
    host = "127.0.0.1" if local else settings.host
    alone = local or settings.is_on_loopback
    return {
        "spark.master": settings.spark_master,
        # addresses: of a path Spark would follow the link
        "spark.jars": ",".join(jar.as_uri() for jar in built),
        "spark.driver.bindAddress": host,
        # workers on other machines call the driver back, by the name of its machine
        **({"spark.driver.host": host} if alone else {}),
        "spark.authenticate": str(local).lower(),  # by a secret that Spark makes up
        "spark.ui.enabled": str(ui).lower(),
        "spark.ui.killEnabled": "false",  # its pages ask for no login
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(settings.home / "spark" / "warehouse"),
        **({} if settings.spark_checkpoints else {_MANAGED_BY: _FILE_MANAGER}),
    }
