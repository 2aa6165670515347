"""What a record may hold: publisher and sink judge alike, and readers leave out the rest."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer

import liq
from liq.analysis.alerts import evaluator
from liq.config import Settings
from liq.delivery.messaging import client_options
from liq.errors import RejectedMessage
from liq.monitoring import diagnosis
from liq.notebook import reports
from liq.query import queries, questdb, views
from liq.query.catalogue import Query
from liq.records import rules
from liq.records.model import Alert, Cascade, Severity, Sums, Text
from liq.records.rules import FieldRule
from liq.records.streams import (
    ALERTS,
    CASCADES,
    FEED_HEALTH,
    LIQUIDATIONS,
    PRICES,
    STREAMS,
    SUMS,
    Stream,
)
from liq.web.dashboard import markup
from liq.web.dashboard.board_queries import BOARDS
from liq.web.dashboard.view import Dashboard
from support.helpers import consume, eventually
from support.rows import (
    health,
    insert,
    insert_alerts,
    insert_one_of_each,
    insert_prices,
    liquidation,
    micros_of,
    own_table,
    price,
    refresh_views,
    report,
)

FUTURE, PAST = "2099-01-01T00:00:00", "1999-01-01T00:00:00"
SHIPPED = queries.queries()
DAY = 86_400_000_000
NOW = time.time_ns() // 1000
MOMENT = 1_750_000_000_000_000
ALERT = Alert(
    ts=MOMENT, rule="a", severity=Severity.INFO, message=Text(""), value=1.0, threshold=1.0,
    query="totals", measure="prints", live=True,
)  # fmt: skip
GOOD = {
    LIQUIDATIONS: liquidation("2026-03-01", 1000.0),
    PRICES: price("2026-03-01", 100.0),
    FEED_HEALTH: health("2026-03-01"),
    ALERTS: ALERT,
    CASCADES: Cascade(
        ts=MOMENT, base="BTC", gap=5, to_ts=MOMENT, prints=5, exchanges=1, symbols=1,
        first_exchange="bybit", long_usd=1.0, short_usd=0.0, not_live=0, partial=0,
    ),
    SUMS: Sums(
        ts=MOMENT, exchange="bybit", symbol="BTCUSDT", base="BTC", bucket=60, long_usd=1.0,
        short_usd=0.0, prints=1, largest_usd=1.0, not_live=0, partial=0,
    ),
}  # fmt: skip
NOTHING = object()
NUMBERS = [0, -1, 1, 1.5, 1e17, 1e18, 9.99e29, 1e30, 1e300, -1e300, -1.1e300, 1e-320, -0.0]
WHOLES = [0, 1, -1, 1.0, 2**63 - 1, -(2**63) + 1, -(2**63), 2**63]
OF_OTHER_TYPES = [None, NOTHING, True, [], [1.0], {}, {"a": 1}, "", "x", "1", 1.5]
TEXTS = [
    "x",
    "X" * 100,
    "X" * 101,
    "币" * 100,
    "币" * 101,
    'a,b c=d"e\\f\ng',
    " ",
    "\t \n",
    "\u00a0",
    " x",
    "🚀",
    "\ud83d",
    1,
    1.5,
]
TIMES = [
    0,
    7,
    NOW // 1000,
    NOW,
    NOW + DAY - 10**9,
    NOW + DAY + 10**10,
    NOW * 1000,
    "2026-03-01",
    1.5,
]
RAW = [
    b"", b"{}", b"[]", b"hello", b"null", b'{"ts":1', b'{"ts":NaN}', b'{"recv":{"ts":1}}',
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A message, and what is odd in it, as ``field=value``."""

    name: str
    message: bytes


def values(rule: FieldRule) -> Iterator[Any]:
    """Yield values on both sides of each bound, and of other types."""
    yield from OF_OTHER_TYPES
    by_kind: dict[str, list[Any]]
    by_kind = {"time": TIMES, "number": NUMBERS, "whole": WHOLES, "text": TEXTS}
    yield from by_kind.get(rule.kind, [])
    yield from rule.choices
    yield from (choice.upper() for choice in rule.choices)
    for _, bound in rule.bounds:
        if rule.kind == "text":
            yield from ("x" * int(bound + step) for step in (-1, 0, 1) if bound + step < 20_000)
        elif rule.kind == "number":
            yield from (math.nextafter(bound, way) for way in (-math.inf, bound, math.inf))
        else:
            yield from (int(bound) + step for step in (-1, 0, 1))


