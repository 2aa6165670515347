"""Addresses as commands print them where they serve."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from liq import config
from liq.cli import app
from liq.errors import ConfigError


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> config.Settings:
    """The settings of a container."""
    monkeypatch.setenv("LIQ_HOME", str(tmp_path))
    monkeypatch.setenv("LIQ_HOST", "0.0.0.0")  # noqa: S104 - nothing is bound
    config.settings.cache_clear()
    return config.settings()


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("dashboard", "/liq/"),
        ("lab", "/liq/jupyter/lab"),
        ("api", "/liq/api/docs"),
        ("streamlit", "/liq/streamlit/"),
    ],
)
def test_a_base_url_is_served_and_printed(
    settings: config.Settings, monkeypatch: pytest.MonkeyPatch, command: str, path: str
) -> None:
    served: list[config.Settings] = []
    module = "liq.web.api" if command == "api" else "liq.web.serve"
    name = "run" if command == "api" else f"run_{command}"
    monkeypatch.setattr(f"{module}.{name}", lambda given, **_: served.append(given))
    said = CliRunner().invoke(app, [command, "--base-url", "/liq/"], catch_exceptions=False).output
    assert f"http://127.0.0.1:{getattr(settings, f'{command}_port')}{path} (log in" in said
    assert [each.base_url for each in served] == ["/liq"]


def test_a_base_url_with_a_host_is_refused(settings: config.Settings) -> None:
    command = ["dashboard", "--base-url", "https://liq.example/liq"]
    error = CliRunner().invoke(app, command).exception
    assert isinstance(error, ConfigError)
    assert "LIQ_BASE_URL: give the path only" in str(error)


@pytest.mark.parametrize(
    ("command", "path", "variable"),
    [
        ("dashboard", "/", "LIQ_TOKEN"),
        ("lab", "/lab", "LIQ_LAB_TOKEN"),
        ("api", "/docs", "LIQ_TOKEN"),
    ],
)
def test_a_log_has_the_address_and_where_the_token_is(
    settings: config.Settings,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    path: str,
    variable: str,
) -> None:
    for served in ("liq.web.serve.run_dashboard", "liq.web.serve.run_lab", "liq.web.api.run"):
        monkeypatch.setattr(served, lambda *_, **__: None)
    said = CliRunner().invoke(app, [command], catch_exceptions=False).output
    port = getattr(settings, f"{command}_port")
    assert f"http://127.0.0.1:{port}{path} (log in with {variable}: " in said
    assert ".env" in said
    shown = settings.with_lab_token()
    for secret in (shown.token, shown.lab_token):
        assert secret.get_secret_value() not in said
