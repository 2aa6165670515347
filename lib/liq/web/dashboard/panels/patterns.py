"""The board of patterns: which venue, at what hour, how large."""

from liq.analysis import charts
from liq.web.dashboard import markup
from liq.web.dashboard.html import Html
from liq.web.dashboard.model import Frames
from liq.web.dashboard.panels.base import Card, Look, Panel, board, timed
from liq.web.dashboard.plot import Plot


class Patterns(Panel):
    """Venues' shares over time, the day's profile, and quantiles of the size."""

    def __init__(self) -> None:
        self.share, self.hours = Plot(brush=True), Plot()
        self.brushes = (self.share,)
        self._sizes = Html(css_class="liq-list")
        self.cards = (
            Card("liq-share", "Venues' share", self.share),
            Card("liq-hours", "Hour of the day", self.hours, note="a week at least"),
            Card("liq-sizes", "Size of a print (USD)", self._sizes),
        )
        self.widget = board("liq-patterns", self.cards)

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        shown = frames.board
        share, hours, sizes = self.cards
        with share:
            self.share.spec = timed(charts.venue_share.spec, shown["share"], frames, look)
        with hours:
            self.hours.spec = charts.hour_of_day.spec(
                shown["hours"], look.theme, badge=frames.badge
            )
        with sizes:
            self._sizes.value = markup.sizes(shown["sizes"])
