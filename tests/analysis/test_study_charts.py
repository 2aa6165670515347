"""Tables of studies and their charts, against numbers made by hand; no servers."""

import json
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from liq.analysis import charts, studies
from liq.analysis.charts import THEMES, Chart
from liq.analysis.charts.base import BOUND

START = pd.Timestamp("2026-01-01T00:00Z")


def at(*seconds: float) -> "pd.Series[pd.Timestamp]":
    return pd.Series(START + pd.to_timedelta(list(seconds), unit="s"))


CASCADES = pd.DataFrame(
    {
        "name": ["BTC", "ETH", "SOL", "BTC"],
        "from_ts": at(0, 100, 200, 300),
        "to_ts": at(5, 110, 201, 301),
        "exchanges": [2, 3, 1, 2],
        "first_exchange": ["bybit", "okx", "gate", "bybit"],
        "not_live": [0, 1, 7, 0],
        "partial": [2, 0, 0, 0],
    }
)
EXCHANGES = pd.DataFrame({"exchange": ["bybit", "okx", "gate"], "prints": [50, 30, 20]})
PRINTS = pd.DataFrame(
    {
        "ts": at(0, 1, 1, 3),
        "exchange": ["b", "a", "b", "a"],
        "notional": [100.0, 10.0, 20.0, 30.0],
        "completeness": "full",
        "source": "live",
    }
)
PRICE = pd.DataFrame(
    {"ts": at(0, 1, 2), "low": [9.0] * 3, "high": [11.0] * 3, "close": [10.0, 10.5, 9.5],
     "not_live": 0}
)  # fmt: skip
BARS = pd.DataFrame(
    {"ts": at(0, 60), "long_usd": [5.0, 1.0], "short_usd": [2.0, 0.0], "not_live": 0, "partial": 0}
)
ALERTS = pd.DataFrame({"ts": at(59, 61), "rule": ["r", "r"], "message": ["one", "two"]})
THRESHOLDS = pd.DataFrame({"threshold": [1e6, 2e6], "alerts": [4, 1], "per_day": [2.0, 0.5]})


def reacted(count: int = 40, **changes: Any) -> pd.DataFrame:
    """Return prints of 1, 2, … USD; after 10 s the price has moved as many bps."""
    sizes = np.arange(1.0, count + 1)
    frame = pd.DataFrame(
        {
            "notional": sizes[::-1],
            "mark_price": 100.0,
            "moved_10s_bps": sizes[::-1],
            "moved_1m_bps": -sizes[::-1],
            "moved_5m_bps": np.nan,
            "source": "live",
        }
    )
    return frame.assign(**changes)


