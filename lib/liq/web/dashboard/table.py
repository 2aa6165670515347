"""A table whose rows can be picked, by mouse or keyboard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget

from liq.web.dashboard.html import HtmlTrait


class Table(anywidget.AnyWidget):
    """Shows ``html``, in which a row that can be picked is a ``tr`` with a ``data-key``."""

    _esm = Path(__file__).with_name("table.js")

    html = HtmlTrait().tag(sync=True)

    def on_pick(self, pick: Callable[[str], object]) -> None:
        """Call ``pick`` with the key of a row that the reader picked."""

        def hear(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "pick":
                pick(str(message.get("key")))

        self.on_msg(hear)
