"""The compared ways of events into QuestDB, each of them open as long as its block.

From Kafka there are liq's sink, the official connector with its defaults, and a script. The direct
way does without Kafka. liq's table deduplicates and has views. A script's table is a plain one, as
its author would create it, in which a row that is written twice is stored twice.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import httpx

from bench.environment import liq, module, wait_until
from liq.config import Settings
from liq.delivery import connect, messaging
from liq.query import questdb, views
from liq.records import rules
from liq.records.streams import LIQUIDATIONS

Way = Callable[[Settings], AbstractContextManager[object]]

_JSON = "org.apache.kafka.connect.json.JsonConverter"
_OURS = {
    "connector.class": connect.OWN,
    "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
}
# The official one flushes 75,000 rows, or those of a second. Ours keeps none back, so it is given
# as much by the broker: what came within a second, or a megabyte at once.
_LIKE_OFFICIAL = {
    "connector.class": connect.OWN,
    "value.converter": _JSON,
    "consumer.override.fetch.min.bytes": "1000000",
    "consumer.override.fetch.max.wait.ms": "1000",
    "consumer.override.max.poll.records": "75000",
}
_TUNED = ("allowed.lag", "consumer.override.")


@contextmanager
def own_sink(settings: Settings) -> Iterator[None]:
    """Carry the topic into the table as `liq up` has it done."""
    with _table(settings), _sink(settings, connect.build_configuration(settings) | _OURS):
        yield


@contextmanager
def unchecked_sink(settings: Settings) -> Iterator[None]:
    """Carry it by liq's sink without the rules of the record, to see what the rules cost."""
    described = connect.build_configuration(settings) | _OURS
    del described[rules.RULES]
    with _table(settings), _sink(settings, described):
        yield


@contextmanager
def official_sink(settings: Settings) -> Iterator[None]:
    """Carry it by the official connector with its defaults, or by ours that batches like it."""
    described = connect.build_configuration(settings)
    plain = {key: value for key, value in described.items() if not key.startswith(_TUNED)}
    if official(settings):
        client = plain["client.conf.string"].partition("auto_flush")[0]
        chosen = plain | {"client.conf.string": client}
    else:
        chosen = plain | _LIKE_OFFICIAL
    with _table(settings), _sink(settings, chosen):
        yield


@contextmanager
def script(settings: Settings) -> Iterator[None]:
    """Carry it by kafka-python and psycopg, see `bench.scripts.consumer`."""
    with _plain_table(settings), module(settings, "bench.scripts.consumer"):
        yield


def official(settings: Settings) -> bool:
    """Whether the worker has the official connector."""
    return connect.build_configuration(settings)["connector.class"] == connect.OFFICIAL


def named_official(settings: Settings) -> str:
    """Return what `official_sink` is."""
    return "official connector" if official(settings) else "our sink, batching like the official"


def through(sink: Way) -> Way:
    """Return the whole way from the simulated exchange: producer, Kafka, ``sink``."""

    @contextmanager
    def way(settings: Settings) -> Iterator[None]:
        messaging.ensure_topics(settings)
        with sink(settings), liq(settings, "produce", "--url", url(settings)):
            yield

    return way


@contextmanager
def direct(settings: Settings) -> Iterator[None]:
    """Carry events without Kafka, see `bench.scripts.direct`."""
    with _plain_table(settings), module(settings, "bench.scripts.direct", url(settings)):
        yield


def url(settings: Settings) -> str:
    """Return where the simulated exchange has all liquidations of Binance USD-M."""
    return f"ws://{settings.host}:{settings.simulator_port}/market/ws/!forceOrder@arr"


@contextmanager
def _sink(settings: Settings, configuration: Mapping[str, str]) -> Iterator[None]:
    path = f"{settings.connect_url}/connectors/{LIQUIDATIONS.connector(settings)}/config"
    httpx.put(path, json=configuration, timeout=30, trust_env=False).raise_for_status()
    try:
        wait_until(lambda: connect.read_status(settings).is_running, timeout=60)
        yield
    finally:
        connect.remove(settings)


@contextmanager
def _table(settings: Settings) -> Iterator[None]:
    questdb.ensure_table(settings)
    views.ensure(settings)
    try:
        yield
    finally:
        for view in views.VIEWS:
            if view.stream is LIQUIDATIONS:
                questdb.execute(f"DROP MATERIALIZED VIEW {view.name(settings)}", settings=settings)
        questdb.execute(f"DROP TABLE {LIQUIDATIONS.table(settings)}", settings=settings)


@contextmanager
def _plain_table(settings: Settings) -> Iterator[None]:
    ddl = questdb.render_ddl(LIQUIDATIONS.table(settings)).partition(" DEDUP")[0]
    questdb.execute(ddl, settings=settings)
    try:
        yield
    finally:
        questdb.execute(f"DROP TABLE {LIQUIDATIONS.table(settings)}", settings=settings)
