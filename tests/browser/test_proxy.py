"""All apps behind nginx with TLS and a path, by the configuration that docs/proxy.md shows."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from browser.conftest import Visit, launched, opened, publishing, serving
from liq.analysis import links
from liq.config import Settings
from liq.delivery.producer import Producer
from liq.stack import health
from liq.web import api, serve
from support.helpers import PATIENCE_S, eventually, find_free_ports, running
from support.tls import certify

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

PAGE = Path(__file__).parents[2] / "docs" / "proxy.md"
HOST = "liq.example.org"  # as in the page
APPS = ("dashboard", "api", "streamlit", "lab", "mcp")
USUAL = {f"{name}_port": Settings.model_fields[f"{name}_port"].default for name in APPS}
SURROUNDINGS = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


@pytest.fixture(scope="module")
def behind(settings: Settings) -> Settings:
    """The settings of apps behind the proxy."""
    chosen = {name: port for name, port in find_free_ports().items() if name in USUAL}
    own = {"base_url": "/liq", "allowed_hosts": HOST, **chosen}
    return settings.model_copy(update=own).with_lab_token()


@pytest.fixture(scope="module")
def apps(behind: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("apps")
    with ExitStack() as ended:
        ended.enter_context(running(behind, "-m", "liq", "api"))
        ended.enter_context(running(behind, "-m", "liq", "mcp", "--http"))
        ended.enter_context(running(behind, "-m", "liq", "streamlit", "--no-browser"))
        ended.enter_context(serving(behind, folder / "dashboard.log", "--pool", "0"))
        lab = ("--folder", str(folder))
        ended.enter_context(serving(behind, folder / "lab.log", *lab, command="lab"))
        ports = [getattr(behind, name) for name in USUAL]
        eventually(lambda: all(health.is_listening("127.0.0.1", port) for port in ports))
        yield


@pytest.fixture(scope="module")
def proxy(behind: Settings, apps: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """nginx; its public address."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin")
    assert program, "there is no nginx: apt-get install nginx-light, as .ci/run does"
    folder = tmp_path_factory.mktemp("nginx")
    port = find_free_ports()["kafka_port"]
    certify(folder, f"DNS:{HOST}")
    configuration = folder / "nginx.conf"
    server = adapt(find_block(PAGE, "nginx"), behind, folder, port)
    configuration.write_text(SURROUNDINGS.format(folder=folder, server=server))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "-p", str(folder), "-e", "stderr", "-c", str(configuration)],
            stdout=log,
            stderr=log,
        )
    try:
        eventually(lambda: health.is_listening("127.0.0.1", port) or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield f"https://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def find_block(page: Path, language: str) -> str:
    """Return the page's only block of code in a language."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return str(block)


def adapt(server: str, settings: Settings, folder: Path, port: int) -> str:
    """Return the page's configuration with this test's ports and files, and no other change."""
    changes = {f":{usual};": f":{getattr(settings, name)};" for name, usual in USUAL.items()}
    changes |= {"listen 443 ssl": f"listen 127.0.0.1:{port} ssl", "/etc/ssl/liq": str(folder)}
    for old, new in changes.items():
        assert server.count(old) in (1, 2), old
        server = server.replace(old, new)
    return server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium that takes the certificate, and finds the public host on this machine."""
    resolves = f"--host-resolver-rules=MAP {HOST} 127.0.0.1"
    async with launched("--ignore-certificate-errors", resolves) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(behind: Settings) -> AsyncIterator[Producer]:
    async with publishing(behind, seed=5) as producer:
        yield producer


def publish(url: str, proxy: str) -> str:
    """Return the public address of an app whose address on this machine is ``url``."""
    return re.sub(r"^http://127\.0\.0\.1:\d+", proxy, url)


def fetch(proxy: str, path: str, body: object = None, **headers: str) -> httpx.Response:
    """Request a path from the proxy, as its public host; send it the ``body`` if there is one."""
    port = proxy.rpartition(":")[2]
    with httpx.Client(verify=False, timeout=PATIENCE_S) as client:  # noqa: S501 - its own certificate
        url = f"https://127.0.0.1:{port}{path}"
        headers = {"Host": f"{HOST}:{port}", **headers}
        return client.request("POST" if body else "GET", url, headers=headers, json=body)


async def test_the_dashboard_is_live_and_stays_below_its_path(
    browser: Browser, proxy: str, behind: Settings, market: Producer
) -> None:
    url = publish(serve.build_dashboard_url(behind), proxy)
    async with opened(browser, url) as visitor:
        await visitor.redraws()
        await visitor.redraws()
        assert visitor.page.url == f"{proxy}/liq/"
        assert visitor.outside == []
        assert visitor.complaints == []
        paths = [each for each in visitor.requests if not each.startswith(("blob:", "data:"))]
        assert all("/liq/" in each for each in paths), paths
        assert any(each.startswith("wss://") for each in paths)
        cookies = await visitor.page.context.cookies()
        assert {(each["path"], each["secure"]) for each in cookies} == {("/liq/", True)}

        await visitor.page.get_by_label("Bucket", exact=True).select_option("5m")
        await visitor.until(f"location.href === '{proxy}/liq/?bucket=5m'")
        public = behind.model_copy(update={"public_url": proxy})
        link = links.build_url(links.Place(board="Feeds"), public)
        assert link == f"{proxy}/liq/?board=Feeds&bucket=1m"
        await visitor.page.goto(link)
        await visitor.shows("Feeds", ".liq-tabs [aria-selected=true]")
        await visitor.until(f"location.href === '{proxy}/liq/?board=Feeds'")

        await visitor.page.get_by_role("link", name="All apps").click()
        await visitor.shows("Each app is a notebook", "main")
        assert visitor.page.url == f"{proxy}/liq/apps"
        await visitor.page.locator("a[href$='/apps/02-explore']").click()
        await visitor.drawn()
        assert visitor.page.url == f"{proxy}/liq/apps/02-explore"
        assert visitor.complaints == []


async def test_streamlit_asks_for_the_token_and_shows_rows(
    browser: Browser, proxy: str, behind: Settings, market: Producer
) -> None:
    async with opened(browser, f"{proxy}/liq/streamlit") as visitor:
        await visitor.page.get_by_label("Token").fill(behind.token.get_secret_value())
        await visitor.page.get_by_role("button", name="Log in").click()
        await visitor.shows("SIMULATED", ".stApp")
        assert visitor.page.url == f"{proxy}/liq/streamlit/"
        assert visitor.outside == []
        cookies = await visitor.page.context.cookies()
        assert all(each["secure"] for each in cookies)


async def test_jupyterlab_opens_with_its_token_and_from_its_launcher_the_apps_and_the_dashboard(
    browser: Browser, proxy: str, behind: Settings, market: Producer
) -> None:
    """By jupyter-server-proxy, as under JupyterHub: below JupyterLab's path, without a login."""
    async with opened(browser, publish(serve.build_lab_url(behind), proxy)) as visitor:
        context = visitor.page.context
        async with context.expect_page() as opening:
            await visitor.page.locator(".jp-LauncherCard", has_text="Notebooks as apps").click()
        apps = Visit(await opening.value)
        await apps.page.locator("a[href$='/apps/05-cascades']").wait_for()
        assert apps.page.url == f"{proxy}/liq/jupyter/liq/apps"
        assert await visitor.page.locator("text=Jupyter news").count() == 0

        async with context.expect_page() as opening:
            await visitor.page.locator(".jp-LauncherCard", has_text="Liquidations").click()
        dashboard = Visit(await opening.value)
        dashboard.page.on("console", dashboard.record_error)
        await dashboard.redraws()
        await dashboard.redraws()
        assert dashboard.page.url == f"{proxy}/liq/jupyter/liq/"
        assert dashboard.complaints == []
        await dashboard.page.close()

        await visitor.page.bring_to_front()
        await visitor.page.locator(".jp-LauncherCard").first.click()
        await visitor.page.locator(".jp-Notebook .cm-content").first.click()
        await visitor.page.keyboard.type("6 * 7")
        await visitor.shows("6 * 7", ".jp-Notebook .cm-content")
        await visitor.run_cells(".jp-OutputArea-output", "42")
        assert visitor.page.url.startswith(f"{proxy}/liq/jupyter/lab")
        assert visitor.outside == []


async def test_the_api_answers_with_the_token_only(proxy: str, behind: Settings) -> None:
    bearer = {"Authorization": f"Bearer {behind.token.get_secret_value()}"}

    def ask(path: str, **headers: str) -> httpx.Response:
        return fetch(proxy, f"/liq/api{path}", **headers)

    answer = await asyncio.to_thread(ask, "/totals")
    assert answer.status_code == 401
    answer = await asyncio.to_thread(ask, "/prints?rows=1", **bearer)
    assert answer.status_code == 200
    docs = await asyncio.to_thread(ask, "/openapi.json", **bearer)
    assert docs.json()["servers"] == [{"url": "/liq/api"}]
    assert publish(api.build_url(behind), proxy).startswith(f"{proxy}/liq/api/docs")


async def test_assistants_get_the_tools_with_the_token_only(proxy: str, behind: Settings) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepted = {"Accept": "application/json, text/event-stream"}
    bearer = accepted | {"Authorization": f"Bearer {behind.token.get_secret_value()}"}
    answer = await asyncio.to_thread(fetch, proxy, "/liq/mcp", request, **accepted)
    assert answer.status_code == 401
    answer = await asyncio.to_thread(fetch, proxy, "/liq/mcp", request, **bearer)
    assert "totals" in [each["name"] for each in answer.json()["result"]["tools"]]
    assert publish(behind.mcp_url, proxy) == f"{proxy}/liq/mcp"


@pytest.mark.parametrize("path", ["/liq/", "/liq/apps", "/liq/streamlit/", "/liq/jupyter/lab"])
async def test_strangers_get_a_login_below_the_path(proxy: str, path: str) -> None:
    answer = await asyncio.to_thread(fetch, proxy, path)
    if path == "/liq/streamlit/":
        assert answer.status_code == 401
        return
    assert answer.status_code == 302
    login = "/liq/jupyter/login" if "jupyter" in path else "/liq/login"
    assert answer.headers["location"].startswith(f"{login}?next=%2Fliq%2F")


@pytest.mark.parametrize("path", ["/liq/", "/liq/streamlit/", "/liq/jupyter/lab"])
async def test_another_name_of_the_proxy_is_refused(proxy: str, path: str) -> None:
    answer = await asyncio.to_thread(fetch, proxy, path, Host="evil.example")
    assert answer.status_code == 403
    assert "LIQ_ALLOWED_HOSTS" in answer.text
