import json
import math
import re
from collections.abc import Iterator
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import plotly.graph_objects as go
import pytest

from liq.analysis import charts
from liq.analysis.charts import THEMES, Chart
from liq.analysis.charts.base import BOUND, UNKNOWN_GAPS
from liq.analysis.charts.prices import count_beyond, create_panels
from liq.errors import QueryError

TIMES = pd.to_datetime(["2026-01-01T00:00Z", "2026-01-01T00:01Z", "2026-01-01T00:02Z"])
COUNTS = {"not_live": [0, 0, 0], "partial": [0, 0, 0]}
BARS = pd.DataFrame(
    {"ts": TIMES, "long_usd": [1.0, 0.0, 5.0], "short_usd": [2.0, 0.0, 0.5], **COUNTS}
)
NET = pd.DataFrame(
    {"ts": TIMES, "net_usd": [-1.0, 0, 4.5], "cumulative_usd": [-1.0, -1, 3.5], **COUNTS}
)
SYMBOLS = pd.DataFrame(
    {"symbol": ["A", "B", "C"], "long_usd": [3.0, 2, 1], "short_usd": [1.0, 1, 1], **COUNTS}
)
EXCHANGES = SYMBOLS.rename(columns={"symbol": "exchange"}).assign(
    completeness=["full", "throttled", "sampled"]
)
SHARES = pd.DataFrame(
    {
        "ts": [*TIMES[:2], TIMES[0]],
        "exchange": ["a", "a", "b"],
        "total_usd": [3.0, 2.0, 1.0],
        "share": [0.75, 1.0, 0.25],
        **COUNTS,
    }
)
CASCADES = pd.DataFrame(
    {
        "name": ["BTC", "ETH", "BTC"],
        "from_ts": TIMES,
        "to_ts": TIMES,
        "duration_s": [0.5, 9, 70],
        "prints": [5, 9, 6],
        "exchanges": [1, 2, 3],
        "first_exchange": ["a", "b", "a"],
        "long_usd": [100.0, 5, 0],
        "short_usd": [0.0, 15, 30],
        "total_usd": [100.0, 20, 30],
        "peak_1s_usd": [100.0, 9, 8],
        "burst_score": [9.0, 2, 3],
        **COUNTS,
    }
)
CELLS = pd.DataFrame(
    {
        "ts": [*TIMES[:2], TIMES[0]],
        "price_from": [100.0, 101.0, 105.0],
        "price_to": [101.0, 102.0, 106.0],
        "long_usd": [1000.0, 0.0, 10.0],
        "short_usd": [0.0, 100.0, 0.0],
        **COUNTS,
    }
)
MARKS = pd.DataFrame(
    {
        "ts": TIMES,
        "open": [100.0, 101, 103],
        "high": [102.0, 103, 106],
        "low": [99.0, 100, 102],
        "close": [101.0, 103, 105],
        "not_live": 0,
    }
)
HOURS = pd.DataFrame(
    {
        "weekday": [1, 2, 2],
        "hour": [0, 0, 23],
        "hours": [1, 3, 2],
        "covered": [1, 0.75, 0.5],
        "long_usd": [10.0, 2.0, 0.0],
        "short_usd": [0.0, 4.0, 6.0],
        **COUNTS,
    }
)
ALL: list[tuple[Chart[Any], pd.DataFrame]] = [
    (charts.bars, BARS),
    (charts.cumulative_net, NET),
    (charts.top_symbols, SYMBOLS),
    (charts.by_exchange, EXCHANGES),
    (charts.venue_share, SHARES),
    (charts.cascades, CASCADES),
    (charts.heatmap, CELLS),
    (charts.hour_of_day, HOURS),
]
TIMELINES: list[tuple[Chart[Any], pd.DataFrame]] = [
    (charts.bars, BARS),
    (charts.cumulative_net, NET),
    (charts.venue_share, SHARES),
    (charts.cascades, CASCADES),
    (charts.heatmap, CELLS),
]
each_chart = pytest.mark.parametrize(("chart", "frame"), ALL, ids=[c.__name__ for c, _ in ALL])


