"""Who can reach what: the sockets of all that `liq` runs, and each door without its key."""

import base64
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from liq import stack as local
from liq.config import Settings
from liq.records.streams import LIQUIDATIONS
from liq.stack import health
from support.helpers import PATIENCE_S, eventually, find_free_ports, running

pytestmark = pytest.mark.stack

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
APPS = {
    "dashboard_port": "dashboard --no-browser --pool 1",
    "api_port": "api",
    "lab_port": "lab --no-browser",
    "mcp_port": "mcp --http",
}
EVIL = "evil.example"


@pytest.fixture(scope="module")
def apps(stack: Settings) -> Iterator[Settings]:
    """The stack with every app beside it that listens."""
    ports = find_free_ports()
    settings = stack.model_copy(update={name: ports[name] for name in (*APPS, "simulator_port")})
    with ExitStack() as stack_:
        for command in APPS.values():
            stack_.enter_context(running(settings, "-m", "liq", *command.split()))
        stack_.enter_context(running(settings, "-m", "liq", "simulate"))
        for name in (*APPS, "simulator_port"):
            port = getattr(settings, name)
            eventually(lambda port=port: health.is_listening("127.0.0.1", port))  # type: ignore[misc]
        yield settings


def processes(settings: Settings) -> list[psutil.Process]:
    """All that runs for these settings: the servers, this test's apps, and their children."""
    ours = [psutil.Process(each.pid) for each in local.status(settings) if each.pid]
    ours += psutil.Process().children()
    return [*ours, *(child for one in ours for child in one.children(recursive=True))]


def arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def sockets(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("inet"))
    except psutil.NoSuchProcess:  # a kernel that was not needed
        return []


def test_nothing_listens_beyond_this_machine(apps: Settings) -> None:
    def listening() -> set[tuple[str, int]]:
        return {
            (each.laddr.ip, each.laddr.port)
            for process in processes(apps)
            for each in sockets(process)
            if each.status == psutil.CONN_LISTEN or (each.status == psutil.CONN_NONE and each.laddr)
        }

    found = listening()
    servers = {each.port for each in local.status(apps) if each.pid}
    wanted = servers | {getattr(apps, name) for name in (*APPS, "simulator_port")}
    assert wanted <= {port for _, port in found}
    assert {ip for ip, _ in found} <= LOOPBACK, found


def test_no_process_shows_a_secret_in_its_arguments(apps: Settings) -> None:
    lines = [" ".join(arguments(each)) for each in processes(apps)]
    assert any("ServerMain" in line for line in lines)
    for secret in secrets(apps):
        assert not [line for line in lines if secret in line]


def test_no_log_and_no_state_file_reveals_a_secret(apps: Settings) -> None:
    # not by rglob: it fails when one of the folders goes while it looks, as QuestDB's do
    files = [Path(folder) / name for folder, _, names in os.walk(apps.home) for name in names]
    kept = [each for each in files if {"logs", "run", "conf"} & set(each.parts)]
    texts = {each: text_of(each) for each in kept if each.suffix != ".jsa"}
    assert len(texts) > 5
    for file, text in texts.items():
        assert not [secret for secret in secrets(apps) if secret in text], file


def test_kept_files_are_readable_by_their_owner_only(apps: Settings) -> None:
    assert mode(apps.home / "secrets.json") == 0o600
    for log in (apps.home / "logs").glob("*.log"):
        assert mode(log) == 0o600, log


def test_a_new_home_is_its_owners_only(tmp_path: Path) -> None:
    Settings.load(home=tmp_path / "new")
    assert mode(tmp_path / "new") == 0o700


def text_of(file: Path) -> str:
    with suppress(FileNotFoundError):  # it was a draft
        return file.read_text(errors="replace")
    return ""


