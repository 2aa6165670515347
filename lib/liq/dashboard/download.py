"""Buttons that save what the kernel makes as a file of the reader's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from liq.errors import LiqError


class Download(anywidget.AnyWidget):
    """A button a kind of file; ``make`` returns the file's name and bytes when one is pressed.

    What it raises of `LiqError` stands beside the buttons.
    """

    _esm = Path(__file__).with_name("download.js")

    kinds = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, kinds: Sequence[str], make: Callable[[str], tuple[str, bytes]]) -> None:
        super().__init__(kinds=list(kinds))
        self._make = make
        self.on_msg(self._hear)

    def _hear(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        kind = message.get("kind")
        if message.get("type") != "ask" or kind not in self.kinds:
            return
        try:
            name, content = self._make(kind)
        except LiqError as error:
            self.send({"type": "problem", "text": str(error)})
        else:
            self.send({"type": "file", "name": name}, [content])
