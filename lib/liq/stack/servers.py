"""The three servers of the stack, as local JVMs: Kafka, Kafka Connect and QuestDB.

Kafka and Kafka Connect read files of Java's properties, which are Latin-1 with escapes.
"""

import re
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from liq.common import addresses
from liq.config import Settings
from liq.stack import health, java
from liq.stack.jars import find_folder
from liq.stack.java import LOCALE
from liq.stack.service import Service

KAFKA, CONNECT, QUESTDB = SERVERS = ("kafka", "connect", "questdb")

_LOG4J = Path(__file__).with_name("log4j2.properties")
_STOP = 60.0  # Kafka closes its logs; the first time each JVM writes its class archive
_FORMAT_S = 120.0
_ENVIRONMENT_PROVIDER = "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
# which providers a configuration, also a connector's, may bring with it; else it reads any file
_AUTOMATIC_PROVIDERS = "org.apache.kafka.automatic.config.providers"
# those that SinkRules.java allows
_OVERRIDES = (
    "max.poll.records",
    "max.partition.fetch.bytes",
    "fetch.min.bytes",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
)
_JVM = (
    java.JAVA,
    "-XX:+UseSerialGC",
    "-Xmx512m",
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.awt.headless=true",
)
_QUESTDB_POOLS = (
    "SHARED",
    "PG",
    "HTTP",
    "HTTP_MIN",
    "WAL_APPLY",
    "MAT_VIEW_REFRESH",
    "VIEW_COMPILER",
)
_ESCAPED = re.compile(r"\\|^ |[^ -~]")


def define_servers(settings: Settings) -> list[Service]:
    """Return Kafka, QuestDB and Kafka Connect, which needs the others, as services."""
    jars = find_folder(settings)
    return [_kafka(settings, jars), _questdb(settings, jars), _connect(settings, jars)]


def _kafka(settings: Settings, jars: Path) -> Service:
    data, file = settings.home / "kafka", settings.home / "conf" / "kafka.properties"
    host, port = settings.host, settings.kafka_port
    controller = settings.kafka_controller_port
    options = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{settings.kafka_host}:{controller}",
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{settings.kafka_bootstrap}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        # one broker: nothing to replicate to, and one partition of each internal topic is plenty
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "metadata.max.idle.interval.ms": 0,  # no record each half second for replicas there are not
    }

    def prepare() -> None:
        if not (data / "meta.properties").exists():
            _format(jars, file, settings.home / "cluster-id")

    return Service(
        name=KAFKA,
        home=settings.home,
        argv=[*_kafka_jvm(jars), "kafka.Kafka", str(file)],
        env=LOCALE,
        ports={"kafka_port": port, "kafka_controller_port": controller},
        files={file: render_properties(options)},
        prepare=prepare,
        options=lambda: _choose_options(settings, jars, KAFKA),
        stop_timeout=_STOP,
        healthy=lambda: health.answers_kafka(settings),
        address=settings.kafka_bootstrap,
        is_elsewhere=bool(settings.kafka_brokers) or _is_elsewhere(settings, settings.kafka_host),
    )


def _is_elsewhere(settings: Settings, host: str) -> bool:
    return not addresses.is_loopback(host) and host != settings.host


def _connect(settings: Settings, jars: Path) -> Service:
    file = settings.home / "conf" / "connect.properties"
    options = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "reconnect.backoff.max.ms": 250,  # it starts beside Kafka and waits for it
        "default.api.timeout.ms": 90_000,  # for as long as Kafka may take; by default 60 s
        "group.id": "liq-connect",
        "listeners": f"http://{settings.host}:{settings.connect_port}",
        "rest.advertised.host.name": settings.connect_host,
        # refuses web pages, and whatever is not a sink into this stack's QuestDB
        "rest.extension.classes": "io.liq.connect.RestGuard",
        **_plugins(settings, jars),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "config.storage.topic": "connect-configs",
        "config.storage.replication.factor": 1,
        "offset.storage.topic": "connect-offsets",
        "offset.storage.replication.factor": 1,
        "offset.storage.partitions": 1,
        "status.storage.topic": "connect-status",
        "status.storage.replication.factor": 1,
        "status.storage.partitions": 1,
        "offset.flush.interval.ms": 5000,
        # one worker: when it comes back after a crash there is no other to wait for
        "scheduled.rebalance.max.delay.ms": 0,
        # Kafka answers at once when rows come; without rows each poll took it twice a second
        "fetch.max.wait.ms": 2000,
        "consumer.fetch.max.wait.ms": 2000,
        # a sink whose worker or broker was killed goes on after 10 s, not after 45
        "consumer.session.timeout.ms": 10000,
        "consumer.reconnect.backoff.max.ms": 250,
        # a connector may size its polls, and cannot have them go to another broker
        "connector.client.config.override.policy": "Allowlist",
        "connector.client.config.override.allowlist": ",".join(_OVERRIDES),
    }
    return Service(
        name=CONNECT,
        home=settings.home,
        argv=[
            *_kafka_jvm(jars),
            f"-D{_AUTOMATIC_PROVIDERS}={_provider(settings) or 'none'}",
            "org.apache.kafka.connect.cli.ConnectDistributed",
            str(file),
        ],
        env=_connect_environ(settings),
        ports={"connect_port": settings.connect_port},
        files={file: render_properties(options)},
        options=lambda: _choose_options(settings, jars, CONNECT),
        stop_timeout=_STOP,
        healthy=lambda: health.answers_http(
            settings.connect_host, settings.connect_port, "/health"
        ),
        address=settings.connect_url,
        is_elsewhere=_is_elsewhere(settings, settings.connect_host),
    )


