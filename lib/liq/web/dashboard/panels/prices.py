"""The board of prices: where an asset was liquidated, and what its price did afterwards."""

from liq.analysis import charts
from liq.web.dashboard import markup
from liq.web.dashboard.html import Html
from liq.web.dashboard.model import Frames
from liq.web.dashboard.panels.base import Card, Look, Panel, board, timed
from liq.web.dashboard.plot import Plot


class Prices(Panel):
    """Realised liquidations by price and time, and the path of the price around large prints."""

    def __init__(self) -> None:
        self.heatmap, self.path = Plot(brush=True), Plot()
        self.brushes = (self.heatmap,)
        self._title = Html(css_class="liq-heading")
        self.cards = (
            Card("liq-heatmap", "Liquidated by price", self.heatmap, title=self._title),
            Card("liq-path", "Price around large prints", self.path),
        )
        self.widget = board("liq-prices", self.cards)

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        heatmap, path = self.cards
        with heatmap:
            self._title.value = markup.prices_title(frames)
            self.heatmap.spec = timed(charts.heatmap.spec, frames.board["heatmap"], frames, look)
        with path:
            self.path.spec = charts.price_path.spec(frames.board["path"], look.theme)
