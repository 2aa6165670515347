"""What another user of this machine, or a web page, can do with Kafka Connect."""

import json
import os
import re
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import psutil
import pytest
from kafka import KafkaProducer
from pydantic import SecretStr

from liq import stack as local
from liq.common import files
from liq.config import Settings
from liq.delivery import connect
from liq.errors import ConnectError
from liq.monitoring import monitor
from liq.records.streams import LIQUIDATIONS
from support.helpers import PATIENCE_S, eventually, own_streams
from support.workers import own_worker

pytestmark = pytest.mark.stack

REFERENCE = "${env:LIQ_QUESTDB_ADMIN_PASSWORD}"
LOGIN = f"username=liq_admin;password={REFERENCE};"
EVIL = "evil.example"


class Answer(NamedTuple):
    status: int
    text: str


def curl(url: str, *options: str, body: object = None) -> Answer:
    """Run curl as another user, where this one may become that."""
    data = ["--header", "Content-Type: application/json", "--data-binary", "@-"]
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--max-time", str(PATIENCE_S)),
            *("--write-out", "\n%{http_code}"),
            *(data if body is not None else []),
            *options,
            url,
        ],
        input=body if isinstance(body, str) else json.dumps(body),
        user="nobody" if os.geteuid() == 0 else None,
        env={"PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    text, _, status = done.stdout.rpartition("\n")
    return Answer(int(status), text)


class Listener:
    """A socket that an attacker waits at."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    opened = Listener()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def sink(stack: Settings) -> Iterator[Settings]:
    """A sink that runs, and that no attempt may change."""
    settings = own_streams(stack, LIQUIDATIONS, names=["connector"])
    connect.ensure(settings)
    yield settings
    connect.remove(settings)


@pytest.fixture(autouse=True)
def unharmed(request: pytest.FixtureRequest, sink: Settings, listener: Listener) -> Iterator[None]:
    """After each attempt the sink runs as it was, and the attacker received nothing."""
    del request
    before = connect.build_configuration(sink) | {"name": LIQUIDATIONS.connector(sink)}
    yield
    assert listener.connections == 0
    url = f"{sink.connect_url}/connectors/{LIQUIDATIONS.connector(sink)}/config"
    assert httpx.get(url, timeout=PATIENCE_S).json() == before
    eventually(lambda: connect.read_status(sink).is_running)


def evil(listener: Listener) -> dict[str, dict[str, str]]:
    """Return changes of a good configuration that would do harm, by what they attempt."""
    theirs, jaas = f"127.0.0.1:{listener.port}", "org.apache.kafka.common.security.plain"
    login = f'{jaas}.PlainLoginModule required username="u" password="{REFERENCE}";'
    here = "http::addr={address};"
    return {
        "address": {"client.conf.string": f"http::addr={theirs};{LOGIN}"},
        "second address": {"client.conf.string": f"{here}{LOGIN}addr={theirs};"},
        "first address": {"client.conf.string": f"http::addr={theirs};{LOGIN}addr={{address}};"},
        "upper-case address": {"client.conf.string": f"{here}ADDR={theirs};{LOGIN}"},
        "user info": {"client.conf.string": f"http::addr={{address}}@{theirs};{LOGIN}"},
        "TCP": {"client.conf.string": f"tcp::addr={theirs};{LOGIN}"},
        "unchecked TLS": {"client.conf.string": f"https::addr={theirs};tls_verify=unsafe_off;"},
        "host": {"host": theirs},
        "secret as user": {"client.conf.string": f"{here}username={REFERENCE};password=p;"},
        "another secret": {"client.conf.string": f"{here}username=u;password=${{env:LIQ_TOKEN}};"},
        "secret as table": {"table": REFERENCE},
        "secret as topic": {"topics": f"a,{REFERENCE}"},
        "secret in the dead letters": {"errors.deadletterqueue.topic.name": f"a{REFERENCE}"},
        "nested reference": {"symbols": "${${env:A}:B}"},
        "file": {
            "config.providers": "file",
            "config.providers.file.class": "org.apache.kafka.common.config.provider"
            ".FileConfigProvider",
            "table": "${file:/etc/passwd:root}",
        },
        "another broker": {
            "consumer.override.bootstrap.servers": theirs,
            "consumer.override.security.protocol": "SASL_PLAINTEXT",
            "consumer.override.sasl.mechanism": "PLAIN",
            "consumer.override.sasl.jaas.config": login,
        },
        "dead letters elsewhere": {"producer.override.bootstrap.servers": theirs},
        "admin elsewhere": {"admin.override.bootstrap.servers": theirs},
        "converter": {
            "value.converter": "io.confluent.connect.avro.AvroConverter",
            "value.converter.schema.registry.url": f"http://{theirs}",
        },
        "transform": {"transforms": "x.y", "transforms.x.y.type": "com.example.Transform"},
        "file sink": {"connector.class": "FileStreamSink", "file": "/tmp/any"},  # noqa: S108
        "file source": {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector"
        },
        "mirror": {"connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector"},
        "connector itself": {"connector.class": "org.apache.kafka.connect.sink.SinkConnector"},
    }


ATTEMPTS = (
    "address",
    "second address",
    "first address",
    "upper-case address",
    "user info",
    "TCP",
    "unchecked TLS",
    "host",
    "secret as user",
    "another secret",
    "secret as table",
    "secret as topic",
    "secret in the dead letters",
    "nested reference",
    "file",
    "another broker",
    "dead letters elsewhere",
    "admin elsewhere",
    "converter",
    "transform",
    "file sink",
    "file source",
    "mirror",
    "connector itself",
)
KNOWN_WORDS = (
    "this stack's QuestDB",
    "twice",
    'takes no "',
    "must select HTTP",
    "reference to a secret",
    "not for a connector",
    "could lead elsewhere",
    "only Kafka's own classes",
    "QuestDB sinks only",
    "deprecated TCP transport",
)


def spoilt(settings: Settings, change: dict[str, str]) -> dict[str, str]:
    address = f"{settings.questdb_host}:{settings.questdb_http_port}"
    changed = {key: value.replace("{address}", address) for key, value in change.items()}
    return connect.build_configuration(settings) | changed


def assert_refused(answer: Answer, status: int = 400) -> str:
    assert answer.status == status, answer
    message: str = json.loads(answer.text)["message"]
    assert message
    return message


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_configuration_that_leads_elsewhere_is_refused_with_the_reason(
    attempt: str, stack: Settings, sink: Settings, listener: Listener
) -> None:
    change = evil(listener)[attempt]
    config = spoilt(stack, change)
    base, name = f"{stack.connect_url}/connectors", f"evil-{uuid.uuid4().hex[:8]}"
    created = {"name": name, "config": config}
    answers = [
        curl(base, body=created),
        curl(base, body=created | {"initial_state": "STOPPED"}),
        curl(f"{base}/{name}/config", "--request", "PUT", body=config),
        curl(f"{base}/{LIQUIDATIONS.connector(sink)}/config", "--request", "PUT", body=config),
        curl(f"{base}/{LIQUIDATIONS.connector(sink)}/config", "--request", "PATCH", body=config),
        curl(
            f"{stack.connect_url}/connector-plugins/LiqQuestDBSinkConnector/config/validate",
            *("--request", "PUT"),
            body=config | {"name": name},
        ),
    ]
    password = stack.questdb_admin_password.get_secret_value()
    for answer in answers:
        message = assert_refused(answer)
        assert any(words in message for words in KNOWN_WORDS), message
        assert password not in message
    assert name not in json.loads(curl(base).text)


def test_a_body_that_two_parsers_could_read_differently_is_refused(
    stack: Settings, sink: Settings
) -> None:
    del sink
    good, base = json.dumps(connect.build_configuration(stack)), f"{stack.connect_url}/connectors"
    bad = json.dumps({"connector.class": "FileStreamSink"})
    for body in (
        f'{{"name": "evil", "config": {good}, "config": {bad}}}',
        f'{{"name": "evil", "config": {{"connector.class": "FileStreamSink", {good[1:]}}}',
        f'{{"name": "evil", "config": {good}}} {{"name": "evil", "config": {bad}}}',
        f'{{"name": "evil", "Config": {bad}}}',
        f'{{"name": "evil", "config": [{good}]}}',
        '{"name": "evil"}',
        "[]",
        "",
    ):
        assert_refused(curl(base, body=body))
    utf16 = f'{{"name": "evil", "config": {bad}}}'.encode("utf-16")
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(base, content=utf16, headers=headers, timeout=PATIENCE_S)
    assert answer.status_code == 400
    assert "evil" not in json.loads(curl(base).text)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/admin/loggers/root"),
        ("PUT", "/admin/loggers/org.apache.kafka.clients"),
        ("PATCH", "/connectors/{name}/offsets"),
        ("DELETE", "/connectors/{name}/offsets"),
        ("PUT", "/connectors/{name}/topics/reset"),
        ("PUT", "/connectors/{name}/c%6Fnfig"),
        ("PUT", "/connectors/{name}/config;x"),
        ("PUT", "/connectors/{name};x=/config"),
        ("PUT", "//connectors/{name}/confi%67"),
        ("TRACE", "/"),
        ("MOVE", "/connectors/{name}"),
    ],
)
def test_a_request_that_does_more_than_run_sinks_is_refused(
    method: str, path: str, sink: Settings
) -> None:
    url = sink.connect_url + path.format(name=LIQUIDATIONS.connector(sink))
    body = {"level": "TRACE"} if "loggers" in path else {"connector.class": "FileStreamSink"}
    answer = curl(url, "--request", method, "--path-as-is", body=body)
    assert answer.status in {400, 403, 404, 405}, answer
    loggers = curl(f"{sink.connect_url}/admin/loggers")
    assert loggers.status == 200
    assert "TRACE" not in loggers.text


def test_a_task_of_another_class_or_without_a_signature_is_refused(
    sink: Settings, listener: Listener
) -> None:
    """Workers hand tasks to each other by a request that needs no login but a signature."""
    url = f"{sink.connect_url}/connectors/{LIQUIDATIONS.connector(sink)}/tasks"
    good = connect.build_configuration(sink) | {"task.class": "io.liq.connect.QuestDBSinkTask"}
    bad = f"http::addr=127.0.0.1:{listener.port};{LOGIN}"
    assert_refused(curl(url, body=[good | {"task.class": "com.example.Task"}]))
    assert_refused(curl(url, body=[good, good | {"client.conf.string": bad}]))
    assert curl(url, body=[good]).status in {400, 403}


PAGES = [
    {"Origin": f"http://{EVIL}"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:8888"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": f"http://{EVIL}", "Sec-Fetch-Site": "same-origin"},
    {"Host": EVIL},
    {"Host": ""},
]
REQUESTS = [
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/connectors"),
    ("HEAD", "/connectors"),
    ("OPTIONS", "/connectors"),
    ("POST", "/connectors"),
    ("GET", "/connectors/{name}/config"),
    ("PUT", "/connectors/{name}/config"),
    ("PATCH", "/connectors/{name}/config"),
    ("POST", "/connectors/{name}/restart?includeTasks=true"),
    ("PUT", "/connectors/{name}/pause"),
    ("PUT", "/connectors/{name}/stop"),
    ("POST", "/connectors/{name}/tasks/0/restart"),
    ("POST", "/connectors/{name}/tasks"),
    ("PUT", "/connectors/{name}/fence"),
    ("DELETE", "/connectors/{name}"),
    ("GET", "/connector-plugins"),
    ("GET", "/admin/loggers"),
    ("PUT", "/admin/loggers/root"),
    ("GET", "/no/such/path"),
]
SHORT = [("GET", "/connectors"), ("HEAD", "/connectors"), ("PUT", "/connectors/{name}/config")]


@pytest.mark.parametrize("headers", PAGES, ids=str)
def test_a_web_page_is_refused_whatever_it_asks(headers: dict[str, str], sink: Settings) -> None:
    with httpx.Client(base_url=sink.connect_url, timeout=PATIENCE_S) as client:
        for method, path in REQUESTS:
            answer = client.request(
                method, path.format(name=LIQUIDATIONS.connector(sink)), headers=headers
            )
            refused = {400, 403} if headers == {"Host": ""} else {403}
            assert answer.status_code in refused, (method, path, answer.text)
            assert "access-control-allow-origin" not in answer.headers


def test_a_request_of_this_very_origin_passes(sink: Settings) -> None:
    for headers in ({"Origin": sink.connect_url}, {"Sec-Fetch-Site": "none"}):
        url = f"{sink.connect_url}/connectors"
        assert httpx.get(url, headers=headers, timeout=PATIENCE_S).status_code == 200


def test_the_readmes_curl_registers_shows_and_changes_a_sink(stack: Settings) -> None:
    document = json.loads(files.find_asset("connect/altliqs.json").read_text())
    document["name"] = name = f"readme-{uuid.uuid4().hex[:8]}"
    client = document["config"]["client.conf.string"]
    address = f"{stack.questdb_host}:{stack.questdb_http_port}"  # a test's stack has other ports
    document["config"]["client.conf.string"] = client.replace("127.0.0.1:9000", address)
    settings, url = (
        stack.with_streams(liquidations={"connector": name}),
        f"{stack.connect_url}/connectors",
    )
    try:
        assert curl(url, "--request", "POST", body=document).status == 201
        eventually(lambda: connect.read_status(settings).is_running)
        assert name in json.loads(curl(url).text)
        changed = document["config"] | {"tasks.max": "1"}
        assert curl(f"{url}/{name}/config", "--request", "PUT", body=changed).status == 200
        eventually(lambda: len(connect.read_status(settings).tasks) == 1)
        assert (
            curl(f"{url}/{name}/config", "--request", "PATCH", body={"tasks.max": "2"}).status
            == 200
        )
        shown = json.loads(curl(f"{url}/{name}/config").text)
        assert shown["client.conf.string"] == document["config"]["client.conf.string"]
        eventually(lambda: connect.read_status(settings).is_running)
        assert curl(f"{url}/{name}", "--request", "DELETE").status == 204
    finally:
        connect.remove(settings)


def write(settings: Settings, key: str, value: object) -> None:
    """Write into Connect's own topic, as whoever reaches Kafka can."""
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, metrics_enabled=False)
    producer.send("connect-configs", key=key.encode(), value=json.dumps(value).encode())
    producer.flush()
    producer.close()


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        ("address", "does not write to this stack's QuestDB"),
        ("second address", "twice"),
        ("secret as table", "reference to a secret"),
        ("another broker", "not allowed to be overridden|could lead elsewhere"),
        ("dead letters elsewhere", "not allowed to be overridden|could lead elsewhere"),
        ("file", "is not allowed|not for a connector"),
        ("file sink", "Failed to find any class"),
        ("mirror", "Failed to find any class"),
    ],
)
def test_a_connector_written_into_connects_topic_does_not_start(
    attempt: str, reason: str, stack: Settings, listener: Listener
) -> None:
    name = f"evil-{uuid.uuid4().hex[:8]}"
    settings = stack.with_streams(liquidations={"connector": name})
    config = spoilt(stack, evil(listener)[attempt]) | {"name": name}
    write(stack, f"connector-{name}", {"properties": config})
    try:
        assert eventually(lambda: connect.read_status(settings).failures)
        status = curl(f"{stack.connect_url}/connectors/{name}/status").text
        assert re.search(reason, status), status
        assert stack.questdb_admin_password.get_secret_value() not in status
    finally:
        connect.remove(settings)


