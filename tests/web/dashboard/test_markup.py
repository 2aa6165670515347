import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import traitlets
from markupsafe import Markup

from liq.analysis import charts, links
from liq.analysis.alerts import Rule, Rules
from liq.analysis.charts.base import BOUND
from liq.analysis.links import Place
from liq.analysis.pace import UNREAD
from liq.errors import QueryError
from liq.ingest.venues import VENUES
from liq.monitoring.diagnosis import Part, Problem, Pulse
from liq.query import queries
from liq.records.model import Severity
from liq.web.dashboard import markup
from liq.web.dashboard.inspector import Inspection
from liq.web.dashboard.model import (
    MAX_RECENT,
    DashboardModel,
    Delay,
    Frames,
    Latest,
    Results,
    State,
)
from liq.web.dashboard.widgets import Html, PickTable

EVIL = "<img src=x onerror=alert(1)>"
NOW = datetime(2026, 1, 1, 12, 0, 1, 500_000, tzinfo=UTC)


def frames(**totals: float) -> Frames:
    row = {
        "long_usd": 1_234_567.0, "short_usd": 0.0, "net_usd": 1_234_567.0, "long_count": 3,
        "short_count": 0, "prints": 3, "largest_usd": 999.0, "not_live": 0, "partial": 0,
    } | totals  # fmt: skip
    sources = {"exchange": EVIL, "source": "simulator", "completeness": "throttled", "prints": 3}
    return Frames(
        common=Results({
            "totals": pd.DataFrame([row]), "sources": pd.DataFrame([sources]),
            "alerts": pd.DataFrame(),
        }),
        board=Results({}),
        controls=DashboardModel(bucket="1s").controls, bucket="10s", start=NOW, end=NOW, read=NOW,
    )  # fmt: skip


