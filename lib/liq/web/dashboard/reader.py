"""Whether somebody looks at the page, and has seen what was sent.

A kernel outlives its page, is preheated before there is one, or shows in a hidden tab. Work for
nobody is work that other readers miss, so live loops wait for a reader. And what a slow page or
line has not taken yet must not be sent more of: it would show ever older data.
"""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import anywidget
import traitlets

PATIENCE = 15.0  # seconds without a sign of life until a reader counts as gone
PAINTING = 5.0  # seconds that a page has to paint


class Reader(anywidget.AnyWidget):
    """A widget whose page sends a sign of life every 5 s while it is visible.

    ``sent`` counts what `painted` asks of the page, ``beat`` the kernel's own signs of life: a page
    that gets none says so, and the widget is invisible otherwise.
    """

    _esm = Path(__file__).with_name("reader.js")

    sent = traitlets.Int(0).tag(sync=True)
    beat = traitlets.Int(0).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._seen = float("-inf")
        self._came, self._painted = asyncio.Event(), asyncio.Event()
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

    async def painted(self) -> None:
        """Return when the page has painted all that was sent so far, or does not say so in time."""
        self._painted.clear()
        self.sent += 1
        with contextlib.suppress(TimeoutError):  # gone, or its line broken for a moment
            async with asyncio.timeout(PAINTING):
                await self._painted.wait()

    def _hear(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "here":
            self._seen = time.monotonic()
            self._came.set()
        elif message.get("type") == "painted" and message.get("sent") == self.sent:
            self._painted.set()
