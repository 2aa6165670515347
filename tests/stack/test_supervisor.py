"""The supervisor on a stack of its own: whatever is killed comes back, and data flows."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from liq import stack as local
from liq.config import Settings
from liq.delivery import connect
from liq.delivery.messaging import Publisher
from liq.errors import ConnectError, QuestDBError, StackError
from liq.ingest.venues.binance import BINANCE_USDM
from liq.query import questdb
from liq.records.streams import LIQUIDATIONS, PRICES, Stream
from liq.stack import ServiceState, Supervisor, apps, control, identity, process
from liq.stack.servers import define_servers
from liq.stack.service import Service
from support.helpers import PATIENCE_S, configure_questdb, eventually, find_free_ports, running
from support.rows import price

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SLEEP = ["sleep", "1000"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running stack with a simulated exchange's feed and its supervisor."""
    settings = Settings.load(home=tmp_path_factory.mktemp("own"), **find_free_ports())
    configure_questdb(settings)
    feed = [
        apps.define_simulator(settings),
        apps.define_producer(settings, [BINANCE_USDM.name], simulated=True, prices=False),
        apps.define_supervisor(settings),
    ]
    try:
        local.up(settings)
        control.launch(feed, settings)
        for each in feed:
            control.wait_healthy(each)
        yield settings
    finally:
        local.down(settings)


@pytest.fixture
def unsupervised(own: Settings) -> Iterator[Settings]:
    """The same stack while no supervisor restarts anything."""
    supervisor = apps.define_supervisor(own)
    control.end([supervisor], own)
    yield own
    control.launch([supervisor], own)
    control.wait_healthy(supervisor)


def processes(settings: Settings) -> dict[str, psutil.Process]:
    return {each.name: psutil.Process(each.pid) for each in local.status(settings) if each.pid}


def newest(settings: Settings) -> int:
    sql = f"SELECT cast(max(ts) AS LONG) n FROM {LIQUIDATIONS.table(settings)}"  # noqa: S608 - our own name
    return int(questdb.fetch(sql, None, settings)["n"].fillna(0).sum())  # no row if empty


def await_flow(settings: Settings) -> None:
    """Wait until a liquidation of after this moment shows."""
    now = time.time_ns() // 1000

    def flows() -> bool:
        try:
            return newest(settings) > now
        except QuestDBError as error:
            raise AssertionError from error

    eventually(flows)


def has_event(settings: Settings, subject: str, text: str) -> bool:
    found = local.recent_events(settings, 1_000)
    return any(one.subject == subject and text in one.event for one in found)


def said_of_a_look(settings: Settings) -> list[str]:
    said: list[str] = []
    Supervisor(settings, lambda name, event: said.append(f"{name}: {event}")).check()
    return said