def prints(**changes: object) -> pd.DataFrame:
    row = {
        "ts": pd.Timestamp(NOW), "exchange": EVIL, "symbol": EVIL, "side": "long", "price": 0.0123,
        "quantity": 1.0, "notional": 250_000.0, "completeness": "full", "source": "live",
        "event_id": -5,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def model(state: State, problem: str = "") -> DashboardModel:
    made = DashboardModel()
    made.frames, made.state = frames(), state
    made.trouble = (Problem(Part.QUESTDB, problem, problem),) if problem else ()
    return made


def test_headings_explain_their_columns_as_the_catalogue_does() -> None:
    page = markup.render_cascades(cascade("BTC"))
    assert re.search(r'<th title="USD per second of the cascade [^"]+">burst score', page)
    assert re.search(r'<th title="maximum within a second[^"]+">peak in 1 s', page)
    assert "<th>duration</th>" in page  # the catalogue says no more than the name
    feeds = markup.render_feeds(health())
    assert re.search(r'<th title="origin of the feed[^"]+">contracts', feeds)


def test_a_link_to_a_cascade_keeps_the_sizes_of_the_page() -> None:
    here = Place(min_notional=5000.0, max_notional=1e6)
    assert "asset=BTC&amp;minimum=5000&amp;maximum=1000000" in markup.render_cascades(
        cascade("BTC"), here=here
    )
    run = cascade("BTC").assign(total_usd=2.0, exchanges="okx")
    (bubble, _) = charts.cascades.spec(run, here=here)["data"]
    assert "asset=BTC&minimum=5000&maximum=1000000" in bubble["ids"][0]


def test_sums_in_tables_are_marked_where_a_feed_was_disconnected_or_partial() -> None:
    run = cascade("BTC")
    [start], hour = run["from_ts"], pd.Timedelta("1h")
    during, before = (
        pd.DataFrame({"exchange": ["okx"], "from_ts": [begin], "to_ts": [begin + hour]})
        for begin in (start - hour / 2, start - 2 * hour)
    )
    marks = [markup.render_cascades(run, gaps=gaps).count("≥") for gaps in (during, before, None)]
    assert marks == [4, 0, 0]  # prints, longs, shorts and the peak
    assert markup.render_cascades(run.assign(partial=1)).count("≥") == 4
    sizes = quantiles("long")
    marked = [markup.render_sizes(sizes, gaps).count("≥") for gaps in (before, None)]
    assert marked == [3 * len(sizes), 0]  # by the whole window
    shown = frames()
    cell = {"price_from": 9.0, "price_to": 9.1, "long_usd": 7e6, "short_usd": 0.0, "partial": 0}
    price = pd.DataFrame({"low": [1.0], "high": [1.1]})
    for partial, gaps, sign in ((0, None, ""), (1, None, BOUND),
                                (0, during, BOUND)):  # fmt: skip
        cells = pd.DataFrame([cell | {"partial": partial}])
        beside = replace(shown, board=Results({"price": price, "cells": cells}))
        title = markup.render_prices_title(beside, gaps=gaps)
        assert f"; {sign}$7M at prices further off" in title


def test_headings_of_a_catalogue_that_cannot_be_read_have_no_tooltip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(key: str) -> None:
        raise QueryError(f"no {key}")

    monkeypatch.setattr(queries, "find", fail)
    assert "<th>peak in 1 s</th>" in markup.render_cascades(cascade("BTC"))


def test_text_from_outside_is_escaped() -> None:
    shown = model(State.FAILED, problem=EVIL)
    found = Inspection({"symbol": EVIL}, {"symbol": EVIL}, None, EVIL)
    pages = [markup.render_header(shown), markup.render_notice(shown), markup.render_tape(prints()),
             markup.render_footnote(frames()), markup.render_figures(frames()),
             markup.render_inspection(found),
             markup.render_error(EVIL), markup.render_feeds(health(exchange=EVIL)),
             markup.render_sizes(quantiles(EVIL)), markup.render_cascades(cascade(EVIL)),
             markup.render_coverage_notice(EVIL), markup.render_ignored([EVIL])]  # fmt: skip
    assert not any("<img" in page for page in pages)
    assert sum("&lt;img" in page for page in pages) == 11


def pace(**changes: object) -> pd.DataFrame:
    row = {
        "span": "1h", "long_usd": 1.2e6, "short_usd": 3e5, "prints": 2, "partial": 0, "not_live": 0,
        "covered": 1.0, "long_times": 4.25, "short_times": 0.5, "note": "", "unreal": False,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def test_a_span_shows_both_sides_and_their_multiples_of_the_usual() -> None:
    tile = markup.render_pace(pace())
    assert 'data-window="1h"' in tile
    assert '<b>$1.2M</b><i class="liq-unusual">4.2\N{MULTIPLICATION SIGN}</i>' in tile
    assert "<b>$300k</b><i>0.5\N{MULTIPLICATION SIGN}</i>" in tile
    assert "≥" not in tile


def test_a_tile_has_the_same_lines_while_it_is_read() -> None:
    known, empty = markup.render_pace(pace()), markup.render_pace(None)
    unread = markup.render_pace(pace(covered=float("nan"), note=UNREAD, long_times=float("nan")))
    assert empty.count("liq-tile") == 4
    for tag in ("<h3>", "<p ", "<b>", "<i"):
        assert unread.count(tag) == known.count(tag)
        assert empty.count(tag) == 4 * known.count(tag)
    assert "<small></small>" in unread  # a note would have a line of its own
    assert unread.count(f'<i title="{UNREAD}">…</i>') == 2
    assert unread.count(BOUND) == 2  # how much feeds have covered is not known yet


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        (0.0, "0"), (0.004, "&lt;0.1"), (0.097, "&lt;0.1"), (0.1, "0.1"), (9.94, "9.9"),
        (9.96, "10"), (1234.5, "1,234"),
    ],
)  # fmt: skip
def test_a_small_multiple_of_the_usual_differs_from_none(times: float, shown: str) -> None:
    tile = markup.render_pace(pace(short_times=times))
    assert f"<i>{shown}\N{MULTIPLICATION SIGN}</i>" in tile.replace(' class="liq-unusual"', "")


