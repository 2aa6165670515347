"""Whether somebody looks at the page.

A kernel outlives its page, is preheated before there is one, or shows in a hidden tab. Work for
nobody is work that other readers miss, so live loops wait for a reader.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import anywidget

PATIENCE = 15.0  # seconds without a sign of life until a reader counts as gone


class Reader(anywidget.AnyWidget):
    """An invisible widget: its page sends a sign of life every 5 s while it is visible."""

    _esm = Path(__file__).with_name("reader.js")

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._seen = float("-inf")
        self._came = asyncio.Event()
        self.on_msg(self._hear)

    @property
    def present(self) -> bool:
        """Whether a sign of life came lately."""
        return time.monotonic() - self._seen < PATIENCE

    async def wait(self) -> None:
        """Return as soon as somebody looks."""
        while not self.present:
            self._came.clear()
            await self._came.wait()

    def _hear(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "here":
            self._seen = time.monotonic()
            self._came.set()