def texts(figure: go.Figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def test_leaders_count_cascades_of_several_exchanges() -> None:
    frame = studies.rank_leaders(CASCADES, EXCHANGES)
    assert frame[["exchange", "led", "cascades"]].to_numpy().tolist() == [
        ["bybit", 2, 3],
        ["okx", 1, 3],
        ["gate", 0, 3],
    ]
    assert frame["share"].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert frame["expected"].tolist() == [0.5, 0.3, 0.2]
    assert frame["low"].iloc[2] == 0 < frame["high"].iloc[2]
    assert (frame["not_live"].iloc[0], frame["partial"].iloc[0]) == (1, 2)
    # Wilson's interval of two in three, as statistics packages give it
    assert frame[["low", "high"]].iloc[0].tolist() == pytest.approx([0.2077, 0.9385], abs=1e-4)


def test_leaders_of_nothing_are_none() -> None:
    for none in (CASCADES.iloc[:0], CASCADES[CASCADES["exchanges"] == 1]):
        assert studies.rank_leaders(none, EXCHANGES).empty
    assert studies.rank_leaders(CASCADES)["expected"].isna().all()


def test_a_cascade_is_chosen_by_its_rank() -> None:
    assert studies.select_prints(CASCADES, 2) == {
        "assets": ["ETH"],
        "from_ts": START + pd.Timedelta("100s"),
        "to_ts": START + pd.Timedelta("110s"),
    }
    price = studies.select_price(CASCADES, 2)
    assert (price["asset"], price["bucket"]) == ("ETH", "1s")
    assert price["until"] == START + pd.Timedelta("120s")
    assert price["window"] == pd.Timedelta("30s")
    for rank in (0, 5):
        assert studies.select_prints(CASCADES, rank) == studies.select_price(CASCADES, rank) == {}


def test_reactions_are_by_tenths_of_equal_number() -> None:
    frame = studies.measure_reactions(reacted(100))
    assert frame["decile"].unique().tolist() == list(range(1, 11))
    assert frame["horizon_s"].unique().tolist() == [10, 60]  # no price was known after 5 minutes
    assert (frame["prints"] == 10).all()
    first = frame.iloc[0]
    assert (first["from_usd"], first["to_usd"]) == (1, 10)
    assert first[["mean_bps", "q1_bps", "median_bps", "q3_bps"]].tolist() == [5.5, 3.25, 5.5, 7.75]
    assert frame[frame["horizon_s"] == 60]["mean_bps"].iloc[-1] == -95.5


def test_few_prints_make_fewer_groups_and_prints_without_a_price_none() -> None:
    assert studies.measure_reactions(reacted(14))["decile"].max() == 2
    assert studies.measure_reactions(reacted(4)).empty
    assert studies.measure_reactions(reacted(40, mark_price=np.nan)).empty
    half = reacted(40)
    half.loc[::2, "moved_10s_bps"] = np.nan
    frame = studies.measure_reactions(half)
    assert frame.groupby("horizon_s")["prints"].sum().to_dict() == {10: 20, 60: 40}
    equal = studies.measure_reactions(reacted(40, notional=7.0))
    assert (equal[equal["horizon_s"] == 10]["prints"] == 5).all()
    assert studies.measure_reactions(reacted(source="simulator"))["not_live"].sum() == 80


LEADERS = studies.rank_leaders(CASCADES.assign(not_live=0, partial=0), EXCHANGES)
REACTIONS = studies.measure_reactions(reacted())
ALL: list[tuple[Chart[Any], tuple[pd.DataFrame, ...], str]] = [
    (charts.leaders, (LEADERS,), "no cascade over several exchanges in this window"),
    (charts.cascade, (PRINTS, PRICE), "no such cascade in this window"),
    (charts.reactions, (REACTIONS,), "too few prints with a price in this window"),
    (charts.raised, (BARS, ALERTS), "no liquidations recorded in this window"),
    (charts.thresholds, (THRESHOLDS,), "the rule's query gave no value in this window"),
]
each_chart = pytest.mark.parametrize(
    ("chart", "frames", "empty"), ALL, ids=[chart.__name__ for chart, *_ in ALL]
)


@each_chart
@pytest.mark.parametrize("theme", THEMES)
def test_a_chart_follows_the_theme_and_says_when_it_is_empty(
    chart: Chart[Any], frames: tuple[pd.DataFrame, ...], empty: str, theme: Any
) -> None:
    figure = chart(*frames, theme=theme)
    assert figure.layout.paper_bgcolor == THEMES[theme].card
    assert texts(figure) == []
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text or figure.layout.yaxis.type == "category"
    json.dumps(chart.spec(*frames, theme=theme), allow_nan=False)
    nothing = chart(*(frame.iloc[:0] for frame in frames), theme=theme)
    assert texts(nothing) == [empty]


@pytest.mark.parametrize("case", ALL[:4], ids=[chart.__name__ for chart, *_ in ALL[:4]])
def test_a_study_of_rows_that_are_not_live_has_a_badge(case: Any) -> None:
    chart, (frame, *others), _ = case
    if "source" in frame:
        frame = frame.drop(columns="source")
    assert texts(chart(frame.assign(not_live=1), *others)) == ["SIMULATED OR REPLAYED DATA"]


def test_leaders_have_whiskers_and_the_share_by_chance() -> None:
    led, chance = charts.leaders(LEADERS).data
    assert list(led.y) == ["bybit", "okx", "gate"]
    assert list(led.x) == pytest.approx([200 / 3, 100 / 3, 0])
    assert led.x[0] - led.error_x.arrayminus[0] == pytest.approx(20.77, abs=0.01)
    assert led.x[0] + led.error_x.array[0] == pytest.approx(93.85, abs=0.01)
    assert list(chance.x) == [50, 30, 20]
    assert "of 3 cascades" in charts.leaders(LEADERS).layout.xaxis.title.text
    assert len(charts.leaders(LEADERS.assign(expected=np.nan)).data) == 1


def test_a_cascade_is_stacked_by_venue_under_the_price() -> None:
    figure = charts.cascade(PRINTS, PRICE)
    first, second, line, _ = figure.data
    assert (first.name, list(first.y)) == ("b", [100, 120, 120])  # it began
    assert (second.name, list(second.y)) == ("a", [0, 10, 40])
    assert first.stackgroup == second.stackgroup
    assert (line.yaxis, list(line.y)) == ("y2", [10, 10.5, 9.5])
    assert "liquidated so far (USD)" in figure.layout.yaxis.title.text
    throttled = charts.cascade(PRINTS.assign(completeness="throttled"))
    assert "lower bound" in throttled.layout.yaxis.title.text
    assert throttled.data[0].hovertemplate.startswith(BOUND)
    assert "≥" not in first.hovertemplate
    begin, end = PRINTS["ts"].min(), PRINTS["ts"].max()
    gaps = pd.DataFrame({"exchange": ["a"], "from_ts": [begin], "to_ts": [end]})
    away = charts.cascade(PRINTS, gaps=gaps)
    assert ["≥" in trace.hovertemplate for trace in away.data] == [False, True]
    assert "lower bound" in away.layout.yaxis.title.text
    later = gaps.assign(from_ts=end + pd.Timedelta("1s"), to_ts=end + pd.Timedelta("1h"))
    assert charts.cascade(PRINTS, gaps=later) == charts.cascade(PRINTS)
    assert charts.cascade(PRINTS.iloc[:0], gaps=gaps) == charts.cascade(PRINTS.iloc[:0])


def test_venues_of_a_cascade_without_a_colour_are_the_others() -> None:
    many = pd.concat(
        [PRINTS.assign(exchange=f"e{size}", notional=float(size)) for size in range(1, 13)]
    )
    traces = charts.cascade(many).data
    assert [trace.name for trace in traces] == [*(f"e{size}" for size in range(6, 13)), "others"]
    assert sum(trace.y[-1] for trace in traces) == 4 * sum(range(1, 13))


def test_reactions_are_boxes_that_say_how_many_prints() -> None:
    ten, minute = charts.reactions(REACTIONS).data
    assert (ten.name, minute.name) == ("after 10 s", "after 1 min")
    assert list(ten.x) == list(minute.x)
    assert ten.x[0] == "1<br>1 to<br>5<br>n=5"
    assert (ten.q1[0], ten.median[0], ten.q3[0], ten.mean[0]) == (2, 3, 4, 3)
    half = reacted()
    half.loc[39, "moved_1m_bps"] = np.nan
    assert charts.reactions(studies.measure_reactions(half)).data[0].x[0].endswith("n=4-5")


def test_alerts_stand_on_top_of_their_bars() -> None:
    *_, marks = charts.raised(BARS, ALERTS).data
    assert marks.name == "alerts (2)"
    assert list(marks.y) == [7, 1]
    assert list(marks.customdata[1]) == ["r", "two"]
    early = ALERTS.assign(ts=at(-5, 61))
    assert charts.raised(BARS, early).data[-1].y[0] == 0


def test_thresholds_mark_the_one_that_is() -> None:
    figure = charts.thresholds(THRESHOLDS, unit="USD", current=1.5e6)
    assert list(figure.data[0].y) == [2, 0.5]
    assert figure.layout.xaxis.title.text == "threshold (USD)"
    assert figure.layout.shapes[0].x0 == 1.5e6
    assert texts(figure) == ["now"]
    wide = charts.thresholds(THRESHOLDS.assign(threshold=[1.0, 1e3]), current=100.0)
    assert wide.layout.xaxis.type == "log"
    assert (wide.layout.shapes[0].x0, wide.layout.annotations[0].x) == (100, 2)
