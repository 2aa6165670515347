"""A rule over the past: what it would have raised is what it raises live, moment by moment."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from typer.testing import CliRunner

import liq
from liq import config
from liq.analysis import alerts
from liq.analysis.alerts.decision import decide, measure
from liq.analysis.alerts.rules import Rule
from liq.cli import app
from liq.config import Settings
from liq.errors import QueryError, RuleError
from liq.records.model import Completeness, FeedHealth, Source
from liq.records.streams import LIQUIDATIONS
from support.helpers import own_streams
from support.rows import insert, liquidation, micros_of, own_table, report

pytestmark = pytest.mark.stack
END = datetime(2026, 3, 2, 1, tzinfo=UTC)
RULE: dict[str, Any] = {
    "description": "x", "query": "totals", "window": "1m", "column": "long_usd", "is": ">=",
    "threshold": 100, "cool_down": "5m", "message": "${value:,.0f} in {window}",
}  # fmt: skip
RULES: dict[str, Any] = {
    "burst": RULE,
    "great": RULE | {"query": "largest_prints", "column": "notional", "message": "{symbol}"},
    "few": RULE | {"column": "prints", "is": "<", "threshold": 1},
    "silent": RULE
    | {"query": "feed_health", "column": "connected", "is": "==", "threshold": 0, "window": "5m"},
    "feeds": RULE
    | {
        "query": "feed_health",
        "column": "silent",
        "is": ">=",
        "threshold": 1,
        "window": "5m",
        "by": ["exchange", "source"],
        "message": "{exchange}",
    },
    "now": RULE | {"query": "latest_timestamp", "column": "rows", "window": ""},
    "broken": RULE | {"column": "none"},
}


def rule(**changes: Any) -> Rule:
    return msgspec.convert(RULE | changes, Rule)


def before(seconds: float) -> datetime:
    return END - timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def past(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Bursts of 150, 120 and 150 USD before the end, and a feed that was lost."""
    file = tmp_path_factory.mktemp("rules") / "alerts.json"
    file.write_text(json.dumps(RULES))
    settings = own_table(stack).model_copy(update={"alerts": file})
    insert(
        settings,
        [
            liquidation(before(3000), 90),
            liquidation(before(2990), 60, source=Source.SIMULATOR),
            liquidation(before(2800), 120),  # within the cool-down
            liquidation(before(600), 150, symbol="ETHUSDT"),
        ],
    )
    health = FeedHealth(
        ts=micros_of(before(1000)), exchange="bybit", source=Source.LIVE,
        completeness=Completeness.FULL, connected=True, messages=1, gaps=0, reconnects=0,
        lag=None, queued=0,
    )  # fmt: skip
    report(
        settings,
        [health, msgspec.structs.replace(health, ts=health.ts - 500_000_000, exchange="okx")],
    )
    return settings


def test_a_backtest_raises_the_alerts_of_a_live_evaluation(past: Settings) -> None:
    found = alerts.backtest("burst", "1h", END, "10s", settings=past)
    first, second = found.alerts.to_dict("records")
    assert first == {
        "ts": pd.Timestamp(before(2980)),
        "rule": "burst",
        "severity": "warning",
        "value": 150,
        "threshold": 100,
        "message": "$150 in 1m",
        "live": False,
        "subject": None,
    }
    assert (second["ts"], second["live"]) == (pd.Timestamp(before(590)), True)
    fired: dict[str | None, datetime] = {}
    live = []
    for moment in found.values["ts"]:
        frame = liq.hit("totals", settings=past, window="1m", until=moment)
        if decide("burst", found.rule, measure(found.rule, frame), moment, fired):
            fired[None] = moment
            live.append(moment)
    assert found.alerts["ts"].tolist() == live


def test_a_backtest_sees_each_moment_and_no_later_row(past: Settings) -> None:
    found = alerts.backtest("burst", "10m", before(590), "10s", settings=past)
    assert len(found.values) == 60
    assert found.values["ts"].iloc[-1] == before(590)
    assert found.values["value"].tolist() == [0] * 59 + [150]
    assert found.unit == "USD"
    assert "1 alert(s) from 2026-03-02 00:40:10" in str(found)


def test_rules_over_rows_name_the_greatest(past: Settings) -> None:
    found = alerts.backtest("great", "1h", END, "20s", settings=past)
    assert found.alerts["message"].tolist() == ["BTCUSDT", "ETHUSDT"]
    assert found.values["value"].notna().sum() == 3 * 3  # two of the four share their minute


