"""Heartbeats between a page and its kernel, and reports of what the page has painted.

A kernel outlives its page, is preheated before there is one, or belongs to a hidden tab. Work for
a hidden page slows the pages of other visitors, so the dashboard pauses until the page is visible.
It also waits until an update is painted: updates would queue in a slow page, which would then show
ever older data.
"""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import anywidget
import traitlets

TIMEOUT_S = 15.0  # a page without a heartbeat for this long is gone or hidden
PAINT_TIMEOUT_S = 5.0


class Heartbeat(anywidget.AnyWidget):
    """A widget whose page sends a heartbeat every 5 s while it is visible.

    ``beat`` counts the kernel's own heartbeats; a page that receives none shows a notice. The
    widget is invisible otherwise. ``update`` is the number of the last update to be painted.
    """

    _esm = Path(__file__).with_name("heartbeat.js")

    update = traitlets.Int(0).tag(sync=True)
    beat = traitlets.Int(0).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._received_at = float("-inf")
        self._received, self._painted = asyncio.Event(), asyncio.Event()
        self.on_msg(self._receive)

    @property
    def is_visible(self) -> bool:
        """Whether the page sent a heartbeat lately."""
        return time.monotonic() - self._received_at < TIMEOUT_S

    async def wait_until_visible(self) -> None:
        """Return as soon as the page is visible."""
        while not self.is_visible:
            self._received.clear()
            await self._received.wait()

    async def wait_until_painted(self) -> None:
        """Return when the page has painted all that was sent so far, or after a timeout."""
        self._painted.clear()
        self.update += 1
        with contextlib.suppress(TimeoutError):  # the page is gone, or its connection is lost
            async with asyncio.timeout(PAINT_TIMEOUT_S):
                await self._painted.wait()

    def _receive(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        if message.get("type") == "visible":
            self._received_at = time.monotonic()
            self._received.set()
        elif message.get("type") == "painted" and message.get("update") == self.update:
            self._painted.set()