def test_a_killed_service_comes_back_and_data_flows(own: Settings) -> None:
    await_flow(own)
    for names in (["producer", "questdb"], ["connect", "kafka"]):
        before = processes(own)
        killed = [before[name] for name in names]
        for each in killed:
            each.kill()
        eventually(lambda: not any(each in processes(own).values() for each in killed))  # noqa: B023
        eventually(lambda: processes(own).keys() >= set(names))  # noqa: B023
        await_flow(own)
        after = processes(own)
        assert {name for name in after if after[name] != before[name]} == set(names)
        assert all(has_event(own, name, "died, started again") for name in names)
    status = subprocess.run(
        [sys.executable, "-m", "liq", "status"],
        env=os.environ | own.environ(),
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    assert "questdb: died, started again" in status


def test_a_suspended_table_or_view_is_resumed(own: Settings) -> None:
    def resumed(kind: str, name: str) -> bool:
        if has_event(own, f"table {name}", "was suspended, resumed"):
            return True
        # a commit that QuestDB was at takes the mark away when it ends: so not once only
        questdb.execute(f"ALTER {kind} {name} SUSPEND WAL", settings=own)
        return False

    for kind, name in (
        ("TABLE", LIQUIDATIONS.table(own)),
        ("MATERIALIZED VIEW", f"{LIQUIDATIONS.table(own)}_1h"),
    ):
        eventually(lambda: resumed(kind, name), every=1)  # noqa: B023
        eventually(lambda: not questdb.read_wal_state(name, own).suspended)  # noqa: B023
    await_flow(own)


def test_a_table_that_cannot_be_resumed_is_reported_and_keeps_no_other_from_it(
    unsupervised: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [f"{kind}_{uuid.uuid4().hex[:8]}" for kind in ("stuck", "other")]
    for name in tables:
        sql = f"CREATE TABLE {name} (ts TIMESTAMP) TIMESTAMP(ts) PARTITION BY DAY WAL"
        questdb.execute(sql, settings=unsupervised)
        questdb.execute(f"ALTER TABLE {name} SUSPEND WAL", settings=unsupervised)
    stuck, other = tables
    resume = questdb.resume

    def refusing(table: str, settings: Settings) -> None:
        # the real refusal, of what is no table
        resume("no_table" if table == stuck else table, settings)

    monkeypatch.setattr(questdb, "resume", refusing)
    [refused] = [line for line in said_of_a_look(unsupervised) if stuck in line]
    assert f"table {stuck}: was suspended (no reason given), cannot be resumed: " in refused
    assert "no_table" in refused
    assert not questdb.read_wal_state(other, unsupervised).suspended
    questdb.execute(f"DROP TABLE {stuck}", settings=unsupervised)


def test_a_failed_task_is_restarted(own: Settings) -> None:
    stranger = own.model_copy(update={"questdb_admin_user": "stranger"})
    with suppress(ConnectError):  # the sooner it fails, the sooner that is has_event here too
        connect.ensure(stranger)  # QuestDB refuses the login, which fails the task
    name = f"sink {LIQUIDATIONS.connector(own)}"
    eventually(lambda: has_event(own, name, "refused the username"))
    connect.ensure(own)
    await_flow(own)


def test_a_sink_that_cannot_be_restarted_is_reported_and_keeps_no_other_from_it(
    unsupervised: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def publish() -> None:  # liquidations arrive anyway
        async with Publisher(unsupervised) as publisher:
            await publisher.publish(price("2026-01-01", 100.0))

    stranger = unsupervised.model_copy(update={"questdb_admin_user": "stranger"})
    for stream in (LIQUIDATIONS, PRICES):
        connect.remove(unsupervised, stream)
    asyncio.run(publish())
    for stream in (LIQUIDATIONS, PRICES):
        with suppress(ConnectError):
            connect.ensure(stranger, stream)
        eventually(lambda: connect.read_status(unsupervised, stream).failures)  # noqa: B023
    restart = connect.restart

    def refusing(settings: Settings, stream: Stream) -> None:
        # the real refusal, of what is no connector
        absent = settings.with_streams(liquidations={"connector": "no-connector"})
        restart(absent if stream is LIQUIDATIONS else settings, stream)

    monkeypatch.setattr(connect, "restart", refusing)
    refused, restarted = (line for line in said_of_a_look(unsupervised) if line.startswith("sink "))
    assert refused.startswith(f"sink {LIQUIDATIONS.connector(unsupervised)}: failed (")
    assert "cannot be restarted: " in refused
    assert "no-connector" in refused
    assert restarted.startswith(f"sink {PRICES.connector(unsupervised)}: failed, restarted: ")
    for stream in (LIQUIDATIONS, PRICES):
        connect.ensure(unsupervised, stream)


def test_a_stopped_service_stays_down(own: Settings) -> None:
    local.stop("questdb", own)
    supervisor = Supervisor(own)
    supervisor.check()
    assert {each.name: each.state for each in local.status(own)}["questdb"] is ServiceState.STOPPED
    local.start("questdb", own)
    await_flow(own)


def test_there_is_one_supervisor(own: Settings) -> None:
    with pytest.raises(StackError, match="a supervisor runs already, pid"):
        Supervisor(own).run(threading.Event())
    with running(own, "-m", "liq", "supervise") as second:
        said, _ = second.communicate(timeout=PATIENCE_S)
    assert "runs already" in said


def test_down_ends_the_supervisor_first_and_nothing_comes_back(own: Settings) -> None:
    before = processes(own)
    before["producer"].kill()
    before["connect"].kill()  # it is busy while it is ended
    ended = local.down(own)
    assert ended[0] == "supervisor"
    left = [one for one in psutil.process_iter(["cmdline"]) if f"{own.home}/" in str(one.info)]
    assert left == []
    assert processes(own) == {}


def test_one_that_cannot_live_is_given_up_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.stack.supervisor._BACKOFF_S", 0.1)
    # a busy machine may take long to start one that dies at once
    monkeypatch.setattr("liq.stack.supervisor._LASTED_S", PATIENCE_S)
    settings = Settings.load(home=tmp_path, **find_free_ports())
    broken = replace(apps.define_producer(settings), argv=["sh", "-c", "echo nowhere; exit 1"])
    control.launch([broken], settings)
    logged: list[str] = []
    supervisor = Supervisor(settings, lambda name, event: logged.append(f"{name}: {event}"))

    def given_up() -> bool:
        supervisor.check()
        return "GIVEN UP" in logged[-1] if logged else False

    eventually(given_up, every=0.2)
    assert len(logged) == 6
    assert str(broken.log) in logged[-1]
    assert "nowhere" in broken.log.read_text()
    with searches() as made:
        supervisor.check()
    assert (len(logged), len(made)) == (6, 0)
    local.down(settings)


@contextmanager
def searches() -> Iterator[list[None]]:
    """Give a list with an item for each scan of all processes of the machine."""
    made: list[None] = []
    marked = identity.find_marked

    def counted() -> Iterator[identity.Marked]:
        made.append(None)
        return marked()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "find_marked", counted)
        yield made


def test_all_processes_are_checked_once_for_a_status_and_for_checks_in_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.stack.supervisor._ASK_S", PATIENCE_S)  # the checks are in a row
    settings = Settings.load(home=tmp_path, **find_free_ports())
    supervisor = Supervisor(settings)
    (tmp_path / "run").mkdir()
    apps.define_producer(settings).pid_file.write_text("torn")
    with searches() as made:
        for _ in range(3):
            supervisor.check()
    assert len(made) == 1
    for app in (apps.define_simulator(settings), apps.define_alerts(settings)):
        app.pid_file.write_text('{"pid": 0, "created": 0, "definition": "", "argv": []}')
    with searches() as made:
        local.status(settings)
    assert len(made) == 1


def test_neither_a_lasting_fault_nor_a_full_disk_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.stack.supervisor._CHECK_S", 0.01)
    settings = Settings.load(home=tmp_path, **find_free_ports())
    (tmp_path / "run" / "findings.jsonl").mkdir(parents=True)  # nothing can be written there
    apps.define_producer(settings).pid_file.write_text("torn")
    logged: list[str] = []
    checks: list[object] = []

    class Watched(Supervisor):
        def check(self) -> None:
            checks.append(None)
            super().check()

    supervisor = Watched(settings, lambda name, event: logged.append(f"{name}: {event}"))
    ended = threading.Event()
    thread = threading.Thread(target=supervisor.run, args=(ended,))
    thread.start()
    try:
        eventually(lambda: len(checks) > 3)
    finally:
        ended.set()
        thread.join()
    [only] = logged
    assert only.startswith("producer: cannot be checked: cannot read ")


def test_a_fault_with_one_service_keeps_no_other_from_being_started_again(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path, **find_free_ports())
    simulator = replace(apps.define_simulator(settings), argv=SLEEP)
    control.launch([simulator], settings)
    for each in (apps.define_producer(settings), *define_servers(settings)):
        each.pid_file.mkdir()  # nobody can read it
    shown = {one.name: one for one in local.status(settings)}
    assert shown["kafka"].state is ServiceState.UNHEALTHY
    assert "cannot read" in shown["kafka"].fault
    found = process.find(simulator.pid_file)
    assert found
    found.process.kill()
    eventually(lambda: control.has_died(simulator))
    (tmp_path / "run" / "findings.jsonl").write_text('[1, "torn')
    said: list[str] = []
    supervisor = Supervisor(settings, lambda name, event: said.append(f"{name}: {event}"))
    supervisor.check()
    supervisor.check()
    assert sorted(line.partition(":")[0] for line in said) == [
        "connect",
        "kafka",
        "producer",
        "questdb",
    ]
    for each in define_servers(settings):
        each.pid_file.rmdir()

    def revived() -> bool:
        supervisor.check()
        return process.find(simulator.pid_file) is not None

    eventually(revived, every=0.2)
    assert has_event(settings, "simulator", "died, started again")
    apps.define_producer(settings).pid_file.rmdir()
    local.down(settings)


def test_one_that_cannot_be_started_is_not_given_up(tmp_path: Path) -> None:
    """A full disk or a taken port is no death: it is started as soon as it can be."""
    settings = Settings.load(home=tmp_path, **find_free_ports())
    simulator = replace(apps.define_simulator(settings), argv=SLEEP)
    control.launch([simulator], settings)
    found = process.find(simulator.pid_file)
    assert found
    found.process.kill()
    eventually(lambda: control.has_died(simulator))
    supervisor = Supervisor(settings)
    with socket.create_server((settings.host, settings.simulator_port)):
        for _ in range(7):
            supervisor.check()
            for case in supervisor._cases.values():
                case.due = 0.0
    assert has_event(settings, "simulator", "cannot be started again: port")
    assert not has_event(settings, "simulator", "GIVEN UP")
    supervisor.check()
    assert process.find(simulator.pid_file)
    local.down(settings)


def test_a_service_that_dies_while_it_is_stopped_is_not_restarted(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path, **find_free_ports())
    service = Service(name="sleep", home=tmp_path, argv=SLEEP, healthy=lambda: True)
    control.launch([service], settings)
    found = process.find(service.pid_file)
    assert found
    found.process.kill()
    eventually(lambda: control.has_died(service))
    control.end([service], settings)
    assert not control.revive(service, settings)
    assert process.find(service.pid_file) is None
