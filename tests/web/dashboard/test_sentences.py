"""What screen readers speak: a sentence for each chart, and news now and then."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from liq.monitoring.diagnosis import Part, Problem
from liq.web.dashboard import markup, sentences
from liq.web.dashboard.model import DashboardModel, Frames, Results, State
from liq.web.dashboard.widgets import Announcer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KOLKATA = ZoneInfo("Asia/Kolkata")
TOTALS = {"prints": 3, "long_usd": 1e6, "short_usd": 5e5, "largest_usd": 9e5, "partial": 0}


def frames(board: dict[str, pd.DataFrame] | None = None, **common: pd.DataFrame) -> Frames:
    return Frames(
        common=Results(common), board=Results(board or {}), controls=DashboardModel().controls,
        bucket="1m", start=NOON, end=NOON, read=NOON,
    )  # fmt: skip


def bars(longs: list[float], shorts: list[float]) -> pd.DataFrame:
    ts = pd.date_range(NOON, periods=len(longs), freq="1min")
    return pd.DataFrame({"ts": ts, "long_usd": longs, "short_usd": shorts})


def test_bars_are_a_sentence_with_their_numbers() -> None:
    shown = frames({"bars": bars([100_000.0, 5e6], [0.0, 2e6])})
    assert sentences.describe_bars(shown, KOLKATA) == (
        "Liquidated per 1m: longs $5.1M, shorts $2M; most at 17:31:00 Asia/Kolkata, $7M."
    )
    for empty in (bars([], []), bars([0.0], [0.0])):
        assert sentences.describe_bars(frames({"bars": empty}), UTC) == (
            "Liquidated per 1m: no liquidations."
        )


def test_a_running_sum_is_a_sentence() -> None:
    net = pd.DataFrame({"cumulative_usd": [1e6, -5e5, 2e5]})
    assert sentences.describe_net(frames({"net": net})) == (
        "Cumulative long minus short: $200k now, between \N{MINUS SIGN}$500k and $1M."
    )
    assert "no liquidations" in sentences.describe_net(frames({"net": net.iloc[:0]}))


def test_a_ranking_names_its_first_three() -> None:
    frame = pd.DataFrame({"symbol": list("ABCD"), "total_usd": [4e6, 3e6, 2e6, 1e6]})
    assert sentences.describe_ranking("Top symbols", frame) == "Top symbols: A $4M, B $3M, C $2M."
    venues = pd.DataFrame({"exchange": ["okx", "okx"], "total_usd": [1e6, 1e6]})
    assert sentences.describe_ranking("By exchange", venues) == "By exchange: okx $2M."
    assert "no liquidations" in sentences.describe_ranking("By exchange", venues.iloc[:0])


def test_classes_of_size_are_a_sentence() -> None:
    frame = pd.DataFrame({"from_usd": [0.0, 1e6], "total_usd": [2e4, 3e6]})
    assert sentences.describe_classes("Sizes", frame) == "Sizes: from $1M $3M, from $0 $20k."
    assert "no liquidations" in sentences.describe_classes("Sizes", frame.iloc[:0])


def test_candles_name_the_price_and_the_band_with_most_notional() -> None:
    cells = pd.DataFrame(
        {"price_from": [100.0, 110.0, 110.0], "price_to": [110.0, 120.0, 120.0],
         "long_usd": [5e5, 4e5, 3e5], "short_usd": [0.0, 0.0, 0.0]}
    )  # fmt: skip
    price = pd.DataFrame({"low": [99.0, None], "high": [125.0, None], "close": [101.5, None]})
    assert sentences.describe_candles(frames({"price": price, "cells": cells})) == (
        "BTC price and liquidations per 1m: 101.5, between 99 and 125;"
        " most liquidated from 110 to 120, $700k."
    )
    lacking = frames({"price": price.iloc[1:], "cells": cells.iloc[:0]})
    assert "no mark price; no liquidations." in sentences.describe_candles(lacking)


def test_a_path_names_its_end() -> None:
    path = pd.DataFrame(
        {
            "side": ["long", "long", "short"],
            "offset_s": [0, 300, 300],
            "mean_bps": [0.0, 4.25, -1.0],
        }
    )
    assert sentences.describe_path(frames({"path": path})) == (
        "Price around large prints: longs +4.2 basis points after 300 seconds,"
        " shorts -1.0 basis points after 300 seconds."
    )
    assert "no prints" in sentences.describe_path(frames({"path": path.iloc[:0]}))


def test_cascades_name_the_largest() -> None:
    found = pd.DataFrame(
        {"name": ["BTC", "ETH"], "from_ts": pd.to_datetime([NOON, NOON + timedelta(hours=1)]),
         "total_usd": [1e6, 2e6], "prints": [5, 1234]}
    )  # fmt: skip
    assert sentences.describe_cascades(frames({"cascades": found}), UTC) == (
        "Cascades by asset: 2; the largest ETH at 13:00:00 UTC, $2M in 1,234 prints."
    )
    assert ": none." in sentences.describe_cascades(frames({"cascades": found.iloc[:0]}), UTC)


def test_shares_and_hours_name_the_greatest() -> None:
    share = pd.DataFrame({"exchange": ["okx", "bybit"], "total_usd": [1e6, 3e6]})
    assert (
        sentences.describe_share(frames({"share": share})) == "Share by venue: bybit 75%, okx 25%."
    )
    assert "no liquidations" in sentences.describe_share(frames({"share": share.iloc[:0]}))
    hours = pd.DataFrame(
        {"hour": [3, 3, 4], "hours": [1.0, 1.0, 0.0], "long_usd": [1e6, 1e6, 0.0],
         "short_usd": [0.0, 0.0, 0.0]}
    )  # fmt: skip
    shown = frames({"hours": hours})
    assert sentences.describe_hours(shown) == (
        "Hour of the day: most from 3:00 UTC, a mean of $1M an hour, 1.19 % covered."
    )
    assert "<small>at least a week; 1.19 % covered</small>" in markup.render_hours_title(shown)
    partial = frames({"hours": hours.assign(partial=1)})
    assert "a mean of at least $1M an hour" in sentences.describe_hours(partial)
    whole = frames({"hours": hours.assign(hours=[84.0, 84.0, 0.0])})
    assert "covered" not in sentences.describe_hours(whole) + markup.render_hours_title(whole)
    assert "no liquidations" in sentences.describe_hours(frames({"hours": hours.iloc[:0]}))


def test_coverage_names_the_feeds_that_were_disconnected() -> None:
    health = frames({"health": pd.DataFrame({"exchange": ["okx", "bybit"]})})
    gaps = pd.DataFrame({"exchange": ["okx", "okx"]})
    assert sentences.describe_coverage(health, gaps) == (
        "Feed coverage: 2 feeds; disconnected for a time: okx."
    )
    assert "none" in sentences.describe_coverage(health, gaps.iloc[:0])
    assert "not known yet" in sentences.describe_coverage(health, None)
    nobody = frames({"health": pd.DataFrame({"exchange": []})})
    assert "no feed has reported" in sentences.describe_coverage(nobody, gaps)


def test_news_are_the_state_and_the_newest_alert() -> None:
    model = DashboardModel()
    assert (sentences.describe_news(model), sentences.describe_totals(model)) == ("loading.", "")
    alerts = pd.DataFrame([{"severity": "critical", "message": "BTC fell"}])
    live = pd.DataFrame({"source": ["live"]})
    model.frames = frames(alerts=alerts, totals=pd.DataFrame([TOTALS]), sources=live)
    model.state = State.LIVE
    assert sentences.describe_news(model) == "live. critical alert: BTC fell."
    assert sentences.describe_totals(model) == (
        "In 1h: longs $1M, shorts $500k liquidated in 3 prints, the largest $900k."
    )
    model.trouble = (Problem(Part.QUESTDB, "QuestDB does not answer", "why"),)
    assert sentences.describe_news(model).startswith("QuestDB does not answer.")
    model.frames = frames(totals=pd.DataFrame([TOTALS | {"prints": 0}]), alerts=alerts.iloc[:0])
    assert sentences.describe_totals(model) == "No liquidations."
    model.frames = frames(alerts=alerts)
    assert "BTC fell" in sentences.describe_news(model)
    model.asset = "BTC"  # whose rows are not read yet
    assert sentences.describe_totals(model) == ""
    assert "BTC fell" not in sentences.describe_news(model)


@pytest.mark.parametrize(
    ("sources", "spoken"),
    [
        (["live"], ""),
        (["simulator"], " Simulated data."),
        (["live", "replay"], " Partly replayed data."),
        (ValueError("odd"), " Source unknown."),
    ],
)
def test_sums_are_spoken_with_their_source(sources: Any, spoken: str) -> None:
    model = DashboardModel()
    found: Any = pd.DataFrame({"source": sources}) if isinstance(sources, list) else sources
    model.frames = frames(totals=pd.DataFrame([TOTALS]), sources=found)
    assert sentences.describe_totals(model).endswith(f"the largest $900k.{spoken}")
    assert sentences.qualify("Net: $1.", model.frames) == f"Net: $1.{spoken}"
    rows = pd.DataFrame({"partial": [0]})
    assert sentences.qualify("Top: A $1.", model.frames, rows) == f"Top: A $1.{spoken}"


@pytest.mark.parametrize(("partial", "gaps"), [(1, None), (0, pd.DataFrame({"exchange": ["okx"]}))])
def test_sums_that_are_lower_bounds_are_spoken_as_such(
    partial: int, gaps: pd.DataFrame | None
) -> None:
    model = DashboardModel()
    live = pd.DataFrame({"source": ["live"]})
    model.gaps = gaps
    model.frames = frames(totals=pd.DataFrame([TOTALS | {"partial": partial}]), sources=live)
    assert sentences.describe_totals(model) == (
        "In 1h: longs at least $1M, shorts at least $500k liquidated in at least 3 prints,"
        " the largest at least $900k."
    )
    rows = pd.DataFrame({"partial": [partial]})
    spoken = sentences.qualify("Top: A $1.", model.frames, rows, gaps)
    assert spoken == "Top: A $1. Sums are at least these."
    assert sentences.qualify("Top: none.", model.frames, rows.head(0), gaps) == "Top: none."
    nothing = pd.DataFrame([TOTALS | {"prints": 0, "partial": partial}])
    model.frames = frames(totals=nothing, sources=live)
    assert sentences.qualify("Top: $0.", model.frames, rows, gaps) == "Top: $0."
    model.has_reports = False
    assert sentences.describe_totals(model) == "Nothing was recorded."


def test_queries_that_failed_are_left_out() -> None:
    model = DashboardModel()
    failed: dict[str, Any] = {"totals": ValueError("odd"), "alerts": ValueError("odd")}
    model.frames = frames(**failed)
    assert (sentences.describe_news(model), sentences.describe_totals(model)) == ("loading.", "")


def test_screen_readers_are_not_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    announcer = Announcer()
    spoken: list[str] = []
    announcer.observe(lambda change: spoken.append(change["new"]), "text")
    for number in range(100):
        announcer.say("live.", f"{number} prints.")
    announcer.say("quiet.", "100 prints.")  # too soon after the first
    assert spoken == ["live. 0 prints."]
    monkeypatch.setattr("liq.web.dashboard.widgets._NEWS_PAUSE_S", 0.0)
    announcer.say("quiet.", "101 prints.")
    announcer.say("quiet.", "102 prints.")
    assert spoken[1:] == ["quiet. 101 prints."]
    monkeypatch.setattr("liq.web.dashboard.widgets._FIGURES_PAUSE_S", 0.0)
    announcer.say("quiet.", "103 prints.")
    assert spoken[2:] == ["103 prints."]
