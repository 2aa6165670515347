"""The dashboard's page: header, controls, boards and notices around a `DashboardModel`."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, tzinfo
from typing import Any

import ipywidgets as widgets
import pandas as pd
from markupsafe import Markup

from liq.analysis import charts, links
from liq.analysis.links import Place
from liq.common.text import suggest
from liq.config import Settings
from liq.errors import QueryError
from liq.monitoring import diagnosis
from liq.monitoring.diagnosis import Part, Problem
from liq.query import names, questdb
from liq.web.dashboard import controls, filters, markup, sentences, times
from liq.web.dashboard.board_queries import BOARDS, Controls
from liq.web.dashboard.boards import Board, DrawOptions, Inspector, Overview, create_boards
from liq.web.dashboard.errors import explain, log
from liq.web.dashboard.model import DashboardModel, Delay, Reading, SlowReading, State
from liq.web.dashboard.widgets import (
    Alarm,
    Announcer,
    ErrorBoundary,
    Fold,
    Html,
    More,
    PageAddress,
    PageHeartbeat,
    PickTable,
    Span,
    Tabs,
    Tasks,
    load_style_sheet,
)

_MIN_PERIOD = 0.1  # seconds from one reading to the next, at least
_MAX_PAUSE = 3.0  # seconds between two readings, however long the last one took
_SLOW = 3.0  # seconds without a response before the page says so
_FIRST_TIMEOUT = 8.0  # seconds that the page waits for its first frames
_BEAT = 1.0  # seconds between heartbeats
_NAMES_TIMEOUT = 5.0  # seconds until the names of an address are used unchecked
_RETRY_PAUSE = 1.0  # seconds after an unexpected exception
_OWN = ("theme", "zone")  # fields of a place that a step within the page leaves as they are
_CHOICES = (("window", "until", "since"), ("min_notional", "max_notional"))  # of several fields
_COLUMNS = {"asset": "asset", "exchanges": "exchange", "symbols": "symbol"}  # of a place's names


class Dashboard:
    """The live dashboard, displayed by a notebook as ``widget``.

    It draws its first frames when it is created, so a page has data at once. `start` keeps it up to
    date until `stop`.

    Args:
        bucket: Width of a bar.
        window: How far back, e.g. ``"4h"``.
        symbols: The venues' symbols; empty for all.
        min_notional: Minimum size of a print in USD.
        max_notional: Size in USD that prints are below; 0 for no limit.
        exchanges: Venues, e.g. ``"bybit"``; empty for all.
        asset: Asset, e.g. ``"BTC"``; empty for all.
        board: The tab that is open at first.
        settings: Settings of the stack; the current ones by default.
        interval: Seconds between checks for newer rows.
        theme: ``"dark"`` or ``"light"``; None for the one that the browser prefers.

    Raises:
        QueryError: ``theme`` is unknown.

    Example:
        >>> dashboard = liq.Dashboard(window="4h", asset="BTC")
        >>> dashboard.widget
        VBox(children=(...))
    """

    def __init__(
        self,
        *,
        bucket: str = "1m",
        window: str = "1h",
        symbols: Iterable[str] = (),
        min_notional: float = 0.0,
        max_notional: float = 0.0,
        exchanges: Iterable[str] = (),
        asset: str = "",
        board: str = "Overview",
        settings: Settings | None = None,
        interval: float = 0.25,
        theme: charts.ThemeName | None = None,
    ) -> None:
        if theme not in (None, *charts.THEMES):
            raise QueryError(
                f"theme={theme!r} is not a choice{suggest(str(theme), [*charts.THEMES])}"
            )
        self.model = DashboardModel(
            settings,
            bucket=bucket,
            window=window,
            symbols=list(symbols),
            exchanges=list(exchanges),
            asset=asset,
            min_notional=min_notional,
            max_notional=max_notional,
            board=board,
            theme=theme or next(iter(charts.THEMES)),
        )
        self._has_theme = theme is not None
        self._default = self.model.place
        self._visits, self._newest_visit = Tasks(), 0
        self._interval = max(interval, _MIN_PERIOD)
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._build()
        self.model.observe(self._follow_controls, [*Controls._fields, "paused"])
        self.model.observe(self._write_address, [*Place._fields])
        self.model.observe(self._set_theme, "theme")
        self.model.observe(self._set_zone, ["zone", "local_zone"])
        try:
            self._draw_frames()
            self._show(self._read_first())
        except Exception as error:
            self._fail(error)

    @property
    def theme(self) -> charts.ThemeName:
        """``"dark"`` or ``"light"``."""
        theme: charts.ThemeName = self.model.theme
        return theme

    def start(self) -> None:
        """Redraw when rows are newer or a control has changed, until `stop`.

        Pauses while the page is hidden or closed: see `PageHeartbeat`.
        """
        if not self._tasks:
            loop, works = asyncio.get_running_loop(), (self._live, self._beat)
            self._tasks = [
                loop.create_task(self._repeat(work), name=f"liq-dashboard{work.__name__}")
                for work in works
            ]

    def stop(self) -> None:
        """Stop redrawing; the last state stays visible."""
        while self._tasks:
            self._tasks.pop().cancel()

    def wait(self, seconds: float | None) -> None:
        """Redraw for ``seconds`` and return: for unattended runs, e.g. with papermill.

        Args:
            seconds: How long to redraw; None returns at once.

        Raises:
            QueryError: Nothing could be drawn.
        """
        if seconds is None:
            return
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(self._interval, max(end - time.monotonic(), 0)))
            self._show(self.model.read())
        frames = self.model.frames
        if self.model.state is State.FAILED or frames is None or frames.is_empty:
            nothing = "no liquidations match the controls; start a producer"
            reason = self.model.problem if self.model.state is State.FAILED else nothing
            raise QueryError(f"nothing to draw after {seconds:g} s: {reason}")

    def draw(self) -> None:
        """Draw the model's frames and its state."""
        self._draw_frames()
        self._report_faults()
        self._draw_state()

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415

        display(self.widget)  # type: ignore[no-untyped-call]

    async def _repeat(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Repeat ``work`` while the page is visible, after an exception too."""
        while True:
            try:
                await self._heartbeat.wait_until_visible()
                await work()
            except Exception as error:
                self._fail(error)
                await asyncio.sleep(_RETRY_PAUSE)

    async def _beat(self) -> None:
        """Send the page a heartbeat, and update the age of the newest row."""
        self.model.extend()
        self.model.judge()
        self._draw_state()
        self._announce()
        self._heartbeat.beat += 1
        await asyncio.sleep(_BEAT)

    async def _live(self) -> None:
        """Read, draw, and wait for the next interval or a changed control."""
        began = time.monotonic()
        self._wake.clear()
        drawn = self._show(await self._read())
        read = time.monotonic() - began
        if drawn:
            await self._heartbeat.wait_until_painted()
        took = time.monotonic() - began
        # the pause leaves time for other visitors' kernels and for the page's other work
        period = max(self._interval, min(3 * read, read + _MAX_PAUSE), 2 * (took - read))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(period - took):
                await self._wake.wait()
        await asyncio.sleep(max(0.0, began + _MIN_PERIOD - time.monotonic()))

    async def _read(self) -> Reading:
        # in a thread: a slow QuestDB must not block the kernel's messages
        reading = asyncio.create_task(asyncio.to_thread(self.model.read))
        began = time.monotonic()
        while not (await asyncio.wait({reading}, timeout=_SLOW))[0]:
            self.model.fail(self._explain_slow(time.monotonic() - began))
            self._draw_state()
        return await reading

    def _read_first(self) -> Reading:
        """Read with a timeout: a page without data is better than no page, and it retries."""
        pool = ThreadPoolExecutor(1)
        reading = pool.submit(self.model.read)
        pool.shutdown(wait=False)
        try:
            return reading.result(_FIRST_TIMEOUT)
        except TimeoutError:
            return Reading(self.model.controls, failure=self._explain_slow(_FIRST_TIMEOUT))

    def _explain_slow(self, seconds: float) -> Problem:
        """Return the known problem of QuestDB that delays a reading, else that it takes long."""
        found = self.model.examine()
        takes_long = Delay(
            Part.DASHBOARD,
            "the reading takes long",
            f"The reading has taken {seconds:.0f} s so far; a shorter window is faster;"
            " `liq status` shows whether QuestDB runs",
        )
        return next((problem for problem in found if problem.part is Part.QUESTDB), takes_long)

    def _fail(self, error: Exception) -> None:
        """Log an unexpected exception and show it in the header, so that nothing looks live."""
        log("dashboard", error)
        detail = f"{explain(error)}; see `liq logs dashboard`"
        self.model.fail(Problem(Part.DASHBOARD, "the dashboard fails", detail))
        self._draw_state()

    def _show(self, reading: Reading) -> bool:
        """Draw the reading; return whether its frames are newer."""
        newer = self.model.apply(reading)
        if isinstance(reading.slow, Exception):
            self._slow_boundary.show(reading.slow)
        elif isinstance(reading.slow, SlowReading):
            self._slow_boundary.clear()
        if newer or isinstance(reading.slow, SlowReading):  # charts show its coverage gaps
            self._draw_frames()
        if reading.pace is not None:
            self._draw_pace(reading.pace)
        self._report_faults()
        self._draw_state()
        return newer

    def _report_faults(self) -> None:
        """Set the model's list of parts of the page that could not be read or drawn."""
        frames = self.model.frames
        cards = self.boards[frames.controls.board].faults if frames else []
        shared = (each.name for each in self._boundaries() if each.fault)
        self.model.faults = (*shared, *cards)
        self.model.judge()

    def _open(self, query: str) -> None:
        """Show what the address of a new page names."""
        self._begin_visit(query)

    def _follow(self, query: str) -> None:
        """Show what a link or the browser's Back names, in this page's theme and time zone."""
        self._begin_visit(query, kept=_OWN)

    def _begin_visit(self, query: str, kept: Sequence[str] = ()) -> None:
        # counted at once: the page's next message may come before the task begins
        self._newest_visit += 1
        visit = self._visit(query, self._newest_visit, self.model.place, kept)
        self._visits.spawn(visit)

    def _choose(self, field: str, name: str) -> None:
        """Limit the page to a name that was clicked."""
        with self._actions:
            filters.choose(self.model, field, name)

    def _prefer(self, zone: Any, theme: Any) -> None:
        """Take the visitor's time zone, and the theme unless one was chosen."""
        self.model.local_zone = times.find_zone(zone)
        if self._has_theme or theme not in charts.THEMES:
            return
        is_chosen = self.model.theme != self._default.theme
        self._default = self._default._replace(theme=theme)
        if not is_chosen:
            self.model.theme = theme
        self._address.query = links.encode(self.model.place, self._default)

    async def _visit(self, query: str, number: int, before: Place, kept: Sequence[str]) -> None:
        """Show what ``query`` names, and why some of it is ignored.

        The newest visit counts. Controls that differ from ``before``, since they were changed
        meanwhile, and the fields in ``kept`` stay.
        """
        default = self._default
        with self._actions:
            choices: links.Choices = {
                "board": list(BOARDS),
                "bucket": self.model.buckets,
                "theme": list(charts.THEMES),
            }
            place, ignored = links.decode(query, default, choices)
            if place.asset or place.exchanges or place.symbols:
                # in a thread: a slow QuestDB must not block the page
                place = await asyncio.to_thread(self._match_names, place, default)
            if number != self._newest_visit:
                return
            own = _list_changes(before, self.model.place).union(kept)
            now = self.model.place._asdict()
            self.model.show(place._replace(**{field: now[field] for field in own}))
            self._ignored.value = markup.render_ignored(ignored)
        if number == self._newest_visit:
            self._address.answer()

    def _match_names(self, place: Place, default: Place) -> Place:
        """Return the place with its names as rows have them.

        A name that no row has stays a filter. Without it the page would show the whole market, and
        a visitor would take it for the name's.
        """
        matched = dict[str, Any]()
        with questdb.within(_NAMES_TIMEOUT):
            for field, column in _COLUMNS.items():
                given, usual = getattr(place, field), getattr(default, field)
                if given and given != usual:
                    texts = [given] if isinstance(given, str) else given
                    found = names.find_names(texts, column, self.model.settings)
                    matched[field] = found[0] if isinstance(given, str) else tuple(found)
        return place._replace(**matched)

    def _write_address(self, _change: object) -> None:
        query = links.encode(self.model.place, self._default)
        if query != self._address.query:  # a window that grows is no change of the visitor
            self._address.query, self._ignored.value = query, Markup()

    def _follow_controls(self, _change: object) -> None:
        """Have the new controls read; until then no number passes for theirs."""
        self._wake.set()
        self.model.judge()
        self._draw_figures()
        self._draw_state()

    def _build(self) -> None:
        self._heartbeat, self._address = PageHeartbeat(), PageAddress()
        self._address.on_open(self._open, self._follow)
        self._address.on_visitor(self._prefer)
        self._announcer = Announcer().add_class("liq-spoken")
        self._ignored = Html(css_class="liq-ignored")
        self._unknown = Html(css_class="liq-unknown")
        hidden = widgets.Box([load_style_sheet("style.css")]).add_class("liq-hidden")
        self._header, self._notice = Html(css_class="liq-header"), Html(css_class="liq-notices")
        self._figures = Html(css_class="liq-figures")
        self._footnote = Html(css_class="liq-footnote")
        self._watch = Html(css_class="liq-watch")
        self._alarm = Alarm().add_class("liq-alarm")
        self._alerts = PickTable().add_class("liq-recent")
        self._alerts.on_choose(self._choose, self._follow)
        self._coverage = Html(css_class="liq-disconnections")
        self._header_boundary, self._actions = ErrorBoundary("Header"), ErrorBoundary("Controls")
        self._slow_boundary = ErrorBoundary("Feed coverage and the options of the controls")
        self._alerts_boundary, self._figures_boundary = (
            ErrorBoundary("Alerts"),
            ErrorBoundary("Figures"),
        )
        self._footnote_boundary = ErrorBoundary("Sources")
        self._announcer_boundary = ErrorBoundary("Spoken state")
        self._inspector = Inspector(self.model.settings)
        self.boards: dict[str, Board] = create_boards(self.model.settings)
        for board in self.boards.values():
            for plot in board.brushes:
                plot.on_brush(self._select_range, self._actions)
            for tape in board.tapes:
                tape.on_pick(self._inspector.show)
            for part in board.choosers:
                part.on_choose(self._choose, self._follow)
        self._page = widgets.Box([]).add_class("liq-page")
        self._tabs = self._create_tabs()
        self.widget = widgets.VBox(
            [
                hidden,
                self._heartbeat.add_class("liq-heartbeat"),
                self._create_top(),
                self._create_rows(),
                widgets.Box(
                    [self._tabs, self._alerts, self._alarm, controls.create_layout()]
                ).add_class("liq-bar"),
                self._figures,
                self._page,
                self._inspector.widget,
                self._footnote,
                self._announcer,
            ]
        ).add_class("liq-root")
        self.widget.add_class(f"liq-{self.theme}")

    def _boundaries(self) -> tuple[ErrorBoundary, ...]:
        """Return the boundaries of the parts that every board shares."""
        return (
            self._slow_boundary,
            self._alerts_boundary,
            self._figures_boundary,
            self._footnote_boundary,
            self._announcer_boundary,
        )

    def _create_top(self) -> widgets.Widget:
        actions = controls.create_actions(self.model, self._address, self._actions)
        return widgets.Box([self._header, actions]).add_class("liq-top")

    def _create_rows(self) -> widgets.Widget:
        rows = [
            controls.create_filters(self.model, self._actions),
            controls.create_download(self.model),
            controls.create_times(self.model, self._actions),
        ]
        fold = Fold(label="Filters, time and more").add_class("liq-fold")
        chips = controls.create_chips(self.model, self._actions)
        line = widgets.Box([chips, self._create_strip()]).add_class("liq-line")
        return widgets.Box([fold, *rows, line]).add_class("liq-rows")

    def _create_strip(self) -> widgets.Widget:
        """Return all notices, which have no height while there is none."""
        boundaries = (self._header_boundary, self._actions, *self._boundaries())
        faults = (boundary.place for boundary in boundaries)
        notices = (self._notice, self._coverage, self._watch, self._ignored, self._unknown)
        more = More().add_class("liq-more")
        return widgets.Box([*faults, *notices, more]).add_class("liq-strip")

    def _create_tabs(self) -> Tabs:
        tabs = Tabs(options=list(self.boards))
        tabs.add_class("liq-tabs")
        controls.bind(self.model, "board", tabs, self._actions)
        return tabs

    def _select_range(self, span: Span | None) -> bool:
        """Show a range that was drawn on a chart; return False if all of it is in the future."""
        if span:  # charts have the times of the page's time zone
            zone = self._find_zone()
            start, end = (each.replace(tzinfo=zone).astimezone(UTC) for each in span)
            if start >= datetime.now(UTC):  # in the running bucket, which ends later
                return False
            self.model.travel(start, end)
        elif self.model.until:  # a double click on a chart that is live resets its zoom alone
            self.model.go_live()
        return True

    def _find_zone(self) -> tzinfo:
        """Return the time zone of the charts."""
        frames, zone = self.model.frames, self.model.timezone
        return zone if frames is None else times.settle_zone(frames.span, zone)

    def _set_theme(self, change: Any) -> None:
        self.widget.remove_class(f"liq-{change['old']}").add_class(f"liq-{change['new']}")
        self.draw()

    def _set_zone(self, change: Any) -> None:
        if change["name"] == "zone" or self.model.zone == "local":
            self._inspector.set_zone(self.model.timezone)
            self.draw()

    def _draw_frames(self) -> None:
        frames = self.model.frames
        if frames is not None:
            board = self.boards[frames.controls.board]
            zone = self._find_zone()
            board.draw(frames, DrawOptions(self.theme, self.model.gaps, zone))
            if self._page.children != (board.widget,):
                self._page.children = [board.widget]
            with self._alerts_boundary:
                self._alerts.html = markup.render_newest_alert(
                    frames.alerts, self.model.place, zone
                )
                if frames.controls.until is None:
                    self._alarm.show(frames.alerts, self.model.place)
        self._draw_figures()
        with self._footnote_boundary:
            self._footnote.value = markup.render_footnote(frames, self.model.left_out)

    def _draw_figures(self) -> None:
        with self._figures_boundary:
            frames = None if self.model.is_awaiting_rows else self.model.frames
            self._figures.value = markup.render_figures(
                frames, self.model.gaps, has_reports=self.model.has_reports
            )

    def _draw_pace(self, reading: pd.DataFrame | Exception) -> None:
        overview = self.boards[Overview.__name__]
        if isinstance(overview, Overview):
            overview.draw_pace(reading)

    def _draw_state(self) -> None:
        # first: the page applies one message after the other, and the header has the new time
        self._mark("liq-awaiting", is_so=self.model.is_awaiting_rows)
        with self._header_boundary:
            self._header.value = markup.render_header(self.model)
            self._notice.value = markup.render_notice(self.model)
            self._unknown.value = markup.render_unknown_names(self.model)
            self._watch.value = markup.render_warning(
                diagnosis.check_supervisor(self.model.settings)
            )
            lost = "" if self.model.is_awaiting_rows else self.model.disconnections
            self._coverage.value = markup.render_coverage_notice(lost)
        if self._header_boundary.fault:
            self._header.value = markup.render_broken_header(self._header_boundary.fault)
        is_outdated = self.model.state in (State.FAILED, State.STALE)
        self._mark("liq-outdated", is_so=is_outdated)
        self._tabs.is_busy = self.model.is_awaiting_rows and not is_outdated
        if self.model.frames is not None:
            awaited = "not read" if is_outdated else "loading"
            board = self.boards[self.model.frames.controls.board]
            board.mark(awaited if self.model.is_awaiting_rows else "")

    def _announce(self) -> None:
        """Have screen readers speak the state and the figures, now and then."""
        with self._announcer_boundary:
            figures = sentences.describe_totals(self.model)
            self._announcer.say(sentences.describe_news(self.model), figures)

    def _mark(self, css_class: str, *, is_so: bool) -> None:
        (self.widget.add_class if is_so else self.widget.remove_class)(css_class)


def _list_changes(before: Place, after: Place) -> set[str]:
    """Return the fields that a visitor has changed; a window that grew is no change."""
    changed = {name for name in Place._fields if getattr(before, name) != getattr(after, name)}
    if after.since and after.since == before.since:
        changed.discard("window")
    return changed.union(*(fields for fields in _CHOICES if changed.intersection(fields)))
