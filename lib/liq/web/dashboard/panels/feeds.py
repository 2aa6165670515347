"""The board of the feeds: the state of each now, and when it was disconnected."""

from liq.analysis import charts
from liq.web.dashboard import markup
from liq.web.dashboard.html import Html
from liq.web.dashboard.model import Frames
from liq.web.dashboard.panels.base import Card, Look, Panel, board
from liq.web.dashboard.plot import Plot


class Feeds(Panel):
    """A table of the feeds and a line of time for each."""

    def __init__(self) -> None:
        self.coverage = Plot(brush=True)
        self.brushes = (self.coverage,)
        self.health = Html(css_class="liq-health")
        self.cards = (
            Card("liq-coverage", "Feed coverage", self.coverage),
            Card("liq-reports", "Feeds", self.health),
        )
        self.widget = board("liq-feeds", self.cards)

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        coverage, reports = self.cards
        with coverage:
            health, span = frames.board["health"], frames.looked_at
            self.coverage.spec = charts.coverage.spec(health, look.gaps, look.theme, span=span)
        with reports:
            self.health.value = markup.feeds(frames.board["health"])