@pytest.mark.parametrize(
    ("long", "short", "note"),
    [
        (5.0, 5.0, "in balance"), (1001.0, 1000.0, "&lt;1% towards longs"),
        (0.0, 5.0, "100% towards shorts"),
    ],
)  # fmt: skip
def test_a_small_imbalance_differs_from_none(long: float, short: float, note: str) -> None:
    shown = frames(long_usd=long, short_usd=short, net_usd=long - short)
    assert f"<small>{note}</small>" in markup.render_figures(shown)


def test_a_span_that_feeds_or_rows_lack_says_so() -> None:
    for lacking in (pace(partial=1), pace(covered=0.9)):
        assert markup.render_pace(lacking).count(BOUND) == 2
    unknown = markup.render_pace(
        pace(long_times=float("nan"), short_times=float("nan"), note="feeds covered 10% of it")
    )
    assert "feeds covered 10% of it" in unknown
    assert "\N{MULTIPLICATION SIGN}" not in unknown
    assert "<small>simulated or replayed</small>" in markup.render_pace(pace(not_live=1))
    usual = "<small>the usual is simulated or replayed</small>"
    assert usual in markup.render_pace(pace(unreal=True))
    assert "&lt;img" in markup.render_pace(pace(note=EVIL))
    nothing = pace(long_usd=0.0, short_usd=0.0, prints=0, long_times=float("nan"))
    assert "<b>$0</b>" in markup.render_pace(nothing)
    assert markup.render_pace(nothing.assign(covered=0.0)).count("<b>unknown</b>") == 2
    unread = nothing.assign(covered=float("nan"), note=UNREAD)
    assert markup.render_pace(unread).count("<b>…</b>") == 2


def quantiles(side: str) -> pd.DataFrame:
    sums = ("total", "p10", "p25", "p50", "p75", "p90", "p99", "largest")
    return pd.DataFrame([{"side": side, "prints": 1} | {f"{name}_usd": 1.0 for name in sums}])


def cascade(name: str) -> pd.DataFrame:
    row = {
        "name": name, "from_ts": pd.Timestamp(NOW), "to_ts": pd.Timestamp(NOW),
        "duration_s": 1.0, "prints": 5, "exchanges": 2,
        "first_exchange": name, "long_usd": 1.0, "short_usd": 1.0, "peak_1s_usd": 1.0,
        "burst_score": float("nan"), "covered": 0.25,
    }  # fmt: skip
    return pd.DataFrame([row])


def test_widgets_refuse_html_that_was_not_escaped() -> None:
    for widget, trait in ((Html(), "value"), (PickTable(), "html")):
        setattr(widget, trait, Markup("<b>{}</b>").format(EVIL))
        with pytest.raises(traitlets.TraitError, match=r"liq\.common\.html"):
            setattr(widget, trait, f"<b>{EVIL}</b>")
        assert getattr(widget, trait) == "<b>&lt;img src=x onerror=alert(1)&gt;</b>"


def test_rows_of_unknown_sources_and_venues_are_badged_and_not_an_error() -> None:
    strange = frames()
    strange.sources["source"] = "<made up>"
    shown = model(State.LIVE)
    shown.frames = strange
    assert "&lt;MADE UP&gt; DATA" in markup.render_header(shown)


def test_each_state_but_live_has_a_notice_of_its_own() -> None:
    troubled = {State.FAILED, State.STALE, State.DISCONNECTED, State.BROKEN}
    notices = {
        state: markup.render_notice(
            model(state, f"{state} for a reason" if state in troubled else "")
        )
        for state in State
    }
    assert notices.pop(State.LIVE) == ""
    assert len(set(notices.values())) == len(notices)
    for state, notice in notices.items():
        assert f"liq-{state}" in notice
    assert "feeds are connected" in notices[State.QUIET]
    for state in troubled:
        assert f"{state} for a reason" in notices[state]


