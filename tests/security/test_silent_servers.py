"""No door waits for ever: each call ends in time with its own error, whatever the server does.

One server accepts connections and says nothing, as one that is stopped does. The other sends a byte
a second, so that a time limit on each read never comes. To cover a new call, add a line to `CALLS`.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

import liq
from liq.analysis.alerts.outbox import LinkedAlert
from liq.analysis.alerts.webhook import Webhook
from liq.config import Settings
from liq.delivery import connect, messaging
from liq.delivery.messaging import Publisher
from liq.errors import (
    ApiError,
    ConnectError,
    FeedError,
    KafkaAwayError,
    KafkaError,
    LiqError,
    QuestDBTimeoutError,
    StackError,
)
from liq.ingest import instruments
from liq.ingest.venues import find_venue
from liq.monitoring import monitor
from liq.query import questdb
from liq.records.model import Alert, Severity, Text
from liq.stack import health
from liq.stack.process import lock
from liq.web.client import ApiClient
from support.helpers import PATIENCE_S, find_free_ports, resolve_to

QUERY_S = 3.0
SLACK_S = 60.0  # all calls are made at once, by a busy machine; a call that hangs never ends
KINDS = ["silent", "dripping"]
# how an answer begins that would be taken, if it ended
HTTP = b"HTTP/1.1 200 OK\r\nX-Drip: " + b"x" * 1000
KAFKA = b"\x00\x00\x03\xe8" + bytes(1000)
QUESTDB = b"NR\x00\x00\x03\xe8" + bytes(1000)
HOST = "127.0.0.1"


class Server:
    """Takes every connection, and sends ``piece`` over each, a byte a second."""

    def __init__(self, piece: bytes) -> None:
        self._piece = piece
        self._listener = socket.create_server((HOST, 0), backlog=200)
        self._taken: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._take, daemon=True).start()
        threading.Thread(target=self._drip, daemon=True).start()

    def _take(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                self._taken.append(self._listener.accept()[0])

    def _drip(self) -> None:
        sent: dict[socket.socket, int] = {}
        while self._piece and self._listener.fileno() >= 0:
            for each in list(self._taken):
                at = sent[each] = sent.get(each, -1) + 1
                with contextlib.suppress(OSError):
                    each.send(self._piece[at : at + 1])
            time.sleep(1)  # a byte a second: the pace is what is tested

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._taken:
            each.close()


class Call(NamedTuple):
    """What is called, how long it may take, and what it raises; None: nothing, it answers."""

    name: str
    act: Callable[[Settings], object]
    seconds: float
    error: type[LiqError] | None


def hit_api(settings: Settings) -> None:
    client = ApiClient(settings)
    try:
        client.hit("totals")
    finally:
        client.close()


def start_publisher(settings: Settings) -> None:
    asyncio.run(Publisher(settings).start())


def fetch_contracts(settings: Settings) -> None:
    okx = find_venue("okx")
    assert okx.listing
    instruments.fetch(
        replace(okx, listing=replace(okx.listing, urls=(f"http://{HOST}:{settings.api_port}/",)))
    )


def post_alert(settings: Settings) -> None:
    async def post() -> None:
        webhook = Webhook(SecretStr(f"http://{HOST}:{settings.api_port}/"), backoff=0.01)
        work = asyncio.create_task(webhook.run())
        alert = Alert(
            ts=0,
            rule="rule",
            severity=Severity.INFO,
            query="totals",
            measure="notional",
            value=1.0,
            threshold=1.0,
            message=Text("message"),
            live=True,
        )
        webhook.send(LinkedAlert(alert, f"http://{HOST}/"))
        await webhook.drain(PATIENCE_S)
        work.cancel()

    asyncio.run(post())


def probe(settings: Settings) -> None:
    assert not health.answers_http(HOST, settings.api_port, "/" * 5)


def probe_kafka(settings: Settings) -> None:
    assert not health.is_kafka_ready(HOST, settings.kafka_port)


def probe_websocket(settings: Settings) -> None:
    assert not health.opens_websocket(f"ws://{HOST}:{settings.api_port}/")


def look(settings: Settings) -> None:
    assert not monitor.check(settings).is_healthy


def over_tls(settings: Settings) -> Settings:
    return settings.model_copy(update={"kafka_security": "SSL"})


LOGIN_S = 3.0
KAFKA_S = 10.0  # to know that a broker is there, then that it is one
CALLS = [
    Call("fetch", lambda s: questdb.fetch("SELECT 1", settings=s), LOGIN_S, QuestDBTimeoutError),
    Call("execute", lambda s: questdb.execute("x", settings=s), LOGIN_S, QuestDBTimeoutError),
    Call("ensure_table", questdb.ensure_table, LOGIN_S, QuestDBTimeoutError),
    Call("wal_state", lambda s: questdb.read_wal_state(settings=s), LOGIN_S, QuestDBTimeoutError),
    Call("suspended_tables", questdb.list_suspended_tables, LOGIN_S, QuestDBTimeoutError),
    Call("resume", lambda s: questdb.resume("x", s), LOGIN_S, QuestDBTimeoutError),
    Call("hit", lambda s: liq.hit("totals", settings=s), LOGIN_S, QuestDBTimeoutError),
    Call("ensure_topics", messaging.ensure_topics, KAFKA_S, KafkaAwayError),
    Call("ensure_topics TLS", lambda s: messaging.ensure_topics(over_tls(s)), KAFKA_S, KafkaError),
    Call("offsets", lambda s: messaging.read_offsets({"x": "y"}, s), KAFKA_S, KafkaAwayError),
    Call("read", lambda s: list(messaging.read("x", s)), KAFKA_S, KafkaAwayError),
    Call("Publisher", start_publisher, KAFKA_S, KafkaAwayError),
    Call("connect.read_status", connect.read_status, 10, ConnectError),
    Call("connect.ensure", lambda s: connect.ensure(s, timeout=3), 3 + 5, ConnectError),
    Call("connect.restart", connect.restart, 40, ConnectError),
    Call("connect.remove", connect.remove, 40, ConnectError),
    Call("connect.build_configuration", connect.build_configuration, 40, ConnectError),
    Call("ApiClient", hit_api, QUERY_S + 10, ApiError),
    Call("instruments", fetch_contracts, 10, FeedError),
    Call("webhook", post_alert, 6 * 5, None),
    Call("answers_http", probe, 2, None),
    Call("is_kafka_ready", probe_kafka, 2, None),
    Call("opens_websocket", probe_websocket, 4, None),
    Call("monitor", look, 2 * KAFKA_S + 10 + 11, None),
]


class Outcome(NamedTuple):
    error: BaseException | None
    seconds: float


def outcome(call: Call, settings: Settings) -> Outcome:
    begin = time.monotonic()
    try:
        call.act(settings)
    except Exception as error:
        return Outcome(error, time.monotonic() - begin)
    return Outcome(None, time.monotonic() - begin)


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[tuple[str, str], "Future[Outcome]"]]:
    """All calls to both servers, which are under way."""
    servers = []
    threads = ThreadPoolExecutor(len(CALLS) * len(KINDS))
    begun: dict[tuple[str, str], Future[Outcome]] = {}
    for kind in KINDS:
        ports: dict[str, Any] = {}
        for name in find_free_ports():
            piece = {"kafka_port": KAFKA, "questdb_pg_port": QUESTDB}.get(name, HTTP)
            servers.append(Server(piece if kind == "dripping" else b""))
            ports[name] = servers[-1].port
        settings = Settings.load(home=tmp_path_factory.mktemp(kind), query_timeout=QUERY_S, **ports)
        begun |= {(call.name, kind): threads.submit(outcome, call, settings) for call in CALLS}
    yield begun
    for server in servers:
        server.close()
    threads.shutdown()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_call_ends_though_the_server_does_not_answer(
    call: Call, kind: str, outcomes: dict[tuple[str, str], "Future[Outcome]"]
) -> None:
    error, seconds = outcomes[call.name, kind].result(timeout=PATIENCE_S)
    if call.error is None:
        assert error is None, error
    else:
        assert isinstance(error, call.error), error
    assert seconds < call.seconds + SLACK_S


def test_all_addresses_of_a_name_share_the_time_of_a_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [f"127.0.0.{number}" for number in range(2, 12)]

    resolve_to(monkeypatch, *addresses)
    with socket.create_server(("", 0), backlog=100) as listener:
        ports = {"questdb_pg_port": listener.getsockname()[1]}
        settings = Settings.load(home=tmp_path, questdb_host="questdb.test", **ports)
        call = Call("fetch", lambda s: questdb.fetch("SELECT 1", settings=s), LOGIN_S, None)
        error, seconds = outcome(call, settings)
        tried = []
        for _ in addresses:
            connection, _ = listener.accept()
            with connection:
                tried.append(connection.getsockname()[0])
    assert isinstance(error, QuestDBTimeoutError), error
    assert tried == addresses
    assert seconds < LOGIN_S + SLACK_S


def test_a_lock_that_is_not_given_back_names_its_holder(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    code = (
        "import sys, time; from pathlib import Path; from liq.stack.process import lock\n"
        "with lock(Path(sys.argv[1])): print(flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, file], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout
            holder.stdout.readline()
            with (
                pytest.raises(StackError, match=rf"(?s)process {holder.pid} .* has held {file}"),
                lock(file, seconds=0.2),
            ):
                pass
        finally:
            holder.kill()
    with lock(file, seconds=PATIENCE_S):
        assert file.read_text() == str(os.getpid())
