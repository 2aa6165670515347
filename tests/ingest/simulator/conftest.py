"""Settings of a simulated exchange."""

from pathlib import Path

import pytest

from liq.config import Settings


@pytest.fixture
def settings(unused_tcp_port: int, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, simulator_port=unused_tcp_port)
