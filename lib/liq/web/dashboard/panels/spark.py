"""The panel of a Spark job: starts and stops it and shows its progress."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from markupsafe import Markup

from liq.errors import LiqError
from liq.web.dashboard.panels.base import (
    HISTORY,
    REFRESH_S,
    Panel,
    render_numbers,
    render_sparkline,
)
from liq.web.dashboard.widgets import Html

if TYPE_CHECKING:
    from liq.analysis.spark import Job, Progress


class SparkPanel(Panel):
    """Runs a `liq.analysis.spark.Job` beside the kernel and shows its progress.

    Other cells can run meanwhile. The buttons Start and Stop call `start` and `stop`.

    Args:
        job: The job to run.

    Example:
        panel = SparkPanel(Job(gap=5, min_prints=5))
        panel
    """

    def __init__(self, job: "Job") -> None:
        self.job = job
        self._latest = job.progress()
        self._rates: deque[float] = deque(maxlen=HISTORY)
        self._refreshing: asyncio.Task[None] | None = None
        self._status = Html()
        super().__init__(self._status)
        self._start = self._add_button("Start", self.start, button_style="success")
        self._stop = self._add_button("Stop", self.stop)
        self._show("stopped")

    async def start(self) -> None:
        """Start the job, which takes seconds, and refresh the panel. Raises the job's error."""
        if not self.job.is_running:
            self._show("connecting")
            with self._show_failure():
                await self.job.start()
            self._refreshing = asyncio.create_task(self._refresh(), name="liq-spark-panel")

    async def stop(self) -> None:
        """Stop the job; its last figures stay visible. Raises the job's error."""
        if self._refreshing:
            self._refreshing.cancel()
        with self._show_failure():
            await self.job.stop()
        self._show("stopped")

    async def run(self, seconds: float | None) -> None:
        """Run until ``seconds`` after the first batch, then stop: for unattended runs.

        Args:
            seconds: How long to run; None returns at once.

        Raises:
            LiqError: The error of the job.
        """
        if seconds is None:
            return
        await self.start()
        while self.job.is_running and self._latest.batch < 0:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(REFRESH_S)
        if self._refreshing:  # it ends early when the job does
            await asyncio.wait({self._refreshing}, timeout=seconds)
        await self.stop()

    async def _refresh(self) -> None:
        while self.job.is_running:
            with self._display:
                self._latest = await asyncio.to_thread(self.job.progress)
                self._rates.append(self._latest.input_rate)
                self._show("running" if self._latest.batch >= 0 else "connecting")
            await asyncio.sleep(REFRESH_S)
        self._show("failed")

    def _show(self, state: str) -> None:
        self._status.value = Markup(
            '<section class="liq-{state}"><header><b>cascades and sums</b><i>{state}</i></header>'
            '<div class="liq-numbers">{sparkline}{numbers}</div></section>'
        ).format(
            state=state,
            sparkline=render_sparkline(self._rates),
            numbers=render_numbers(_list_numbers(self._latest)),
        )
        self._start.disabled = state in ("connecting", "running")
        self._stop.disabled = state in ("stopped", "connecting")

    @contextlib.contextmanager
    def _show_failure(self) -> Iterator[None]:
        try:
            yield
        except LiqError:
            self._show("failed")
            raise


def _list_numbers(latest: "Progress") -> Iterator[tuple[str, str]]:
    yield "input rate", f"{latest.input_rate:,.1f}/s"
    yield "processed rate", f"{latest.processed_rate:,.1f}/s"
    yield "batch", f"{latest.batch:,}" if latest.batch >= 0 else "-"
    yield "messages in batch", f"{latest.rows:,}"
    yield "too late", f"{latest.late:,}"
    yield "state", f"{latest.state:,} rows"
    yield "state memory", f"{latest.state_bytes / 1e6:,.1f} MB"
    yield "watermark", latest.watermark or "-"
