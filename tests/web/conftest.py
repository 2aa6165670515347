"""The API of a module's ``own`` rows, and settings of a stack that does not run."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from liq.config import Settings
from liq.web import api
from support.helpers import find_free_ports


@pytest.fixture(scope="module")
def app(own: Settings) -> Flask:
    return api.create_app(own)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def offline(tmp_path: Path) -> Settings:
    """Settings of a stack that does not run."""
    return Settings.load(home=tmp_path, **find_free_ports())
