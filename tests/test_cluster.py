"""docker-compose.cluster.yml's very brokers, users and worker, as JVMs of this machine.

These JVMs get the environment of its containers in files; hosts become
ports of 127.0.0.1, and volumes folders. The scripts that make certificates and users are its own.
"""

import asyncio
import gc
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaAdminClient
from kafka.errors import KafkaError as ClientError
from pydantic import SecretStr

from liq.config import Settings
from liq.delivery import connect, messaging
from liq.delivery.messaging import Publisher
from liq.errors import KafkaAwayError, KafkaError
from liq.records.model import decode
from liq.records.streams import LIQUIDATIONS
from liq.stack import control, health, jars, java, process
from liq.stack.servers import KAFKA
from liq.stack.service import Service
from support.helpers import PATIENCE_S, consume, eventually, find_free_ports
from support.rows import ask, liquidation, own_table

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:unclosed <:ResourceWarning"),
]

ROOT = Path(__file__).parents[1]
BASE, OVERLAY = (
    yaml.safe_load(re.sub("!(override|reset)", "", (ROOT / name).read_text()))["services"]
    for name in ("docker-compose.yml", "docker-compose.cluster.yml")
)
BROKERS = ("kafka", "kafka-2", "kafka-3")
CLIENTS, BETWEEN_BROKERS = 9092, 9094


class Cluster:
    """Three brokers, stopped at first, and the settings of a client that may log in."""

    def __init__(self, home: Path, jars: Path) -> None:
        self.home, self.jars = home, jars
        own = iter(sorted({port for _ in range(2) for port in find_free_ports().values()}))
        self.ports = {(name, port): next(own) for name in BROKERS for port in (9092, 9093, 9094)}
        self.settings = Settings.load(
            home=home,
            kafka_brokers=self.localised(OVERLAY["init"]["environment"]["LIQ_KAFKA_BROKERS"]),
            kafka_security="SASL_SSL",
            kafka_user="liq",
            kafka_ca=home / "certificates" / "clients" / "ca.pem",
            connect_login=OVERLAY["init"]["environment"]["LIQ_CONNECT_LOGIN"],
            partitions=6,
            streams={LIQUIDATIONS.name: {"topic": "cluster"}},
        )
        self.services = {name: self._broker(name) for name in BROKERS}

    def localised(self, text: str, name: str = "") -> str:
        """The same setting for this machine."""
        text = text.replace("0.0.0.0:", f"{name}:")
        text = text.replace("/certificates", str(self.home / "certificates" / name))
        text = text.replace("/var/lib/kafka/data", str(self.home / name))
        return re.sub(
            r"\b(kafka(?:-\d)?):(\d+)",
            lambda match: f"127.0.0.1:{self.ports[match[1], int(match[2])]}",
            text,
        )

    def java(self, *arguments: str) -> list[str]:
        archive = java.read_archive(self.jars, KAFKA)  # saves a third of a start's CPU time
        options = [*archive, "-XX:+UseSerialGC", "-Xmx256m", "-cp", f"{self.jars}/kafka/*"]
        return ["java", *options, *arguments]

    def _broker(self, name: str) -> Service:
        environment = BASE["kafka"]["environment"] | OVERLAY[name]["environment"]
        file = self.home / f"{name}.properties"
        properties = {
            _property(variable): self.localised(str(value), name)
            for variable, value in environment.items()
            if variable.startswith("KAFKA_") and not variable.endswith("_OPTS")  # the JVM's
        }

        def format_storage() -> None:
            if (self.home / name / "meta.properties").exists():
                return  # Java takes a second to find that it has nothing to do
            words = ["format", "--ignore-formatted", f"--config={file}"]
            words.append(f"--cluster-id={environment['CLUSTER_ID']}")
            command = self.java("kafka.tools.StorageTool", *words)
            subprocess.run(command, check=True)

        return Service(
            name=name,
            home=self.home,
            argv=self.java("kafka.Kafka", str(file)),
            healthy=lambda: health.is_listening("127.0.0.1", self.ports[name, BETWEEN_BROKERS]),
            ports={"kafka_port": self.ports[name, CLIENTS]},
            files={file: "".join(f"{key}={value}\n" for key, value in properties.items())},
            prepare=format_storage,
            start_timeout=300,
        )

    def worker(self, name: str, stack: Settings) -> Service:
        """A Connect worker of the overlay, beside the session's QuestDB."""
        variables_given = self.settings.environ() | {
            key: value for key, value in stack.environ().items() if "_QUESTDB_" in key
        }
        variables = BASE["connect"]["environment"] | OVERLAY[name]["environment"]
        environ = {key: variables_given[key] for key in variables if key.startswith("LIQ_")}
        port = find_free_ports()["connect_port"]
        script = ["sh", str(ROOT / "docker" / "connect" / "cluster")]
        printed = subprocess.check_output(
            script, env=os.environ | environ | {"HOSTNAME": "127.0.0.1"}, text=True
        )
        text = self.localised(printed, "clients")
        text += f"listeners=http://127.0.0.1:{port}\nplugin.path={self.jars}/plugins\n"
        file = self.home / f"{name}.properties"
        options = re.sub(r"\$\{.*\}", "", variables["KAFKA_OPTS"])  # without the official sink
        return Service(
            name=name,
            home=self.home,
            argv=self.java(options, "org.apache.kafka.connect.cli.ConnectDistributed", str(file)),
            env=environ | {"LIQ_QUESTDB_HTTP_PORT": str(stack.questdb_http_port)},
            healthy=lambda: health.answers_http("127.0.0.1", port, "/health"),
            ports={"connect_port": port},
            files={file: text},
            start_timeout=300,
        )

    def start(self, *names: str) -> None:
        for name in names:
            control.launch([self.services[name]], self.settings)
        for name in names:
            control.wait_healthy(self.services[name])

    def kill(self, name: str) -> None:
        found = process.find(self.services[name].pid_file)
        assert found
        found.process.kill()
        found.process.wait()

    def script(self, service: str, *replaced: tuple[str, str], **environ: str) -> None:
        """Run what a one-shot service of the overlay runs."""
        command = OVERLAY[service]["command"]
        words = [word for word in command if word != "sh"]
        words[0] = str(ROOT / "docker" / "cluster" / Path(words[0]).name)
        words[1:] = [self.localised(word, dict(replaced).get(word, "")) for word in words[1:]]
        subprocess.run(words, check=True, env=os.environ | environ)


