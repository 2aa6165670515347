"""Alerts end to end: rows in QuestDB, `liq alerts`, Kafka, the table, a real receiver."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from analysis.alerts.receiver import receiving
from liq import config
from liq.analysis.alerts.evaluator import Evaluator, build_link, check
from liq.analysis.alerts.rules import Rule
from liq.cli import app
from liq.config import Settings
from liq.delivery.messaging import Publisher
from liq.ingest.venues import VENUES
from liq.query import queries, questdb
from liq.records.model import Alert, Severity, Source, Text
from liq.records.streams import STREAMS
from support.helpers import (
    eventually,
    find_free_ports,
    finish,
    kafka_stopped,
    own_streams,
    read_until,
    running,
)
from support.proxy import Statements
from support.rows import health, insert, liquidation, report

pytestmark = pytest.mark.stack

SECRET = "path-of-a-secret"
RULES: dict[str, Any] = {
    "burst": {
        "description": "x", "query": "totals", "window": "10m", "column": "long_usd", "is": ">=",
        "threshold": 1000, "cool_down": "1h", "severity": "critical", "message": "${value:,.0f}",
    },
    "short_rest": {
        "description": "x", "query": "largest_prints", "window": "10m", "column": "notional",
        "is": ">=", "threshold": 1000, "cool_down": "1s", "message": "{symbol} {source}",
        "webhook": False,
    },
    "quiet": {
        "description": "x", "query": "totals", "window": "10m", "column": "short_usd", "is": ">",
        "threshold": 0, "message": "x",
    },
}  # fmt: skip


def add_rules(settings: Settings, folder: Path) -> Settings:
    """Return the settings with rules and a receiver's address."""
    file, port = folder / "alerts.json", find_free_ports()["api_port"]
    file.write_text(json.dumps(RULES))
    url = SecretStr(f"http://127.0.0.1:{port}/{SECRET}")
    return settings.model_copy(update={"alerts": file, "webhook_url": url})


@pytest.fixture
def own(stack: Settings, tmp_path: Path) -> Settings:
    """Topics and tables of the test's own, without sinks, with rules."""
    settings = own_streams(stack)
    for stream in STREAMS:
        questdb.ensure_table(settings, stream)
    return add_rules(settings, tmp_path)


@pytest.fixture
def stored(pipeline: Settings, tmp_path: Path) -> Settings:
    """Topics, tables and sinks of the test's own, with rules."""
    return add_rules(pipeline, tmp_path)


@pytest.fixture
def in_process(own: Settings) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.environ().items():
            patch.setenv(name, value)
        config.settings.cache_clear()
        yield own
    config.settings.cache_clear()


def port_of(settings: Settings) -> int:
    return int(settings.webhook_url.get_secret_value().split(":")[2].split("/")[0])


def printed(settings: Settings, usd: float) -> None:
    now = datetime.now(UTC) - timedelta(seconds=1)
    insert(settings, [liquidation(now, usd, source=Source.SIMULATOR)])


def history(settings: Settings, rule: str) -> pd.DataFrame:
    return queries.fetch("alerts", settings, rules=[rule])


def test_an_alert_is_stored_posted_and_cools_down_also_over_a_restart(stored: Settings) -> None:
    with running(stored, "-m", "liq", "alerts", "--every", "0.1") as process:
        printed(stored, 2_500)
        [row] = eventually(lambda: list(history(stored, "burst").itertuples()))
        assert (row.severity, row.message, row.value) == ("critical", "$2,500", 2_500)
        assert (row.query, row.measure, row.threshold) == ("totals", "long_usd", 1_000)
        assert not row.live
        eventually(lambda: len(history(stored, "short_rest")) >= 3)
        with receiving(port_of(stored)) as receiver:  # only now: it was down when the rule fired
            eventually(lambda: receiver.posted)
            log = finish(process, signal.SIGTERM)
    assert [(each["rule"], each["value"]) for each in receiver.posted] == [("burst", 2_500)]
    assert receiver.posted[0]["text"].startswith("[SIMULATED OR REPLAYED DATA] CRITICAL burst")
    assert "CRITICAL burst: $2,500" in log
    assert "the webhook did not take burst: no connection; trying again" in log
    assert SECRET not in log

    before = len(history(stored, "short_rest"))
    with running(stored, "-m", "liq", "alerts", "--every", "0.1") as process:
        eventually(lambda: len(history(stored, "short_rest")) >= before + 2)
        assert SECRET not in finish(process, signal.SIGINT)
    assert len(history(stored, "burst")) == 1
    assert history(stored, "quiet").empty
    assert history(stored, "short_rest")["message"].unique().tolist() == ["BTCUSDT simulator"]


