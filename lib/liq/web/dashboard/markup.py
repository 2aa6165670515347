"""The dashboard's HTML: pure functions that return `Markup`, which escapes every value."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from typing import Any

import pandas as pd
from markupsafe import Markup

from liq.analysis import links
from liq.analysis.alerts import Backtest, Rule, Rules
from liq.analysis.alerts.rules import describe_comparison
from liq.analysis.charts import completeness_note
from liq.analysis.charts.base import AT_LEAST, BOUND, Times, find_bounds, has_bounds, has_gaps
from liq.analysis.charts.prices import count_beyond
from liq.analysis.links import Place
from liq.analysis.pace import SPANS, UNREAD
from liq.common.html import join, render_cells, render_code, render_row, render_table
from liq.common.text import format_usd
from liq.errors import QueryError
from liq.ingest.venues.base import Venue
from liq.monitoring.diagnosis import Problem
from liq.query import queries
from liq.query.coverage import describe_left_out, format_share
from liq.query.parameters import format_duration, parse_duration
from liq.records.model import LIVE_SOURCES, Source, find_kind
from liq.web.dashboard import filters, inspector, times
from liq.web.dashboard.board_queries import WEEK
from liq.web.dashboard.inspector import Inspection
from liq.web.dashboard.model import (
    MAX_BARS,
    MAX_RECENT,
    MISSING_NAME,
    RECENT,
    DashboardModel,
    Delay,
    Frames,
    State,
)

_NOTICES = {
    State.LOADING: (
        "Loading",
        "Reading rows from QuestDB. If that takes more than 10 s, `liq status` shows what does not"
        " answer.",
    ),
    State.QUIET: (
        "Quiet market",
        "No new liquidations. The feeds are connected and report, so wait: the page goes on by"
        " itself.",
    ),
    State.HISTORY: (
        "History",
        "The window ends in the past. Drag over the bars to zoom in, or step with the arrows."
        " Press Live to return to now.",
    ),
    State.PAUSED: ("Paused", "The page does not update. Press Resume to continue."),
}
_NEVER_RECORDED = (
    "If nothing was ever recorded, start a producer: `notebooks/01-start-producers.ipynb` or"
    " `liq run`."
)
_UNRECORDED = "No feed reported in this time, so what the market did is not known."
NOT_LIVE = "simulated or replayed"  # an alert, and sums: which of the two is not known
_NOT_LIVE_MARK = Markup(" <mark>{}</mark>").format(NOT_LIVE)
_STATE_LABELS = {State.EMPTY: "no rows"}
_CLOCK_SKEW = timedelta(seconds=2)  # a smaller difference between two clocks is normal
_OUTDATED = "The page shows older data. "
_MOST_REASONS = 5
_SHOWN_ALERTS = 10  # of a rule that is tried
_WHOLE = 0.999  # of a span; feeds start and stop within it
_UNUSUAL = 3.0  # times the usual
_LEAST_TIMES = 0.1  # that is shown as a number
_SIDES = ("long", "short")
_UNREAD_TIMES = Markup('<i title="{}">…</i>').format(UNREAD)
_FIGURES = ("longs liquidated", "shorts liquidated", "long minus short", "prints", "largest")


def render_header(model: DashboardModel) -> Markup:
    """Return the title, the source badge, the window, and the freshness of the rows."""
    badge = _render_badge(model.frames) if model.frames else ""
    title = _render_title(is_alone=not badge)
    return join([title, badge, _render_span(model), _render_freshness(model)])


def render_broken_header(fault: str) -> Markup:
    """Return the replacement for a `render_header` that could not be drawn."""
    state = Markup(
        '<div class="liq-fresh liq-failed" title="{}"><i></i><b>the header is broken</b>'
        "<span>{}</span></div>"
    )
    advice = render_code("see `liq logs dashboard`")
    return join([_render_title(is_alone=True), state.format(fault, advice)])


def render_notice(model: DashboardModel) -> Markup:
    """Return the meaning of the state and the next step; empty while rows arrive."""
    cause = model.trouble[0] if model.trouble else None
    outdated = _OUTDATED if model.frames else ""
    if model.state is State.FAILED and not isinstance(cause, Delay):
        why = f": {cause.what}" if cause else ""
        title, text = f"Cannot read the data{why}", f"{model.problem}. {outdated}Retrying."
    elif cause:
        advice = {State.EMPTY: _advise_empty(model), State.STALE: _OUTDATED, State.FAILED: outdated}
        title, text = _capitalise(cause.what), f"{model.problem}. {advice.get(model.state, '')}"
    elif model.state is State.EMPTY and model.until and not model.has_reports:
        title, text = "Nothing was recorded", f"{_UNRECORDED} {_advise_empty(model)}"
    elif model.state is State.EMPTY:
        title, text = "No liquidations match", _advise_empty(model)
    elif model.state in _NOTICES:
        title, text = _NOTICES[model.state]
    else:
        return Markup()
    return Markup('<div class="liq-notice liq-{}"><b>{}.</b> {}</div>').format(
        model.state, title, render_code(text)
    )


def render_warning(problem: Problem | None) -> Markup:
    """Return a problem that may soon stop live data; empty without a problem."""
    if problem is None:
        return Markup()
    return Markup('<div class="liq-notice liq-warning"><b>{}.</b> {}.</div>').format(
        _capitalise(problem.what), render_code(problem.detail)
    )


def render_coverage_notice(feeds: str) -> Markup:
    """Return which feeds were disconnected, from `summarise_feeds`; empty for none."""
    if not feeds:
        return Markup()
    return Markup(
        '<div class="liq-notice liq-warning"><b>{}</b> {}: sums are lower bounds.</div>'
    ).format(AT_LEAST, feeds)


def render_ignored(reasons: Sequence[str]) -> Markup:
    """Return why parts of the page's address were ignored; empty for no reason."""
    if not reasons:
        return Markup()
    more = len(reasons) - _MOST_REASONS
    shown = [*reasons[:_MOST_REASONS], *([f"{more} more"] if more > 0 else [])]
    return Markup(
        '<div class="liq-notice liq-warning" role="status">'
        "<b>Ignored from the address:</b> {}</div>"
    ).format("; ".join(shown))


