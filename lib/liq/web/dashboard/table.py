"""A table whose rows can be picked, by mouse or keyboard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget

from liq.web.dashboard.html import HtmlTrait


class Table(anywidget.AnyWidget):
    """Shows ``html``; a row with a ``data-key`` can be picked."""

    _esm = Path(__file__).with_name("table.js")

    html = HtmlTrait().tag(sync=True)

    def on_pick(self, pick: Callable[[str], object]) -> None:
        """Call ``pick`` with the key of each picked row."""

        def receive(_widget: object, message: dict[str, Any], _buffers: object) -> None:
            if message.get("type") == "pick":
                pick(str(message.get("key")))

        self.on_msg(receive)