def test_a_task_written_into_connects_topic_does_not_start(
    stack: Settings, listener: Listener
) -> None:
    name = f"evil-{uuid.uuid4().hex[:8]}"
    settings = stack.with_streams(liquidations={"connector": name})
    settings = settings.model_copy(update={"sink_tasks": 2})
    connect.ensure(settings)
    change = evil(listener)["address"]
    task = spoilt(stack, change) | {"name": name, "task.class": "io.liq.connect.QuestDBSinkTask"}
    try:
        for number in range(2):
            write(stack, f"task-{name}-{number}", {"properties": task})
        write(stack, f"commit-{name}", {"tasks": 2})
        failures = eventually(lambda: connect.read_status(settings).failures)
        assert "does not write to this stack's QuestDB" in failures[0]
    finally:
        connect.remove(settings)


def test_the_worker_knows_no_secret_but_the_admins_password(stack: Settings) -> None:
    [pid] = [each.pid for each in local.status(stack) if each.name == "connect" and each.pid]
    known = {name for name in psutil.Process(pid).environ() if name.startswith("LIQ_")}
    assert known == {
        "LIQ_QUESTDB_HOST",
        "LIQ_QUESTDB_HTTP_PORT",
        "LIQ_QUESTDB_ADMIN_PASSWORD",
    }
    conf = (stack.home / "conf" / "connect.properties").read_text()
    assert "config.providers" not in conf