def render_unknown_names(model: DashboardModel) -> Markup:
    """Return the chosen names that no row has; empty where the notice of the state has them."""
    notes = _join_notes(model)
    if not notes or model.state is State.EMPTY:
        return Markup()
    return Markup(
        '<div class="liq-notice liq-warning" role="status"><b>Unknown names.</b> {}</div>'
    ).format(notes)


def render_figures(
    frames: Frames | None, gaps: pd.DataFrame | None = None, *, has_reports: bool = True
) -> Markup:
    """Return the window's five figures; with ``gaps``, from ``coverage``, they are lower bounds.

    Without prints and reports of feeds they are not known.
    """
    cards: Iterable[tuple[str, str, str, str]]
    if frames is None:
        cards = [(name, "…", "", "") for name in _FIGURES]
    elif has_reports or frames.totals["prints"].sum():
        cards = _list_figures(frames, is_incomplete=has_gaps(gaps))
    else:
        cards = [(name, "unknown", "nothing recorded", "") for name in _FIGURES]
    card = Markup(
        '<div class="liq-figure {kind}"><span>{name}</span><b>{value}</b>'
        "<small>{note}</small></div>"
    )
    return join(
        card.format(name=name, value=value, note=note, kind=kind)
        for name, value, note, kind in cards
    )


def render_pace(pace: pd.DataFrame | None) -> Markup:
    """Return a tile for each span of `liq.analysis.pace.compare`; without rows, empty tiles."""
    if pace is None:
        sides = [(side, "…", _UNREAD_TIMES) for side in _SIDES]
        return join(_render_tile(name, "", sides) for name in SPANS)
    rows: Iterator[Any] = pace.itertuples(index=False)
    return join(_render_span_tile(row) for row in rows)


def render_footnote(frames: Frames | None, left_out: int = 0) -> Markup:
    """Return the venues and the rows that the figures leave out, ``left_out`` odd rows included."""
    if frames is None:
        return Markup()
    note = completeness_note(frames.sources)
    venues = ", ".join(sorted(set(frames.sources["exchange"])))
    parts = [f"venues: {venues}" if venues else "", f"{AT_LEAST} {note}" if note else ""]
    parts.append(describe_left_out(left_out))
    return render_code(" · ".join(part for part in parts if part))


def render_heading(title: str, note: str | Markup = "", about: str = "") -> Markup:
    """Return a card's heading, with small print beside it, and ``about`` as its tooltip."""
    small = Markup("<small>{}</small>").format(note) if note else ""
    hint = Markup(' title="{}"').format(about) if about else ""
    return Markup("<h2{}>{}{}</h2>").format(hint, title, small)


