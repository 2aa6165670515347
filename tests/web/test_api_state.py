"""/health and /metrics of the API: what a monitor reads, also while servers are away or hang."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from liq.config import Settings
from liq.delivery import connect, messaging
from liq.monitoring import diagnosis
from liq.monitoring.diagnosis import Problem
from liq.query import queries, questdb
from liq.records.model import Source
from liq.records.streams import LIQUIDATIONS, STREAMS
from liq.web import api
from liq.web.api import metrics
from support.helpers import PATIENCE_S, eventually, own_streams
from support.rows import health, insert, liquidation, own_table, report

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(client: FlaskClient) -> Series:
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    found: Series = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            place = sample.name, tuple(sorted(sample.labels.items()))
            assert place not in found, "Prometheus refuses a scrape with a series twice"
            found[place] = sample.value
    return found


def of(series: Series, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in labels): value
        for (found, labels), value in series.items()
        if found == name
    }


@pytest.fixture
def patient_scrapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a scrape wait for busy servers as long as tests do."""
    monkeypatch.setattr(metrics, "_PATIENCE_S", PATIENCE_S)


@pytest.mark.stack
@pytest.mark.usefixtures("patient_scrapes")
def test_metrics_have_rates_lags_and_the_state_of_feeds(stack: Settings) -> None:
    settings, now = own_table(stack), datetime.now(UTC)
    ages, later = range(20), range(-60, 0)  # reports go on while these are written and read
    connected = [
        health(now - timedelta(seconds=age), exchange="bybit", messages=3, lag=0.5) for age in ages
    ]
    connected += [
        health(now - timedelta(seconds=age), exchange="bybit", messages=0) for age in later
    ]
    lost = [
        health(now - timedelta(seconds=age), exchange="okx", connected=False, messages=0)
        for age in ages
    ]
    quiet = [
        health(
            now - timedelta(seconds=age),
            exchange="binance_usdm",
            source=Source.SIMULATOR,
            messages=1 if age == 0 else 0,
        )
        for age in range(-60, 1)
    ]
    foreign = health(now, exchange='x"} 1\nliq_up{part="kafka"} 0\n#')
    report(settings, [*connected, *lost, *quiet])
    report(settings, [foreign])  # by SQL: the line protocol has no line breaks
    insert(
        settings, [liquidation(now - timedelta(seconds=age), 5, exchange="bybit") for age in ages]
    )
    series = scrape(api.create_app(settings).test_client())

    live = ("bybit", "real", "live")
    simulated = ("binance_usdm", "simulated", "simulator")
    lost_feed = ("okx", "real", "live")
    assert of(series, "liq_feed_connected") == {live: 1, simulated: 1, lost_feed: 0}
    assert of(series, "liq_feed_messages_per_second") == {live: 1, simulated: 1 / 60}
    assert of(series, "liq_feed_lag_seconds") == {live: 0.5}
    # 0 prints of a connected feed are known; how many a lost feed had is not
    rates = of(series, "liq_liquidations_per_second")
    assert rates == {live: pytest.approx(20 / 60), simulated: 0}
    assert of(series, "liq_stored_liquidations") == {(): 20}
    newest = of(series, "liq_newest_liquidation_timestamp_seconds")[()]
    assert newest == pytest.approx(now.timestamp(), abs=1e-3)
    tables = {(stream.table(settings),) for stream in STREAMS}
    assert of(series, "liq_table_suspended") == dict.fromkeys(tables, 0)
    assert of(series, "liq_table_pending_transactions").keys() == tables
    assert of(series, "liq_up") == {("questdb",): 1, ("kafka",): 1, ("connect",): 1}


@pytest.mark.stack
@pytest.mark.usefixtures("patient_scrapes")
def test_labels_are_escaped(stack: Settings) -> None:
    settings = own_table(stack)
    hostile = 'x"} 1\nliq_up{part="kafka"} 0\n\\'
    insert(settings, [liquidation(datetime.now(UTC), 5, exchange=hostile)])
    series = scrape(api.create_app(settings).test_client())
    assert of(series, "liq_liquidations_per_second") == {(hostile, "real", "live"): 1 / 60}
    assert of(series, "liq_up")[("kafka",)] == 1


@pytest.mark.stack
@pytest.mark.usefixtures("patient_scrapes")
def test_dead_letters_and_the_lag_of_sinks_are_counted(stack: Settings) -> None:
    settings = own_streams(own_table(stack), LIQUIDATIONS, names=["topic", "connector"])
    settings = settings.model_copy(update={"dlq_topic": LIQUIDATIONS.topic(settings) + "_dlq"})
    client = api.create_app(settings).test_client()
    before = scrape(client)
    assert of(before, "liq_dead_letters_total") == {}  # there is no topic yet
    messaging.ensure_topics(settings)
    connect.ensure(settings)
    try:
        series = scrape(api.create_app(settings).test_client())
        topic = LIQUIDATIONS.topic(settings)
        assert of(series, "liq_dead_letters_total") == {(): 0}
        assert of(series, "liq_topic_messages_total")[(topic,)] == 0
        assert of(series, "liq_sink_lag_messages")[(topic,)] == 0
        assert (LIQUIDATIONS.connector(settings),) in of(series, "liq_sink_running")
    finally:
        connect.remove(settings)


