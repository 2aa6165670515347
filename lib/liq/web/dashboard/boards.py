"""The widgets of each board, and the print inspector below them.

A board is the page behind one tab. `liq.web.dashboard.board_queries` lists the boards and their
queries. The class that draws a board has the board's name.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

import ipywidgets as widgets
import pandas as pd
from markupsafe import Markup

from liq.analysis import charts
from liq.analysis.charts import Spec, ThemeName
from liq.analysis.charts.base import UNKNOWN_GAPS
from liq.analysis.charts.prices import create_panels
from liq.analysis.links import Place
from liq.common.html import render_code
from liq.config import Settings
from liq.errors import QueryError
from liq.query import queries
from liq.web.dashboard import markup, sentences
from liq.web.dashboard.board_queries import BOARDS, MOST_CELLS
from liq.web.dashboard.inspector import Inspection, inspect
from liq.web.dashboard.model import Frames
from liq.web.dashboard.rule_editor import RuleEditor
from liq.web.dashboard.widgets import (
    CloseButton,
    ErrorBoundary,
    Html,
    PickTable,
    Plot,
    PricePlot,
    Tape,
    Tasks,
)


class DrawOptions(NamedTuple):
    """The theme, the coverage gaps that charts shade, and the time zone of their times."""

    theme: ThemeName
    gaps: pd.DataFrame | None
    zone: tzinfo


class Board(ABC):
    """The widgets of one board.

    A range drawn on one of ``brushes`` becomes the window; ``tapes`` have prints to pick.
    """

    widget: widgets.Widget
    cards: "tuple[Card, ...]"
    brushes: tuple[Plot, ...] = ()
    tapes: tuple[Tape, ...] = ()

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def _create_card(
        self, css_class: str, name: str, content: widgets.Widget, key: str, note: str = ""
    ) -> "Card":
        """Return a card of the query ``key``, whose heading has what it answers as a tooltip."""
        return Card(css_class, name, content, note=note, about=self._explain(key))

    def _explain(self, key: str) -> str:
        """Return what a query answers, "" if the catalogue cannot be read."""
        with contextlib.suppress(QueryError):
            return queries.find(key, self._settings).summary
        return ""

    @abstractmethod
    def draw(self, frames: Frames, options: DrawOptions) -> None:
        """Show ``frames``, which hold this board's queries; each card shows its own errors."""

    def mark(self, state: str) -> None:
        """Have each chart speak ``state`` in place of its numbers; "" ends that.

        A chart that could not be drawn says so.
        """
        for card in self.cards:
            if isinstance(card.content, Plot):
                card.content.state = state or ("not read" if card.fault else "")

    @property
    def choosers(self) -> list[Plot | PickTable]:
        """The charts and tables whose names can be clicked."""
        return [card.content for card in self.cards if isinstance(card.content, Plot | PickTable)]

    @property
    def faults(self) -> list[str]:
        """The names of the cards that could not be drawn."""
        return [card.name for card in self.cards if card.fault]


class Card(ErrorBoundary):
    """A framed part of a board: ``with card:`` shows an exception on top of the card.

    ``title`` replaces the name as the card's heading. Beside the name, ``note`` is small print, and
    ``about`` a tooltip.
    """

    def __init__(
        self,
        css_class: str,
        name: str,
        content: widgets.Widget,
        *,
        title: widgets.Widget | None = None,
        note: str = "",
        about: str = "",
    ) -> None:
        super().__init__(name)
        self.content = content
        if isinstance(content, Plot):
            content.sentence = name  # until it has numbers
        if title is None:
            title = Html(markup.render_heading(name, render_code(note), about), "liq-heading")
        parts = [self.place, title, content]
        self.widget = widgets.VBox(parts).add_class("liq-card").add_class(css_class)