def render_bars_title(frames: Frames, about: str = "") -> Markup:
    """Return the heading of the bars, with a note if the bucket had to be widened."""
    focus = frames.controls.focus
    beside = f"and the mark price of {focus}" if focus else "without a price"
    return render_heading(
        f"Liquidated per {frames.bucket}", f"{beside}{_explain_bucket(frames)}", about
    )


def _explain_bucket(frames: Frames) -> str:
    """Return why the bars are wider than the chosen bucket; "" if they are not."""
    used, asked = frames.bucket, frames.controls.bucket
    start, end = frames.window
    count = math.ceil((end - start) / parse_duration(asked))
    return "" if used == asked else f"; {asked} would make {count:,} bars; {MAX_BARS:,} fit"


def render_hours_title(frames: Frames, about: str = "") -> Markup:
    """Return the heading of the profile of the day, with its covered share if that is not all."""
    covered = describe_covered_hours(frames)
    return render_heading("Hour of the day", f"at least a week{covered and f'; {covered}'}", about)


def describe_covered_hours(frames: Frames) -> str:
    """Return how much of the time of ``hour_of_day`` was covered; "" for all of it."""
    start, end = frames.window
    hours = max(end - start, parse_duration(WEEK)) / timedelta(hours=1)
    share = frames.board["hours"]["hours"].sum() / hours
    return f"{format_share(share)} covered" if share < _WHOLE else ""


def name_candles(frames: Frames) -> str:
    """Return what the candles show; the asset of symbols without prints is not known."""
    focus = frames.controls.focus
    return (f"{focus} price" if focus else "Price") + f" and liquidations per {frames.bucket}"


def render_prices_title(
    frames: Frames, about: str = "", gaps: pd.DataFrame | None = None
) -> Markup:
    """Return the heading of the candles, with the notional beyond the prices that they show.

    ``gaps`` of feeds make it a lower bound.
    """
    cells = frames.board["cells"]
    beyond = count_beyond(frames.board["price"], cells)
    least = BOUND if has_bounds(cells, gaps) else ""
    note = f"; {least}{format_usd(beyond)} at prices further off" if beyond else ""
    title = name_candles(frames)
    return render_heading(title, f"a bubble's area is USD{note}{_explain_bucket(frames)}", about)


def render_tape(prints: pd.DataFrame, zone: tzinfo = UTC, *, is_one_kind: bool = False) -> Markup:
    """Return the newest prints, newest first; `inspector.build_key` makes each row's key.

    The style sheet shows the mark of the first row alone where all prints are of one kind.
    """
    if prints.empty:
        return render_nothing("no prints")
    names = (f"time ({zone})", "side", "symbol", "size (USD)", "price", "exchange",
             "quantity (base)", "completeness")  # fmt: skip
    rows: Iterator[Any] = prints.itertuples(index=False)
    table = render_table(names, (_render_print(row, zone) for row in rows))
    return Markup('<div class="liq-whole">{}</div>').format(table) if is_one_kind else table


def render_feeds(health: pd.DataFrame, zone: tzinfo = UTC) -> Markup:
    """Return the state of each feed, from ``feed_health``."""
    if health.empty:
        return render_nothing("no feed has reported; start one: `liq run`")
    names = {"feed": "exchange", "state": "connected", "completeness": "completeness",
             f"last report ({zone})": "ts", "messages": "messages", "gaps": "gaps",
             "reconnects": "reconnects", "mean lag": "lag_s", "max. lag": "max_lag_s",
             "max. queue": "max_queued", "skipped": "passed", "too old": "too_old",
             "contracts": "contracts"}  # fmt: skip
    feeds: Iterator[Any] = health.itertuples(index=False)
    about = _explain_columns("feed_health", names.values())
    return render_table(names, (_render_feed(feed, zone) for feed in feeds), about)


