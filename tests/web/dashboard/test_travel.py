"""Time on the dashboard without servers: typed spans, days, zones, Live and Back."""

import asyncio
import re
import threading
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import ipywidgets as widgets
import pytest

from liq.analysis import links
from liq.errors import QueryError
from liq.query.parameters import parse_duration
from liq.web.dashboard import controls, markup, times
from liq.web.dashboard.controls import create_times
from liq.web.dashboard.model import DashboardModel, Span
from liq.web.dashboard.widgets import ErrorBoundary, SpanForm
from support.helpers import reached
from web.dashboard.test_view import everything

KOLKATA = ZoneInfo("Asia/Kolkata")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def brush(model: DashboardModel, end: datetime = NOON, seconds: float = 270) -> None:
    model.travel(end - timedelta(seconds=seconds), end)


def span_of(model: DashboardModel) -> Span:
    return Span(model.window, model.until, model.since)


def let_pass(monkeypatch: pytest.MonkeyPatch, time: timedelta) -> None:
    """Have the clock of the model stand at ``time`` from now."""
    later = datetime.now(UTC) + time

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return later.astimezone(tz)

    monkeypatch.setattr("liq.web.dashboard.model.datetime", Clock)


def test_live_restores_the_window_before_a_brush() -> None:
    model = DashboardModel(window="4h")
    brush(model)
    brush(model, seconds=60)
    assert (model.window, model.until) == ("1m", NOON)
    model.go_live()
    assert (model.window, model.until) == ("4h", None)


@pytest.mark.parametrize("preset", ["Today", "typed"])
def test_live_leaves_a_fixed_start_for_the_window_before(preset: str) -> None:
    model = DashboardModel(window="4h")
    bar = everything(create_times(model, ErrorBoundary("Controls")))
    buttons = {part.description: part for part in bar if isinstance(part, widgets.Button)}
    live = buttons["Live"]
    if preset == "Today":
        buttons[preset].click()
    else:
        model.travel(datetime.now(UTC) - timedelta(hours=3))
    fixed = model.chosen
    assert fixed.since
    assert not live.disabled
    model.step(1)
    assert model.chosen == fixed  # which is there already
    brush(model)
    live.click()
    assert model.chosen == fixed
    live.click()
    assert (span_of(model), live.disabled) == (Span("4h"), True)


def test_live_leaves_the_fixed_start_of_a_notebook_for_a_window_that_moves() -> None:
    model = DashboardModel(window="4h", since=datetime.now(UTC) - timedelta(hours=3))
    assert not model.is_usual
    model.go_live()
    assert (span_of(model), model.is_usual) == (Span("4h"), True)


def test_live_keeps_a_window_that_was_chosen_in_the_past() -> None:
    model = DashboardModel()
    brush(model)
    model.window = "12h"
    model.step(-1)
    model.go_live()
    assert (model.window, model.until) == ("12h", None)


def test_back_undoes_each_change_of_time() -> None:
    model = DashboardModel(window="4h")
    model.go_back()  # there is nothing to undo
    brush(model)
    model.step(-1)
    model.window = "1h"
    earlier = NOON - timedelta(seconds=270)
    shown = []
    for _ in range(3):
        model.go_back()
        shown.append((model.window, model.until))
    assert shown == [("270s", earlier), ("270s", NOON), ("4h", None)]
    assert model.trail == ()


def test_live_and_the_browsers_back_leave_nothing_to_undo() -> None:
    model = DashboardModel()
    live = model.place
    brush(model)
    model.go_live()
    assert model.trail == ()
    brush(model)
    model.show(live)  # as the browser's Back does
    assert model.trail == ()


def test_a_step_to_now_restores_the_window_before_a_brush() -> None:
    model = DashboardModel(window="4h")
    brush(model, end=datetime.now(UTC) - timedelta(minutes=2))
    model.step(1)
    assert (model.window, model.until) == ("4h", None)


def test_undone_changes_leave_the_window_that_live_restores() -> None:
    model = DashboardModel(window="4h")
    brush(model)
    brush(model, seconds=60)  # with the same end
    model.go_back()
    assert span_of(model) == Span("270s", NOON)
    model.go_live()
    assert span_of(model) == Span("4h")


