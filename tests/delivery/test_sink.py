"""What a sink promises, on the real servers.

The tests run against the sink that `liq.delivery.connect` picks: the official connector where the
worker has it, else liq's own, which promises more.
"""

import json
import os
import re
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pandas as pd
import pytest
from kafka import KafkaConsumer, KafkaProducer

from liq import stack as local
from liq.config import Settings
from liq.delivery import connect, messaging
from liq.query import questdb
from liq.records.model import encode
from liq.records.streams import LIQUIDATIONS
from liq.stack import ServiceState
from support.helpers import PATIENCE_S, eventually, own_streams
from support.proxy import Proxy
from support.records import numbered
from support.workers import own_worker

pytestmark = pytest.mark.stack

TS = 1_732_000_000_000_001
PRINT = msgspec.structs.replace(
    numbered(-1), ts=TS, recv_ts=TS + 4_321, price=90_000.5, quantity=0.014, notional=1_260.007
)


class DeadLetter(NamedTuple):
    value: bytes | None
    reason: str


class Pipe:
    """A topic, a dead-letter topic and a table of their own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._producer = KafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap, metrics_enabled=False
        )
        self._ids = iter(range(1, 10**9))

    def close(self) -> None:
        self._producer.close()

    def send(self, *values: bytes | None) -> None:
        for number, value in enumerate(values):
            partition = number % self.settings.partitions
            self._producer.send(
                LIQUIDATIONS.topic(self.settings), value=value, key=b"key", partition=partition
            )
        self._producer.flush()

    def message(self, **changes: Any) -> bytes:
        """Return a good message with a new event_id, or one spoilt by ``changes``."""
        fields = {**msgspec.to_builtins(PRINT), "event_id": next(self._ids), **changes}
        return json.dumps({k: v for k, v in fields.items() if v is not ...}).encode()

    def rows(self, *messages: bytes) -> pd.DataFrame:
        """Wait for the rows of ``messages`` and return them in the order of event_id."""
        ids = [json.loads(message)["event_id"] for message in messages]
        table = LIQUIDATIONS.table(self.settings)
        sql = f"SELECT * FROM {table} WHERE event_id >= %s AND event_id <= %s"  # noqa: S608 - our own name

        def all_there() -> list[pd.DataFrame]:
            frame = questdb.fetch(sql, [min(ids), max(ids)], self.settings)
            return [frame] if len(frame) >= len(ids) else []

        [found] = eventually(all_there)
        return found.sort_values("event_id", ignore_index=True)

    def columns(self) -> list[str]:
        sql = f"SHOW COLUMNS FROM {LIQUIDATIONS.table(self.settings)}"
        return list(questdb.fetch(sql, None, self.settings)["column"])

    def count(self) -> int:
        sql = f"SELECT count() AS n FROM {LIQUIDATIONS.table(self.settings)}"  # noqa: S608 - our own name
        frame = questdb.fetch(sql, None, self.settings)
        return int(frame["n"][0])

    def dead_letters(self, count: int) -> list[DeadLetter]:
        """Wait until the dead-letter topic holds ``count`` messages and return all it holds."""
        consumer = KafkaConsumer(
            self.settings.dlq_topic,
            bootstrap_servers=self.settings.kafka_bootstrap,
            auto_offset_reset="earliest",
            metrics_enabled=False,
        )
        letters: list[DeadLetter] = []

        def poll() -> bool:
            for batch in consumer.poll(timeout_ms=200).values():
                letters.extend(_dead_letter(record) for record in batch)
            return len(letters) >= count

        try:
            eventually(poll)
            consumer.poll(timeout_ms=500)
        finally:
            consumer.close()
        return letters


def _dead_letter(record: Any) -> DeadLetter:
    headers = dict(record.headers)
    return DeadLetter(record.value, headers["__connect.errors.exception.message"].decode())


@contextmanager
def open_pipe(stack: Settings, *, partitions: int = 1, **config: str) -> Iterator[Pipe]:
    """Set up a pipe of its own, with ``config`` over the shipped configuration of the sink."""
    settings = own_streams(stack, LIQUIDATIONS).model_copy(update={"partitions": partitions})
    messaging.ensure_topics(settings)
    questdb.ensure_table(settings)
    pipe = Pipe(settings)
    try:
        if config:
            put(settings, **config)
        else:
            connect.ensure(settings)
        yield pipe
    finally:
        pipe.close()
        connect.remove(settings)


def put(settings: Settings, **config: str) -> None:
    changed = connect.build_configuration(settings) | {
        k.replace("_", "."): v for k, v in config.items()
    }
    url = f"{settings.connect_url}/connectors/{LIQUIDATIONS.connector(settings)}/config"
    httpx.put(url, json=changed, timeout=PATIENCE_S).raise_for_status()


@pytest.fixture(scope="module")
def own_sink(stack: Settings) -> None:
    """Mark a promise of liq's sink that the official connector does not make."""
    if connect.build_configuration(stack)["connector.class"] == connect.OFFICIAL:
        pytest.skip("the official connector, which the worker has, does not promise this")