@pytest.fixture(scope="module")
def locked(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A worker that asks for a login."""
    home = tmp_path_factory.mktemp("locked")
    name = f"locked-{uuid.uuid4().hex[:8]}"
    named = stack.with_streams(liquidations={"connector": name})
    with own_worker(named, home, connect_login=True) as settings:
        yield settings


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--user", "liq:wrong"],
        ["--user", "liq:"],
        ["--user", "admin:{password}"],
        ["--user", "liq:{password}x"],
        ["--header", "Authorization: Bearer {password}"],
        ["--header", "Authorization: Basic !"],
        ["--header", "Authorization: Basic"],
    ],
    ids=str,
)
def test_a_client_without_a_login_learns_nothing_of_connect(
    options: list[str], locked: Settings
) -> None:
    password = locked.connect_password.get_secret_value()
    words = [word.format(password=password) for word in options]
    requests = [*REQUESTS, ("GET", "/connectors?expand=info")]
    for method, path in SHORT if options else requests:  # the check of a login reads no path
        if path in {"/health", "/connectors/{name}/tasks", "/connectors/{name}/fence"}:
            continue
        head = ["--head"] if method == "HEAD" else ["--request", method]
        answer = curl(locked.connect_url + path.format(name="any"), *head, *words)
        assert answer.status == 401, (method, path, answer)
    signed = curl(f"{locked.connect_url}/connectors/any/tasks", *words, body=[])
    assert signed.status in {400, 403, 404, 409, 500}, signed
    health = curl(f"{locked.connect_url}/health", *words)
    assert health.status == 200
    assert set(json.loads(health.text)) == {"status", "message"}


def test_liq_logs_in_and_names_the_setting_where_it_cannot(locked: Settings) -> None:
    assert connect.ensure(locked).is_running
    assert not monitor.check(locked).flows[0].problems
    password = locked.connect_password.get_secret_value()
    shown = curl(f"{locked.connect_url}/connectors", "--user", f"liq:{password}")
    assert json.loads(shown.text) == [LIQUIDATIONS.connector(locked)]
    for change in ({"connect_login": False}, {"connect_password": SecretStr("wrong")}):
        with pytest.raises(ConnectError, match="LIQ_CONNECT_LOGIN=true and LIQ_CONNECT_PASSWORD"):
            connect.read_status(locked.model_copy(update=change))