def _property(variable: str) -> str:
    """The broker's name of a variable, as apache/kafka's image has it."""
    name = variable.removeprefix("KAFKA_").lower()
    return name.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")


@pytest.fixture(autouse=True)
def _leaks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    # kafka-python leaves refused sockets to the garbage collector; a record of it keeps them open
    with caplog.at_level("CRITICAL", logger="kafka"):
        yield
    gc.collect()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("cluster")
    jars.ensure(settings := Settings.load(home=home), lambda *_: None)
    cluster = Cluster(home, jars.find_folder(settings))
    tool = home / "kafka-configs"
    tool.write_text(
        f'#!/bin/sh\nexec {shlex.join(cluster.java("kafka.admin.ConfigCommand"))} "$@"\n'
    )
    tool.chmod(0o700)
    try:
        cluster.script("certificates")
        cluster.start(*BROKERS)
        cluster.script(
            "users",
            ("/certificates", "admin"),
            KAFKA_CONFIGS=str(tool),
            LIQ_KAFKA_USER="liq",
            LIQ_KAFKA_PASSWORD=cluster.settings.kafka_password.get_secret_value(),
        )
        messaging.ensure_topics(cluster.settings)
        yield cluster
    finally:
        control.end(list(cluster.services.values()), cluster.settings)


def test_topics_have_three_replicas(cluster: Cluster) -> None:
    admin = KafkaAdminClient(**messaging.client_options(cluster.settings))
    [topic] = admin.describe_topics([LIQUIDATIONS.topic(cluster.settings)])
    admin.close()
    assert len(topic["partitions"]) == 6
    assert {len(each["replica_nodes"]) for each in topic["partitions"]} == {3}


