"""The gallery: which notebooks are apps, and who may open them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from browser.conftest import serving
from liq.common import files
from liq.config import Settings
from liq.web.voila_app import gallery
from support.helpers import PATIENCE_S, find_free_ports

NOTEBOOKS = files.find_asset("notebooks")


def write(folder: Path, name: str, title_cell: str, **metadata: Any) -> None:
    cells = [{"cell_type": "markdown", "source": title_cell.splitlines(keepends=True)}]
    (folder / f"{name}.ipynb").write_text(json.dumps({"cells": cells, "metadata": metadata}))


def test_every_notebook_is_an_app_unless_it_declares_otherwise(tmp_path: Path) -> None:
    write(tmp_path, "02-later", "# Later")
    write(tmp_path, "01-first", "# First\n\nRuns `liq.hit`\nof [this](there). Then more.\n\nMore.")
    write(tmp_path, "dashboard", "# Live")
    write(tmp_path, "00-no-app", "# Starts producers", app=False)
    assert gallery.list_apps(tmp_path) == [
        gallery.App("dashboard", "Live", ""),
        gallery.App("01-first", "First", "Runs liq.hit of this."),
        gallery.App("02-later", "Later", ""),
    ]
    assert [app.path for app in gallery.list_apps(tmp_path)] == [
        "",
        "apps/01-first",
        "apps/02-later",
    ]
    assert gallery.find(tmp_path, "00-no-app") is None
    assert gallery.find(tmp_path, "../01-first") is None


@pytest.mark.parametrize("text", ["not JSON", "[]", '{"metadata": {}, "cells": []}'])
def test_a_broken_notebook_does_not_hide_the_others(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.ipynb").write_text(text)
    write(tmp_path, "whole", "# Whole")
    broken, whole = gallery.list_apps(tmp_path)
    assert (broken.name, whole.title) == ("broken", "Whole")
    assert "cannot be read" in broken.about


def test_the_shipped_apps_have_titles_and_descriptions() -> None:
    found = {app.name: app for app in gallery.list_apps(NOTEBOOKS)}
    assert {"dashboard", "02-explore", "report"} <= found.keys()
    assert "01-start-producers" not in found  # to open it would start something
    assert all(app.title != app.name and app.about.endswith((".", "?")) for app in found.values())


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.load(home=tmp_path_factory.mktemp("liq"), **find_free_ports())


@pytest.fixture(scope="module")
def client(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a running server that has no kernels ahead, and no QuestDB to read."""
    base = f"http://{settings.host}:{settings.dashboard_port}"
    log = tmp_path_factory.mktemp("serve") / "log"
    with (
        serving(settings, log, "--pool", "0"),
        httpx.Client(base_url=base, timeout=PATIENCE_S) as client,
    ):
        yield client


@pytest.fixture
def token(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"token {settings.token.get_secret_value()}"}


@pytest.mark.parametrize("path", ["/apps", "/apps/", "/apps/02-explore", "/apps/nothing"])
def test_without_the_token_the_gallery_leads_to_the_login(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/login")


def test_the_gallery_leads_to_every_app(client: httpx.Client, token: dict[str, str]) -> None:
    page = client.get("/apps", headers=token).text
    for app in gallery.list_apps(NOTEBOOKS):
        assert f'href="/{app.path}"' in page
        assert app.title in page
    assert "://" not in page
    assert token["Authorization"].split()[1] not in page


@pytest.mark.parametrize(
    ("name", "address"),
    [("dashboard", "/"), ("dashboard.ipynb", "/"), ("02-explore.ipynb", "/apps/02-explore")],
)
def test_links_between_notebooks_lead_to_their_apps(
    client: httpx.Client, token: dict[str, str], name: str, address: str
) -> None:
    answer = client.get(f"/apps/{name}", headers=token)
    assert answer.status_code == 302
    assert answer.headers["location"] == address


@pytest.mark.parametrize("name", ["01-start-producers", "nothing", "...", "work"])
def test_a_notebook_that_is_no_app_is_not_run(
    client: httpx.Client, token: dict[str, str], name: str
) -> None:
    answer = client.get(f"/apps/{name}", headers=token)
    assert answer.status_code == 404


def test_an_app_hides_its_errors_and_takes_no_parameters_from_the_address(
    client: httpx.Client, token: dict[str, str]
) -> None:
    page = client.get("/apps/02-explore", params={"window": "__import__('os')"}, headers=token).text
    assert "<title>Explore liquidations</title>" in page
    assert "run: liq dashboard --show-tracebacks" in page  # there is no QuestDB
    assert "Traceback" not in page
    assert "__import__" not in page
    assert "://" not in page