def test_other_controls_are_not_undone() -> None:
    model = DashboardModel()
    model.board = "Prices"
    model.min_notional = 5.0
    assert model.trail == ()


def test_a_span_that_ends_in_the_future_begins_where_it_was_asked_to() -> None:
    model, now = DashboardModel(), datetime.now(UTC)
    model.travel(now - timedelta(hours=2), now + timedelta(days=1))
    assert (model.window, model.until) == ("2h", None)
    with pytest.raises(QueryError, match="is in the future"):
        model.travel(now + timedelta(hours=1), now + timedelta(hours=2))


def test_an_address_that_ends_in_the_future_begins_where_it_says() -> None:
    model, now = DashboardModel(), datetime.now(UTC)
    place = model.place._replace(window="12h", until=now + timedelta(hours=10))
    model.show(place)
    assert span_of(model) == Span("2h", since=now - timedelta(hours=2))
    model.go_live()
    assert span_of(model) == Span("1h")
    model.show(place._replace(until=now + timedelta(hours=13)))  # all of it is to come
    assert span_of(model) == Span("12h")


def test_the_button_live_leaves_a_link_to_what_just_happened_and_is_off_when_live() -> None:
    model, now = DashboardModel(), datetime.now(UTC)
    bar = create_times(model, ErrorBoundary("Controls"))
    (live,) = (
        part
        for part in everything(bar)
        if isinstance(part, widgets.Button) and part.description == "Live"
    )
    assert live.disabled
    model.show(model.place._replace(window="10m", until=now + timedelta(minutes=5)))
    assert not live.disabled
    live.click()
    assert span_of(model) == Span("1h")
    assert live.disabled
    for change in ({"until": NOON}, {"window": "4h"}):
        model.set_trait(*next(iter(change.items())))
        assert live.disabled is (model.until is None)
        live.click()
    assert span_of(model) == Span("4h")
    assert live.disabled


def test_a_live_span_keeps_its_start_until_another_time_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, now = DashboardModel(), datetime.now(UTC)
    model.travel(now - timedelta(hours=2), now + timedelta(hours=1))
    let_pass(monkeypatch, timedelta(minutes=5))
    model.paused = True
    model.extend()
    assert model.window == "2h"
    model.paused = False
    model.extend()
    assert span_of(model) == Span("125m", since=now - timedelta(hours=2))
    assert model.trail == (Span("1h"),)
    model.window = "4h"
    model.extend()
    assert span_of(model) == Span("4h")


def test_a_live_span_that_grows_is_one_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    model, now = DashboardModel(), datetime.now(UTC)
    model.travel(now - timedelta(hours=2))
    before, place = model.controls, model.place
    let_pass(monkeypatch, timedelta(minutes=5))
    model.extend()
    after = model.controls
    assert (before.window, after.window) == ("2h", "125m")
    assert (before.span, before.filters) == (after.span, after.filters)
    assert links.encode(model.place) == links.encode(place)
    model.travel(now - timedelta(hours=2))  # once more, as a second click on Today
    assert (model.since, len(model.trail)) == (now - timedelta(hours=2), 1)
    model.min_notional = 5.0
    assert before.filters != model.controls.filters
    model.window = "4h"
    assert before.span != model.controls.span


def test_a_live_span_is_left_by_a_step_and_restored_by_live_and_back() -> None:
    model, start = DashboardModel(), datetime.now(UTC) - timedelta(hours=2)
    model.travel(start)
    model.step(-1)
    assert (model.since, model.window) == (None, "2h")
    assert model.until is not None
    model.go_back()
    assert span_of(model) == Span("2h", since=start)
    brush(model)
    assert span_of(model) == Span("270s", NOON)
    model.go_live()
    assert span_of(model) == Span("2h", since=start)
    model.go_back()
    assert span_of(model) == Span("1h")


