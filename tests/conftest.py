"""What every test can use: an environment without the developer's settings, and the real stack."""

import os
from collections.abc import Iterator

import pytest

from helpers import eventually, free_ports
from liq import config
from liq import stack as local
from liq.config import Settings

__all__ = ["eventually", "free_ports"]


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Keep the developer's ``LIQ_*`` variables out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LIQ_")]:
            patch.delenv(name)
        config.settings.cache_clear()
        yield
    config.settings.cache_clear()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, _clean_environment: None) -> Iterator[Settings]:
    """The running Kafka, Connect and QuestDB of this session, on free ports, with their own data.

    Tests share it: work on a topic, table and connector of your own, by ``settings.model_copy``.
    """
    settings = Settings.load(home=tmp_path_factory.mktemp("liq"), **free_ports())
    try:
        local.up(settings)
        yield settings
    finally:
        local.down(settings)
