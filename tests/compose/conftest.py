"""What tests of containers share: the images, built once, and secrets of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from browser.conftest import chromium  # noqa: F401 - a fixture
from compose.containers import ROOT, Containers, docker
from liq.config import Settings
from liq.stack import jars
from liq.web.client import ApiClient

# the images of registries, none of which is reached from here, and the stages that stand in
_STAND_INS = {
    "python": "python",
    "maven": "maven",
    "eclipse-temurin": "java",
    "apache/kafka": "kafka",
    "questdb/questdb": "questdb",
}


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Secrets of these tests' own, and the published ports, which are the default ones."""
    return Settings.load(home=tmp_path_factory.mktemp("home")).with_lab_token()


@pytest.fixture(scope="session")
def env(settings: Settings) -> Path:
    """The file that ``liq env --out`` writes."""
    file = settings.home / "env"
    command = [sys.executable, "-m", "liq", "env", "--out", str(file)]
    subprocess.run(command, env=os.environ | {"LIQ_HOME": str(settings.home)}, check=True)
    return file


@pytest.fixture(scope="session")
def api(settings: Settings) -> Iterator[ApiClient]:
    """A client of the published API."""
    client = ApiClient(settings)
    yield client
    client.close()


@pytest.fixture(scope="session")
def images(env: Path) -> None:
    """All images: stand-ins of those that registries have, then ours."""
    assert "ENGINE_FOLDER" in os.environ, "no engine of these tests runs; use: make compose-test"
    jars.ensure(settings := Settings.load(), lambda *_words: None)
    wanted = "".join(f"{image} {_STAND_INS[_name(image)]}\n" for image in _list_bases())
    command = [Path(__file__).with_name("stand-ins"), jars.find_folder(settings)]
    subprocess.run(command, input=wanted, text=True, check=True)
    Containers(env, ["*"]).compose("build")
    docker("image", "prune", "--force")  # those of an earlier source


def _list_bases() -> set[str]:
    """Return the images of registries that docker-compose.yml and the Dockerfiles name."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    named = {service["image"] for service in services}
    for file in ROOT.glob("docker/*/Dockerfile"):
        named |= set(re.findall(r"^FROM (\S+:[\w.-]+)\b", file.read_text(), re.MULTILINE))
    return {image for image in named if _name(image) in _STAND_INS}


def _name(image: str) -> str:
    return image.partition(":")[0]
