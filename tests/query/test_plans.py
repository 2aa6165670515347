"""Which rows QuestDB reads for each query: those of the window, and no others."""

import re
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from typing import Any

import pytest

from liq.config import Settings
from liq.query import queries, questdb, views
from liq.query.catalogue import Query
from support.rows import insert_one_of_each, own_table, refresh_views

pytestmark = pytest.mark.stack
UNTIL = datetime(2026, 3, 9, 12, 34, 56, tzinfo=UTC)
SHIPPED = queries.queries()
WINDOWED = [key for key, query in SHIPPED.items() if query.params.keys() & {"window", "from_ts"}]
FILTERS = {
    "symbols": ["BTCUSDT"],
    "assets": ["BTC"],
    "exchange": ["bybit"],
    "min_notional": 5.0,
    "rules": ["a"],
    "width": 60,
}
# no row is read before the window and after it but these, by the query's own text
LOOK_BACK = {
    key: timedelta(hours=12) for key, query in SHIPPED.items() if "look_back" in query.params
}
PRICES_AROUND = timedelta(minutes=61)


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    """Some rows on each of twelve days: a plan without an interval would read them all."""
    settings = own_table(stack)
    views.ensure(settings)
    moments = [UNTIL - timedelta(days=day, hours=1) for day in range(-1, 11)]
    for moment in moments:
        insert_one_of_each(settings, moment)
    refresh_views(settings)
    return settings


def plan(query: Query, given: dict[str, Any], settings: Settings) -> str:
    """Return how QuestDB would answer, as text."""
    sql, bound = queries.render_sql(query, queries.resolve(query, given), settings)
    return "\n".join(questdb.fetch(f"EXPLAIN {sql}", bound, settings).iloc[:, 0])


def intervals(text: str) -> list[tuple[datetime, datetime]]:
    """Return from when to when each scan of a table reads."""
    found = re.findall(r'intervals: \[\("([^"]+)","([^"]+)"\)\]', text)
    return [(_moment(begin), _moment(end)) for begin, end in found]


def _moment(text: str) -> datetime:
    if text in ("MIN", "MAX"):
        raise AssertionError("an interval without an end")
    return datetime.fromisoformat(text)


def choices(query: Query) -> list[dict[str, Any]]:
    """Return each set of the filters that the query takes."""
    names = [name for name in FILTERS if name in query.params]
    subsets = chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))
    most = {"max_notional": 5e6}  # with the minimum: a set of its own would double the sets
    return [
        {name: FILTERS[name] for name in subset} | (most if "min_notional" in subset else {})
        for subset in subsets
    ]


@pytest.mark.parametrize("key", WINDOWED)
@pytest.mark.parametrize("window", [timedelta(minutes=30), timedelta(days=3)], ids=str)
def test_each_table_is_read_by_an_interval_of_the_window(
    own: Settings, key: str, window: timedelta
) -> None:
    query = SHIPPED[key]
    since = UNTIL - window
    for bucket in query.params["bucket"].choices if "bucket" in query.params else [None]:
        for filters in choices(query):
            given = filters | {"window": window, "until": UNTIL, "bucket": bucket}
            given |= {"from_ts": since, "to_ts": UNTIL}
            given = {name: value for name, value in given.items() if name in query.params}
            text = plan(query, given, own)
            why = f"{key} with {given}:\n{text}"
            assert not re.search(r"Frame \w+ scan on", text), why
            assert len(intervals(text)) == len(re.findall(r" scan on: ", text)) > 0, why
            early = max(LOOK_BACK.get(key, timedelta()), _around(query)) + timedelta(minutes=1)
            late = _around(query)
            for begin, end in intervals(text):
                assert since - early <= begin, why
                assert end <= UNTIL + late, why


def _around(query: Query) -> timedelta:
    return PRICES_AROUND if "HORIZON JOIN" in query.sql else timedelta()


@pytest.mark.parametrize("key", [key for key in WINDOWED if "until" in SHIPPED[key].params])
def test_a_window_without_an_end_ends_a_minute_from_now(own: Settings, key: str) -> None:
    text = plan(SHIPPED[key], {"window": "1h"}, own)
    ahead = datetime.now(UTC) + _around(SHIPPED[key]) + timedelta(minutes=1)
    assert all(end <= ahead for _, end in intervals(text)), text


def test_only_queries_of_one_row_have_no_window() -> None:
    assert SHIPPED.keys() - set(WINDOWED) == {"latest_timestamp", "print"}
