"""What stands around the boards: title, freshness, notices, figures."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pandas as pd
from markupsafe import Markup

from liq.analysis.charts import completeness_note
from liq.analysis.charts.base import is_missing
from liq.common.html import join, with_code
from liq.monitoring.diagnosis import Problem
from liq.query.parameters import duration
from liq.web.dashboard.markup.text import ago, clock, dollars
from liq.web.dashboard.model import DashboardModel, Frames, State

_NOTICES = {
    State.LOADING: ("Loading", "Asking QuestDB for the first rows."),
    State.EMPTY: (
        "No liquidations match",
        "Widen the window, lower the minimum size or clear the symbols. If nothing was ever"
        " recorded, start a producer: `notebooks/01-start-producers.ipynb` or `liq run`.",
    ),
    State.QUIET: ("Quiet market", "No new liquidation, but the feeds are connected and report."),
    State.HISTORY: (
        "History",
        "The window ends in the past. Press Live to come back to now; drag over the bars to look"
        " closer, step with the arrows.",
    ),
    State.PAUSED: ("Paused", "What you see does not move. Press Resume to catch up."),
}
_NOTHING_THEN = ("No liquidations then", "Step with the arrows, or press Live to come back to now.")
_WORDS = {State.EMPTY: "no rows"}
_SKEW = timedelta(seconds=2)  # clocks differ by so much without being wrong
_OLD = "What you see is from before. "
_TITLE = Markup(
    '<div class="liq-title">Liquidations<small>forced closings of leveraged positions</small></div>'
)


def header(model: DashboardModel) -> Markup:
    """Title, source badge, and how fresh the rows are."""
    badge = model.frames.badge if model.frames else ""
    text = "SOURCE UNKNOWN" if badge is None else badge
    mark = Markup('<span class="liq-badge" title="not from an exchange">{}</span>').format(text)
    return join([_TITLE, mark if text else "", _freshness(model)])


def broken_header(fault: str) -> Markup:
    """What stands for a `header` that could not be drawn."""
    state = Markup(
        '<div class="liq-fresh liq-failed" title="{}"><i></i><b>the header is broken</b>'
        "<span>{}</span></div>"
    )
    return join([_TITLE, state.format(fault, with_code("see `liq logs dashboard`"))])


def notice(model: DashboardModel) -> Markup:
    """What the state means and what to do; nothing while rows come in."""
    if model.state is State.FAILED:
        shown = _OLD if model.frames else ""
        why = f": {model.trouble[0].what}" if model.trouble else ""
        title, text = f"Cannot read the data{why}", f"{model.problem}. {shown}Trying again."
    elif model.trouble:
        cause, *_ = model.trouble
        shown = _OLD if model.state is State.STALE else ""
        title = cause.what[:1].upper() + cause.what[1:]
        text = f"{model.problem}. {shown}"
    elif model.state is State.EMPTY and model.until is not None:
        title, text = _NOTHING_THEN
    elif model.state in _NOTICES:
        title, text = _NOTICES[model.state]
    else:
        return Markup()
    return Markup('<div class="liq-notice liq-{}" role="status"><b>{}.</b> {} {}</div>').format(
        model.state, title, with_code(text), _names(model)
    )


def _names(model: DashboardModel) -> str:
    """Which of the chosen names no row has."""
    if model.state is not State.EMPTY or model.frames is None:
        return ""
    return "; ".join(model.frames.totals.attrs.get("notes", ()))


def warning(problem: Problem | None) -> Markup:
    """What does not keep anything from being live, but soon may; nothing without a problem."""
    if problem is None:
        return Markup()
    title = problem.what[:1].upper() + problem.what[1:]
    return Markup('<div class="liq-notice liq-warning" role="status"><b>{}.</b> {}.</div>').format(
        title, with_code(problem.detail)
    )


def unheard(feeds: str) -> Markup:
    """Which feeds were disconnected, from `liq.query.coverage.summary`; nothing where none was."""
    if not feeds:
        return Markup()
    return Markup(
        '<div class="liq-notice liq-warning" role="status">'
        "<b>≥</b> {}: sums are lower bounds.</div>"
    ).format(feeds)


def figures(frames: Frames | None, gaps: pd.DataFrame | None = None) -> Markup:
    """The window in five numbers; with ``gaps``, from ``coverage``, they are lower bounds."""
    cards = (
        _figures(frames, is_missing(gaps)) if frames else ((name, "…", "", "") for name in _FIGURES)
    )
    card = Markup(
        '<div class="liq-figure {kind}"><label>{name}</label><b>{value}</b>'
        "<small>{note}</small></div>"
    )
    return join(
        card.format(name=name, value=value, note=note, kind=kind)
        for name, value, note, kind in cards
    )


def footnote(frames: Frames | None, left_out: int = 0) -> Markup:
    """What the numbers leave out, ``left_out`` odd rows among it."""
    if frames is None:
        return Markup()
    note = completeness_note(frames.sources)
    venues = ", ".join(sorted(set(frames.sources["exchange"])))
    odd = f"{left_out:,} odd row(s) left out: `liq odd` shows them" if left_out else ""
    parts = [f"venues: {venues}" if venues else "", f"≥ {note}" if note else "", odd]
    return with_code(" · ".join(part for part in parts if part))


def bars_title(frames: Frames) -> Markup:
    """Heading of the bars; says so when the window is too long for the bucket asked for."""
    used, asked = frames.bucket, frames.controls.bucket
    wider = f"; {asked} has too many bars for this window" if used != asked else ""
    beside = f"and the mark price of {frames.controls.focus}"
    return Markup("<h3>Liquidated per {}<small>{}{}</small></h3>").format(used, beside, wider)


def prices_title(frames: Frames) -> Markup:
    """Heading of the prices at which an asset was liquidated."""
    return Markup(
        "<h3>{} liquidated, by price<small>realised prints, no model</small></h3>"
    ).format(frames.controls.focus)


_FIGURES = ("longs liquidated", "shorts liquidated", "long minus short", "prints", "largest")


def _figures(frames: Frames, missing: bool) -> Iterator[tuple[str, str, str, str]]:  # noqa: FBT001 - of this module
    row: Any = next(frames.totals.itertuples(index=False))
    both = row.long_usd + row.short_usd
    least = "≥ " if row.partial or missing else ""
    values = (
        (least + dollars(row.long_usd), f"{row.long_count:,} prints", "liq-long"),
        (least + dollars(row.short_usd), f"{row.short_count:,} prints", "liq-short"),
        (dollars(row.net_usd), _lean(row.net_usd, both), ""),
        (f"{least}{row.prints:,}", f"{least}{dollars(both)} in all", ""),
        (least + dollars(row.largest_usd), "one print", ""),
    )
    return ((name, *value) for name, value in zip(_FIGURES, values, strict=True))


def _lean(net: float, both: float) -> str:
    if not both:
        return "nothing to weigh"
    return f"{abs(net) / both:.0%} towards {'longs' if net >= 0 else 'shorts'}"


def _freshness(model: DashboardModel) -> Markup:
    latest, age = model.latest, model.age
    last = "no rows yet"
    if model.until is not None:
        start = model.until - duration(model.window)
        last = f"{start:%Y-%m-%d %H:%M:%S} to {model.until:%Y-%m-%d %H:%M:%S} UTC"
    elif latest and latest.ts and age is not None:
        last = f"last event {clock(latest.ts)} UTC · {_aged(age)}"
    word = model.trouble[0].what if model.trouble else _WORDS.get(model.state, str(model.state))
    return Markup(
        '<div class="liq-fresh liq-{}" title="newest row by the venue\'s clock">'
        "<i></i><b>{}</b><span>{}</span></div>"
    ).format(model.state, word, last)


def _aged(age: timedelta) -> str:
    if age < -_SKEW:
        return f"{ago(-age)} in the future: a clock is wrong"
    return f"{ago(max(age, timedelta(0)))} ago"