def render_cascades(
    found: pd.DataFrame,
    zone: tzinfo = UTC,
    here: Place = Place(),  # noqa: B008 - immutable
    gaps: pd.DataFrame | None = None,
) -> Markup:
    """Return the largest cascades, from ``cascades``; ``gaps`` of feeds make sums lower bounds.

    The start of each is a link to its time with the filters of ``here``.
    """
    if found.empty:
        return render_nothing("no cascades in this window")
    covered = format_share(found["covered"].iloc[0])
    names = {"asset": "name", f"start ({zone})": "from_ts", "duration": "duration_s",
             "prints": "prints", "venues": "exchanges", "first venue": "first_exchange",
             "longs": "long_usd", "shorts": "short_usd", "peak in 1 s": "peak_1s_usd",
             f"burst score ({covered} covered)": "burst_score"}  # fmt: skip
    runs: Iterator[Any] = found.itertuples(index=False)
    least = _list_marks(found, gaps, (found["from_ts"], found["to_ts"]))
    about = _explain_columns("cascades", names.values())
    rows = map(partial(_render_cascade, zone=zone, here=here), runs, least)
    return render_table(names, rows, about)


def render_sizes(quantiles: pd.DataFrame, gaps: pd.DataFrame | None = None) -> Markup:
    """Return quantiles of the notional, a column for each side, from ``size_distribution``.

    ``gaps`` of feeds in the window make sums lower bounds.
    """
    if quantiles.empty:
        return render_nothing("no prints")
    names = {"prints": "prints", "total_usd": "total", "p10_usd": "10 % are below",
             "p25_usd": "25 %", "p50_usd": "50 %", "p75_usd": "75 %", "p90_usd": "90 %",
             "p99_usd": "99 %", "largest_usd": "largest"}  # fmt: skip
    columns = quantiles.set_index("side")
    least = _list_marks(quantiles, gaps)
    rows = (
        render_row([name, *map(partial(_render_size, column), columns[column], least)])
        for column, name in names.items()
    )
    return render_table(("measure", *(f"{side}s" for side in columns.index)), rows)


def render_alerts(raised: pd.DataFrame | None, here: Place, zone: tzinfo = UTC) -> Markup:
    """Return the list of alerts, newest first, from ``alerts``; empty without alerts.

    Their times are links with the filters of ``here``.
    """
    if raised is None or raised.empty:
        return Markup()
    rows: Iterator[Any] = raised.itertuples(index=False)
    items = join(_render_alert(row, here, zone) for row in rows)
    return Markup('<ol class="liq-alert-list" aria-label="alerts">{}</ol>').format(items)


def render_newest_alert(raised: pd.DataFrame | None, here: Place, zone: tzinfo = UTC) -> Markup:
    """Return the newest alert in a line, and the number of recent alerts; empty without alerts.

    The number is a link from ``here`` to the board of alerts, the time one to its moment.
    """
    if raised is None or raised.empty:
        return Markup()
    newest: Any = next(raised.itertuples(index=False))
    count = f"{len(raised)}+" if len(raised) == MAX_RECENT else f"{len(raised)}"
    return Markup(
        '<ol class="liq-alert-list" aria-label="newest alert">{alert}</ol>'
        '<a class="liq-count" href="{link}" title="show all alerts">{count} in {recent}</a>'
    ).format(
        alert=_render_alert(newest, here, zone, "%H:%M:%S"),
        link=links.build_link(here._replace(board="Alerts")),
        count=f"{count} alert{'s' * (len(raised) > 1)}",
        recent=format_duration(RECENT),
    )


def render_rules(known: Rules) -> Markup:
    """Return the table of rules, and the error of each rule that is invalid."""
    rows = (_render_rule(name, rule) for name, rule in known.rules.items())
    faults = join(map(render_error, known.faults.values()))
    return render_table(("rule", "condition", "cool-down", "description", ""), rows) + faults


def render_attempt(past: Backtest | str, window: str, zone: tzinfo = UTC) -> Markup:
    """Return what a rule would have raised within ``window``, or why that is not known."""
    if isinstance(past, str):
        return Markup("<p>{}</p>").format(past)
    days = (past.until - past.since) / timedelta(days=1)
    count = len(past.alerts)
    head = Markup("<p><b>{} alert{}</b> in the last {}, {} a day.</p>").format(
        f"{count:,}", "" if count == 1 else "s", window, f"{count / days:,.3g}"
    )
    newest: Iterator[Any] = past.alerts.iloc[::-1].head(_SHOWN_ALERTS).itertuples()
    items = join(
        Markup("<li><time>{}</time> {}</li>").format(
            f"{each.ts.astimezone(zone):%m-%d %H:%M:%S}", each.message
        )
        for each in newest
    )
    return head + (Markup("<ol>{}</ol>").format(items) if count else Markup())


