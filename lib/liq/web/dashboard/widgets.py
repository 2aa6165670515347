"""The widgets of the page, their tasks, and what shows an error in their place.

Widgets that show HTML accept `Markup`, which escapes its values, and no plain text. JavaScript of
the other widgets is beside this file.
"""

import asyncio
import contextlib
import re
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import anywidget
import ipywidgets as widgets
import numpy as np
import pandas as pd
import traitlets
from markupsafe import Markup

from liq.analysis import links
from liq.analysis.charts import Spec
from liq.errors import LiqError
from liq.web.dashboard.errors import explain, log
from liq.web.dashboard.markup import NOT_LIVE, render_error

Span = tuple[datetime, datetime]
Choose = Callable[[str, str], object]  # of a filter's field and name

TIMEOUT_S = 15.0  # a page without a heartbeat for this long is gone or hidden
PAINT_TIMEOUT_S = 5.0
_LOG_AGAIN_S = 60.0
_NEWS_PAUSE_S = 5.0  # between two lines for screen readers, at least
_FIGURES_PAUSE_S = 60.0  # between two lines with no news in them
_LEAST = 32  # a shorter column of a chart is as small in text
_COLUMNS = {"x", "y", "open", "high", "low", "close"}
UPLOT_JS = Path(__file__).with_name("uPlot.iife.min.js")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")


