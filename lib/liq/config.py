"""Settings: the only reader of the environment.

Every setting is an environment variable ``LIQ_<NAME>``, and settings of a stream are
``LIQ_<STREAM>__<NAME>``. An unknown variable is an error, so a typo cannot pass silently. Secrets
are generated at first use and kept, readable by their owner only, in ``<home>/secrets.json``; an
environment variable wins over the file.
"""

import contextlib
import itertools
import json
import os
import re
import secrets
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from platformdirs import user_cache_path, user_data_path
from pydantic import (
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from liq.common import addresses
from liq.common.files import lock
from liq.common.text import find_meant, suggest
from liq.errors import ConfigError, LiqWarning
from liq.records.streams import STREAMS, KafkaName, StreamSettings

_PREFIX = "LIQ_"
_STREAMS = "streams"
_OF_STREAMS = TypeAdapter(dict[str, StreamSettings])
# The names of version 0.1 are accepted for one release: LIQ_TOPIC, LIQ_HEALTH_TOPIC and so on.
_OLD_PREFIXES = {
    "liquidations": "",
    "health": "health_",
    "price": "price_",
    "alerts": "alerts_",
    "cascades": "cascades_",
    "sums": "sums_",
}
_LAB = "lab_token"
SECRETS = (
    "questdb_admin_password",
    "questdb_reader_password",
    "kafka_password",
    "connect_password",
    "grafana_password",
    "token",
    _LAB,
)
# a URL may hold a comma, but the next URL begins after one
_BETWEEN_URLS = re.compile(r"(?P<between>[,\s]+)(?=(?:(?P<name>[^\s,=:/]+)=)?\w+://)")
_RECEIVER = re.compile(r"(?:(?P<name>[^\s,=:/]+)=)?(?P<url>(?P<scheme>\w+)://\S+)")
_RECEIVER_NAME = re.compile(r"[\w.-]+")
_PLAIN_URL = re.compile(r"[^\s?#<>\"'\\]+")
SPARK_SUBMIT = "spark-submit"
Port = Annotated[int, Field(ge=1, le=65535)]
App = Literal["dashboard", "api", "streamlit", "lab"]
_FOLDERS: Mapping[App, str] = {
    "dashboard": "",
    "api": "api/",
    "streamlit": "streamlit/",
    "lab": "jupyter/",
}
_REASONS = {  # of pydantic's errors, by their type
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "give a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "give a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "give true or false"),
    "finite_number": "give a finite number",
    "greater_than": "give more than {gt:g}",
    "greater_than_equal": "give {ge:g} or more",
    "less_than_equal": "give {le:g} or less",
    "path_type": "give the path of a file or folder",
}
_SEGMENT = re.compile(r"(?:[\w.~@-]|%[0-9A-Fa-f]{2})+", re.ASCII)


def _locate(find: Callable[[str], Path]) -> Path | str:
    """Return a folder of this user; blank, which is refused, for a user without a home."""
    try:
        return find("liq")
    except RuntimeError:
        return ""


class Receiver(NamedTuple):
    """A service that alerts are sent to; without a given name it has the scheme of its URL."""

    name: str
    url: SecretStr