def test_a_rule_sends_its_alerts_to_the_services_that_it_names(stored: Settings) -> None:
    assert stored.alerts
    rules = {
        "burst": RULES["burst"] | {"webhook": False, "notify": ["phone"]},
        "mailed": RULES["burst"] | {"webhook": False, "notify": ["mail"]},
    }
    stored.alerts.write_text(json.dumps(rules))
    url = SecretStr(f"phone=ntfy://127.0.0.1:{port_of(stored)}/{SECRET}")
    stored = stored.model_copy(update={"notify_urls": url})
    with (
        receiving(port_of(stored), success=200) as receiver,
        running(stored, "-m", "liq", "alerts", "--every", "0.1") as process,
    ):
        printed(stored, 2_500)
        eventually(lambda: len(history(stored, "burst")) + len(history(stored, "mailed")) == 2)
        eventually(lambda: receiver.posted)
        log = finish(process, signal.SIGTERM)
    [only] = receiver.posted
    assert only["title"] == "[SIMULATED OR REPLAYED DATA] CRITICAL burst"
    text, link = only["message"].split("\n")
    assert text == "$2,500"
    assert link.startswith(f"{stored.dashboard_url}/?board=Overview&bucket=1m&from=")
    assert "no address of LIQ_NOTIFY_URLS is named 'mail'" in log
    assert SECRET not in log


def test_an_alert_raised_before_kafka_starts_is_stored(stored: Settings) -> None:
    printed(stored, 2_500)
    with ExitStack() as programs:
        with kafka_stopped(stored):
            process = programs.enter_context(
                running(stored, "-m", "liq", "alerts", "--every", "0.1")
            )
            read_until(process, "waiting for Kafka")
            read_until(process, "CRITICAL burst: $2,500")
        eventually(lambda: len(history(stored, "burst")) == 1)
        finish(process, signal.SIGTERM)


