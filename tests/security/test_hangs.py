"""The API while QuestDB is frozen, and while strangers hold connections to it open."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from liq.config import Settings
from liq.delivery import connect, messaging
from liq.errors import ConnectError, KafkaError, LiqError, QuestDBTimeoutError
from liq.query import questdb
from liq.records.streams import LIQUIDATIONS
from liq.stack.servers import CONNECT, KAFKA, QUESTDB
from liq.web.api.app import RUNNING
from support.helpers import PATIENCE_S, eventually, find_free_ports, running, stopped
from support.rows import insert, liquidation, own_table

pytestmark = pytest.mark.stack

TIMEOUT_S = 4.0
PROMISE_S = TIMEOUT_S + 20  # two, and what a busy machine adds; a hang lasts for `PATIENCE_S`
CLIENTS = 20
# one for all requests: to load certificates for each would take a busy processor's time
HTTP = httpx.Client(timeout=PATIENCE_S, trust_env=False, limits=httpx.Limits(max_connections=None))


@pytest.fixture(scope="module")
def served(stack: Settings) -> Iterator[Settings]:
    """An API in a process of its own, over a table with one row."""
    settings = own_table(stack)
    insert(settings, [liquidation("2026-01-01T10:00:00", 1234.5)])
    settings = settings.model_copy(
        update={"query_timeout": TIMEOUT_S, "api_port": find_free_ports()["api_port"]}
    )
    with running(settings, "-m", "liq", "api"):
        eventually(lambda: answers(settings, "/totals"))
        yield settings
    HTTP.close()


def answers(settings: Settings, path: str, deadline: float = PATIENCE_S) -> bool:
    try:
        return HTTP.get(settings.api_url + path, timeout=deadline).status_code == 200
    except httpx.TransportError as error:
        raise AssertionError from error


def ask(settings: Settings, path: str) -> tuple[httpx.Response, float]:
    begin = time.monotonic()
    response = HTTP.get(settings.api_url + path)
    return response, time.monotonic() - begin


def test_with_questdb_frozen_twenty_clients_get_an_error_in_time_and_the_rest_goes_on(
    served: Settings,
) -> None:
    assert CLIENTS > 2 * RUNNING
    with ThreadPoolExecutor(CLIENTS) as clients:
        # so that idle connections are there to be read from
        list(clients.map(lambda _: ask(served, "/totals"), range(CLIENTS)))
        with stopped(served, QUESTDB):
            for _ in range(2):  # with connections that it once answered, then with new ones
                asked = [clients.submit(ask, served, "/totals") for _ in range(CLIENTS)]
                while not all(each.done() for each in asked):
                    for path in ("/", "/docs", "/openapi.json"):
                        assert answers(served, path, deadline=PROMISE_S)
                    time.sleep(0.2)
                for response, took in (each.result() for each in asked):
                    assert response.status_code == 504, response.text
                    assert "liq status" in response.json()["error"]
                    assert took < PROMISE_S
    eventually(lambda: answers(served, "/totals"))


def test_more_queries_than_may_wait_are_refused_at_once(served: Settings) -> None:
    found: list[tuple[httpx.Response, float]] = []

    def find_refused() -> list[httpx.Response]:
        found.extend(clients.map(lambda _: ask(served, "/totals"), range(80)))
        return [response for response, _ in found if response.status_code == 503]

    with stopped(served, QUESTDB), ThreadPoolExecutor(80) as clients:
        refused = eventually(find_refused)[0]  # a busy machine may send them too slowly
    assert {response.status_code for response, _ in found} == {503, 504}
    assert all(took < PROMISE_S for _, took in found)
    assert "too many queries" in refused.json()["error"]
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("server", "call", "error"),
    [
        (KAFKA, messaging.ensure_topics, KafkaError),
        (
            KAFKA,
            lambda settings: list(messaging.read(LIQUIDATIONS.topic(settings), settings)),
            KafkaError,
        ),
        (CONNECT, connect.read_status, ConnectError),
        (QUESTDB, questdb.list_suspended_tables, QuestDBTimeoutError),
    ],
)
def test_a_frozen_server_is_reported_by_its_own_error_and_works_again_when_it_goes_on(
    server: str, call: Callable[[Settings], object], error: type[LiqError], stack: Settings
) -> None:
    with stopped(stack, server), pytest.raises(error):
        call(stack)
    eventually(lambda: succeeds(call, stack))


def succeeds(call: Callable[[Settings], object], settings: Settings) -> bool:
    try:
        call(settings)
    except LiqError as error:
        raise AssertionError from error
    return True


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_idle_and_dawdling_connections_keep_nobody_out(served: Settings, sent: bytes) -> None:
    with ExitStack() as held:
        connections = [
            held.enter_context(
                socket.create_connection((served.host, served.api_port), timeout=PATIENCE_S)
            )
            for _ in range(600)
        ]
        for each in connections:
            each.sendall(sent)

        def dawdle() -> bool:
            """A byte a connection each time: none of them is ever idle."""
            for each in connections if sent else ():
                try:
                    each.sendall(b"x")
                except OSError:
                    return True  # it was dropped
            return not sent

        # idle connections are closed after 10 s, by waitress's default after 120 s
        assert answers(served, "/", deadline=60)
        eventually(dawdle, every=0.5)
        if not sent:
            assert eventually(lambda: connections[0].recv(1) == b"")
