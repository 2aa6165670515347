"""Download buttons: the kernel makes a file, and the page saves it on the visitor's machine."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from liq.errors import LiqError
from liq.web.dashboard.faults import explain, log
from liq.web.dashboard.tasks import Tasks


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
