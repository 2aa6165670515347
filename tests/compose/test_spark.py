"""`docker compose --profile spark up`: sums are stored, also after each part was killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.containers import START_S, Containers
from compose.rows import SHOW_ROWS
from liq.web.client import ApiClient
from support.helpers import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(3600)]

PARTS = ("spark-job", "spark-worker", "spark-master")


@pytest.fixture(scope="module")
def containers(env: Path, images: None) -> Iterator[Containers]:
    """Spark's containers, and those that bring and show liquidations."""
    services = ["spark-job", *SHOW_ROWS]
    with Containers(env, ["simulated", "spark"], services=services).running() as containers:
        yield containers


def count_sums(api: ApiClient) -> int:
    return len(api.fetch("stored_sums"))


def test_sums_are_stored_and_go_on_after_each_part_was_killed(
    containers: Containers, api: ApiClient
) -> None:
    before = eventually(lambda: count_sums(api), deadline=START_S, every=1)
    for part in PARTS:
        containers.kill(part)
    eventually(lambda: count_sums(api) > before, deadline=START_S, every=1)


def test_memory_stays_below_the_limits(containers: Containers) -> None:
    containers.check_memory()


def test_no_log_contains_a_secret(containers: Containers) -> None:
    containers.check_logs()
