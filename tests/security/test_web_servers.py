"""The dashboard's server, JupyterLab and Streamlit: who gets in, and what answers give away."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest

from browser.conftest import serving
from liq.config import Settings
from liq.stack import health
from support.helpers import PATIENCE_S, eventually, find_free_ports, running

EVIL = "evil.example"
KERNEL = "6454fcb7-dcf1-4e89-9018-e3345cd65ecb"
SERVERS = ("dashboard", "lab")
SECRETS = (
    "questdb_admin_password",
    "questdb_reader_password",
    "kafka_password",
    "grafana_password",
    "token",
    "lab_token",
)
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
PATHS = (
    "/",
    "/login",
    "/logout",
    "/health",
    "/apps",
    "/apps/",
    "/apps/02-explore",
    "/apps/nothing",
    "/apps/03-pipeline%00",
    "/apps/..%2f..",
    "/dashboard.ipynb",
    "/lab",
    "/lab/tree/dashboard.ipynb",
    "/tree",
    "/doc",
    "/static/favicon.ico",
    "/static/..%2f..%2fetc%2fpasswd",
    "/files/dashboard.ipynb",
    "/files/%2e%2e/x",
    "/api",
    "/api/contents",
    "/api/contents/%00",
    "/api/kernels",
    f"/api/kernels/{KERNEL}",
    f"/api/kernels/{KERNEL}/channels",
    "/api/kernels/x/channels",
    f"/kernels/{KERNEL}/channels",
    "/kernels/x/channels",
    f"/voila/api/shutdown/{KERNEL}",
    "/voila/api/shutdown/..%2f..",
    "/voila/files/dashboard.ipynb",
    "/voila/static/../x",
    "/voila/templates/..%2f..",
    "/voila/templates/x",
    "/voila/labextensions/..%2fx",
    "/voila/api/themes/..%2fx",
    f"/voila/query/{KERNEL}",
    "/voila/render/dashboard.ipynb",
    "/liq/x/page.js",
    "/liq/x/..",
    "//evil.example/",
    "/\\evil.example/",
    "/%2f%2fevil.example",
    "/%ff",
    "/%c0%af",
    "/%0d%0aSet-Cookie:%20a=b",
    "/a" * 2000,
    "/?a=%00&b=%ff",
    "/?template=x&theme=../x",
    "/login?next=//evil.example",
    "/login?next=%5c%5cevil.example",
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("liq")
    return Settings.load(
        home=home, allowed_hosts="liq.example", **find_free_ports()
    ).with_lab_token()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module", autouse=True)
def processes(
    settings: Settings, logs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, psutil.Popen]]:
    """The servers, with a kernel of the dashboard ahead of its visitors, and no QuestDB."""
    folder = tmp_path_factory.mktemp("notebooks")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                serving(
                    settings,
                    logs / name,
                    *(["--pool", "1"] if name == "dashboard" else ["--folder", str(folder)]),
                    command=name,
                )
            )
            for name in SERVERS
        }


def base(name: str, settings: Settings) -> str:
    return f"http://127.0.0.1:{getattr(settings, f'{name}_port')}"


def token(name: str, settings: Settings) -> str:
    secret = {"dashboard": settings.token, "lab": settings.lab_token}[name]
    return secret.get_secret_value()


def page(name: str) -> str:
    return {"dashboard": "/apps", "lab": "/lab"}[name]


@pytest.fixture(params=SERVERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(name: str, settings: Settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base(name, settings), timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def visitor(client: httpx.Client, name: str, settings: Settings) -> httpx.Client:
    """A client that has logged in by address."""
    answer = client.get(page(name), params={"token": token(name, settings)})
    assert answer.status_code == 302
    return client


def test_the_token_leaves_the_address_before_a_page_is_sent(
    client: httpx.Client, name: str, settings: Settings
) -> None:
    answer = client.get(page(name), params={"a": "b&c", "token": token(name, settings), "d": ""})
    assert answer.status_code == 302
    assert answer.headers["location"] == f"{page(name)}?a=b%26c&d="
    assert not answer.content
    assert client.get(answer.headers["location"]).status_code == 200


def test_a_link_with_the_token_leads_to_no_other_host(
    client: httpx.Client, name: str, settings: Settings
) -> None:
    for path in ("//evil.example/", "/\\evil.example/", "/%2f/evil.example/"):
        url = f"{base(name, settings)}{path}?token={token(name, settings)}"
        answer = client.get(url)
        assert not answer.headers.get("location", "/x").startswith(("//", "/\\", "http"))


def test_a_wrong_token_leads_to_the_login_and_is_not_passed_on(
    client: httpx.Client, name: str
) -> None:
    answer = client.get(page(name), params={"token": "wrong"})
    login = urlsplit(answer.headers["location"])
    assert login.path == "/login"
    assert parse_qs(login.query) == {"next": [page(name)]}
    assert "wrong" not in client.get(answer.headers["location"]).text


def test_a_page_holds_no_token(visitor: httpx.Client, name: str, settings: Settings) -> None:
    text = visitor.get(page(name)).text
    assert len(text) > 200
    for secret in SECRETS:
        assert getattr(settings, secret).get_secret_value() not in text


def test_one_servers_token_does_not_open_the_other(
    client: httpx.Client, name: str, settings: Settings
) -> None:
    other = token(next(each for each in SERVERS if each != name), settings)
    assert client.get(page(name), params={"token": other}).headers["location"].startswith("/login")
    answer = client.get(page(name), headers={"Authorization": f"token {other}"})
    assert answer.headers["location"].startswith("/login")
    login = client.get("/login")
    [xsrf] = re.findall(r'name="_xsrf" (?:type="hidden" )?value="([^"]+)"', login.text)[:1]
    assert client.post("/login", data={"password": other, "_xsrf": xsrf}).status_code == 401


def test_one_servers_cookie_does_not_open_the_other(
    visitor: httpx.Client, name: str, settings: Settings
) -> None:
    """A browser sends both to both: cookies know no ports."""
    cookies = dict(visitor.cookies)
    other = next(each for each in SERVERS if each != name)
    names = {each: f"liq-{each}-{getattr(settings, f'{each}_port')}" for each in SERVERS}
    assert names[name] in cookies
    renamed = cookies | {names[other]: cookies[names[name]]}
    for given in (cookies, renamed):
        with httpx.Client(base_url=base(other, settings), cookies=given) as client:
            answer = client.get(page(other), timeout=PATIENCE_S)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/login")


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(
    client: httpx.Client, name: str, settings: Settings
) -> None:
    lead = client.get(page(name), params={"token": token(name, settings)})
    answers = [lead, client.get("/login"), client.get(page(name)), client.get("/logout")]
    lines = [line for each in answers for line in each.headers.get_list("set-cookie")]
    assert lines
    for line in lines:
        assert "SameSite=Lax" in line
        assert "Secure" not in line
        # JupyterLab's pages read this one, to send it back in a header
        assert ("HttpOnly" in line) != line.startswith("_xsrf=")
    assert (name == "lab") == any(line.startswith("_xsrf=") for line in lines)


def test_cookies_travel_over_tls_only_behind_a_proxy_that_got_the_request_over_tls(
    client: httpx.Client, name: str, settings: Settings
) -> None:
    for path in ("/login", f"{page(name)}?token={token(name, settings)}"):
        answer = client.get(path, headers={"X-Forwarded-Proto": "https"})
        lines = answer.headers.get_list("set-cookie")
        assert lines
        assert all("; Secure" in line for line in lines)


@pytest.mark.parametrize("who", ["a stranger", "a visitor"])
def test_every_response_has_the_headers_and_none_is_a_server_error(
    client: httpx.Client, name: str, who: str, settings: Settings
) -> None:
    if who == "a visitor":
        client.get(page(name), params={"token": token(name, settings)})
    for path in PATHS:
        for method in ("GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS", "PATCH"):
            url = httpx.URL(base(name, settings), raw_path=path.encode())
            with client.stream(method, url) as answer:  # a page with a kernel takes a while
                check(answer, name)
            assert answer.status_code < 500, (method, path)


def check(answer: httpx.Response, name: str) -> None:
    policy = answer.headers["content-security-policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts
    assert ("'unsafe-eval'" in scripts) == (name == "lab")
    assert "object-src 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "form-action 'self'" in policy
    own = {"lab": "frame-ancestors 'self'"}.get(name, "frame-ancestors 'none'")
    assert own in policy
    # JupyterLab knows its own downloads by the referrer
    assert answer.headers["referrer-policy"] == {"lab": "same-origin"}.get(name, "no-referrer")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/login", "/health", "/api/contents", "/liq/x/page.js"])
def test_a_name_that_someone_else_points_here_is_refused(
    visitor: httpx.Client, name: str, path: str, settings: Settings
) -> None:
    port = getattr(settings, f"{name}_port")
    for host in (f"{EVIL}:{port}", EVIL, f"localhost.{EVIL}", "liq.example.evil"):
        answer = visitor.get(path, headers={"Host": host})
        assert answer.status_code == 403
        assert "LIQ_ALLOWED_HOSTS" in answer.text
        assert answer.headers["connection"] == "close"  # else the next request would be lost
        check(answer, name)
    for host in (f"localhost:{port}", "127.0.0.1", "192.168.1.5:80", "liq.example"):
        assert visitor.get(path, headers={"Host": host}).status_code != 403 or path[:4] == "/api"


def test_the_dashboard_and_its_kernels_never_have_the_lab_token(
    processes: dict[str, psutil.Popen], settings: Settings
) -> None:
    secret = settings.lab_token.get_secret_value()

    def kernels() -> list[psutil.Process]:
        return [each for child in processes["dashboard"].children() for each in child.children()]

    eventually(kernels)
    for process in [processes["dashboard"], *processes["dashboard"].children(), *kernels()]:
        assert secret not in process.environ().values()
    program = (
        "from liq.config import settings; print(repr(settings().lab_token.get_secret_value()))"
    )
    environ = settings.environ()
    answer = subprocess.check_output([sys.executable, "-c", program], env=environ, text=True)
    assert answer.strip() == "''"


def test_no_log_reveals_a_secret(settings: Settings, logs: Path) -> None:
    """Of all requests above, and of addresses that hold a token where none belongs."""
    for name in SERVERS:
        secret = token(name, settings)
        for path in (
            f"/login?next=%2F%3Ftoken%3D{secret}",
            f"/nothing/{secret}",
            f"/api/kernels?token={secret}",
            f"/api/kernels/{KERNEL}/channels?token={secret}",
            f"/?x={secret}&token=wrong",
        ):
            referer = {"Referer": f"{base(name, settings)}/?token={secret}"}
            httpx.get(f"{base(name, settings)}{path}", headers=referer, timeout=PATIENCE_S)
        text = (logs / name).read_text()
        assert "[secret]" in text
        for each in SECRETS:
            assert getattr(settings, each).get_secret_value() not in text, each


def test_the_token_is_printed_on_a_terminal_only(settings: Settings, logs: Path) -> None:
    import pty  # noqa: PLC0415 - POSIX only

    for name, variable in (("dashboard", "LIQ_TOKEN"), ("lab", "LIQ_LAB_TOKEN")):
        assert f"log in with {variable}" in (logs / name).read_text().splitlines()[0]
        here, there = pty.openpty()
        program = (
            "from liq.web import serve; from liq.cli import app;"
            "serve.run_dashboard = serve.run_lab = lambda *_, **__: None;"
            f"app(['{name}', '--no-browser'])"
        )
        subprocess.run(
            [sys.executable, "-c", program], stdout=there, env=settings.environ(), check=True
        )
        assert f"?token={token(name, settings)}" in os.read(here, 10_000).decode()
        os.close(here)
        os.close(there)


def test_streamlit_asks_for_the_token_behind_a_proxy(settings: Settings) -> None:
    own = {"base_url": "/liq", "streamlit_port": find_free_ports()["streamlit_port"]}
    behind, secret = settings.model_copy(update=own), settings.token.get_secret_value()
    with (
        running(behind, "-m", "liq", "streamlit", "--no-browser"),
        httpx.Client(base_url=f"{behind.streamlit_url}/", timeout=PATIENCE_S) as client,
    ):
        eventually(lambda: health.is_listening("127.0.0.1", behind.streamlit_port))
        assert client.get("_stcore/health").text == "ok"
        for path in ("", "_stcore/host-config", "static/x.js", "?token=wrong", "/liq", "%2e%2e/"):
            answer = client.get(path)
            assert answer.status_code == 401
            check(answer, "streamlit")
        for given in ({"token": ""}, {"token": secret[:-1]}, {"x": secret}, {"token": "ö" * 9999}):
            answer = client.post("", data=given)
            assert answer.status_code == 401
            assert secret not in answer.text
        assert client.get("_stcore/stream", headers=UPGRADE).status_code == 403

        for answer in (client.get("", params={"token": secret}), post(behind, secret)):
            assert answer.status_code == 303
            assert answer.headers["location"] == "/liq/streamlit/"
            assert not answer.content
            cookie = answer.headers["set-cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
            assert "Path=/liq/streamlit/" in cookie
            assert secret not in cookie
        assert client.get("").status_code == 200  # by the cookie
        assert client.get("_stcore/host-config").status_code == 200
        forged = {f"liq-streamlit-{behind.streamlit_port}": secret}
        answer = httpx.get(f"{behind.streamlit_url}/", cookies=forged, timeout=PATIENCE_S)
        assert answer.status_code == 401


def post(settings: Settings, secret: str) -> httpx.Response:
    """Send the form of Streamlit's login, as behind a proxy with TLS."""
    url, tls = f"{settings.streamlit_url}/", {"X-Forwarded-Proto": "https"}
    answer = httpx.post(url, data={"token": secret}, headers=tls, timeout=PATIENCE_S)
    assert "; Secure" in answer.headers["set-cookie"]
    return answer


def test_streamlit_has_the_headers_and_answers_to_its_names_only(settings: Settings) -> None:
    with running(settings, "-m", "liq", "streamlit", "--no-browser"):
        eventually(lambda: health.is_listening("127.0.0.1", settings.streamlit_port))
        for path in ("/", "/_stcore/health", "/nothing", "/static/js/nothing.js"):
            answer = httpx.get(f"{settings.streamlit_url}{path}", timeout=PATIENCE_S)
            check(answer, "streamlit")
            evil = httpx.get(
                f"{settings.streamlit_url}{path}", headers={"Host": EVIL}, timeout=PATIENCE_S
            )
            assert evil.status_code == 403
            check(evil, "streamlit")
        socket = UPGRADE | {"Host": EVIL}
        url = f"{settings.streamlit_url}/_stcore/stream"
        answer = httpx.get(url, headers=socket, timeout=PATIENCE_S)
        assert answer.status_code == 403