def test_a_reading_that_takes_long_has_not_failed_yet() -> None:
    slow = model(State.FAILED)
    words = Part.DASHBOARD, "QuestDB is slow", "It has taken 9 s so far"
    slow.trouble = (Delay(*words),)
    notice = markup.render_notice(slow)
    assert "<b>QuestDB is slow.</b> It has taken 9 s so far." in notice
    assert "Retrying" not in notice
    slow.trouble = (Problem(*words),)  # the same words of a failure
    assert "<b>Cannot read the data: QuestDB is slow.</b>" in markup.render_notice(slow)


def test_a_market_without_reports_of_feeds_is_not_called_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = datetime.now(UTC)
    shown = model(State.QUIET)
    monkeypatch.setattr(shown._examiner, "ask", lambda: None)  # it has not answered yet
    shown._pulse = Pulse(now, now - timedelta(minutes=5), ())
    shown.judge()
    assert shown.state is State.QUIET
    assert "No producer reports" in markup.render_notice(shown)
    assert "connected" not in markup.render_notice(shown)


def test_header_badges_simulated_data() -> None:
    assert "SIMULATED DATA" in markup.render_header(model(State.LIVE))
    nobody = DashboardModel()
    assert "liq-badge" not in markup.render_header(nobody)
    assert "no rows yet" in markup.render_header(nobody)


def test_figures_have_units_and_lower_bounds_their_mark() -> None:
    assert "$1.235M" in markup.render_figures(frames())
    assert "≥" not in markup.render_figures(frames())
    assert markup.render_figures(frames(partial=1)).count(BOUND) == 5
    assert markup.render_figures(frames(), pd.DataFrame({"exchange": ["okx"]})).count(BOUND) == 5
    assert BOUND not in markup.render_figures(frames(), pd.DataFrame({"exchange": []}))
    assert "25 % covered" in markup.render_cascades(cascade("BTC"))
    assert "100% towards longs" in markup.render_figures(frames())
    assert "no prints" in markup.render_figures(frames(long_usd=0.0))
    assert markup.render_figures(None).count("liq-figure") == 5


def test_tape_rows_have_their_side_size_and_names_to_press() -> None:
    page = markup.render_tape(prints())
    assert '<td class="liq-long">long</td>' in page
    assert "12:00:01.500" in page
    assert "250,000" in page
    assert 'data-usd="250000"' in page
    assert 'data-filter="exchanges"' in page
    assert page.count("<th>") == page.count("<td") == 8
    assert 'data-key="[&#34;2026-01-01T12:00:01.500000+00:00&#34;,-5,&#34;' in page
    assert markup.render_tape(prints().iloc[:0]) == '<p class="liq-none">no prints</p>'


def test_a_print_that_no_exchange_sent_is_marked() -> None:
    for live in ("live", "cryptofeed"):
        assert "<mark>" not in markup.render_tape(prints(source=live))
        assert "liq-unreal" not in markup.render_tape(prints(source=live))
    for source, word in (("simulator", "simulated"), ("replay", "replayed")):
        page = markup.render_tape(prints(source=source))
        assert f"<mark>{word}</mark>" in page
        assert f'class="liq-unreal" title="{word}"' in page