class Tasks:
    """Keeps running tasks, which Python's garbage collector could otherwise delete."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether any task runs."""
        return bool(self._running)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``, which shows its own errors; any other exception is logged."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._remove)

    def _remove(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log("a task", error)


class HtmlTrait(traitlets.TraitType[Markup, Markup]):
    """A trait for HTML. Raises `traitlets.TraitError` for text that is no `Markup`."""

    default_value = Markup()
    info_text = "markupsafe.Markup, as liq.common.html makes it: plain text could hold a script"

    def validate(self, obj: Any, value: Any) -> Markup:
        """Return the value if it is `Markup`."""
        if not isinstance(value, Markup):
            self.error(obj, value)
        return value


class Html(widgets.HTML):  # type: ignore[misc] # ipywidgets ships no types
    """A piece of HTML. It has the class ``liq-filled`` unless it is empty.

    A style sheet that looked for what is empty, by ``:has()``, would let the browser style the
    whole page again for each element that any part of it draws.
    """

    value = HtmlTrait().tag(sync=True)

    def __init__(self, value: Markup | None = None, css_class: str = "", **traits: Any) -> None:
        super().__init__(value=value or Markup(), **traits)
        if css_class:
            self.add_class(css_class)

    def notify_change(self, change: Any) -> None:
        """Send a new value together with its class."""
        if change["name"] != "value":
            super().notify_change(change)
            return
        with self.hold_sync():
            (self.add_class if self.value else self.remove_class)("liq-filled")
            super().notify_change(change)


def load_style_sheet(name: str) -> Html:
    """Return an element that adds a style sheet of this package to the page."""
    css = Path(__file__).with_name(name).read_text()
    return Html(Markup("<style>{}</style>").format(Markup(css)))  # noqa: S704 - a file of ours


class ErrorBoundary:
    """A part of the page that shows its own exceptions only: ``with boundary:`` around its drawing.

    An exception is shown until the next block succeeds. ``place`` is the widget that shows it.
    ``fault`` is its text, "" without an exception. The traceback goes to the log of the process
    that serves the page: `liq logs dashboard`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fault = ""
        self.place = Html(css_class="liq-fault")
        self._logged = ("", float("-inf"))

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        """Show and suppress an exception; `KeyboardInterrupt` and cancellations pass."""
        if error is None:
            self.clear()
        elif isinstance(error, Exception):
            self.show(error)
        return isinstance(error, Exception)

    def show(self, error: Exception) -> None:
        """Show ``error`` and log it."""
        self.fault = explain(error)
        self._log(error)
        self.place.value = render_error(f"{self.name}: {self.fault} (see `liq logs dashboard`)")

    def clear(self) -> None:
        """Remove the error."""
        if self.fault:
            self.fault, self.place.value = "", Markup()

    def wrap(self, act: Callable[..., object]) -> Callable[..., None]:
        """Return ``act`` within this boundary, for callbacks of clicks and messages."""

        def run_guarded(*args: Any) -> None:
            with self:
                act(*args)

        return run_guarded

    def _log(self, error: Exception) -> None:
        """Log the error, but the same kind once a minute: redraws come many times a second."""
        kind, then = self._logged
        now = time.monotonic()
        if type(error).__name__ != kind or now - then > _LOG_AGAIN_S:
            self._logged = (type(error).__name__, now)
            log(self.name, error)


def pack_spec(spec: Spec, _widget: object = None) -> Spec:
    """Return the figure with long columns of its traces in base64.

    Numbers are plotly's typed arrays. Times are ``{"times": ...}``, milliseconds that plot.js makes
    texts of: plotly reads numbers as times of the browser's zone.
    """
    traces = [
        {
            name: _pack_column(values) if name in _COLUMNS else values
            for name, values in trace.items()
        }
        for trace in spec["data"]
    ]
    return spec | {"data": traces}


def _pack_column(values: Any) -> Any:
    if not isinstance(values, list) or len(values) < _LEAST:
        return values
    times = isinstance(values[0], str) and _TIME.match(values[0])
    try:
        numbers = np.array(values, "datetime64[ms]" if times else "f8").astype("<f8")
    except ValueError:  # names, e.g. of symbols
        return values
    packed = b64encode(numbers.tobytes()).decode()
    return {"times": packed} if times else {"dtype": "f8", "bdata": packed}


def pack_panels(spec: Spec, _widget: object = None) -> Spec:
    """Return `liq.analysis.charts.prices.create_panels` with each column in base64, as float64."""
    tables = {
        name: {
            column: b64encode(np.array(values, "<f8").tobytes()).decode()
            for column, values in table.items()
        }
        for name, table in spec["tables"].items()
    }
    return spec | {"tables": tables}


class Plot(anywidget.AnyWidget):
    """Shows ``spec``, a figure of `liq.analysis.charts` as plain data; assigning it redraws.

    plotly's ``FigureWidget`` sends the whole plotly.js (4.6 MB) with every instance and validates
    every property of every update in Python. `Plot` sends plain data, and plotly.js at most once a
    page. A page whose server provides it (``window.Plotly``) needs none from the kernel. Long
    columns of numbers and times are sent as typed arrays, which take half the bytes.

    With ``brush`` the horizontal axis is time, and `on_brush` receives a range drawn on it. Plots
    of one ``group`` have the same left and right edge, so a moment is at the same place in each.
    """

    _esm = Path(__file__).with_name("plot.js")

    spec: "traitlets.Dict[str, Any]" = traitlets.Dict({"data": [], "layout": {}}).tag(
        sync=True, to_json=pack_spec
    )
    label = traitlets.Unicode("chart").tag(sync=True)  # what screen readers speak in its place
    sentence = traitlets.Unicode("chart")  # the label of a chart whose numbers count
    state = traitlets.Unicode()  # why they do not count, such as "loading"; else ""
    brush = traitlets.Bool(default_value=False).tag(sync=True)
    group = traitlets.Unicode().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.add_class("liq-chart")
        self.on_msg(self._send_library)

    @traitlets.observe("sentence", "state")
    def _set_label(self, _change: object) -> None:
        name, _, _ = self.sentence.partition(":")
        self.label = f"{name}: {self.state}." if self.state else self.sentence

    def on_brush(self, brushed: Callable[[Span | None], bool], boundary: ErrorBoundary) -> None:
        """Call ``brushed`` with the start and end of a drawn range; None after a double-click.

        If it returns False, the chart shows its own range again. ``boundary`` shows its exceptions.
        """

        @boundary.wrap
        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "brush":
                span = _parse_moment(message["from"]), _parse_moment(message["to"])
                if not brushed(span):
                    self.send({"type": "undo"})
            elif message.get("type") == "unbrush":
                brushed(None)

        self.on_msg(receive)

    def on_choose(self, choose: Choose, follow: Callable[[str], object]) -> None:
        """Call ``choose`` for a clicked mark whose trace names a filter, ``follow`` for a link.

        The trace's ``meta`` has the ``filter`` and perhaps the ``name``, which is otherwise the
        mark's ``customdata``. A link is the mark's text in ``ids``.
        """
        _receive_choices(self, choose, follow)

    def _send_library(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "plotly.js":
            self.send({"type": "plotly.js"}, [find_plotly_js().read_bytes()])


class PricePlot(Plot):
    """Shows ``spec``, the board of prices of `liq.analysis.charts.prices.create_panels`.

    uPlot draws it, in a fraction of the time that plotly takes. A page of this server loads uPlot
    once, when a board of prices is first shown. Other pages get it from the kernel.
    """

    _esm = Path(__file__).with_name("prices.js")

    spec: "traitlets.Dict[str, Any]" = traitlets.Dict({"tables": {}}).tag(
        sync=True, to_json=pack_panels
    )

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.add_class("liq-price-chart")

    def _send_library(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "uPlot.js":
            self.send({"type": "uPlot.js"}, [UPLOT_JS.read_bytes()])


class PickTable(anywidget.AnyWidget):
    """Shows ``html``; the names of filters and the links ``?...`` in it can be pressed."""

    _esm = Path(__file__).with_name("table.js")

    html = HtmlTrait().tag(sync=True)

    def on_choose(self, choose: Choose, follow: Callable[[str], object]) -> None:
        """Call ``choose`` for a pressed name of a filter, ``follow`` with the query of a link.

        A new tab opens a link by itself.
        """
        _receive_choices(self, choose, follow)


class Tape(PickTable):
    """Shows rows of single prints, which hold still while the pointer or the focus is on them.

    Rows of another ``scope`` replace the shown ones at once, as the visitor asked for them.
    """

    _esm = Path(__file__).with_name("tape.js")

    scope = traitlets.Unicode().tag(sync=True)

    def show(self, html: Markup, scope: str) -> None:
        """Show ``html``, the rows of ``scope``."""
        with self.hold_sync():
            self.html, self.scope = html, scope

    def on_pick(self, pick: Callable[[str], object]) -> None:
        """Call ``pick`` with the key of each picked row."""

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "pick":
                pick(str(message.get("key")))

        self.on_msg(receive)


class Picker(anywidget.AnyWidget):
    """A field that adds and removes names: ``value`` has the chosen ones.

    ``options`` are the names that it offers, each with the group below which it is listed. A
    ``single`` field has one name at most: another name replaces it. ``plural`` says what the names
    are, as in "all symbols". ``error`` is what is wrong with what was typed.
    """

    _esm = Path(__file__).with_name("picker.js")

    label = traitlets.Unicode().tag(sync=True)
    plural = traitlets.Unicode().tag(sync=True)
    single = traitlets.Bool(default_value=False).tag(sync=True)
    value = traitlets.List(traitlets.Unicode()).tag(sync=True)
    options = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)

    def on_type(self, add: Callable[[str], object]) -> None:
        """Call ``add`` with a typed text that names none of the options for sure."""

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "typed":
                add(str(message.get("text", "")))

        self.on_msg(receive)


class Chips(anywidget.AnyWidget):
    """The filters in use, from `liq.web.dashboard.filters`, with buttons that remove them."""

    _esm = Path(__file__).with_name("chips.js")

    chips = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)

    def on_remove(
        self, remove: Callable[[str, str], object], remove_all: Callable[[], object]
    ) -> None:
        """Call ``remove`` with the field and the name of a removed filter, or ``remove_all``."""

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "clear":
                remove(str(message.get("field")), str(message.get("name")))
            elif message.get("type") == "clear all":
                remove_all()

        self.on_msg(receive)


class RuleForm(anywidget.AnyWidget):
    """Shows ``html``, the table of rules, and a form; ``result`` is what a rule would have raised.

    ``catalogue`` has the queries with the units of their columns, ``params`` the fields for their
    parameters, ``messages`` the default message of a rule on a row, and on all rows.
    """

    _esm = Path(__file__).with_name("rules.js")

    html = HtmlTrait().tag(sync=True)
    result = HtmlTrait().tag(sync=True)
    catalogue = traitlets.Dict().tag(sync=True)
    params = traitlets.Dict().tag(sync=True)
    messages = traitlets.Dict().tag(sync=True)

    def on_act(self, act: Callable[[Mapping[str, Any]], object]) -> None:
        """Call ``act`` with each message of the page."""

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            act(message)

        self.on_msg(receive)


class Tabs(anywidget.AnyWidget):
    """Tabs, of which ``value`` is chosen; the arrow keys move between them.

    ``is_busy`` says that the panel below loads what is chosen, and still shows something else.
    """

    _esm = Path(__file__).with_name("tabs.js")

    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)
    is_busy = traitlets.Bool(default_value=False).tag(sync=True)


class Fold(anywidget.AnyWidget):
    """A button that shows and hides the page's controls, where the screen is narrow."""

    _esm = Path(__file__).with_name("fold.js")

    label = traitlets.Unicode().tag(sync=True)


class More(anywidget.AnyWidget):
    """A button that shows the notices beside it in full, where a line has no room for them."""

    _esm = Path(__file__).with_name("more.js")


class SpanForm(anywidget.AnyWidget):
    """Fields for ``start`` and ``end`` of the window as text, and a button that shows it.

    ``errors`` has what is wrong with what was typed, by the name of the field.
    """

    _esm = Path(__file__).with_name("span.js")

    start = traitlets.Unicode().tag(sync=True)
    end = traitlets.Unicode().tag(sync=True)
    errors = traitlets.Dict().tag(sync=True)

    def show(self, start: str, end: str) -> None:
        """Put texts into the fields, except for a field in which somebody types."""
        self.start, self.end = start, end
        self.send({"type": "shown"})

    def on_submit(self, show: Callable[[str, str], object]) -> None:
        """Call ``show`` with the texts of the two fields."""

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "span":
                show(str(message.get("start", "")), str(message.get("end", "")))

        self.on_msg(receive)


class AmountField(anywidget.AnyWidget):
    """A field for an amount of money: ``value`` is its text, ``error`` what is wrong with it."""

    _esm = Path(__file__).with_name("amount.js")

    label = traitlets.Unicode().tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)

    def show(self, text: str) -> None:
        """Replace the text, except while somebody types."""
        self.value, self.error = text, ""
        self.send({"type": "shown"})

    def on_type(self, choose: Callable[[str], object]) -> None:
        """Call ``choose`` with a typed text."""

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "typed":
                choose(str(message.get("text", "")))

        self.on_msg(receive)