def _plugins(settings: Settings, jars: Path) -> dict[str, object]:
    """Return where Connect finds plugins: ours, and those that the user has put beside the jars.

    The user's plugins may lack the manifest of a service loader. Connect then scans their classes,
    which takes longer.
    """
    path = f"{jars / 'plugins'}"
    if not (provider := _provider(settings)):
        return {"plugin.path": path, "plugin.discovery": "service_load"}
    return {
        "plugin.path": f"{path},{_users_plugins(settings)}",
        "plugin.discovery": "hybrid_warn",
        "config.providers": "env",
        "config.providers.env.class": provider,
        "config.providers.env.param.allowlist.pattern": "LIQ_QUESTDB_ADMIN_PASSWORD",
    }


def _users_plugins(settings: Settings) -> Path:
    return settings.cache / "plugins"


def _provider(settings: Settings) -> str:
    """Return the class that puts the password into a sink's configuration, empty if none does.

    The official connector, if the user has installed it, needs one. Liq's sink reads the password
    itself: the worker then has no means to put it anywhere.
    """
    return _ENVIRONMENT_PROVIDER if _users_plugins(settings).is_dir() else ""


def _connect_environ(settings: Settings) -> dict[str, str]:
    """Return what the worker must know: its QuestDB and, where it asks for one, its login."""
    names = ["questdb_host", "questdb_http_port", "questdb_admin_password"]
    if settings.connect_login:
        names += ["connect_login", "connect_password"]
    environ = settings.environ()
    passed = {name: environ[name] for name in (f"LIQ_{each.upper()}" for each in names)}
    return {**passed, **LOCALE}


