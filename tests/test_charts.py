import re
from itertools import product
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from liq import charts
from liq.charts import THEMES, Chart

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
ALL: list[tuple[Chart[Any], pd.DataFrame]] = [
    (charts.bars, BARS),
    (charts.cumulative_net, NET),
    (charts.top_symbols, SYMBOLS),
    (charts.by_exchange, EXCHANGES),
]
each_chart = pytest.mark.parametrize(("chart", "frame"), ALL, ids=[c.__name__ for c, _ in ALL])


def texts(figure: go.Figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


@each_chart
def test_a_figure_is_its_spec_checked_by_plotly(chart: Chart[Any], frame: pd.DataFrame) -> None:
    figure = chart(frame)
    assert isinstance(figure, go.Figure)
    assert figure == go.Figure(chart.spec(frame))
    assert "``" in (chart.__doc__ or "")


@each_chart
def test_axes_are_titled_with_their_unit(chart: Chart[Any], frame: pd.DataFrame) -> None:
    layout = chart(frame).layout
    titles = [layout.xaxis.title.text, layout.yaxis.title.text]
    assert any("(USD" in (title or "") for title in titles)
    assert "time (UTC)" in titles or layout.yaxis.type == "category"


@each_chart
@pytest.mark.parametrize("theme", THEMES)
def test_colours_follow_the_theme(chart: Chart[Any], frame: pd.DataFrame, theme: Any) -> None:
    figure = chart(frame, theme)
    assert figure.layout.paper_bgcolor == THEMES[theme].card
    for trace in figure.data:
        expected = {"long": THEMES[theme].long, "short": THEMES[theme].short}
        colour = trace.marker.color or trace.line.color
        assert colour == expected.get(trace.name, THEMES[theme].net)


@each_chart
def test_no_rows_say_so(chart: Chart[Any], frame: pd.DataFrame) -> None:
    assert texts(chart(frame.iloc[:0])) == ["no liquidations in this window"]
    assert texts(chart(frame)) == []


@each_chart
def test_simulated_rows_are_badged_without_asking(chart: Chart[Any], frame: pd.DataFrame) -> None:
    assert texts(chart(frame.assign(not_live=[0, 1, 0]))) == ["NOT LIVE DATA"]
    assert texts(chart(frame, badge="SIMULATED DATA")) == ["SIMULATED DATA"]


@each_chart
def test_partial_feeds_are_told_on_the_axis(chart: Chart[Any], frame: pd.DataFrame) -> None:
    def titles(of: pd.DataFrame) -> str:
        layout = chart(of).layout
        return f"{layout.xaxis.title.text} {layout.yaxis.title.text}"

    throttled = frame.assign(partial=1, completeness="throttled")
    # the difference of two lower bounds is no lower bound
    caveat = "partial feed" if chart is charts.cumulative_net else "lower bound"
    assert f"(USD, {caveat})" in titles(throttled)
    assert "(USD)" in titles(frame.assign(partial=0, completeness="full"))


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


def test_span_fixes_the_time_axis_in_utc() -> None:
    span = (pd.Timestamp("2026-01-01T02:00+02:00"), pd.Timestamp("2026-01-01T01:00Z"))
    for chart, frame in ((charts.bars, BARS), (charts.cumulative_net, NET)):
        figure = chart(frame, span=span)
        assert list(figure.layout.xaxis.range) == [
            "2026-01-01T00:00:00.000",
            "2026-01-01T01:00:00.000",
        ]


def test_times_that_nobody_heard_are_shaded() -> None:
    gaps = pd.DataFrame({"from_ts": TIMES[:1], "to_ts": TIMES[1:2]})
    for chart, frame in ((charts.bars, BARS), (charts.cumulative_net, NET)):
        figure = chart(frame, gaps=gaps)
        (shade,) = figure.layout.shapes
        assert (shade.x0, shade.x1) == ("2026-01-01T00:00:00.000", "2026-01-01T00:01:00.000")
        assert "shaded: a feed was not heard" in figure.layout.xaxis.title.text
        assert chart(frame, gaps=gaps.iloc[:0]).layout.shapes == ()


def test_cumulative_net_is_a_stepped_line() -> None:
    (line,) = charts.cumulative_net(NET).data
    assert list(line.y) == [-1, -1, 3.5]
    assert line.line.shape == "hv"


def test_rankings_put_the_greatest_on_top() -> None:
    figure = charts.top_symbols(SYMBOLS)
    assert tuple(figure.layout.yaxis.range) == (3.5, -0.5)
    assert list(figure.data[0].y) == ["A", "B", "C"]
    assert list(figure.data[0].x) == [3, 2, 1]
    assert list(charts.by_exchange(EXCHANGES).data[0].y) == ["A", "≥ B", "≥ C"]


@pytest.mark.parametrize(
    ("sources", "badge"),
    [
        ([], ""),
        (["live", "cryptofeed"], ""),
        (["simulator", "simulator"], "SIMULATED DATA"),
        (["replay"], "REPLAYED DATA"),
        (["replay", "simulator"], "REPLAYED + SIMULATED DATA"),
        (["live", "simulator"], "PARTLY SIMULATED DATA"),
    ],
)
def test_badge_names_what_is_not_live(sources: list[str], badge: str) -> None:
    assert charts.source_badge(pd.DataFrame({"source": sources})) == badge


@pytest.mark.parametrize("theme", THEMES)
def test_colours_can_be_read(theme: Any) -> None:
    colours = THEMES[theme]
    for ink, paper in product(
        (colours.text, colours.muted, colours.warning), (colours.page, colours.card)
    ):
        assert contrast(ink, paper) >= 4.5  # WCAG AA, text
    for fill in (colours.long, colours.short, colours.net):
        assert contrast(fill, colours.card) >= 3  # WCAG AA, graphics
    # told apart without hue: also by those who see none
    assert contrast(colours.long, colours.short) >= 1.3


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    assert re.fullmatch(r"#[0-9a-f]{6}", colour)
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