class Overview(Board):
    """Bars, the last hours, assets, cumulative net, rankings and the tape of newest prints."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.bars, self.net = Plot(brush=True, group="time"), Plot(brush=True, group="time")
        self.assets, self.symbols, self.exchanges, self.classes = Plot(), Plot(), Plot(), Plot()
        self.pace = Html(markup.render_pace(None), css_class="liq-spans")
        self.tape = Tape().add_class("liq-tape")
        self.brushes, self.tapes = (self.bars, self.net), (self.tape,)
        self._title = Html(css_class="liq-heading")
        self._about = self._explain("liquidations_by_bucket")
        self.cards = (
            Card("liq-bars", "Liquidated per bucket", self.bars, title=self._title),
            Card("liq-pace", "Last 5m to 24h", self.pace, note="and the usual of these hours"),
            self._create_card("liq-assets", "Top assets", self.assets, "top_assets"),
            self._create_card("liq-net", "Cumulative long minus short", self.net, "cumulative_net"),
            self._create_card("liq-symbols", "Top symbols", self.symbols, "top_symbols"),
            self._create_card("liq-exchanges", "By exchange", self.exchanges, "by_exchange"),
            self._create_card("liq-classes", "By size of a print", self.classes, "size_classes"),
            self._create_card(
                "liq-prints",
                "Tape",
                self.tape,
                "latest_prints",
                "click a row for details, a name to filter",
            ),
        )
        self.widget = _create_grid("liq-overview", self.cards)

    def draw(self, frames: Frames, options: DrawOptions) -> None:
        """Show the window."""
        shown = frames.board
        bars, _, assets, net, symbols, exchanges, classes, tape = self.cards
        with bars:
            self._title.value = markup.render_bars_title(frames, self._about)
            self.bars.spec = _draw_window(
                charts.bars.spec,
                shown["bars"],
                frames,
                options,
                price=shown["price"],
                now=frames.now,
                window=frames.window,
                bucket=frames.bucket,
            )
            sentence = sentences.describe_bars(frames, options.zone)
            self.bars.sentence = sentences.qualify(sentence, frames, shown["bars"], options.gaps)
        with net:
            self.net.spec = _draw_window(
                charts.cumulative_net.spec,
                shown["net"],
                frames,
                options,
                now=frames.now,
                window=frames.window,
                bucket=frames.bucket,
            )
            self.net.sentence = sentences.qualify(sentences.describe_net(frames), frames)
        for card, key, chart, describe in (
            (assets, "assets", charts.assets, sentences.describe_ranking),
            (symbols, "symbols", charts.top_symbols, sentences.describe_ranking),
            (exchanges, "exchanges", charts.by_exchange, sentences.describe_ranking),
            (classes, "classes", charts.size_classes, sentences.describe_classes),
        ):
            with card:
                sums, gaps = shown[key], options.gaps
                card.content.spec = chart.spec(sums, options.theme, gaps=gaps, badge=frames.badge)
                sentence = describe(card.name, sums)
                card.content.sentence = sentences.qualify(sentence, frames, sums, gaps)
        with tape:
            rows = markup.render_tape(
                shown["tape"], options.zone, is_one_kind=markup.is_one_kind(frames)
            )
            self.tape.show(rows, f"{frames.controls.filters} {options.zone}")

    def draw_pace(self, pace: pd.DataFrame | Exception | None) -> None:
        """Show the sums of the last minutes and hours, or why there are none."""
        with self.cards[1]:
            if isinstance(pace, Exception):
                raise pace
            self.pace.value = markup.render_pace(pace)


class Prices(Board):
    """Candles with liquidations by price and time, and the price's path around large prints."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.candles, self.path = PricePlot(brush=True), Plot()
        self.brushes = (self.candles,)
        self._title = Html(css_class="liq-heading")
        self._about = self._explain("price_by_bucket")
        self.cards = (
            Card("liq-candles", "Price and liquidations", self.candles, title=self._title),
            self._create_card("liq-path", "Price around large prints", self.path, "price_path"),
        )
        self.widget = _create_grid("liq-prices", self.cards)

    def draw(self, frames: Frames, options: DrawOptions) -> None:
        """Show the window."""
        candles, path = self.cards
        with candles:
            self._title.value = markup.render_prices_title(frames, self._about, options.gaps)
            panels = create_panels(
                frames.board["price"],
                options.theme,
                cells=frames.board["cells"],
                net=frames.board["net"],
                span=frames.span,
                gaps=options.gaps,
                badge=frames.badge,
                zone=options.zone,
                now=frames.now,
                window=frames.window,
                bucket=frames.bucket,
                most_cells=MOST_CELLS,
            )
            # a zoom of prices or dollars fits one choice of prints
            revision = f"{frames.controls.filters} {options.zone}"
            self.candles.spec = panels | {"revision": revision}
            sentence = sentences.describe_candles(frames)
            self.candles.sentence = sentences.qualify(
                sentence, frames, frames.board["cells"], options.gaps
            )
        with path:
            self.path.spec = charts.price_path.spec(
                frames.board["path"], options.theme, badge=frames.badge
            )
            self.path.sentence = sentences.qualify(sentences.describe_path(frames), frames)


