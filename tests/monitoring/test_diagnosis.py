"""What keeps liquidations from arriving is named, soon, and on real servers that hang."""

import os
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from liq.config import Settings
from liq.delivery import connect, messaging
from liq.delivery.connect import ConnectorStatus
from liq.monitoring import diagnosis
from liq.monitoring.diagnosis import Examiner, FeedReport, Part, Problem, Pulse
from liq.query import questdb
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS
from support.helpers import PATIENCE_S, eventually, find_free_ports, stopped
from support.rows import health, own_table, report

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def feed(age: float = 1, *, connected: bool = True, exchange: str = "okx") -> FeedReport:
    return FeedReport(exchange, "live", ago(age), connected, ago(age if connected else 90))


@pytest.mark.parametrize(
    ("row", "feeds", "fresh"),
    [
        (ago(1), [], True),  # rows of a program that does not report
        (ago(6), [], False),
        (None, [], False),
        (ago(60), [feed(1)], True),  # a quiet market
        (ago(60), [feed(1, connected=False)], True),  # the pipeline works, the feed does not
        (ago(60), [feed(6), feed(1)], True),
        (ago(60), [feed(6)], False),
        (ago(-1), [], True),  # clocks differ a little
        (ago(-3600), [], False),  # dated in the future: it proves nothing
        (ago(-3600), [feed(1)], True),
    ],
)
def test_a_fresh_row_or_report_proves_that_all_parts_work(
    row: datetime | None, feeds: list[FeedReport], *, fresh: bool
) -> None:
    assert Pulse(NOW, row, feeds).is_fresh is fresh


@pytest.mark.parametrize(
    ("row", "feeds", "late"),
    [(ago(2), [], False), (ago(3), [], True), (ago(3), [feed(1)], False), (None, [], True)],
)
def test_an_overdue_record_is_late_before_it_is_missing(
    row: datetime | None, feeds: list[FeedReport], *, late: bool
) -> None:
    assert Pulse(NOW, row, feeds).is_late is late


def test_feeds_that_are_disconnected_are_named_with_the_time() -> None:
    well = feed(exchange="bybit")
    assert Pulse(NOW, None, [well]).find_silent() == []
    lost = feed(connected=False)
    silent = FeedReport("gate", "simulator", ago(42), connected=True, connected_at=ago(42))
    disconnected, producer = Pulse(NOW, None, [well, lost, silent]).find_silent()
    assert disconnected.what == "disconnected: okx"
    assert "okx since 11:58:30 UTC" in disconnected.detail
    assert producer.what == "producer of gate (simulated) does not report"
    assert "the last came from gate (simulated) 42 s ago" in producer.detail
    assert (
        Pulse(NOW, None, [well, lost, silent]).find_silent(["bybit"]) == []
    )  # the exchanges that a reader selected
    never = FeedReport("okx", "live", ago(1), connected=False, connected_at=None)
    assert "for more than 10 minutes" in Pulse(NOW, None, [never]).find_silent()[0].detail
    many = [feed(connected=False, exchange=f"venue{number}") for number in range(9)]
    outage = Pulse(NOW, None, [*many, never]).find_silent()[0]
    assert outage.what == "disconnected: 10 feeds"
    assert "venue7, venue8 since 11:58:30 UTC; okx for more than 10 minutes." in outage.detail


def test_a_failed_sink_says_why_and_what_restarts_it() -> None:
    sink = ConnectorStatus("liquidations", "FAILED", reason="the disk is full")
    problem = diagnosis._describe_sink(sink)
    assert problem.what == "sink liquidations failed"
    assert problem.detail.startswith("connector liquidations: the disk is full. ")
    assert problem.detail.endswith(". The supervisor restarts it; `liq up` does so at once")


def found(settings: Settings) -> list[tuple[Part, str]]:
    return [(problem.part, problem.what) for problem in diagnosis.find_problems(settings)]


def await_problems(settings: Settings, *expected: tuple[Part, str]) -> list[Problem]:
    """Return the faults once they are those expected: a busy server is late for some probes."""

    def are_found() -> list[Problem]:
        problems = diagnosis.find_problems(settings)
        assert [problem[:2] for problem in problems] == [*expected]
        return problems

    return eventually(are_found)


@pytest.mark.stack
@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["kafka"], [Part.KAFKA]),
        (["connect"], [Part.CONNECT]),
        (["questdb"], [Part.QUESTDB]),
        (["questdb", "kafka", "connect"], [Part.QUESTDB, Part.KAFKA, Part.CONNECT]),
    ],
    ids=", ".join,
)
def test_servers_that_hang_are_named_in_a_few_seconds(
    pipeline: Settings, names: list[str], parts: list[Part]
) -> None:
    def are_named() -> bool:
        began = time.monotonic()
        hanging = diagnosis.find_problems(pipeline)
        assert time.monotonic() - began < 10  # on a busy machine another attempt is as quick
        # Connect may wait for a broker that hangs
        assert [problem.part for problem in hanging if problem.part in parts] == parts
        assert hanging[0].part is parts[0]
        assert all("does not answer" in problem.what for problem in hanging)
        return True

    with ExitStack() as left:
        for name in names:
            left.enter_context(stopped(pipeline, name))
        eventually(are_named)
    await_problems(pipeline, (Part.PRODUCER, "no producer reports"))


