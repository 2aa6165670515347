"""The last minutes and hours, as multiples of the usual."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from liq.analysis.pace import SPANS, UNREAD, PaceReader, Past, compare, find_usual
from liq.config import Settings
from liq.errors import QueryError
from support.helpers import PATIENCE_S
from support.rows import insert, liquidation, own_table

NOW = datetime(2026, 3, 2, 12, 20, tzinfo=UTC)
HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
EVERY = dict.fromkeys(SPANS, 1.0)


def totals(**values: Any) -> pd.DataFrame:
    given = {"long_usd": 0.0, "short_usd": 0.0, "prints": 0, "partial": 0, "not_live": 0}
    return pd.DataFrame({"span": list(SPANS), **given, **values})


def past(usd: float = 3600.0, covered_s: float = 3600.0, weeks: int = 4, **changes: Any) -> Past:
    """Every hour of the last weeks liquidated ``usd`` of longs and half of it of shorts."""
    end = NOW.replace(minute=0) + HOUR
    hours = pd.date_range(end - weeks * WEEK - 26 * HOUR, end, freq="1h", inclusive="left")
    known = Past(
        pd.DataFrame({"ts": hours, "long_usd": usd, "short_usd": usd / 2, "not_live": 0}),
        pd.DataFrame({"ts": hours, "covered_s": covered_s}),
        EVERY,
        NOW,
    )
    return known._replace(**changes)


def test_sums_are_multiples_of_the_usual_rate_of_the_same_hours() -> None:
    usual = [span.total_seconds() for span in SPANS.values()]  # 1 USD a second of longs
    found = compare(totals(long_usd=[2 * each for each in usual], short_usd=usual), past())
    assert found["long_times"].tolist() == pytest.approx([2] * 4)
    assert found["short_times"].tolist() == pytest.approx([2] * 4)
    assert found["note"].tolist() == [""] * 4
    assert not found["unreal"].any()


def test_the_usual_is_the_median_of_weeks_and_of_that_hour_only() -> None:
    known = past()
    odd = known.hours.assign(long_usd=1e9)
    same = known.hours["ts"].isin([NOW.replace(minute=0) - week * WEEK for week in (1, 2, 3, 4)])
    burst = known.hours["ts"] == NOW.replace(minute=0) - WEEK
    hours = known.hours.where(same, odd).assign(
        long_usd=lambda frame: frame["long_usd"].mask(burst, 7200.0)
    )
    rates, _ = find_usual(known._replace(hours=hours), SPANS["5m"])
    assert rates == pytest.approx([1.0, 0.5])


def test_missing_data_is_not_a_quiet_market() -> None:
    # an hour of which a part was covered counts by its covered time
    [long, _], _ = find_usual(past(usd=1800.0, covered_s=1800.0), SPANS["1h"])  # type: ignore[misc]
    assert long == pytest.approx(1.0)
    # of less than half it does not count at all
    assert find_usual(past(covered_s=1700.0), SPANS["1h"]) == (None, False)
    lacking = compare(totals(), past(covered_s=1700.0))
    assert set(lacking["note"]) == {"too little history for the usual"}
    # nor is a rate of now known if feeds were disconnected now
    lost = compare(totals(), past(shares=EVERY | {"5m": 0.3}))
    assert lost["note"].tolist() == ["feeds covered 30% of it", "", "", ""]
    assert pd.isna(lost["long_times"][0])
    half = compare(totals(long_usd=150.0), past(shares=EVERY | {"5m": 0.5}))
    assert half["long_times"][0] == pytest.approx(1.0)


def test_a_multiple_of_nothing_is_unknown() -> None:
    found = compare(totals(long_usd=5.0), past(usd=0.0))
    assert found["long_times"].isna().all()
    assert set(found["note"]) == {"usually no longs or shorts"}


def test_history_that_is_unread_or_unreadable_is_said() -> None:
    assert set(compare(totals(), None)["note"]) == {UNREAD}
    [note] = set(compare(totals(), QueryError("no such table"))["note"])
    assert note == "the usual could not be read: no such table"


def test_simulated_history_is_not_taken_for_real() -> None:
    known = past()
    found = compare(totals(), known._replace(hours=known.hours.assign(not_live=1)))
    assert found["unreal"].all()


@pytest.mark.stack
def test_the_reader_compares_stored_rows_with_those_of_weeks_ago(stack: Settings) -> None:
    settings = own_table(stack)
    weeks = [NOW.replace(minute=0) - week * WEEK for week in range(1, 5)]
    insert(
        settings,
        [
            *(liquidation(hour + timedelta(minutes=5), 1200) for hour in weeks),
            *(liquidation(hour - timedelta(minutes=55), 1200) for hour in weeks),
            *(liquidation(hour, 99_000, symbol="ETHUSDT", base="ETH") for hour in weeks),
            liquidation(NOW - timedelta(minutes=2), 300),
            liquidation(NOW - timedelta(minutes=50), 300),
        ],
    )
    reader = PaceReader(settings)
    filters = {"symbols": ["BTCUSDT"]}
    assert set(reader.read(filters, NOW)["note"]) == {UNREAD}  # nobody waits for it
    reader.wait(PATIENCE_S)
    found = reader.read(filters, NOW).set_index("span")
    # 300 USD in 5 minutes, of usually 100; in each span that has enough covered history
    assert found.loc["5m", "long_usd"] == 300
    assert found.loc["5m", "long_times"] == pytest.approx(3)
    assert found.loc["1h", "long_times"] == pytest.approx(0.5)
    assert found["short_times"].isna().all()  # shorts are never liquidated here
    assert found.loc["24h", "note"] == "feeds covered 6% of it"
    other = reader.read({"symbols": ["ETHUSDT"]}, NOW)  # other filters have another past
    assert set(other["note"]) == {UNREAD}