def _questdb(settings: Settings, jars: Path) -> Service:
    root = settings.home / "questdb"
    host, http, pg, probe = (
        settings.questdb_host,
        settings.questdb_http_port,
        settings.questdb_pg_port,
        settings.questdb_health_port,
    )
    admin = (settings.questdb_admin_user, settings.questdb_admin_password.get_secret_value())
    reader = (settings.questdb_reader_user, settings.questdb_reader_password.get_secret_value())
    env = {
        **LOCALE,
        "QDB_HTTP_NET_BIND_TO": f"{settings.host}:{http}",
        "QDB_HTTP_MIN_NET_BIND_TO": f"{settings.host}:{probe}",
        "QDB_PG_NET_BIND_TO": f"{settings.host}:{pg}",
        "QDB_LINE_TCP_ENABLED": "false",
        "QDB_LINE_AUTO_CREATE_NEW_TABLES": "false",
        "QDB_LINE_AUTO_CREATE_NEW_COLUMNS": "false",
        # HTTP asks for the admin's password, also of the sink: without it any web page the user has
        # open could write to a server on localhost
        "QDB_HTTP_USER": admin[0],
        "QDB_HTTP_PASSWORD": admin[1],
        "QDB_PG_USER": admin[0],
        "QDB_PG_PASSWORD": admin[1],
        "QDB_PG_READONLY_USER_ENABLED": "true",
        "QDB_PG_READONLY_USER": reader[0],
        "QDB_PG_READONLY_PASSWORD": reader[1],
        "QDB_HTTP_HEALTH_CHECK_AUTHENTICATION_REQUIRED": "false",
        "QDB_TELEMETRY_ENABLED": "false",
        # no folder to import from or export to: the reader could list and write files there
        "QDB_CAIRO_SQL_COPY_ROOT": "",
        "QDB_CAIRO_SQL_COPY_EXPORT_ROOT": "",
        # one query cannot take the machine's memory or a processor for ever. A client may raise its
        # own time as it logs in: those are cancelled by the supervisor
        "QDB_RAM_USAGE_LIMIT_BYTES": str(settings.questdb_memory_mb * 2**20),
        "QDB_QUERY_TIMEOUT": f"{round(settings.query_timeout * 1000)}",
        # readers' statements keep only these threads busy: HTTP, by which rows come in and the
        # supervisor cancels what takes too long, has its own
        "QDB_PG_WORKER_COUNT": "4",
        "QDB_PG_WORKER_NAP_THRESHOLD": "20",
        "QDB_HTTP_WORKER_COUNT": "2",
        "QDB_HTTP_WORKER_NAP_THRESHOLD": "20",
        # connections that ask nothing are dropped soon, so that they keep nobody out
        "QDB_HTTP_NET_CONNECTION_LIMIT": "128",
        "QDB_HTTP_NET_CONNECTION_TIMEOUT": "10000",
        "QDB_HTTP_MIN_NET_CONNECTION_LIMIT": "64",
        "QDB_HTTP_MIN_NET_CONNECTION_TIMEOUT": "10000",
        "QDB_PG_NET_CONNECTION_LIMIT": "128",
        "QDB_PG_NET_CONNECTION_TIMEOUT": "10000",
        # by default idle workers spin some 30 ms before they nap (for 1 ms): at 50 events/s that is
        # two thirds of a core, and on a busy machine a latency of half a second now and then
        "QDB_SHARED_WORKER_NAP_THRESHOLD": "20",
        "QDB_WAL_APPLY_WORKER_NAP_THRESHOLD": "20",
        # they nap 10,000 times before they sleep, for 10 ms: with rows each second, they never did
        **{f"QDB_{pool}_WORKER_SLEEP_THRESHOLD": "100" for pool in _QUESTDB_POOLS},
        # liq has no views in QuestDB: their threads look for work ten times a second
        "QDB_MAT_VIEW_REFRESH_WORKER_SLEEP_TIMEOUT": "100",
        "QDB_VIEW_COMPILER_WORKER_SLEEP_TIMEOUT": "100",
        "QDB_LOG_W_STDOUT_LEVEL": "ERROR,CRITICAL,ADVISORY",  # INFO logs every query
    }

    def healthy() -> bool:
        return (
            # of one with TLS, e.g. in QuestDB's cloud, the port for health checks is not public
            (settings.questdb_ca is not None or health.answers_http(host, probe, "/status"))
            and health.is_listening(host, http)
            and health.is_listening(host, pg)
        )

    return Service(
        name=QUESTDB,
        home=settings.home,
        argv=[
            *_JVM,
            "-p",
            str(jars / "questdb"),
            "-m",
            "io.questdb/io.questdb.ServerMain",
            "-d",
            str(root),
        ],
        env=env,
        ports={"questdb_http_port": http, "questdb_pg_port": pg, "questdb_health_port": probe},
        prepare=lambda: root.mkdir(parents=True, exist_ok=True),
        options=lambda: _choose_options(settings, jars, QUESTDB),
        stop_timeout=_STOP,
        healthy=healthy,
        address=settings.questdb_url,
        is_elsewhere=_is_elsewhere(settings, settings.questdb_host),
    )


def _choose_options(settings: Settings, jars: Path, name: str) -> list[str]:
    """Return the options of Java for a server that is to be started now."""
    unpacked = settings.home / "run" / f"{name}-libraries"
    return [*java.use_archive(jars, name), *java.avoid_noexec(unpacked)]


def _kafka_jvm(jars: Path) -> list[str]:
    return [*_JVM, f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}", "-cp", f"{jars}/kafka/*"]


def _format(jars: Path, config: Path, id_file: Path) -> None:
    """Prepare Kafka's empty data folder, for a cluster id that is kept in case of a retry."""
    if not id_file.exists():
        id_file.write_text(urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
    java.run(
        *java.read_archive(jars, KAFKA),
        *_kafka_jvm(jars)[1:],
        *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
        *(f"--cluster-id={id_file.read_text()}", f"--config={config}"),
        task="formatting Kafka's storage",
        seconds=_FORMAT_S,
    )


def render_properties(properties: Mapping[str, object]) -> str:
    """Return the text of a properties file; values may hold anything, keys are plain."""
    return "".join(f"{key}={escape_property(str(value))}\n" for key, value in properties.items())


def escape_property(value: str) -> str:
    """Escape a value so that `java.util.Properties` reads it unchanged."""
    return _ESCAPED.sub(lambda found: _escape_character(found[0]), value)


def _escape_character(character: str) -> str:
    if character in "\\ ":
        return f"\\{character}"
    code = character.encode("utf-16-be")  # beyond the basic plane Java has two for one
    return "".join(f"\\u{code[at : at + 2].hex()}" for at in range(0, len(code), 2))
