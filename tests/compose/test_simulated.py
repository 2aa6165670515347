"""`docker compose --profile simulated up`: each app for a visitor, data, crashes, what is left."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import nbformat
import pytest
from playwright.async_api import Browser

from browser.conftest import opened
from compose.containers import Containers, docker
from compose.rows import SHOW_ROWS, await_new_rows, count_rows
from liq.config import Settings
from liq.web import serve
from liq.web.client import ApiClient
from support.helpers import PATIENCE_S, eventually

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.timeout(3600)]
in_browser = pytest.mark.asyncio(loop_scope="session")

STREAMLIT_BARS = "document.querySelectorAll('.js-plotly-plot .bars .point path').length > 0"
START_PRODUCERS = """
from liq.notebook import notebooks

notebooks.run(
    "/home/liq/notebooks/01-start-producers.ipynb",
    {"url": "ws://simulator:8765/market/ws/!forceOrder@arr", "run_seconds": 60},
)
"""


@pytest.fixture(scope="module")
def containers(env: Path, images: None) -> Iterator[Containers]:
    """The containers of the profile, all well."""
    with Containers(env, ["simulated"]).running() as containers:
        yield containers


def test_rows_arrive_through_the_api(containers: Containers, api: ApiClient) -> None:
    await_new_rows(api)


@in_browser
async def test_dashboard_draws_bars_that_move(
    containers: Containers, settings: Settings, chromium: Browser
) -> None:
    async with opened(chromium, serve.build_dashboard_url(settings)) as visitor:
        await visitor.redraws()
        assert visitor.complaints == []
        assert visitor.outside == []


@in_browser
async def test_streamlit_draws_bars(
    containers: Containers, settings: Settings, chromium: Browser
) -> None:
    async with opened(chromium, settings.streamlit_url) as visitor:
        await visitor.until(STREAMLIT_BARS)
        await visitor.shows("SIMULATED DATA", ".stApp")


@in_browser
async def test_jupyterlab_opens_with_the_token(
    containers: Containers, settings: Settings, chromium: Browser
) -> None:
    async with opened(chromium, serve.build_lab_url(settings)) as visitor:
        await visitor.shows("01-start-producers.ipynb", ".jp-DirListing")


def test_no_app_opens_without_a_token(containers: Containers, settings: Settings) -> None:
    lab, dashboard = serve.build_lab_url(settings), serve.build_dashboard_url(settings)
    for url in (lab, dashboard, f"{settings.api_url}/totals"):
        assert httpx.get(url.partition("?")[0], timeout=PATIENCE_S).status_code in (302, 401)


@pytest.fixture
def added(containers: Containers, settings: Settings, api: ApiClient) -> None:
    """A notebook, as JupyterLab saves it."""
    cells = [
        nbformat.v4.new_markdown_cell("# My own\n\nSays hello."),
        nbformat.v4.new_code_cell("print('hello', 6 * 7)"),
    ]
    url, _, token = serve.build_lab_url(settings).partition("/lab?token=")
    httpx.put(
        f"{url}/api/contents/mine.ipynb",
        headers={"Authorization": f"token {token}"},
        json={"type": "notebook", "content": nbformat.v4.new_notebook(cells=cells)},
        timeout=PATIENCE_S,
    ).raise_for_status()


@in_browser
async def test_a_notebook_added_in_jupyterlab_becomes_an_app(
    added: None, settings: Settings, chromium: Browser
) -> None:
    gallery = serve.build_dashboard_url(settings).replace("/?", "/apps?")
    async with opened(chromium, gallery) as visitor:
        await visitor.page.click("text=My own")
        await visitor.shows("hello 42")


def test_start_producers_runs_in_the_container(containers: Containers) -> None:
    containers.run_in("jupyter-client", "python", "-c", START_PRODUCERS)


def test_another_up_builds_and_recreates_nothing(containers: Containers) -> None:
    before = {service: found["Id"] for service, found in containers.inspect().items()}
    containers.up("--build")
    assert {service: found["Id"] for service, found in containers.inspect().items()} == before
    assert docker("images", "--quiet", "--filter", "dangling=true") == ""


def test_each_container_recovers_from_a_kill(containers: Containers, api: ApiClient) -> None:
    servers = ("kafka", "questdb", "connect")
    for server in servers:
        containers.kill(server)
        await_new_rows(api)
    containers.kill(*(name for name in containers.list_servers() if name not in servers))
    await_new_rows(api)


def test_memory_stays_below_the_limits(containers: Containers) -> None:
    containers.check_memory()


def test_no_log_contains_a_secret(containers: Containers) -> None:
    containers.check_logs()


def test_data_is_kept_over_down_and_up(containers: Containers, api: ApiClient) -> None:
    before = count_rows(api)
    containers.down()
    volumes = docker("volume", "ls", "--format", "{{.Name}}").split()
    assert sorted(volumes) == ["liq_journal", "liq_kafka", "liq_notebooks", "liq_questdb"]
    replace(containers, services=SHOW_ROWS).up()
    eventually(lambda: count_rows(api) > before)