class CloseButton(anywidget.AnyWidget):
    """A button that closes a panel, as Escape does. It takes the focus and gives it back."""

    _esm = Path(__file__).with_name("close.js")

    def on_close(self, close: Callable[[], object]) -> None:
        """Call ``close`` when the panel is to be hidden."""

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "close":
                close()

        self.on_msg(receive)

    def take_focus(self) -> None:
        """Move the focus into the panel, which is visible now."""
        self.send({"type": "open"})


class Announcer(anywidget.AnyWidget):
    """A line for screen readers, which speak it when it changes: `say` changes it seldom."""

    _esm = Path(__file__).with_name("announce.js")

    text = traitlets.Unicode().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._news = ""
        self._said_at = float("-inf")

    def say(self, news: str, figures: str) -> None:
        """Say ``news`` and ``figures`` once ``news`` changes, and ``figures`` once a minute."""
        silence = time.monotonic() - self._said_at
        if news != self._news and silence >= _NEWS_PAUSE_S:
            self.text = f"{news} {figures}"
        elif silence >= _FIGURES_PAUSE_S:
            self.text = figures
        else:
            return
        self._news, self._said_at = news, time.monotonic()


class Alarm(anywidget.AnyWidget):
    """Sounds, notifications and a title for new ``alerts``, as each browser has asked for them.

    ``ready`` says that the alerts were read once: those are no news.
    """

    _esm = Path(__file__).with_name("alarm.js")

    alerts = traitlets.List(traitlets.Dict()).tag(sync=True)
    ready = traitlets.Bool(default_value=False).tag(sync=True)

    def show(self, raised: pd.DataFrame, here: links.Place) -> None:
        """Report ``raised``, the newest rows of the query ``alerts``.

        A notification leads to the moment of its alert, with the filters of ``here``.
        """
        rows: Iterator[Any] = raised.itertuples(index=False)
        with self.hold_sync():
            self.alerts = [
                {
                    "id": f"{each.ts.isoformat()} {each.rule} {each.subject}",
                    "severity": str(each.severity),
                    "rule": str(each.rule),
                    "message": str(each.message),
                    "mark": "" if each.live else NOT_LIVE,
                    "link": links.build_link(
                        links.keep_filters(links.locate_alert(each.ts, str(each.query)), here)
                    ),
                }
                for each in rows
            ]
            self.ready = True


