"""Every comparison runs, on little, so that none of them rots; what liq carries is all there."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from bench.candles import OURS, candles
from bench.compare import DOUBLED, LOST, Row, run
from bench.decoding import decoding
from bench.drain import drain
from bench.environment import own_names
from bench.latency import latency, stages
from bench.paint import painting
from bench.publishing import publishing
from bench.reading import fetch_by_psycopg, fetch_by_rest, load, reading, rest, sql
from bench.recovery import recovery
from bench.sizes import Sizes
from bench.updates import updates
from bench.visitors import opening

from liq.config import Settings
from liq.query import questdb

pytestmark = pytest.mark.timeout(900)  # those of pages take two minutes while other tests run

LITTLE = Sizes(
    repeat=1,
    rate=50,
    warm_up=10,
    watched=40,
    drained=2_000,
    drained_by_script=200,
    produced=200,
    produced_one_by_one=20,
    decoded=200,
    stored=10_000,
    asked=1,
    opened_s=1,
    painted_s=1,
    changes=1,
    visitors=1,
    apart_s=1,
    points=100,
    away=0.5,
    after=1,
    away_rate=200,
)


def check(row: Row) -> None:
    """Let each contender have its turn: it gives the row's figures, and liq loses nothing."""
    [figures] = run(row, LITTLE.repeat).rounds
    for name, found in figures.items():
        assert all(math.isfinite(found[figure.name]) for figure in row.figures), (name, found)
    ours = next(iter(row.contenders))
    assert figures[ours].get(LOST, 0) == figures[ours].get(DOUBLED, 0) == 0


@pytest.mark.parametrize("rows", [decoding, updates], ids=lambda rows: rows.__name__)
def test_a_comparison_without_servers(rows: Callable[[Sizes], list[Row]]) -> None:
    for row in rows(LITTLE):
        check(row)


@pytest.mark.browser
def test_a_comparison_of_candles_by_what_needs_no_npm() -> None:
    [row] = candles(LITTLE)
    local = {name: row.contenders[name] for name in (OURS, "plotly")}
    check(replace(row, contenders=local))


@pytest.mark.stack
@pytest.mark.browser
@pytest.mark.parametrize("rows", [painting, opening], ids=lambda rows: rows.__name__)
def test_a_comparison_of_pages(
    rows: Callable[[Settings, Sizes], list[Row]], stack: Settings
) -> None:
    for row in rows(stack, replace(LITTLE, rate=5)):  # a page redraws for each event
        check(row)


@pytest.mark.stack
@pytest.mark.parametrize(
    "rows", [latency, stages, drain, publishing, reading, recovery], ids=lambda rows: rows.__name__
)
def test_a_comparison(rows: Callable[[Settings, Sizes], list[Row]], stack: Settings) -> None:
    for row in rows(stack, LITTLE):
        check(row)


@pytest.mark.stack
def test_both_ways_of_reading_give_the_same(stack: Settings) -> None:
    settings = own_names(stack)
    questdb.ensure_table(settings)
    with rest(settings) as client:
        load(client, settings, 100)
        for key in ("totals", "prints"):
            statement = sql(settings, key, 50)
            by_rest = fetch_by_rest(client, statement)
            assert by_rest.equals(fetch_by_psycopg(settings, statement)), key
