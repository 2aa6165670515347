"""A stack whose folders have all odd characters at once, in a locale that knows none of them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from liq import stack as local
from liq.config import Settings
from liq.delivery.messaging import Publisher
from liq.errors import ConfigError
from liq.query import queries, questdb
from liq.stack.servers import SERVERS, define_servers
from support.helpers import PATIENCE_S, eventually, find_free_ports
from support.homes import ALL, BEYOND, ODD, link_jars
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


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_a_row_goes_through_a_stack_with_all_odd_characters_and_reset_deletes_all(
    stack: Settings, tmp_path: Path
) -> None:
    home, cache = tmp_path / f"home {ALL}{BEYOND}", tmp_path / f"cache {ALL}"
    settings = Settings.load(home=home, cache=cache, **find_free_ports())
    folder = link_jars(stack, settings)

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
