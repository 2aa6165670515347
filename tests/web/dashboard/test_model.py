import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import SecretStr
from traitlets import TraitError

from liq.analysis.charts.base import UNKNOWN_GAPS, find_bounds, has_gaps, title_time
from liq.config import Settings
from liq.errors import QueryError, QuestDBError, QuestDBTimeoutError
from liq.monitoring.diagnosis import NO_PRODUCER, Pulse
from liq.query import queries
from liq.query.parameters import parse_duration
from liq.web.dashboard import markup
from liq.web.dashboard.board_queries import BOARDS
from liq.web.dashboard.model import MAX_BARS, DashboardModel, Reading, SlowReading, State
from support.helpers import PATIENCE_S, eventually, find_free_ports
from support.proxy import Proxy
from support.rows import health, insert, report
from web.dashboard.conftest import fresh

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("unhurried")]


@pytest.fixture(autouse=True)
def _unmoved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let frames be read again for a reason only, not for the seconds since the last reading."""
    monkeypatch.setattr("liq.web.dashboard.model._SLIDE", timedelta(minutes=1))


def sizes(model: DashboardModel) -> list[float]:
    assert model.frames is not None
    return model.frames.board["tape"]["notional"].tolist()


def test_starts_loading_and_says_an_empty_table(own: Settings) -> None:
    model = DashboardModel(own)
    assert (model.state, model.frames, model.age) == (State.LOADING, None, None)
    assert model.poll()
    assert (model.state, model.age) == (State.EMPTY, None)
    assert sizes(model) == []


def test_reloads_only_for_newer_rows(own: Settings) -> None:
    insert(own, [fresh(100, age=10)])
    model = DashboardModel(own)
    assert model.poll()
    assert (model.state, sizes(model)) == (State.LIVE, [100])
    before = model.frames
    assert not model.poll()
    assert model.frames is before
    insert(own, [fresh(200)])
    assert model.poll()
    assert sizes(model) == [200, 100]
    insert(own, [fresh(300, age=20)])  # older than the newest, but new
    assert model.poll()
    assert sizes(model) == [200, 100, 300]


def test_frames_of_a_reading_belong_together(own: Settings) -> None:
    insert(own, [fresh(100), fresh(50, side="short", symbol="ETHUSDT", source="simulator")])
    model = DashboardModel(own)
    model.poll()
    frames = model.frames
    assert frames is not None
    assert frames.board["bars"]["long_usd"].sum() == 100
    assert frames.board["net"]["cumulative_usd"].iloc[-1] == 50
    assert frames.totals["prints"].item() == 2
    assert frames.board["symbols"]["symbol"].tolist() == ["BTCUSDT", "ETHUSDT"]
    assert frames.board["exchanges"]["total_usd"].tolist() == [150]
    assert set(frames.sources["source"]) == {"live", "simulator"}
    assert frames.start <= frames.board["bars"]["ts"].iloc[-1] <= frames.read <= frames.end
    assert [name for name, _asset in model.known_symbols] == ["BTCUSDT", "ETHUSDT"]
    assert model.known_exchanges == ("binance_usdm",)


def test_a_control_that_changed_reloads(own: Settings) -> None:
    insert(own, [fresh(100), fresh(5000, symbol="ETHUSDT", age=2), fresh(70, age=120)])
    model = DashboardModel(own, window="5m")
    model.poll()
    assert sizes(model) == [100, 5000, 70]
    for control, value, shown in (
        ("window", "1m", [100, 5000]),
        ("min_notional", 1000.0, [5000]),
        ("symbols", ["BTCUSDT"], []),
        ("min_notional", 0.0, [100]),
        ("max_notional", 100.0, []),
        ("max_notional", 100.5, [100]),
    ):
        model.set_trait(control, value)
        assert model.poll()
        assert sizes(model) == shown
        assert not model.poll()
    assert model.state == State.LIVE
    model.symbols = ["NONE"]
    model.poll()
    assert model.state is State.EMPTY
    assert "no row has the symbol &#39;NONE&#39;" in markup.render_notice(model)


def test_the_price_of_chosen_symbols_is_that_of_their_asset(own: Settings) -> None:
    insert(own, [fresh(100), fresh(50, symbol="ETHUSDT", base="ETH"), fresh(9)])
    model = DashboardModel(own)
    for symbols, asset, focus in (
        ([], "", "BTC"),
        (["ETHUSDT"], "", "ETH"),
        (["ETHUSDT", "BTCUSDT"], "", "BTC"),  # most of them
        (["BTCUSDT"], "ETH", "ETH"),
        (["SOLUSDX"], "", ""),  # and not another market's
    ):
        model.symbols, model.asset = symbols, asset
        model.poll()
        assert model.frames is not None
        assert model.frames.controls.focus == focus
        assert not model.poll()
        assert model.place.symbols == tuple(symbols)
        model.board = "Cascades"  # shows no price, so nothing is read for it
        model.poll()
        assert model.frames.controls.lead == ""
        model.board = "Overview"
    frames = model.frames
    assert frames
    assert markup.name_candles(frames) == "Price and liquidations per 1m"


def test_a_time_without_reports_of_feeds_is_no_quiet_market(own: Settings) -> None:
    insert(own, [fresh(100)])
    model = DashboardModel(own)
    model.travel(datetime.now(UTC) - timedelta(days=2), datetime.now(UTC) - timedelta(days=1))
    model.poll()
    assert "<b>Nothing was recorded.</b> No feed reported" in markup.render_notice(model)
    figures = markup.render_figures(model.frames, model.gaps, has_reports=model.has_reports)
    assert "nothing recorded" in figures
    assert "$0" not in figures
    model.symbols = ["NONE"]
    model.poll()
    notice = markup.render_notice(model)
    assert "<b>Nothing was recorded.</b>" in notice
    assert "no row has the symbol &#39;NONE&#39;" in notice
    report(own, [health(datetime.now(UTC) - timedelta(days=1, minutes=5))])
    model = DashboardModel(own)
    model.travel(datetime.now(UTC) - timedelta(days=2), datetime.now(UTC) - timedelta(days=1))
    model.poll()
    assert "No liquidations match" in markup.render_notice(model)


def test_a_system_just_started_fills_its_picture(own: Settings) -> None:
    insert(own, [fresh(100, age=1800)])
    model = DashboardModel(own, window="4h")
    model.poll()
    assert model.frames is not None
    first = model.frames.board["bars"].query("long_usd > 0")["ts"].item()
    assert model.frames.start == first
    insert(own, [fresh(100, age=6 * 3600)])
    model.poll()
    start, end = model.frames.span
    assert end - start >= timedelta(hours=4)
    since, until = model.frames.covered_span
    assert start <= since
    assert (until, until - since) == (model.frames.read, timedelta(hours=4))


def test_a_time_before_all_rows_has_its_whole_axis(own: Settings) -> None:
    insert(own, [fresh(100)])
    model, end = DashboardModel(own), datetime.now(UTC) - timedelta(days=1)
    model.travel(end - timedelta(days=1), end)
    model.poll()
    assert model.frames is not None
    start, until = model.frames.span
    assert start <= end - timedelta(days=1) < end <= until


def test_says_when_a_feed_was_disconnected(own: Settings) -> None:
    now = int(time.time())
    # nothing in between, and on while this is written and read
    seconds = [now - 120, *range(now - 60, now + 60)]
    moments = [datetime.fromtimestamp(second, UTC) for second in seconds]
    reports = [health(moment, exchange="binance_usdm") for moment in moments]
    gone = health(moments[0] - timedelta(hours=3), exchange="okx")  # killed, and no print of it
    ended = health(moments[0] - timedelta(hours=3), exchange="gate", stopped=True)
    yesterday = health(moments[0] - timedelta(hours=30), exchange="htx")
    report(own, [*reports, gone, ended, yesterday])
    insert(own, [fresh(100)])
    model = DashboardModel(own, window="5m")
    model.poll()
    assert model.gaps is not None
    rows: Iterator[Any] = model.gaps.itertuples()
    spans = [(row.from_ts.timestamp(), row.to_ts.timestamp()) for row in rows]
    assert (now - 120, now - 60) in spans
    assert set(model.gaps["exchange"]) == {"binance_usdm", "okx"}
    assert model.disconnections.startswith(
        "1 of 2 feeds disconnected: okx; disconnected for a part of"
    )
    insert(own, [fresh(200)])
    assert model.poll()  # newer frames, and the gaps of before
    assert model.frames is not None
    lost = model.gaps.set_index("exchange")["to_ts"]
    assert lost["okx"].to_pydatetime() == model.frames.read
    assert lost["binance_usdm"].max() < model.frames.read
    model.exchanges = ["gate"]  # what others miss does not concern this visitor
    model.poll()
    assert (len(model.gaps), model.disconnections) == (0, "")


def test_a_live_window_counts_from_the_very_second_of_its_start(own: Settings) -> None:
    start = datetime.now(UTC) - timedelta(minutes=60, seconds=-2)
    insert(own, [fresh(100), fresh(50, age=59 * 60 + 55), fresh(7, age=60 * 60 + 5)])
    model = DashboardModel(own)
    model.travel(start)
    model.poll()
    assert model.frames is not None
    assert (model.span[0], sizes(model)) == (start, [100, 50])
    assert model.frames.totals["prints"].item() == 2
    assert model.frames.covered_span[0] == start
    assert [name for name, _asset in model.known_symbols] == ["BTCUSDT"]
    for board in BOARDS:
        model.board = board
        model.poll()
        assert not [each for each in model.frames.board if not model.frames.board.has(each)], board


def test_old_rows_without_a_producer_say_so_at_once(own: Settings) -> None:
    insert(own, [fresh(100, age=7200)])
    model = DashboardModel(own, min_notional=5.0)
    model.poll()
    assert (model.state, model.trouble) == (State.EMPTY, (NO_PRODUCER,))
    notice = markup.render_notice(model)
    assert "liq run" in notice
    assert "Filters may hide all prints" in notice
    model.symbols = ["NONE"]
    model.poll()
    assert (model.state, model.trouble) == (State.EMPTY, (NO_PRODUCER,))
    assert "no row has the symbol &#39;NONE&#39;" in markup.render_notice(model)


def test_paused_frames_stand_still_until_resumed(own: Settings) -> None:
    insert(own, [fresh(100)])
    model = DashboardModel(own)
    model.poll()
    model.paused = True
    insert(own, [fresh(200)])
    assert not model.poll()
    assert (model.state, sizes(model)) == (State.PAUSED, [100])
    model.paused = False
    assert model.poll()
    assert (model.state, sizes(model)) == (State.LIVE, [200, 100])


def test_history_stays_the_same_until_it_is_left(own: Settings) -> None:
    insert(own, [fresh(100, age=3600), fresh(50, age=1)])
    model = DashboardModel(own, window="5m")
    model.poll()
    now = datetime.now(UTC)
    model.travel(now - timedelta(seconds=3660), now - timedelta(seconds=3540))
    assert model.poll()
    assert (model.state, model.window, sizes(model)) == (State.HISTORY, "2m", [100])
    assert model.frames is not None
    assert model.frames.start < now - timedelta(seconds=3600) < model.frames.end
    insert(own, [fresh(200)])
    assert not model.poll()
    model.step(-1)
    model.poll()
    assert (model.state, sizes(model)) == (State.EMPTY, [])
    model.step(1)
    model.judge()  # the page draws its state each second, also before the next reading
    assert (model.state, sizes(model), model.is_awaiting_rows) == (State.LOADING, [], True)
    assert "No liquidations match" not in markup.render_notice(model)
    model.poll()
    assert (model.state, sizes(model)) == (State.HISTORY, [100])
    model.step(1000)  # beyond now: live again
    model.poll()
    assert (model.state, model.until, sizes(model)) == (State.LIVE, None, [200, 50])


def test_another_board_reads_its_own_frames(own: Settings) -> None:
    insert(own, [fresh(100)])
    model = DashboardModel(own)
    for board in BOARDS:
        model.board = board
        assert model.poll()
        assert model.frames is not None
        assert model.frames.controls.board == board
        assert model.frames.totals["prints"].item() == 1
        assert set(model.frames.board) == set(BOARDS[board](model.controls))
    with pytest.raises(TraitError, match="Nowhere"):
        model.board = "Nowhere"


def test_venues_can_be_chosen(own: Settings) -> None:
    insert(own, [fresh(100), fresh(50, exchange="okx")])
    model = DashboardModel(own, exchanges=["okx"])
    model.poll()
    assert sizes(model) == [50]
    assert model.known_exchanges == ("binance_usdm", "okx")


def after(model: DashboardModel, *states: State) -> str:
    """Return what is wrong once the model has one of ``states``: services are asked meanwhile."""

    def knows() -> bool:
        model.poll()
        return model.state in states and (bool(model.trouble) or State.LIVE in states)

    eventually(knows)
    return "; ".join(problem.what for problem in model.trouble)


def reported(own: Settings, age: float = 0, **changes: Any) -> None:
    """Store the last report, of ``age`` seconds ago; without an age reports go on for a minute."""
    moment = datetime.now(UTC) - timedelta(seconds=age)
    given = {"exchange": "binance_usdm"} | changes
    report(own, [health(moment + timedelta(seconds=n), **given) for n in range(1 if age else 60)])


def test_quiet_when_the_newest_row_is_old_and_nobody_ever_reports(own: Settings) -> None:
    insert(own, [fresh(100, age=300)])
    model = DashboardModel(own)
    assert after(model, State.QUIET) == "no producer reports"
    assert model.age is not None
    assert timedelta(seconds=300) <= model.age < timedelta(seconds=300 + PATIENCE_S)


def test_quiet_while_connected_feeds_report_and_nothing_happens(own: Settings) -> None:
    insert(own, [fresh(100, age=300)])
    reported(own)
    model = DashboardModel(own)
    model.poll()
    assert (model.state, model.trouble) == (State.QUIET, ())


def test_not_live_when_a_producer_no_longer_reports(own: Settings) -> None:
    insert(own, [fresh(100, age=90)])
    reported(own, age=80)
    model = DashboardModel(own)
    assert after(model, State.STALE) == "nothing new arrives"  # and why is being found out
    assert "`liq status` shows which service does not respond" in model.problem
    eventually(lambda: "producer of binance_usdm" in after(model, State.STALE))
    reported(own)
    assert after(model, State.QUIET, State.LIVE) == ""


def test_not_live_while_a_feed_is_disconnected(own: Settings) -> None:
    insert(own, [fresh(100)])
    reported(own, age=1)
    reported(own, connected=False)
    reported(own, exchange="okx")
    model = DashboardModel(own)
    assert after(model, State.DISCONNECTED) == "disconnected: binance_usdm"
    model.exchanges = ["okx"]  # the other feed does not concern this visitor
    model.poll()
    assert model.state is not State.DISCONNECTED


def test_rows_dated_in_the_future_are_not_fresh(own: Settings) -> None:
    insert(own, [fresh(100, age=-7200), fresh(100, age=-50)])  # queries leave the first one out
    reported(own, age=80)
    model = DashboardModel(own, window="4h")
    assert after(model, State.STALE)
    assert model.age is not None
    assert model.age < timedelta(0)


@pytest.mark.parametrize(
    ("port", "what"),
    [
        ("kafka_port", "Kafka does not answer"),
        ("connect_port", "Kafka Connect does not answer"),
    ],
)
def test_nothing_fresh_names_the_server_that_is_unreachable(
    own: Settings, port: str, what: str
) -> None:
    insert(own, [fresh(100, age=90)])
    model = DashboardModel(own.model_copy(update={port: find_free_ports()[port]}))
    # a busy QuestDB is named too, for some probes
    eventually(lambda: after(model, State.STALE) == what)
    empty = DashboardModel(model.settings, symbols=["NONE"])
    # and not only that nothing matches
    eventually(lambda: after(empty, State.STALE) == what)


def test_a_refused_password_is_reported_with_its_fix(own: Settings) -> None:
    wrong = {"questdb_reader_password": SecretStr("wrong")}
    model = DashboardModel(own.model_copy(update=wrong))
    assert after(model, State.FAILED) == "QuestDB refuses the password"
    assert "set LIQ_QUESTDB_READER_PASSWORD" in model.problem


def test_the_servers_are_asked_as_soon_as_something_is_overdue(own: Settings) -> None:
    insert(own, [fresh(100)])
    model = DashboardModel(own)
    model.poll()
    for age, asked in ((1, False), (3, True)):
        now = datetime.now(UTC)
        model._pulse = Pulse(now, now - timedelta(seconds=age), [])
        model.judge()
        assert model.state in (State.LIVE, State.QUIET)
        assert (model._examiner._running is not None) is asked


def test_a_query_that_fails_leaves_the_others(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(own, [fresh(100)])
    asked = queries.fetch

    def partly(key: str, settings: Settings, **params: Any) -> pd.DataFrame:
        if key in ("top_symbols", "sources"):
            raise {"top_symbols": QuestDBError("refused"), "sources": ValueError("odd")}[key]
        return asked(key, settings, **params)

    monkeypatch.setattr(queries, "fetch", partly)
    model = DashboardModel(own)
    model.poll()
    assert sizes(model) == [100]
    assert model.frames is not None
    with pytest.raises(QuestDBError, match="refused"):
        model.frames.board["symbols"]
    with pytest.raises(ValueError, match="odd"):
        model.frames.sources  # noqa: B018 - to take it raises
    assert model.frames.badge is None


def test_a_query_that_nobody_foresaw_to_fail_ends_no_reading(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = DashboardModel(own)
    monkeypatch.setattr(model, "_read_latest", lambda: 1 / 0)
    assert not model.poll()
    assert model.state is State.FAILED
    assert "ZeroDivisionError" in model.problem
    monkeypatch.undo()
    assert model.poll()


def test_a_reading_of_long_ago_is_not_live(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(own, [fresh(100)])
    model = DashboardModel(own)
    model.poll()
    assert model.state == State.LIVE
    monkeypatch.setattr("liq.web.dashboard.model._STUCK", timedelta(0))
    model.judge()
    assert model.state is State.STALE


def test_the_window_moves_on_without_new_rows(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(own, [fresh(100)])
    model = DashboardModel(own)
    model.poll()
    assert not model.poll()
    monkeypatch.setattr("liq.web.dashboard.model._SLIDE", timedelta(0))
    assert model.poll()


def test_an_outage_keeps_the_frames_and_heals(own: Settings) -> None:
    insert(own, [fresh(100)])
    with Proxy(own.questdb_pg_port) as proxy:
        model = DashboardModel(own.model_copy(update={"questdb_pg_port": proxy.port}))
        model.poll()
        proxy.cut()
        assert not model.poll()
        assert (model.state, sizes(model)) == (State.FAILED, [100])
        assert f"127.0.0.1:{proxy.port}" in model.problem
        insert(own, [fresh(200)])
        proxy.restore()
        assert model.poll()
        assert (model.state, model.problem, sizes(model)) == (State.LIVE, "", [200, 100])


def test_frames_of_the_dashboard_do_not_wait_for_slow_readings(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(own, [fresh(100)])
    model = DashboardModel(own)
    asked = queries.fetch

    def slow_coverage(key: str, settings: Settings, **params: Any) -> pd.DataFrame:
        if key == "coverage":
            raise QuestDBTimeoutError("too slow")
        return asked(key, settings, **params)

    monkeypatch.setattr(queries, "fetch", slow_coverage)
    monkeypatch.setattr("liq.web.dashboard.model._SLOW_INTERVAL", 0.0)
    assert model.poll()
    assert (model.state, sizes(model)) == (State.LIVE, [100])
    assert has_gaps(model.gaps)  # sums are lower bounds, as nobody knows

    def own_coverage(key: str, settings: Settings, **params: Any) -> pd.DataFrame:
        frame = asked(key, settings, **params)
        return frame.drop(columns="from_ts") if key == "coverage" else frame

    monkeypatch.setattr(queries, "fetch", own_coverage)
    model.poll()
    assert has_gaps(model.gaps)
    monkeypatch.setattr(queries, "fetch", asked)
    model.poll()
    assert not has_gaps(model.gaps)


@pytest.mark.parametrize(("window", "is_kept"), [("1h", True), ("4h", False)])
def test_coverage_of_another_window_does_not_stay_when_a_slow_reading_fails(
    window: str, *, is_kept: bool
) -> None:
    model = DashboardModel()
    gaps = UNKNOWN_GAPS.head(0)
    asked = model.controls.span, model.controls.exchanges
    slow = SlowReading(
        asked, (), (), (), gaps, "okx was disconnected",
        has_reports=False, left_out=3, end=datetime.now(UTC),
    )  # fmt: skip
    model.apply(Reading(model.controls, slow=slow))
    model.window, model.asset = window, "BTC"
    model.apply(Reading(model.controls, slow=QuestDBTimeoutError("too slow")))
    assert (model.gaps is gaps) == is_kept
    assert (model.disconnections, model.has_reports, model.left_out) == (
        ("okx was disconnected", False, 3) if is_kept else ("", True, 0)
    )
    if not is_kept:
        rows = pd.DataFrame({"long_usd": [1.0], "partial": [0]})
        starts = pd.Series([pd.Timestamp(model.span[0])])
        assert find_bounds(rows, model.gaps, (starts, starts + pd.Timedelta("1min"))).all()
        assert "shaded" not in title_time(UTC, model.gaps)


def test_without_questdb_the_model_names_the_fix(tmp_path: Path) -> None:
    model = DashboardModel(Settings.load(home=tmp_path, **find_free_ports()))
    assert not model.poll()
    assert (model.state, model.frames) == (State.FAILED, None)
    assert "liq up" in model.problem


@pytest.mark.parametrize("window", ["5m", "1h", "1d", "30d"])
@pytest.mark.parametrize("bucket", ["1s", "1m", "1h", "1d"])
def test_bars_are_never_too_many(own: Settings, window: str, bucket: str) -> None:
    insert(own, [fresh(100)])
    model = DashboardModel(own, bucket=bucket, window=window)
    model.poll()
    assert model.frames is not None
    used = parse_duration(model.frames.bucket)
    assert parse_duration(window) / used <= MAX_BARS
    assert used >= parse_duration(bucket)
    assert len(model.frames.board["bars"]) <= MAX_BARS + 1
    assert model.bucket == bucket  # the chosen bucket stays


def test_senseless_controls_are_refused(own: Settings) -> None:
    with pytest.raises(QueryError, match="7s"):
        DashboardModel(own, bucket="7s")
    with pytest.raises((TraitError, ValueError), match="soon"):
        DashboardModel(own, window="soon")
    with pytest.raises(TraitError):
        DashboardModel(own, min_notional=-1.0)
