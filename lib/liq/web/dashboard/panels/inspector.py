"""The inspector's widgets: what the picked print was made of, under the board."""

import asyncio

import ipywidgets as widgets
from markupsafe import Markup

from liq.config import Settings
from liq.web.dashboard import markup
from liq.web.dashboard.guard import Guard
from liq.web.dashboard.html import Html
from liq.web.dashboard.inspector import inspect
from liq.web.dashboard.tasks import Tasks


class Inspector:
    """Hidden until a print is picked; Close hides it again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tasks = Tasks()
        self._wanted = ""
        self._content = Html(css_class="liq-inspection")
        close = widgets.Button(description="Close", tooltip="hide the inspector")
        self._guard = Guard("Inspector")
        self.widget = widgets.VBox([close, self._guard.place, self._content])
        close.on_click(lambda _: self.widget.add_class("liq-hidden"))
        self.widget.add_class("liq-card").add_class("liq-inspector").add_class("liq-hidden")

    def show(self, key: str) -> None:
        """Look the print up and show it, or why it cannot be shown."""
        self.widget.remove_class("liq-hidden")
        self._content.value = Markup()  # another print's making must not stand for this one
        self._wanted = key
        self._tasks.spawn(self._look_up(key))

    async def _look_up(self, key: str) -> None:
        with self._guard:  # off the loop: a slow QuestDB must not keep the page waiting
            found = await asyncio.to_thread(inspect, key, self._settings)
            if key == self._wanted:
                self._content.value = markup.inspection(found)
