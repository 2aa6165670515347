"""The board of patterns: which venue, at what hour, how large."""

from liq import charts
from liq.dashboard import markup
from liq.dashboard.model import Frames
from liq.dashboard.panels.base import Look, Panel, board, card, heading, html, timed
from liq.dashboard.plot import Plot


class Patterns(Panel):
    """Venues' shares over time, the day's profile, and quantiles of the size."""

    def __init__(self) -> None:
        self.share, self.hours = Plot(brush=True), Plot()
        self.brushes = (self.share,)
        self._sizes = html("liq-list")
        self.widget = board(
            "liq-patterns",
            card("liq-share", heading("Venues' share"), self.share),
            card("liq-hours", heading("Hour of the day<small>a week at least</small>"), self.hours),
            card("liq-sizes", heading("Size of a print (USD)"), self._sizes),
        )

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        badge = charts.source_badge(frames.sources)
        self.share.spec = timed(charts.venue_share.spec, frames.board["share"], frames, look)
        self.hours.spec = charts.hour_of_day.spec(frames.board["hours"], look.theme, badge=badge)
        self._sizes.value = markup.sizes(frames.board["sizes"])