class PageAddress(anywidget.AnyWidget):
    """The address of a page of `liq dashboard`: read, kept up to date, copied by a button.

    ``query`` is the part after ``?``, see `liq.analysis.links`. ``answered`` is the number of the
    page's last message that ``query`` answers. Until then the page leaves its address alone. In
    JupyterLab, whose address is not the dashboard's, it is invisible and only reports what the
    browser prefers.
    """

    _esm = Path(__file__).with_name("address.js")

    query = traitlets.Unicode().tag(sync=True)
    answered = traitlets.Int(0).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._asked = 0

    def answer(self) -> None:
        """Have the page write ``query``, which is what its last address names."""
        self.answered = self._asked

    def on_open(self, show: Callable[[str], object], back: Callable[[str], object]) -> None:
        """Call ``show`` with the query of an opened page, ``back`` with one that Back returns to.

        They or their tasks call `answer` at the end.
        """
        acts = {"opened": show, "returned": back}

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if act := acts.get(str(message.get("type"))):
                number = message.get("number")
                self._asked = number if isinstance(number, int) else self._asked
                act(str(message.get("query")))

        self.on_msg(receive)

    def on_visitor(self, prefer: Callable[[Any, Any], object]) -> None:
        """Call ``prefer`` with the browser's time zone and theme, as the page sends them."""

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "visitor":
                prefer(message.get("zone"), message.get("theme"))

        self.on_msg(receive)


