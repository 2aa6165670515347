import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from liq.common import addresses, http
from liq.common.addresses import check_free, is_ip, is_loopback, name_local
from liq.config import Settings
from liq.errors import QuestDBError
from liq.query import questdb
from liq.stack import health
from support.helpers import PATIENCE_S, resolve_to
from support.local_http import serve_http


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_these_hosts_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "liq.test", "a.localhost", ""])  # noqa: S104
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_a_server_on_all_networks_is_reached_at_loopback() -> None:
    assert {name_local(host) for host in ("0.0.0.0", "::")} == {"127.0.0.1"}  # noqa: S104
    assert [name_local(host) for host in ("10.0.0.1", "liq.test")] == ["10.0.0.1", "liq.test"]


def test_a_name_is_no_ip_address() -> None:
    assert [is_ip(host) for host in ("::1", "10.0.0.1", "liq.test", "")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_port_on_which_a_server_listens_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            check_free("127.0.0.1", port)
    check_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_not_free() -> None:
    with pytest.raises(OSError, match="assign"):
        check_free("192.0.2.1", 0)


NAMES = [f"127.0.0.{number}" for number in range(2, 12)]
SECONDS = 1.0


def get(port: int) -> str:
    with http.Client(SECONDS, trust_env=False) as client:
        return client.get(f"http://liq.test:{port}/").text


CONNECTS: dict[str, Callable[[int], object]] = {
    "connect": lambda port: addresses.connect("liq.test", port, SECONDS),
    "http": get,
}


@pytest.fixture
def full() -> Iterator[int]:
    """A port on which connecting takes for ever, on each loopback address but the first."""
    with (
        socket.create_server(("", 0), backlog=0) as listener,  # which has one place
        socket.create_connection(("127.0.0.1", listener.getsockname()[1])),
    ):
        yield listener.getsockname()[1]


@pytest.mark.parametrize("connect", CONNECTS.values(), ids=CONNECTS)
def test_addresses_of_a_name_share_the_time_of_connecting(
    connect: Callable[[int], object], full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: dict[str, float] = {}
    usual = socket.create_connection

    def note(address: tuple[str, int], timeout: float, **options: Any) -> socket.socket:
        tried[address[0]] = timeout
        return usual(address, timeout, **options)

    monkeypatch.setattr(socket, "create_connection", note)
    resolve_to(monkeypatch, *NAMES)
    with pytest.raises((TimeoutError, httpx.TimeoutException)):
        connect(full)
    assert [*tried] == NAMES
    assert sum(tried.values()) < SECONDS + 0.1


def test_the_address_that_accepts_is_found_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.end_headers()

    with serve_http(Handler) as url:
        port = int(url.rpartition(":")[2])
        resolve_to(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
        assert get(port) == ""
        assert health.answers_http("liq.test", port, "/")


def test_a_name_without_an_address_is_an_error() -> None:
    with pytest.raises(socket.gaierror):
        addresses.connect("liq.invalid", 80, SECONDS)
    with pytest.raises(httpx.ConnectError) as caught, http.Client(SECONDS, trust_env=False) as one:
        one.get("http://liq.invalid/")
    assert "cannot be resolved" in http.explain(caught.value)


def test_a_name_server_that_does_not_answer_takes_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: ended.wait(PATIENCE_S))
    try:
        with pytest.raises(TimeoutError, match=r"the name liq\.test is not resolved in time"):
            addresses.connect("liq.test", 80, 0.1)
        settings = Settings.load(home=tmp_path, questdb_host="liq.test")
        with pytest.raises(QuestDBError, match=r"liq\.test is not resolved .*; see LIQ_"):
            questdb.fetch("SELECT 1", settings=settings, timeout=0.2)
        with pytest.raises(httpx.TimeoutException, match="is not resolved in time"):
            get(80)
    finally:
        ended.set()