def render_inspection(found: Inspection, zone: tzinfo = UTC) -> Markup:
    """Return a print's details: the row with its units, the raw message and the venue's rule.

    The row's times are in ``zone``. A row that is not live is marked.
    """
    source = str(found.row.get("source", MISSING_NAME))
    field = Markup("<tr><th>{}</th><td>{}<small>{}</small></td></tr>")
    values = join(
        field.format(name, _format_value(value, zone), found.units.get(name, ""))
        for name, value in found.row.items()
    )
    raw = (
        Markup("<pre>{}</pre>").format(found.raw)
        if found.raw
        else Markup("<p>{}</p>").format(render_code(found.problem))
    )
    return Markup(
        "<section><h3>As stored{mark}</h3><table>{values}</table></section>"
        "<section><h3>As the {sender} sent it</h3>{raw}</section>"
        "<section><h3>Rule{documentation}</h3>{rule}</section>"
    ).format(
        mark=render_source_mark(source),
        values=values,
        sender="simulator" if source == Source.SIMULATOR else "exchange",
        raw=raw,
        documentation=_render_documentation_link(found.venue),
        rule=_render_venue_rule(found.venue),
    )


def format_age(age: timedelta) -> str:
    """Return an age as text, e.g. ``0.3 s``, ``4 min``."""
    total = age.total_seconds()
    if total < 10:
        return f"{total:.1f} s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if total >= 2 * size:
            return f"{total / size:.0f} {unit}"
    return f"{total:.0f} s"


def format_seconds(span: float | None) -> str:
    """Return a duration in seconds, below ten seconds in milliseconds; a dash for no duration."""
    if span is None or math.isnan(span):
        return "-"
    return f"{span * 1000:,.0f} ms" if span < 10 else f"{span:,.0f} s"


def render_error(problem: str) -> Markup:
    """Return an error message, to be shown in place of a result."""
    return Markup('<p role="alert">{}</p>').format(render_code(problem))


def render_nothing(text: str) -> Markup:
    """Return a note that there are no rows, to be shown in place of a table."""
    return Markup('<p class="liq-none">{}</p>').format(render_code(text))


def render_source_mark(source: str) -> Markup:
    """Return a mark for a source that is not live; empty for a live source."""
    if source in LIVE_SOURCES:
        return Markup()
    return Markup(" <mark>{}</mark>").format(find_kind(source))


def label_state(model: DashboardModel) -> str:
    """Return the state in a word, or the cause of trouble."""
    if model.trouble:
        return str(model.trouble[0].what)
    return _STATE_LABELS.get(model.state, str(model.state))


def format_clock(moment: datetime, zone: tzinfo = UTC) -> str:
    """Return the time of day to the millisecond."""
    moment = moment.astimezone(zone)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"


def _render_title(*, is_alone: bool) -> Markup:
    """Return the page's title; without a badge beside it, it ``is_alone`` on a phone's line."""
    template = Markup(
        '<h1 class="liq-title{}">Liquidations'
        "<small>forced closings of leveraged positions</small></h1>"
    )
    return template.format(" liq-alone" if is_alone else "")


def _render_badge(frames: Frames) -> Markup:
    """Return the source badge."""
    text = "SOURCE UNKNOWN" if frames.badge is None else frames.badge
    if not text:
        return Markup()
    return Markup('<span class="liq-badge" title="not from an exchange">{}</span>').format(text)


def is_one_kind(frames: Frames) -> bool:
    """Return whether all prints are of one kind that is not live, which the badge names."""
    if not frames.badge:
        return False
    return len({find_kind(source) for source in frames.sources["source"]}) == 1


def _explain_columns(key: str, columns: Iterable[str]) -> list[str]:
    """Return what the catalogue says about columns of a query, "" where it says nothing."""
    with contextlib.suppress(QueryError):
        known = queries.find(key).columns
        return [known[name].description if name in known else "" for name in columns]
    return []


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _advise_empty(model: DashboardModel) -> str:
    """Return which names no row has, and what may bring rows: another time, fewer filters."""
    is_past = model.until is not None
    travel = "Step with the arrows, or press Live to return to now."
    advice = [travel if is_past else "Widen the window."]
    chips = [chip.text for chip in filters.list_chips(model)]
    if chips:
        more = len(chips) - _MOST_REASONS
        shown = [*chips[:_MOST_REASONS], *([f"{more} more"] if more > 0 else [])]
        advice.append(f"Filters may hide all prints: {', '.join(shown)}.")
        advice.append("Remove one below the controls, or press Clear all.")
    if not is_past and not model.trouble and (model.latest is None or model.latest.ts is None):
        advice.append(_NEVER_RECORDED)
    return _join_notes(model) + " ".join(advice)


