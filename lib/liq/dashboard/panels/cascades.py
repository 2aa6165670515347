"""The board of cascades: runs of prints that follow each other closely."""

from liq import charts
from liq.dashboard import markup
from liq.dashboard.html import Html
from liq.dashboard.model import Frames
from liq.dashboard.panels.base import Look, Panel, board, card, heading, timed
from liq.dashboard.plot import Plot


class Cascades(Panel):
    """When they were, and the greatest of them in figures."""

    def __init__(self) -> None:
        self.timeline = Plot(brush=True)
        self.brushes = (self.timeline,)
        self._list = Html(css_class="liq-list")
        self.widget = board(
            "liq-cascades",
            card("liq-timeline", heading("Cascades by asset"), self.timeline),
            card("liq-greatest", heading("The greatest"), self._list),
        )

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        found = frames.board["cascades"]
        self.timeline.spec = timed(charts.cascades.spec, found, frames, look)
        self._list.value = markup.cascades(found)