def cases(stream: Stream) -> list[Case]:
    """Return messages of ``stream``, each of its own moment: good ones and all that can be odd."""
    good = msgspec.to_builtins(GOOD[stream])
    moments = iter(range(MOMENT, NOW, 1_000))
    found = [Case("good", json.dumps(good | {"ts": next(moments)}).encode()) for _ in range(3)]
    for rule in rules.list_rules(stream.record):
        for value in values(rule):
            fields = good | {"ts": next(moments)} | {rule.name: value}
            if value is NOTHING:
                del fields[rule.name]
            found.append(Case(f"{rule.name}={value!r}", json.dumps(fields).encode()))
    extras: tuple[dict[str, Any], ...] = (
        {"leverage": 20},
        {"a": {}},
        {"a": {"b": 1}},
        {"a.b": 1},
        {"TS": 1},
        {"": 1},
    )
    found += [
        Case(str(extra), json.dumps(good | {"ts": next(moments)} | extra).encode())
        for extra in extras
    ]
    whole = json.dumps(good | {"ts": next(moments)}).encode()
    for rule in rules.list_rules(stream.record):
        if rule.kind == "number":
            for number in (b"1e400", b"NaN", b"Infinity", b"1e-400"):
                odd = {"ts": next(moments), rule.name: "¤"}
                text = json.dumps(good | odd, ensure_ascii=False).encode()
                found.append(Case(f"{rule.name}={number!r}", text.replace('"¤"'.encode(), number)))
    found += [Case(repr(raw), raw) for raw in RAW]
    found += [Case("more", whole + b" {}"), Case("UTF-8", whole.replace(b"info", b"\xff"))]
    # a name said twice is the sink's to refuse: JSON parsers take the last
    return list({case.message: case for case in found}.values())


def verdicts(stream: Stream) -> dict[bytes, str]:
    """Return, by message, why the publisher's side rejects it, "" if it does not."""
    found = {}
    for case in cases(stream):
        try:
            stream.decode(case.message)
            found[case.message] = ""
        except RejectedMessage as error:
            found[case.message] = str(error)
    return found


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.record.__name__)
def test_each_field_of_each_record_has_a_rule(stream: Stream) -> None:
    found = rules.list_rules(stream.record)
    assert [rule.name for rule in found] == list(stream.columns())
    assert all(rule.bounds or rule.choices or rule.kind == "flag" for rule in found)
    verdict = verdicts(stream)
    assert sum(not why for why in verdict.values()) >= 3 + len(found)
    assert sum(bool(why) for why in verdict.values()) >= 5 * len(found)


@pytest.mark.stack
def test_publisher_and_sink_judge_alike(pipeline: Settings) -> None:
    """Each stream's sink dead-letters what Python rejects, and stores the rest."""
    producer = KafkaProducer(**client_options(pipeline))
    expected = {stream: verdicts(stream) for stream in STREAMS}
    for stream, verdict in expected.items():
        for message in verdict:
            producer.send(stream.topic(pipeline), message, stream.name.encode())
    producer.flush()
    producer.close()
    rejected = {
        (stream, message) for stream in STREAMS for message, why in expected[stream].items() if why
    }
    names = {(stream, case.message): case.name for stream in STREAMS for case in cases(stream)}
    by_topic = {stream.topic(pipeline): stream for stream in STREAMS}

    def judged() -> bool:
        letters = consume(pipeline.dlq_topic, pipeline)
        found = {
            (
                by_topic[dict(letter.headers)["__connect.errors.topic"].decode()],
                letter.value,
            ): letter
            for letter in letters
        }
        tolerated = {names[key]: expected[key[0]][key[1]] for key in rejected - found.keys()}
        assert not tolerated
        refused = {
            names[key]: dict(found[key].headers)["__connect.errors.exception.message"]
            for key in found.keys() - rejected
        }
        assert not refused
        return True

    eventually(judged)
    for stream in (each for each in STREAMS if not each.ttl_days(pipeline)):
        kept = sum(not why for why in expected[stream].values())
        sql = f"SELECT count() AS n FROM {stream.table(pipeline)}"  # noqa: S608 - our own name
        eventually(lambda: questdb.fetch(sql, settings=pipeline)["n"][0] == kept)  # noqa: B023
        assert queries.fetch("left_out", pipeline, until="2100-01-01", window="3660d").empty