@pytest.mark.parametrize(
    ("sources", "is_whole"),
    [
        (["simulator"], True),
        (["replay", "replay"], True),
        (["simulator", "replay"], False),
        (["simulator", "live"], False),
        (["elsewhere"], True),
    ],
)
def test_the_header_has_a_badge_and_the_tape_knows_if_all_prints_are_of_one_kind(
    sources: list[str], *, is_whole: bool
) -> None:
    shown = model(State.LIVE)
    mixed = pd.DataFrame({"exchange": "okx", "source": sources, "completeness": "full"})
    shown.frames = replace(frames(), common=Results({"sources": mixed}))
    assert 'class="liq-badge"' in markup.render_header(shown)
    assert markup.is_one_kind(shown.frames) == is_whole
    shown.frames = replace(frames(), common=Results({"sources": QueryError("away")}))
    assert 'class="liq-badge"' in markup.render_header(shown)
    assert not markup.is_one_kind(shown.frames)


def test_an_inspection_shows_values_with_units_the_message_and_the_rule() -> None:
    row = {"notional": 1234567.5, "ts": NOW, "side": "long"}
    page = markup.render_inspection(Inspection(row, {"notional": "USD"}, VENUES["okx"], '{"a": 1}'))
    for text in ("1,234,567.5<small>USD", "2026-01-01 12:00:01.500000 UTC", "{&#34;a&#34;: 1}",
                 f'href="{VENUES["okx"].documentation}"', "bankruptcy price"):  # fmt: skip
        assert text in page
    local = markup.render_inspection(Inspection(row, {}, None, ""), ZoneInfo("Europe/Berlin"))
    assert "2026-01-01 13:00:01.500000+01:00" in local
    unkept = markup.render_inspection(Inspection(row, {}, None, "", "not kept: `liq run` keeps it"))
    assert "not kept: <code>liq run</code> keeps it" in unkept


@pytest.mark.parametrize(
    ("source", "mark", "heading"),
    [
        ("live", "", "As the exchange sent it"),
        ("replay", " <mark>replayed</mark>", "As the exchange sent it"),
        ("simulator", " <mark>simulated</mark>", "As the simulator sent it"),
    ],
)
def test_an_inspection_marks_a_print_that_is_not_live(source: str, mark: str, heading: str) -> None:
    found = markup.render_inspection(Inspection({"source": source}, {}, None, "{}"))
    assert f"<h3>As stored{mark}</h3>" in found
    assert f"<h3>{heading}</h3>" in found