def _join_notes(model: DashboardModel) -> str:
    """Return a note on each chosen name that no row has, as sentences."""
    if model.frames is None or model.is_awaiting_rows or not model.frames.common.has("totals"):
        return ""
    return "".join(f"{note}. " for note in model.frames.totals.attrs.get("notes", ()))


def _render_span(model: DashboardModel) -> Markup:
    """Return the window that the page shows, from its start to its end.

    The end of a live window has no seconds, which would only count up, unless the window is no
    whole number of minutes. Its start has the seconds that somebody typed.
    """
    length = timedelta() if model.since else parse_duration(model.window)
    end_s = model.until is not None or bool(length % timedelta(minutes=1))
    start_s = end_s or bool(model.since and model.since.second)
    span = times.format_span(model.span, start_s=start_s, end_s=end_s)
    return Markup('<div class="liq-shown" title="the time that the page shows">{}</div>').format(
        span
    )


def _render_freshness(model: DashboardModel) -> Markup:
    """Return the state, and the age of the newest row; a narrow page leaves out its time."""
    latest, age, zone = model.latest, model.age, model.timezone
    exact, last = "", "no rows yet"
    if model.until is not None:
        last = ""
    elif latest and latest.ts and age is not None:
        exact = f"last event {format_clock(latest.ts, zone)} {zone} · "
        last = _describe_age(age)
    return Markup(
        '<div class="liq-fresh liq-{state}"><i></i><b title="{label}">{label}</b>'
        '<span title="newest row by the venue\'s clock: {exact}{last}">'
        '<span class="liq-exact">{exact}</span>{last}</span></div>'
    ).format(state=model.state, label=label_state(model), exact=exact, last=last)


def _describe_age(age: timedelta) -> str:
    if age < -_CLOCK_SKEW:
        return f"{format_age(-age)} in the future: a clock is wrong"
    return f"{format_age(max(age, timedelta(0)))} ago"


def _list_figures(frames: Frames, *, is_incomplete: bool) -> Iterator[tuple[str, str, str, str]]:
    totals: Any = next(frames.totals.itertuples(index=False))
    both = totals.long_usd + totals.short_usd
    least = BOUND if totals.partial or is_incomplete else ""
    largest = "one print" if totals.prints else "no print"
    values = (
        (least + format_usd(totals.long_usd), f"{totals.long_count:,} prints", "liq-long"),
        (least + format_usd(totals.short_usd), f"{totals.short_count:,} prints", "liq-short"),
        (format_usd(totals.net_usd), _describe_imbalance(totals.net_usd, both), ""),
        (f"{least}{totals.prints:,}", f"{least}{format_usd(both)} in total", ""),
        (least + format_usd(totals.largest_usd), largest, ""),
    )
    return ((name, *value) for name, value in zip(_FIGURES, values, strict=True))


def _render_span_tile(row: Any) -> Markup:
    is_unread = row.note == UNREAD
    unknown = "" if row.prints else "unknown" if row.covered == 0 else "…" * is_unread
    # a covered share that is not known yet may be small
    least = "" if row.covered >= _WHOLE and not row.partial else BOUND
    sides = [
        (
            side,
            unknown or least + format_usd(getattr(row, f"{side}_usd")),
            _UNREAD_TIMES if is_unread else _render_times(getattr(row, f"{side}_times")),
        )
        for side in _SIDES
    ]
    mark = NOT_LIVE if row.not_live else f"the usual is {NOT_LIVE}" if row.unreal else ""
    note = "; ".join(part for part in ("" if is_unread else row.note, mark) if part)
    return _render_tile(row.span, note, sides)


def _render_tile(span: str, note: str, sides: Iterable[tuple[str, str, Markup]]) -> Markup:
    """Return a tile of a heading and two lines, whatever is known: it keeps its height."""
    line = Markup('<p class="liq-{side}"><span>{side}s</span><b>{usd}</b>{times}</p>')
    return Markup(
        '<section class="liq-tile" data-window="{span}">'
        "<h3>{span} <small>{note}</small></h3>{lines}</section>"
    ).format(
        span=span,
        note=note,
        lines=join(line.format(side=side, usd=usd, times=times) for side, usd, times in sides),
    )


