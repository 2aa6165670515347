"""Buttons that save what the kernel makes as a file of the reader's."""

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
    """A button a kind of file; ``make`` returns the file's name and bytes when one is pressed.

    It runs on a thread of its own. What it raises stands beside the buttons.
    """

    _esm = Path(__file__).with_name("download.js")

    kinds = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, kinds: Sequence[str], make: Callable[[str], tuple[str, bytes]]) -> None:
        super().__init__(kinds=list(kinds))
        self._make = make
        self._tasks = Tasks()
        self.on_msg(self._hear)

    def _hear(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        kind = message.get("kind")
        if message.get("type") == "ask" and kind in self.kinds:
            self._tasks.spawn(self._answer(str(kind)))

    async def _answer(self, kind: str) -> None:
        try:  # off the loop: a large file must not keep the kernel from hearing the reader
            name, content = await asyncio.to_thread(self._make, kind)
        except LiqError as error:
            self.send({"type": "problem", "text": str(error)})
        except Exception as error:  # whatever it is, the buttons must be of use again
            log("download", error)
            text = f"No file could be made: {explain(error)}; see `liq logs dashboard`"
            self.send({"type": "problem", "text": text})
        else:
            self.send({"type": "file", "name": name}, [content])
