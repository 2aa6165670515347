"""What one reader, or a crowd of idle connections, cannot take from QuestDB: time, memory, a place.

It runs a QuestDB of its own, with a short time limit and little memory.
"""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx
import psutil
import psycopg
import pytest

from liq import stack as local
from liq.config import Settings
from liq.errors import QuestDBError, QuestDBMemoryError
from liq.query import questdb
from liq.stack import health, process
from liq.stack.servers import QUESTDB
from liq.stack.supervisor import Supervisor
from liq.web import api
from support.helpers import PATIENCE_S, configure_questdb, eventually, find_free_ports
from support.rows import ask, insert, liquidation

pytestmark = pytest.mark.stack

MEMORY_MB = 512
HEAP_MB = 512  # and what the JVM itself takes
QUERY_S = 1.0
ENDLESS = "SELECT count_distinct(x % 1000003) FROM long_sequence(100000000000)"
HUNGRY = [
    "SELECT count_distinct(x) FROM long_sequence(200000000)",
    "SELECT * FROM (SELECT x, rnd_double() d FROM long_sequence(200000000)) ORDER BY d",
    "SELECT count() FROM (SELECT x FROM long_sequence(100000000)) a"
    " JOIN (SELECT x FROM long_sequence(100000000)) b ON (x)",
]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings.load(
        home=tmp_path_factory.mktemp("limits"),
        query_timeout=QUERY_S,
        questdb_memory_mb=MEMORY_MB,
        **find_free_ports(),
    )
    configure_questdb(settings)
    try:
        local.start(QUESTDB, settings)
        questdb.ensure_table(settings)
        yield settings
    finally:
        questdb.close()
        local.down(settings)


def log_in(settings: Settings, options: str = "") -> psycopg.Connection[tuple[object, ...]]:
    """A connection of the reader that `liq.query.questdb` has no say in."""
    return psycopg.connect(
        host=settings.questdb_host,
        port=settings.questdb_pg_port,
        user=settings.questdb_reader_user,
        password=settings.questdb_reader_password.get_secret_value(),
        dbname="qdb",
        autocommit=True,
        options=options,
    )


@pytest.mark.parametrize(
    ("statement", "options"),
    [
        ("SET statement_timeout = 600000", ""),
        ("SET statement_timeout TO '600s'", ""),
        ("SET SESSION statement_timeout = 0", ""),
        ("SET query_timeout = 600000", ""),
        ("BEGIN; SET LOCAL statement_timeout = 600000", ""),
        ("SELECT 1", "-c statement_timeout=0"),
        ("SET statement_timeout = 600000", "-c statement_timeout=0"),
    ],
)
def test_no_statement_of_the_reader_raises_its_time(
    statement: str, options: str, own: Settings
) -> None:
    with log_in(own, options) as connection:
        connection.execute(statement)
        begin = time.monotonic()
        with pytest.raises(psycopg.DatabaseError, match="timeout, query aborted"):
            connection.execute(ENDLESS)
        assert time.monotonic() - begin < QUERY_S + 20  # QuestDB's own limit is a minute
        connection.close()


def test_queries_whose_time_was_raised_at_the_login_are_cancelled_by_the_supervisor(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are more of them than QuestDB has threads for them."""
    monkeypatch.setattr(questdb, "_ADMIN_S", QUERY_S)
    said: list[str] = []
    supervisor = Supervisor(own, lambda name, event: said.append(f"{name}: {event}"))

    def run_endless() -> None:
        connection = log_in(own, "-c statement_timeout=600000")
        try:
            connection.execute(ENDLESS)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        running: list[Future[None]] = [pool.submit(run_endless) for _ in range(6)]

        def all_ended() -> bool:
            supervisor.check()
            return all(each.done() for each in running)

        eventually(all_ended, every=0.5)
    assert all("cancel" in str(each.exception()) for each in running)
    assert any(each.startswith("questdb: a query took too long") for each in said)
    assert not questdb.cancel_overdue(own)


@pytest.mark.parametrize("sql", HUNGRY)
def test_a_query_that_wants_all_memory_fails_alone(sql: str, own: Settings) -> None:
    found = process.find(own.home / "run" / "questdb.json")
    assert found
    seen: list[float] = []
    done = threading.Event()

    def watch(server: psutil.Process) -> None:
        while True:
            seen.append(server.memory_info().rss / 2**20)
            if done.wait(0.1):
                return

    def inserted() -> bool:
        try:
            insert(own, [liquidation("2026-01-01", 1.0, event_id=before)])
        except QuestDBError as error:  # as long as the query has all memory
            raise AssertionError from error
        return True

    watching = threading.Thread(target=watch, args=(found.process,))
    watching.start()
    before = int(ask("SELECT count() AS n FROM {table}", own)["n"].item())
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(questdb.fetch, sql, None, own, timeout=PATIENCE_S)
            eventually(inserted)
            with pytest.raises(QuestDBMemoryError, match="LIQ_QUESTDB_MEMORY_MB"):
                asked.result()
    finally:
        done.set()
        watching.join()
    assert ask("SELECT count() AS n FROM {table}", own)["n"].item() == before + 1
    assert max(seen) < MEMORY_MB + HEAP_MB + 300


def test_the_api_names_the_fix_for_too_little_memory(own: Settings) -> None:
    patient = own.model_copy(update={"query_timeout": PATIENCE_S})
    hungry = api.Endpoint("hungry", "Too much.", lambda: questdb.fetch(HUNGRY[1], settings=patient))
    response = api.create_app(own, [hungry]).test_client().get("/hungry")
    assert response.status_code == 503
    assert "ask for a shorter window" in response.get_json()["error"]


@pytest.mark.parametrize(
    ("port", "crowd"),
    [("questdb_pg_port", 200), ("questdb_http_port", 300), ("questdb_health_port", 100)],
)
def test_idle_connections_keep_nobody_out(port: str, crowd: int, own: Settings) -> None:
    def answered() -> bool:
        if port == "questdb_health_port":
            return health.answers_http(own.questdb_host, own.questdb_health_port, "/status")
        try:
            if port == "questdb_pg_port":
                return len(questdb.fetch("SELECT 1", settings=own)) == 1
            # not "/": QuestDB never ends its answer, a redirect
            asked = f"{own.questdb_url}/exec?query=SELECT+1"
            return httpx.get(asked, timeout=5, trust_env=False).status_code == 401
        except (QuestDBError, httpx.TransportError) as error:
            raise AssertionError from error

    questdb.close()  # else an earlier connection would do
    with ExitStack() as held:
        for _ in range(crowd):
            address = (own.questdb_host, int(getattr(own, port)))
            with suppress(OSError):  # it is full: QuestDB may refuse for a while
                held.enter_context(socket.create_connection(address, timeout=1))
        eventually(answered)
