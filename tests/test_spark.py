"""Cascades on Spark: a killed job's, a batch's and the query's are the same.

Spark works in processes of its own, as it does for a user.
"""

import asyncio
import random
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import psutil
import pytest

import liq
from helpers import consume, eventually, finish, running
from liq import notebooks
from liq.config import Settings
from liq.kafka import Publisher
from liq.model import Completeness, Liquidation, Side, Source
from liq.spark import job
from rows import ask, liquidation

CHUNKS, CASCADES_A_CHUNK = 5, 20
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=16)
LATENESS = timedelta(hours=1)  # longer than a chunk, which arrives in any order
CALM = timedelta(hours=2)
SECOND = timedelta(seconds=1)
JOB = ("-m", "liq", "spark", "--lateness", f"{LATENESS.total_seconds():.0f}", "--every", "0")


@pytest.fixture(autouse=True)
def _quick_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Compile lightly, as no Java lives long here; what a killed one leaves is the test's."""
    options = f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.io.tmpdir={tmp_path}"
    monkeypatch.setenv("JDK_JAVA_OPTIONS", options)


def market() -> list[list[Liquidation]]:
    """Return chunks of prints with a calm after each, and a last print that ends all cascades.

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
    chunks[-1].append(liquidation(now, 1.0, base="NONE"))
    return chunks


def burst(dice: random.Random, now: datetime) -> list[Liquidation]:
    steps = [0 * SECOND, 0.2 * SECOND, SECOND, 5 * SECOND, 5 * SECOND + timedelta(microseconds=1)]
    base, prints = dice.choice(["BTC", "ETH", "SOL"]), []
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


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the driver as ``kill -9`` would, with its Java."""
    for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        one.kill()
    process.wait()


def stored(settings: Settings) -> pd.DataFrame:
    return ask(f"SELECT * FROM {settings.cascades_table} ORDER BY ts, base", settings)  # noqa: S608


def in_batch(settings: Settings, tmp_path: Path) -> pd.DataFrame:
    prints, out = tmp_path / "prints.parquet", tmp_path / "cascades.parquet"
    liq.export("prints", prints, window="1d", settings=settings)
    command = ["-m", "liq", "spark", "batch", str(prints), "--out", str(out)]
    with running(settings, *command) as process:
        output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    return pd.read_parquet(out)


@pytest.mark.stack
@pytest.mark.timeout(1800)  # it starts Java three times
def test_a_killed_job_finds_what_a_batch_and_the_query_find(
    pipeline: Settings, tmp_path: Path
) -> None:
    first, second, third, fourth, last = market()
    publish(first + second, pipeline)
    with running(pipeline, *JOB) as process:
        eventually(lambda: consume(pipeline.cascades_topic, pipeline), deadline=500, every=2)
        publish(third, pipeline)
        kill(process)
    publish(fourth, pipeline)
    with running(pipeline, *JOB) as process:
        publish(last, pipeline)
        found = liq.hit("cascades", window="1d", limit=10_000, settings=pipeline)
        assert len(found) > 50
        eventually(lambda: len(stored(pipeline)) >= len(found), deadline=500, every=2)
        assert "batch" in finish(process, signal.SIGTERM)

    of_stream = stored(pipeline)
    pd.testing.assert_frame_equal(of_stream, in_batch(pipeline, tmp_path), check_exact=True)
    same = found.rename(columns={"name": "base", "from_ts": "ts"}).sort_values(["ts", "base"])
    shared = [name for name in of_stream if name in same and name != "first_exchange"]
    assert len(shared) == len(of_stream.columns) - 2  # and "gap"
    pd.testing.assert_frame_equal(
        of_stream[shared], same[shared].reset_index(drop=True), rtol=1e-9, atol=1e-5
    )


@pytest.mark.stack
@pytest.mark.timeout(900)  # Java in the notebook's kernel
def test_the_notebook_runs_a_job(pipeline: Settings) -> None:
    prints = burst(random.Random(1), BEGIN)  # noqa: S311 - no secret
    publish(prints, pipeline)
    ran = notebooks.run("07-spark", {"run_seconds": 2}, settings=pipeline)
    assert "RUNNING" in str(ran.cells)
    checkpoint = pipeline.home / "spark" / f"{pipeline.topic}-5s"
    assert (checkpoint / "commits" / "0").exists()


def test_spark_logs_in_to_kafka_as_the_settings_say(tmp_path: Path) -> None:
    settings = Settings.load(
        home=tmp_path,
        kafka_brokers="one:9092,two:9092",
        kafka_security="SASL_SSL",
        kafka_ca="/ca.pem",
        kafka_password='of "quotes"',
    )
    assert job._kafka(settings) == {
        "kafka.bootstrap.servers": "one:9092,two:9092",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.ssl.truststore.type": "PEM",
        "kafka.ssl.truststore.location": "/ca.pem",
        "kafka.sasl.mechanism": "SCRAM-SHA-512",
        "kafka.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required"
        r' username="liq" password="of \"quotes\"";',
    }
    assert set(job._kafka(Settings.load(home=tmp_path))) == {
        "kafka.bootstrap.servers",
        "kafka.security.protocol",
    }
