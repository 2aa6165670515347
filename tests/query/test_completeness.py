"""Every total of the catalogue shows, down to the chart, whether its feeds are complete."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import liq
from liq.analysis import charts
from liq.analysis.charts import completeness_note
from liq.analysis.charts.base import Chart
from liq.config import Settings
from liq.ingest.venues import VENUES
from liq.query.queries import queries
from liq.records.model import Completeness
from liq.records.streams import LIQUIDATIONS
from support.rows import insert, liquidation, own_table

OF_NOTIONAL = sorted(key for key, query in queries().items() if "notional" in query.columns)
TOTALS = sorted(
    key for key, query in queries().items() if re.search(r"sum\(.*notional", query.sql, re.DOTALL)
)
# what these three prints give no row of: they ask for one print, for runs of them, for whole hours
NEEDY = ("print", "cascade_prints", "cascades", "hour_of_day")
MOVES = ("print_reactions",)  # of prices, which a missing print does not change
CHARTS: dict[str, Chart[Any]] = {
    "liquidations_by_bucket": charts.bars,
    "cumulative_net": charts.cumulative_net,
    "top_symbols": charts.top_symbols,
    "by_exchange": charts.by_exchange,
}


@pytest.fixture(scope="module")
def tables(stack: Settings) -> dict[str, Settings]:
    """A table of full feeds only, and one with prints of throttled and sampled ones among them."""
    now = datetime.now(UTC)
    full = [liquidation(now - timedelta(minutes=1), 10.0, completeness=Completeness.FULL)]
    mixed = [
        *full,
        liquidation(
            now - timedelta(minutes=2), 20.0, exchange="okx", completeness=Completeness.SAMPLED
        ),
        liquidation(now - timedelta(minutes=3), 30.0, completeness=Completeness.THROTTLED),
    ]
    found = {}
    for name, records in (("full", full), ("mixed", mixed)):
        found[name] = own_table(stack)
        insert(found[name], records)
    return found


def test_all_totals_are_checked() -> None:
    assert {"totals", *CHARTS} <= set(TOTALS)
    assert {"largest_prints", "latest_prints"} <= set(OF_NOTIONAL)


def test_a_row_knows_how_complete_its_feed_is() -> None:
    assert LIQUIDATIONS.columns()["completeness"] == "SYMBOL"
    assert {venue.completeness for venue in VENUES.values()} == set(Completeness)


@pytest.mark.stack
@pytest.mark.parametrize("key", sorted({*TOTALS, *OF_NOTIONAL} - {*NEEDY, *MOVES}))
def test_a_total_says_whether_it_is_a_lower_bound(key: str, tables: dict[str, Settings]) -> None:
    frames = {name: liq.hit(key, settings=table) for name, table in tables.items()}
    assert {"partial", "completeness"} & set(frames["mixed"].columns)
    assert completeness_note(frames["full"]) == ""
    assert completeness_note(frames["mixed"]) == charts.LOWER_BOUND


@pytest.mark.parametrize("key", NEEDY)
def test_a_query_that_needs_more_prints_has_a_column_for_them(key: str) -> None:
    assert {"partial", "completeness"} & set(queries()[key].columns)


@pytest.mark.stack
@pytest.mark.parametrize("key", CHARTS)
def test_a_chart_of_partial_feeds_notes_lower_bounds(key: str, tables: dict[str, Settings]) -> None:
    def words(frame: pd.DataFrame) -> str:
        layout: dict[str, Any] = CHARTS[key].spec(frame)["layout"]
        return " ".join(
            layout[axis].get("title", {}).get("text", "") for axis in ("xaxis", "yaxis")
        )

    note_of_bound = re.compile("lower bound|partial feed")
    assert note_of_bound.search(words(liq.hit(key, settings=tables["mixed"])))
    assert not note_of_bound.search(words(liq.hit(key, settings=tables["full"])))