class Settings(BaseSettings):
    """All settings of the stack, its clients and its apps. Build it with `Settings.load`.

    Example:
        >>> settings = liq.Settings.load(kafka_port=19092)
        >>> settings.kafka_bootstrap
        '127.0.0.1:19092'
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # a traceback shows these errors, and an input may be a password
    )

    home: Path = Field(
        _locate(user_data_path), validate_default=True, description="data, logs, pids and secrets"
    )
    cache: Path = Field(
        _locate(user_cache_path),
        validate_default=True,
        description="jars: downloaded, and compiled",
    )
    maven_mirror: str = Field(
        "https://repo1.maven.org/maven2",
        pattern=r"^https?://\S+$",
        repr=False,  # it may hold a login
        description="Maven repository that the jars are downloaded from",
    )
    query_timeout: float = Field(
        30.0, gt=0, le=3600, description="seconds until a query is cancelled"
    )
    progress_after: float = Field(
        2.0,
        ge=0,
        description="seconds after which notebooks and terminals show what is waited for; inf:"
        " never",
    )
    questdb_memory_mb: int = Field(
        1024,
        ge=256,
        description="MB of memory beside QuestDB's heap; a query that needs more fails",
    )
    queries: Path | None = Field(
        None,
        description="a file or a folder of queries that add to the shipped or replace them",
    )
    alerts: Path | None = Field(None, description="an alerts.json to use in place of the shipped")
    webhook_url: SecretStr = Field(SecretStr(""), description="where alerts are posted, http(s)")

    notify_urls: SecretStr = Field(
        SecretStr(""),
        description="services that alerts are sent to, as Apprise's URLs with commas between; each"
        " may have a name before it, NAME=URL",
    )

    host: str = Field("127.0.0.1", description="address that local services bind to")
    kafka_host: str = Field("127.0.0.1", description="broker to connect to")
    kafka_port: Port = Field(9092, description="Kafka broker")
    kafka_brokers: str = Field(
        "",
        pattern=r"^$|^[^\s:,]+:\d+(,[^\s:,]+:\d+)*$",
        description="brokers of a cluster, HOST:PORT,HOST:PORT, in place of kafka_host",
    )
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        "PLAINTEXT", description="SSL encrypts and verifies the broker; SASL_SSL also logs in"
    )
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how SASL_SSL logs in"
    )
    kafka_user: str = Field("liq", description="user of the Kafka login")
    kafka_ca: Path | None = Field(
        None,
        description="PEM file of the brokers' certificate authority; the system's by default",
    )
    kafka_controller_port: Port = Field(9093, description="Kafka KRaft controller")
    connect_host: str = Field("127.0.0.1", description="Kafka Connect worker to talk to")
    connect_port: Port = Field(8083, description="Kafka Connect REST")
    connect_login: bool = Field(
        default=False, description="Kafka Connect asks for user liq and connect_password"
    )
    questdb_host: str = Field("127.0.0.1", description="QuestDB to connect to")
    questdb_http_port: Port = Field(9000, description="QuestDB HTTP: console, ILP, export")
    questdb_pg_port: Port = Field(8812, description="QuestDB PostgreSQL wire")
    questdb_health_port: Port = Field(9003, description="QuestDB health check")
    questdb_ca: Path | None = Field(
        None,
        description="PEM file of QuestDB's certificate authority; if set, PostgreSQL wire and HTTP"
        " are encrypted and verified",
    )
    dashboard_port: Port = Field(8866, description="Voila dashboard")
    dashboard_kernels: int = Field(
        12, ge=1, le=1000, description="maximum number of dashboard kernels; further visitors queue"
    )
    api_port: Port = Field(8000, description="HTTP API")
    mcp_port: Port = Field(8001, description="tools for assistants, `liq mcp --http`")
    lab_port: Port = Field(8888, description="JupyterLab")
    streamlit_port: Port = Field(8501, description="Streamlit dashboard")
    simulator_port: Port = Field(8765, description="simulated exchange websockets")
    allowed_hosts: str = Field(
        "",
        pattern=r"^$|^[A-Za-z0-9._-]+(,[A-Za-z0-9._-]+)*$",
        description="more host names that browsers may use for the dashboard, JupyterLab, the API "
        "and Streamlit, with commas between; IP addresses and localhost always work",
    )

    base_url: str = Field(
        "",
        description="path of all apps behind a reverse proxy, such as /liq: the dashboard is there,"
        " the API, Streamlit and JupyterLab are in api/, streamlit/ and jupyter/ below it, and the"
        " tools for assistants at mcp",
    )

    public_url: str = Field(
        "",
        description="the dashboard's address for people, such as https://liq.example.org; links in"
        " alerts and reports begin with it. Without a path it gets the path of base_url. none: its"
        " address on this machine",
    )

    streams: Mapping[str, StreamSettings] = Field(
        {}, validate_default=True, description="topic, table, sink and retention by stream"
    )
    dlq_topic: KafkaName = Field("alt_liquidations_dlq", description="topic of dead letters")
    partitions: int = Field(3, ge=1, le=1000, description="partitions of each stream's topic")
    sink_tasks: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="tasks of each sink; none: the number in connect/altliqs.json",
    )
    buffer_mb: int = Field(
        256,
        ge=0,
        description="MB of disk per producer for unacknowledged messages; 0: memory only",
    )
    price_symbols: str = Field(
        "BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,DOGEUSDT,BNBUSDT,ADAUSDT,LINKUSDT,AVAXUSDT,SUIUSDT,LTCUSDT,"
        "WIFUSDT,1000PEPEUSDT",
        pattern=r"^[A-Z0-9_]+(,[A-Z0-9_]+)*$",
        description="Binance USD-M contracts whose mark price is followed, with commas between",
    )

    spark_master: str = Field(
        "local[*]",
        pattern=rf"^(local(\[.+\])?|spark://.+|{SPARK_SUBMIT})$",
        description="Spark's master: local[*], spark://HOST:PORT of a cluster, or spark-submit if"
        " that program starts the job and chooses the master",
    )
    spark_checkpoints: str = Field(
        "",
        description="folder or URL that every machine of Spark's cluster reaches; none: of home",
    )
    spark_log: Path | None = Field(
        None, description="file of Spark's log; none: logs/spark.log of home"
    )

    questdb_admin_user: str = Field("liq_admin", description="user that writes to QuestDB")
    questdb_admin_password: SecretStr = Field(
        SecretStr(""), description="password of questdb_admin_user"
    )
    questdb_reader_user: str = Field(
        "liq_reader", description="user of QuestDB that runs the queries, read-only"
    )
    questdb_reader_password: SecretStr = Field(
        SecretStr(""), description="password of questdb_reader_user"
    )
    kafka_password: SecretStr = Field(
        SecretStr(""), description="password of kafka_user, for SASL_SSL"
    )
    connect_password: SecretStr = Field(
        SecretStr(""), description="password of user liq on Kafka Connect, for connect_login"
    )
    grafana_password: SecretStr = Field(
        SecretStr(""), description="password of Grafana's user admin, in containers"
    )
    token: SecretStr = Field(
        SecretStr(""), description="opens the dashboard, the API and the tools for assistants"
    )
    lab_token: SecretStr = Field(SecretStr(""), description="opens JupyterLab, and with it a shell")
    api_token_required: bool = Field(
        default=False,
        description="ask for the token on loopback too; on other addresses the API always does",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no such file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor these
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read ``LIQ_<STREAM>__<NAME>`` beside the variables of single settings."""
        return init_settings, env_settings, _StreamVariables(settings_cls)

    @field_validator("streams", mode="before")
    @classmethod
    def _are_declared(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        return _complete({}, given)

    @field_validator(
        "queries", "alerts", "kafka_ca", "questdb_ca", "sink_tasks", "spark_log", mode="before"
    )
    @classmethod
    def _is_none_if_blank(cls, given: object) -> object:
        return None if given == "" else given

    @field_validator(
        "home", "cache", "host", "kafka_host", "connect_host", "questdb_host", mode="before"
    )
    @classmethod
    def _is_not_blank(cls, given: object) -> object:
        # a blank folder would be the current one, and a blank host all networks
        if isinstance(given, str) and not given.strip():
            raise ValueError("it is blank; give a value, or unset it")
        return given

    @field_validator("host")
    @classmethod
    def _is_not_ipv6(cls, host: str) -> str:
        """Refuse an IPv6 address: QuestDB and the JVMs of the stack listen by IPv4 only."""
        if ":" in host:
            raise ValueError(f"{host} is no IPv4 address; give one, such as 127.0.0.1, or a name")
        return host

    @field_validator("home", "cache")
    @classmethod
    def _can_be_named(cls, folder: Path, info: ValidationInfo) -> Path:
        """Refuse what Java's lists of folders cannot hold; take all else, ``~`` included."""
        path = folder.expanduser().absolute()
        separators = "," if info.field_name == "home" else ",:"
        if found := [each for each in separators if each in str(path)]:
            raise ValueError(f"Java reads {found[0]!r} as the end of a folder's name; give another")
        if info.field_name == "cache" and max(str(path)) > "\uffff":
            raise ValueError(f"Java finds no jar below a {max(str(path))}; give another")
        if not str(path).isprintable():
            raise ValueError(f"{str(path)!a} is no text that can be printed; give another")
        return path

    @field_validator("queries")
    @classmethod
    def _is_the_same_in_every_folder(cls, path: Path | None) -> Path | None:
        """Return an absolute path: kernels and services run in folders of their own."""
        return path and path.expanduser().absolute()

    @field_validator("base_url")
    @classmethod
    def _is_path(cls, given: str) -> str:
        """Return the path without a slash at its end; ``/`` itself stays."""
        path = given.strip("/")
        is_path = not given or (given[0] == "/" and given[1:2] != "/")
        if not is_path or not all(map(_is_segment, path.split("/") if path else [])):
            raise ValueError("give the path only, such as /liq, without host, query or ..")
        return f"/{path}" if given else ""

    @field_validator("public_url")
    @classmethod
    def _is_public(cls, given: str) -> str:
        """Return the address without a slash at its end. It is sent to people: no login in it."""
        parts = urlsplit(given)
        is_plain = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        _ = parts.port  # `ValueError` if it is none
        if given and not (is_plain and given.isascii() and _PLAIN_URL.fullmatch(given)):
            raise ValueError(
                "give an address such as https://liq.example.org, without login, query or fragment"
            )
        return given.rstrip("/")

    @field_validator("webhook_url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not url.get_secret_value().startswith(
            ("http://", "https://")
        ):
            raise ValueError("give an address that begins with http:// or https://")
        return url

    @field_validator("notify_urls")
    @classmethod
    def _are_urls(cls, given: SecretStr) -> SecretStr:
        _parse_receivers(given)
        return given

    @model_validator(mode="after")
    def _has_two_tokens(self) -> Self:
        lab = self.lab_token.get_secret_value()
        if lab and lab == self.token.get_secret_value():
            raise ValueError("LIQ_LAB_TOKEN must differ from LIQ_TOKEN: it opens a shell")
        return self

    @model_validator(mode="after")
    def _has_apart_streams(self) -> Self:
        _refuse_shared(self.streams, self.dlq_topic)
        return self

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment, then fill missing secrets from (or into) ``secrets.json``.

        JupyterLab's token is left out unless the environment has it, see `with_lab_token`.
        Raises `ConfigError` for an unknown ``LIQ_*`` variable or a value out of range.
        """
        _refuse_unknown(os.environ)
        try:
            settings = cls(**overrides)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from error
        return settings._filled(name for name in SECRETS if name != _LAB)

    def with_lab_token(self) -> Self:
        """Return these settings with JupyterLab's token, for the code that serves or opens it.

        The token opens a shell, so the dashboard, its kernels and all other processes do without.
        """
        return self._filled([_LAB])

    def with_streams(self, **changes: Mapping[str, Any]) -> Self:
        """Return a copy with other topics, tables, sinks or retention of some streams.

        For example, ``with_streams(liquidations={"topic": "mine"}, health={"ttl_days": 7})``.
        Raises `ConfigError` for an unknown stream, for a value that the setting cannot have, or for
        a topic, table or sink of another stream.
        """
        try:
            streams = _OF_STREAMS.validate_python(_complete(self.streams, changes))
        except ValidationError as error:
            raise ConfigError(_explain(error)) from error
        _refuse_shared(streams, self.dlq_topic)
        return self.model_copy(update={_STREAMS: streams})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values, unchecked but for their names.

        Raises `ConfigError` for the name of no setting, as those of streams are.
        """
        if unknown := sorted({*(update or {})} - {*type(self).model_fields}):
            raise ConfigError(
                f"unknown setting {', '.join(unknown)}; with_streams changes those of streams"
            )
        return super().model_copy(update=update, deep=deep)

    def __hash__(self) -> int:
        return hash(tuple(self.variables().items()))

    def _filled(self, names: Iterable[str]) -> Self:
        """Return a copy whose missing secrets among ``names`` come from ``secrets.json``."""
        missing = [name for name in names if not getattr(self, name).get_secret_value()]
        if not missing:
            return self
        stored = _stored_secrets(self.home)
        return self.model_copy(update={name: SecretStr(stored[name]) for name in missing})

    @property
    def kafka_bootstrap(self) -> str:
        """Addresses of brokers, ``host:port`` and commas between them."""
        return self.kafka_brokers or f"{self.kafka_host}:{self.kafka_port}"

    @property
    def connect_url(self) -> str:
        """Base URL of Kafka Connect's REST API."""
        return f"http://{self.connect_host}:{self.connect_port}"

    @property
    def questdb_url(self) -> str:
        """Base URL of QuestDB's HTTP server."""
        scheme = "https" if self.questdb_ca else "http"
        return f"{scheme}://{self.questdb_host}:{self.questdb_http_port}"

    @property
    def is_behind_proxy(self) -> bool:
        """Whether a proxy makes the apps public, so that none may be open without a token."""
        return bool(self.base_url)

    def find_path(self, app: App) -> str:
        """Return the path that an app is served at; it begins and ends with a slash."""
        if not self.is_behind_proxy:
            return "/"
        return f"{self.base_url.rstrip('/')}/{_FOLDERS[app]}"

    def find_url(self, app: App) -> str:
        """Return the address of an app on this machine, without a slash at its end."""
        host, port = addresses.name_local(self.host), getattr(self, f"{app}_port")
        return f"http://{host}:{port}{self.find_path(app)}".rstrip("/")

    @property
    def api_url(self) -> str:
        """Base URL of the HTTP API."""
        return self.find_url("api")

    @property
    def dashboard_url(self) -> str:
        """Base URL of the dashboard."""
        return self.find_url("dashboard")

    @property
    def public_dashboard_url(self) -> str:
        """Base URL of the dashboard in what is sent to people, without the token."""
        if not self.public_url:
            return self.dashboard_url
        has_path = bool(urlsplit(self.public_url).path)
        path = "" if has_path else self.find_path("dashboard").rstrip("/")
        return f"{self.public_url}{path}"

    @property
    def receivers(self) -> tuple[Receiver, ...]:
        """The services of ``notify_urls``."""
        return _parse_receivers(self.notify_urls)

    @property
    def mcp_path(self) -> str:
        """Path of the tools for assistants; without a slash at its end, as clients are given it."""
        return f"{self.base_url.rstrip('/')}/mcp"

    @property
    def mcp_url(self) -> str:
        """Address of the tools for assistants."""
        return f"http://{addresses.name_local(self.host)}:{self.mcp_port}{self.mcp_path}"

    @property
    def streamlit_url(self) -> str:
        """Base URL of the Streamlit dashboard."""
        return self.find_url("streamlit")

    @property
    def is_on_loopback(self) -> bool:
        """Whether local services are for this machine only."""
        return addresses.is_loopback(self.host)

    @property
    def recordings(self) -> Path:
        """Folder of raw frames that were kept, see `liq.ingest.recording`."""
        return self.home / "recordings"

    def environ(self) -> dict[str, str]:
        """Return the ``LIQ_*`` variables that make a child process see these very settings.

        JupyterLab's token is blank in them, so that no child inherits it from this process. So are
        old names of settings, which would else contradict the new ones.
        """
        outdated = dict.fromkeys(_find_outdated(os.environ), "")
        return {**self.variables(), name_variable(_LAB): "", **outdated}

    def variables(self) -> dict[str, str]:
        """Return all settings as ``LIQ_*`` variables."""
        values = {name_variable(name): getattr(self, name) for name in _list_single()}
        for stream, chosen in self.streams.items():
            values |= {name_variable(stream, name): value for name, value in chosen}
        return {name: _plain(value) for name, value in values.items() if value is not None}


class _StreamVariables(PydanticBaseSettingsSource):
    """The settings of streams, as the environment has them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the interface
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return {_STREAMS: _read_streams(os.environ)}


def _parse_receivers(given: SecretStr) -> tuple[Receiver, ...]:
    """Return the services of a list; raises `ValueError`, which shows none of it."""
    found = []
    texts = _split_addresses(given.get_secret_value().strip(", \n"))
    for number, text in enumerate(filter(None, texts), 1):
        parts = _RECEIVER.fullmatch(text)
        if not parts:
            raise ValueError(f"address {number} is none like ntfys://ntfy.sh/TOPIC or NAME=URL")
        if parts["name"] and not _RECEIVER_NAME.fullmatch(parts["name"]):
            raise ValueError(f"the name of address {number} may have letters, digits, '-_.' only")
        found.append(Receiver(parts["name"] or parts["scheme"], SecretStr(parts["url"])))
    return tuple(found)


def _split_addresses(text: str) -> Iterator[str]:
    """Yield the addresses of a list; raise `ValueError` where a query and a name look the same."""
    start = 0
    for match in _BETWEEN_URLS.finditer(text):
        address = text[start : match.start()]
        if "?" in address and match["name"] and match["between"] == ",":
            if not _RECEIVER_NAME.fullmatch(match["name"]):
                continue  # it is of the query
            raise ValueError(
                "a comma after a '?' is followed by NAME=URL; write %2C if it belongs to the query,"
                " or a blank after it if the next address begins there"
            )
        yield address
        start = match.end()
    yield text[start:]


@cache
def settings() -> Settings:
    """Return the process's settings, read once."""
    return Settings.load()


def choose_settings(given: Settings | None) -> Settings:
    """Return the settings that a caller gave, or the process's settings for None.

    Raises `ConfigError` for another value. Its text is left out, as it may hold a token.
    """
    if not isinstance(given, Settings | None):
        raise ConfigError(
            f"settings must be a liq.config.Settings, not {type(given).__name__};"
            " leave it out or give liq.config.Settings.load(...)"
        )
    return given or settings()


def _is_segment(text: str) -> bool:
    """Return whether a part of a path is a name, also as browsers read it: ``%2e%2e`` is none."""
    try:
        name = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return False
    is_name = name.isprintable() and "/" not in name and name not in (".", "..")
    return is_name and bool(_SEGMENT.fullmatch(text))


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def name_variable(*names: str) -> str:
    """Return the variable of a setting, or of a stream and its setting."""
    return _PREFIX + "__".join(names).upper()


def list_variables() -> list[str]:
    """Return the names of all variables that are read, sorted."""
    nested = (
        name_variable(each.name, name) for each in STREAMS for name in StreamSettings.model_fields
    )
    return sorted([*map(name_variable, _list_single()), *nested])


def _list_single() -> list[str]:
    return [name for name in Settings.model_fields if name != _STREAMS]


def _map_old_names() -> dict[str, tuple[str, str]]:
    """Return the stream and its setting by the variable's old name."""
    return {
        name_variable(prefix + name): (stream, name)
        for stream, prefix in _OLD_PREFIXES.items()
        for name in StreamSettings.model_fields
    }


def _find_outdated(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the old names that ``environ`` uses; an empty one is not in use."""
    return {old: names for old, names in _map_old_names().items() if environ.get(old)}


def _read_streams(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the settings of streams that ``environ`` has, by stream."""
    values: dict[str, dict[str, str]] = {}
    for stream in STREAMS:
        for name in StreamSettings.model_fields:
            if (value := environ.get(name_variable(stream.name, name))) is not None:
                values.setdefault(stream.name, {})[name] = value
    renamed = _find_outdated(environ)
    for old, (stream_name, name) in renamed.items():
        new, value = name_variable(stream_name, name), environ[old]
        if environ.get(new, value) != value:
            raise ConfigError(f"{old} and {new} differ; {old} is the old name, unset it")
        values.setdefault(stream_name, {})[name] = value
    if renamed:
        news = ", ".join(f"{name_variable(*names)} for {old}" for old, names in renamed.items())
        warnings.warn(f"old names of settings, use instead: {news}", LiqWarning, stacklevel=2)
    return values


def _complete(
    chosen: Mapping[str, StreamSettings], changes: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the settings of all streams: the changes, else the chosen, else the defaults."""
    usual = {stream.name: stream.defaults for stream in STREAMS}
    for name in changes:
        if name not in usual:
            raise ConfigError(f"there is no stream {name!r}{suggest(name, list(usual))}")
    return {
        name: dict(one) | dict(changes.get(name, {})) for name, one in {**usual, **chosen}.items()
    }


def _refuse_shared(streams: Mapping[str, StreamSettings], dlq_topic: str) -> None:
    """Raise `ConfigError` if two streams have one topic, table or sink.

    A sink rejects each record of another stream, and a dead letter in a stream's topic would become
    a dead letter for ever.
    """
    for (one, chosen), (other, others) in itertools.combinations(streams.items(), 2):
        if name := chosen.find_shared(others):
            both = f"{name_variable(one, name)} and {name_variable(other, name)}"
            raise ConfigError(f"{both} are both {getattr(others, name)!r}; change one of them")
    for stream, chosen in streams.items():
        if chosen.topic == dlq_topic:
            both = f"{name_variable('dlq_topic')} and {name_variable(stream, 'topic')}"
            raise ConfigError(f"{both} are both {dlq_topic!r}; change one of them")


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    valid = list_variables()
    known = {*valid, *_map_old_names()}
    # in other cases too: pydantic reads them, and a child would get both spellings
    ours = (name for name in environ if name.upper().startswith(_PREFIX))
    unknown = sorted(name for name in ours if name not in known)
    if unknown:
        names = [name.removeprefix(_PREFIX) for name in valid]  # the prefix is alike in all
        guesses = {name: find_meant(name[len(_PREFIX) :], names) for name in unknown}
        named = (
            f"{name} (did you mean {_PREFIX}{meant}?)" if meant else name
            for name, meant in guesses.items()
        )
        raise ConfigError(f"unknown setting {', '.join(named)}; valid are: {', '.join(valid)}")


def _explain(error: ValidationError) -> str:
    # pydantic's own text would print the input, and an input may be a password
    return "bad setting: " + "; ".join(_explain_one(item) for item in error.errors())


def _explain_one(fault: ErrorDetails) -> str:
    names = [str(part) for part in fault["loc"] if part != _STREAMS]
    text = fault["msg"].removeprefix("Value error, ")
    if plain := _REASONS.get(fault["type"]):
        text = plain.format(**fault.get("ctx", {}))
    if fault["type"] == "literal_error":
        choices = re.findall("'(.*?)'", text)
        text = f"not a choice{suggest(str(fault['input']), choices)}"
    if fault["type"] == "extra_forbidden":
        meant = find_meant(names[-1], _list_single())
        text = "there is no such setting" + (f", did you mean {meant}?" if meant else "")
    return f"{name_variable(*names)}: {text}" if names else text


def _stored_secrets(home: Path) -> dict[str, str]:
    """Return the secrets kept in ``home``; what is missing is made and kept first."""
    file = home / "secrets.json"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        # of two processes that start together one makes them
        held = lock(file, flags=os.O_RDWR | os.O_CREAT, mode=0o600)
    except OSError as error:
        raise ConfigError(
            f"cannot write {file}: {error.strerror}; set LIQ_HOME to a folder of yours"
        ) from error
    with contextlib.closing(held):
        descriptor = held.fileno()
        os.fchmod(descriptor, 0o600)
        try:
            with open(descriptor, closefd=False) as handle:
                text = handle.read()
            stored: dict[str, str] = json.loads(text) if text else {}
            made = {name: secrets.token_urlsafe(24) for name in SECRETS if name not in stored}
            stored |= made
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"cannot read {file}: it is not what liq wrote; delete it, and a new one is created"
            ) from error
        # in place, since the file is its own lock and a full disk has room for the old text only
        if made and not _overwrite(descriptor, json.dumps(stored).encode()):
            _overwrite(descriptor, text.encode())  # what was there has its room still
            raise ConfigError(f"cannot write {file}: the disk is full; free some")
    return stored


def _overwrite(descriptor: int, data: bytes) -> bool:
    """Replace the text of a file; return False if the disk has no room."""
    try:
        written = os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, written)
    except OSError:
        return False
    return written == len(data)