@pytest.fixture(scope="module")
def pipe(stack: Settings) -> Iterator[Pipe]:
    with open_pipe(stack) as opened:
        yield opened


def test_every_field_arrives_as_it_was_sent(pipe: Pipe) -> None:
    pipe.send(encode(PRINT))
    row = pipe.rows(encode(PRINT)).iloc[0]
    for name, value in msgspec.to_builtins(PRINT).items():
        stored = row[name].value // 1000 if name in ("ts", "recv_ts") else row[name]
        assert stored == value, name


def test_a_whole_number_is_as_good_a_price_as_a_fraction(pipe: Pipe) -> None:
    messages = [pipe.message(price=90_000), pipe.message(price=90_000.25), pipe.message(price=1e-9)]
    pipe.send(*messages)
    assert list(pipe.rows(*messages)["price"]) == [90_000.0, 90_000.25, 1e-9]


def test_without_rules_a_null_or_missing_field_is_null(stack: Settings) -> None:
    with open_pipe(stack, record_rules="") as pipe:
        messages = [pipe.message(price=None, base=None), pipe.message(price=..., base=...)]
        pipe.send(*messages)
        assert pipe.rows(*messages)[["price", "base"]].isna().all(axis=None)


def test_text_of_any_script_arrives(pipe: Pipe) -> None:
    names = ["币安", 'a,b c=d"e\\f\ng']
    messages = [pipe.message(symbol=name) for name in names]
    pipe.send(*messages)
    assert list(pipe.rows(*messages)["symbol"]) == names


NOT_JSON = "no JSON: Un|Converting byte\\[\\] to Kafka Connect data failed"
BAD = {
    "cut short": ({"raw": b'{"ts":1732000000000001'}, NOT_JSON),
    "not JSON": ({"raw": b"hello"}, NOT_JSON),
    "not an object": ({"raw": b"[1,2,3]"}, "no JSON object|value does not exist"),
    "null timestamp": ({"ts": None}, "null"),
    "timestamp as text": ({"ts": "2024-11-19"}, "whole number, not String|parse timestamp"),
    "fraction of a microsecond": ({"ts": TS + 0.5}, "whole number, not Double|Unsupported"),
    "timestamp before 1970": ({"ts": -1}, "1970"),
    "price as text": ({"price": "90000"}, '"price" takes a number|column: price; cast error'),
    "a list as price": ({"price": [1.0]}, '"price" takes a number|column: price; cast error'),
    "fraction for a whole number": (
        {"event_id": 1.5},
        '"event_id" takes a whole|column: event_id; cast error',
    ),
    "text for a timestamp column": (
        {"recv_ts": "now"},
        '"recv_ts" takes a whole|column: recv_ts; cast error',
    ),
    "unknown column": ({"leverage": 20}, '"leverage" is no field|leverage does not exist'),
    "unknown nested column": ({"order": {"id": 1}}, '"order" is no field|order_id does not exist'),
    "dotted column name": ({"a.b": 1}, '"a.b" is no field|illegal char|a_b does not exist'),
}
# what the official connector stores as something else, or fails on for good
WORSE = {
    "empty object": ({"raw": b"{}"}, '"ts" is missing'),
    "only a timestamp": ({"raw": b'{"ts":1732000000000001}'}, '"recv_ts" is missing'),
    "no timestamp": ({"ts": ...}, '"ts" is missing'),
    "nanoseconds for microseconds": ({"ts": TS * 1000}, "outside the years 1970 to 9999"),
    "price as truth": ({"price": True}, '"price" takes a number >=2e-10 .*, not Boolean'),
    "illegal column name": ({"a-b": 1}, '"a-b" is no field'),
    "text the client would spoil": ({"symbol": "🚀USDT"}, "cannot send the text"),
    "a number beyond 64 bits": ({"event_id": 2**63}, "out of range of long"),
    "half a character": ({"symbol": "\ud83d"}, "cannot send the text"),
}


