"""docker-compose.yml runs the embedded stack's very versions, ports and settings.

These tests and Docker's own client only read the file; `tests/compose` runs it. What
docker-compose.cluster.yml adds `test_cluster` runs, too, without Docker.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from grafana_dashboard import SOURCE

from liq.config import Settings
from liq.stack.java import LOCALE
from liq.stack.servers import CONNECT, KAFKA, QUESTDB, define_servers
from support.local_http import serve_http

_NO_CLIENT = 69  # tools/docker-compose found no client
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
    return {service.name: service for service in define_servers(settings)}


def properties(service: Any) -> dict[str, str]:
    [text] = service.files.values()
    return dict(line.split("=", 1) for line in text.splitlines())


def test_versions_of_images_equal_versions_of_the_pom() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{POM['kafka.version']}"
    assert SERVICES["questdb"]["image"] == f"questdb/questdb:{POM['questdb.version']}"
    assert version("pyspark") == POM["spark.version"]
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
    wanted = properties(embedded[CONNECT])
    assert found | {"plugin.path": ""} == wanted | {"plugin.path": ""}  # another folder there


def test_connect_with_the_official_connector_has_the_embedded_settings(tmp_path: Path) -> None:
    """An image with the official connector has what `liq up` has with jars in ``cache/plugins``."""
    (tmp_path / "plugins").mkdir()
    plain, official = (
        properties(next(each for each in define_servers(settings) if each.name == CONNECT))
        for settings in (
            Settings.load(home=tmp_path, cache=tmp_path / cache) for cache in ("none", ".")
        )
    )
    text = (ROOT / "docker" / "connect" / "official.properties").read_text()
    found = dict(line.split("=", 1) for line in text.splitlines() if line[0] != "#")
    assert plain | found | {"plugin.path": ""} == official | {"plugin.path": ""}
    done = client(
        COMPOSE_FILES[0],
        "config",
        "--format",
        "json",
        **SECRETS,
        QUESTDB_CONNECTOR_URL="https://a/b",
    )
    connect = json.loads(done.stdout)["services"]["connect"]
    assert connect["build"]["args"]["CONNECTOR_URL"] == "https://a/b"
    allowed = connect["environment"]["KAFKA_OPTS"].partition("=")[2].split(",")
    assert allowed == ["none", found["config.providers.env.class"]]


def test_connect_of_compose_has_the_settings_of_the_embedded_worker(
    embedded: dict[str, Any],
) -> None:
    found = {name: str(value) for name, value in SERVICES["connect"]["environment"].items()}
    options = re.sub(r"\$\{QUESTDB_CONNECTOR_URL:\+.*\}", "", found.pop("KAFKA_OPTS"))
    assert options in embedded[CONNECT].argv
    del found["KAFKA_HEAP_OPTS"], found["KAFKA_LOG4J_OPTS"]
    assert _secret(found["LIQ_QUESTDB_ADMIN_PASSWORD"]) == "ADMIN"
    wanted = _settings(embedded[CONNECT]) | {
        "LIQ_QUESTDB_ADMIN_PASSWORD": found["LIQ_QUESTDB_ADMIN_PASSWORD"]
    }
    assert found | {"LIQ_QUESTDB_HTTP_PORT": "9000"} == wanted


def test_questdb_has_the_embedded_settings(embedded: dict[str, Any]) -> None:
    found = {
        name: {"ADMIN": "ADMIN", "READER": "READER"}.get(_secret(value), str(value))
        for name, value in SERVICES["questdb"]["environment"].items()
    }
    assert found == _settings(embedded[QUESTDB])


def _settings(server: Any) -> dict[str, str]:
    """Return its environment but the locale: the folders of an image have plain names."""
    return {name: value for name, value in server.env.items() if name not in LOCALE}


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
    for name in ("jupyter-client", "dashboard", "producer", "alerts", "spark-job"):
        assert "LIQ_QUESTDB_ADMIN_PASSWORD" not in SERVICES[name]["environment"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"init"}))
def test_each_server_comes_back(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize(
    "name",
    sorted(
        SERVICES.keys()
        - {
            "init",
            "supervisor",
            "alerts",
            "producer",
            "simulator",
            "simulated-producer",
            "kafka-ui",
        }
    ),
)
def test_each_server_says_whether_it_is_well(name: str) -> None:
    test = SERVICES[name]["healthcheck"]["test"]
    assert test[0] == "CMD"  # the images' sh has no /dev/tcp


def test_data_is_read_only_after_it_has_been_provisioned() -> None:
    for name in ("jupyter-client", "dashboard", "api", "producer", "alerts", "spark-job"):
        assert SERVICES[name]["depends_on"]["init"]["condition"] == "service_completed_successfully"


def test_a_container_of_liq_can_write_only_its_home() -> None:
    for name, service in SERVICES.items():
        if service["image"].startswith(("liq/jupyter", "liq/spark")):
            assert service["read_only"] is True, name


def test_grafana_writes_only_its_volume_as_a_user_without_rights() -> None:
    grafana = SERVICES["grafana"]
    assert grafana["user"].partition(":")[0] not in ("", "0", "root")
    assert grafana["read_only"] is True
    assert grafana["profiles"] == ["grafana"]
    writable = [each for each in grafana["volumes"] if not each.endswith(":ro")]
    assert writable == ["grafana:/var/lib/grafana"]


def test_grafana_reads_as_the_reader_and_its_files_hold_no_password() -> None:
    found = SERVICES["grafana"]["environment"]
    file = ROOT / "docker" / "grafana" / "datasources" / "liq.yaml"
    [source] = yaml.safe_load(file.read_text())["datasources"]
    assert (source["uid"], source["type"]) == tuple(SOURCE[name] for name in ("uid", "type"))
    assert source["secureJsonData"] == {"password": "$LIQ_QUESTDB_READER_PASSWORD"}
    used = set(re.findall(r"\$(\w+)", file.read_text()))
    assert used == {name for name in found if name.startswith("LIQ_")}
    # the same variables as those of `liq env`, for a Grafana beside the embedded stack
    assert used <= Settings().variables().keys()
    assert _secret(found["LIQ_QUESTDB_READER_PASSWORD"]) == "READER"
    assert found["LIQ_QUESTDB_READER_USER"] == Settings().questdb_reader_user
    assert found["LIQ_QUESTDB_PG_PORT"] == Settings().questdb_pg_port
    assert found["GF_SECURITY_ADMIN_PASSWORD"].startswith("${LIQ_GRAFANA_PASSWORD:?")


def test_grafana_finds_its_provisioning_where_it_is_mounted() -> None:
    grafana = SERVICES["grafana"]
    folder = grafana["environment"]["GF_PATHS_PROVISIONING"]
    assert f"./docker/grafana:{folder}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "docker" / "grafana" / home.removeprefix(f"{folder}/")).is_file()
    providers = yaml.safe_load((ROOT / "docker/grafana/dashboards/liq.yaml").read_text())
    [provider] = providers["providers"]
    assert provider["options"]["path"] == "$GF_PATHS_PROVISIONING/dashboards"
    assert provider["allowUiUpdates"] is False


def test_jupyterlab_and_the_dashboard_share_the_notebooks() -> None:
    for name in ("jupyter-client", "dashboard"):
        assert "notebooks:/home/liq/notebooks" in SERVICES[name]["volumes"]


def test_sparks_job_and_worker_share_the_checkpoints() -> None:
    job, worker, master = (SERVICES[f"spark-{name}"] for name in ("job", "worker", "master"))
    volume = f"checkpoints:{job['environment']['LIQ_SPARK_CHECKPOINTS']}"
    assert volume in job["volumes"]
    assert volume in worker["volumes"]
    assert job["image"] == worker["image"] == master["image"]  # and so users and versions
    assert job["command"][-1] == worker["command"][-1] == "spark://spark-master:7077"


COMPOSE_FILES = [
    ["docker-compose.yml"],
    ["docker-compose.yml", "docker-compose.cluster.yml"],
]
SECRETS = {
    "LIQ_QUESTDB_ADMIN_PASSWORD": "ADMIN",
    "LIQ_QUESTDB_READER_PASSWORD": "READER",
    "LIQ_KAFKA_PASSWORD": "LOGIN",
    "LIQ_CONNECT_PASSWORD": "CONNECT",
    "LIQ_GRAFANA_PASSWORD": "GRAFANA",
    "LIQ_TOKEN": "TOKEN",
    "LIQ_LAB_TOKEN": "LAB",
}


def client(files: list[str], *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Docker's compose client; it asks no Docker for this."""
    options = [part for file in files for part in ("--file", file)]
    done = subprocess.run(
        [ROOT / "tools" / "docker-compose", "--env-file", os.devnull, *options, *words],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key[:4] != "LIQ_"} | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == _NO_CLIENT and not os.environ.get("CI"):
        pytest.skip(done.stderr)
    return done


