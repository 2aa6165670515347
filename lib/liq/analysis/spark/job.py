"""The streaming job: read prints from their topic, write cascades and sums to their topics.

Cascades and sums are separate Spark queries. Each batch of messages saves offsets and state in a
checkpoint. A killed job resumes from there: it reads later messages again and writes equal records
again, which the tables of cascades and sums store once, by their dedup keys.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from liq.analysis.spark import detection
from liq.analysis.spark.session import has_executors, start, translate_errors
from liq.common import heartbeat, waiting
from liq.config import Settings, choose_settings
from liq.delivery import messaging
from liq.errors import KafkaAwayError, SparkAwayError, SparkError
from liq.records.streams import CASCADES, LIQUIDATIONS, SUMS, Stream
from liq.stack.apps import SPARK, heartbeat_file

Files = Sequence[str | Path]
_LOG = logging.getLogger(__name__)
_SHOW_S = 0.5
_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 5.0
_PROBE_S = 2.0
_ABANDONED_S = 60.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a job as of the latest batches of its two queries, cascades and sums.

    ``batch`` counts batches since the checkpoint was created, -1 before the first; ``rows`` are the
    messages in this batch. ``late`` counts prints dropped as too late since the start. Rates are in
    messages/s, arrived and processed. ``state`` is the number of prints, open runs and open buckets
    in ``state_bytes`` of memory. ``watermark`` is the time before which prints are too late, ISO
    8601, or empty. Where the two queries differ, the slower one's number is given.
    """

    batch: int = -1
    rows: int = 0
    late: int = 0
    input_rate: float = 0.0
    processed_rate: float = 0.0
    state: int = 0
    state_bytes: int = 0
    watermark: str = ""


