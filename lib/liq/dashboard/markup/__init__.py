"""The dashboard's HTML: pure functions. Every text from outside is escaped."""

from liq.dashboard.markup.alerts import alerts, rules
from liq.dashboard.markup.inspection import inspection
from liq.dashboard.markup.page import bars_title, figures, footnote, header, notice
from liq.dashboard.markup.tables import cascades, feeds, sizes, tape
from liq.dashboard.markup.text import ago, alert, dollars

__all__ = [
    "ago",
    "alert",
    "alerts",
    "bars_title",
    "cascades",
    "dollars",
    "feeds",
    "figures",
    "footnote",
    "header",
    "inspection",
    "notice",
    "rules",
    "sizes",
    "tape",
]
