"""The board of cascades: runs of prints that follow each other closely."""

from liq.analysis import charts
from liq.web.dashboard import markup
from liq.web.dashboard.html import Html
from liq.web.dashboard.model import Frames
from liq.web.dashboard.panels.base import Card, Look, Panel, board, timed
from liq.web.dashboard.plot import Plot


class Cascades(Panel):
    """When they were, and the greatest of them in figures."""

    def __init__(self) -> None:
        self.timeline = Plot(brush=True)
        self.brushes = (self.timeline,)
        self._list = Html(css_class="liq-list")
        self.cards = (
            Card("liq-timeline", "Cascades by asset", self.timeline),
            Card("liq-greatest", "The greatest", self._list),
        )
        self.widget = board("liq-cascades", self.cards)

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        timeline, greatest = self.cards
        with timeline:
            found = frames.board["cascades"]
            self.timeline.spec = timed(charts.cascades.spec, found, frames, look)
        with greatest:
            self._list.value = markup.cascades(frames.board["cascades"])
