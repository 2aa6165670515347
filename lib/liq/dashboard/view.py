"""The dashboard's widgets: controls, charts and tape around a `DashboardModel`."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

import ipywidgets as widgets

from liq import charts
from liq.config import Settings
from liq.dashboard import markup
from liq.dashboard.model import DashboardModel, Reading, State
from liq.dashboard.plot import Plot
from liq.dashboard.reader import Reader
from liq.errors import QueryError
from liq.parameters import duration

WINDOWS = ("5m", "15m", "1h", "4h", "12h", "1d", "7d", "30d")
_FASTEST = 0.1  # seconds from one tick to the next, at least
_SLOW = 3.0  # seconds to wait for an answer before telling so
_CSS = Path(__file__).with_name("style.css")


class Dashboard:
    """The live dashboard. ``start()`` lets it live; ``widget`` is what a notebook shows.

    The controls' first values are given here: width of a bar, how far back, which of the venues'
    symbols (none: all), least size of a print in USD. The first frames are drawn when it is built,
    so a page has data before the first tick; ``interval`` is the seconds between looks for more.
    """

    def __init__(
        self,
        *,
        bucket: str = "1m",
        window: str = "1h",
        symbols: Iterable[str] = (),
        min_notional: float = 0.0,
        settings: Settings | None = None,
        interval: float = 0.25,
        theme: charts.ThemeName = "dark",
    ) -> None:
        if theme not in charts.THEMES:
            raise QueryError(f"theme={theme!r} is not one of: {', '.join(charts.THEMES)}")
        self.model = DashboardModel(
            settings, bucket=bucket, window=window, symbols=list(symbols), min_notional=min_notional
        )
        self.theme = theme
        self._interval = max(interval, _FASTEST)
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._build()
        self.model.observe(self._nudge, ["bucket", "window", "symbols", "min_notional", "paused"])
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
            self._wake.clear()
            try:
                self._take(await self._read())
            except Exception as error:  # whatever it is, the reader must not be shown a dead page
                self.model.fail(f"The dashboard stumbled over {error!r}")
                self._draw_state()
            pause = max(self._interval, time.monotonic() - began)  # half of the time at most
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            await asyncio.sleep(max(0.0, began + _FASTEST - time.monotonic()))

    async def _read(self) -> Reading:
        # off the loop: a slow QuestDB must not keep the kernel from hearing the reader
        reading = asyncio.create_task(asyncio.to_thread(self.model.read))
        while not (await asyncio.wait({reading}, timeout=_SLOW))[0]:
            self.model.fail("QuestDB does not answer; `liq status` tells whether it runs")
            self._draw_state()
        return await reading

    def _take(self, reading: Reading) -> None:
        if self.model.apply(reading):
            self._draw_frames()
        self._draw_state()

    def _nudge(self, _change: object) -> None:
        self._wake.set()

    def _build(self) -> None:
        self._reader = Reader()
        style = widgets.HTML(f"<style>{_CSS.read_text()}</style>")
        hidden = widgets.Box([self._reader, style]).add_class("liq-hidden")
        self._header, self._notice = _html("liq-header"), _html("liq-notices")
        self._figures, self._tape = _html("liq-figures"), _html("liq-tape")
        self._footnote = _html("liq-footnote")
        self.bars, self.net, self.symbols, self.exchanges = Plot(), Plot(), Plot(), Plot()
        self._bars_title = _html("liq-heading")
        board = widgets.Box(
            [
                _card("liq-bars", self._bars_title, self.bars),
                _card("liq-net", _heading("Cumulative long minus short"), self.net),
                _card("liq-symbols", _heading("Top symbols"), self.symbols),
                _card("liq-exchanges", _heading("By exchange"), self.exchanges),
                _card("liq-prints", _heading("Tape"), self._tape),
            ]
        ).add_class("liq-board")
        self.widget = widgets.VBox(
            [
                hidden,
                self._header,
                self._controls(),
                self._notice,
                self._figures,
                board,
                self._footnote,
            ]
        ).add_class("liq-root")
        self.widget.add_class(f"liq-{self.theme}")

    def _controls(self) -> widgets.Widget:
        model = self.model
        bucket = widgets.Dropdown(options=model.buckets, description="Bucket")
        window = widgets.Dropdown(
            options=sorted({*WINDOWS, model.window}, key=duration), description="Window"
        )
        symbols = widgets.TagsInput(allow_duplicates=False, placeholder="all symbols")
        least = widgets.BoundedFloatText(
            min=0, max=1e12, step=1000, description="Min size (USD)", continuous_update=False
        )
        pause = widgets.ToggleButton(tooltip="stop and resume the redraws")
        light = widgets.ToggleButton(description="Light", tooltip="light or dark")
        for control, trait in ((bucket, "bucket"), (window, "window"), (symbols, "symbols"),
                               (least, "min_notional"), (pause, "paused")):  # fmt: skip
            widgets.link((model, trait), (control, "value"))
        light.value = self.theme == "light"
        light.observe(lambda change: self._set_theme("light" if change["new"] else "dark"), "value")
        widgets.dlink((model, "paused"), (pause, "description"), _pause_label)
        widgets.dlink((model, "symbols"), (symbols, "placeholder"), _symbols_hint)
        widgets.dlink((model, "known_symbols"), (symbols, "allowed_tags"), self._offered)
        label = widgets.Label("Symbols").add_class("liq-label")
        return widgets.Box([bucket, window, label, symbols, least, pause, light]).add_class(
            "liq-controls"
        )

    def _offered(self, known: tuple[str, ...]) -> list[str]:
        return sorted({*known, *self.model.symbols})  # a chosen one without prints stays valid

    def _set_theme(self, theme: charts.ThemeName) -> None:
        self.widget.remove_class(f"liq-{self.theme}").add_class(f"liq-{theme}")
        self.theme = theme
        self._draw_frames()

    def _draw_frames(self) -> None:
        frames = self.model.frames
        if frames is not None:
            theme, gaps, span = self.theme, self.model.gaps, (frames.start, frames.end)
            badge = charts.source_badge(frames.sources)
            self._bars_title.value = markup.bars_title(frames, self.model.bucket)
            self.bars.spec = charts.bars.spec(frames.bars, theme, span=span, gaps=gaps, badge=badge)
            self.net.spec = charts.cumulative_net.spec(
                frames.net, theme, span=span, gaps=gaps, badge=badge
            )
            self.symbols.spec = charts.top_symbols.spec(frames.symbols, theme, badge=badge)
            self.exchanges.spec = charts.by_exchange.spec(frames.exchanges, theme, badge=badge)
        self._figures.value = markup.figures(frames)
        self._tape.value = markup.tape(frames)
        self._footnote.value = markup.footnote(frames)

    def _draw_state(self) -> None:
        self._header.value = markup.header(self.model)
        self._notice.value = markup.notice(self.model)
        dim = (
            self.widget.add_class if self.model.state is State.FAILED else self.widget.remove_class
        )
        dim("liq-outdated")


def _pause_label(paused: bool) -> str:  # noqa: FBT001 - traitlets calls it with the value
    return "Resume" if paused else "Pause"


def _symbols_hint(chosen: list[str]) -> str:
    return "add one" if chosen else "all symbols"


def _html(css_class: str) -> widgets.HTML:
    return widgets.HTML().add_class(css_class)


def _heading(text: str) -> widgets.HTML:
    heading = _html("liq-heading")
    heading.value = f"<h3>{text}</h3>"
    return heading


def _card(css_class: str, *children: widgets.Widget) -> widgets.Box:
    return widgets.VBox(list(children)).add_class("liq-card").add_class(css_class)
