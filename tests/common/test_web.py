"""The rules of all web servers: host names, headers, cookies, logs."""

import logging
from pathlib import Path

import httpx
import pytest

from liq.common import web
from liq.config import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path, allowed_hosts="liq.example,other.example")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8866",
        "127.0.0.1:8866",
        "127.0.0.2",
        "[::1]:8866",
        "192.168.1.5:8866",
        "liq.example",
        "liq.example.:443",
        "OTHER.example:8080",
    ],
)
def test_names_of_this_server_are_allowed(host: str, settings: Settings) -> None:
    assert web.is_allowed_host(host, settings)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "liq.example.evil.example",
        "evil.example:127.0.0.1",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "127.0.0.1@evil.example",
        "localhost,evil.example",
        "0x7f.1",
        "[::1].evil.example]",
        "",
        ":8866",
        "[",
    ],
)
def test_other_names_are_refused(host: str, settings: Settings) -> None:
    assert not web.is_allowed_host(host, settings)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_streamlits_login_keeps_the_rest_of_the_query(
    method: str, settings: Settings
) -> None:
    token = settings.token.get_secret_value()
    app = web.TokenLogin(None, settings)
    asked = {"GET": f"/?embed=true&token={token}&of=a%26b", "POST": "/?embed=true&of=a%26b"}
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with client:
        form = {"token": token} if method == "POST" else None
        answer = await client.request(method, asked[method], data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{settings.find_path('streamlit')}?embed=true&of=a%26b"


def test_a_policy_allows_the_sources_it_names_and_nothing_else() -> None:
    policy = dict(part.split(" ", 1) for part in web.build_policy(img_src="'self'").split("; "))
    assert policy["default-src"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["img-src"] == policy["form-action"] == "'self'"
    assert "script-src" not in policy


def test_inline_scripts_of_a_file_are_allowed_by_their_hash() -> None:
    page = "<script src='a.js'></script><script>go()</script><script type='text/x'>no</script>"
    assert web.allow_scripts(page) == "'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='"


def test_cookies_are_kept_from_scripts_and_other_sites() -> None:
    assert web.protect_cookie("a=1", secure=False) == "a=1; SameSite=Lax; HttpOnly"
    assert web.protect_cookie("a=1; Path=/", secure=True).endswith("; HttpOnly; Secure")
    given = "a=HttpOnly; httponly; SameSite=Strict; Secure"
    assert web.protect_cookie(given, secure=True) == given
    assert "HttpOnly" not in web.protect_cookie("a=1", secure=False, readable=["a"])


def test_a_cookie_is_for_tls_only_where_the_last_proxy_got_it_over_tls() -> None:
    assert web.is_encrypted("https")
    assert web.is_encrypted("http, HTTPS")
    assert not web.is_encrypted("https, http")
    assert not web.is_encrypted("")


@pytest.mark.parametrize("path", ["/", "/a%20b", "/%C3%A9?x=%00%FF", "/a/../b"])
def test_text_is_a_clean_path(path: str) -> None:
    assert web.is_clean_path(path)


@pytest.mark.parametrize(
    "path", ["/a%00", "/%0d%0aSet-Cookie:a", "/%7f", "/%ff", "/a\x01", "//a", "/\\a"]
)
def test_bytes_control_characters_and_other_hosts_are_no_clean_path(path: str) -> None:
    assert not web.is_clean_path(path)


def test_logs_hold_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogRecordFactory()
    try:
        web.redact_logs(["s&cret", ""])
        log = logging.getLogger("any")
        log.warning("GET %s", "/?token=s%26cret")
        log.warning("Referer: /?token=s&cret")
        odd = logging.getLogRecordFactory()("any", 30, "", 0, "this is %d", ("no number",), None)
        try:
            int("s&cret")
        except ValueError:
            log.exception("failed")
    finally:
        logging.setLogRecordFactory(before)
    assert odd.args == ("no number",)  # whoever formats it reports it
    first, second, failed = caplog.records
    assert first.getMessage() == "GET /?token=[secret]"
    assert second.getMessage() == "Referer: /?token=[secret]"
    assert failed.exc_text is not None
    assert "[secret]" in failed.exc_text
    assert "s&cret" not in failed.exc_text