@pytest.mark.parametrize("length", controls.WINDOWS)
def test_a_fixed_start_can_be_left_for_the_window_that_it_has_at_the_moment(length: str) -> None:
    model, now = DashboardModel(window="2h"), datetime.now(UTC)
    bar = controls.create_filters(model, ErrorBoundary("Controls"))
    (window,) = (part for part in everything(bar) if getattr(part, "description", "") == "Window")
    start = now - parse_duration(length)
    model.travel(start)
    assert model.window == length
    assert (window.label, window.value) == ("fixed start", "")
    window.value = length  # what a browser sends for another option only
    assert span_of(model) == Span(length)
    assert "fixed start" not in [name for name, _ in window.options]
    model.go_back()
    assert span_of(model) == Span(length, since=start)
    assert window.label == "fixed start"


@pytest.mark.parametrize(
    ("window", "shown"),
    [
        ("818s", "13m 38s"),
        ("26h", "1d 2h"),
        ("60m", "1h"),
        ("7d", "7d"),
        ("0.4s", "0.4s"),
        ("59.6s", "59.6s"),
    ],
)
def test_the_length_of_a_window_is_shown_by_its_units(window: str, shown: str) -> None:
    model = DashboardModel(window=window)
    bar = controls.create_filters(model, ErrorBoundary("Controls"))
    (control,) = (part for part in everything(bar) if getattr(part, "description", "") == "Window")
    assert (control.label, control.value) == (shown, window)
    names = [name for name, _ in control.options]
    assert len(names) == len({*names, *controls.WINDOWS})


def test_the_header_has_the_seconds_of_a_typed_start() -> None:
    model = DashboardModel()
    start = datetime.now(UTC).replace(second=7) - timedelta(hours=2)
    for second, shown in ((7, f"{start:%H:%M}:07 to "), (0, f"{start:%H:%M} to ")):
        model.travel(start.replace(second=second))
        header = markup.render_header(model)
        assert shown in header
        assert re.search(r" to ([\d-]+ )?\d\d:\d\d UTC", header)
    model.travel(start, start + timedelta(minutes=1))
    assert re.search(r":07 to ([\d-]+ )?\d\d:\d\d:07 UTC", markup.render_header(model))


@pytest.mark.parametrize(("window", "seconds"), [("45s", 45), ("7201s", 7201), ("90s", 90)])
def test_the_header_has_the_seconds_of_a_window_that_has_some(window: str, seconds: int) -> None:
    header = markup.render_header(DashboardModel(window=window))
    found = re.search(r"([\d-]+ [\d:]{8}) to ([\d-]+ )?([\d:]{8}) UTC", header)
    assert found
    start = datetime.fromisoformat(found[1])
    end = datetime.fromisoformat(f"{found[2] or found[1][:11]}{found[3]}")
    assert end - start == timedelta(seconds=seconds)


def test_a_live_span_survives_its_address() -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    model, other = DashboardModel(), DashboardModel()
    model.travel(start)
    query = links.encode(model.place)
    assert query == f"from={start:%Y-%m-%dT%H:%M:%SZ}"
    other.show(links.decode(query).place)
    assert span_of(other) == Span("2h", since=start)
    other.show(links.decode("window=4h").place)
    assert span_of(other) == Span("4h")


def test_a_short_live_span_has_whole_steps() -> None:
    model, now = DashboardModel(), datetime.now(UTC)
    model.travel(now - timedelta(seconds=1), now + timedelta(hours=1))
    assert model.window == "10s"


