"""What runs, in a table, and what to do next."""

import os
import socket
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from liq import stack as local
from liq.config import Settings
from liq.stack import apps, process
from liq.stack.servers import define_servers
from liq.stack.state import ServiceState, ServiceStatus, advise
from support.helpers import find_free_ports

UP = [
    ServiceStatus(name=name, state=ServiceState.HEALTHY, address="x", port=1)
    for name in ("kafka", "connect", "questdb")
]
PRODUCER = ServiceStatus(name="producer", state=ServiceState.HEALTHY, address="", port=None)


@pytest.mark.parametrize(
    ("found", "advised"),
    [
        ([replace(one, state=ServiceState.REACHABLE) for one in UP], "are reachable"),
        ([*UP, PRODUCER], "Everything runs."),
        (UP, "No producer runs: enter `liq run`"),
        ([replace(UP[0], state=ServiceState.STOPPED), *UP[1:]], "enter `liq run` in a terminal"),
        ([replace(UP[0], state=ServiceState.STARTING), *UP[1:]], "still starting"),
        (
            [*UP, replace(PRODUCER, state=ServiceState.DIED)],
            "producer: see `liq logs producer`",
        ),
    ],
)
def test_the_states_lead_to_advice(found: list[ServiceStatus], advised: str) -> None:
    assert advised in advise(found)


def test_servers_elsewhere_are_reachable_or_not(tmp_path: Path) -> None:
    """In a container, settings name the hosts of the others: none of them is stopped here."""
    ports = find_free_ports()
    with socket.create_server(("127.0.0.2", ports["kafka_port"])):
        settings = Settings.load(
            home=tmp_path,
            host="127.0.0.1",
            **ports,
            kafka_brokers=f"127.0.0.1:{ports['lab_port']},127.0.0.2:{ports['kafka_port']}",
            kafka_security="SASL_SSL",
            connect_host="192.0.2.1.invalid",
            questdb_host="192.0.2.1.invalid",
        )
        frame = local.overview(settings)
    states = dict(zip(frame["service"], frame["state"], strict=True))
    assert states == {"kafka": "reachable", "connect": "unreachable", "questdb": "unreachable"}
    assert "liq run" not in frame.attrs["advice"]
    assert f"connect: it does not answer at {settings.connect_url}" in frame.attrs["advice"]


def test_a_questdb_with_tls_needs_no_port_for_health_checks(tmp_path: Path) -> None:
    ports = find_free_ports()
    with ExitStack() as listening:
        for name in ("questdb_http_port", "questdb_pg_port"):
            listening.enter_context(socket.create_server(("127.0.0.2", ports[name])))
        there = Settings.load(home=tmp_path, **ports, questdb_host="127.0.0.2", questdb_ca="ca.pem")
        [questdb] = [each for each in define_servers(there) if each.name == "questdb"]
        assert questdb.healthy()
        assert questdb.address == f"https://127.0.0.2:{ports['questdb_http_port']}"


def test_hosts_of_this_machine_are_not_elsewhere(tmp_path: Path) -> None:
    own = {f"{name}_host": "10.9.8.7" for name in ("kafka", "connect", "questdb")}
    for settings in (
        Settings.load(home=tmp_path),
        Settings.load(home=tmp_path, host="0.0.0.0"),  # noqa: S104 - nothing listens
        Settings.load(home=tmp_path, host="10.9.8.7", **own),
    ):
        assert not any(server.is_elsewhere for server in define_servers(settings))


def test_the_overview_lists_services_that_do_not_run(tmp_path: Path) -> None:
    frame = local.overview(Settings.load(home=tmp_path, **find_free_ports()))
    assert set(frame["service"]) == {"kafka", "connect", "questdb"}
    assert set(frame["state"]) == {"stopped"}
    assert frame["memory_mb"].isna().all()
    assert set(frame["up"]) == {""}
    assert "enter `liq run`" in frame.attrs["advice"]


@pytest.mark.stack
@pytest.mark.usefixtures("patient_probes")
def test_the_overview_lists_services_that_run(stack: Settings) -> None:
    frame = local.overview(stack)
    assert set(frame["state"]) == {"healthy"}
    assert (frame["memory_mb"] > 10).all()
    assert frame["up"].str.fullmatch(r"\d+:\d\d:\d\d").all()
    assert frame.attrs["advice"].startswith("No producer runs")


def test_the_state_has_the_base_url_that_the_running_dashboard_was_given(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path, **find_free_ports())
    pid_file = apps.define_dashboard(settings).pid_file
    waits = "import time; time.sleep(600)"
    process.spawn(
        [sys.executable, "-c", waits, "dashboard", "--base-url", "/liq"],
        env=os.environ,
        log=tmp_path / "log",
        pid_file=pid_file,
    )
    try:
        [dashboard] = [one for one in local.status(settings) if one.name == "dashboard"]
        assert dashboard.address == f"http://127.0.0.1:{settings.dashboard_port}/liq"
    finally:
        process.end(pid_file, timeout=10)
