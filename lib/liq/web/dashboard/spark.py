"""A Spark job in a notebook: buttons that start and stop it, and what it is doing."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from markupsafe import Markup

from liq.errors import LiqError
from liq.web.dashboard.frame import ButtonPanel
from liq.web.dashboard.html import Html
from liq.web.dashboard.status import HISTORY, numbers, sparkline

if TYPE_CHECKING:
    from liq.analysis.spark import Job, Progress

_REFRESH = 0.5  # seconds


class JobPanel(ButtonPanel):
    """Shows a `liq.analysis.spark.Job` and runs it beside the kernel: a notebook goes on meanwhile.

    ``widget`` is what a notebook shows. Start and Stop do what `start` and `stop` do.
    """

    def __init__(self, job: "Job") -> None:
        self.job = job
        self._latest = job.progress()
        self._rates: deque[float] = deque(maxlen=HISTORY)
        self._refreshing: asyncio.Task[None] | None = None
        self._status = Html()
        super().__init__(self._status)
        self._start = self._button("Start", self.start, button_style="success")
        self._stop = self._button("Stop", self.stop)
        self._show("stopped")

    async def start(self) -> None:
        """Start the job, which takes seconds, and show what it does. Raises as it does."""
        if not self.job.running:
            self._show("connecting")
            with self._failing():
                await self.job.start()
            self._refreshing = asyncio.create_task(self._refresh(), name="liq-spark-panel")

    async def stop(self) -> None:
        """Stop the job; its last figures stay. Raises what made it fail."""
        if self._refreshing:
            self._refreshing.cancel()
        with self._failing():
            await self.job.stop()
        self._show("stopped")

    async def run(self, seconds: float | None) -> None:
        """Run for ``seconds`` from the first batch on, then stop: for runs without a reader.

        Returns at once when ``seconds`` is None. Raises what made the job fail.
        """
        if seconds is None:
            return
        await self.start()
        while self.job.running and self._latest.batch < 0:  # noqa: ASYNC110 - it is polled only
            await asyncio.sleep(_REFRESH)
        if self._refreshing:  # it ends early when the job does
            await asyncio.wait({self._refreshing}, timeout=seconds)
        await self.stop()

    async def _refresh(self) -> None:
        while self.job.running:
            with self._display:
                self._latest = await asyncio.to_thread(self.job.progress)
                self._rates.append(self._latest.input_rate)
                self._show("running" if self._latest.batch >= 0 else "connecting")
            await asyncio.sleep(_REFRESH)
        self._show("failed")

    def _show(self, state: str) -> None:
        self._status.value = Markup(
            '<section class="liq-{state}"><header><b>cascades and sums</b><i>{state}</i></header>'
            '<div class="liq-numbers">{sparkline}{numbers}</div></section>'
        ).format(
            state=state,
            sparkline=sparkline(self._rates),
            numbers=numbers(_numbers(self._latest)),
        )
        self._start.disabled = state in ("connecting", "running")
        self._stop.disabled = state in ("stopped", "connecting")

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except LiqError:
            self._show("failed")
            raise


def _numbers(latest: "Progress") -> Iterator[tuple[str, str]]:
    yield "arriving", f"{latest.input_rate:,.1f}/s"
    yield "done at", f"{latest.processed_rate:,.1f}/s"
    yield "batch", f"{latest.batch:,}" if latest.batch >= 0 else "-"
    yield "messages in it", f"{latest.rows:,}"
    yield "too late", f"{latest.late:,}"
    yield "state", f"{latest.state:,} rows"
    yield "memory of state", f"{latest.state_bytes / 1e6:,.1f} MB"
    yield "watermark", latest.watermark or "-"