def secrets(settings: Settings) -> list[str]:
    names = (
        "questdb_admin_password",
        "questdb_reader_password",
        "kafka_password",
        "connect_password",
        "grafana_password",
        "token",
        "lab_token",
    )
    known = settings.with_lab_token()
    return [getattr(known, name).get_secret_value() for name in names]


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("login", [None, ("liq_admin", "wrong"), ("admin", "quest"), "reader"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/exec?query=select+1"),
        ("GET", "/exec?query=drop+table+liquidations"),
        ("GET", "/exp?query=select+1"),
        ("POST", "/write"),
        ("POST", "/api/v2/write"),
        ("POST", "/imp?name=mine"),
        ("PUT", "/settings?version=0"),
    ],
)
def test_questdbs_http_server_opens_to_its_admin_only(
    method: str, path: str, login: tuple[str, str] | str | None, stack: Settings
) -> None:
    if login == "reader":
        login = (stack.questdb_reader_user, stack.questdb_reader_password.get_secret_value())
    answer = httpx.request(
        method,
        stack.questdb_url + path,
        content="mine x=1" if method == "POST" else None,
        auth=login,  # type: ignore[arg-type]
        timeout=PATIENCE_S,
    )
    assert answer.status_code in {401, 403}, answer.text


def test_questdb_takes_no_lines_over_bare_tcp(stack: Settings) -> None:
    assert not health.is_listening(stack.questdb_host, 9009)


@pytest.mark.parametrize("name", ["dashboard_port", "lab_port"])
@pytest.mark.parametrize("path", ["/api/kernels", "/api/contents", "/api/sessions"])
@pytest.mark.parametrize("token", ["", "wrong"])
def test_jupyters_servers_open_with_the_token_only(
    name: str, path: str, token: str, apps: Settings
) -> None:
    url = f"http://127.0.0.1:{getattr(apps, name)}{path}"
    answer = httpx.get(
        url, headers={"Authorization": f"token {token}"} if token else {}, timeout=PATIENCE_S
    )
    assert answer.status_code in {302, 403, 404}


@pytest.mark.parametrize("name", ["api_port", "lab_port", "connect_port"])
def test_a_name_that_someone_else_points_here_is_refused(name: str, apps: Settings) -> None:
    """A page of that name would otherwise be of this very origin: no browser holds it back."""
    port = getattr(apps, name)
    path = {"connect_port": "/connectors", "lab_port": "/api/contents", "api_port": "/"}[name]
    lab_token = apps.with_lab_token().lab_token.get_secret_value()
    token = {"Authorization": f"token {lab_token}"} if "lab" in name else {}
    url = f"http://127.0.0.1:{port}{path}"
    assert httpx.get(url, headers=token, timeout=PATIENCE_S).is_success
    answer = httpx.get(url, headers={"Host": f"{EVIL}:{port}", **token}, timeout=PATIENCE_S)
    assert answer.status_code in {400, 403}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_web_page_cannot_register_a_connector(kind: str, stack: Settings) -> None:
    """Neither by what it may send without asking, which is not JSON, nor by asking."""
    body = '{"name": "evil", "config": {"connector.class": "x"}}'
    headers = {"Content-Type": kind, "Origin": f"http://{EVIL}"}
    posted = httpx.post(
        f"{stack.connect_url}/connectors", content=body, headers=headers, timeout=PATIENCE_S
    )
    assert posted.status_code == 403
    asked = httpx.options(
        f"{stack.connect_url}/connectors",
        headers={
            "Origin": f"http://{EVIL}",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
        timeout=PATIENCE_S,
    )
    assert "access-control-allow-origin" not in asked.headers
    assert "evil" not in httpx.get(f"{stack.connect_url}/connectors", timeout=PATIENCE_S).json()


def test_connect_reveals_no_password(stack: Settings) -> None:
    response = httpx.get(
        f"{stack.connect_url}/connectors?expand=info&expand=status", timeout=PATIENCE_S
    ).text
    assert LIQUIDATIONS.connector(stack) in response
    assert not [secret for secret in secrets(stack) if secret in response]


@pytest.mark.parametrize("name", ["lab_port", "dashboard_port"])
def test_a_page_of_another_origin_reaches_no_kernel(name: str, apps: Settings) -> None:
    port = getattr(apps, name)
    known = apps.with_lab_token()
    secret = known.lab_token if name == "lab_port" else known.token
    answer = httpx.get(
        f"http://127.0.0.1:{port}/api/kernels/any/channels",
        params={"token": secret.get_secret_value()},
        headers={
            "Origin": f"http://{EVIL}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        },
        timeout=PATIENCE_S,
    )
    assert answer.status_code in {302, 403, 404}  # 302: to the login
