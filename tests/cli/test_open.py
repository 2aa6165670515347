"""The dashboard's address in `liq status`, and `liq open`, beside a running dashboard."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from liq import stack as local
from liq.cli import app
from liq.config import Settings
from liq.stack import apps, control
from liq.web import serve
from support.helpers import PATIENCE_S, find_free_ports
from support.terminals import LIQ, show


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a home where the dashboard alone runs, behind a proxy's path."""
    made = Settings.load(home=tmp_path_factory.mktemp("liq"), base_url="/liq", **find_free_ports())
    dashboard = apps.define_dashboard(made)
    try:
        control.launch([dashboard], made)
        control.wait_healthy(dashboard)
        yield made.model_copy(update={"base_url": ""})  # other commands do not know the path
    finally:
        local.down(made)


@pytest.fixture
def url(settings: Settings) -> str:
    return serve.build_dashboard_url(settings.model_copy(update={"base_url": "/liq"}))


def run(settings: Settings, *words: str) -> str:
    """Return what a command prints into a pipe."""
    return subprocess.run(
        [*LIQ, *words],
        env=os.environ | settings.environ(),
        text=True,
        capture_output=True,
        check=True,
    ).stdout


def test_status_prints_the_token_on_a_terminal_only(settings: Settings, url: str) -> None:
    assert f"\nDashboard: {url}\n" in show("status", environment=settings.environ())
    assert httpx.get(url, follow_redirects=True, timeout=PATIENCE_S).is_success
    logged = run(settings, "status")
    assert f"Dashboard: {url.partition('?')[0]} (log in with LIQ_TOKEN: " in logged
    assert settings.token.get_secret_value() not in logged


def test_a_page_is_opened_by_a_file_that_only_its_owner_can_read(
    settings: Settings, url: str, tmp_path: Path
) -> None:
    given, browser = tmp_path / "given", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {given}\n')
    browser.chmod(0o700)
    environment = settings.environ() | {"BROWSER": f"{browser} %s"}
    assert show("open", environment=environment) == f"Dashboard: {url}\n"
    page = Path(given.read_text().strip().removeprefix("file://"))
    assert f'url={url}"' in page.read_text()
    assert page.stat().st_mode & 0o077 == 0


def test_without_a_browser_the_address_is_printed(settings: Settings, url: str) -> None:
    environment = settings.environ() | {"BROWSER": "no-such-browser", "PATH": "", "DISPLAY": ""}
    said = show("open", environment=environment)
    assert said.startswith(f"Dashboard: {url}\n")
    assert "no browser could be started" in said
    assert not (settings.home / "open.html").exists()  # it has the token


def test_a_page_that_does_not_run_is_named_with_what_starts_it(settings: Settings) -> None:
    said = show("open", "api", environment=settings.environ())
    assert said == "error: api does not run; `liq run --with api` starts it\n"


def test_the_services_that_run_are_listed(settings: Settings) -> None:
    assert local.list_running(settings) == ["dashboard"]


def test_the_api_is_named_by_its_abbreviation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liq.cli.stack.stack.list_running", lambda: ["api"])
    monkeypatch.setattr("liq.cli.stack.open_browser", lambda _url: None)
    assert CliRunner().invoke(app, ["open", "api"]).stdout.startswith("API: http")