class PageLayout(anywidget.AnyWidget):
    """Buttons that arrange the panels of a board, and show it on the whole screen.

    The browser keeps the arrangement, so each person has their own.
    """

    _esm = Path(__file__).with_name("layout.js")


class Download(anywidget.AnyWidget):
    """A button for each kind of file; ``make`` returns the name and bytes of a file of that kind.

    ``make`` runs on its own thread. Its error is shown beside the buttons.
    """

    _esm = Path(__file__).with_name("download.js")

    kinds = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, kinds: Sequence[str], make: Callable[[str], tuple[str, bytes]]) -> None:
        super().__init__(kinds=list(kinds))
        self._make = make
        self._tasks = Tasks()
        self.on_msg(self._receive)

    def _receive(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        kind = message.get("kind")
        if message.get("type") == "request" and kind in self.kinds:
            self._tasks.spawn(self._send_file(str(kind)))

    async def _send_file(self, kind: str) -> None:
        try:  # in a thread: a large file must not block the kernel's messages
            name, content = await asyncio.to_thread(self._make, kind)
        except LiqError as error:
            self.send({"type": "problem", "text": str(error)})
        except Exception as error:  # the page enables its buttons when it receives a message
            log("download", error)
            text = f"Cannot make the file: {explain(error)}; see `liq logs dashboard`"
            self.send({"type": "problem", "text": text})
        else:
            self.send({"type": "file", "name": name}, [content])


class PageHeartbeat(anywidget.AnyWidget):
    """Heartbeats between a page and its kernel, and reports of what the page has painted.

    A kernel outlives its page, is preheated before there is one, or belongs to a hidden tab. Work
    for a hidden page slows the pages of other visitors, so the dashboard pauses until the page is
    visible. It also waits until an update is painted: updates would queue in a slow page, which
    would then show ever older data.

    The page sends a heartbeat every 5 s while it is visible. ``beat`` counts the kernel's own
    heartbeats; a page that receives none shows a notice. The widget is invisible otherwise.
    ``update`` is the number of the last update to be painted.
    """

    _esm = Path(__file__).with_name("heartbeat.js")

    update = traitlets.Int(0).tag(sync=True)
    beat = traitlets.Int(0).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._received_at = float("-inf")
        self._received, self._painted = asyncio.Event(), asyncio.Event()
        self.on_msg(self._receive)

    @property
    def is_visible(self) -> bool:
        """Whether the page sent a heartbeat lately."""
        return time.monotonic() - self._received_at < TIMEOUT_S

    async def wait_until_visible(self) -> None:
        """Return as soon as the page is visible."""
        while not self.is_visible:
            self._received.clear()
            await self._received.wait()

    async def wait_until_painted(self) -> None:
        """Return when the page has painted all that was sent so far, or after a timeout."""
        self._painted.clear()
        self.update += 1
        with contextlib.suppress(TimeoutError):  # the page is gone, or its connection is lost
            async with asyncio.timeout(PAINT_TIMEOUT_S):
                await self._painted.wait()

    def _receive(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "visible":
            self._received_at = time.monotonic()
            self._received.set()
        elif message.get("type") == "painted" and message.get("update") == self.update:
            self._painted.set()


def _receive_choices(
    widget: anywidget.AnyWidget, choose: Choose, follow: Callable[[str], object]
) -> None:
    """Call ``choose`` and ``follow`` with what a page sends when a name or a link is pressed."""

    def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "filter":
            choose(str(message.get("field")), str(message.get("name")))
        elif message.get("type") == "follow":
            follow(str(message.get("query")))

    widget.on_msg(receive)


def _parse_moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def find_plotly_js() -> Path:
    """Return the path of the plotly.js in the installed plotly."""
    import plotly  # noqa: PLC0415 - the server provides it to most pages

    return Path(plotly.__file__).with_name("package_data") / "plotly.min.js"
