"""The stream: prints from their topic, cascades into theirs, each once in effect.

Offsets and state are kept in a checkpoint after each batch of messages. A job that was killed goes
on from there: messages since then are read again, and what it had written already is written again
to the letter, which the table of cascades stores once, by its dedup key.
"""

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from liq import config, kafka, signals
from liq.config import Settings
from liq.spark import detection
from liq.spark.session import start, translated
from liq.streams import CASCADES, LIQUIDATIONS

_SHOW_S = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """A job as of its latest batch of messages.

    ``batch`` counts batches since the checkpoint was made, -1 before the first; ``rows`` are the
    messages in this one. Rates are in messages/s: what arrived, and what could be done. ``state``
    is how many prints and open runs are remembered, in ``state_bytes`` of memory. ``watermark`` is
    the time before which prints are too late, ISO 8601, or nothing.
    """

    batch: int = -1
    rows: int = 0
    input_rate: float = 0.0
    processed_rate: float = 0.0
    state: int = 0
    state_bytes: int = 0
    watermark: str = ""


class Job:
    """Finds cascades in the topic of liquidations until it is stopped.

    ``gap`` is in seconds, ``min_prints`` the least prints of a cascade, ``lateness`` how many
    seconds a print may be late behind the newest of all: what is told waits for that. ``every`` is
    the least seconds between batches. Each gap has its own checkpoint, and without one the job
    begins with the oldest message of the topic.
    """

    def __init__(
        self,
        *,
        gap: int = 5,
        min_prints: int = 5,
        lateness: float = 30,
        every: float = 1,
        ui: bool = False,
        settings: Settings | None = None,
    ) -> None:
        self._gap, self._min_prints, self._lateness, self._every = gap, min_prints, lateness, every
        self._ui = ui
        self._settings = settings or config.settings()
        self._spark: SparkSession | None = None
        self._query: StreamingQuery | None = None

    @property
    def running(self) -> bool:
        """Whether it reads and writes, or tries to."""
        return self._query is not None and self._query.isActive

    async def start(self) -> None:
        """Start Spark and the job; does nothing when running.

        Raises `KafkaError` when the broker cannot be reached, else as `liq.spark.session.start`.
        """
        if not self.running:
            await self.stop()
            # off the main thread, on which Spark would take SIGINT for itself
            await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        """End the job and Spark; does nothing when stopped. Raises `SparkError` if it failed."""
        query, self._query = self._query, None
        spark, self._spark = self._spark, None
        if spark is not None:
            await asyncio.to_thread(self._stop, spark, query)

    def progress(self) -> Progress:
        """Return what the latest batch was like."""
        with translated(self._settings):
            latest = self._query.lastProgress if self._query else None
        return _progress(latest) if latest else Progress()

    def _start(self) -> None:
        kafka.ensure_topics(self._settings)
        self._spark = start(self._settings, ui=self._ui)
        with translated(self._settings):
            self._query = self._stream(self._spark)

    def _stream(self, spark: SparkSession) -> StreamingQuery:
        options, settings = _kafka(self._settings), self._settings
        reader = spark.readStream.format("kafka").options(**options)
        topic = LIQUIDATIONS.topic(settings)
        arriving = reader.options(subscribe=topic, startingOffsets="earliest").load()
        prints = detection.deduplicated(detection.parsed(arriving), self._lateness)
        found = detection.found(prints, self._gap, self._min_prints)
        writer = detection.messages(found).writeStream.format("kafka").options(**options)
        folder = settings.spark_checkpoints or str(settings.home / "spark")
        return (
            writer.option("topic", CASCADES.topic(settings))
            .option("checkpointLocation", f"{folder}/{topic}-{self._gap}s")
            .outputMode("append")
            .trigger(processingTime=f"{self._every:g} seconds")
            .start()
        )

    def _stop(self, spark: SparkSession, query: StreamingQuery | None) -> None:
        with translated(self._settings):
            try:
                failure = query.exception() if query else None
                if query:
                    query.stop()
            finally:
                spark.stop()
            if failure:
                raise failure


async def run(job: Job, show: Callable[[Progress], None] | None = None) -> None:
    """Run a job until SIGINT, SIGTERM or a failure. Raises what made it fail.

    ``show`` gets its progress twice a second.
    """
    with signals.caught() as ended:
        try:
            await job.start()
            while job.running:
                if show:
                    show(await asyncio.to_thread(job.progress))
                if await signals.within(_SHOW_S, ended):
                    break
        finally:
            await job.stop()


def _progress(latest: Any) -> Progress:
    operators = latest["stateOperators"]
    return Progress(
        batch=latest["batchId"],
        rows=latest["numInputRows"] or 0,
        input_rate=_rate(latest["inputRowsPerSecond"]),
        processed_rate=_rate(latest["processedRowsPerSecond"]),
        state=sum(operator["numRowsTotal"] for operator in operators),
        state_bytes=sum(operator["memoryUsedBytes"] for operator in operators),
        watermark=latest["eventTime"].get("watermark", ""),
    )


def _rate(found: float | None) -> float:
    return found if found and math.isfinite(found) else 0.0  # the first batch has none


def _kafka(settings: Settings) -> dict[str, str]:
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
