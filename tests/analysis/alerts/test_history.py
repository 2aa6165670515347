"""Rules against the past: multiples of the usual and percentiles, over covered time only."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from liq import config
from liq.analysis import alerts
from liq.analysis.alerts.evaluator import check
from liq.analysis.alerts.history import History, _list_windows
from liq.analysis.alerts.rules import Rule, load_rules
from liq.cli import app
from liq.config import Settings
from liq.errors import RuleError
from liq.query import queries
from liq.records.model import FeedHealth, Liquidation
from support.rows import health, insert, liquidation, own_table, report

pytestmark = pytest.mark.stack
NOW = datetime(2026, 3, 2, 13, 30, tzinfo=UTC)  # a Monday
HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
THIS_HOUR = NOW.replace(minute=0)
USUAL: dict[str, Any] = {
    "description": "x", "query": "totals", "window": "15m", "column": "long_usd", "is": ">=",
    "threshold": 3, "against": {"kind": "usual", "weeks": 5}, "cool_down": "1h",
    "message": "${measured:,.0f}, {value:.1f} x the usual ${usual:,.0f}",
}  # fmt: skip
RARE: dict[str, Any] = USUAL | {
    "window": "1h", "threshold": 95, "against": {"kind": "percentile", "days": 3},
    "message": "{value:.1f} % were lower than ${measured:,.0f}",
}  # fmt: skip


def rule(entry: dict[str, Any], **changes: Any) -> Rule:
    return msgspec.convert(entry | changes, Rule)


def reports(start: datetime, minutes: float) -> Iterator[FeedHealth]:
    """A feed that reports every 4 s for some minutes of an hour, and is lost then."""
    return (health(start + timedelta(seconds=4 * n)) for n in range(round(minutes * 15) + 1))


def printed(moment: datetime, usd: float, **changes: Any) -> Liquidation:
    return liquidation(moment, usd, **changes)


@pytest.fixture(scope="module")
def weeks(stack: Settings) -> Settings:
    """The hour in five weeks: 200 USD, 300 in three quarters, a fifth, 800, and nothing at all."""
    settings = own_table(stack)
    hours = [THIS_HOUR - number * WEEK for number in range(1, 6)]
    insert(
        settings,
        [
            printed(hours[0] + timedelta(minutes=50), 200),
            printed(hours[1] + timedelta(minutes=5), 300),
            printed(hours[3] + timedelta(minutes=5), 500),
            printed(hours[3] + timedelta(minutes=59), 300),
            printed(hours[3] + timedelta(minutes=61), 10_000),  # another hour
            printed(NOW - timedelta(minutes=20), 10_000),  # before the window
            printed(NOW - timedelta(minutes=5), 350),
        ],
    )
    report(settings, [*reports(hours[1], 45), *reports(hours[2], 12)])
    return settings


def test_a_rate_is_a_multiple_of_the_median_over_covered_seconds(weeks: Settings) -> None:
    """The hours have 200, 400 and 800 USD for each covered hour: 100 USD are usual in 15 m."""
    [seen], notes = History(weeks).measure(rule(USUAL), NOW)
    assert notes == ()
    assert seen.row["measured"] == pytest.approx(350)
    assert seen.row["usual"] == pytest.approx(100, rel=0.01)
    assert seen.value == pytest.approx(3.5, rel=0.01)
    assert seen.met


def test_an_hour_without_coverage_does_not_lower_the_median(weeks: Settings) -> None:
    """If the lost hours counted as quiet ones, the median would be 200 USD, and the ratio 7."""
    silent = {"window": HOUR, "until": THIS_HOUR - 5 * WEEK + HOUR}
    assert queries.fetch("totals", weeks, **silent)["long_usd"].sum() == 0
    [seen], _ = History(weeks).measure(rule(USUAL), NOW)
    assert seen.value == pytest.approx(3.5, rel=0.01)


def test_too_little_history_raises_nothing_and_is_said(weeks: Settings) -> None:
    [seen], notes = History(weeks).measure(rule(USUAL, against={"kind": "usual", "weeks": 3}), NOW)
    assert (seen.value, seen.met) == (None, False)
    assert notes == ("too little history: 2 covered hour(s) of the week in the past, needs 3",)


def test_a_window_without_coverage_raises_nothing_and_is_said(weeks: Settings) -> None:
    """Though a quiet market is what the rule waits for."""
    quiet = rule(USUAL, threshold=0.1)
    quiet = msgspec.structs.replace(quiet, comparison="<")
    [seen], notes = History(weeks).measure(quiet, NOW + timedelta(hours=2))
    assert (seen.value, seen.met) == (None, False)
    assert notes == ("feeds cover less than half of its window",)


def test_a_usual_of_nothing_has_no_multiple(weeks: Settings) -> None:
    [seen], notes = History(weeks).measure(rule(USUAL, column="short_usd"), NOW)
    assert (seen.value, seen.met) == (None, False)
    assert notes == ("the usual is 0, of which there is no multiple",)


def test_the_past_is_read_once(weeks: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[int] = []
    history = History(weeks, report=known.append)
    history.measure(rule(USUAL), NOW)
    assert (len(known), max(known)) == (5, 5)  # weeks
    asked: list[str] = []
    fetch = queries.fetch

    def counted(key: str, *given: Any, **params: Any) -> Any:
        asked.append(key)
        return fetch(key, *given, **params)

    monkeypatch.setattr(queries, "fetch", counted)
    history.measure(rule(USUAL), NOW + timedelta(seconds=5))
    assert sorted(asked) == ["covered", "totals"]  # of now


def test_a_long_history_is_read_in_parts(weeks: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(weeks, seconds=0)
    [seen], notes = history.measure(rule(USUAL), NOW)
    assert (seen.value, seen.met, notes) == (None, False, ("its history is still being read",))
    monkeypatch.setattr(history, "_seconds", 60)
    [seen], notes = history.measure(rule(USUAL), NOW)
    assert (seen.met, notes) == (True, ())


def test_subjects_have_their_own_usual(stack: Settings) -> None:
    settings = own_table(stack)
    past = [
        printed(THIS_HOUR - number * WEEK + timedelta(minutes=1), usd, symbol=symbol)
        for number in range(1, 5)
        for symbol, usd in (("BTCUSDT", 4000), ("ETHUSDT", 400))
    ]
    recent = NOW - timedelta(minutes=1)
    now = [printed(recent, 500, symbol=name) for name in ("BTCUSDT", "ETHUSDT", "NEWUSDT")]
    insert(settings, [*past, *now])
    by = rule(
        USUAL, query="top_symbols", column="total_usd", by=["symbol"],
        against={"kind": "usual", "weeks": 4},
    )  # fmt: skip
    seen, notes = History(settings).measure(by, NOW)
    assert {one.subject: (one.value, one.met) for one in seen} == {
        "BTCUSDT": (pytest.approx(0.5), False),
        "ETHUSDT": (pytest.approx(5.0), True),
        "NEWUSDT": (None, False),
    }
    assert notes == ()


@pytest.fixture(scope="module")
def days(stack: Settings) -> Settings:
    """Forty hours of the last three days have 1, 2, … 40 USD, this one 39.5, the others no row."""
    settings = own_table(stack)
    start = THIS_HOUR - timedelta(hours=1)
    hours = [printed(start - number * HOUR, 40.0 - number) for number in range(40)]
    insert(settings, [*hours, printed(THIS_HOUR + timedelta(minutes=10), 39.5)])
    return settings


def test_a_percentile_counts_covered_windows_only(days: Settings) -> None:
    end = THIS_HOUR + HOUR
    [seen], notes = History(days).measure(rule(RARE), end)
    assert notes == ()
    assert seen.value == pytest.approx(100 * 39 / 40)
    assert seen.met
    [seen], _ = History(days).measure(rule(RARE, threshold=98), end)
    assert seen.value is None  # it takes 50 windows


def test_windows_of_a_percentile_are_at_most_two_hundred_and_fifty() -> None:
    for window, span in (("1m", 90), ("15m", 14), ("1h", 1), ("7h", 90)):
        sparse = rule(RARE, window=window, against={"kind": "percentile", "days": span})
        assert sparse.against
        ends, length = _list_windows(sparse, sparse.against, NOW)
        assert 0 < len(ends) <= 250
        assert max(ends) <= NOW - length
        assert min(ends) >= NOW - timedelta(days=span) - 2 * length * 500
        later, _ = _list_windows(sparse, sparse.against, NOW + timedelta(seconds=5))
        assert len({*later} - {*ends}) <= 1  # those read before are used again


def test_a_backtest_raises_what_an_evaluation_would(weeks: Settings) -> None:
    past = alerts.backtest(rule(USUAL), "1h", NOW, "5m", settings=weeks)
    known = past.values.dropna()
    for moment, value in zip(known["ts"], known["value"], strict=True):
        [seen], _ = History(weeks).measure(rule(USUAL), moment.to_pydatetime())
        assert seen.value == pytest.approx(value)
    assert list(past.alerts["message"]) == ["$10,000, 100.0 x the usual $100"]
    assert past.unit == "x the usual"
    assert "x the median of this hour of the week, over 5 weeks" in str(past)
    assert "without enough history or coverage" in str(past)
    assert list(past.thresholds([3, 1000])["alerts"]) == [1, 0]


def test_a_backtest_of_a_percentile_is_drawn_from_the_same_windows(
    days: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    past = alerts.backtest(rule(RARE), "2h", THIS_HOUR + HOUR, "1h", settings=days, progress=True)
    assert re.search(r"rule over the past, \d+ earlier windows read", capsys.readouterr().out)
    assert past.unit == "% of past windows"
    assert [round(value, 1) for value in past.values["value"]] == [100.0, 97.5]


def test_the_check_command_says_what_lacks(
    stack: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "alerts.json"
    file.write_text(json.dumps({"unusual": USUAL, "rare": RARE}))
    settings = own_table(stack).model_copy(update={"alerts": file})
    now = datetime.now(UTC)  # a print covers its hour, and each window may lie in two hours
    minutes = (timedelta(minutes=age) for age in (0.5, 10, 40))
    insert(settings, [printed(now - age, 100) for age in minutes])
    monkeypatch.setattr(config, "settings", lambda: settings)
    assert {one.name: (one.value, one.fault) for one in check(settings)} == {
        "unusual": (None, ""),
        "rare": (None, ""),
    }
    ran = CliRunner().invoke(app, ["alerts", "check"])
    assert ran.exit_code == 0, ran.output
    assert "too little history" in " ".join(ran.output.split())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"against": {"kind": "usual", "weeks": 2}}, "give 3 or more, not 2"),
        ({"against": {"kind": "mean"}}, "'mean' is not a choice"),
        ({"against": {"kind": "usual", "days": 3}}, "there is no field 'days'"),
        ({"window": "2h"}, "a window of more than 1h has no hour of the week"),
        ({"aggregate": "max"}, "max is no rate; use any, sum, count"),
        ({"query": "latest_timestamp", "window": "", "column": "rows"}, "takes no window or until"),
        ({"query": "by_exchange", "column": "long_usd", "by": ["exchange"]}, "for each exchange"),
        ({"against": {"kind": "percentile"}, "threshold": 100}, "a percentile is from 0.5 to 99.5"),
        (
            {"against": {"kind": "percentile", "days": 1}, "window": "1h", "threshold": 99},
            "1 days have 24 windows of 1h; the percentile 99 needs 100",
        ),
        ({"against": None}, "its message names 'measured'"),
    ],
)
def test_a_rule_that_cannot_be_compared_is_named_with_the_reason(
    stack: Settings, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "alerts.json"
    file.write_text(json.dumps({"bad": USUAL | change}))
    _, faults = load_rules(stack.model_copy(update={"alerts": file}))
    assert reason in faults["bad"]


def test_several_rows_have_no_common_rate(weeks: Settings) -> None:
    many = rule(USUAL, query="largest_prints", column="notional", message="x", window="1h")
    with pytest.raises(RuleError, match="give an aggregate"):
        History(weeks).measure(many, NOW)
