"""The dashboard's server: who may see what, and what a browser may keep."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import pytest
from pydantic import SecretStr
from voila.execute import VoilaExecutor

from browser.conftest import serving
from liq.config import Settings
from liq.errors import ServeError
from liq.stack.apps import define_apps
from liq.web import serve
from support.helpers import PATIENCE_S, find_free_ports

KERNEL = "6454fcb7-dcf1-4e89-9018-e3345cd65ecb"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.load(home=tmp_path_factory.mktemp("liq"), **find_free_ports())


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve") / "log"


@pytest.fixture(scope="module")
def client(settings: Settings, log: Path) -> Iterator[httpx.Client]:
    """A client of a running server that has no kernels ahead, and no QuestDB to read."""
    base = f"http://{settings.host}:{settings.dashboard_port}"
    with (
        serving(settings, log, "--pool", "0"),
        httpx.Client(base_url=base, timeout=PATIENCE_S) as client,
    ):
        yield client


def page_of(settings: Settings) -> str:
    url = serve.build_dashboard_url(settings)
    return httpx.get(url, timeout=PATIENCE_S, follow_redirects=True).text


@pytest.mark.parametrize(
    "path", ["/", "/?token=wrong", "/dashboard.ipynb", "/voila/tree", f"/api/kernels/{KERNEL}"]
)
def test_without_the_token_a_page_leads_to_the_login(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/kernels/{KERNEL}/channels"),
        ("POST", f"/voila/api/shutdown/{KERNEL}"),
    ],
)
def test_without_the_token_kernels_are_refused(
    client: httpx.Client, method: str, path: str
) -> None:
    assert client.request(method, path).status_code == 403


def test_a_page_does_not_reveal_its_token_to_whoever_knows_the_kernel(client: httpx.Client) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert client.get(f"/voila/query/{KERNEL}", headers=upgrade).status_code == 302


def test_health_needs_no_token_and_reveals_nothing(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"ok": True}


def test_the_page_holds_the_dashboard_and_only_files_of_this_server(
    client: httpx.Client, settings: Settings
) -> None:
    page = page_of(settings)
    assert "application/vnd.jupyter.widget-view+json" in page
    assert "http://" not in page
    assert "https://" not in page
    assert settings.token.get_secret_value() not in page


def test_files_of_the_page_are_zipped_and_kept_for_good(
    client: httpx.Client, settings: Settings
) -> None:
    page = page_of(settings)
    source = page.split('src="')[1:]
    files = [part.split('"')[0] for part in source]
    assert {Path(file).name for file in files} >= {"plotly-finance.min.js", "widgets.js", "page.js"}
    for file in files:
        answer = client.get(file)
        assert answer.is_success
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["content-type"].startswith("text/javascript")
        plain = client.get(file, headers={"Accept-Encoding": "identity"})
        assert plain.content == answer.content
        assert "content-encoding" not in plain.headers


def test_files_that_are_not_of_the_page_are_not_found(client: httpx.Client) -> None:
    assert client.get("/liq/x/server.py").status_code == 404
    assert client.get("/liq/x/..%2Fserver.py").status_code == 302  # no path of ours: the login


def test_a_taken_port_is_an_error_that_names_the_setting(
    client: httpx.Client, settings: Settings
) -> None:
    with pytest.raises(ServeError, match=r"set LIQ_DASHBOARD_PORT"):
        serve.run_dashboard(settings, browser=False)
    taken = settings.model_copy(update={"lab_port": settings.dashboard_port})
    with pytest.raises(ServeError, match=r"set LIQ_LAB_PORT"):
        serve.run_lab(taken, browser=False)


@pytest.mark.parametrize("options", [[], ["--show-tracebacks"]])
def test_errors_of_the_notebook_are_hidden_unless_asked_for(
    settings: Settings, tmp_path: Path, options: list[str]
) -> None:
    changes = {"queries": tmp_path / "none.json", **find_free_ports()}
    broken = settings.model_copy(update=changes)
    with serving(broken, tmp_path / "log", "--pool", "0", *options):
        page = page_of(broken)
    assert ("run: liq dashboard --show-tracebacks" in page) == (not options)
    assert ("QueryError" in page) == bool(options)
    assert (str(tmp_path) in page) == bool(options)


def test_a_live_page_nobody_sees_does_not_keep_its_kernel(settings: Settings) -> None:
    manager = serve.create_dashboard_config(settings).MappingKernelManager
    assert "comm_msg" in manager.untracked_message_types
    assert not manager.buffer_offline_messages
    assert manager.cull_idle_timeout <= 300


def test_a_busy_kernel_is_waited_for(settings: Settings) -> None:
    """With nbclient's patience, 4 s for an output and 60 s for a start, pages came empty."""
    executor = VoilaExecutor(
        nbformat.v4.new_notebook(), config=serve.create_dashboard_config(settings)
    )
    assert executor.iopub_timeout == 60
    assert executor.startup_timeout == 300