class Job:
    """Finds cascades in the topic of liquidations, and sums them up, until it is stopped.

    Each gap and bucket has its own checkpoint; without one the job begins with the oldest message
    of the topic.

    Args:
        gap: The most seconds between two prints of a cascade.
        min_prints: The least prints of a cascade.
        bucket: The seconds of a bucket of sums.
        lateness: The seconds by which a print may be older than the newest print. Results wait that
            long, and later prints are dropped.
        every: The least seconds between batches.
    """

    def __init__(
        self,
        *,
        gap: int = 5,
        min_prints: int = 5,
        bucket: int = 60,
        lateness: float = 30,
        every: float = 1,
        ui: bool = False,
        settings: Settings | None = None,
    ) -> None:
        self._gap, self._min_prints, self._bucket = gap, min_prints, bucket
        self._lateness, self._every, self._ui = lateness, every, ui
        self._settings = choose_settings(settings)
        self._spark: SparkSession | None = None
        self._queries: list[StreamingQuery] = []
        self._late: Counter[str] = Counter()  # by query
        self._counted: dict[str, str] = {}  # until when
        self._batches: dict[str, int] = {}  # the last one by query
        self._active: set[str] = set()  # queries with a sign of life since the last beat
        self._runnable_at = 0.0  # when tasks could run, or none were to

    @property
    def is_running(self) -> bool:
        """Whether it reads and writes, or tries to."""
        return bool(self._queries) and all(query.isActive for query in self._queries)

    async def start(self) -> None:
        """Start Spark and the job; does nothing when running.

        Raises `KafkaError` when the broker cannot be reached, else as
        `liq.analysis.spark.session.start`.
        """
        if not self.is_running:
            await self.stop()
            # off the main thread, on which Spark would take SIGINT for itself
            await asyncio.to_thread(self._start)

    async def is_kafka_away(self) -> bool:
        """Return whether no broker answers."""
        silent = await asyncio.to_thread(messaging.probe_brokers, self._settings, _PROBE_S)
        return len(silent) == len(self._settings.kafka_bootstrap.split(","))

    async def stop(self) -> None:
        """End the job and Spark; does nothing when stopped. Raises `SparkError` if it failed."""
        queries, self._queries = self._queries, []
        spark, self._spark = self._spark, None
        if spark is not None:
            await asyncio.to_thread(self._stop, spark, queries)

    def progress(self) -> Progress:
        """Return the progress as of the latest batches."""
        with translate_errors(self._settings):
            recent = [query.recentProgress for query in self._queries]
        if not recent or not all(recent):
            return Progress()
        for one in itertools.chain.from_iterable(recent):
            self._count(one)
        return _summarize([each[-1] for each in recent], max(self._late.values(), default=0))

    def beat(self) -> None:
        """Send a heartbeat if each query has ended a batch since the last one, or waits.

        A query that has ended a batch may wait for messages. Raises `OSError`.
        """
        with translate_errors(self._settings):
            for query in self._queries:
                if last := query.lastProgress:
                    advanced = last["batchId"] != self._batches.get(query.id)
                    self._batches[query.id] = last["batchId"]
                    if advanced or not query.status["isTriggerActive"]:
                        self._active.add(query.id)
        if self._queries and len(self._active) == len(self._queries):
            self._active.clear()
            file = heartbeat_file(self._settings, SPARK)
            file.parent.mkdir(parents=True, exist_ok=True)
            heartbeat.beat(file)

    def check_cluster(self) -> None:
        """Raise `SparkAwayError` if a batch has waited for an executor for a minute.

        A master that was restarted does not know the job, and gives it none for ever.
        """
        if self._spark is None:
            return
        with translate_errors(self._settings):
            waits = not has_executors(self._spark) and any(
                query.status["isTriggerActive"] for query in self._queries
            )
        if not waits:
            self._runnable_at = time.monotonic()
        elif time.monotonic() > self._runnable_at + _ABANDONED_S:
            raise SparkAwayError(
                f"{self._settings.spark_master} gave the job no executor for {_ABANDONED_S:.0f} s;"
                " its pages show whether it has a worker with memory to spare"
            )

    def _count(self, progress: Any) -> None:
        query, moment = str(progress["id"]), progress["timestamp"]
        if moment > self._counted.get(query, ""):
            self._counted[query] = moment
            dropped = (each["numRowsDroppedByWatermark"] for each in progress["stateOperators"])
            self._late[query] += sum(dropped)

    def _start(self) -> None:
        self._late.clear()
        self._batches.clear()
        self._active.clear()
        self._runnable_at = time.monotonic()
        heartbeat_file(self._settings, SPARK).unlink(missing_ok=True)  # of the job before
        messaging.ensure_topics(self._settings)
        self._spark = start(self._settings, ui=self._ui)
        with translate_errors(self._settings):
            prints = self._read_prints(self._spark)
            found = detection.find_cascades(prints, self._gap, self._min_prints)
            cascades = detection.encode_messages(found, *CASCADES.partition_by)
            summed = detection.sum_buckets(prints, self._bucket)
            sums = detection.encode_messages(summed, *SUMS.partition_by)
            self._queries = [  # none, unless both could be started
                self._start_query(cascades, CASCADES, f"{self._gap}s"),
                self._start_query(sums, SUMS, f"sums-{self._bucket}s"),
            ]

    def _read_prints(self, spark: SparkSession) -> DataFrame:
        reader = spark.readStream.format("kafka").options(**_build_kafka_options(self._settings))
        topic = LIQUIDATIONS.topic(self._settings)
        arriving = reader.options(subscribe=topic, startingOffsets="earliest").load()
        return detection.deduplicate(detection.parse(arriving), self._lateness)

    def _start_query(self, messages: DataFrame, stream: Stream, checkpoint: str) -> StreamingQuery:
        settings = self._settings
        folder = settings.spark_checkpoints or str(settings.home / "spark")
        return (
            messages.writeStream.format("kafka")
            .options(**_build_kafka_options(settings), topic=stream.topic(settings))
            .option("checkpointLocation", f"{folder}/{LIQUIDATIONS.topic(settings)}-{checkpoint}")
            .outputMode("append")
            .trigger(processingTime=f"{self._every:g} seconds")
            .start()
        )

    def _stop(self, spark: SparkSession, queries: list[StreamingQuery]) -> None:
        with translate_errors(self._settings):
            try:
                failures = [error for query in queries if (error := query.exception())]
                for query in queries:
                    query.stop()
            finally:
                spark.stop()
            if failures:
                raise failures[0]


