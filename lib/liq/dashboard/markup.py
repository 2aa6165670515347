"""The dashboard's HTML: pure functions of the model's state. Every text from outside is escaped."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import escape
from typing import Any

import pandas as pd

from liq.charts import LIVE_SOURCES, completeness_note, source_badge
from liq.dashboard import inspector
from liq.dashboard.model import DashboardModel, Frames, State
from liq.venues.base import Venue

_NOTICES = {
    State.LOADING: ("Loading", "Asking QuestDB for the first rows."),
    State.EMPTY: (
        "No liquidations match",
        "Widen the window, lower the minimum size or clear the symbols. If nothing was ever"
        " recorded, start a producer: `notebooks/01-start-producers.ipynb` or `liq run`.",
    ),
    State.QUIET: (
        "No new liquidation",
        "The market may be calm, or a producer has stopped: `liq status` tells which.",
    ),
    State.HISTORY: (
        "History",
        "The window ends in the past. Press Live to come back to now; drag over the bars to look"
        " closer, step with the arrows.",
    ),
    State.PAUSED: ("Paused", "What you see does not move. Press Resume to catch up."),
}
_NOTHING_THEN = ("No liquidations then", "Step with the arrows, or press Live to come back to now.")
_WORDS = {State.LIVE: "live", State.QUIET: "quiet", State.EMPTY: "no rows", State.FAILED: "away"}


def header(model: DashboardModel) -> str:
    """Title, source badge, and how fresh the rows are."""
    badge = source_badge(model.frames.sources) if model.frames else ""
    mark = f'<span class="liq-badge" title="not from an exchange">{escape(badge)}</span>'
    return (
        '<div class="liq-title">Liquidations<small>forced closings of leveraged positions</small>'
        f"</div>{mark if badge else ''}{_freshness(model)}"
    )


def notice(model: DashboardModel) -> str:
    """What the state means and what to do; nothing while rows come in."""
    if model.state is State.FAILED:
        shown = "What you see is from before. " if model.frames else ""
        title, text = "Cannot read the data", f"{model.problem}. {shown}Trying again."
    elif model.state is State.EMPTY and model.until is not None:
        title, text = _NOTHING_THEN
    elif model.state in _NOTICES:
        title, text = _NOTICES[model.state]
    else:
        return ""
    return (
        f'<div class="liq-notice liq-{model.state}" role="status">'
        f"<b>{escape(title)}.</b> {_code(escape(text))}</div>"
    )


def figures(frames: Frames | None) -> str:
    """The window in five numbers."""
    cards = _figures(frames) if frames else ((name, "…", "", "") for name in _FIGURES)
    return "".join(
        f'<div class="liq-figure {kind}"><label>{name}</label><b>{value}</b>'
        f"<small>{escape(note)}</small></div>"
        for name, value, note, kind in cards
    )


def tape(prints: pd.DataFrame) -> str:
    """The newest prints, newest first; a row's key is that of `liq.dashboard.inspector`."""
    if prints.empty:
        return '<p class="liq-none">no prints</p>'
    rows = "".join(_print(row) for row in prints.itertuples(index=False))
    return (
        "<table><thead><tr><th>time (UTC)</th><th>side</th><th>symbol</th><th>size (USD)</th>"
        f"<th>price</th><th>exchange</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def inspection(found: inspector.Inspection) -> str:
    """What a print was made of: the row with its units, the raw message, the venue's rule."""
    values = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_value(value))}"
        f"<small>{escape(found.units.get(name, ''))}</small></td></tr>"
        for name, value in found.row.items()
    )
    raw = (
        f"<pre>{escape(found.raw)}</pre>" if found.raw else f"<p>{_code(escape(found.problem))}</p>"
    )
    return (
        f"<section><h4>As stored</h4><table>{values}</table></section>"
        f"<section><h4>As the exchange sent it</h4>{raw}</section>"
        f"<section><h4>Rule{_documentation(found.venue)}</h4>{_rule(found.venue)}</section>"
    )


def feeds(health: pd.DataFrame) -> str:
    """How each feed fares, from ``feed_health``."""
    if health.empty:
        return f'<p class="liq-none">{_code("no feed has reported; start one: `liq run`")}</p>'
    names = ("feed", "state", "shows", "last report (UTC)", "frames", "gaps", "reconnects",
             "lag, mean", "lag, worst", "waiting, most")  # fmt: skip
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(_feed(row) for row in health.itertuples(index=False))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _feed(row: Any) -> str:
    state = "connected" if row.connected else "not heard"
    cells = (
        f"{row.messages:,}", f"{row.gaps:,}", f"{row.reconnects:,}",
        _seconds(row.lag_s), _seconds(row.max_lag_s), f"{row.max_queued:,}",
    )  # fmt: skip
    return (
        f'<tr class="liq-{"heard" if row.connected else "unheard"}">'
        f"<td>{escape(str(row.exchange))}{_source(str(row.source))}</td><td>{state}</td>"
        f"<td>{escape(str(row.completeness))}</td><td>{row.ts:%H:%M:%S}</td>"
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
    )