def test_each_token_is_known_to_the_servers_that_it_opens() -> None:
    def knowing(variable: str) -> set[str]:
        word = "${" + variable + ":?"
        return {
            name
            for name, service in SERVICES.items()
            if any(str(value).startswith(word) for value in service.get("environment", {}).values())
        }

    assert knowing("LIQ_LAB_TOKEN") == {"jupyter-client"}
    assert knowing("LIQ_TOKEN") == {"dashboard", "api", "streamlit", "kafka-ui"}


@pytest.mark.parametrize("files", COMPOSE_FILES)
def test_composes_own_client_takes_the_files(files: list[str]) -> None:
    done = client(files, "--profile", "*", "config", "--format", "json", **SECRETS)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    services = json.loads(done.stdout)["services"]
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name
        for variable, value in (service.get("environment") or {}).items():
            if value == "ADMIN":
                assert name in {"questdb", "connect", "connect-2", "init", "supervisor"}, variable
    logins = {
        name
        for name, service in services.items()
        if "CONNECT" in (service.get("environment") or {}).values()
    }
    users = {"init", "supervisor", "jupyter-client", "dashboard", "kafka-ui"}
    cluster = {"connect", "connect-2", *users}
    assert logins == (cluster if len(files) > 1 else set())


@pytest.mark.parametrize("secret", SECRETS)
def test_composes_own_client_refuses_to_run_without_a_secret(secret: str) -> None:
    done = client(COMPOSE_FILES[1], "config", "--quiet", **(SECRETS | {secret: ""}))
    assert done.returncode
    assert "liq env --out .env" in done.stderr