@pytest.mark.parametrize(
    ("start", "end", "zone", "expected"),
    [
        ("2026-03-02 11:00", "2026-03-02 12:00", UTC, (NOON - timedelta(hours=1), NOON)),
        (" 2026-03-02T11:00 ", "2026-03-02T13:00+01:00", UTC, (NOON - timedelta(hours=1), NOON)),
        ("2026-03-02 16:30", "2026-03-02 17:30", KOLKATA, (NOON - timedelta(hours=1), NOON)),
        ("", "2026-03-02 12:00", UTC, (NOON - timedelta(hours=4), NOON)),
        # a day ends with itself, also when it has 23 hours
        ("2026-03-29", "2026-03-29", BERLIN, (datetime(2026, 3, 28, 23, tzinfo=UTC),
                                              datetime(2026, 3, 29, 22, tzinfo=UTC))),
    ],
)  # fmt: skip
def test_typed_times_are_in_the_zone_of_the_page(
    start: str, end: str, zone: tzinfo, expected: times.Span
) -> None:
    assert times.parse_span(start, end, "4h", zone) == expected


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        # clocks go back from 03:00 to 02:00
        ("2025-10-26 02:30", "", "from='2025-10-26 02:30' occurs twice in Europe/Berlin:"
         " type 2025-10-26 02:30:00+02:00 or 2025-10-26 02:30:00+01:00"),
        ("2025-10-26 01:30", "2025-10-26T02:00:00", "to='2025-10-26T02:00:00' occurs twice"),
        # clocks go forward from 02:00 to 03:00
        ("2026-03-29 02:30", "", "from='2026-03-29 02:30' does not exist in Europe/Berlin, whose"
         " clocks go forward then: type 2026-03-29 03:30:00"),
        ("2026-03-29 01:30", "2026-03-29 02:00", "to='2026-03-29 02:00' does not exist"),
    ],
)  # fmt: skip
def test_a_time_that_clocks_show_twice_or_skip_is_refused_with_what_to_give(
    start: str, end: str, reason: str
) -> None:
    with pytest.raises(QueryError) as raised:
        times.parse_span(start, end, "1h", BERLIN)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)
    if "type" in reason:  # what it names can be typed
        for given in str(raised.value).partition(" type ")[2].split(" or "):
            assert times.parse_span(given, "", "1h", BERLIN)[0]
    assert times.parse_span(start, "", "1h", KOLKATA)[0]  # its clocks never turn


@pytest.mark.parametrize("typed", ["2025-10-26 01:59:59", "2025-10-26 03:00", "2026-03-29 03:00"])
def test_times_beside_a_turn_of_the_clocks_are_taken(typed: str) -> None:
    start, _ = times.parse_span(typed, "", "1h", BERLIN)
    assert start == datetime.fromisoformat(typed).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("America/Santiago", "2025-09-07", "2025-09-07T04:00+00:00", 23),  # no midnight
        ("America/Havana", "2025-11-02", "2025-11-02T04:00+00:00", 25),  # two of them
        ("America/Havana", "20251102", "2025-11-02T04:00+00:00", 25),
    ],
)
def test_a_day_without_a_midnight_or_with_two_is_whole(
    zone: str, day: str, start: str, hours: int
) -> None:
    first = datetime.fromisoformat(start)
    span = times.parse_span(day, day, "1h", ZoneInfo(zone))
    assert span == (first, first + timedelta(hours=hours))


@pytest.mark.parametrize(("turn", "offset"), [(0, "+02:00"), (1, "+01:00")])
def test_a_time_that_comes_twice_is_shown_so_that_it_can_be_typed_again(
    turn: int, offset: str
) -> None:
    moment = datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN, fold=turn)
    typed = times.format_typed(moment)
    assert typed == f"2025-10-26 02:30:00{offset}"
    assert times.parse_span(typed, "", "1h", BERLIN)[0] == moment.astimezone(UTC)
    shown = times.format_span((moment, moment.replace(hour=3)))
    assert shown == f"2025-10-26 02:30{offset} to 03:30 Europe/Berlin"
    assert times.format_typed(moment.replace(hour=3)) == "2025-10-26 03:30:00"


@pytest.mark.parametrize("end", ["", "now", " NOW ", "2099-01-01"])
def test_an_open_end_is_live(end: str) -> None:
    start, until = times.parse_span("2026-03-02", end, "1h", UTC)
    assert (start, until) == (datetime(2026, 3, 2, tzinfo=UTC), None)
    assert times.parse_span("", end, "1h", UTC) == (None, None)