@pytest.mark.parametrize(("spoilt", "reason"), BAD.values(), ids=BAD)
def test_a_bad_record_is_set_aside_alone(pipe: Pipe, spoilt: dict[str, Any], reason: str) -> None:
    _assert_set_aside(pipe, spoilt, reason)


@pytest.mark.usefixtures("own_sink")
@pytest.mark.parametrize(("spoilt", "reason"), WORSE.values(), ids=WORSE)
def test_a_worse_record_is_set_aside_alone(pipe: Pipe, spoilt: dict[str, Any], reason: str) -> None:
    _assert_set_aside(pipe, spoilt, reason)


def _assert_set_aside(pipe: Pipe, spoilt: dict[str, Any], reason: str) -> None:
    marker = uuid.uuid4().hex
    bad = spoilt.get("raw") or pipe.message(raw_side=marker, **spoilt)
    before, after = pipe.message(), pipe.message()
    columns = pipe.columns()
    pipe.send(before, bad, after)
    assert len(pipe.rows(before, after)) == 2
    letter = eventually(lambda: [one for one in pipe.dead_letters(1) if one.value == bad])[0]
    assert re.search(reason, letter.reason), letter.reason
    assert pipe.columns() == columns


@pytest.mark.usefixtures("own_sink")
def test_a_tombstone_is_set_aside(pipe: Pipe) -> None:
    after = pipe.message()
    pipe.send(None, after)
    assert len(pipe.rows(after)) == 1
    letters = [letter for letter in pipe.dead_letters(1) if letter.value is None]
    assert [letter.reason for letter in letters] == [
        "the record has no value (a tombstone); a row cannot be deleted through this sink"
    ]


def test_bad_records_in_one_big_batch_cost_no_good_one(stack: Settings) -> None:
    """QuestDB refuses them: there are no rules here by which the sink would."""
    with open_pipe(stack, record_rules="") as pipe:
        connect.remove(pipe.settings)
        messages = [pipe.message() for _ in range(4_000)]
        bad = {place: pipe.message(event_id=place + 0.5) for place in (0, 1, 1_777, 3_999)}
        mixed = [bad.get(place, message) for place, message in enumerate(messages)]
        pipe.send(*mixed)
        put(pipe.settings, record_rules="")
        assert [letter.value for letter in pipe.dead_letters(4)] == list(bad.values())
        eventually(lambda: pipe.count() == 3_996)


def test_the_unit_of_a_timestamp_is_reported_by_its_size(stack: Settings) -> None:
    with open_pipe(stack, timestamp_units="auto") as pipe:
        sizes = [1_732_000_000 * 10**digits for digits in (0, 3, 6, 9)]
        messages = [pipe.message(ts=size) for size in sizes]
        pipe.send(*messages)
        assert set(pipe.rows(*messages)["ts"]) == {pd.Timestamp(1_732_000_000, unit="s", tz="UTC")}


UNITS = {"seconds": 10**6, "millis": 10**3, "micros": 1, "nanos": 1 / 10**3}


@pytest.mark.parametrize(("unit", "micros"), UNITS.items(), ids=UNITS)
def test_the_unit_of_a_timestamp_is_as_configured(
    stack: Settings, unit: str, micros: float
) -> None:
    with open_pipe(stack, timestamp_units=unit) as pipe:
        message = pipe.message(ts=round(1_732_000_000_000_000 / micros))
        pipe.send(message)
        assert list(pipe.rows(message)["ts"]) == [pd.Timestamp(1_732_000_000, unit="s", tz="UTC")]