def test_no_page_of_the_server_names_another_host() -> None:
    for template in (Path(serve.__file__).parent / "voila_app" / "templates").iterdir():
        assert "://" not in template.read_text()


def test_jupyterlab_opens_on_the_notebooks_with_the_token(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "mine.ipynb").write_text("{}")
    log = tmp_path / "log"
    with serving(settings, log, "--folder", str(tmp_path), command="lab"):
        base = f"http://{settings.host}:{settings.lab_port}"
        with httpx.Client(base_url=base, follow_redirects=True, timeout=PATIENCE_S) as client:
            assert client.get("/api/contents").status_code == 403
            secret = settings.with_lab_token().lab_token.get_secret_value()
            token = {"Authorization": f"token {secret}"}
            listed = client.get("/api/contents", headers=token).json()["content"]
            assert "mine.ipynb" in [item["name"] for item in listed]
            assert client.get(serve.build_lab_url(settings)).is_success


def test_addresses_carry_the_token_escaped(settings: Settings) -> None:
    odd = settings.model_copy(update={"token": SecretStr("a&b c"), "lab_token": SecretStr("d&e f")})
    assert serve.build_dashboard_url(odd).endswith(f":{odd.dashboard_port}/?token=a%26b+c")
    assert serve.build_lab_url(odd).endswith(f":{odd.lab_port}/lab?token=d%26e+f")


def test_addresses_behind_a_proxy_are_below_the_base_url(settings: Settings) -> None:
    behind = settings.model_copy(update={"base_url": "/liq"}).with_lab_token()
    base = f"http://{settings.host}"
    for url, port, path in (
        (serve.build_dashboard_url(behind), behind.dashboard_port, "/liq/"),
        (serve.build_lab_url(behind), behind.lab_port, "/liq/jupyter/lab"),
        (serve.build_streamlit_url(behind), behind.streamlit_port, "/liq/streamlit/"),
    ):
        assert url.startswith(f"{base}:{port}{path}?token=")
    assert serve.build_streamlit_url(settings) == f"{base}:{settings.streamlit_port}"
    dashboard, api = (app for app in define_apps(behind) if app.name in ("dashboard", "api"))
    assert dashboard.address == f"{base}:{behind.dashboard_port}/liq"
    assert api.address == behind.api_url
    assert dashboard.argv[-2:] == api.argv[-2:] == ["--base-url", "/liq"]


def test_the_launcher_of_jupyterlab_gets_a_token_without_places_to_fill(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    odd = settings.model_copy(update={"token": SecretStr("a{b}c")})
    monkeypatch.setattr(serve, "current_settings", lambda: odd)
    found = serve.define_launcher()
    header = found["request_headers_override"]["Authorization"]
    assert header.format(port=1, base_url="/") == "token a{b}c"
    assert Path(found["launcher_entry"]["icon_path"]).read_text().startswith("<svg")
    assert "a{b}c" not in " ".join(found["command"])


def test_addresses_of_a_container_are_those_of_its_published_ports(tmp_path: Path) -> None:
    everywhere = Settings.load(home=tmp_path, host="0.0.0.0")  # noqa: S104
    apps = define_apps(everywhere)
    assert serve.build_dashboard_url(everywhere).startswith("http://127.0.0.1:")
    assert serve.build_lab_url(everywhere).startswith("http://127.0.0.1:")
    assert all("0.0.0.0" not in app.address for app in apps)  # noqa: S104
    assert everywhere.api_url.startswith("http://127.0.0.1:")
    assert everywhere.streamlit_url.startswith("http://127.0.0.1:")


def test_streamlit_asks_for_no_token_so_it_serves_this_machine_only(settings: Settings) -> None:
    wide = settings.model_copy(update={"host": "0.0.0.0"})  # noqa: S104 - nothing is bound
    with pytest.raises(ServeError, match="asks for no token"):
        serve.run_streamlit(wide)


def test_a_taken_port_of_streamlit_is_reported(settings: Settings) -> None:
    with (
        socket.create_server((settings.host, settings.streamlit_port)),
        pytest.raises(ServeError, match="LIQ_STREAMLIT_PORT"),
    ):
        serve.run_streamlit(settings)