def test_each_threshold_counts_as_a_backtest_of_it_does(past: Settings) -> None:
    found = alerts.backtest("burst", "1h", END, "30s", settings=past)
    tried = found.thresholds([140, 50, 151])
    assert tried["threshold"].tolist() == [50, 140, 151]
    assert tried["per_day"].tolist() == [24 * count for count in tried["alerts"]]
    for threshold, count in zip(tried["threshold"], tried["alerts"], strict=True):
        other = alerts.backtest(rule(threshold=threshold), "1h", END, "30s", settings=past)
        assert len(other.alerts) == count
    default = found.thresholds()
    assert 100 in default["threshold"].tolist()
    assert default["threshold"].agg(["min", "max"]).tolist() == [100, 150]
    below = alerts.backtest("few", "1h", END, "1m", settings=past).thresholds([1, 2])
    assert below["alerts"].tolist() == [
        12,
        12,
    ]  # quiet nearly always: as often as the cool-down allows


@pytest.mark.parametrize(("window", "seconds"), [("10s", 10), ("1s", 1), ("1m", 15)])
def test_a_backtest_shorter_than_the_default_step_has_one_step(
    past: Settings, window: str, seconds: int
) -> None:
    found = alerts.backtest("burst", window, before(590), settings=past)
    assert found.step == timedelta(seconds=seconds)
    assert found.values["ts"].iloc[-1] == before(590)


def test_a_rule_of_equality_has_no_other_thresholds(past: Settings) -> None:
    found = alerts.backtest("silent", "20m", END, "30s", settings=past)
    assert found.alerts["ts"].tolist() == [before(1170), before(870), before(570), before(270)]
    with pytest.raises(RuleError, match="silent compares with"):
        found.thresholds()


def test_each_value_of_a_rule_cools_down_alone(past: Settings) -> None:
    found = alerts.backtest("feeds", "30m", END, "30s", settings=past)
    raised_alerts = [(row.ts, row.subject, row.message) for row in found.alerts.itertuples()]
    assert raised_alerts[0] == (before(1470), "okx, live", "okx")
    first = [moment for moment, subject, _ in raised_alerts if subject == "bybit, live"]
    assert first == [before(990 - 300 * times) for times in range(4)]  # while okx cools down
    [row] = found.thresholds([1]).itertuples()
    assert row.alerts == len(raised_alerts)
    assert set(found.values["subject"]) == {"bybit, live", "okx, live"}


def test_the_step_follows_the_rule_and_the_time(past: Settings) -> None:
    short = alerts.backtest("burst", "10m", END, settings=past)
    assert (short.step, short.bucket) == (timedelta(seconds=15), "5s")
    slow = alerts.backtest(rule(window="1h"), "2d", END, settings=past)
    assert (slow.step, slow.bucket) == (timedelta(minutes=15), "15m")
    assert alerts.backtest(rule(window="6s"), "2m", END, settings=past).step == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("name", "window", "step", "problem"),
    [
        (
            "brust",
            "1h",
            None,
            r"there is no rule 'brust', did you mean 'burst'. valid are: burst, feeds, few",
        ),
        ("broken", "1h", None, "rule 'broken': totals has no column 'none'"),
        ("now", "1h", None, "now cannot be tried on the past: latest_timestamp takes no window"),
        ("burst", "1h", "2h", r"step=2:00:00 is longer than the window of 1:00:00: give a shor"),
        ("burst", "3d", "1s", r"259,200 steps of 0:00:01, .*give a step of 13s or more, or a sh"),
        ("burst", "60d", None, r"86,400 steps of 0:01:00"),
    ],
)
def test_a_backtest_that_is_impossible_is_an_error(
    past: Settings, name: str, window: str, step: str | None, problem: str
) -> None:
    with pytest.raises(RuleError, match=problem):
        alerts.backtest(name, window, END, step, settings=past)


def test_a_window_that_is_none_is_an_error(past: Settings) -> None:
    with pytest.raises(QueryError, match="window='long'"):
        alerts.backtest("burst", "long", END, settings=past)


def test_a_failing_query_ends_it_at_once(past: Settings, tmp_path: Path) -> None:
    gone = own_streams(past, LIQUIDATIONS, names=["table"])
    with pytest.raises(liq.errors.QuestDBError, match="refused"):
        alerts.backtest("burst", "1d", END, settings=gone)


def test_the_listing_says_when_rules_fire_and_which_cannot(past: Settings) -> None:
    frame = alerts.list_rules(past).set_index("rule")
    assert frame.loc["burst", "fires_when"] == ("long_usd of totals within 1m >= 100, cool-down 5m")
    assert "has no column 'none'" in str(frame.loc["broken", "fault"])


def test_the_backtest_command_lists_its_alerts(
    past: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in past.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    config.settings.cache_clear()
    command = ["alerts", "backtest", "burst", "--window", "1h", "--until", END.isoformat()]
    result = CliRunner().invoke(app, [*command, "--step", "10s"], catch_exceptions=False)
    config.settings.cache_clear()
    assert result.exit_code == 0
    for text in ("2026-03-02 00:10:20", "$150 in 1m", "2 alert(s) from 2026-03-02 00:00:00"):
        assert text in result.output
