"""The first board: how much of which side, of what and where, and the newest prints."""

from liq.analysis import charts
from liq.web.dashboard import markup
from liq.web.dashboard.html import Html
from liq.web.dashboard.model import Frames
from liq.web.dashboard.panels.base import Card, Look, Panel, board, timed
from liq.web.dashboard.plot import Plot
from liq.web.dashboard.table import Table


class Overview(Panel):
    """Bars, running net, rankings and tape."""

    def __init__(self) -> None:
        self.bars, self.net = Plot(brush=True), Plot(brush=True)
        self.symbols, self.exchanges = Plot(), Plot()
        self.tape = Table().add_class("liq-tape")
        self.brushes, self.tables = (self.bars, self.net), (self.tape,)
        self._title = Html(css_class="liq-heading")
        self.cards = (
            Card("liq-bars", "Liquidated per bucket", self.bars, title=self._title),
            Card("liq-net", "Cumulative long minus short", self.net),
            Card("liq-symbols", "Top symbols", self.symbols),
            Card("liq-exchanges", "By exchange", self.exchanges),
            Card("liq-prints", "Tape", self.tape, note="click a print to see its making"),
        )
        self.widget = board("liq-overview", self.cards)

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        shown, badge, theme = frames.board, frames.badge, look.theme
        bars, net, symbols, exchanges, tape = self.cards
        with bars:
            self._title.value = markup.bars_title(frames)
            self.bars.spec = timed(
                charts.bars.spec, shown["bars"], frames, look, price=shown["price"]
            )
        with net:
            self.net.spec = timed(charts.cumulative_net.spec, shown["net"], frames, look)
        with symbols:
            self.symbols.spec = charts.top_symbols.spec(
                shown["symbols"], theme, gaps=look.gaps, badge=badge
            )
        with exchanges:
            self.exchanges.spec = charts.by_exchange.spec(
                shown["exchanges"], theme, gaps=look.gaps, badge=badge
            )
        with tape:
            self.tape.html = markup.tape(shown["tape"])
