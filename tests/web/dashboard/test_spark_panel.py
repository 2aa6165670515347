"""The Spark job's panel: what it shows, and what its buttons do."""

from typing import cast

import pytest

from liq.analysis.spark import Job, Progress
from liq.errors import SparkError
from liq.web.dashboard.panels import SparkPanel

BUSY = Progress(
    batch=12, rows=340, input_rate=51.25, processed_rate=980.5, state=2_100, state_bytes=4_200_000,
    watermark="2026-01-02T03:04:05.000Z",
)  # fmt: skip


class Steady:
    """Replaces a `Job`."""

    def __init__(self, now: Progress, fault: str = "") -> None:
        self.now, self._fault = now, fault
        self.is_running = False

    def progress(self) -> Progress:
        return self.now if self.is_running else Progress()

    async def start(self) -> None:
        if self._fault:
            raise SparkError(self._fault)
        self.is_running = True

    async def stop(self) -> None:
        self.is_running = False


class Ending(Steady):
    """Ends once it was asked how it goes."""

    def progress(self) -> Progress:
        self.is_running = False
        return Progress()


def panel_of(job: Steady) -> SparkPanel:
    return SparkPanel(cast("Job", job))


def html(panel: SparkPanel) -> str:
    return str(panel.widget.children[-1].value)


async def test_the_spark_panel_shows_the_latest_batch_also_when_stopped() -> None:
    panel = panel_of(Steady(BUSY))
    assert "stopped" in html(panel)
    await panel.run(0.1)
    assert not panel.job.is_running
    for text in ("stopped", "51.2/s", "980.5/s", "2,100 rows", "4.2 MB", BUSY.watermark):
        assert text in html(panel)
    start, stop = panel.widget.children[1].children
    assert (start.disabled, stop.disabled) == (False, True)


async def test_a_run_ends_with_a_job_that_ends_before_its_first_batch() -> None:
    panel = panel_of(Ending(BUSY))
    await panel.run(3600)
    assert "stopped" in html(panel)


async def test_a_job_that_does_not_start_says_why() -> None:
    panel = panel_of(Steady(BUSY, fault="no <Java>"))
    with pytest.raises(SparkError):
        await panel.start()
    assert "failed" in html(panel)
    start, _ = panel.widget.children[1].children
    start.click()
    [task] = panel._tasks._running
    await task
    assert "no &lt;Java&gt;" in panel.widget.children[2].value
    assert not start.disabled