async def run(job: Job, show: Callable[[Progress], None] | None = None) -> None:
    """Run a job until SIGINT, SIGTERM or a failure. Raises the error of a failed job.

    While Kafka or Spark's cluster is away it waits, and a job that failed meanwhile is started
    again, from its checkpoint. ``show`` gets its progress twice a second.
    """
    failures = 0
    with waiting.catch_signals() as ended:
        while not ended.is_set():
            try:
                await _follow(job, show, ended)
            except KafkaAwayError as error:
                failures += 1
                awaited, reason = "Kafka", str(error)
            except SparkError as error:
                if await job.is_kafka_away():
                    awaited = "Kafka"
                elif isinstance(error, SparkAwayError):
                    awaited = "Spark"
                else:
                    raise
                failures, reason = 1, str(error)
            else:
                return
            if failures == 1:
                _LOG.warning("waiting for %s: %s", awaited, reason)
            await waiting.wait(waiting.pause_s(failures, _BACKOFF_S, _LONGEST_BACKOFF_S), ended)


async def _follow(job: Job, show: Callable[[Progress], None] | None, ended: asyncio.Event) -> None:
    """Run a job until ``ended`` or its failure, which is raised."""
    try:
        await job.start()
        while job.is_running:
            with contextlib.suppress(OSError):  # a full disk must not end the job
                await asyncio.to_thread(job.beat)
            await asyncio.to_thread(job.check_cluster)
            if show:
                show(await asyncio.to_thread(job.progress))
            if await waiting.wait(_SHOW_S, ended):
                break
    finally:
        await job.stop()


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
    """Return sums by contract and ``bucket`` seconds of exports of ``prints``, oldest first.

    Columns as in `liq.records.model.Sums`, ``ts`` as datetime64[us, UTC]. Raises
    like `compute_cascades`.
    """
    return _compute(files, SUMS, lambda prints: detection.sum_buckets(prints, bucket), settings)


def _summarize(latest: list[Any], late: int) -> Progress:
    operators = [operator for each in latest for operator in each["stateOperators"]]
    return Progress(
        batch=min(each["batchId"] for each in latest),
        rows=max(each["numInputRows"] or 0 for each in latest),
        late=late,
        input_rate=max(_keep_finite(each["inputRowsPerSecond"]) for each in latest),
        processed_rate=min(_keep_finite(each["processedRowsPerSecond"]) for each in latest),
        state=sum(operator["numRowsTotal"] for operator in operators),
        state_bytes=sum(operator["memoryUsedBytes"] for operator in operators),
        watermark=min(each["eventTime"].get("watermark", "") for each in latest),
    )


def _keep_finite(found: float | None) -> float:
    return found if found and math.isfinite(found) else 0.0  # the first batch has none


def _build_kafka_options(settings: Settings) -> dict[str, str]:
    """Return how Kafka's Java client, in Spark, reaches the broker and logs in there."""
    options = {
        "kafka.bootstrap.servers": settings.kafka_bootstrap,
        "kafka.security.protocol": settings.kafka_security,
    }
    if settings.kafka_security != "PLAINTEXT" and settings.kafka_ca:
        options |= {
            "kafka.ssl.truststore.type": "PEM",
            "kafka.ssl.truststore.location": str(settings.kafka_ca),
        }
    if settings.kafka_security == "SASL_SSL":
        plain = settings.kafka_mechanism == "PLAIN"
        module = "plain.PlainLoginModule" if plain else "scram.ScramLoginModule"
        user, password = (
            json.dumps(text, ensure_ascii=False)  # its escapes are Java's too
            for text in (settings.kafka_user, settings.kafka_password.get_secret_value())
        )
        options |= {
            "kafka.sasl.mechanism": settings.kafka_mechanism,
            "kafka.sasl.jaas.config": f"org.apache.kafka.common.security.{module} required"
            f" username={user} password={password};",
        }
    return options


def _compute(
    files: Files,
    stream: Stream,
    find: Callable[[DataFrame], DataFrame],
    settings: Settings | None,
) -> pd.DataFrame:
    settings = choose_settings(settings)
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