async def test_a_failing_rule_ends_no_evaluation_and_edits_show_at_once(
    own: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert own.alerts
    await asyncio.to_thread(printed, own, 2_500)
    lost = own.model_copy(update={"questdb_pg_port": find_free_ports()["questdb_pg_port"]})
    async with Publisher(own) as publisher:
        assert await Evaluator(publisher, lost).tick() == []
        assert "all rules cannot be evaluated: cannot reach QuestDB" in caplog.text
        evaluator = Evaluator(publisher, own)
        own.alerts.write_text("{")
        assert await evaluator.tick() == []
        own.alerts.write_text(json.dumps({"bad": RULES["burst"] | {"query": "x"}, **RULES}))
        fired = {alert.rule for alert in await evaluator.tick()}
        assert fired == {"burst", "short_rest"}
        assert "bad cannot be evaluated: " in caplog.text
        logged = len(caplog.records)
        assert "burst" not in {alert.rule for alert in await evaluator.tick()}
        assert [each.message for each in caplog.records[logged:] if "bad" in each.message] == []


async def test_an_unforeseen_error_ends_no_evaluation(
    own: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Publisher(own) as publisher:
        evaluator = Evaluator(publisher, own)
        with monkeypatch.context() as patch:
            patch.setattr(
                "liq.analysis.alerts.evaluator.check", lambda *_args: dict[str, Any]()["nothing"]
            )
            assert await evaluator.tick() == []
        assert "all rules cannot be evaluated: KeyError('nothing')" in caplog.text
        await evaluator.tick()
    assert evaluator._logged["all rules"] == ""


def test_the_shipped_rules_can_all_be_evaluated(own: Settings) -> None:
    shipped = own.model_copy(update={"alerts": None})
    printed(shipped, 6_000_000)
    report(shipped, [health(datetime.now(UTC) - timedelta(minutes=1), exchange="okx")])
    found = {each.name: each for each in check(shipped)}
    assert [each.fault for each in found.values() if each.fault] == []
    messages = {name: each.alerts[0].message for name, each in found.items() if each.alerts}
    assert messages["long_burst"] == "$6,000,000 of longs liquidated within 1m"
    assert messages["great_print"].startswith("$6,000,000 BTCUSDT long liquidated on binance_usdm")
    assert messages["one_sided"] == "100% of $6,000,000 are longs"
    assert messages["feed_silent"].startswith("okx (live) is disconnected, last report ")


async def test_each_dead_feed_is_reported_once_also_over_a_restart(stored: Settings) -> None:
    shipped = stored.model_copy(update={"alerts": None})
    long_ago = datetime.now(UTC) - timedelta(minutes=20)
    another, ended, *venues = VENUES
    dead = [health(long_ago, exchange=name, connected=number % 2 == 0)
            for number, name in enumerate(venues)]  # fmt: skip
    # nobody misses the last one, whoever reported of it
    rest = [health(long_ago, exchange=ended, stopped=True), health(long_ago, exchange="nowhere")]
    await asyncio.to_thread(report, shipped, dead + rest)

    def subjects_of(alerts: Sequence[Alert]) -> list[str]:
        return sorted(alert.subject or "" for alert in alerts if alert.rule == "feed_silent")

    async with Publisher(shipped) as publisher:
        first = Evaluator(publisher, shipped)
        assert subjects_of(await first.tick()) == sorted(f"{name}, live" for name in venues)
        assert subjects_of(await first.tick()) == []
        await asyncio.to_thread(
            eventually, lambda: len(history(shipped, "feed_silent")) == len(venues)
        )
        found = history(shipped, "feed_silent")
        assert set(found["subject"]) == {f"{name}, live" for name in venues}
        await asyncio.to_thread(report, shipped, [health(long_ago, exchange=another)])
        assert subjects_of(await Evaluator(publisher, shipped).tick()) == [f"{another}, live"]


def test_alerts_older_than_each_cool_down_are_not_read(own: Settings) -> None:
    with Statements(own.questdb_pg_port) as wire:
        check(own.model_copy(update={"questdb_pg_port": wire.port}))
        [text] = [text for text in wire.texts if "max(ts) AS ts" in text]
    [since] = re.findall(r"WHERE ts >= '(\S+)' AND", text)
    age = datetime.now(UTC) - datetime.fromisoformat(since)
    assert timedelta(hours=1) <= age < timedelta(hours=1, minutes=5)  # the longest is burst's


def test_a_cool_down_longer_than_all_time_is_one(own: Settings) -> None:
    assert own.alerts
    own.alerts.write_text(json.dumps({"burst": RULES["burst"] | {"cool_down": "999999999d"}}))
    [one] = check(own)
    assert not one.fault


def test_check_raises_nothing_and_says_each_rule(
    in_process: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed(in_process, 2_500)
    found = {each.name: each for each in check(in_process)}
    assert {name: each.met for name, each in found.items()} == {
        "burst": True, "short_rest": True, "quiet": False,
    }  # fmt: skip
    assert history(in_process, "burst").empty
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["alerts", "check"], catch_exceptions=False)
    assert result.exit_code == 0
    for text in ("long_usd of totals within 10m >= 1,000", "2,500", "fires", "quiet"):
        assert text in result.output
    assert in_process.alerts
    muted = {name: rule | {"muted": True} for name, rule in RULES.items()}
    in_process.alerts.write_text(json.dumps(muted))
    assert [alert for each in check(in_process) for alert in each.alerts] == []
    result = CliRunner().invoke(app, ["alerts", "check"], catch_exceptions=False)
    assert result.output.count("muted") == len(muted)
    in_process.alerts.write_text(json.dumps({"bad": {}}))
    result = CliRunner().invoke(app, ["alerts", "check"])
    assert str(result.exception) == "1 of 1 rules cannot be evaluated"
    [line] = [each for each in result.output.splitlines() if "is missing; valid" in each]
    assert line.startswith(f"{in_process.alerts}:1:2: rule 'bad': ")


def test_an_alert_links_to_what_its_rule_measured(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path, public_url="https://liq.example.org", base_url="/liq")
    alert = Alert(
        ts=1_767_225_600_000_000, rule="a", severity=Severity.INFO, message=Text(""), value=1.0,
        threshold=1.0, query="top_symbols", measure="prints", live=True, subject="<b>&x",
    )  # fmt: skip
    entry = RULES["burst"] | {"params": {"exchange": "okx,bybit", "limit": 5}, "by": ["symbol"]}
    link = build_link(alert, msgspec.convert(entry, Rule), settings)
    assert link == (
        "https://liq.example.org/liq/?board=Overview&bucket=1m&from=2025-12-31T23:05:00Z"
        "&to=2026-01-01T00:05:00Z&venues=okx,bybit&symbols=%3Cb%3E%26x"
    )