ODD: dict[str, dict[str, Any]] = {
    "side": {"side": "both"},
    "symbol": {"symbol": None},
    "exchange": {"exchange": ""},
    "source": {"source": "mybot"},
    "completeness": {"completeness": None},
    "price_kind": {"price_kind": "last"},
    "price": {"price": -1.0},
    "price quantity": {"price": None, "quantity": 0.0},
    "notional": {"notional": math.inf},
    "base quote event_id": {"base": None, "quote": None, "event_id": None},
}


@pytest.fixture(scope="module")
def spoilt(stack: Settings) -> Settings:
    """Tables with one good row each beside odd ones, as another program may write them."""
    settings = own_table(stack)
    views.ensure(settings)
    now = datetime.now(UTC)
    insert_one_of_each(settings, now - timedelta(seconds=30))
    moment = now - timedelta(seconds=20)
    spoil = msgspec.structs.replace
    insert(settings, [spoil(liquidation(moment, 7.0), **changes) for changes in ODD.values()])
    insert(settings, [liquidation(ts, 5.0) for ts in (FUTURE, PAST)])
    lost = health(now - timedelta(seconds=10), source="mybot", connected=False)
    invented = health(now - timedelta(seconds=9), exchange="nowhere", connected=False)
    report(settings, [lost, invented, health(FUTURE), health(now - timedelta(seconds=1))])
    insert_prices(settings, [price(now, -1.0, symbol="odd"), price(FUTURE, 1.0)])
    return settings


@pytest.mark.stack
def test_odd_rows_that_are_left_out_are_reported_by_their_fields(spoilt: Settings) -> None:
    counts = liq.hit("left_out", settings=spoilt)
    found = dict(zip(counts["kind"] + ": " + counts["broken"], counts["rows"], strict=True))
    expected = {f"liquidations: {fields}": 1 for fields in ODD}
    assert found == expected | {"feed_health: source": 1, "prices: price": 1}
    rows = liq.hit("odd_rows", settings=spoilt)
    assert len(rows) == sum(found.values())
    [fields] = rows["fields"][rows["broken"] == "source"][rows["kind"] == "liquidations"]
    assert "source=mybot" in fields
    assert "symbol=BTCUSDT" in fields


@pytest.mark.stack
def test_rows_out_of_time_are_found_where_they_are_asked_for(spoilt: Settings) -> None:
    rows = queries.fetch("odd_rows", spoilt, until="2100-01-01", window="3660d")
    late = rows[rows["ts"].dt.year == 2099]
    assert set(late["kind"]) == {"liquidations", "feed_health", "prices"}
    assert set(late["broken"]) == {"ts"}
    early = liq.hit("odd_rows", until="2000-01-01", window="3660d", settings=spoilt)
    assert list(early["broken"]) == ["ts"]


@pytest.mark.stack
@pytest.mark.parametrize("key", [key for key, query in SHIPPED.items() if "window" in query.params])
@pytest.mark.parametrize("window", ["1h", "3d"])
def test_no_query_counts_an_odd_row(spoilt: Settings, key: str, window: str) -> None:
    given = {"bucket": "1h", "window": window}
    query = SHIPPED[key]
    frame = liq.hit(
        key, settings=spoilt, **{name: given[name] for name in query.params if name in given}
    )
    if key in ("left_out", "odd_rows"):
        return
    for name in frame.columns[[dtype.kind == "O" or str(dtype) == "str" for dtype in frame.dtypes]]:
        assert not set(frame[name]) & {"both", "mybot", "last"}
        if name not in ("subject", "contracts", "contracts_fault"):  # few rows have one
            assert not frame[name].isna().any()
    if "prints" in frame and key != "price_path":
        assert frame["prints"].sum() <= 5  # of which a cascade has that many
    if "ts" in frame:
        assert not (frame["ts"].dt.year == 2099).any()


@pytest.mark.stack
def test_a_view_leaves_out_the_same_rows(spoilt: Settings) -> None:
    refresh_views(spoilt)
    sql = f"SELECT odd, sum(prints) AS n FROM {LIQUIDATIONS.table(spoilt)}_1h GROUP BY odd"  # noqa: S608 - our own name
    found = questdb.fetch(sql, settings=spoilt)
    assert dict(zip(found["odd"], found["n"], strict=True)) == {True: len(ODD) + 1, False: 2}


@pytest.mark.stack
def test_the_newest_row_is_in_order_and_not_of_the_future(spoilt: Settings) -> None:
    newest: Any = liq.hit("latest_timestamp", settings=spoilt).iloc[0]
    assert datetime.now(UTC) - newest.ts < timedelta(hours=1)
    assert newest.first_ts.year > 2009
    assert newest.rows == len(ODD) + 2  # all but that of the future