def _render_times(times: float) -> Markup:
    strong = Markup(' class="liq-unusual"') if times >= _UNUSUAL else Markup()
    return Markup("<i{}>{}</i>").format(strong, "" if pd.isna(times) else _format_times(times))


def _format_times(times: float) -> str:
    """Return a multiple of the usual; a small one is not shown as nothing."""
    if 0 < times < _LEAST_TIMES:
        return f"<{_LEAST_TIMES:g}×"  # noqa: RUF001 - the sign
    digits = 1 if 0 < round(times, 1) < 10 else 0
    return f"{times:,.{digits}f}×"  # noqa: RUF001 - the sign


def _describe_imbalance(net: float, both: float) -> str:
    if not both:
        return "no prints"
    share = abs(net) / both
    shown = "<1%" if 0 < share < 0.01 else f"{share:.0%}"
    return f"{shown} towards {'longs' if net >= 0 else 'shorts'}" if share else "in balance"


@lru_cache(maxsize=256)  # most rows of the tape are those of the redraw before
def _render_print(one: Any, zone: tzinfo) -> Markup:
    return Markup(
        '<tr data-key="{key}" data-usd="{notional}" tabindex="-1"><td>{time}</td>'
        '<td class="liq-{side}">{side}</td><td>{symbol}</td><td class="liq-size">{usd}</td>'
        "<td>{price}</td><td{unreal}>{exchange}{mark}</td><td>{quantity}</td>"
        "<td>{completeness}</td></tr>"
    ).format(
        unreal=_tint(one.source),
        notional=f"{one.notional:.0f}",
        quantity=f"{one.quantity:,.6g}",
        completeness=one.completeness,
        key=inspector.build_key(one),
        time=format_clock(one.ts, zone),
        side=one.side,
        symbol=_render_name("symbols", one.symbol),
        usd=f"{one.notional:,.0f}",
        price=f"{one.price:,.6g}",
        exchange=_render_name("exchanges", one.exchange),
        mark=render_source_mark(one.source),
    )


def _tint(source: str) -> Markup:
    """Return the attributes of a cell whose row is not live."""
    if source in LIVE_SOURCES:
        return Markup()
    return Markup(' class="liq-unreal" title="{}"').format(find_kind(source))


def _render_feed(feed: Any, zone: tzinfo) -> Markup:
    state = "connected" if feed.connected else "stopped" if feed.stopped else "disconnected"
    unknown = Markup() if feed.known else Markup(" <mark>unknown exchange</mark>")
    values = (
        join([_render_name("exchanges", feed.exchange), render_source_mark(feed.source), unknown]),
        state, feed.completeness, f"{feed.ts.astimezone(zone):%m-%d %H:%M:%S}",
        f"{feed.messages:,}", f"{feed.gaps:,}", f"{feed.reconnects:,}",
        format_seconds(feed.lag_s), format_seconds(feed.max_lag_s), f"{feed.max_queued:,}",
        f"{feed.passed:,}", f"{feed.too_old:,}", _render_contracts(feed),
    )  # fmt: skip
    kind = "down" if feed.silent else "up"
    return Markup('<tr class="liq-feed-{}">{}</tr>').format(kind, render_cells(values))


def _render_contracts(feed: Any) -> Markup:
    """Return the origin and age of the contracts, and below them why there are no newer ones."""
    if _is_missing(feed.contracts):
        return Markup("-")
    seconds = feed.contracts_age_s
    age = "" if pd.isna(seconds) else f", {format_age(timedelta(seconds=seconds))} old"
    if _is_missing(feed.contracts_fault):
        return Markup("{}{}").format(feed.contracts, age)
    fault = feed.contracts_fault
    return Markup('{}{}<br><small title="{}">{}</small>').format(feed.contracts, age, fault, fault)


def _is_missing(text: Any) -> bool:
    """Return True for a text that a report lacks; the model names it if other reports have one."""
    return bool(pd.isna(text)) or text == MISSING_NAME


def _list_marks(
    frame: pd.DataFrame, gaps: pd.DataFrame | None, times: Times | None = None
) -> list[str]:
    """Return the mark before the sums of each row of a table, or an empty text."""
    return [BOUND if is_bound else "" for is_bound in find_bounds(frame, gaps, times)]


