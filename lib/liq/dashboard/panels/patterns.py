"""The board of patterns: which venue, at what hour, how large."""

from liq import charts
from liq.dashboard import markup
from liq.dashboard.html import Html
from liq.dashboard.model import Frames
from liq.dashboard.panels.base import Look, Panel, board, card, heading, timed
from liq.dashboard.plot import Plot


class Patterns(Panel):
    """Venues' shares over time, the day's profile, and quantiles of the size."""

    def __init__(self) -> None:
        self.share, self.hours = Plot(brush=True), Plot()
        self.brushes = (self.share,)
        self._sizes = Html(css_class="liq-list")
        self.widget = board(
            "liq-patterns",
            card("liq-share", heading("Venues' share"), self.share),
            card("liq-hours", heading("Hour of the day", "a week at least"), self.hours),
            card("liq-sizes", heading("Size of a print (USD)"), self._sizes),
        )

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        badge = charts.source_badge(frames.sources)
        self.share.spec = timed(charts.venue_share.spec, frames.board["share"], frames, look)
        self.hours.spec = charts.hour_of_day.spec(frames.board["hours"], look.theme, badge=badge)
        self._sizes.value = markup.sizes(frames.board["sizes"])