def health(**changes: object) -> pd.DataFrame:
    row = {
        "exchange": "okx", "source": "live", "known": True, "completeness": "sampled",
        "ts": pd.Timestamp(NOW), "connected": True, "messages": 1200, "gaps": 3,
        "reconnects": 4, "lag_s": 0.0421,
        "max_lag_s": 12.0, "max_queued": 5000, "passed": 1234, "too_old": 77, "stopped": False,
        "silent": False, "contracts": "REST", "contracts_age_s": 300.0, "contracts_fault": None,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def test_feeds_are_reported_with_units_and_a_lost_one_apart() -> None:
    page = markup.render_feeds(health())
    for text in ("okx", "connected", "sampled", "1,200", "42 ms", "12 s", "5,000", "1,234", "77",
                 "skipped", "too old", "liq-feed-up"):  # fmt: skip
        assert text in page
    lost = markup.render_feeds(health(connected=False, silent=True, lag_s=None, source="simulator"))
    for text in ("disconnected", "liq-feed-down", "<td>-</td>", "<mark>simulated</mark>"):
        assert text in lost
    assert "REST, 5 min old" in page
    old = markup.render_feeds(health(contracts="snapshot", contracts_fault="okx <is> away"))
    assert 'snapshot, 5 min old<br><small title="okx &lt;is&gt; away">okx &lt;is&gt; away<' in old
    assert "<td>REST, 5 min old</td>" in markup.render_feeds(health(contracts_fault="unknown"))
    early = markup.render_feeds(health(contracts=None, contracts_age_s=None))
    assert "<td>-</td>" in early
    ended = markup.render_feeds(health(connected=False, stopped=True))
    assert "stopped" in ended
    assert "liq-feed-down" not in ended
    assert "<code>liq run</code>" in markup.render_feeds(health().iloc[:0])


def test_feeds_that_were_disconnected_are_named_in_one_line() -> None:
    line = markup.render_coverage_notice("2 of 3 feeds disconnected: okx, gate")
    assert "<b>≥</b> 2 of 3 feeds disconnected: okx, gate: sums are lower bounds." in line
    assert markup.render_coverage_notice("") == ""


def test_history_says_its_window_and_not_how_old_the_newest_row_is() -> None:
    shown = model(State.HISTORY)
    shown.until = NOW
    assert "ago" not in markup.render_header(shown)
    assert "2026-01-01 11:00:01 to 12:00:01 UTC" in markup.render_header(shown)


def test_times_are_in_the_chosen_zone() -> None:
    shown, zone = model(State.HISTORY), ZoneInfo("Asia/Kolkata")
    shown.until, shown.local_zone, shown.zone = NOW, zone, "local"
    assert "2026-01-01 16:30:01 to 17:30:01 Asia/Kolkata" in markup.render_header(shown)
    shown.until = None
    shown.latest = Latest(NOW, NOW, 1)
    assert "last event 17:30:01.500 Asia/Kolkata" in markup.render_header(shown)
    row = {"ts": pd.Timestamp(NOW), "rule": "a", "severity": "info", "message": "b", "value": 1.0,
           "threshold": 1.0, "query": "totals", "measure": "prints", "live": True}  # fmt: skip
    for page in (
        markup.render_tape(prints(), zone),
        markup.render_cascades(cascade("BTC"), zone),
        markup.render_feeds(health(), zone),
        markup.render_alerts(pd.DataFrame([row]), Place(), zone),
    ):
        assert "17:30:01" in page
        assert "(UTC)" not in page
    assert "to=2026-01-01T12:05:01.500000Z" in markup.render_cascades(cascade("BTC"), zone)


def test_one_word_is_used_for_simulated_data() -> None:
    shown = markup.render_header(model(State.LIVE)) + markup.render_tape(prints(source="simulator"))
    assert "SIMULATED DATA" in shown
    assert "simulator" not in shown


def test_title_says_when_bars_were_widened() -> None:
    controls = frames().controls._replace(window="365d")
    title = markup.render_bars_title(replace(frames(), controls=controls))
    assert "; 1s would make 31,536,000 bars; 1,500 fit" in title
    shown = replace(frames(), bucket="1s")
    assert "would make" not in markup.render_bars_title(shown)
    assert "Liquidated per 1s" in markup.render_bars_title(shown)
    assert "mark price of BTC" in markup.render_bars_title(shown)


def test_an_empty_stretch_of_history_leads_back_to_now() -> None:
    shown = model(State.EMPTY)
    assert "start a producer" in markup.render_notice(shown)
    shown.until = NOW
    assert "press Live" in markup.render_notice(shown)
    assert "start a producer" not in markup.render_notice(shown)


@pytest.mark.parametrize("until", [None, NOW])
def test_an_empty_page_names_the_filters_that_may_hide_all_prints(until: datetime | None) -> None:
    shown = model(State.EMPTY)
    shown.latest, shown.until = Latest(NOW, NOW, 1), until
    assert "Clear all" not in markup.render_notice(shown)
    shown.asset, shown.exchanges = "BTC", ["okx"]
    shown.min_notional, shown.max_notional = 1e4, 1e5
    notice = markup.render_notice(shown)
    assert "asset BTC, venue okx, $10k to $100k. " in notice
    assert "Clear all" in notice
    assert "start a producer" not in notice  # some were recorded
    shown.symbols = [EVIL, *(f"C{number}" for number in range(9))]
    notice = markup.render_notice(shown)
    assert "8 more" in notice
    assert "&lt;img" in notice


@pytest.mark.parametrize(
    ("state", "advice"),
    [(State.LOADING, "<code>liq status</code>"), (State.QUIET, "wait"), (State.PAUSED, "Resume")],
)
def test_a_state_says_what_to_do(state: State, advice: str) -> None:
    assert advice in markup.render_notice(model(state))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.2 s"),
        (42, "42 s"),
        (119, "119 s"),
        (300, "5 min"),
        (7200, "2 h"),
        (200_000, "2 d"),
    ],
)
def test_ago(seconds: float, text: str) -> None:
    assert markup.format_age(timedelta(seconds=seconds)) == text


