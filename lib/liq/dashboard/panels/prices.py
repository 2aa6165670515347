"""The board of prices: where an asset was liquidated, and what its price did afterwards."""

from liq import charts
from liq.dashboard import markup
from liq.dashboard.html import Html
from liq.dashboard.model import Frames
from liq.dashboard.panels.base import Look, Panel, board, card, heading, timed
from liq.dashboard.plot import Plot


class Prices(Panel):
    """Realised liquidations by price and time, and the path of the price around large prints."""

    def __init__(self) -> None:
        self.heatmap, self.path = Plot(brush=True), Plot()
        self.brushes = (self.heatmap,)
        self._title = Html(css_class="liq-heading")
        self.widget = board(
            "liq-prices",
            card("liq-heatmap", self._title, self.heatmap),
            card("liq-path", heading("Price around large prints"), self.path),
        )

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        self._title.value = markup.prices_title(frames)
        self.heatmap.spec = timed(charts.heatmap.spec, frames.board["heatmap"], frames, look)
        self.path.spec = charts.price_path.spec(frames.board["path"], look.theme)
