"""docker-compose.yml runs the embedded stack's very versions, ports and settings.

No Docker engine runs where these tests do: they read the file, they do not run it.
"""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from liq.config import Settings
from liq.stack.servers import CONNECT, KAFKA, QUESTDB, servers

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
POM = {
    element.tag.rpartition("}")[2]: element.text
    for element in ElementTree.parse(ROOT / "connect" / "pom.xml").iter()  # noqa: S314 - our own file
}


@pytest.fixture
def embedded(tmp_path: Path) -> dict[str, Any]:
    """The embedded services, as they would be on the hosts of docker-compose."""
    settings = Settings.load(
        home=tmp_path,
        host="0.0.0.0",  # noqa: S104 - inside a container; what is published is tested below
        kafka_host="kafka",
        connect_host="connect",
        questdb_host="questdb",
        questdb_admin_password="ADMIN",
        questdb_reader_password="READER",
    )
    return {service.name: service for service in servers(settings)}


def properties(service: Any) -> dict[str, str]:
    [text] = service.files.values()
    return dict(line.split("=", 1) for line in text.splitlines())


def test_versions_are_those_of_the_pom() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{POM['kafka.version']}"
    assert SERVICES["questdb"]["image"] == f"questdb/questdb:{POM['questdb.version']}"
    assert SERVICES["connect"]["build"]["args"]["KAFKA_VERSION"] == POM["kafka.version"]


def test_no_image_floats() -> None:
    tags = {service["image"].rpartition(":")[2] for service in SERVICES.values()}
    assert all(re.search(r"\d+\.\d+", tag) for tag in tags), tags


def test_kafka_has_the_embedded_settings(embedded: dict[str, Any]) -> None:
    wanted = {
        "KAFKA_" + name.upper().replace(".", "_"): value
        for name, value in properties(embedded[KAFKA]).items()
        if name != "log.dirs"  # a folder here, a volume there
    }
    found = {name: str(value) for name, value in SERVICES["kafka"]["environment"].items()}
    assert {name: found.get(name) for name in wanted} == wanted


def test_connect_has_the_embedded_settings(embedded: dict[str, Any]) -> None:
    text = (ROOT / "docker" / "connect" / "connect.properties").read_text()
    found = dict(line.split("=", 1) for line in text.splitlines())
    different = {"plugin.path", "plugin.discovery"}  # the official sink is not a service-loaded jar
    wanted = properties(embedded[CONNECT])
    assert {n: v for n, v in found.items() if n not in different} == {
        n: v for n, v in wanted.items() if n not in different
    }


def test_questdb_has_the_embedded_settings(embedded: dict[str, Any]) -> None:
    found = {
        name: {"ADMIN": "ADMIN", "READER": "READER"}.get(_secret(value), str(value))
        for name, value in SERVICES["questdb"]["environment"].items()
    }
    assert found == dict(embedded[QUESTDB].env)


def _secret(value: object) -> str:
    match = re.match(r"\$\{LIQ_QUESTDB_(ADMIN|READER)_PASSWORD:\?", str(value))
    return match[1] if match else ""


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_ports_are_the_default_settings(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path)
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert f"127.0.0.1:{settings.lab_port}:{settings.lab_port}" in published["jupyter-client"]
    assert (
        f"127.0.0.1:{settings.dashboard_port}:{settings.dashboard_port}" in published["dashboard"]
    )
    assert f"127.0.0.1:{settings.connect_port}:{settings.connect_port}" in published["connect"]
    for port in (settings.questdb_http_port, settings.questdb_pg_port):
        assert f"127.0.0.1:{port}:{port}" in published["questdb"]


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for line in text.splitlines():
        if re.search(r"(PASSWORD|TOKEN): ", line):
            assert ":?" in line, line


def test_readers_do_not_know_the_admin_password() -> None:
    for name in ("jupyter-client", "dashboard", "producer"):
        assert "LIQ_QUESTDB_ADMIN_PASSWORD" not in SERVICES[name]["environment"]
