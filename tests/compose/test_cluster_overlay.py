"""docker-compose.cluster.yml: rows pass three brokers and two workers, also after kills."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser

from browser.conftest import opened
from compose.containers import Containers
from compose.rows import SHOW_ROWS, await_new_rows, count_rows
from liq.config import Settings
from liq.web import serve
from liq.web.client import ApiClient
from support.helpers import eventually

pytestmark = [pytest.mark.stack, pytest.mark.browser, pytest.mark.timeout(3600)]
in_browser = pytest.mark.asyncio(loop_scope="session")

FILES = (
    "docker-compose.yml",
    "docker-compose.cluster.yml",
    "tests/compose/override-cluster.yml",
)


@pytest.fixture(scope="module")
def containers(env: Path, images: None) -> Iterator[Containers]:
    """The containers of the overlay and its simulated exchange, all well."""
    with Containers(env, ["simulated"], FILES).running() as containers:
        yield containers


@in_browser
async def test_rows_arrive_and_the_dashboard_draws_them(
    containers: Containers, settings: Settings, chromium: Browser, api: ApiClient
) -> None:
    await asyncio.to_thread(await_new_rows, api)
    async with opened(chromium, serve.build_dashboard_url(settings)) as visitor:
        await visitor.redraws()
        assert visitor.complaints == []


def test_each_broker_and_worker_recovers_from_a_kill(
    containers: Containers, api: ApiClient
) -> None:
    for broker in ("kafka", "kafka-2", "kafka-3"):
        containers.kill(broker)
    containers.kill("connect", "connect-2")
    await_new_rows(api)


def test_memory_stays_below_the_limits(containers: Containers) -> None:
    containers.check_memory()


def test_no_log_contains_a_secret(containers: Containers) -> None:
    containers.check_logs()


def test_data_is_kept_over_down_and_up(containers: Containers, api: ApiClient) -> None:
    before = count_rows(api)
    containers.down()
    replace(containers, services=SHOW_ROWS).up()
    eventually(lambda: count_rows(api) > before)
