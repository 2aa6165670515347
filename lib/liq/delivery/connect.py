"""The door to Kafka Connect; no other module calls its REST API.

The sink that carries a topic into QuestDB is described once, in ``connect/altliqs.json``, which a
user may post unchanged with curl. `ensure` registers the same description with this stack's topic,
table and addresses, for any stream of `liq.records.streams`. The official QuestDB connector is used
where it is installed, else liq's own sink, which takes the same configuration. Only liq's own sink
checks records by the rules in it.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from liq import config
from liq.common import files, http
from liq.common.text import describe_error
from liq.common.waiting import show_wait
from liq.config import Settings, choose_settings
from liq.errors import ConnectError
from liq.records import coins, rules
from liq.records.streams import LIQUIDATIONS, Stream

OFFICIAL = "io.questdb.kafka.QuestDBSinkConnector"
OWN = "io.liq.connect.LiqQuestDBSinkConnector"

_BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
_DESCRIPTION = "connect/altliqs.json"
_ABSENT, _RUNNING, _STOPPED, _FAILED = "ABSENT", "RUNNING", "STOPPED", "FAILED"
_USER = "liq"
_REQUEST_S = 40.0  # the first request for a connector loads its classes; rebalances take a while
_STATE_S = 10.0  # for the state, which callers poll
_LAST_LOOK_S = 5.0
_GLANCE_S = 2.0  # the end of a producer waits for it
_REBALANCE = "Request cannot be completed because a rebalance is expected"
_POLL_S = 0.1
_FAILURE_GRACE_S = 5.0
# half a second of rows is one commit: Kafka holds a fetch for so long, unless it has these bytes
_GATHERING = {"consumer.override.fetch.min.bytes": "1048576"}
_OVERRIDE = "consumer.override."
_REFUSED = re.compile(r"The '.+?' policy does not allow '(.+?)' to be overridden")
_BOILERPLATE = ("Exiting WorkerSinkTask", "Tolerance exceeded")


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task: ``state`` is Connect's (RUNNING, FAILED, ...), ``reason`` why it failed."""

    id: int
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """The sink as Connect sees it; ``state`` is ABSENT where no such connector is registered."""

    name: str
    state: str
    version: str = ""
    reason: str = ""
    tasks: tuple[TaskStatus, ...] = ()

    @property
    def is_running(self) -> bool:
        """Whether the connector and all its tasks run."""
        states = {self.state, *(task.state for task in self.tasks)}
        return bool(self.tasks) and states == {_RUNNING}

    @property
    def failures(self) -> list[str]:
        """What failed and why, one line a part."""
        parts = [(f"connector {self.name}", self.state, self.reason)]
        parts += [(f"task {task.id}", task.state, task.reason) for task in self.tasks]
        return [f"{name}: {reason}" for name, state, reason in parts if state == _FAILED]


def ensure(
    settings: Settings | None = None,
    stream: Stream = LIQUIDATIONS,
    *,
    repoint: bool = False,
    timeout: float = 60.0,
) -> ConnectorStatus:
    """Register the stream's sink, or bring the registered one up to date, and wait until it runs.

    If the registered configuration is right, only failed tasks are restarted. A sink with another
    topic or table is changed only with ``repoint``, since rows of its present topic would no longer
    reach QuestDB.

    Raises:
        ConnectError: The sink has another topic or table, Connect is unreachable or refuses the
            configuration, or the sink does not run after ``timeout`` seconds.
    """
    settings = choose_settings(settings)
    with (
        http.within(timeout + _LAST_LOOK_S),
        show_wait(f"starting the sink {stream.connector(settings)}", settings.progress_after),
    ):
        return _ensure(settings, stream, time.monotonic() + timeout, repoint=repoint)


def _ensure(
    settings: Settings, stream: Stream, deadline: float, *, repoint: bool
) -> ConnectorStatus:
    wanted = build_configuration(settings, stream)
    path = _path(settings, stream)
    registered = _request(settings, "GET", f"{path}/config", missing_ok=True)
    if registered is None:
        _request(settings, "PUT", f"{path}/config", json=wanted)
    elif registered != wanted | {"name": stream.connector(settings)}:
        if not repoint:
            _check_way(registered, wanted, settings, stream)
        _replace(settings, stream, wanted, deadline)
    elif read_status(settings, stream).failures:
        restart(settings, stream)
    return _await(settings, stream, lambda sink: sink.is_running, deadline)