def test_a_time_without_a_day_is_of_today() -> None:
    start, _ = times.parse_span("0:00", "", "1h", KOLKATA)
    assert start is not None
    assert f"{start.astimezone(KOLKATA):%H:%M}" == "00:00"
    assert start <= datetime.now(UTC) < start + timedelta(days=1)


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("yesterdayish", "", "from='yesterdayish' is no time: give a time like 2026-03-02 13:00"),
        ("", "25:00", "to='25:00' is no time"),
        ("2026-03-02", "2026-03-01", "from is not before to"),
        ("2099-01-01", "", "from='2099-01-01' is in the future"),
        ("0001-01-01", "2026-01-01", "0001-01-01"),
        ("9999-12-31", "9999-12-31", "is"),
        ("1999-01-01", "1999-01-02", "is below the least"),
        ("2001-01-01", "2026-01-01", "more than 3,660 days apart"),
        ("<img src=x onerror=alert(1)>", "", "is no time"),
        ("2026-03-02\0", "", "is no time"),
        ("9" * 5000, "", "is no time"),
        ("٢٠٢٦-٠٣-٠٢", "", "is no time"),
    ],
)
def test_odd_times_are_refused_in_one_short_line(start: str, end: str, reason: str) -> None:
    with pytest.raises(QueryError, match=reason) as raised:
        times.parse_span(start, end, "1h", UTC)
    assert len(str(raised.value)) < 300
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "name", [None, 5, "", "Nowhere/City", "Europe", "../../etc/passwd", "/etc/localtime", "\0",
             "x" * 100_000, "Etc/Unknown", {"a": 1}, "<b>", "ä", "\ud800"]
)  # fmt: skip
def test_an_unknown_zone_of_a_browser_is_utc(name: object) -> None:
    assert times.find_zone(name) is UTC


def test_days_begin_at_midnight_of_the_zone() -> None:
    start, end = times.find_day(1, BERLIN)
    today, _ = times.find_day(0, BERLIN)
    assert end == today <= datetime.now(UTC)
    assert f"{start.astimezone(BERLIN):%H:%M:%S}" == "00:00:00"


@pytest.mark.parametrize(
    ("start", "hours", "zone", "offset_h"),
    [
        (datetime(2026, 10, 25, 0, tzinfo=UTC), 2, BERLIN, 1),  # 02:00 to 03:00 comes twice
        (datetime(2026, 3, 29, 0, tzinfo=UTC), 2, BERLIN, 2),  # and does not come in spring
        (datetime(2026, 7, 1, 0, tzinfo=UTC), 2, BERLIN, None),
        (datetime(2026, 10, 25, 0, tzinfo=UTC), 2, UTC, None),
    ],
)
def test_charts_have_one_offset_where_the_clock_changes(
    start: datetime, hours: int, zone: tzinfo, offset_h: int | None
) -> None:
    settled = times.settle_zone((start, start + timedelta(hours=hours)), zone)
    expected = zone if offset_h is None else timezone(timedelta(hours=offset_h))
    assert settled == expected


def test_a_span_names_its_zone_and_each_day_once() -> None:
    hour = (NOON - timedelta(hours=1), NOON)
    assert times.format_span(hour) == "2026-03-02 11:00 to 12:00 UTC"
    night = tuple(moment.astimezone(KOLKATA) for moment in (NOON, NOON + timedelta(hours=9)))
    assert times.format_span(night, start_s=True, end_s=True) == (  # type: ignore[arg-type]
        "2026-03-02 17:30:00 to 2026-03-03 02:30:00 Asia/Kolkata"
    )


