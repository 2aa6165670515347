"""`liq run`: everything at once, from the simulated exchange to the dashboard's door."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

from liq import stack as local
from liq.cli import run
from liq.cli.run import RunSource
from liq.config import Settings
from liq.errors import ConfigError, FeedError
from liq.ingest.simulator.server import Simulator
from liq.ingest.venues import VENUES
from liq.ingest.venues.binance import BINANCE_USDM
from liq.ingest.venues.orderly import ORDERLY
from liq.query import questdb
from liq.stack import ServiceState
from support.helpers import PATIENCE_S, configure_questdb, eventually, find_free_ports
from support.terminals import LIQ, in_terminal

SERVERS = {"kafka", "questdb", "connect"}
APPS = {"simulator", "producer", "dashboard", "alerts", "supervisor"}
EXTRAS = {"api", "streamlit"}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings.load(home=tmp_path, **find_free_ports())
    configure_questdb(settings)
    yield settings
    local.down(settings)


def liq_run(settings: Settings, *options: str) -> list[str]:
    """Run ``liq run`` and return what it says, line by line."""
    command = [sys.executable, "-m", "liq", "run", "--feed", "simulator", *options]
    environment = os.environ | settings.environ()
    return subprocess.run(
        command, env=environment, text=True, capture_output=True, check=True
    ).stdout.splitlines()


def processes(settings: Settings) -> dict[str, psutil.Process]:
    return {each.name: psutil.Process(each.pid) for each in local.status(settings) if each.pid}


def simulated_rows(settings: Settings) -> int:
    query = "select count() n from liquidations where source = 'simulator'"
    return int(questdb.fetch(query, settings=settings)["n"].item())


@pytest.mark.stack
@pytest.mark.usefixtures("patient_probes")
@pytest.mark.timeout(600)  # it runs the command three times
def test_one_command_starts_everything_and_down_ends_it(own: Settings) -> None:
    said = liq_run(own, "--rate", "5")  # of each exchange
    assert {each.name: each.state for each in local.status(own)} == dict.fromkeys(
        SERVERS | APPS, ServiceState.HEALTHY
    )
    eventually(lambda: simulated_rows(own) > 20)
    prices = "select count() n from prices where source = 'simulator'"
    eventually(lambda: questdb.fetch(prices, settings=own)["n"].item() > 0)

    assert any("simulated" in line for line in said)
    url = said[-1].removeprefix("Dashboard: ")
    assert httpx.get(url, follow_redirects=True, timeout=PATIENCE_S).status_code == httpx.codes.OK
    assert httpx.get(url.split("?")[0], timeout=PATIENCE_S).status_code != httpx.codes.OK

    dead = processes(own)["producer"]
    dead.kill()
    eventually(lambda: processes(own).get("producer", dead) != dead)
    before = processes(own)
    said = liq_run(own, "--rate", "1", "--with", "streamlit")
    after = processes(own)
    assert {name for name in before if before[name] != after[name]} == {"simulator"}
    assert set(after) == SERVERS | APPS | EXTRAS
    assert {f"api: {own.api_url}", f"streamlit: {own.streamlit_url}"} <= set(said)
    assert httpx.get(f"{own.api_url}/latest_timestamp", timeout=PATIENCE_S).json()[0]["rows"] > 20
    assert httpx.get(f"{own.streamlit_url}/_stcore/health", timeout=PATIENCE_S).text == "ok"

    said = liq_run(own, "--rate", "1", "--with", "streamlit", "--base-url", "/liq")
    assert f"api: {own.api_url}/liq/api" in said
    assert any(line.startswith(f"streamlit: {own.streamlit_url}/liq/streamlit/?") for line in said)
    url = said[-1].removeprefix("Dashboard: ")
    assert url.startswith(f"http://127.0.0.1:{own.dashboard_port}/liq/?token=")
    assert httpx.get(url, follow_redirects=True, timeout=PATIENCE_S).status_code == httpx.codes.OK
    answer = httpx.get(f"{own.api_url}/liq/api/totals", timeout=PATIENCE_S)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    addresses = {each.name: each.address for each in local.status(own)}
    assert addresses["streamlit"] == f"{own.streamlit_url}/liq/streamlit"

    secrets = json.loads((own.home / "secrets.json").read_text()).values()
    for log in (own.home / "logs").iterdir():
        assert not [secret for secret in secrets if secret in log.read_text()], log

    assert set(local.down(own)) == SERVERS | APPS | EXTRAS
    assert processes(own) == {}
    assert {each.name for each in local.status(own)} == SERVERS


@pytest.mark.stack
def test_ctrl_c_ends_it_in_one_line_that_names_what_runs_on(own: Settings) -> None:
    with in_terminal([*LIQ, "run", "--feed", "simulator"], own.environ()) as session:
        eventually(lambda: "kafka" in local.list_running(own))
        session.press("\x03")
        said = session.read()
    assert session.process.returncode == 130
    assert "Traceback" not in said
    last = " ".join(said.split()).rpartition("interrupted; these run on until `liq down`: ")[2]
    assert last.split(", ")[0] == "kafka"
    assert set(last.split(", ")) == set(local.down(own))


@pytest.mark.usefixtures("patient_probes")
async def test_auto_takes_a_live_exchange_where_one_answers(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator(settings=own) as simulator:
        monkeypatch.setitem(VENUES, "here", replace(BINANCE_USDM, url=simulator.url))
        for source in (RunSource.AUTO, RunSource.LIVE):
            assert await asyncio.to_thread(run.choose_source, source, ["here"]) is RunSource.LIVE


@pytest.mark.usefixtures("patient_probes")
def test_a_venue_without_a_websocket_is_live_where_its_rest_api_answers(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = partial(SimpleHTTPRequestHandler, directory=own.home)
    with ThreadingHTTPServer(("127.0.0.1", 0), content) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        polled = replace(ORDERLY, url=f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setitem(VENUES, "polled", polled)
        assert run.choose_source(RunSource.LIVE, ["polled"]) is RunSource.LIVE
        server.shutdown()


def test_without_an_exchange_auto_simulates_and_live_names_the_exchange_it_tried(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"ws://127.0.0.1:{own.simulator_port}/ws"
    monkeypatch.setitem(VENUES, "away", replace(BINANCE_USDM, url=url))
    assert run.choose_source(RunSource.AUTO, ["away"]) is RunSource.SIMULATOR
    assert run.choose_source(RunSource.SIMULATOR, ["away"]) is RunSource.SIMULATOR
    with pytest.raises(FeedError, match=rf"{url}.*--feed simulator"):
        run.choose_source(RunSource.LIVE, ["away"])


def test_an_unknown_venue_starts_nothing(own: Settings) -> None:
    with pytest.raises(ConfigError, match="unknown venue 'mtgox'"):
        run.run(own, venues=["mtgox"])
    assert processes(own) == {}