def _check_way(
    registered: Mapping[str, str], wanted: Mapping[str, str], settings: Settings, stream: Stream
) -> None:
    now, then = (
        " into ".join(str(each.get(key)) for key in ("topics", "table"))
        for each in (registered, wanted)
    )
    if now != then:
        variable = config.name_variable(stream.name, "connector")
        raise ConnectError(
            f"sink {stream.connector(settings)} carries {now}; with these settings it would carry"
            f" {then} instead. To keep it and add a second sink:"
            f" {variable}=NAME liq init; to change this one: liq init --force"
        )


def build_configuration(
    settings: Settings | None = None, stream: Stream = LIQUIDATIONS
) -> dict[str, str]:
    """Return a sink's configuration: ``connect/altliqs.json`` with stream and settings filled in.

    The password in it is a reference that the worker resolves. Raises `ConnectError` when the file
    cannot be used, when Connect is unreachable, or when it has no sink for QuestDB.
    """
    settings = choose_settings(settings)
    described, columns = _described(), stream.columns()
    address = f"{settings.questdb_host}:{settings.questdb_http_port}"
    client = re.sub(r"\baddr=[^;]*", f"addr={address}", described["client.conf.string"])
    if settings.questdb_ca:  # of which the worker's Java knows
        client = re.sub(r"^http::", "https::", client)
    tasks = settings.sink_tasks or described["tasks.max"]
    return described | {
        **_sink(settings),
        **(_GATHERING if stream.is_continuous else {}),
        "tasks.max": str(tasks),
        "topics": stream.topic(settings),
        "table": stream.table(settings),
        "symbols": ",".join(name for name, kind in columns.items() if kind == "SYMBOL"),
        "doubles": ",".join(name for name, kind in columns.items() if kind == "DOUBLE"),
        rules.RULES: rules.describe(stream.record),
        coins.COINS: coins.describe(),
        "errors.deadletterqueue.topic.name": settings.dlq_topic,
        "client.conf.string": re.sub(
            r"\busername=[^;]*", f"username={settings.questdb_admin_user}", client
        ),
    }


def read_status(settings: Settings | None = None, stream: Stream = LIQUIDATIONS) -> ConnectorStatus:
    """Return the state of the sink and its tasks.

    Raises `ConnectError` when Connect is unreachable, or does not answer within 10 seconds.
    """
    settings = choose_settings(settings)
    path = f"{_path(settings, stream)}/status"
    with http.within(_STATE_S):
        found = _request(settings, "GET", path, missing_ok=True)
    return _status(stream.connector(settings), found)


def read_statuses(
    settings: Settings, streams: Sequence[Stream], *, timeout: float
) -> list[ConnectorStatus]:
    """Return the states of the streams' sinks, asked for in one request.

    Raises `ConnectError` when Connect is unreachable or busy, or takes longer than ``timeout``
    seconds.
    """
    found = _connectors(settings, "status", timeout)
    names = (stream.connector(settings) for stream in streams)
    return [_status(name, found[name]["status"] if name in found else None) for name in names]


def describe_unread(settings: Settings, streams: Iterable[Stream]) -> str:
    """Return a warning that names the topics of ``streams`` that no sink into QuestDB reads.

    A sink may have any name. The text is empty if each topic has a sink, and if the worker is
    unreachable or does not answer within 2 seconds.
    """
    try:
        found = _connectors(settings, "info", _GLANCE_S)
    except ConnectError:
        return ""
    sinks = [each["info"]["config"] for each in found.values()]
    sinks = [each for each in sinks if each["connector.class"] in (OFFICIAL, OWN)]
    topics = [stream.topic(settings) for stream in streams]
    lost = [topic for topic in topics if not any(_reads(sink, topic) for sink in sinks)]
    if not lost:
        return ""
    names = ", ".join(lost)
    return f"no sink reads topic {names}: `liq init` with the same settings registers one"


