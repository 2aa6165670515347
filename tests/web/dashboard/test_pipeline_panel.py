"""The pipeline panel: its state and its buttons, on real servers."""

import asyncio

import pytest

from liq.config import Settings
from liq.delivery import connect, deadletters
from liq.delivery.messaging import Publisher
from liq.errors import StackError
from liq.records.model import Source
from liq.records.streams import LIQUIDATIONS, PRICES
from liq.web.dashboard.panels import PipelinePanel
from support.helpers import eventually, reached

pytestmark = pytest.mark.stack


def page(monitor: PipelinePanel) -> str:
    return "".join(str(getattr(part, "value", "")) for part in monitor.widget.children[2:])


async def test_the_pipeline_panel_shows_streams_and_faults_and_repairs_them(
    pipeline: Settings,
) -> None:
    monitor = await asyncio.to_thread(PipelinePanel, pipeline)
    for text in (
        LIQUIDATIONS.topic(pipeline),
        PRICES.topic(pipeline),
        "liq-running",
        "writable",
        "none",
    ):
        assert text in page(monitor)
    assert "liq-failed" not in page(monitor)
    await asyncio.to_thread(connect.remove, pipeline)
    monitor.start()
    await reached(lambda: "the sink is ABSENT" in page(monitor))
    monitor._repair.click()
    await reached(lambda: "liq-failed" not in page(monitor))
    monitor.stop()


async def test_dead_letters_are_shown_escaped_and_redriven(pipeline: Settings) -> None:
    async with Publisher(pipeline) as publisher:
        await publisher.dead_letter(
            "binance_usdm", "<b>odd</b>", b'{"result":null,"id":1}', 1, Source.SIMULATOR
        )
        await publisher.dead_letter("nobody", "odd", b"{}", 1, Source.SIMULATOR)
    monitor = await asyncio.to_thread(PipelinePanel, pipeline)
    assert "&lt;b&gt;odd" in page(monitor)
    assert "2 not redriven" in page(monitor)
    monitor._redrive.click()
    await reached(lambda: "1 not redriven" in page(monitor))
    assert "1 of 2 failed again" in page(monitor)
    assert "unknown venue" in page(monitor)
    left = await asyncio.to_thread(deadletters.list_letters, pipeline)
    assert [letter.venue for letter in left] == ["nobody"]


async def test_a_bounded_watch_fails_when_something_is_broken(pipeline: Settings) -> None:
    monitor = await asyncio.to_thread(PipelinePanel, pipeline)
    await monitor.watch(None)
    await monitor.watch(0.01)
    await asyncio.to_thread(connect.remove, pipeline)
    # its tasks end first: it is UNASSIGNED meanwhile
    await asyncio.to_thread(eventually, lambda: connect.read_status(pipeline).state == "ABSENT")
    with pytest.raises(StackError, match="the sink is ABSENT"):
        await monitor.watch(0.01)
