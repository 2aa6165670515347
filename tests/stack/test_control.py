"""The real servers, up and down. What would disturb other tests happens to a stack of its own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import httpx
import psutil
import pytest
from kafka import KafkaAdminClient
from pydantic import SecretStr

from liq import stack as local
from liq.config import Settings
from liq.delivery import messaging
from liq.errors import QuestDBError, StackError
from liq.query import questdb
from liq.stack import ServiceState
from liq.stack.control import wait_healthy
from liq.stack.servers import SERVERS
from liq.stack.service import Service
from stack.conftest import liq as run_liq
from stack.conftest import shows_healthy
from support.helpers import PATIENCE_S, configure_questdb, eventually, find_free_ports
from support.machine import of_home, stepped

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("patient_probes")]

HEALTHY = dict.fromkeys(("kafka", "questdb", "connect"), ServiceState.HEALTHY)
STOPPED = dict.fromkeys(HEALTHY, ServiceState.STOPPED)
DIED = dict.fromkeys(HEALTHY, ServiceState.DIED)
SLEEP = ["sleep", "1000"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings.load(home=tmp_path_factory.mktemp("own"), **find_free_ports())
    configure_questdb(settings)
    yield settings
    local.down(settings)


def liq(settings: Settings, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "liq", *words],
        env=os.environ | settings.environ(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def states(settings: Settings) -> dict[str, ServiceState]:
    return {service.name: service.state for service in local.status(settings)}


def processes(settings: Settings) -> dict[str, psutil.Process]:
    return {each.name: psutil.Process(each.pid) for each in local.status(settings) if each.pid}


def jvms(settings: Settings) -> list[int]:
    """The JVMs whose command line names this home."""
    found = psutil.process_iter(["pid", "name", "cmdline"])
    lines = {each.pid: " ".join(each.info["cmdline"] or ()) for each in found}
    return [pid for pid, line in lines.items() if "java" in line and f"{settings.home}/" in line]


def post(settings: Settings, path: str, login: tuple[str, str] | None = None) -> int:
    """Send a row of a new table to QuestDB's HTTP server and return the answer's status."""
    return httpx.post(
        settings.questdb_url + path, content="unheard_of x=1", auth=login, timeout=PATIENCE_S
    ).status_code


def test_all_is_healthy_after_up(stack: Settings) -> None:
    assert states(stack) == HEALTHY
    for service in local.status(stack):
        assert service.port
        socket.create_connection(("127.0.0.1", service.port)).close()
        assert service.memory
        assert 50e6 < service.memory < 2e9
        assert service.uptime
        assert service.uptime > 0


def test_up_again_leaves_all_alone(stack: Settings) -> None:
    before = processes(stack)
    local.up(stack)
    assert processes(stack) == before


def test_each_listens_on_its_ports_of_loopback_only(stack: Settings) -> None:
    listening = {
        (name, end.laddr.ip, end.laddr.port)
        for name, process in processes(stack).items()
        for end in process.net_connections("tcp")
        if end.status == psutil.CONN_LISTEN
    }
    names = ["kafka_port", "kafka_controller_port", "connect_port"]
    names += ["questdb_http_port", "questdb_pg_port", "questdb_health_port"]
    assert listening == {(name.split("_")[0], "127.0.0.1", getattr(stack, name)) for name in names}


def test_questdb_http_writes_for_the_admin_only(stack: Settings) -> None:
    reader = (stack.questdb_reader_user, stack.questdb_reader_password.get_secret_value())
    for path in ("/write", "/exec?query=drop+table+liquidations", "/imp"):
        assert post(stack, path) == httpx.codes.UNAUTHORIZED
        assert post(stack, path, reader) == httpx.codes.UNAUTHORIZED


def test_line_protocol_makes_no_tables(stack: Settings) -> None:
    admin = (stack.questdb_admin_user, stack.questdb_admin_password.get_secret_value())
    assert post(stack, "/write", admin) == httpx.codes.BAD_REQUEST
    assert questdb.fetch("select 1 from tables() where table_name = 'unheard_of'", (), stack).empty


def test_logs_are_the_last_lines(stack: Settings) -> None:
    text = (stack.home / "logs" / "kafka.log").read_text().splitlines()
    assert list(local.logs("kafka", stack, lines=3)) == text[-3:]
    assert list(islice(local.logs("kafka", stack, lines=2, follow=True), 2)) == text[-2:]
    with pytest.raises(
        StackError,
        match=r"'kafkaesque' has no log, did you mean 'kafka'. valid are: connect, kafka, quest",
    ):
        local.logs("kafkaesque", stack)


def test_the_command_shows_the_address_of_each_service(stack: Settings) -> None:
    def shown() -> str:
        said = liq(stack, "status").communicate()[0]
        assert said.count("healthy") == 3  # a busy server may miss a probe
        return said

    said = eventually(shown)
    for address in (stack.kafka_bootstrap, stack.connect_url, stack.questdb_url):
        assert address in said


def test_the_command_says_that_questdb_refuses_the_password(stack: Settings) -> None:
    wrong = stack.model_copy(update={"questdb_reader_password": SecretStr("wrong")})

    def is_said() -> bool:
        with liq(wrong, "status") as command:
            said = command.communicate()[0]
        assert "questdb: QuestDB at" in said  # a busy server may miss a probe
        assert "set LIQ_QUESTDB_READER_PASSWORD" in said
        assert (said.count("unhealthy"), command.returncode) == (1, 3)
        return True

    eventually(is_said)


def test_two_ups_at_once_start_one_stack(own: Settings) -> None:
    local.down(own)
    both = [liq(own, "up") for _ in range(2)]
    said = [each.communicate()[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert len(jvms(own)) == len(HEALTHY)
    assert states(own) == HEALTHY


def test_up_starts_a_killed_server_and_leaves_the_others(own: Settings) -> None:
    local.up(own)
    before = processes(own)
    before["questdb"].kill()
    eventually(lambda: states(own) == HEALTHY | {"questdb": ServiceState.DIED})
    local.up(own)
    assert states(own) == HEALTHY
    after = processes(own)
    assert after.pop("questdb") != before.pop("questdb")
    assert after == before


def test_stop_and_start_one(own: Settings) -> None:
    local.up(own)
    local.stop("questdb", own)
    assert states(own) == HEALTHY | {"questdb": ServiceState.STOPPED}
    local.start("questdb", own)
    assert states(own) == HEALTHY
    with pytest.raises(StackError, match="there is no server 'spark'; valid are: kafka"):
        local.stop("spark", own)


def test_a_changed_setting_restarts_the_services_it_concerns(own: Settings) -> None:
    local.up(own)
    before = processes(own)
    changed = own.model_copy(update={"questdb_reader_password": SecretStr("another")})
    with pytest.raises(QuestDBError, match="refused the password"):
        questdb.fetch("select 1", settings=changed)
    local.up(changed)
    assert questdb.fetch("select 1 one", settings=changed)["one"].item() == 1
    assert processes(changed)["kafka"] == before["kafka"]


def test_data_survives_down_and_up(own: Settings) -> None:
    if not processes(own):  # else a server's settings may be another test's, which changes nothing
        local.up(own)
    questdb.execute("insert into liquidations(ts, symbol) values(0, 'KEPT')", settings=own)
    messaging.ensure_topics(own.with_streams(liquidations={"topic": "kept"}))

    assert sorted(local.down(own)) == sorted(HEALTHY)
    assert states(own) == STOPPED
    assert jvms(own) == []
    assert (own.home / "kafka" / ".kafka_cleanshutdown").exists()
    assert local.down(own) == []

    local.up(own)
    query = "select symbol from liquidations where symbol = 'KEPT'"
    eventually(lambda: len(questdb.fetch(query, settings=own)) == 1)
    admin = KafkaAdminClient(bootstrap_servers=own.kafka_bootstrap)
    try:
        assert "kept" in admin.list_topics()
    finally:
        admin.close()


def test_a_real_stack_goes_through_a_stepped_clock_damage_a_kill_and_a_reboot(
    own: Settings, tmp_path: Path
) -> None:
    local.up(own)
    questdb.execute("insert into liquidations(ts, symbol) values(1, 'KEPT TOO')", settings=own)
    before, clock = processes(own), stepped(tmp_path, 7)
    numbers = sorted(each.pid for each in before.values())
    assert set(before) == set(SERVERS)

    eventually(lambda: shows_healthy(own, len(SERVERS), within=clock))
    for text in ("", None):
        for name in SERVERS:
            file = own.home / "run" / f"{name}.json"
            file.unlink() if text is None else file.write_text(text)
        done = run_liq(own, "up", within=clock)
        assert done.returncode == 0, done.stderr
        assert (processes(own), of_home(own)) == (before, numbers)

    for process in before.values():
        process.kill()
    eventually(lambda: states(own) == DIED)
    assert of_home(own) == []
    assert run_liq(own, "down").returncode == 0  # nothing is left of it, so it is down
    assert states(own) == STOPPED

    # as after a boot: other processes have the pids by now
    strangers = [subprocess.Popen(SLEEP) for _ in SERVERS]
    for name, stranger in zip(SERVERS, strangers, strict=True):
        entry = {"pid": stranger.pid, "created": 0, "born": "then 1", "definition": "", "argv": []}
        (own.home / "run" / f"{name}.json").write_text(json.dumps(entry))
    assert states(own) == DIED
    assert run_liq(own, "up", within=clock).returncode == 0
    assert len(of_home(own)) == len(SERVERS)
    sql = "select symbol from liquidations where symbol = 'KEPT TOO'"
    eventually(lambda: len(questdb.fetch(sql, settings=own)) == 1)
    assert run_liq(own, "down", within=clock).returncode == 0
    assert of_home(own) == []
    assert all(stranger.poll() is None for stranger in strangers)
    for stranger in strangers:
        stranger.kill()
        stranger.wait()


def test_down_ends_the_services_that_a_killed_liq_had_started(own: Settings) -> None:
    local.down(own)
    with liq(own, "up") as starting:
        eventually(lambda: len(processes(own)) == len(HEALTHY))
        starting.kill()
    assert len(jvms(own)) == len(HEALTHY)
    assert sorted(local.down(own)) == sorted(HEALTHY)
    assert jvms(own) == []


def test_a_taken_port_starts_nothing_and_is_one_clear_error(own: Settings) -> None:
    local.down(own)
    with socket.create_server(("127.0.0.1", own.questdb_pg_port)):
        starting = liq(own, "up")
        said = starting.communicate()[0]
    assert starting.returncode == 1
    assert f"port {own.questdb_pg_port} is taken by" in said
    assert f"(pid {os.getpid()})" in said
    assert "LIQ_QUESTDB_PG_PORT" in said
    assert "Traceback" not in said
    assert states(own) == STOPPED


def test_a_server_that_fails_to_start_shows_its_last_words(own: Settings) -> None:
    local.down(own)
    conf = own.home / "questdb" / "conf" / "server.conf"
    good = conf.read_text()
    conf.write_text("shared.worker.count=many\n")
    try:
        with pytest.raises(StackError, match=r"questdb ended .*questdb\.log(?s:.*)worker\.count"):
            local.start("questdb", own)
    finally:
        conf.write_text(good)


def test_last_words_are_not_the_class_archive(own: Settings) -> None:
    file = own.home / "logs" / "connect.log"
    before = file.read_bytes() if file.exists() else b""
    file.parent.mkdir(parents=True, exist_ok=True)
    archive = "[95.6s][warning][cds] Skipping org/slf4j/impl/StaticMarkerBinder: Old class\n"
    file.write_text("ERROR cannot connect to Kafka\n\tat a.frame\n" + archive * 9)
    gone = Service(name="connect", home=own.home, argv=[], healthy=lambda: False)
    try:
        with pytest.raises(StackError, match="cannot connect to Kafka") as refused:
            wait_healthy(gone)
    finally:
        file.write_bytes(before)
    assert "[cds]" not in str(refused.value)


def test_reset_asks_then_deletes_data_and_keeps_secrets(own: Settings) -> None:
    local.start("questdb", own)
    secrets = (own.home / "secrets.json").read_text()
    asked = liq(own, "reset")
    assert "Delete all liquidations" in asked.communicate("n\n")[0]
    assert states(own)["questdb"] is ServiceState.HEALTHY

    resetting = liq(own, "reset", "--yes")
    assert "deleted the data" in resetting.communicate()[0]
    assert states(own) == STOPPED
    assert not (own.home / "questdb").exists()
    assert not (own.home / "kafka").exists()
    assert (own.home / "secrets.json").read_text() == secrets