@pytest.mark.parametrize("files", COMPOSE_FILES)
@pytest.mark.parametrize("base", ["", "/", "/liq", "/liq/"])
def test_apps_and_their_health_checks_follow_the_base_url(
    base: str, files: list[str], tmp_path: Path
) -> None:
    given = {"LIQ_BASE_URL": base, "LIQ_ALLOWED_HOSTS": "liq.example.org"}
    done = client(files, "config", "--format", "json", **SECRETS, **given)
    services = json.loads(done.stdout.replace("$$", "$"))["services"]
    for name in ("dashboard", "api", "jupyter-client", "streamlit"):
        assert given.items() <= services[name]["environment"].items(), name

    behind = Settings.load(home=tmp_path, base_url=base)
    pages = {
        "dashboard": f"{behind.find_path('dashboard')}health",
        "streamlit": f"{behind.find_path('streamlit')}_stcore/health",
    }
    assert {name: _ask_health(services[name]) for name in pages} == pages

    program = tmp_path / "streamlit"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    found = subprocess.check_output(
        services["streamlit"]["command"],
        env=given | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        text=True,
    )
    path = behind.find_path("streamlit").strip("/")
    [option] = re.findall("^--server.baseUrlPath=(.*)$", found, re.MULTILINE)
    assert option.strip("/") == path  # Streamlit takes the slashes off
    assert "--server.address=0.0.0.0" in found