async def test_a_broker_killed_while_publishing_costs_nothing(cluster: Cluster) -> None:
    number = 3_000
    async with Publisher(cluster.settings) as publisher:
        for sent in range(number):
            if sent == number // 4:
                cluster.kill("kafka-2")
            if sent == number // 2:
                await asyncio.to_thread(cluster.start, "kafka-2")
            await publisher.publish(liquidation("2026-01-01", 1.0 + sent))
        await publisher.close(timeout=PATIENCE_S)
    assert publisher.stats().acknowledged == number
    records = await asyncio.to_thread(
        consume, LIQUIDATIONS.topic(cluster.settings), cluster.settings
    )
    assert sorted(decode(record.value).notional for record in records) == list(range(1, number + 1))


async def test_below_two_replicas_nothing_is_acknowledged_nor_lost(cluster: Cluster) -> None:
    settings = cluster.settings.with_streams(liquidations={"topic": "minority"})
    async with Publisher(settings) as publisher:
        for name in ("kafka-2", "kafka-3"):
            cluster.kill(name)
        for sent in range(1_000):
            await publisher.publish(liquidation("2026-01-01", 1.0 + sent))
        await asyncio.to_thread(eventually, lambda: publisher.stats().waiting_s > 3)
        assert publisher.stats().acknowledged == 0
        await asyncio.to_thread(cluster.start, "kafka-2", "kafka-3")
        await publisher.close(timeout=PATIENCE_S)
    records = await asyncio.to_thread(consume, LIQUIDATIONS.topic(settings), settings)
    assert {decode(record.value).notional for record in records} == set(range(1, 1_001))


async def test_the_other_worker_goes_on_when_one_is_killed(
    cluster: Cluster, stack: Settings
) -> None:
    first, second = workers = [cluster.worker(name, stack) for name in ("connect", "connect-2")]
    cluster.services |= {each.name: each for each in workers}
    own = own_table(stack).with_streams(liquidations={"topic": "carried"})
    settings = own.model_copy(
        update={
            name: getattr(cluster.settings, name)
            for name in Settings.model_fields
            if name.startswith(("kafka_", "connect_"))
        }
        | {"connect_port": first.ports["connect_port"]}
    )

    def stored() -> int:
        return int(ask("SELECT count() AS n FROM {table}", settings)["n"][0])

    await asyncio.to_thread(cluster.start, first.name, second.name)
    async with Publisher(settings) as publisher:
        await asyncio.to_thread(connect.ensure, settings)
        for tasks, worker in enumerate(workers, 1):  # one of them has to ask the other
            change = {"connect_port": worker.ports["connect_port"], "sink_tasks": tasks}
            await asyncio.to_thread(connect.ensure, settings.model_copy(update=change))
        for number in range(1, 101):
            await publisher.publish(liquidation("2026-01-01", float(number)))
        await asyncio.to_thread(eventually, lambda: stored() == 100)
        cluster.kill(first.name)
        for number in range(101, 201):
            await publisher.publish(liquidation("2026-01-01", float(number)))
        await asyncio.to_thread(eventually, lambda: stored() == 200)


@pytest.mark.parametrize(
    "change",
    [
        {"kafka_password": SecretStr("wrong")},
        {"kafka_user": "nobody"},
        {"kafka_ca": None},
        {"kafka_security": "SSL"},
    ],
)
def test_a_failed_login_is_an_error_that_names_the_login(
    change: dict[str, Any], cluster: Cluster
) -> None:
    settings = cluster.settings.model_copy(update=change)
    with pytest.raises(KafkaError, match="LIQ_KAFKA_CA") as caught:
        messaging.ensure_topics(settings)
    assert not isinstance(caught.value, KafkaAwayError)  # it would be retried
    assert settings.kafka_password.get_secret_value() not in str(caught.value)


def test_brokers_ask_each_other_for_a_certificate(cluster: Cluster) -> None:
    """Else whoever reaches their listener could make itself a user."""
    port = cluster.ports["kafka", BETWEEN_BROKERS]
    with pytest.raises(ClientError):
        KafkaAdminClient(
            bootstrap_servers=f"127.0.0.1:{port}",
            security_protocol="SSL",
            ssl_cafile=str(cluster.settings.kafka_ca),
            bootstrap_timeout_ms=3_000,
        )