def texts(figure: go.Figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def read_marks(trace: Any) -> list[str]:
    """Return the hover text of each mark, as plotly completes it."""
    lists = {name: getattr(trace, name) for name in ("hovertext", "customdata")}
    given = {
        name: [str(text) for text in texts] for name, texts in lists.items() if texts is not None
    }
    marks = [trace.hovertemplate] * len(trace.x)
    for name, texts in given.items():
        marks = [
            mark.replace(f"%{{{name}}}", text) for mark, text in zip(marks, texts, strict=True)
        ]
    return marks


def titles(figure: go.Figure) -> str:
    """Return all that is written at axes, colour bars and legend."""
    found: list[str] = []

    def look(part: Any, name: str = "") -> None:
        if isinstance(part, dict):
            if name == "title":
                found.append(str(part.get("text")))
            for key, value in part.items():
                look(value, key)
        elif isinstance(part, (list, tuple)):
            for value in part:
                look(value)

    look(figure.to_dict())
    return " ".join(found)


def colour_of(trace: Any) -> str:
    if trace.type == "heatmap":
        return str(trace.colorscale[-1][1])
    return str(trace.marker.color or trace.line.color)


@each_chart
def test_a_figure_is_its_spec_checked_by_plotly(chart: Chart[Any], frame: pd.DataFrame) -> None:
    figure = chart(frame)
    assert isinstance(figure, go.Figure)
    assert figure == go.Figure(chart.spec(frame))
    assert "``" in (chart.__doc__ or "")


@each_chart
def test_axes_are_titled_with_their_unit(chart: Chart[Any], frame: pd.DataFrame) -> None:
    layout = chart(frame).layout
    assert "USD" in titles(chart(frame))
    assert "(UTC)" in (layout.xaxis.title.text or "") or layout.yaxis.type == "category"


@each_chart
@pytest.mark.parametrize("theme", THEMES)
def test_colours_follow_the_theme(chart: Chart[Any], frame: pd.DataFrame, theme: Any) -> None:
    figure = chart(frame, theme)
    assert figure.layout.paper_bgcolor == THEMES[theme].card
    for number, trace in enumerate(figure.data):
        if chart is charts.venue_share:
            assert trace.marker.color == THEMES[theme].venues[number]
            continue
        expected = {"long": THEMES[theme].long, "short": THEMES[theme].short}
        colour = colour_of(trace)
        assert colour == expected.get(trace.name, THEMES[theme].net)


@each_chart
def test_a_chart_without_rows_has_a_note(chart: Chart[Any], frame: pd.DataFrame) -> None:
    assert texts(chart(frame.iloc[:0])) == ["no liquidations recorded in this window"]
    assert texts(chart(frame)) == []


@each_chart
def test_simulated_rows_are_badged_without_asking(chart: Chart[Any], frame: pd.DataFrame) -> None:
    assert texts(chart(frame.assign(not_live=[0, 1, 0]))) == ["SIMULATED OR REPLAYED DATA"]
    assert texts(chart(frame, badge="SIMULATED DATA")) == ["SIMULATED DATA"]


@each_chart
def test_partial_feeds_are_reported_on_the_axis(chart: Chart[Any], frame: pd.DataFrame) -> None:
    throttled = frame.assign(partial=1, completeness="throttled")
    # the difference of two lower bounds is no lower bound
    caveats: dict[Any, str] = {charts.cumulative_net: "partial feed", charts.venue_share: "partial"}
    caveat = caveats.get(chart, "USD, lower bound")
    assert caveat in titles(chart(throttled))
    assert caveat not in titles(chart(frame.assign(partial=0, completeness="full")))


def test_bars_stack_both_sides_over_their_bucket() -> None:
    figure = charts.bars(BARS)
    long, short = figure.data
    assert figure.layout.barmode == "stack"
    assert (long.name, list(long.y)) == ("long", [1, 0, 5])
    assert (short.name, list(short.y)) == ("short", [2, 0, 0.5])
    assert list(long.x) == [f"2026-01-01T00:0{minute}:00.000" for minute in range(3)]
    assert long.xperiod == 60_000
    assert long.xperiodalignment == "middle"
    assert charts.bars(BARS.iloc[:1]).data[0].xperiod is None


PRICES = pd.DataFrame(
    {
        "ts": TIMES,
        "open": [9.0, math.nan, 12.0],
        "high": [11.0, math.nan, 13.0],
        "low": [8.0, math.nan, 12.0],
        "close": [10.0, math.nan, 12.5],
        "not_live": [0, 0, 0],
    }
)
PATH = pd.DataFrame(
    {
        "side": ["long", "long", "short"],
        "offset_s": [0, 10, 10],
        "mean_bps": [0.0, 4.0, -1.0],
        "q1_bps": [0.0, 1.0, -2.0],
        "median_bps": [0.0, 3.0, -1.0],
        "q3_bps": [0.0, 6.0, 2.0],
        "prints": [3, 2, 1],
        "not_live": [0, 0, 0],
    }
)


@pytest.mark.parametrize("theme", THEMES)
def test_a_price_is_laid_over_bars_on_its_own_axis(theme: Any) -> None:
    figure = charts.bars(BARS, theme, price=PRICES)
    line, hover = figure.data[2:]
    assert list(line.y) == list(hover.y) == [10, None, 12.5]  # a gap, where no price was received
    assert not line.connectgaps
    assert (line.yaxis, figure.layout.yaxis2.overlaying, figure.layout.yaxis2.side) == (
        "y2",
        "y",
        "right",
    )
    assert [moment[14:19] for moment in line.x] == ["01:00", "02:00", "03:00"]
    assert (line.hoverinfo, line.line.width) == ("skip", 1.5)
    # the pointer reads the bucket below it; the end of the line is the start of the next bucket
    assert [moment[14:19] for moment in hover.x] == ["00:00", "01:00", "02:00"]
    assert (hover.xperiod, hover.xperiodalignment, hover.line.width) == (60_000, "middle", 0)
    assert (line.legendgroup, hover.showlegend) == (hover.legendgroup, False)
    assert "(quote per base)" in figure.layout.yaxis2.title.text
    assert line.line.color == THEMES[theme].text
    json.dumps(charts.bars.spec(BARS, price=PRICES), allow_nan=False)
    without = charts.bars(BARS, theme, price=PRICES.iloc[:0])
    assert without == charts.bars(BARS, theme)


def test_a_simulated_price_is_badged_too() -> None:
    simulated = PRICES.assign(not_live=1)
    assert texts(charts.bars(BARS, price=simulated)) == ["SIMULATED OR REPLAYED DATA"]
    assert texts(charts.bars(BARS, price=simulated, badge="")) == []


@pytest.mark.parametrize("theme", THEMES)
def test_a_path_is_a_mean_in_a_band_of_quartiles(theme: Any) -> None:
    figure = charts.price_path(PATH, theme)
    band, mean, *_ = figure.data
    assert (mean.name, list(mean.x), list(mean.y)) == ("long", [0, 10], [0, 4])
    assert list(mean.customdata) == [3, 2]
    assert list(zip(band.x, band.y, strict=True)) == [(0, 0), (10, 6), (10, 1), (0, 0)]
    assert [trace.line.color for trace in figure.data] == [
        *[THEMES[theme].long] * 2,
        *[THEMES[theme].short] * 2,
    ]
    assert "(s)" in figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text == "move with the order (bps)"


def test_a_path_says_when_there_is_none_or_it_is_not_live() -> None:
    assert texts(charts.price_path(PATH.iloc[:0])) == ["no prints with a price in this window"]
    assert texts(charts.price_path(PATH.assign(not_live=1))) == ["SIMULATED OR REPLAYED DATA"]
    assert texts(charts.price_path(PATH)) == []
    assert [trace.name for trace in charts.price_path(PATH.iloc[2:]).data][1:] == ["short"]


def test_span_fixes_the_time_axis_in_utc() -> None:
    span = (pd.Timestamp("2026-01-01T02:00+02:00"), pd.Timestamp("2026-01-01T01:00Z"))
    for chart, frame in TIMELINES:
        figure = chart(frame, span=span)
        assert list(figure.layout.xaxis.range) == [
            "2026-01-01T00:00:00.000",
            "2026-01-01T01:00:00.000",
        ]


def test_times_are_drawn_in_another_zone() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    gaps = pd.DataFrame({"exchange": ["a"], "from_ts": TIMES[:1], "to_ts": TIMES[1:2]})
    for chart, frame in TIMELINES:
        figure = chart(frame, span=(TIMES[0], TIMES[2]), gaps=gaps, zone=zone)
        starts = [figure.layout.xaxis.range[0], figure.layout.shapes[0].x0, figure.data[0].x[0]]
        assert starts == ["2026-01-01T05:30:00.000"] * 3
        assert figure.layout.xaxis.title.text.startswith("time (Asia/Kolkata)")
    figure = charts.bars(BARS, price=PRICES, zone=zone)
    assert figure.data[3].x[0] == "2026-01-01T05:30:00.000"


def test_the_bucket_that_runs_is_marked_and_has_no_price_in_the_future() -> None:
    now = TIMES[2] + pd.Timedelta("20s")
    figure = charts.bars(BARS, price=PRICES, now=now)
    (mark,) = figure.layout.shapes
    assert (mark.x0, mark.x1) == ("2026-01-01T00:02:00.000", "2026-01-01T00:03:00.000")
    line, hover = figure.data[2:]
    assert [moment[14:19] for moment in line.x] == ["01:00", "02:00", "02:20"]
    assert len(hover.x) == 3
    json.dumps(charts.bars.spec(BARS, price=PRICES, now=now), allow_nan=False)


@pytest.mark.parametrize("now", [None, TIMES[0], TIMES[2] + pd.Timedelta("60s")])
def test_no_bucket_is_marked_when_none_of_them_runs(now: Any) -> None:
    figure = charts.bars(BARS, price=PRICES, now=now)
    assert figure.layout.shapes == ()
    assert list(figure.data[2].x)[-1] == "2026-01-01T00:03:00.000"
    for rows in (0, 1):  # of unknown width without a `bucket`
        assert charts.bars(BARS.iloc[:rows], price=PRICES.iloc[:rows], now=now).layout.shapes == ()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_buckets_that_the_window_cuts_are_marked_and_say_which_part_they_are(zone: str) -> None:
    window = TIMES[0] + pd.Timedelta("25s"), TIMES[2] + pd.Timedelta("20s")
    given: dict[str, Any] = {"window": window, "zone": ZoneInfo(zone)}
    clocks = [f"{each.tz_convert(zone):%H:%M:%S}" for each in window]
    from_, until = (f"only {word} {at}" for word, at in zip(("from", "until"), clocks, strict=True))
    figure = charts.bars(BARS, **given)
    assert [shape.name for shape in figure.layout.shapes] == [from_, until]
    for trace in figure.data:
        first, whole, last = read_marks(trace)
        assert f"({from_})" in first
        assert f"({until})" in last
        assert "(" not in whole
        assert list(trace.marker.opacity) == [0.6, 1, 0.6]
    live = charts.bars(BARS, **given, now=window[1])
    assert [shape.name for shape in live.layout.shapes] == [from_, "still running"]
    assert read_marks(live.data[0])[2].startswith("%{y:$,.0f} (still running)")
    whole = charts.bars(BARS, window=(TIMES[0], TIMES[2] + pd.Timedelta("1min")))
    assert (whole.layout.shapes, whole.data[0].marker.opacity) == ((), None)
    board = charts.candles(MARKS, cells=CELLS, net=NET, **given)
    assert [shape.name for shape in board.layout.shapes] == [from_, until]
    panels = create_panels(MARKS, cells=CELLS, net=NET, **given)
    assert [part for *_, part in panels["cuts"]] == [from_, until]
    assert panels["window"][1] - panels["window"][0] == 115_000
    line = charts.cumulative_net(NET, **given).data[0]
    assert [line.x[0][17:19], line.x[-1][17:19]] == ["25", "20"]
    late = charts.candles(MARKS.iloc[:2], cells=CELLS, net=NET, **given)  # prices end earlier
    assert [shape.name for shape in late.layout.shapes] == [from_, until]


def test_a_bucket_alone_is_marked_where_its_width_is_given() -> None:
    window = TIMES[0] + pd.Timedelta("25s"), TIMES[0] + pd.Timedelta("45s")
    given: dict[str, Any] = {"window": window, "bucket": "1m"}
    one: dict[str, Any] = {"cells": CELLS.iloc[:1], "net": NET.iloc[:1]}
    marked = ["only from 00:00:25, only until 00:00:45"]
    for figure in (
        charts.bars(BARS.iloc[:1], **given),
        charts.candles(MARKS.iloc[:1], **one, **given),
    ):
        assert [shape.name for shape in figure.layout.shapes] == marked
    line = charts.cumulative_net(NET.iloc[:1], **given).data[0]
    assert [moment[17:19] for moment in line.x] == ["25", "45"]
    assert create_panels(MARKS.iloc[:1], **one, **given)["width"] == 60_000
    window = TIMES[0] + pd.Timedelta("250ms"), TIMES[2]
    (mark,) = charts.bars(BARS.iloc[:1], window=window, bucket="1s").layout.shapes
    assert mark.name == "only from 00:00:00.250"


def test_the_window_is_a_pair_of_moments_in_any_form_that_a_span_has() -> None:
    naive = TIMES[0].tz_localize(None).to_pydatetime()
    for since in ("2026-01-01T00:00:25Z", naive + pd.Timedelta("25s")):
        (mark,) = charts.bars(BARS, window=(since, "2026-01-01T00:03Z")).layout.shapes
        assert mark.name == "only from 00:00:25"
    wrongs: tuple[Any, ...] = ("1h", "24", pd.Timedelta("1h"), (TIMES[0], "soon"), TIMES)
    for wrong in wrongs:
        with pytest.raises(QueryError, match="is no pair of moments: give the start and the end"):
            charts.bars(BARS, window=wrong)


def test_times_that_nobody_received_are_shaded() -> None:
    gaps = pd.DataFrame({"exchange": ["a"], "from_ts": TIMES[:1], "to_ts": TIMES[1:2]})
    for chart, frame in TIMELINES:
        figure = chart(frame, gaps=gaps)
        (shade,) = figure.layout.shapes
        assert (shade.x0, shade.x1) == ("2026-01-01T00:00:00.000", "2026-01-01T00:01:00.000")
        assert "shaded: a feed was disconnected" in figure.layout.xaxis.title.text
        assert chart(frame, gaps=gaps.iloc[:0]).layout.shapes == ()


def test_shades_of_many_feeds_do_not_add_up() -> None:
    at = [0, 1, 5, 6, 9]
    gaps = pd.DataFrame(
        {
            "from_ts": TIMES[0] + pd.to_timedelta(at, unit="s"),
            "to_ts": TIMES[0] + pd.to_timedelta([4, 2, 6, 8, 10], unit="s"),
        }
    ).sample(frac=1, random_state=1)
    shades = [
        (shade.x0[17:19], shade.x1[17:19]) for shade in charts.bars(BARS, gaps=gaps).layout.shapes
    ]
    assert shades == [("00", "04"), ("05", "08"), ("09", "10")]


def test_coverage_draws_each_feed_and_its_gaps() -> None:
    first, middle, last = TIMES
    feeds = pd.DataFrame(
        {
            "exchange": ["okx", "okx", "htx", "gate", "gone", "nowhere"],
            "source": ["live", "replay", "live", "live", "live", "live"],
            "known": [True, True, True, True, True, False],
            "first_ts": [first, first, first, first, pd.NaT, first],
            "ts": [last, middle, last, last, first - pd.Timedelta("1h"), last],
        }
    )
    second = pd.Timedelta("1s")
    gaps = pd.DataFrame(
        {
            "exchange": ["htx", "htx", "gate", "gone"],
            "source": "live",
            "from_ts": [first + second, middle, first, first],
            "to_ts": [first + 3 * second, last, last, last],
        }
    )
    figure = charts.coverage(feeds, gaps, span=(first, last))
    covered, missing = figure.data
    # gate never connected, gone did not report, nowhere is of nobody we know
    assert list(covered.y) == ["okx", "okx (replayed)", "htx", "htx"]
    assert list(covered.x) == [120_000, 60_000, 1_000, 57_000]
    assert list(missing.y) == ["htx", "htx", "gate", "gone"]
    assert list(missing.x) == [2_000, 60_000, 120_000, 120_000]
    assert figure.layout.xaxis.title.text == "time (UTC)"
    kolkata = charts.coverage(feeds, gaps, span=(first, last), zone=ZoneInfo("Asia/Kolkata"))
    assert kolkata.data[0].base[0] == "2026-01-01T05:30:00.000"
    assert kolkata.data[0].hovertemplate.startswith("%{customdata} Asia/Kolkata<")
    assert kolkata.data[1].customdata[0] == "2026-01-01 05:30:01 to 05:30:03"
    days = gaps.assign(to_ts=last + pd.Timedelta("1D"))
    spans = charts.coverage(feeds, days, span=(first, last)).data[1].customdata
    assert spans[0] == "2026-01-01 00:00:01 to 2026-01-02 00:02:00"
    short = gaps.assign(from_ts=first + second / 5, to_ts=first + second)
    spans = charts.coverage(feeds, short, span=(first, last)).data[1].customdata
    assert spans[0] == "2026-01-01 00:00:00.200 to 00:00:01.000"
    unknown = charts.coverage(feeds, None, span=(first, last))
    assert len(unknown.data) == 0
    assert texts(unknown) == ["when feeds were connected is not known yet"]
    nothing = charts.coverage(feeds.iloc[:0], None, span=(TIMES[0], TIMES[2]))
    assert texts(nothing) == ["no feed has reported in this window"]


@pytest.mark.parametrize("name", ["cumulative_net", "candles"])
def test_cumulative_net_has_the_sum_until_each_moment(name: str) -> None:
    """A bucket's sum is known at its end; of the bucket that runs, until now."""

    def draw(net: pd.DataFrame, now: Any = None) -> Any:
        board = charts.candles(MARKS, cells=CELLS, net=net, now=now)
        return board.data[-1] if name == "candles" else charts.cumulative_net(net, now=now).data[0]

    shifted = NET.assign(cumulative_usd=NET["cumulative_usd"] + 10)  # a limit cut earlier buckets
    line = draw(shifted)
    assert list(line.y) == [10, 9, 9, 13.5]
    assert [moment[11:19] for moment in line.x] == ["00:00:00", "00:01:00", "00:02:00", "00:03:00"]
    assert line.line.shape is None
    live = draw(NET, TIMES[2] + pd.Timedelta(seconds=20))
    assert (live.x[-1], live.y[-1]) == ("2026-01-01T00:02:20.000", 3.5)
    quiet = draw(NET, TIMES[2] + pd.Timedelta(minutes=5))  # since the last print
    assert list(zip((moment[14:19] for moment in quiet.x), quiet.y, strict=True))[-2:] == [
        ("03:00", 3.5),
        ("07:00", 3.5),
    ]
    assert list(draw(NET.iloc[:1]).y) == [0, -1]
    assert len(draw(NET.iloc[:0]).y) == 0


def test_rankings_put_the_greatest_on_top() -> None:
    figure = charts.top_symbols(SYMBOLS)
    assert tuple(figure.layout.yaxis.range) == (3.5, -0.5)
    assert list(figure.data[0].y) == ["A", "B", "C"]
    assert list(figure.data[0].x) == [3, 2, 1]
    assert list(charts.by_exchange(EXCHANGES).data[0].y) == ["A", f"{BOUND}B", f"{BOUND}C"]


def test_the_smallest_of_many_exchanges_share_a_bar() -> None:
    names = [f"venue {number}" for number in range(15)]
    many = pd.concat([EXCHANGES.iloc[:1]] * 15, ignore_index=True).assign(
        exchange=names, long_usd=[*range(15, 0, -1)], short_usd=0.0
    )
    long = charts.by_exchange(many).data[0]
    assert list(long.y) == [*names[:11], "4 others"]
    assert long.x[-1] == 4 + 3 + 2 + 1
    assert list(long.customdata)[-1] == ""  # a click on it filters by nothing
    assert sum(long.x) == many["long_usd"].sum()
    many.loc[14, "completeness"] = "sampled"
    assert charts.by_exchange(many).data[0].y[-1] == f"{BOUND}4 others"
    assert list(charts.by_exchange(many.iloc[:12]).data[0].y) == names[:12]


def test_shares_of_a_bucket_are_stacked_to_a_hundred_percent() -> None:
    first, second = charts.venue_share(SHARES).data
    assert (first.name, list(first.y)) == ("a", [75, 100])
    assert (second.name, list(second.y)) == ("b", [25, 0])
    assert list(first.customdata) == [3, 2]


@pytest.mark.parametrize("theme", THEMES)
def test_venues_without_a_colour_are_the_others(theme: Any) -> None:
    names = [f"venue{number}" for number in range(12)]
    sizes = [float(12 - number) for number in range(12)]
    frame = pd.DataFrame(
        {"ts": TIMES[0], "exchange": names, "total_usd": sizes, "share": [s / 78 for s in sizes]}
    )
    traces = charts.venue_share(frame, theme).data
    assert [trace.name for trace in traces] == [*names[:7], "others"]
    assert sum(trace.y[0] for trace in traces) == pytest.approx(100)
    assert traces[-1].customdata[0] == 5 + 4 + 3 + 2 + 1
    assert len({trace.marker.color for trace in traces}) == 8


def test_cascades_are_bubbles_in_the_colour_of_the_greater_side() -> None:
    figure = charts.cascades(CASCADES)
    long, short = figure.data
    assert (list(long.y), list(long.marker.size)) == (["BTC"], [100])
    assert (list(short.y), list(short.marker.size)) == (["ETH", "BTC"], [20, 30])
    assert long.marker.sizeref == short.marker.sizeref  # areas can be compared
    assert list(figure.layout.yaxis.categoryarray) == ["BTC", "ETH"]
    many = pd.concat([CASCADES.assign(name=f"n{number}") for number in range(20)])
    axis = charts.cascades(many).layout.yaxis
    assert (len(axis.categoryarray), axis.categoryarray[-1]) == (13, "others")
    assert axis.dtick == 1  # each line has its name


def test_heatmap_cells_lie_between_the_edges_of_bucket_and_bin() -> None:
    figure = charts.heatmap(CELLS)
    long, short = figure.data
    assert list(long.y) == [100, 101, 102, 105, 106]
    assert list(long.x) == [f"2026-01-01T00:0{minute}:00.000" for minute in range(3)]
    assert [list(row) for row in long.z] == [[3, None], [None, None], [None, None], [1, None]]
    assert [list(row) for row in short.customdata][1] == [None, 100]
    assert (long.zmin, long.zmax) == (short.zmin, short.zmax) == (1, 3)  # powers of ten
    assert long.colorbar.ticktext[long.colorbar.tickvals.index(4)] == "$10k"
    assert (long.yaxis, short.yaxis) == ("y", "y2")
    lone = charts.heatmap(CELLS.iloc[:1]).data[0]
    assert list(lone.x) == ["2026-01-01T00:00:00.000", "2026-01-01T00:01:00.000"]


def test_candles_share_their_axes_with_bubbles_and_sums() -> None:
    now = TIMES[2] + pd.Timedelta("20s")
    figure = charts.candles(MARKS, "dark", cells=CELLS, net=NET, now=now)
    candle, longs, shorts, long_sums, short_sums, net = figure.data
    assert (candle.open[1], candle.high[1], candle.low[1], candle.close[1]) == (101, 103, 100, 103)
    # each is drawn over its own bucket, so that candle and bubble are above one another
    assert {trace.xperiod for trace in (candle, longs, shorts)} == {60_000}
    assert {trace.xaxis or "x" for trace in (candle, longs, shorts, net)} == {"x"}
    assert list(longs.marker.size) == [10, 1000]
    assert longs.marker.sizeref == shorts.marker.sizeref
    assert longs.y[1] == pytest.approx(100.5, rel=1e-4)
    assert longs.marker.line.color == THEMES["dark"].long
    assert {trace.xaxis for trace in (long_sums, short_sums)} == {"x2"}
    assert sum(long_sums.x) == 1010
    assert sum(short_sums.x) == 100
    assert figure.layout.xaxis.showspikes
    assert figure.layout.hoversubplots == "axis"
    assert [shape.name for shape in figure.layout.shapes] == ["still running"]


def test_candles_are_not_pressed_flat_by_a_print_far_off() -> None:
    far = CELLS.assign(price_from=[100.0, 101, 5000], price_to=[101.0, 102, 5005])
    low, high = charts.candles(MARKS, cells=far, net=NET).layout.yaxis.range
    assert 90 < low < 99
    assert 106 < high < 120
    assert count_beyond(MARKS, far) == 10
    assert count_beyond(MARKS, CELLS) == 0
    assert count_beyond(MARKS, CELLS.iloc[:0]) == 0
    assert count_beyond(MARKS.iloc[:0], far) == 0  # the axis shows them all


def test_candles_draw_the_greatest_bubbles_only() -> None:
    many = pd.concat([CELLS.iloc[:1]] * 400).assign(long_usd=range(400))
    drawn = charts.candles(MARKS, cells=many, net=NET)
    assert list(drawn.data[1].marker.size) == list(range(100, 400))
    assert sum(drawn.data[3].x) == sum(range(400))


def test_panels_have_the_marks_of_the_candles_as_columns() -> None:
    lost = pd.DataFrame({"from_ts": TIMES[:1], "to_ts": TIMES[1:2]})
    now = TIMES[2] + pd.Timedelta("20s")
    given: dict[str, Any] = {"cells": CELLS, "net": NET, "gaps": lost, "now": now}
    panels = create_panels(MARKS.iloc[1:], "dark", span=(TIMES[0], now), **given)
    figure = charts.candles(MARKS.iloc[1:], "dark", **given)
    start = TIMES[0].timestamp() * 1000
    buckets = panels["tables"]["buckets"]
    assert buckets["ts"] == [start, start + 60_000, start + 120_000]
    assert buckets["close"][1:] == list(figure.data[0].close)
    assert math.isnan(buckets["close"][0])
    assert buckets["total"] == list(figure.data[5].y[1:])
    assert panels["window"] == [None, start + 140_000]
    assert (sum(buckets["long"]), sum(buckets["short"])) == (1010, 100)
    assert panels["tables"]["long"]["usd"] == list(figure.data[1].marker.size)
    assert panels["tables"]["sums"]["long"] == list(figure.data[3].x)
    assert panels["prices"] == list(figure.layout.yaxis.range)
    assert panels["titles"]["net"] == figure.layout.yaxis2.title.text
    assert panels["titles"]["time"] == figure.layout.xaxis.title.text
    assert panels["gaps"] == [[start, start + 60_000]]
    assert panels["cuts"] == [[start + 120_000, start + 180_000, "still running"]]
    assert panels["range"] == [start, start + 140_000]
    assert buckets["bound"] == [1, 0, 0]
    assert panels["tables"]["long"]["bound"] == [1, 1]
    unknown = create_panels(MARKS, cells=CELLS, net=NET, gaps=UNKNOWN_GAPS)
    assert (unknown["tables"]["buckets"]["bound"], unknown["gaps"]) == ([1, 1, 1], [])
    assert figure.data[1].hovertemplate.startswith(BOUND)
    assert panels["colours"]["long"] == THEMES["dark"].long


def test_panels_of_too_many_cells_have_no_sums_where_cells_are_missing() -> None:
    cells = CELLS.sort_values("ts", ascending=False)
    panels = create_panels(MARKS, cells=cells, net=NET, most_cells=len(cells))
    buckets = panels["tables"]["buckets"]
    oldest = cells["ts"].min().timestamp() * 1000
    assert [math.isnan(each) for each in buckets["long"]] == [ts <= oldest for ts in buckets["ts"]]
    assert not all(math.isnan(each) for each in buckets["short"])
    assert buckets["bound"] == [0, 0, 0]  # what is shown is whole
    whole = create_panels(MARKS, cells=CELLS, net=NET, most_cells=len(cells) + 1)
    assert not any(math.isnan(each) for each in whole["tables"]["buckets"]["long"])


def test_panels_show_what_there_is() -> None:
    nothing = MARKS.iloc[:0]
    empty = create_panels(nothing, cells=CELLS.iloc[:0], net=NET.iloc[:0], badge="SIMULATED DATA")
    assert empty["empty"] == "no mark price and no liquidations recorded in this window"
    assert empty["badge"] == ""
    assert (empty["range"], empty["cuts"], empty["gaps"]) == (None, [], [])
    lone = create_panels(nothing, cells=CELLS.assign(not_live=1, partial=1), net=NET)
    assert lone["empty"] == ""
    assert lone["badge"] == "SIMULATED OR REPLAYED DATA"
    assert lone["tables"]["buckets"]["bound"] == [1, 1, 0]
    assert "no mark price received" in lone["titles"]["price"]
    there = create_panels(MARKS, cells=CELLS, net=NET, zone=ZoneInfo("Asia/Kolkata"))
    here = create_panels(MARKS, cells=CELLS, net=NET)
    first = [each["tables"]["buckets"]["ts"][0] for each in (there, here)]
    assert first[0] - first[1] == 5.5 * 3_600_000


def test_candles_show_what_there_is() -> None:
    nothing = MARKS.iloc[:0]
    lone = charts.candles(nothing, cells=CELLS, net=NET)
    assert "no mark price received" in lone.layout.yaxis.title.text
    assert len(lone.data[1].x) == 2
    unknown = charts.candles(MARKS.assign(open=None, high=None, low=None, close=None),
                             cells=CELLS, net=NET)  # fmt: skip
    assert "no mark price received" in unknown.layout.yaxis.title.text
    quiet = charts.candles(MARKS, cells=CELLS.iloc[:0], net=NET)
    assert texts(quiet) == []
    empty = charts.candles(nothing, cells=CELLS.iloc[:0], net=NET.iloc[:0])
    assert texts(empty) == ["no mark price and no liquidations recorded in this window"]
    simulated = charts.candles(MARKS.assign(not_live=1), cells=CELLS, net=NET)
    assert texts(simulated) == ["SIMULATED OR REPLAYED DATA"]
    partial = charts.candles(MARKS, cells=CELLS.assign(partial=1), net=NET.assign(partial=1))
    assert "(USD,<br>lower bound)" in titles(partial)
    assert "partial feed" in titles(partial)
    lost = pd.DataFrame({"from_ts": TIMES[:1], "to_ts": TIMES[1:2]})
    assert len(charts.candles(MARKS, cells=CELLS, net=NET, gaps=lost).layout.shapes) == 1


ASSETS = pd.DataFrame(
    {
        "asset": ["BTC", "ETH", "SOL"],
        "long_usd": [60.0, 10.0, 0.0],
        "short_usd": [0.0, 20.0, 10.0],
        "total_usd": [60.0, 30.0, 10.0],
        "prints": [3, 2, 1],
        **COUNTS,
    }
)


def test_a_map_of_assets_has_areas_in_proportion_and_names_to_click() -> None:
    figure = charts.assets(ASSETS, "dark")
    area = {
        name: width * height
        for trace in figure.data
        for name, width, height in zip(trace.customdata, trace.width, trace.y, strict=True)
    }
    assert {name: round(each / sum(area.values()), 6) for name, each in area.items()} == {
        "BTC": 0.6, "ETH": 0.3, "SOL": 0.1
    }  # fmt: skip
    long, short = figure.data
    assert (long.name, list(long.customdata)) == ("mostly long", ["BTC"])
    assert (short.name, list(short.customdata)) == ("mostly short", ["ETH", "SOL"])
    assert long.meta == {"filter": "asset"}
    assert long.text[0] == "BTC<br>&#36;60"
    assert "USD)" in titles(figure)
    assert "lower bound" in titles(charts.assets(ASSETS.assign(partial=1)))
    assert texts(charts.assets(ASSETS.assign(not_live=1))) == ["SIMULATED OR REPLAYED DATA"]
    assert texts(charts.assets(ASSETS.iloc[:0])) == ["no liquidations recorded in this window"]


def test_a_map_sums_small_assets_and_shows_hostile_names_literally() -> None:
    many = pd.concat([ASSETS.iloc[:1]] * 300, ignore_index=True)
    many = many.assign(asset=[f"A{number}" for number in range(300)])
    [long] = [trace for trace in charts.assets(many).data if len(trace.x)]
    assert len(long.x) == 24
    assert list(long.customdata).count("") == 1  # nothing to filter by
    assert long.text[0] == "others<br>&#36;16.62k"
    hostile = charts.assets.spec(ASSETS.assign(asset=EVIL))
    assert sum(LITERAL in text for text in strings(hostile)) >= 3
    flat = ASSETS.assign(total_usd=0.0, long_usd=0.0, short_usd=0.0)
    assert all(not trace.x for trace in charts.assets(flat).data)


@pytest.mark.parametrize("theme", THEMES)
def test_texts_on_a_map_can_be_read(theme: Any) -> None:
    colours = THEMES[theme]
    sided = ASSETS.assign(long_usd=[60.0, 15.1, 0.0], short_usd=[0.0, 14.9, 10.0])
    for trace in charts.assets(sided, theme).data:
        for fill in trace.marker.color:
            red, green, blue = map(int, re.findall(r"\d+", fill))
            assert contrast(colours.text, f"#{red:02x}{green:02x}{blue:02x}") >= 4.5


CLASSES = pd.DataFrame(
    {
        "from_usd": [0.0, 10_000, 1_000_000],
        "to_usd": [10_000.0, 100_000, math.nan],
        "long_usd": [1.0, 2, 3],
        "short_usd": [4.0, 5, 6],
        "prints": [1000, 20, 3],
        **COUNTS,
    }
)


def test_size_classes_are_named_and_can_be_clicked() -> None:
    frame = CLASSES
    figure = charts.size_classes(frame)
    long, _ = figure.data
    assert list(long.y) == ["&#36;1M and more", "&#36;10k to &#36;100k", "below &#36;10k"]
    assert list(long.x) == [3, 2, 1]
    assert list(long.customdata) == ["1000000,", "10000,100000", "0,10000"]
    assert long.meta == {"filter": "notional"}
    assert long.text[2] == "1,000 prints"
    assert "lower bound" in titles(charts.size_classes(frame.assign(partial=1)))
    assert texts(charts.size_classes(frame.iloc[:0])) == ["no liquidations recorded in this window"]


def test_hours_are_means_over_all_weekdays() -> None:
    long, short = charts.hour_of_day(HOURS).data
    assert (list(long.x), list(long.y)) == ([0, 23], [3, 0])
    assert list(short.y) == [1, 3]
    assert [list(hours) for hours in long.customdata] == [[4, 5], [2, 4]]
    bare = HOURS.assign(hours=[0, 0, 2], covered=[0, 0, 1])
    assert list(charts.hour_of_day(bare).data[0].y) == [None, 0]  # nobody listened: no mean


HOVERED: list[tuple[Chart[Any], pd.DataFrame]] = [
    *ALL,
    (charts.assets, ASSETS),
    (charts.size_classes, CLASSES),
]


def hovers(chart: Chart[Any], frame: pd.DataFrame, **given: Any) -> list[str]:
    """Return all different texts that the pointer shows at the marks of a chart."""
    traces = chart.spec(frame, **given)["data"]
    names = ("hovertemplate", "hovertext", "text")
    found = [text for trace in traces for name in names for text in strings(trace.get(name, ""))]
    return sorted({*found} - {""})


@pytest.mark.parametrize(("chart", "frame"), HOVERED, ids=[each.__name__ for each, _ in HOVERED])
def test_the_pointer_reads_sums_of_partial_feeds_and_unknown_gaps_as_lower_bounds(
    chart: Chart[Any], frame: pd.DataFrame
) -> None:
    if chart is charts.venue_share:
        frame = frame.iloc[::2]  # a venue without prints in a bucket has no partial ones there
    whole, unsure = frame.assign(completeness="full"), {"gaps": UNKNOWN_GAPS}
    if chart is charts.hour_of_day:  # of covered time alone
        unsure = {}
    else:
        assert "shaded" not in titles(chart(whole, **unsure))
        assert chart(whole, **unsure).layout.shapes == ()
    texts = hovers(chart, whole)
    assert "≥" not in "".join(texts)
    partial = hovers(chart, frame.assign(completeness="throttled", partial=1))
    unsigned = re.compile(
        f"(?<!{BOUND})" r"(?<!%{text})%{[^}]*:\$,\.0f}"
    )  # the text is a cell's sign
    for bound in (partial, hovers(chart, whole, **unsure)) if unsure else (partial,):
        if chart is charts.cumulative_net:  # a difference of lower bounds may be too high
            assert bound == texts
            continue
        assert not any(unsigned.search(text) for text in bound)
        assert BOUND in "".join(bound)


def test_a_bucket_that_is_a_lower_bound_says_so_beside_the_part_it_is() -> None:
    now = TIMES[2] + pd.Timedelta("20s")
    gaps = pd.DataFrame({"exchange": ["okx"], "from_ts": [TIMES[1]], "to_ts": [now]})
    for trace in charts.bars(BARS, gaps=gaps, now=now).data:
        assert [text.partition("<")[0] for text in read_marks(trace)] == [
            "%{y:$,.0f}", BOUND + "%{y:$,.0f}", BOUND + "%{y:$,.0f} (still running)"
        ]  # fmt: skip
    unknown = BARS.assign(partial=pd.array([1, None, 0], dtype="Int64"))
    marks = [text[0] for text in read_marks(charts.bars(unknown).data[0])]
    assert marks == ["≥", "%", "%"]
    lone = charts.bars(BARS.iloc[:1], gaps=gaps).data[0]  # of unknown width
    assert lone.hovertemplate.startswith(BOUND)


def test_hover_texts_of_marks_that_differ_are_short() -> None:
    run = CASCADES.assign(long_usd=1.0, short_usd=0.0)
    runs = pd.concat([run] * 100, ignore_index=True)
    mixed, alike = (
        charts.cascades.spec(runs.assign(partial=partial))["data"][0]
        for partial in (runs.index % 2, 0)
    )
    longer = len(json.dumps(mixed, ensure_ascii=False)) - len(json.dumps(alike))
    assert longer < 10 * len(runs)  # a mark has no text of its own


def test_the_pointer_reads_lower_bounds_where_a_feed_was_disconnected() -> None:
    gaps = pd.DataFrame(
        {"exchange": ["a"], "from_ts": TIMES[0] + pd.Timedelta("10s"), "to_ts": TIMES[1]}
    )

    def mark(trace: Any) -> list[bool]:
        texts = [trace.hovertemplate] if trace.hovertext is None else read_marks(trace)
        return ["≥" in text for text in texts]

    venue, other = charts.venue_share(SHARES, gaps=gaps).data
    assert (mark(venue), mark(other)) == ([True, False], [False])
    apart = SHARES.assign(ts=[TIMES[1], TIMES[1] + pd.Timedelta("9m"), TIMES[1]])
    lost = gaps.assign(from_ts=TIMES[1] + pd.Timedelta("2m"), to_ts=TIMES[1] + pd.Timedelta("3m"))
    assert mark(charts.venue_share(apart, gaps=lost).data[0]) == [True, False]
    assert mark(charts.venue_share(apart, gaps=lost, bucket="1m").data[0]) == [False]
    runs = CASCADES.assign(to_ts=TIMES + pd.Timedelta("20s"))
    assert [mark(each) for each in charts.cascades(runs, gaps=gaps).data] == [[True], [False]]
    long, _ = charts.heatmap(CELLS, gaps=gaps).data
    assert [list(row) for row in long.text] == [[BOUND, ""], ["", ""], ["", ""], [BOUND, ""]]
    anyone = gaps.drop(columns="exchange")
    assert [mark(each) for each in charts.venue_share(SHARES, gaps=anyone).data] == [
        [True, False]
    ] * 2
    assert mark(charts.by_exchange(EXCHANGES, gaps=anyone).data[0]) == [True]
    later = gaps.assign(from_ts=TIMES[1], to_ts=TIMES[2])
    lone, _ = charts.heatmap(CELLS.iloc[:1], gaps=later).data  # of unknown width
    assert [list(row) for row in lone.text] == [[BOUND]]
    for chart, frame in ((charts.top_symbols, SYMBOLS), (charts.size_classes, CLASSES)):
        assert mark(chart(frame, gaps=gaps).data[0]) == [True]
    assert BOUND in charts.assets(ASSETS, gaps=gaps).data[0].hovertext[0]
    assert mark(charts.by_exchange(EXCHANGES.assign(completeness="full"), gaps=gaps).data[0]) == [
        False
    ]


def test_sums_are_lower_bounds_where_a_feed_was_disconnected() -> None:
    gaps = pd.DataFrame({"exchange": ["okx"], "from_ts": TIMES[:1], "to_ts": TIMES[1:2]})
    full = EXCHANGES.assign(completeness="full", exchange=["okx", "bybit", "gate"])
    marked = charts.by_exchange(full, gaps=gaps)
    assert [name for name in marked.data[0].y if name.startswith(BOUND)] == [f"{BOUND}okx"]
    for chart, frame in (
        (charts.by_exchange, full),
        (charts.top_symbols, SYMBOLS),
        (charts.bars, BARS),
    ):
        whole = frame.drop(columns="partial", errors="ignore")
        title = "xaxis" if chart is not charts.bars else "yaxis"
        assert "lower bound" in chart(whole, gaps=gaps).layout[title].title.text
        assert "lower bound" not in chart(whole, gaps=gaps.head(0)).layout[title].title.text


@pytest.mark.parametrize(
    ("sources", "badge"),
    [
        ([], ""),
        (["live", "cryptofeed"], ""),
        (["simulator", "simulator"], "SIMULATED DATA"),
        (["replay"], "REPLAYED DATA"),
        (["replay", "simulator"], "REPLAYED + SIMULATED DATA"),
        (["live", "simulator"], "PARTLY SIMULATED DATA"),
        (["live", "martian", "<b>"], "PARTLY <B> + MARTIAN DATA"),  # rows of another program
    ],
)
def test_badge_names_the_sources_that_are_not_live(sources: list[str], badge: str) -> None:
    assert charts.source_badge(pd.DataFrame({"source": sources})) == badge


@pytest.mark.parametrize("theme", THEMES)
def test_colours_can_be_read(theme: Any) -> None:
    colours = THEMES[theme]
    for ink, paper in product(
        (colours.text, colours.muted, colours.warning), (colours.page, colours.card)
    ):
        assert contrast(ink, paper) >= 4.5  # WCAG AA, text
    for fill in (colours.long, colours.short, colours.net, *colours.venues):
        assert contrast(fill, colours.card) >= 3  # WCAG AA, graphics
    # distinguishable without hue, for colour-blind readers
    assert contrast(colours.long, colours.short) >= 1.3


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    assert re.fullmatch(r"#[0-9a-f]{6}", colour)
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# as plotly's own tags, links, entities, TeX and values
EVIL = '<b>x</b> <a href="javascript:y">&lt; $x^2$ %{y}'
LITERAL = '&#60;b&#62;x&#60;/b&#62; &#60;a href="javascript:y"&#62;&#38;lt; &#36;x^2&#36; &#37;{y}'


@each_chart
def test_text_of_frames_and_arguments_is_literal(chart: Chart[Any], frame: pd.DataFrame) -> None:
    texts = [name for name in ("symbol", "exchange", "name", "first_exchange") if name in frame]
    hostile = frame.assign(**dict.fromkeys(texts, EVIL))
    drawn = list(strings(chart.spec(hostile, badge=EVIL)))
    assert LITERAL in drawn  # the badge
    assert sum(LITERAL in text for text in drawn) > 1 or not texts
    assert not [text for text in drawn if re.search(r"<a |<b>x|\$x|&lt;", text)]
    assert all((hostile[name] == EVIL).all() for name in texts)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def test_axes_without_data_are_hidden_except_for_the_time_of_the_window() -> None:
    """Plotly would label them with the year 2000, and with dollars from minus one."""
    nothing, span = BARS.iloc[:0], (BARS["ts"].min(), BARS["ts"].max())

    def hidden(spec: dict[str, Any]) -> list[str]:
        return [
            name
            for name, part in spec["layout"].items()
            if name[1:5] == "axis" and not part.get("visible", True)
        ]

    assert hidden(charts.bars.spec(BARS)) == []
    assert hidden(charts.bars.spec(nothing)) == ["xaxis", "yaxis"]
    assert hidden(charts.bars.spec(nothing, span=span)) == ["yaxis"]
    assert hidden(charts.bars.spec(nothing, span=span, price=PRICES)) == ["yaxis"]
    assert hidden(charts.top_symbols.spec(SYMBOLS.iloc[:0])) == ["xaxis", "yaxis"]


def test_rows_of_another_query_are_refused_by_the_name_of_the_column() -> None:
    totals = pd.DataFrame({"long_usd": [1.0], "short_usd": [1.0]})
    with pytest.raises(KeyError, match=r"bars draws the column 'ts', which .* liq\.charts\.bars\?"):
        charts.bars(totals)
    shares = pd.DataFrame({"exchange": ["okx"], "high": [1.0], "low": [0.0], "share": [0.5]})
    with pytest.raises(KeyError, match=r"leaders draws the column 'led', which"):
        charts.leaders(shares)


def test_an_unknown_theme_is_refused_with_the_nearest_one() -> None:
    theme: Any = "drak"
    with pytest.raises(ValueError, match="unknown theme 'drak', did you mean 'dark'"):
        charts.bars(BARS, theme)
    with pytest.raises(ValueError, match="unknown theme 'drak', did you mean 'dark'"):
        charts.bars.spec(BARS, theme=theme)