def test_metrics_of_servers_that_do_not_answer_are_absent_rather_than_zero(
    offline: Settings,
) -> None:
    series = scrape(api.create_app(offline).test_client())
    assert of(series, "liq_up") == {("questdb",): 0, ("kafka",): 0, ("connect",): 0}
    assert {name for name, _ in series} == {"liq_up", "liq_build_info"}


def test_own_queries_without_the_shipped_columns_leave_out_their_metrics_alone(
    offline: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "fetch", lambda *_, **__: pd.DataFrame({"mine": [1]}))
    state = questdb.WalState(suspended=False, sent=1, applied=1, reason="")
    monkeypatch.setattr(questdb, "read_wal_state", lambda *_: state)
    series = scrape(api.create_app(offline).test_client())
    assert of(series, "liq_up")[("questdb",)] == 1
    assert len(of(series, "liq_table_suspended")) == len(STREAMS)
    assert not of(series, "liq_feed_connected")


@contextmanager
def hanging() -> Iterator[tuple[int, list[socket.socket]]]:
    """A server that accepts connections and never answers."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    accepted.append(listener.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1], accepted
        finally:
            ended.set()
            thread.join()
            for each in accepted:
                each.close()


@pytest.mark.slow
def test_a_server_that_hangs_delays_a_scrape_for_seconds_and_is_asked_once(
    offline: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(metrics, "_FRESH_S", 0.0)
    with hanging() as (port, accepted):
        settings = offline.model_copy(update={"kafka_port": port})
        client = api.create_app(settings).test_client()
        for _ in range(5):
            assert of(scrape(client), "liq_up")[("kafka",)] == 0
        assert len(accepted) <= 2  # kafka-python may try again


def ask_at_once(app: Flask, path: str, number: int, go_on: threading.Event) -> list[int]:
    """Return the statuses of requests; ``go_on`` is set once one of them is refused."""
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(app.test_client().get(path).status_code)

    threads = [threading.Thread(target=ask) for _ in range(number)]
    for thread in threads:
        thread.start()
    eventually(lambda: statuses == [503])
    go_on.set()
    for thread in threads:
        thread.join()
    return statuses


def test_scrapes_at_once_share_one_look_and_too_many_are_refused(
    offline: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    looks: list[Settings] = []

    def look(settings: Settings) -> list[Metric]:
        looks.append(settings)
        go_on.wait(PATIENCE_S)
        return []

    for name in ("_read_questdb", "_read_kafka", "_read_connect"):
        monkeypatch.setattr(metrics, name, look)
    app = api.create_app(offline)
    statuses = ask_at_once(app, "/metrics", 5, go_on)
    assert statuses == [503, 200, 200, 200, 200]
    assert len(looks) == 3  # one for each part


def test_health_while_nothing_runs_is_down_with_the_reason(offline: Settings) -> None:
    response = api.create_app(offline).test_client().get("/health")
    found = response.get_json()
    assert (response.status_code, found["status"]) == (503, "down")
    assert found["problems"][0]["part"] == "QuestDB"
    assert "liq up" in found["problems"][0]["detail"]


def test_requests_of_health_at_once_share_one_probe_and_too_many_are_refused(
    offline: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    probes: list[Settings] = []

    def probe(settings: Settings) -> list[Problem]:
        probes.append(settings)
        go_on.wait(PATIENCE_S)
        return []

    monkeypatch.setattr(diagnosis, "find_problems", probe)
    app = api.create_app(offline)
    statuses = ask_at_once(app, "/health", 9, go_on)
    assert statuses == [503, *[200] * 8]
    shared = len(probes)
    assert shared < 8  # 1, unless a thread is so late that the first probe has ended
    assert app.test_client().get("/health").status_code == 200
    assert len(probes) == shared + 1  # a later request gets no old result


@pytest.mark.slow
def test_services_that_hang_get_no_more_probes_from_more_requests_of_health(
    offline: Settings,
) -> None:
    with hanging() as (port, accepted):
        hung = {"kafka_port": port, "connect_port": port, "questdb_pg_port": port}
        app = api.create_app(offline.model_copy(update=hung))
        app.test_client().get("/health")
        once = len(accepted)
        with ThreadPoolExecutor(6) as pool:
            answers = [*pool.map(lambda _: app.test_client().get("/health"), range(6))]
        assert [each.status_code for each in answers] == [503] * 6
        parts = {each["part"] for each in answers[-1].get_json()["problems"]}
        assert parts == {"QuestDB", "Kafka", "Kafka Connect"}
        assert len(accepted) <= 3 * once  # a thread may be late and begin a second probe


@pytest.mark.stack
def test_health_follows_the_feeds(stack: Settings) -> None:
    settings, now = own_streams(own_table(stack), names=["connector", "topic"]), datetime.now(UTC)
    client = api.create_app(settings).test_client()
    report(settings, [health(now, connected=False)])

    def is_degraded() -> bool:
        response = client.get("/health")
        found = response.get_json()
        assert (response.status_code, found["status"]) == (200, "degraded"), found
        return bool(found["problems"])

    eventually(is_degraded)  # a busy QuestDB is away for some probes


def test_another_sites_page_and_strangers_are_refused(offline: Settings) -> None:
    client = api.create_app(offline).test_client()
    for path in ("/health", "/metrics"):
        assert client.get(path, base_url="http://rebound.example:8000").status_code == 403
        cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
        assert client.get(path, headers=cross).status_code == 403