def _seconds(lag: float) -> str:
    return "-" if pd.isna(lag) else f"{lag * 1000:,.0f} ms" if lag < 10 else f"{lag:,.0f} s"


def alert(problem: str) -> str:
    """What went wrong, where its answer would stand."""
    return f'<p role="alert">{_code(escape(problem))}</p>'


def _documentation(venue: Venue | None) -> str:
    if venue is None:
        return ""
    link = escape(venue.documentation)
    return (
        f'<a href="{link}" target="_blank" rel="noopener noreferrer">the venue\'s documentation</a>'
    )


def _rule(venue: Venue | None) -> str:
    return f"<pre>{escape(venue.rule)}</pre>" if venue else "<p>no venue that liq knows</p>"


def _value(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f} UTC"
    return f"{value:,.10g}" if isinstance(value, float) else str(value)


def footnote(frames: Frames | None) -> str:
    """What the numbers leave out."""
    if frames is None:
        return ""
    note = completeness_note(frames.sources)
    venues = ", ".join(sorted(set(frames.sources["exchange"])))
    parts = [f"venues: {venues}" if venues else "", f"≥ {note}" if note else ""]
    return escape(" · ".join(part for part in parts if part))


def bars_title(frames: Frames) -> str:
    """Heading of the bars; says so when the window is too long for the bucket asked for."""
    used, asked = frames.bucket, frames.controls.bucket
    wider = f"<small>{asked} has too many bars for this window</small>"
    return f"<h3>Liquidated per {used}{wider if used != asked else ''}</h3>"


def dollars(amount: float) -> str:
    """Return a sum in four figures, e.g. ``$1.234M``."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= size:
            return f"{'−' if amount < 0 else ''}${abs(amount) / size:.4g}{unit}"  # noqa: RUF001
    return f"{'−' if amount < 0 else ''}${abs(amount):,.0f}"  # noqa: RUF001


def ago(age: timedelta) -> str:
    """Return an age for people, e.g. ``0.3 s``, ``4 min``."""
    seconds = age.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


_FIGURES = ("longs liquidated", "shorts liquidated", "long minus short", "prints", "largest")


def _figures(frames: Frames) -> Iterator[tuple[str, str, str, str]]:
    row: Any = next(frames.totals.itertuples(index=False))
    both = row.long_usd + row.short_usd
    least = "≥ " if row.partial else ""
    values = (
        (least + dollars(row.long_usd), f"{row.long_count:,} prints", "liq-long"),
        (least + dollars(row.short_usd), f"{row.short_count:,} prints", "liq-short"),
        (dollars(row.net_usd), _lean(row.net_usd, both), ""),
        (f"{least}{row.prints:,}", f"{least}{dollars(both)} in all", ""),
        (dollars(row.largest_usd), "one print", ""),
    )
    return ((name, *value) for name, value in zip(_FIGURES, values, strict=True))


def _lean(net: float, both: float) -> str:
    if not both:
        return "nothing to weigh"
    return f"{abs(net) / both:.0%} towards {'longs' if net >= 0 else 'shorts'}"


def _freshness(model: DashboardModel) -> str:
    latest, age = model.latest, model.age
    last = "no rows yet"
    if latest and latest.ts and age is not None:
        last = f"last event {_clock(latest.ts)} UTC · {ago(age)} ago"
    word = _WORDS.get(model.state, str(model.state))
    return (
        f'<div class="liq-fresh liq-{model.state}" title="newest row by the venue\'s clock">'
        f"<i></i><b>{word}</b><span>{last}</span></div>"
    )


def _print(row: Any) -> str:
    side = escape(str(row.side))
    big = ' class="liq-big"' if row.notional >= 100_000 else ""
    return (
        f'<tr{big} data-key="{escape(inspector.key(row))}" tabindex="0">'
        f'<td>{_clock(row.ts)}</td><td class="liq-{side}">{side}</td>'
        f"<td>{escape(str(row.symbol))}</td><td>{row.notional:,.0f}</td>"
        f"<td>{row.price:,.6g}</td>"
        f"<td>{escape(str(row.exchange))}{_source(str(row.source))}</td></tr>"
    )


def _code(text: str) -> str:
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)


def _source(source: str) -> str:
    return "" if source in LIVE_SOURCES else f" <mark>{escape(source)}</mark>"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
