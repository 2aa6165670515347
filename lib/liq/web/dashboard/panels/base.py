"""The base of all panels: buttons, an error message, and below them the state."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import ipywidgets as widgets
from markupsafe import Markup

from liq.common.html import join
from liq.web.dashboard.errors import explain, log
from liq.web.dashboard.markup import render_error
from liq.web.dashboard.widgets import ErrorBoundary, Html, Tasks, load_style_sheet

Work = Callable[[], Coroutine[Any, Any, None]]

REFRESH_S = 0.5  # between the points of a sparkline
HISTORY = 240  # points of a sparkline
_WIDTH, _HEIGHT = 240, 28  # pixels of a sparkline


class Panel:
    """Buttons above the widgets ``shown``; a notebook displays ``widget``."""

    def __init__(self, *shown: widgets.Widget) -> None:
        self._tasks = Tasks()
        self._buttons, self._problem = widgets.HBox(), Html()
        self._display = ErrorBoundary("This panel may be outdated")  # of the refreshes
        self.widget = widgets.VBox(
            [
                load_style_sheet("panels.css"),
                self._buttons,
                self._problem,
                self._display.place,
                *shown,
            ]
        )
        self.widget.add_class("liq-panel")

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415

        display(self.widget)  # type: ignore[no-untyped-call]

    def _add_button(self, name: str, work: Work, **options: Any) -> widgets.Button:
        """Add a button that runs ``work``, shows its error and disables all buttons meanwhile."""
        button = widgets.Button(description=name, **options)
        button.on_click(lambda _button: self._tasks.spawn(self._run(work)))
        self._buttons.children += (button,)
        return button

    async def _update(self) -> None:
        """Show the current state and enable the buttons that apply."""

    async def _run(self, work: Work) -> None:
        self._problem.value = Markup()
        for button in self._buttons.children:
            button.disabled = True
        try:
            await work()
        except Exception as error:
            log("a button", error)
            self._problem.value = render_error(explain(error))
        finally:
            with self._display:
                await self._update()


def render_numbers(named: Iterable[tuple[str, str]]) -> Markup:
    """Return values, each with its name above it."""
    one = Markup("<span><small>{}</small>{}</span>")
    return join(one.format(name, value) for name, value in named)


def render_sparkline(rates: Sequence[float]) -> Markup:
    """Return rates as a line, oldest to newest, scaled to the highest rate."""
    top = max(rates, default=0.0) or 1.0
    step = _WIDTH / (HISTORY - 1)
    points = " ".join(
        f"{i * step:.1f},{(_HEIGHT - 1) * (1 - rate / top) + 0.5:.1f}"
        for i, rate in enumerate(rates)
    )
    label = f"rate of the last {HISTORY * REFRESH_S:.0f} s, at most {top:.1f}/s"
    return Markup(
        '<svg width="{}" height="{}" role="img" aria-label="{}"><polyline points="{}"/></svg>'
    ).format(_WIDTH, _HEIGHT, label, points)