def test_the_form_shows_what_was_understood_in_the_zone_of_the_page() -> None:
    model, boundary = DashboardModel(), ErrorBoundary("Controls")
    bar = create_times(model, boundary)
    (form,) = (part for part in everything(bar) if isinstance(part, SpanForm))
    assert (form.start, form.end) == ("", "")

    def submit(start: str, end: str) -> None:
        form._handle_custom_msg({"type": "span", "start": start, "end": end}, [])

    submit("2026-03-02 11:00", "2026-03-02T12:00Z")
    assert (model.window, model.until) == ("1h", NOON)
    model.local_zone, model.zone = KOLKATA, "local"
    assert (form.start, form.end) == ("2026-03-02 16:30:00", "2026-03-02 17:30:00")
    submit(form.start, form.end)
    assert model.until == NOON
    submit("<b>", "")
    like = "is no time: give a time like 2026-03-02 13:00, 2026-03-02 or 13:00"
    assert form.errors == {"start": f"from='<b>' {like}"}
    submit("", "to from")
    assert form.errors == {"end": f"to='to from' {like}"}
    submit("2026-03-02", "2026-03-01")
    assert form.errors == dict.fromkeys(["start", "end"], "from is not before to")
    model.zone = "UTC"
    for early in ("0001-01-01 00:00", "0001-01-02", "2000-01-01 00:00"):
        submit("", early)  # nobody typed a start
        assert form.errors == {"end": f"to={early!r} is too early for a window of 1h"}
    submit("it's to", "")
    assert form.errors == {"start": f'from="it\'s to" {like}'}
    submit("2000-01-01", "2026-03-01")
    assert form.errors.keys() == {"start", "end"}  # they are too far apart
    assert boundary.fault == ""  # which would stand far from the fields, and name a log
    assert (model.window, model.until) == ("1h", NOON)
    model.go_live()
    assert (form.start, form.end) == ("", "")
    assert form.errors == {}
    submit("", "")
    assert span_of(model) == Span("1h")


def test_the_form_keeps_a_typed_start_while_its_window_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, boundary = DashboardModel(), ErrorBoundary("Controls")
    bar = create_times(model, boundary)
    (form,) = (part for part in everything(bar) if isinstance(part, SpanForm))
    form._handle_custom_msg({"type": "span", "start": "2026-03-02 11:00", "end": ""}, [])
    assert (form.start, form.end) == ("2026-03-02 11:00:00", "")
    assert (model.since, model.until) == (NOON - timedelta(hours=1), None)
    sent: list[object] = []
    monkeypatch.setattr(form, "send", sent.append)
    before = model.window
    let_pass(monkeypatch, timedelta(minutes=5))
    model.extend()
    assert model.window != before
    assert sent == []  # a message would replace what somebody types
    model.go_back()
    assert (form.start, form.end) == ("", "")
    assert len(sent) == 1


def test_steps_have_names_for_screen_readers() -> None:
    bar = create_times(DashboardModel(), ErrorBoundary("Controls"))
    names = [getattr(part, "description", "") for part in everything(bar)]
    assert names[1:5] == ["Earlier", "Live", "Later", "Back"]


@pytest.mark.parametrize(("preset", "days_ago"), [("Today", 0), ("Yesterday", 1)])
def test_a_day_is_one_click_away(preset: str, days_ago: int) -> None:
    model, boundary = DashboardModel(), ErrorBoundary("Controls")
    model.local_zone, model.zone = KOLKATA, "local"
    bar = create_times(model, boundary)
    (button,) = (part for part in everything(bar) if getattr(part, "description", "") == preset)
    button.click()
    start, end = model.span
    assert (model.until is None) is (days_ago == 0)
    assert abs(start - times.find_day(days_ago, KOLKATA)[0]) < timedelta(minutes=1, seconds=5)
    assert start < end
    assert boundary.fault == ""


@pytest.mark.parametrize("is_left", [False, True])
async def test_the_last_cascade_does_not_replace_a_time_that_is_chosen_meanwhile(
    monkeypatch: pytest.MonkeyPatch, *, is_left: bool
) -> None:
    found = threading.Event()

    def find(_model: DashboardModel) -> times.Span:
        found.wait(30)
        return NOON - timedelta(minutes=10), NOON

    monkeypatch.setattr("liq.web.dashboard.controls._find_last_cascade", find)
    model, boundary = DashboardModel(), ErrorBoundary("Controls")
    bar = create_times(model, boundary)
    (button,) = (
        part for part in everything(bar) if getattr(part, "description", "") == "Last cascade"
    )
    button.click()
    await asyncio.sleep(0)  # it has begun
    if is_left:
        model.window = "4h"
    found.set()
    await reached(lambda: len(asyncio.all_tasks()) == 1)
    assert span_of(model) == (Span("4h") if is_left else Span("10m", NOON))
    assert boundary.fault == ""
