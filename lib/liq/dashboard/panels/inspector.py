"""The inspector's widgets: what the picked print was made of, under the board."""

import ipywidgets as widgets

from liq.config import Settings
from liq.dashboard import markup
from liq.dashboard.html import Html
from liq.dashboard.inspector import inspect
from liq.errors import LiqError


class Inspector:
    """Hidden until a print is picked; Close hides it again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._content = Html(css_class="liq-inspection")
        close = widgets.Button(description="Close", tooltip="hide the inspector")
        self.widget = widgets.VBox([close, self._content])
        close.on_click(lambda _: self.widget.add_class("liq-hidden"))
        self.widget.add_class("liq-card").add_class("liq-inspector").add_class("liq-hidden")

    def show(self, key: str) -> None:
        """Look the print up and show it, or why it cannot be shown."""
        try:
            self._content.value = markup.inspection(inspect(key, self._settings))
        except LiqError as error:
            self._content.value = markup.alert(str(error))
        self.widget.remove_class("liq-hidden")
