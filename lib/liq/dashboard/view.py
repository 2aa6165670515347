"""The dashboard's widgets: controls, charts and tape around a `DashboardModel`."""

import asyncio
import contextlib
import time
from collections.abc import Iterable

import ipywidgets as widgets

from liq import charts
from liq.config import Settings
from liq.dashboard import controls, markup
from liq.dashboard.boards import Controls
from liq.dashboard.html import Html, style_sheet
from liq.dashboard.model import DashboardModel, Reading, State
from liq.dashboard.panels.alerts import Alerts
from liq.dashboard.panels.base import Look, Panel
from liq.dashboard.panels.cascades import Cascades
from liq.dashboard.panels.feeds import Feeds
from liq.dashboard.panels.inspector import Inspector
from liq.dashboard.panels.overview import Overview
from liq.dashboard.panels.patterns import Patterns
from liq.dashboard.panels.prices import Prices
from liq.dashboard.plot import Span
from liq.dashboard.reader import Reader
from liq.errors import QueryError

_FASTEST = 0.1  # seconds from one tick to the next, at least
_SLOW = 3.0  # seconds to wait for an answer before telling so


class Dashboard:
    """The live dashboard. ``start()`` lets it live; ``widget`` is what a notebook shows.

    The controls' first values are given here: width of a bar, how far back, which asset, venues and
    symbols of theirs (none: all), least size of a print in USD, the board. The first frames are
    drawn when it is built, so a page has data before the first tick; ``interval`` is the seconds
    between looks for more.
    """

    def __init__(
        self,
        *,
        bucket: str = "1m",
        window: str = "1h",
        symbols: Iterable[str] = (),
        min_notional: float = 0.0,
        exchanges: Iterable[str] = (),
        asset: str = "",
        board: str = "Overview",
        settings: Settings | None = None,
        interval: float = 0.25,
        theme: charts.ThemeName = "dark",
    ) -> None:
        if theme not in charts.THEMES:
            raise QueryError(f"theme={theme!r} is not one of: {', '.join(charts.THEMES)}")
        self.model = DashboardModel(
            settings,
            bucket=bucket,
            window=window,
            symbols=list(symbols),
            exchanges=list(exchanges),
            asset=asset,
            min_notional=min_notional,
            board=board,
        )
        self.theme = theme
        self._interval = max(interval, _FASTEST)
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._build()
        self.model.observe(self._nudge, [*Controls._fields, "paused"])
        self.model.poll()
        self.draw()

    def start(self) -> None:
        """Redraw whenever rows are newer or a control changed, until `stop`.

        Rests while nobody looks: see `liq.dashboard.reader`.
        """
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._live(), name="liq-dashboard")

    def stop(self) -> None:
        """End the redrawing; what is drawn stays."""
        if self._task:
            self._task.cancel()
            self._task = None

    def wait(self, seconds: float | None) -> None:
        """Redraw for ``seconds`` and return: for runs without a reader, as papermill's.

        Returns at once when ``seconds`` is None. Raises `QueryError` if nothing could be drawn.
        """
        if seconds is None:
            return
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(self._interval, max(end - time.monotonic(), 0)))
            self._take(self.model.read())
        if self.model.state in (State.LOADING, State.FAILED, State.EMPTY):
            reason = self.model.problem or "no liquidations match the controls; start a producer"
            raise QueryError(f"nothing to draw after {seconds:g} s: {reason}")

    def draw(self) -> None:
        """Show the model's state; charts and tape only have to follow when frames changed."""
        self._draw_frames()
        self._draw_state()

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415

        display(self.widget)  # type: ignore[no-untyped-call]

    async def _live(self) -> None:
        while True:
            await self._reader.wait()
            began = time.monotonic()
            drawn = False
            self._wake.clear()
            try:
                drawn = self._take(await self._read())
            except Exception as error:  # whatever it is, the reader must not be shown a dead page
                self.model.fail(f"The dashboard stumbled over {error!r}")
                self._draw_state()
            read = time.monotonic() - began
            if drawn:
                await self._reader.painted()
            took = time.monotonic() - began
            # other visitors have the machine too, and the page has more to do than to paint
            period = max(self._interval, 3 * read, 2 * (took - read))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(period - took):
                    await self._wake.wait()
            await asyncio.sleep(max(0.0, began + _FASTEST - time.monotonic()))

    async def _read(self) -> Reading:
        # off the loop: a slow QuestDB must not keep the kernel from hearing the reader
        reading = asyncio.create_task(asyncio.to_thread(self.model.read))
        while not (await asyncio.wait({reading}, timeout=_SLOW))[0]:
            self.model.fail("QuestDB does not answer; `liq status` tells whether it runs")
            self._draw_state()
        return await reading

    def _take(self, reading: Reading) -> bool:
        """Show what was read; return whether charts had to follow."""
        if newer := self.model.apply(reading):
            self._draw_frames()
        self._draw_state()
        return newer

    def _nudge(self, _change: object) -> None:
        self._wake.set()

    def _build(self) -> None:
        self._reader = Reader()
        hidden = widgets.Box([self._reader, style_sheet("style.css")]).add_class("liq-hidden")
        self._header, self._notice = Html(css_class="liq-header"), Html(css_class="liq-notices")
        self._figures = Html(css_class="liq-figures")
        self._footnote = Html(css_class="liq-footnote")
        self._alerts = Html(css_class="liq-recent")
        self._inspector = Inspector(self.model.settings)
        self.panels: dict[str, Panel] = {
            "Overview": Overview(),
            "Prices": Prices(),
            "Cascades": Cascades(),
            "Patterns": Patterns(),
            "Alerts": Alerts(self.model.settings),
            "Feeds": Feeds(),
        }
        for panel in self.panels.values():
            for plot in panel.brushes:
                plot.on_brush(self._brushed)
            for table in panel.tables:
                table.on_pick(self._inspector.show)
        self._page = widgets.Box([]).add_class("liq-page")
        self.widget = widgets.VBox(
            [
                hidden,
                self._header,
                controls.filters(self.model),
                controls.actions(self.model, self._set_theme, self.theme),
                self._notice,
                self._alerts,
                self._figures,
                self._tabs(),
                self._page,
                self._inspector.widget,
                self._footnote,
            ]
        ).add_class("liq-root")
        self.widget.add_class(f"liq-{self.theme}")

    def _tabs(self) -> widgets.Widget:
        tabs = widgets.ToggleButtons(options=list(self.panels)).add_class("liq-tabs")
        widgets.link((self.model, "board"), (tabs, "value"))
        return tabs

    def _brushed(self, span: Span | None) -> None:
        if span is None:
            self.model.until = None
        else:
            self.model.travel(*span)

    def _set_theme(self, theme: charts.ThemeName) -> None:
        self.widget.remove_class(f"liq-{self.theme}").add_class(f"liq-{theme}")
        self.theme = theme
        self._draw_frames()

    def _draw_frames(self) -> None:
        frames = self.model.frames
        if frames is not None:
            panel = self.panels[frames.controls.board]
            panel.draw(frames, Look(self.theme, self.model.gaps))
            if self._page.children != (panel.widget,):
                self._page.children = [panel.widget]
            self._alerts.value = markup.alerts(frames.alerts)
        self._figures.value = markup.figures(frames)
        self._footnote.value = markup.footnote(frames)

    def _draw_state(self) -> None:
        self._header.value = markup.header(self.model)
        self._notice.value = markup.notice(self.model)
        dim = (
            self.widget.add_class if self.model.state is State.FAILED else self.widget.remove_class
        )
        dim("liq-outdated")