@pytest.mark.stack
def test_an_invented_feed_is_shown_and_alarms_nobody(spoilt: Settings) -> None:
    assert {feed.exchange for feed in diagnosis.fetch_feeds(spoilt)} == {"bybit"}
    found = liq.hit("feed_health", settings=spoilt)
    assert {*found["exchange"]} == {"bybit", "nowhere"}
    assert "unknown exchange" in str(markup.render_feeds(found))
    invented = found[found["exchange"] == "nowhere"]
    assert not invented["known"].any()
    assert not invented["silent"].any()
    for key in ("coverage", "feed_coverage"):
        assert "nowhere" not in {*liq.hit(key, settings=spoilt)["exchange"]}


@pytest.mark.stack
def test_the_dashboard_shows_the_rest_and_counts_the_odd(spoilt: Settings) -> None:
    view = Dashboard(settings=spoilt, window="1h")
    for board in BOARDS:
        view.model.board = board
        view.wait(0.1)
        assert not view.model.faults
    assert view.model.left_out == len(ODD) + 2
    assert f"{len(ODD) + 2} odd row(s) left out" in str(
        markup.render_footnote(view.model.frames, len(ODD) + 2)
    )
    assert view.model.latest
    assert view.model.latest.ts
    assert view.model.latest.ts.year != 2099


@pytest.mark.stack
def test_a_report_says_how_many_rows_are_left_out(spoilt: Settings) -> None:
    heading = reports.Report("1h", settings=spoilt).heading()
    assert f"{len(ODD) + 2} odd row(s) left out" in str(heading._repr_html_())


@pytest.mark.stack
def test_an_alert_dated_in_the_future_silences_no_rule(spoilt: Settings) -> None:
    alert = msgspec.structs.replace(ALERT, ts=micros_of(FUTURE), rule="large")
    insert_alerts(spoilt, [alert])
    assert "large" not in evaluator._read_last(spoilt, timedelta(days=1))


@pytest.mark.stack
def test_odd_rows_can_be_removed_as_the_command_says(stack: Settings) -> None:
    settings = own_table(stack)
    good, odd = (liquidation("2026-03-01T10:00:00", 1.0) for _ in range(2))
    insert(settings, [good, msgspec.structs.replace(odd, side="SELL")])
    insert(settings, [liquidation("2026-03-02T10:00:00", 2.0), liquidation(FUTURE, 3.0)])
    for day in (date(2026, 3, 1), date(2099, 1, 1)):
        for statement in LIQUIDATIONS.render_removal(day, settings):
            questdb.execute(statement, settings=settings)
            eventually(
                lambda: questdb.read_wal_state(LIQUIDATIONS.table(settings), settings).pending == 0
            )
    sql = f"SELECT notional FROM {LIQUIDATIONS.table(settings)} ORDER BY ts"  # noqa: S608 - our own name
    eventually(lambda: list(questdb.fetch(sql, settings=settings)["notional"]) == [1.0, 2.0])


@pytest.mark.stack
def test_the_command_shows_odd_rows_and_how_to_remove_them(spoilt: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "liq", "odd"], env={**spoilt.environ(), "COLUMNS": "200"},
        text=True, capture_output=True, check=True,
    )  # fmt: skip
    assert "mybot" in done.stdout
    assert f"ALTER TABLE {LIQUIDATIONS.table(spoilt)} DROP PARTITION LIST" in done.stdout


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT 1 FROM {table} WHERE a = 1 LIMIT 1", "FROM t WHERE kept AND a = 1 LIMIT 1"),
        ("FROM {table} where (a = 1 OR b)", "FROM t where kept AND (a = 1 OR b)"),
        ("FROM {table} WHERE a OR b", "FROM (SELECT * FROM t WHERE kept) WHERE a OR b"),
        ("(FROM {table} WHERE a) OR b", "(FROM t WHERE kept AND a) OR b"),
        ("FROM {table} x JOIN y", "FROM (SELECT * FROM t WHERE kept) x JOIN y"),
        ("FROM {any_table} WHERE a OR b", "FROM t WHERE a OR b"),
    ],
)
def test_the_condition_changes_no_other_term(sql: str, shown: str) -> None:
    query = Query("q", sql, "", {}, {})
    tables = {"table": "t", "any_table": "t"}
    assert shown in queries.substitute(query, {}, tables, {"table": "kept"})[0]
