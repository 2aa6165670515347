"""When a rule fires: frames in, alerts out, no servers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pandas as pd
import pytest

from liq.analysis.alerts.decision import decide, find_nearest, measure
from liq.analysis.alerts.rules import Rule
from liq.errors import RuleError
from liq.records.model import Alert, Severity

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FRAME = pd.DataFrame(
    {
        "usd": [5.0, 20.0, float("nan"), 10.0],
        "symbol": ["A", "B", "C", "D"],
        "source": ["live", "live", "simulator", "simulator"],
    }
)


def rule(**changes: Any) -> Rule:
    fields = {
        "description": "x", "query": "q", "column": "usd", "is": ">=", "threshold": 10,
        "message": "{value:g} {symbol}", "cool_down": "5m", "severity": "critical",
    }  # fmt: skip
    return msgspec.convert(fields | changes, Rule)


def decided(
    name: str, rule: Rule, frame: pd.DataFrame, now: datetime, fired: datetime | None
) -> Alert | None:
    """Return what a rule without ``by`` raises: one alert or none."""
    found = decide(name, rule, measure(rule, frame), now, {None: fired} if fired else {})
    assert len(found) < 2
    return found[0] if found else None


def test_of_the_rows_that_meet_the_condition_the_most_extreme_is_reported() -> None:
    alert = decided("big", rule(), FRAME, NOW, None)
    assert alert
    assert alert.ts == round(NOW.timestamp() * 1e6)
    assert (alert.rule, alert.query, alert.measure) == ("big", "q", "usd")
    assert (alert.value, alert.threshold, alert.message) == (20.0, 10.0, "20 B")
    assert alert.severity is Severity.CRITICAL
    least = decided("small", rule(**{"is": "<"}), FRAME, NOW, None)
    assert least
    assert least.message == "5 A"


@pytest.mark.parametrize(
    ("comparison", "threshold", "fires"),
    [
        (">=", 20, True), (">", 20, False), (">", 19.9, True), ("<=", 5, True), ("<", 5, False),
        ("==", 10, True), ("==", 11, False), ("!=", 10, True),
    ],
)  # fmt: skip
def test_each_comparison(comparison: str, threshold: float, *, fires: bool) -> None:
    found = decided("x", rule(**{"is": comparison, "threshold": threshold}), FRAME, NOW, None)
    assert (found is not None) == fires


@pytest.mark.parametrize(
    ("aggregate", "value"),
    [("sum", 35), ("mean", 35 / 3), ("min", 5), ("max", 20), ("last", 10), ("count", 3)],
)
def test_each_aggregate_leaves_nulls_out(aggregate: str, value: float) -> None:
    made = rule(aggregate=aggregate, message="{value:g} of {rows}", threshold=value)
    alert = decided("x", made, FRAME, NOW, None)
    assert alert
    assert alert.value == pytest.approx(value)
    assert alert.message == f"{value:g} of 4"
    assert (
        decided("x", msgspec.structs.replace(made, threshold=value + 1), FRAME, NOW, None) is None
    )


def test_of_nothing_only_sums_and_counts_have_a_value() -> None:
    nothing = FRAME.head(0)
    for aggregate, value in (("any", None), ("max", None), ("mean", None), ("last", None),
                             ("sum", 0), ("count", 0)):  # fmt: skip
        made = rule(aggregate=aggregate, message="x", **{"is": "<=", "threshold": 0})
        assert [one.value for one in measure(made, nothing)] == [value]
        assert (decided("x", made, nothing, NOW, None) is not None) == (value is not None)


def test_while_it_cools_down_it_does_not_fire_again() -> None:
    for ago, fires in ((0, False), (299.9, False), (300, True)):
        found = decided("x", rule(), FRAME, NOW, NOW - timedelta(seconds=ago))
        assert (found is not None) == fires


def test_an_alert_of_rows_that_are_not_live_is_marked() -> None:
    largest = decided("x", rule(), FRAME, NOW, None)
    equal = decided("x", rule(**{"is": "=="}), FRAME, NOW, None)
    total = decided("x", rule(aggregate="sum", message="x"), FRAME, NOW, None)
    assert largest
    assert equal
    assert total
    assert (largest.live, equal.live, total.live) == (True, False, False)
    counted = pd.DataFrame({"usd": [50.0], "symbol": "A", "not_live": [0]})
    for not_live, live in ((0, True), (3, False)):
        found = decided("x", rule(), counted.assign(not_live=not_live), NOW, None)
        assert found
        assert found.live == live


def test_a_flag_can_be_compared() -> None:
    feeds = pd.DataFrame({"connected": [True, False], "symbol": ["A", "B"]})
    made = rule(column="connected", **{"is": "==", "threshold": 0})
    found = decided("x", made, feeds, NOW, None)
    assert found
    assert found.message == "0 B"
    assert decided("x", made, feeds.head(1), NOW, None) is None


def test_rows_without_the_column_or_a_name_of_the_message_are_reported() -> None:
    with pytest.raises(RuleError, match="q gave no column 'eur'"):
        decided("x", rule(column="eur"), FRAME, NOW, None)
    with pytest.raises(RuleError, match="its message cannot be written"):
        decided("x", rule(message="{other}"), FRAME, NOW, None)


FEEDS = pd.DataFrame(
    {
        "exchange": ["okx", "okx", "gate", "htx"],
        "source": ["live", "simulator", "live", "live"],
        "silent": [True, True, True, False],
        "reports": [5, 7, 9, 11],
    }
)
BY = {"by": ["exchange", "source"], "column": "silent", "is": "==", "threshold": 1}


def test_each_value_fires_and_cools_down_alone() -> None:
    made = rule(**BY, message="{exchange} {source}")
    seen = measure(made, FEEDS)
    alerts = decide("x", made, seen, NOW, {})
    subjects = [alert.subject for alert in alerts]
    assert subjects == ["gate, live", "okx, live", "okx, simulator"]
    assert [alert.message for alert in alerts] == ["gate live", "okx live", "okx simulator"]
    assert [alert.live for alert in alerts] == [True, True, False]
    fired: dict[str | None, datetime] = {
        "gate, live": NOW - timedelta(seconds=299),
        "okx, live": NOW - timedelta(minutes=5),
    }
    again = decide("x", made, seen, NOW, fired)
    assert [alert.subject for alert in again] == ["okx, live", "okx, simulator"]


def test_an_aggregate_is_of_the_rows_of_each_value() -> None:
    made = rule(
        by=["exchange"], column="reports", aggregate="sum", threshold=10,
        message="{exchange}: {value:g} of {rows}",
    )  # fmt: skip
    seen = measure(made, FEEDS)
    alerts = decide("x", made, seen, NOW, {})
    assert [alert.message for alert in alerts] == ["htx: 11 of 1", "okx: 12 of 2"]
    near = find_nearest(made, seen)
    assert near
    assert (near.subject, near.value) == ("okx", 12)
    assert find_nearest(made, []) is None
    with pytest.raises(RuleError, match="q gave no column 'venue'"):
        measure(rule(**BY | {"by": ["venue"]}), FEEDS)
