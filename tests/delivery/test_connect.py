import json
import re
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from liq.common import files
from liq.config import Settings
from liq.delivery import connect
from liq.errors import ConnectError
from liq.records import rules
from liq.records.streams import LIQUIDATIONS, STREAMS, Stream
from liq.stack import jars
from support.helpers import PATIENCE_S, eventually, own_streams
from support.workers import own_worker

# as the original app shipped it
LEGACY = {
    "connector.class": "io.questdb.kafka.QuestDBSinkConnector",
    "tasks.max": "1",
    "topics": "alt_liquidations",
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "key.converter.schemas.enable": "false",
    "value.converter.schemas.enable": "false",
    "host": "questdb",
    "transforms": "insertTS",
    "transforms.insertTS.type": "org.apache.kafka.connect.transforms.InsertField$Value",
    "transforms.insertTS.field": "timestamp",
}


def shipped() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files.find_asset("connect/altliqs.json").read_text())
    return document


def test_shipped_columns_of_the_sink_equal_columns_of_the_table() -> None:
    described, columns = shipped()["config"], LIQUIDATIONS.columns()
    of = {kind: [name for name in columns if columns[name] == kind] for kind in columns.values()}
    assert described["symbols"].split(",") == of["SYMBOL"]
    assert described["doubles"].split(",") == of["DOUBLE"]
    assert described[rules.RULES] == rules.describe(LIQUIDATIONS.record)
    assert columns[described["timestamp.field.name"]] == "TIMESTAMP"


def test_shipped_names_are_the_default_settings() -> None:
    described, settings = shipped(), Settings()
    assert described["name"] == LIQUIDATIONS.connector(settings)
    assert described["config"]["topics"] == LIQUIDATIONS.topic(settings)
    assert described["config"]["table"] == LIQUIDATIONS.table(settings)
    assert described["config"]["errors.deadletterqueue.topic.name"] == settings.dlq_topic
    client = described["config"]["client.conf.string"]
    assert f"addr={settings.questdb_host}:{settings.questdb_http_port};" in client
    assert f"username={settings.questdb_admin_user};" in client


def test_absent_connect_is_a_clear_error(unused_tcp_port: int) -> None:
    settings = Settings(connect_port=unused_tcp_port)
    for call in (connect.ensure, connect.read_status, connect.restart, connect.remove):
        with pytest.raises(ConnectError, match=rf"127.0.0.1:{unused_tcp_port}.*liq up"):
            call(settings)