def test_late_rows_take_their_place_in_time(pipe: Pipe) -> None:
    """Of days before, and of the same moment as others."""
    day = 86_400_000_000
    times = [TS, TS - 40 * day, TS + 1, TS - day, TS, TS - 40 * day + 1, TS - day, TS]
    messages = [pipe.message(ts=ts) for ts in times]
    for message in messages:
        pipe.send(message)  # a request each
    assert [row.value // 1000 for row in pipe.rows(*messages)["ts"]] == times
    sql = f"SELECT ts FROM {LIQUIDATIONS.table(pipe.settings)}"  # noqa: S608 - our own name
    assert questdb.fetch(sql, None, pipe.settings)["ts"].is_monotonic_increasing


@pytest.mark.usefixtures("own_sink")
def test_the_sink_takes_records_of_connects_own_json_converter(stack: Settings) -> None:
    with open_pipe(stack, value_converter="org.apache.kafka.connect.json.JsonConverter") as pipe:
        good = pipe.message()
        pipe.send(b"hello", good)
        assert list(pipe.rows(good)["price"]) == [PRINT.price]
        assert [letter.value for letter in pipe.dead_letters(1)] == [b"hello"]


@pytest.mark.usefixtures("own_sink")
def test_without_tolerance_a_bad_record_stops_the_task_and_says_why(stack: Settings) -> None:
    with open_pipe(stack, errors_tolerance="none") as pipe:
        bad = pipe.message(price="x")
        pipe.send(bad)
        failures = eventually(lambda: connect.read_status(pipe.settings).failures)
        assert '"price" takes a number >=2e-10 <1e+18, not String x' in failures[0]
        connect.ensure(pipe.settings)  # the shipped configuration tolerates it
        assert {letter.value for letter in pipe.dead_letters(1)} == {bad}


@pytest.mark.usefixtures("own_sink")
def test_a_refused_password_stops_the_task_and_loses_nothing(stack: Settings) -> None:
    with open_pipe(stack) as pipe:
        stranger = pipe.settings.model_copy(update={"questdb_admin_user": "stranger"})
        connect.ensure(stranger)
        message = pipe.message()
        pipe.send(message)
        failures = eventually(lambda: connect.read_status(pipe.settings).failures)
        assert "refused the username and password" in failures[0]
        connect.ensure(pipe.settings)
        assert len(pipe.rows(message)) == 1


@pytest.mark.usefixtures("own_sink")
def test_a_table_that_is_created_late_gets_every_row(stack: Settings) -> None:
    with open_pipe(stack) as pipe:
        questdb.execute(f"DROP TABLE {LIQUIDATIONS.table(pipe.settings)}", settings=pipe.settings)
        message = pipe.message()
        pipe.send(message)
        time.sleep(1)  # long enough for the sink to have tried
        questdb.ensure_table(pipe.settings)
        assert len(pipe.rows(message)) == 1
        assert connect.read_status(pipe.settings).is_running


@pytest.mark.usefixtures("own_sink")
def test_an_outage_under_load_loses_and_doubles_nothing(stack: Settings) -> None:
    with open_pipe(stack) as pipe:
        sent: list[bytes] = []
        bad: list[bytes] = []
        stopping = threading.Event()

        def load() -> None:
            while not stopping.wait(0.01):
                batch = [pipe.message() for _ in range(5)]
                sent.extend(batch)
                if len(sent) % 100 == 0:
                    bad.append(pipe.message(price="x"))
                    batch.append(bad[-1])
                pipe.send(*batch)

        sender = threading.Thread(target=load)
        sender.start()
        try:
            eventually(lambda: pipe.count() > 100)
            local.stop("questdb", stack)
            time.sleep(5)  # several of the sink's retries
            assert connect.read_status(pipe.settings).is_running
            local.start("questdb", stack)
            eventually(lambda: pipe.count() > 500)
        finally:
            stopping.set()
            sender.join()
            local.start("questdb", stack)
        eventually(lambda: pipe.count() >= len(sent))
        assert list(pipe.rows(*sent)["event_id"]) == sorted(json.loads(m)["event_id"] for m in sent)
        assert [letter.value for letter in pipe.dead_letters(len(bad))] == bad


@pytest.mark.usefixtures("own_sink")
def test_an_outage_while_bad_rows_are_isolated_sets_aside_no_good_one(
    stack: Settings, tmp_path: Path
) -> None:
    """QuestDB's verdict on a batch is only "no": each bad row takes a dozen requests to find."""
    with (
        Proxy(stack.questdb_http_port) as proxy,
        # a sink writes to its worker's QuestDB only
        own_worker(stack, tmp_path, questdb_http_port=proxy.port) as behind,
        open_pipe(behind) as pipe,
    ):
        connect.remove(pipe.settings)
        messages = [pipe.message() for _ in range(3_000)]
        bad = {place: pipe.message(event_id=place + 0.5) for place in range(7, 3_000, 300)}
        mixed = [bad.get(place, message) for place, message in enumerate(messages)]
        pipe.send(*mixed)
        once = sum(map(len, mixed))

        def done() -> bool:
            return pipe.count() == len(messages) - len(bad)

        connect.ensure(pipe.settings)
        for attempt in (1.2, 1.5, 1.9, 0.5):  # the batch has gone over once, and in part again
            target = proxy.passed + attempt * once
            # on a busy machine it may be done with all before that
            eventually(lambda: proxy.passed > target or done(), every=0.005)  # noqa: B023
            proxy.cut()
            time.sleep(0.1)  # some of its attempts
            proxy.restore()
        letters = pipe.dead_letters(len(bad))
        assert [letter.value for letter in letters] == list(bad.values())
        eventually(done)
        assert connect.read_status(pipe.settings).is_running


def test_rebalances_under_load_lose_and_double_nothing(stack: Settings) -> None:
    with open_pipe(stack, partitions=4) as pipe:
        sent: list[bytes] = []
        for tasks in (1, 3, 2, 4):
            put(pipe.settings, tasks_max=str(tasks))
            for _ in range(10):
                batch = [pipe.message() for _ in range(100)]
                sent += batch
                pipe.send(*batch)
            eventually(lambda: len(connect.read_status(pipe.settings).tasks) == tasks)  # noqa: B023
        assert list(pipe.rows(*sent)["event_id"]) == sorted(
            json.loads(message)["event_id"] for message in sent
        )
        eventually(lambda: pipe.count() == len(sent))


@pytest.mark.usefixtures("own_sink")
@pytest.mark.timeout(1_200)
def test_a_great_many_rows_arrive_once_whatever_restarts(stack: Settings) -> None:
    """100,000 rows; ``make chaos`` takes a million, by the variable SINK_ROWS."""
    total = int(os.environ.get("SINK_ROWS", "100000"))
    with open_pipe(stack, partitions=3) as pipe:
        connect.remove(pipe.settings)
        for start in range(0, total, 10_000):
            pipe.send(*(pipe.message(ts=TS + start + n) for n in range(10_000)))
        connect.ensure(pipe.settings)
        for share, restart in enumerate((_kill_questdb, _restart_tasks, _kill_questdb), 1):
            eventually(lambda: pipe.count() >= total * share // 5, deadline=300)  # noqa: B023
            restart(pipe.settings)
        eventually(lambda: pipe.count() >= total, deadline=600)
        table = LIQUIDATIONS.table(pipe.settings)
        sql = f"SELECT count() n, count_distinct(event_id) d FROM {table}"  # noqa: S608
        row = questdb.fetch(sql, None, pipe.settings).iloc[0]
        assert (row["n"], row["d"]) == (total, total)
        assert connect.read_status(pipe.settings).is_running


def _kill_questdb(settings: Settings) -> None:
    [pid] = [one.pid for one in local.status(settings) if one.name == "questdb" and one.pid]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: ServiceState.DIED in {one.state for one in local.status(settings)})
    local.start("questdb", settings)


def _restart_tasks(settings: Settings) -> None:
    name = LIQUIDATIONS.connector(settings)
    url = f"{settings.connect_url}/connectors/{name}/restart?includeTasks=true"
    httpx.post(url, timeout=PATIENCE_S).raise_for_status()
