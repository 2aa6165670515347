"""What the panels of notebooks have in common: buttons, what went wrong, and below it the rest."""

from collections.abc import Callable, Coroutine
from typing import Any

import ipywidgets as widgets
from markupsafe import Markup

from liq.web.dashboard.faults import explain, log
from liq.web.dashboard.guard import Guard
from liq.web.dashboard.html import Html, style_sheet
from liq.web.dashboard.markup import alert
from liq.web.dashboard.tasks import Tasks

Work = Callable[[], Coroutine[Any, Any, None]]


class ButtonPanel:
    """Buttons above what is ``shown``; ``widget`` is what a notebook shows."""

    def __init__(self, *shown: widgets.Widget) -> None:
        self._tasks = Tasks()
        self._buttons, self._problem = widgets.HBox(), Html()
        self._display = Guard("What is shown may be old")  # of what keeps it up to date
        self.widget = widgets.VBox(
            [
                style_sheet("status.css"),
                self._buttons,
                self._problem,
                self._display.place,
                *shown,
            ]
        )
        self.widget.add_class("liq-producers")

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415

        display(self.widget)  # type: ignore[no-untyped-call]

    def _button(self, name: str, work: Work, **look: Any) -> widgets.Button:
        """Add a button for ``work``, whose failure is shown; no other is pressed meanwhile."""
        button = widgets.Button(description=name, **look)
        button.on_click(lambda _button: self._tasks.spawn(self._report(work)))
        self._buttons.children += (button,)
        return button

    async def _settle(self) -> None:
        """Show how things are, and enable what may be pressed: a button's work is done."""

    async def _report(self, work: Work) -> None:
        self._problem.value = Markup()
        for button in self._buttons.children:
            button.disabled = True
        try:
            await work()
        except Exception as error:
            log("a button", error)
            self._problem.value = alert(explain(error))
        finally:
            with self._display:
                await self._settle()
