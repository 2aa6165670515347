"""Sums, ages, times and marks as people read them."""

import math
from datetime import datetime, timedelta

from markupsafe import Markup

from liq.analysis.charts import LIVE_SOURCES
from liq.common.html import with_code


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


def seconds(span: float | None) -> str:
    """Return seconds, milliseconds where they are few, and a dash where there are none."""
    if span is None or math.isnan(span):
        return "-"
    return f"{span * 1000:,.0f} ms" if span < 10 else f"{span:,.0f} s"


def alert(problem: str) -> Markup:
    """What went wrong, where its answer would stand."""
    return Markup('<p role="alert">{}</p>').format(with_code(problem))


def nothing(text: str) -> Markup:
    """Say that there is nothing to show, where it would stand."""
    return Markup('<p class="liq-none">{}</p>').format(with_code(text))


def source_mark(source: str) -> Markup:
    """Return a mark that says what is not live, "" for what is."""
    return Markup() if source in LIVE_SOURCES else Markup(" <mark>{}</mark>").format(source)


def clock(moment: datetime) -> str:
    """Return the time of day to the millisecond."""
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