def _ask_health(service: dict[str, Any]) -> str:
    """Return the path that a container's health check asks for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    [port] = [each["target"] for each in service["ports"]]
    with serve_http(Handler) as url:
        _, _, *code = service["healthcheck"]["test"]
        text = code[-1].replace(f"http://127.0.0.1:{port}", url)
        subprocess.run([sys.executable, "-c", text], env=service["environment"], check=True)
    [path] = asked
    return str(path)


def test_the_image_has_whatever_the_package_is_built_of() -> None:
    dockerfile = (ROOT / "docker" / "jupyter-client" / "Dockerfile").read_text()
    copied = {
        word
        for line in re.findall(r"^COPY (.*)$", dockerfile.partition("FROM python")[0], re.MULTILINE)
        for word in line.split()[:-1]
    }
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert set(build["targets"]["wheel"]["force-include"]) <= copied


def test_dependencies_are_installed_before_the_source_is_copied() -> None:
    dockerfile = (ROOT / "docker" / "jupyter-client" / "Dockerfile").read_text()
    *_, stages = dockerfile.partition("FROM python")
    for stage in stages.split("\nFROM ")[1:]:
        if "uv sync" in stage and "--no-install-project" not in stage:
            assert "COPY --from=source" in stage.partition("uv sync")[0]
    first = stages.partition("\nFROM ")[0]
    assert re.findall("^COPY (.*)$", first, re.MULTILINE) == ["pyproject.toml uv.lock ./"]
    assert stages.count("--no-install-project") == 2  # those of Spark, too


@pytest.mark.parametrize("files", COMPOSE_FILES)
def test_each_image_is_built_once(files: list[str]) -> None:
    done = client(files, "--profile", "*", "config", "--format", "json", **SECRETS)
    services = json.loads(done.stdout)["services"]
    built = [service["image"] for service in services.values() if service.get("build")]
    assert sorted(built) == ["liq/connect:0.1.0", "liq/jupyter-client:0.1.0", "liq/spark:0.1.0"]
    # a service that does not build depends, at the end, on one that does
    assert services["init"]["build"]["target"] == "client"
    assert services["spark-master"]["build"]["target"] == "spark"


# VOLUMEs of the images, by the documentation of each
_IMAGE_VOLUMES = {
    "apache/kafka": {"/etc/kafka/secrets", "/mnt/shared/config", "/var/lib/kafka/data"},
    "liq/connect": {"/etc/kafka/secrets", "/mnt/shared/config", "/var/lib/kafka/data"},
    "questdb/questdb": {"/var/lib/questdb"},
}


@pytest.mark.parametrize("files", COMPOSE_FILES)
def test_no_volume_is_left_without_a_name(files: list[str]) -> None:
    done = client(files, "--profile", "*", "config", "--format", "json", **SECRETS)
    for name, service in json.loads(done.stdout)["services"].items():
        mounted = {each["target"] for each in service.get("volumes", [])}
        mounted |= {each.partition(":")[0] for each in service.get("tmpfs", [])}
        wanted = _IMAGE_VOLUMES.get(service["image"].partition(":")[0], set())
        assert wanted <= mounted, name


@pytest.mark.parametrize("files", COMPOSE_FILES)
def test_kafka_and_connect_write_to_dockers_log_only(files: list[str]) -> None:
    done = client(files, "config", "--format", "json", **SECRETS)
    found = json.loads(done.stdout)
    [file] = {config["file"] for config in found["configs"].values()}
    assert Path(file) == ROOT / "lib" / "liq" / "stack" / "log4j2.properties"
    servers = [name for name in found["services"] if re.match(r"(kafka|connect)(-\d)?$", name)]
    assert len(servers) == (5 if len(files) > 1 else 2)
    for name in servers:
        server = found["services"][name]
        [config] = server["configs"]
        option = f"-Dlog4j2.configurationFile={config['target']}"
        assert server["environment"]["KAFKA_LOG4J_OPTS"] == option
        assert server["logging"]["options"]["max-size"]


def test_sparks_job_is_well_while_batches_end_and_its_log_is_dockers() -> None:
    job = SERVICES["spark-job"]
    assert job["healthcheck"]["test"] == ["CMD", "liq", "spark", "health"]
    assert job["environment"]["LIQ_SPARK_LOG"] == "/dev/stderr"


def test_the_page_says_how_curl_logs_in_to_the_api() -> None:
    page = (ROOT / "docs" / "containers.md").read_text()
    assert "Authorization: Bearer TOKEN" in page
    assert "containers.md" in (ROOT / "docs" / "http-api.md").read_text()


def test_spark_may_map_the_libraries_that_it_unpacks() -> None:
    for name in ("master", "worker", "job"):
        assert "/tmp:exec" in SERVICES[f"spark-{name}"]["tmpfs"]  # noqa: S108 - a container's


@pytest.mark.parametrize("file", sorted(ROOT.glob("docker/*/Dockerfile")), ids=str)
def test_dockerfiles_are_clean(file: Path) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "--no-color", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
