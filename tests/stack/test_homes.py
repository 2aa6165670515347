"""A stack whose folders have all odd characters at once, in a locale that knows none of them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

import liq
from liq import stack as local
from liq.config import Settings
from liq.delivery.messaging import Publisher
from liq.errors import ConfigError
from liq.query import queries, questdb
from liq.records.streams import CASCADES
from liq.stack import jars
from liq.stack.servers import SERVERS, define_servers
from support.helpers import PATIENCE_S, consume, eventually, find_free_ports, finish, running
from support.homes import ALL, BEYOND, ODD
from support.rows import liquidation

STAYS = {"logs", "run", "secrets.json"}


@pytest.mark.parametrize("name", ODD)
def test_every_program_is_given_the_folders_as_they_are(name: str, tmp_path: Path) -> None:
    home, cache = tmp_path / name / "home", tmp_path / name / "cache"
    settings = Settings.load(home=home, cache=cache)
    assert (settings.home, settings.cache) == (home, cache)
    assert Settings.load(home=settings.environ()["LIQ_HOME"]).home == home
    kafka, database, connect = define_servers(settings)
    assert str(home / "conf" / "kafka.properties") in kafka.argv
    assert str(home / "questdb") in database.argv
    assert all(text.isascii() for service in (kafka, connect) for text in service.files.values())


@pytest.mark.parametrize(
    ("folders", "reason"),
    [
        ({"home": "/a,b"}, "LIQ_HOME: .*','"),
        ({"cache": "/a,b"}, "LIQ_CACHE: .*','"),
        ({"cache": "/a:b"}, "LIQ_CACHE: .*':'"),
        ({"cache": f"/a{BEYOND}"}, f"LIQ_CACHE: .*{BEYOND}"),
        ({"home": "/a\nb"}, "LIQ_HOME: .*printed"),
        ({"home": "/a\udcffb"}, "LIQ_HOME: .*printed"),
    ],
)
def test_a_home_that_java_cannot_be_passed_is_refused_by_name(
    folders: dict[str, str], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        Settings.load(**folders)


def test_a_relative_folder_and_a_tilde_mean_the_same_in_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    assert Settings.load(home="here").home == tmp_path / "here"
    assert Settings.load(home="~/there").home == tmp_path / "user" / "there"


async def publish(settings: Settings) -> None:
    async with Publisher(settings) as publisher:
        await publisher.publish(liquidation("2026-01-01T10:00:00", 1234.5))


def shown(settings: Settings) -> float:
    found = queries.hit("totals", window="1h", until="2026-01-01T10:30:00Z", settings=settings)
    return float(found["long_usd"].item())


def with_jars_of(stack: Settings, settings: Settings) -> Path:
    """Give a cache of its own the jars that are built already."""
    folder = jars.find_folder(settings)
    without = shutil.ignore_patterns("*.jsa")
    shutil.copytree(jars.find_folder(stack), folder, copy_function=os.link, ignore=without)
    return folder


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_a_row_goes_through_a_stack_with_all_odd_characters_and_reset_deletes_all(
    stack: Settings, tmp_path: Path
) -> None:
    home, cache = tmp_path / f"home {ALL}{BEYOND}", tmp_path / f"cache {ALL}"
    settings = Settings.load(home=home, cache=cache, **find_free_ports())
    folder = with_jars_of(stack, settings)

    def command(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "liq", *words],
            env=os.environ | settings.environ() | {"LC_ALL": "C"},
            cwd=tmp_path,
            text=True,
            capture_output=True,
            check=False,
            timeout=3 * PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        command("up")
        asyncio.run(publish(settings))
        eventually(lambda: shown(settings) == 1234.5)
        out = tmp_path / "totals.csv"
        window = ["-p", "window=1h", "-p", "until=2026-01-01T10:30:00Z"]
        command("hit", "totals", *window, "--out", str(out))
        assert "1234.5" in out.read_text()
        # a busy server may miss a probe
        eventually(lambda: command("status").count("healthy") == len(SERVERS))
        assert (home / "kafka" / "meta.properties").exists()
        command("down")
        assert not list(folder.glob("*.jsa"))
        command("reset", "--yes")
        questdb.close()
        assert {each.name for each in home.iterdir()} <= STAYS
        # nothing was written anywhere else
        assert {each.name for each in tmp_path.iterdir()} == {home.name, cache.name, out.name}
        lines = [each.info["cmdline"] or () for each in psutil.process_iter(["cmdline"])]
        assert not [line for line in lines if str(home) in " ".join(line)]
    finally:
        local.down(settings)


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_spark_works_in_such_folders_and_reads_such_files(
    pipeline: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    odd = {"home": tmp_path / f"home {ALL}{BEYOND}", "cache": tmp_path / f"cache {ALL}"}
    settings = pipeline.model_copy(update=odd)
    with_jars_of(pipeline, settings)
    now = datetime.now(UTC)
    moments = [*(now - timedelta(minutes=5) for _ in range(5)), now]

    async def publish_all() -> None:
        async with Publisher(settings) as publisher:
            for number, moment in enumerate(moments):
                await publisher.publish(liquidation(moment, 1.0, event_id=number))

    asyncio.run(publish_all())
    with running(settings, "-m", "liq", "spark", "--every", "1") as process:
        eventually(lambda: consume(CASCADES.topic(settings), settings), deadline=500, every=1)
        finish(process, signal.SIGTERM)
    assert {each.name for each in settings.home.iterdir()} >= {"spark", "logs"}

    prints = tmp_path / f"prints {ALL}.parquet"
    eventually(lambda: len(queries.hit("prints", window="1h", settings=settings)) == len(moments))
    liq.export("prints", prints, window="1h", settings=settings)
    out = tmp_path / f"found {ALL}.csv"
    with running(
        settings, "-m", "liq", "spark", "batch", str(prints), "--out", str(out)
    ) as process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert len(out.read_text().splitlines()) == 2
