"""The dashboard's HTML: pure functions. They return `Markup`, which escapes what is put in."""

from liq.web.dashboard.markup.alerts import alerts, rules
from liq.web.dashboard.markup.inspection import inspection
from liq.web.dashboard.markup.page import (
    bars_title,
    broken_header,
    figures,
    footnote,
    header,
    notice,
    prices_title,
    unheard,
    warning,
)
from liq.web.dashboard.markup.tables import cascades, feeds, sizes, tape
from liq.web.dashboard.markup.text import ago, alert, dollars, nothing

__all__ = [
    "ago",
    "alert",
    "alerts",
    "bars_title",
    "broken_header",
    "cascades",
    "dollars",
    "feeds",
    "figures",
    "footnote",
    "header",
    "inspection",
    "nothing",
    "notice",
    "prices_title",
    "rules",
    "sizes",
    "tape",
    "unheard",
    "warning",
]