class Cascades(Board):
    """The times of the cascades, and a table of the largest."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.timeline = Plot(brush=True)
        self.brushes = (self.timeline,)
        self._list = PickTable().add_class("liq-list")
        self.cards = (
            self._create_card("liq-timeline", "Cascades by asset", self.timeline, "cascades"),
            self._create_card("liq-greatest", "Largest cascades", self._list, "cascades"),
        )
        self.widget = _create_grid("liq-cascades", self.cards)

    def draw(self, frames: Frames, options: DrawOptions) -> None:
        """Show the window."""
        timeline, largest = self.cards
        here = Place(**frames.controls.choices)
        with timeline:
            found = frames.board["cascades"]
            self.timeline.spec = _draw_window(
                charts.cascades.spec, found, frames, options, here=here
            )
            sentence = sentences.describe_cascades(frames, options.zone)
            self.timeline.sentence = sentences.qualify(sentence, frames, found, options.gaps)
        with largest:
            found = frames.board["cascades"]
            self._list.html = markup.render_cascades(found, options.zone, here, options.gaps)


class Patterns(Board):
    """Venues' shares over time, the profile of the day, and quantiles of the size."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.share, self.hours = Plot(brush=True), Plot()
        self.brushes = (self.share,)
        self._sizes = PickTable().add_class("liq-list")
        self._about = self._explain("hour_of_day")
        self._title = Html(markup.render_heading("Hour of the day", "", self._about), "liq-heading")
        self.cards = (
            self._create_card("liq-share", "Share by venue", self.share, "venue_share"),
            Card("liq-hours", "Hour of the day", self.hours, title=self._title),
            self._create_card(
                "liq-sizes", "Size of a print (USD)", self._sizes, "size_distribution"
            ),
        )
        self.widget = _create_grid("liq-patterns", self.cards)

    def draw(self, frames: Frames, options: DrawOptions) -> None:
        """Show the window."""
        shown = frames.board
        share, hours, sizes = self.cards
        with share:
            self.share.spec = _draw_window(
                charts.venue_share.spec, shown["share"], frames, options, bucket=frames.bucket
            )
            self.share.sentence = sentences.qualify(sentences.describe_share(frames), frames)
        with hours:
            self._title.value = markup.render_hours_title(frames, self._about)
            self.hours.spec = charts.hour_of_day.spec(
                shown["hours"], options.theme, badge=frames.badge
            )
            self.hours.sentence = sentences.qualify(sentences.describe_hours(frames), frames)
        with sizes:
            self._sizes.html = markup.render_sizes(shown["sizes"], options.gaps)