def _reads(sink: Mapping[str, str], topic: str) -> bool:
    named = {name.strip() for name in sink.get("topics", "").split(",")}
    return topic in named or bool(re.fullmatch(sink.get("topics.regex", "(?!)"), topic))


def _connectors(settings: Settings, expand: str, timeout: float) -> dict[str, Any]:
    with http.within(timeout):
        answer = _send(settings, "GET", "/connectors", params={"expand": expand})
    if answer.is_error:
        raise ConnectError(f"Kafka Connect refused GET /connectors: {_complaint(answer)}")
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConnectError(f"{settings.connect_url} answers, but not as Kafka Connect does")
    return found


def _status(name: str, found: Any) -> ConnectorStatus:
    if found is None:
        return ConnectorStatus(name, _ABSENT)
    connector = found["connector"]
    return ConnectorStatus(
        name=name,
        state=connector["state"],
        version=connector.get("version", ""),
        reason=_reason(connector.get("trace", "")),
        tasks=tuple(
            TaskStatus(task["id"], task["state"], _reason(task.get("trace", "")))
            for task in found["tasks"]
        ),
    )


def restart(settings: Settings | None = None, stream: Stream = LIQUIDATIONS) -> None:
    """Restart the failed parts of the sink only.

    Raises `ConnectError` when Connect is unreachable or the sink is not registered.
    """
    settings = choose_settings(settings)
    parts = {"includeTasks": "true", "onlyFailed": "true"}
    _request(settings, "POST", f"{_path(settings, stream)}/restart", params=parts)


def remove(settings: Settings | None = None, stream: Stream = LIQUIDATIONS) -> None:
    """Unregister the sink, if it is registered. Raises `ConnectError` if Connect is unreachable."""
    settings = choose_settings(settings)
    _request(settings, "DELETE", _path(settings, stream), missing_ok=True)


def _path(settings: Settings, stream: Stream) -> str:
    return f"/connectors/{stream.connector(settings)}"


def _described() -> dict[str, str]:
    file = files.find_asset(_DESCRIPTION)
    try:
        described: dict[str, str] = json.loads(file.read_text())["config"]
    except (OSError, ValueError, KeyError) as error:
        raise ConnectError(f"{file} is no description of a sink: {error!r}") from error
    faults = _legacy_faults(described)
    if faults:
        raise ConnectError(f"{file}: " + "; ".join(faults))
    return described


def _legacy_faults(described: Mapping[str, str]) -> list[str]:
    """Return mistakes of older guides, which the official connector accepts without a message."""
    faults = [
        f"{key} is no option of InsertField; rename it to {key[: -len('field')]}timestamp.field"
        for key in described
        if re.fullmatch(r"transforms\.[^.]+\.field", key)
        and "InsertField" in described.get(key[: -len("field")] + "type", "")
    ]
    if "client.conf.string" not in described:
        faults.append(
            "client.conf.string is missing (host selects the deprecated TCP transport, which drops"
            ' rows without an error); set "client.conf.string": "http::addr=HOST:9000;"'
        )
    return faults


def _sink(settings: Settings) -> dict[str, str]:
    """Return the class of the sink that Connect has, and the value converter that it needs."""
    plugins = _request(settings, "GET", "/connector-plugins")
    # liq's sink answers to the official name too, with a version that says so
    names = {each["class"] for each in plugins if not each.get("version", "").startswith("liq-")}
    if OFFICIAL in names:
        return {"connector.class": OFFICIAL}
    if OWN in names:
        return {"connector.class": OWN, "value.converter": _BYTES}  # it reads JSON faster itself
    raise ConnectError(
        f"Kafka Connect at {settings.connect_url} has no sink for QuestDB; put the official"
        " connector or liq's (mvn -f connect/pom.xml package) on its plugin.path"
    )


def _replace(settings: Settings, stream: Stream, wanted: dict[str, str], deadline: float) -> None:
    """Change the configuration while no task runs, so that no old task is taken for a new one."""
    path = _path(settings, stream)
    _request(settings, "PUT", f"{path}/stop")
    _await(settings, stream, lambda sink: sink.state == _STOPPED and not sink.tasks, deadline)
    try:
        _request(settings, "PUT", f"{path}/config", json=wanted)
    finally:
        _request(settings, "PUT", f"{path}/resume")


