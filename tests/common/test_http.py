"""The client of HTTP where the environment names proxies and certificates that cannot be used."""

import socket
import threading
from http.server import BaseHTTPRequestHandler

import httpx
import pytest

from liq.common import http
from support.helpers import PATIENCE_S, find_free_ports
from support.local_http import serve_http


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("HTTP_PROXY", "nothing://user:hidden@127.0.0.1:9"),
        ("HTTP_PROXY", "http://user:hidden/part@127.0.0.1:9"),
        ("NO_PROXY", "[::1]"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("SSL_CERT_FILE", "/dev/null"),
    ],
)
def test_an_environment_that_cannot_be_used_is_an_error_of_connecting(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    with pytest.raises(httpx.ConnectError, match=f"cannot use .*{name}.*: ") as caught:
        http.Client(1.0)
    assert "hid" not in str(caught.value)


def test_an_error_without_a_cause_in_plain_words_is_quoted() -> None:
    assert http.explain(httpx.ReadTimeout("timed out")) == "timed out"
    assert http.explain(httpx.ReadTimeout("")) == "read timeout"


def test_a_refused_connection_is_said_in_plain_words() -> None:
    url = f"http://127.0.0.1:{find_free_ports()['api_port']}"
    with http.Client(5.0, trust_env=False) as client, pytest.raises(httpx.ConnectError) as caught:
        client.get(url)
    assert http.explain(caught.value) == "the connection is refused"


def test_a_name_without_an_address_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def find(*name: object, **_options: object) -> None:
        asked.append(name)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", find)
    with http.Client(5.0, trust_env=False) as client, pytest.raises(httpx.ConnectError) as caught:
        client.get("http://nowhere.example")
    assert len(asked) == 1
    assert http.explain(caught.value).endswith("cannot be resolved")


def test_an_error_that_was_handled_before_explains_none_after_it() -> None:
    is_over = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_over.wait(PATIENCE_S)

    def ask(url: str) -> None:
        with http.Client(1.0, trust_env=False) as client:
            try:
                socket.create_connection(("127.0.0.1", find_free_ports()["api_port"]))
            except ConnectionRefusedError:
                try:
                    client.get(url)
                finally:
                    is_over.set()

    with serve_http(Silent) as url, pytest.raises(httpx.ReadTimeout) as caught:
        ask(url)
    assert http.explain(caught.value) == "timed out"
    other = ValueError("no JSON")
    other.__context__ = ConnectionRefusedError()
    assert http.explain(other) == "no JSON"


def test_a_client_that_takes_nothing_from_the_environment_ignores_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    http.Client(1.0, trust_env=False).close()