@pytest.fixture
def own(stack: Settings) -> Iterator[Settings]:
    """The stack with a connector of its own, removed after the test."""
    settings = own_streams(stack, LIQUIDATIONS, names=["connector"])
    yield settings
    connect.remove(settings)


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The description `ensure` will read; a test may change it before it calls."""
    config: dict[str, str] = shipped()["config"]

    def path(name: str) -> Path:
        file = tmp_path / "altliqs.json"
        file.write_text(json.dumps({"name": "any", "config": config}))
        return file

    monkeypatch.setattr(files, "find_asset", path)
    return config


def on_worker(settings: Settings, path: str = "") -> Any:
    url = f"{settings.connect_url}/connectors/{LIQUIDATIONS.connector(settings)}{path}"
    return httpx.get(url, timeout=PATIENCE_S).raise_for_status().json()


@pytest.mark.stack
def test_ensure_registers_a_sink_that_runs_and_remove_takes_it_away(own: Settings) -> None:
    assert connect.read_status(own).state == "ABSENT"
    assert not connect.read_status(own).is_running
    assert connect.ensure(own).is_running
    assert connect.read_status(own).is_running
    connect.remove(own)
    eventually(lambda: connect.read_status(own).state == "ABSENT")
    connect.remove(own)


@pytest.mark.stack
def test_sinks_write_by_https_if_questdb_has_tls(own: Settings, tmp_path: Path) -> None:
    there = own.model_copy(update={"questdb_ca": tmp_path / "ca.pem"})
    client = connect.build_configuration(there)["client.conf.string"]
    assert client.startswith(f"https::addr={address(own)};")


@pytest.mark.stack
def test_the_password_is_neither_stored_nor_shown(own: Settings) -> None:
    connect.ensure(own)
    password = own.questdb_admin_password.get_secret_value()
    assert len(password) > 10
    seen = [on_worker(own), on_worker(own, "/tasks"), connect.build_configuration(own)]
    assert password not in repr([*seen, connect.read_status(own)])


@pytest.mark.stack
def test_ensure_brings_a_changed_description_to_the_worker(
    own: Settings, described: dict[str, str]
) -> None:
    connect.ensure(own)
    before = on_worker(own)
    assert connect.ensure(own).is_running
    assert on_worker(own) == before
    described["retry.backoff.ms"] = "1234"
    assert connect.ensure(own).is_running
    assert on_worker(own)["config"]["retry.backoff.ms"] == "1234"


@pytest.mark.stack
@pytest.mark.parametrize("name", ["topic", "table"])
def test_a_sink_is_not_pointed_elsewhere_unless_that_is_asked_for(own: Settings, name: str) -> None:
    connect.ensure(own)
    before = on_worker(own)
    elsewhere = own_streams(own, LIQUIDATIONS, names=[name])
    with pytest.raises(ConnectError) as refusal:
        connect.ensure(elsewhere)
    assert f"carries {LIQUIDATIONS.topic(own)} into {LIQUIDATIONS.table(own)}" in str(refusal.value)
    assert (
        f"would carry {LIQUIDATIONS.topic(elsewhere)} into {LIQUIDATIONS.table(elsewhere)}"
        in str(refusal.value)
    )
    assert "LIQ_LIQUIDATIONS__CONNECTOR=NAME liq init" in str(refusal.value)
    assert "liq init --force" in str(refusal.value)
    assert on_worker(own) == before
    assert connect.ensure(elsewhere, repoint=True).is_running
    key = "topics" if name == "topic" else name
    assert on_worker(own)["config"][key] == getattr(elsewhere.streams[LIQUIDATIONS.name], name)


@pytest.mark.stack
@pytest.mark.parametrize("key", ["topics", "topics.regex"])
def test_any_sink_that_reads_a_topic_counts(own: Settings, key: str) -> None:
    topic = f"mine_{uuid.uuid4().hex[:8]}"
    mine = own.with_streams(liquidations={"topic": topic})
    assert f"no sink reads topic {topic}: `liq init`" in connect.describe_unread(
        mine, [LIQUIDATIONS]
    )
    config = connect.build_configuration(mine)
    del config["topics"]
    value = f"a, {topic}" if key == "topics" else "mine_.*"
    assert post(own, config | {key: value}).status_code == httpx.codes.CREATED
    assert eventually(lambda: connect.describe_unread(mine, [LIQUIDATIONS]) == "")


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_a_server_that_is_no_worker_gives_no_topics(body: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            settings = Settings(connect_port=server.server_port)
            assert connect.describe_unread(settings, [LIQUIDATIONS]) == ""
            with pytest.raises(ConnectError, match="not as Kafka Connect does"):
                connect.read_statuses(settings, [LIQUIDATIONS], timeout=PATIENCE_S)
        finally:
            server.shutdown()
            thread.join()


def test_a_worker_that_is_unreachable_says_nothing_of_topics(unused_tcp_port: int) -> None:
    assert connect.describe_unread(Settings(connect_port=unused_tcp_port), [LIQUIDATIONS]) == ""


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.record.__name__)
def test_a_topic_of_ones_own_has_a_sink_of_its_own(stream: Stream) -> None:
    settings = Settings()
    name = stream.connector(settings)
    mine = settings.with_streams(**{stream.name: {"topic": "mine"}})
    assert stream.connector(mine) == f"{name}-mine"
    named = mine.with_streams(**{stream.name: {"connector": "x"}})
    assert stream.connector(named) == "x"


@pytest.mark.stack
def test_a_refused_description_is_an_error_with_connects_reason(
    own: Settings, described: dict[str, str]
) -> None:
    described["timestamp.units"] = "weeks"
    with pytest.raises(ConnectError, match=r"timestamp\.units.*micros"):
        connect.ensure(own)
    assert connect.read_status(own).state == "ABSENT"


REMEDY = (
    "; set connector.client.config.override.policy=Allowlist and"
    " connector.client.config.override.allowlist="
    "max.poll.records,max.partition.fetch.bytes,fetch.min.bytes in the properties of its worker"
)


@pytest.mark.stack
def test_a_worker_that_allows_no_overrides_is_an_error_with_the_fix(
    own: Settings, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with own_worker(own, home, policy="None") as settings:
        with pytest.raises(ConnectError, match=re.escape(REMEDY)) as caught:
            connect.ensure(settings)
        assert connect.read_status(settings).state == "ABSENT"
    assert "allows no sink to set max.p" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.stack
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"client.conf.string": "tcp::addr=h:9009;"}, "must select HTTP"),
        ({"client.conf.string": "{http};pass=x;"}, 'takes no "pass"'),
        ({"client.conf.string": "{http};password=x;"}, "refused by the QuestDB client"),
        ({"table": "${topic}"}, "templates need the official connector"),
        ({"timestamp.string.format": "yyyy"}, "not supported by liq's sink"),
    ],
)
def test_a_configuration_that_the_sink_cannot_run_is_refused(
    own: Settings, change: dict[str, str], reason: str
) -> None:
    http = f"http::addr={address(own)}"
    change = {key: value.replace("{http}", http) for key, value in change.items()}
    refusal = post(
        own, connect.build_configuration(own) | {"connector.class": connect.OWN} | change
    )
    assert refusal.status_code == httpx.codes.BAD_REQUEST
    assert reason in refusal.json()["message"]


@pytest.mark.stack
def test_the_shipped_file_is_posted_unchanged(own: Settings) -> None:
    config = shipped()["config"]
    # the tests' QuestDB has another port
    client = config["client.conf.string"].replace("127.0.0.1:9000", address(own))
    answer = post(own, config | {"client.conf.string": client})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    eventually(lambda: connect.read_status(own).is_running)


@pytest.mark.stack
def test_a_worker_with_the_users_plugins_resolves_the_password_itself(
    own: Settings, tmp_path: Path
) -> None:
    """The official connector, which may be among them, does not."""
    folder = jars.find_folder(own)
    (tmp_path / "cache" / "plugins").mkdir(parents=True)
    (tmp_path / "cache" / folder.name).symlink_to(folder)
    with own_worker(own, tmp_path / "home", cache=tmp_path / "cache") as settings:
        connect.ensure(settings)
        password = own.questdb_admin_password.get_secret_value()
        seen = [on_worker(settings), on_worker(settings, "/tasks"), connect.read_status(settings)]
        assert password not in repr(seen)
        stolen = post(settings, connect.build_configuration(settings) | {"table": "${env:PATH}"})
        assert "reference to a secret" in stolen.json()["message"]


@pytest.mark.stack
def test_a_client_that_posts_the_old_file_gets_an_error_that_names_the_fix(own: Settings) -> None:
    refusal = post(own, LEGACY)
    assert refusal.status_code == httpx.codes.BAD_REQUEST
    message = refusal.json()["message"]
    assert f'"client.conf.string": "http::addr={address(own)};"' in message
    assert "transforms.insertTS.timestamp.field" in message


def test_a_program_that_ships_the_old_file_gets_an_error_that_names_the_fix(
    described: dict[str, str],
) -> None:
    described.clear()
    described.update(LEGACY)
    with pytest.raises(ConnectError) as refusal:
        connect.build_configuration(Settings())
    assert '"client.conf.string": "http::addr=HOST:9000;"' in str(refusal.value)
    assert "transforms.insertTS.timestamp.field" in str(refusal.value)


def address(settings: Settings) -> str:
    return f"{settings.questdb_host}:{settings.questdb_http_port}"


def post(settings: Settings, config: dict[str, str]) -> httpx.Response:
    document = {"name": LIQUIDATIONS.connector(settings), "config": config}
    return httpx.post(f"{settings.connect_url}/connectors", json=document, timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("status", "message", "busy"),
    [
        (409, "Cannot complete request momentarily", True),
        # of GET /connectors/NAME/config, seen while five sinks were registered at once
        (500, "Request cannot be completed because a rebalance is expected", True),
        (500, "Failed to find any class that implements Connector", False),
    ],
)
def test_a_worker_in_a_rebalance_is_waited_for(status: int, message: str, busy: bool) -> None:  # noqa: FBT001 - a case
    answer = httpx.Response(status, json={"error_code": status, "message": message})
    assert connect._busy(answer) is busy
