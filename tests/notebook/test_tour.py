"""A first picture, with and without servers."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import liq
from liq.analysis import charts
from liq.config import Settings
from liq.notebook import tour
from support.helpers import find_free_ports
from support.rows import insert, liquidation, own_table


def test_simulated_prints_pass_the_parser_and_have_the_source_simulator() -> None:
    prints = tour.simulate_prints(timedelta(minutes=10), seed=3)
    assert set(prints["source"]) == {"simulator"}
    assert set(prints["side"]) == {"long", "short"}
    assert prints["ts"].is_monotonic_increasing
    assert timedelta(minutes=9) < prints["ts"].max() - prints["ts"].min() < timedelta(minutes=10)
    again = tour.simulate_prints(timedelta(minutes=10), seed=3)
    assert again["notional"].tolist() == prints["notional"].tolist()


def test_bars_of_simulated_prints_have_the_columns_of_the_query() -> None:
    prints = tour.simulate_prints(timedelta(minutes=10))
    bars = tour.sum_by_minute(prints)
    assert list(bars) == list(liq.query.queries.queries()["liquidations_by_bucket"].columns)
    assert bars[["long_usd", "short_usd"]].to_numpy().sum() == pytest.approx(
        prints["notional"].sum()
    )
    assert (bars["not_live"] == bars["long_count"] + bars["short_count"]).all()
    [note] = charts.bars(bars).layout.annotations
    assert note.text == "SIMULATED OR REPLAYED DATA"


def test_without_servers_it_simulates_and_gives_the_reason(tmp_path: Path) -> None:
    bars = tour.load_first_picture(settings=Settings.load(home=tmp_path, **find_free_ports()))
    assert len(bars) > 50
    assert bars.attrs["origin"].startswith(
        "simulated in this kernel, because: cannot reach QuestDB"
    )


@pytest.mark.stack
def test_a_tour_with_rows_shows_them(stack: Settings) -> None:
    settings = own_table(stack)
    assert (
        "has no liquidations of the last 1h"
        in tour.load_first_picture(settings=settings).attrs["origin"]
    )
    insert(settings, [liquidation(pd.Timestamp.now("UTC").to_pydatetime(), 5.0)])
    bars = tour.load_first_picture(settings=settings)
    assert bars["long_usd"].sum() == 5
    assert bars.attrs["origin"] == "the rows in QuestDB"
