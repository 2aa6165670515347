"""The dashboard's widgets: controls, charts and tape around a `DashboardModel`."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ipywidgets as widgets

from liq.analysis import charts
from liq.config import Settings
from liq.errors import QueryError
from liq.monitoring import diagnosis
from liq.monitoring.diagnosis import Part, Problem
from liq.web.dashboard import controls, markup
from liq.web.dashboard.boards import Controls
from liq.web.dashboard.faults import explain, log
from liq.web.dashboard.guard import Guard
from liq.web.dashboard.html import Html, style_sheet
from liq.web.dashboard.model import DashboardModel, Reading, State, Surroundings
from liq.web.dashboard.panels.alerts import Alerts
from liq.web.dashboard.panels.base import Look, Panel
from liq.web.dashboard.panels.cascades import Cascades
from liq.web.dashboard.panels.feeds import Feeds
from liq.web.dashboard.panels.inspector import Inspector
from liq.web.dashboard.panels.overview import Overview
from liq.web.dashboard.panels.patterns import Patterns
from liq.web.dashboard.panels.prices import Prices
from liq.web.dashboard.plot import Span
from liq.web.dashboard.reader import Reader

_FASTEST = 0.1  # seconds from one tick to the next, at least
_LONGEST_REST = 3.0  # seconds without a reading, however long the last one took
_SLOW = 3.0  # seconds to wait for an answer before saying so
_FIRST = 8.0  # seconds that the page waits for its first frames
_BEAT = 1.0  # seconds between signs of life
_SHORT_REST = 1.0  # seconds after what should not happen


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
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._build()
        self.model.observe(self._nudge, [*Controls._fields, "paused"])
        try:
            self._draw_frames()
            self._take(self._first_reading())
        except Exception as error:
            self._stumble(error)

    def start(self) -> None:
        """Redraw whenever rows are newer or a control changed, until `stop`.

        Rests while nobody looks: see `liq.web.dashboard.reader`.
        """
        if not self._tasks:
            loop, works = asyncio.get_running_loop(), (self._live, self._beat)
            self._tasks = [
                loop.create_task(self._keep_on(work), name=f"liq-dashboard{work.__name__}")
                for work in works
            ]

    def stop(self) -> None:
        """End the redrawing; what is drawn stays."""
        while self._tasks:
            self._tasks.pop().cancel()

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
        frames = self.model.frames
        if self.model.state is State.FAILED or frames is None or frames.empty:
            nothing = "no liquidations match the controls; start a producer"
            reason = self.model.problem if self.model.state is State.FAILED else nothing
            raise QueryError(f"nothing to draw after {seconds:g} s: {reason}")

    def draw(self) -> None:
        """Show the model's state; charts and tape only have to follow when frames changed."""
        self._draw_frames()
        self._note_faults()
        self._draw_state()

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415

        display(self.widget)  # type: ignore[no-untyped-call]

    async def _keep_on(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do ``work`` again and again while somebody looks, whatever it raises."""
        while True:
            try:
                await self._reader.wait()
                await work()
            except Exception as error:
                self._stumble(error)
                await asyncio.sleep(_SHORT_REST)

    async def _beat(self) -> None:
        """Let the page know that its kernel lives, and let the age of the newest row grow."""
        self.model.judge()
        self._draw_state()
        self._reader.beat += 1
        await asyncio.sleep(_BEAT)

    async def _live(self) -> None:
        """Read, draw, and rest until there may be something newer."""
        began = time.monotonic()
        self._wake.clear()
        drawn = self._take(await self._read())
        read = time.monotonic() - began
        if drawn:
            await self._reader.painted()
        took = time.monotonic() - began
        # other visitors have the machine too, and the page has more to do than to paint
        period = max(self._interval, min(3 * read, read + _LONGEST_REST), 2 * (took - read))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(period - took):
                await self._wake.wait()
        await asyncio.sleep(max(0.0, began + _FASTEST - time.monotonic()))

    async def _read(self) -> Reading:
        # off the loop: a slow QuestDB must not keep the kernel from hearing the reader
        reading = asyncio.create_task(asyncio.to_thread(self.model.read))
        began = time.monotonic()
        while not (await asyncio.wait({reading}, timeout=_SLOW))[0]:
            self.model.fail(self._why_slow(time.monotonic() - began))
            self._draw_state()
        return await reading

    def _first_reading(self) -> Reading:
        """Read, but have a page without data rather than none: it goes on by itself."""
        pool = ThreadPoolExecutor(1)
        reading = pool.submit(self.model.read)
        pool.shutdown(wait=False)
        try:
            return reading.result(_FIRST)
        except TimeoutError:
            return Reading(self.model.controls, failure=self._why_slow(_FIRST))

    def _why_slow(self, seconds: float) -> Problem:
        """Return what is known of a QuestDB that keeps a reading waiting."""
        found = self.model.examine()
        waited = (
            f"a reading has waited for {seconds:.0f} s; `liq status` shows whether QuestDB runs"
        )
        known = (problem for problem in found if problem.part is Part.QUESTDB)
        return next(known, Problem(Part.QUESTDB, "QuestDB does not answer", waited))

    def _stumble(self, error: Exception) -> None:
        """Show what nobody foresaw, in the header: nothing must look live after it."""
        log("dashboard", error)
        detail = f"{explain(error)}; see `liq logs dashboard`"
        self.model.fail(Problem(Part.DASHBOARD, "the dashboard fails", detail))
        self._draw_state()

    def _take(self, reading: Reading) -> bool:
        """Show what was read; return whether charts had to follow."""
        newer = self.model.apply(reading)
        if isinstance(reading.surroundings, Exception):
            self._around.show(reading.surroundings)
        elif isinstance(reading.surroundings, Surroundings):
            self._around.clear()
        if newer or isinstance(reading.surroundings, Surroundings):  # both tell of gaps
            self._draw_frames()
        self._note_faults()
        self._draw_state()
        return newer

    def _note_faults(self) -> None:
        """Have the model know which parts of the page could not be read or drawn."""
        frames = self.model.frames
        cards = self.panels[frames.controls.board].faults if frames else []
        self.model.faults = (*(guard.name for guard in self._guards() if guard.fault), *cards)
        self.model.judge()

    def _nudge(self, _change: object) -> None:
        self._wake.set()

    def _build(self) -> None:
        self._reader = Reader()
        hidden = widgets.Box([style_sheet("style.css")]).add_class("liq-hidden")
        self._header, self._notice = Html(css_class="liq-header"), Html(css_class="liq-notices")
        self._figures = Html(css_class="liq-figures")
        self._footnote = Html(css_class="liq-footnote")
        self._watch, self._alerts = Html(css_class="liq-watch"), Html(css_class="liq-recent")
        self._unheard = Html(css_class="liq-lost")
        self._header_guard, self._actions = Guard("Header"), Guard("Controls")
        self._around = Guard("Coverage of the feeds, and what may be chosen")
        self._alerts_guard, self._figures_guard = Guard("Alerts"), Guard("Figures")
        self._footnote_guard = Guard("Sources")
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
                plot.on_brush(self._brushed, self._actions)
            for table in panel.tables:
                table.on_pick(self._inspector.show)
        self._page = widgets.Box([]).add_class("liq-page")
        self.widget = widgets.VBox(
            [
                hidden,
                self._reader.add_class("liq-reader"),
                self._header,
                self._header_guard.place,
                controls.filters(self.model, self._actions),
                controls.actions(self.model, self._set_theme, self.theme, self._actions),
                self._actions.place,
                self._notice,
                self._watch,
                self._unheard,
                *(guard.place for guard in self._guards()),
                self._alerts,
                self._figures,
                self._tabs(),
                self._page,
                self._inspector.widget,
                self._footnote,
            ]
        ).add_class("liq-root")
        self.widget.add_class(f"liq-{self.theme}")

    def _guards(self) -> tuple[Guard, ...]:
        """Return what guards parts of the page that every board has."""
        return self._around, self._alerts_guard, self._figures_guard, self._footnote_guard

    def _tabs(self) -> widgets.Widget:
        tabs = widgets.ToggleButtons(options=list(self.panels)).add_class("liq-tabs")
        controls.bind(self.model, "board", tabs, self._actions)
        return tabs

    def _brushed(self, span: Span | None) -> None:
        if span is None:
            self.model.until = None
        else:
            self.model.travel(*span)

    def _set_theme(self, theme: charts.ThemeName) -> None:
        self.widget.remove_class(f"liq-{self.theme}").add_class(f"liq-{theme}")
        self.theme = theme
        self.draw()

    def _draw_frames(self) -> None:
        frames = self.model.frames
        if frames is not None:
            panel = self.panels[frames.controls.board]
            panel.draw(frames, Look(self.theme, self.model.gaps))
            if self._page.children != (panel.widget,):
                self._page.children = [panel.widget]
            with self._alerts_guard:
                self._alerts.value = markup.alerts(frames.alerts)
        with self._figures_guard:
            self._figures.value = markup.figures(frames, self.model.gaps)
        with self._footnote_guard:
            self._footnote.value = markup.footnote(frames, self.model.left_out)

    def _draw_state(self) -> None:
        with self._header_guard:
            self._header.value = markup.header(self.model)
            self._notice.value = markup.notice(self.model)
            self._watch.value = markup.warning(diagnosis.check_supervisor(self.model.settings))
            self._unheard.value = markup.unheard(self.model.unheard)
        if self._header_guard.fault:
            self._header.value = markup.broken_header(self._header_guard.fault)
        outdated = self.model.state in (State.FAILED, State.STALE)
        dim = self.widget.add_class if outdated else self.widget.remove_class
        dim("liq-outdated")
