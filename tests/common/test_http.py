"""The client of HTTP where the environment names proxies and certificates that cannot be used."""

import httpx
import pytest

from liq.common import http


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


def test_a_client_that_takes_nothing_from_the_environment_ignores_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    http.Client(1.0, trust_env=False).close()