def _await(
    settings: Settings,
    stream: Stream,
    reached: Callable[[ConnectorStatus], bool],
    deadline: float,
) -> ConnectorStatus:
    while not reached(current := read_status(settings, stream)):
        now = time.monotonic()
        if current.failures:
            # the answer may be the state before a restart, so ask again
            deadline = min(deadline, now + _FAILURE_GRACE_S)
        if now > deadline:
            why = "; ".join(current.failures) or f"{current.state}, {len(current.tasks)} tasks"
            raise ConnectError(f"sink {current.name} does not run: {why}")
        time.sleep(_POLL_S)
    return current


def _request(
    settings: Settings, method: str, path: str, *, missing_ok: bool = False, **options: Any
) -> Any:
    """Return the answer's JSON, None for an empty one or an accepted 404."""
    with http.within(_REQUEST_S):
        answer = _send(settings, method, path, **options)
        while _busy(answer) and http.time_left() > _POLL_S:
            time.sleep(_POLL_S)
            answer = _send(settings, method, path, **options)
    if answer.status_code == httpx.codes.NOT_FOUND and missing_ok:
        return None
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise ConnectError(
            f"Kafka Connect at {settings.connect_url} refused the login: set LIQ_CONNECT_LOGIN=true"
            " and LIQ_CONNECT_PASSWORD to the worker's password"
        )
    if answer.is_error:
        reason = _complaint(answer)
        if refused := _REFUSED.findall(reason):
            raise ConnectError(_describe_policy(settings, refused))
        raise ConnectError(f"Kafka Connect refused {method} {path}: {reason}")
    return answer.json() if answer.content else None


def _describe_policy(settings: Settings, refused: Iterable[str]) -> str:
    """Return how a worker is made to take the sizes of polls that sinks have."""
    keys = {**_described(), **_GATHERING}
    needed = [key.removeprefix(_OVERRIDE) for key in keys if key.startswith(_OVERRIDE)]
    return (
        f"Kafka Connect at {settings.connect_url} allows no sink to set {', '.join(refused)}; set"
        " connector.client.config.override.policy=Allowlist and"
        f" connector.client.config.override.allowlist={','.join(needed)} in the properties of its"
        " worker (an older worker has the policy All) and restart it"
    )


def _send(settings: Settings, method: str, path: str, **options: Any) -> httpx.Response:
    url = settings.connect_url + path
    try:
        # it is plain HTTP: to load certificates for that would take 18 ms each time
        with http.Client(
            _REQUEST_S, auth=_login(settings), trust_env=False, verify=False
        ) as client:
            return client.request(method, url, **options)
    except httpx.HTTPError as error:
        raise ConnectError(
            f"Kafka Connect at {settings.connect_url}: {describe_error(error)};"
            " start it with `liq up`, or set LIQ_CONNECT_HOST and LIQ_CONNECT_PORT"
        ) from error


def _login(settings: Settings) -> tuple[str, str] | None:
    if not settings.connect_login:
        return None
    return _USER, settings.connect_password.get_secret_value()


def _busy(answer: httpx.Response) -> bool:
    """Whether the worker is in a rebalance, or so young that it does not know its own paths."""
    unknown = answer.status_code == httpx.codes.NOT_FOUND and "html" in answer.text[:20]
    rebalancing = answer.is_error and _REBALANCE in answer.text  # some requests say so with a 500
    return unknown or rebalancing or answer.status_code == httpx.codes.CONFLICT


def _complaint(answer: httpx.Response) -> str:
    try:
        text = str(answer.json()["message"])
    except (ValueError, KeyError):
        text = answer.text
    # Connect ends its list of faults with where to find the same list
    return " ".join(text.split("\nYou can also find")[0].split())


def _reason(trace: str) -> str:
    """Return the first message of a Java trace that is not Connect's own way of saying "failed"."""
    messages = re.findall(r"^(?:Caused by: )?[\w.$]+: (.+)$", trace, re.MULTILINE)
    specific = [message for message in messages if not message.startswith(_BOILERPLATE)]
    return next(iter(specific or messages), trace)