@pytest.mark.stack
def test_servers_that_are_unreachable_are_named(pipeline: Settings) -> None:
    away = pipeline.model_copy(update=find_free_ports())
    problems = await_problems(
        away,
        (Part.QUESTDB, "QuestDB is unreachable"),
        (Part.KAFKA, "Kafka does not answer"),
        (Part.CONNECT, "Kafka Connect does not answer"),
    )
    assert "liq up" in problems[0].detail


@pytest.mark.stack
def test_a_refused_password_is_no_questdb_that_is_unreachable(pipeline: Settings) -> None:
    wrong = pipeline.model_copy(update={"questdb_reader_password": SecretStr("wrong")})
    [problem] = await_problems(wrong, (Part.QUESTDB, "QuestDB refuses the password"))
    assert "set LIQ_QUESTDB_READER_PASSWORD" in problem.detail


@pytest.mark.stack
def test_one_broker_of_several_that_is_unreachable_is_named(stack: Settings) -> None:
    port = find_free_ports()["kafka_port"]
    both = f"{stack.kafka_bootstrap},127.0.0.1:{port}"
    some = stack.model_copy(update={"kafka_brokers": both})
    assert messaging.probe_brokers(stack, timeout=PATIENCE_S) == {}
    assert list(messaging.probe_brokers(some, timeout=PATIENCE_S)) == [f"127.0.0.1:{port}"]
    eventually(lambda: (Part.KAFKA, "1 of Kafka's brokers does not answer") in found(some))


@pytest.mark.stack
def test_another_server_on_kafkas_port_is_not_taken_for_kafka(stack: Settings) -> None:
    other = stack.model_copy(update={"kafka_port": stack.questdb_http_port})
    assert list(messaging.probe_brokers(other, timeout=2)) == [
        f"127.0.0.1:{stack.questdb_http_port}"
    ]


@pytest.mark.stack
def test_a_sink_that_is_paused_or_missing_and_a_suspended_table_are_named(
    pipeline: Settings,
) -> None:
    name = FEED_HEALTH.connector(pipeline)
    connect._request(pipeline, "PUT", f"/connectors/{name}/pause")
    eventually(lambda: (Part.SINK, f"sink {name} is paused") in found(pipeline))
    connect.remove(pipeline)
    eventually(
        lambda: (Part.SINK, f"sink {LIQUIDATIONS.connector(pipeline)} is absent") in found(pipeline)
    )
    questdb.execute(f"ALTER TABLE {LIQUIDATIONS.table(pipeline)} SUSPEND WAL", settings=pipeline)

    eventually(
        lambda: any(
            problem.what == f"table {LIQUIDATIONS.table(pipeline)} is suspended"
            and "The supervisor resumes it" in problem.detail
            for problem in diagnosis.find_problems(pipeline)
        )
    )


@pytest.mark.stack
def test_producers_are_blamed_only_when_all_else_answers(stack: Settings) -> None:
    settings = own_table(stack)
    await_problems(settings, (Part.PRODUCER, "no producer reports"))
    now = datetime.now(UTC)
    report(settings, [health(now - timedelta(seconds=30), exchange="okx")])
    await_problems(settings, (Part.PRODUCER, "producer of okx does not report"))
    away = settings.model_copy(update={"connect_port": find_free_ports()["connect_port"]})
    await_problems(away, (Part.CONNECT, "Kafka Connect does not answer"))


@pytest.mark.stack
def test_reports_are_read_with_the_time_of_the_last_connection(stack: Settings) -> None:
    settings = own_table(stack)
    now = datetime.now(UTC)
    report(
        settings,
        [
            health(now - timedelta(seconds=3), exchange="okx"),
            health(now - timedelta(seconds=1), exchange="okx", connected=False),
            health(now - timedelta(seconds=1), exchange="gate", connected=False),
            health(now - timedelta(hours=13), exchange="bybit"),  # long forgotten
            health(now - timedelta(seconds=2), exchange="deribit", stopped=True),  # on purpose
            health(now - timedelta(hours=3), exchange="htx"),  # killed
        ],
    )
    gate, htx, okx = diagnosis.fetch_feeds(settings)
    assert (htx.connected, htx.connected_at) == (False, None)
    assert (gate.exchange, gate.connected, gate.connected_at) == ("gate", False, None)
    assert (okx.exchange, okx.connected) == ("okx", False)
    assert okx.connected_at == now - timedelta(seconds=3)
    assert okx.reported == now - timedelta(seconds=1)


def test_a_supervisor_that_gives_no_sign_of_life_is_missed(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path)
    assert diagnosis.check_supervisor(settings) is None  # none is here
    run = tmp_path / "run"
    run.mkdir()
    (run / "supervisor.json").write_text("{}")
    beat = run / "supervisor.beat"

    def beaten(seconds: float) -> None:
        then = time.monotonic_ns() - int(seconds * 1e9)
        beat.touch()
        os.utime(beat, ns=(then, then))

    beaten(0)
    assert diagnosis.check_supervisor(settings) is None
    beaten(60)
    problem = diagnosis.check_supervisor(settings)
    assert problem is not None
    assert "no heartbeat for 60 s" in problem.detail
    (run / "supervisor.json").unlink()  # as `liq down` does
    assert diagnosis.check_supervisor(settings) is None


def test_an_examiner_asks_in_the_background_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Settings.load(**find_free_ports())
    monkeypatch.setattr(diagnosis, "_AGAIN_S", 0.0)
    examiner = Examiner(away)

    def knows() -> bool:
        examiner.ask()
        return bool(examiner.found)

    examiner.ask()
    assert examiner.found is None  # nobody waited
    eventually(knows)
    examiner.forget()
    assert examiner.found is None