def _render_cascade(run: Any, least: str, *, zone: tzinfo, here: Place) -> Markup:
    place = links.locate_cascade(run.from_ts, run.to_ts, run.name, here=here)
    values = (
        _render_link(place, f"{run.from_ts.astimezone(zone):%m-%d %H:%M:%S}"),
        format_seconds(run.duration_s), f"{least}{run.prints:,}",
        run.exchanges, _render_name("exchanges", run.first_exchange),
        f"{least}{format_usd(run.long_usd)}", f"{least}{format_usd(run.short_usd)}",
        f"{least}{format_usd(run.peak_1s_usd)}",
        "-" if pd.isna(run.burst_score) else f"{run.burst_score:,.1f}",
    )  # fmt: skip
    side = "long" if run.long_usd >= run.short_usd else "short"
    template = Markup('<tr><td class="liq-{}">{}</td>{}</tr>')
    return template.format(side, _render_name("asset", run.name), render_cells(values))


def _render_size(column: str, value: float, least: str) -> str | Markup:
    """Return a number of the table of sizes, sums after ``least``.

    A quantile can be chosen as the minimum size.
    """
    if column == "prints":
        return f"{least}{value:,}"
    size = format_usd(value)
    if column in ("total_usd", "largest_usd"):
        return f"{least}{size}"
    return _render_name("min_notional", f"{value:.0f}", size, f"only prints of {size} or more")


def _render_alert(raised: Any, here: Place, zone: tzinfo, clock: str = "%m-%d %H:%M:%S") -> Markup:
    """Return an alert as an item of a list, with its time in the format ``clock``."""
    # the row does not say what its rule measured, so the page keeps its own filters
    place = links.keep_filters(links.locate_alert(raised.ts, raised.query), here)
    measure = (
        f"{raised.query}: {raised.measure} {raised.value:,.6g}, threshold {raised.threshold:,.6g}"
    )
    return Markup(
        '<li class="liq-{severity}" title="{measure}">{time}<b>{severity}</b>'
        '<span>{rule}</span><div title="{message}">{message}</div>{mark}</li>'
    ).format(
        severity=raised.severity,
        measure=measure,
        time=_render_link(
            place,
            Markup("<time>{}</time>").format(f"{raised.ts.astimezone(zone):{clock}}"),
        ),
        rule=raised.rule,
        message=raised.message,
        mark=Markup() if raised.live else _NOT_LIVE_MARK,
    )


def _render_link(place: Place, text: str) -> Markup:
    """Return a link to a place of the page's own dashboard."""
    template = Markup('<a href="{}" title="show this time">{}</a>')
    return template.format(links.build_link(place), text)


def _render_name(field: str, name: str, text: str = "", title: str = "") -> Markup:
    """Return a name that limits the page to itself when it is pressed, see `filters.choose`."""
    template = Markup(
        '<button type="button" class="liq-name" data-filter="{}" data-name="{}" title="{}">{}'
        "</button>"
    )
    return template.format(field, name, title or f"only {name}", text or name)


def _render_rule(name: str, rule: Rule) -> Markup:
    acts = ("edit", "unmute" if rule.muted else "mute", "remove")
    button = Markup(
        '<button type="button" data-act="{act}" data-name="{name}" aria-label="{act} {name}">{text}'
        "</button> "
    )
    return Markup(
        '<tr><td class="liq-{severity}">{name}</td><td>{comparison}</td><td>{cool_down}</td>'
        '<td>{description}</td><td class="liq-acts">{buttons}</td></tr>'
    ).format(
        severity=rule.severity,
        name=name,
        comparison=describe_comparison(rule),
        cool_down=rule.cool_down,
        description=rule.description,
        buttons=join(button.format(act=act, name=name, text=act.capitalize()) for act in acts),
    )


def _render_documentation_link(venue: Venue | None) -> Markup:
    if venue is None:
        return Markup()
    return Markup(
        '<a href="{}" target="_blank" rel="noopener noreferrer">the venue\'s documentation</a>'
    ).format(venue.documentation)


def _render_venue_rule(venue: Venue | None) -> Markup:
    if venue is None:
        return Markup("<p>liq does not know this venue</p>")
    return Markup("<pre>{}</pre>").format(venue.rule)


def _format_value(value: Any, zone: tzinfo) -> str:
    if isinstance(value, datetime):
        return times.format_exactly(value, zone)
    return f"{value:,.10g}" if isinstance(value, float) else str(value)
