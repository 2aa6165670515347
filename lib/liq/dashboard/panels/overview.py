"""The first board: how much of which side, of what and where, and the newest prints."""

from liq import charts
from liq.dashboard import markup
from liq.dashboard.html import Html
from liq.dashboard.model import Frames
from liq.dashboard.panels.base import Look, Panel, board, card, heading, timed
from liq.dashboard.plot import Plot
from liq.dashboard.table import Table


class Overview(Panel):
    """Bars, running net, rankings and tape."""

    def __init__(self) -> None:
        self.bars, self.net = Plot(brush=True), Plot(brush=True)
        self.symbols, self.exchanges = Plot(), Plot()
        self.tape = Table().add_class("liq-tape")
        self.brushes, self.tables = (self.bars, self.net), (self.tape,)
        self._title = Html(css_class="liq-heading")
        self.widget = board(
            "liq-overview",
            card("liq-bars", self._title, self.bars),
            card("liq-net", heading("Cumulative long minus short"), self.net),
            card("liq-symbols", heading("Top symbols"), self.symbols),
            card("liq-exchanges", heading("By exchange"), self.exchanges),
            card(
                "liq-prints",
                heading("Tape", "click a print to see its making"),
                self.tape,
            ),
        )

    def draw(self, frames: Frames, look: Look) -> None:
        """Show the window."""
        shown, badge = frames.board, charts.source_badge(frames.sources)
        self._title.value = markup.bars_title(frames)
        self.bars.spec = timed(charts.bars.spec, shown["bars"], frames, look, price=shown["price"])
        self.net.spec = timed(charts.cumulative_net.spec, shown["net"], frames, look)
        self.symbols.spec = charts.top_symbols.spec(shown["symbols"], look.theme, badge=badge)
        self.exchanges.spec = charts.by_exchange.spec(shown["exchanges"], look.theme, badge=badge)
        self.tape.html = markup.tape(shown["tape"])