def test_rules_are_reported_with_their_conditions_and_faults() -> None:
    rule = Rule(
        description=EVIL, query="totals", column="long_usd", comparison=">=", threshold=1e6,
        message="x", window="1m", aggregate="max", severity=Severity.CRITICAL,
        params={"asset": ["BTC", "ETH"], "min_notional": 5e6},
    )  # fmt: skip
    page = markup.render_rules(Rules({"burst": rule}, {"bad": "rule bad: <odd>"}))
    chosen = "totals (asset=BTC, ETH, min_notional=5,000,000) within 1m"
    for text in ("burst", f"max of long_usd of {chosen} &gt;= 1,000,000", "5m", "&lt;img",
                 "liq-critical", "rule bad: &lt;odd&gt;"):  # fmt: skip
        assert text in page
    assert "<img" not in page


def test_alerts_are_distinguished_by_severity_escaped_and_marked_when_not_live() -> None:
    row = {
        "ts": NOW, "rule": EVIL, "severity": "critical", "message": EVIL, "value": 2_500_000.0,
        "threshold": 1_000_000.0, "query": "totals", "measure": "long_usd", "live": False,
    }  # fmt: skip
    quiet = row | {"severity": "info", "live": True}
    page = markup.render_alerts(pd.DataFrame([row, quiet]), Place())
    assert "<img" not in page
    assert page.count('<li class="liq-critical"') == page.count('<li class="liq-info"') == 1
    assert page.count("<mark>simulated or replayed</mark>") == 1
    assert "totals: long_usd 2.5e+06, threshold 1e+06" in page
    assert "<time>01-01 12:00:01</time>" in page
    nothing = [markup.render_alerts(frame, Place()) for frame in (None, pd.DataFrame())]
    assert nothing == ["", ""]


def test_the_newest_alert_is_one_line_with_a_counter_that_keeps_the_place() -> None:
    row = {
        "ts": NOW, "rule": "great", "severity": "critical", "message": EVIL, "value": 2.0,
        "threshold": 1.0, "query": "totals", "measure": "long_usd", "live": True,
    }  # fmt: skip
    here = Place(board="Prices", asset="BTC", window="4h")
    older = row | {"severity": "info", "message": "older"}
    page = markup.render_newest_alert(pd.DataFrame([row, older]), here)
    assert page.count("<li") == 1
    assert "<time>12:00:01</time>" in page  # of the last minutes: no date
    assert "older" not in page
    assert "<img" not in page
    link = re.search(r'<a class="liq-count" href="([^"]+)"[^>]*>2 alerts in 10m</a>', page)
    assert link
    assert links.decode(html.unescape(link[1])[1:]).place == here._replace(board="Alerts")
    assert ">1 alert in 10m<" in markup.render_newest_alert(pd.DataFrame([row]), here)
    for shown in (page, markup.render_alerts(pd.DataFrame([row]), here)):
        moment = re.search(r'<a href="([^"]+)" title="show this time">', shown)
        assert moment
        place = links.decode(html.unescape(moment[1])[1:]).place
        assert place == links.locate_alert(NOW, "totals")._replace(asset="BTC")
    many = pd.DataFrame([row] * MAX_RECENT)
    assert f">{MAX_RECENT}+ alerts in 10m<" in markup.render_newest_alert(many, here)
    assert markup.render_newest_alert(None, here) == ""
    assert markup.render_newest_alert(pd.DataFrame(), here) == ""