class Alerts(Board):
    """A list of the alerts, newest first, and a table of the rules."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._list, self._rules = PickTable().add_class("liq-list"), RuleEditor(settings)
        note = "from alerts.json; `liq alerts` evaluates them"
        self.cards = (
            self._create_card("liq-raised", "Raised", self._list, "alerts", "at least a day"),
            Card("liq-rules", "Rules", self._rules.widget, note=note),
        )
        self.widget = _create_grid("liq-alerts", self.cards)

    def draw(self, frames: Frames, options: DrawOptions) -> None:
        """Show the window, and the rules as ``alerts.json`` has them now."""
        raised, known = self.cards
        with raised:
            here = Place(**frames.controls.choices)
            listed = markup.render_alerts(frames.board["alerts"], here, options.zone)
            self._list.html = listed or markup.render_nothing("no alerts")
        with known:
            self._rules.draw(frames.controls, options.zone)


class Feeds(Board):
    """A table of the feeds, and the times when each was connected."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.coverage = Plot(brush=True)
        self.brushes = (self.coverage,)
        self.health = PickTable().add_class("liq-health")
        self.cards = (
            self._create_card("liq-coverage", "Feed coverage", self.coverage, "coverage"),
            self._create_card("liq-reports", "Feeds", self.health, "feed_health"),
        )
        self.widget = _create_grid("liq-feeds", self.cards)

    def draw(self, frames: Frames, options: DrawOptions) -> None:
        """Show the window."""
        coverage, reports = self.cards
        with coverage:
            health, span = frames.board["health"], frames.covered_span
            gaps = None if options.gaps is UNKNOWN_GAPS else options.gaps
            self.coverage.spec = charts.coverage.spec(
                health, gaps, options.theme, span=span, zone=options.zone
            )
            self.coverage.sentence = sentences.describe_coverage(frames, gaps)
        with reports:
            self.health.html = markup.render_feeds(frames.board["health"], options.zone)


class Inspector:
    """The details of one print, hidden until a print is picked; Close or Escape hides them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tasks = Tasks()
        self._request = 0  # the number of the last print that was opened or closed
        self._found: Inspection | None = None
        self._zone: tzinfo = UTC
        # a second reading leaves the focus where it is; the class gives it the style of other HTML
        self._content = PickTable().add_class("widget-html-content")
        self._close = CloseButton().add_class("liq-close")
        self._boundary = ErrorBoundary("Inspector")
        content = widgets.VBox([self._content]).add_class("liq-inspection")
        self.widget = widgets.VBox([self._close, self._boundary.place, content])
        self._close.on_close(self._hide)
        self.widget.add_class("liq-card").add_class("liq-inspector").add_class("liq-hidden")

    def show(self, key: str) -> None:
        """Read the print and show its details, or the error."""
        self._found, self._content.html = None, Markup()  # another print's details would mislead
        self._boundary.clear()  # and so would its error
        self.widget.remove_class("liq-hidden")
        self._close.take_focus()
        self._request += 1
        self._tasks.spawn(self._read(key, self._request))

    def set_zone(self, zone: tzinfo) -> None:
        """Show the times of the print in ``zone``, from now on."""
        self._zone = zone
        if self._found is not None:  # else the error of a print stays
            with self._boundary:
                self._draw(self._found)

    def _hide(self) -> None:
        self._request += 1
        self.widget.add_class("liq-hidden")

    def _draw(self, found: Inspection) -> None:
        self._content.html = markup.render_inspection(found, self._zone)

    async def _read(self, key: str, request: int) -> None:
        """Show the print, and once more when the rest of it is known, unless that is too late."""
        while request == self._request:
            found: Inspection | Exception
            try:  # in a thread: a slow QuestDB must not block the page
                found = await asyncio.to_thread(inspect, key, self._settings)
            except Exception as error:
                found = error
            if request != self._request:
                return
            with self._boundary:
                if isinstance(found, Exception):
                    raise found
                self._found = found
                self._draw(found)
            if isinstance(found, Exception) or not found.wait_s:
                return
            await asyncio.sleep(found.wait_s)


def create_boards(settings: Settings) -> dict[str, Board]:
    """Return the widgets of every board of `BOARDS`, by name; the board's class has its name."""
    return {name: globals()[name](settings) for name in BOARDS}


def _draw_window(
    chart: Callable[..., Spec],
    frame: pd.DataFrame,
    frames: Frames,
    options: DrawOptions,
    **more: Any,
) -> Spec:
    """Return ``chart`` of ``frame`` over the window; another window resets the visitor's zoom."""
    spec = chart(
        frame,
        options.theme,
        span=frames.span,
        gaps=options.gaps,
        badge=frames.badge,
        zone=options.zone,
        **more,
    )
    spec["layout"]["uirevision"] = f"{frames.controls.span} {options.zone}"
    return spec


def _create_grid(css_class: str, cards: Sequence[Card]) -> widgets.Box:
    """Return cards in a grid, as the style sheet places them."""
    return widgets.Box([card.widget for card in cards]).add_class("liq-board").add_class(css_class)
