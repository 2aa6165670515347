"""The producers' panel: what it shows of a status, and what its buttons do."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from liq.config import Settings
from liq.delivery.producer import FeedState, Producer, Status
from liq.errors import FeedError, KafkaError
from liq.records.model import Source
from liq.web.dashboard.panels import ProducerPanel
from support.helpers import eventually, find_free_ports

STATUS = Status(
    venue="binance_usdm", url="ws://127.0.0.1/ws", state=FeedState.RUNNING, source=Source.LIVE,
    rate=12.5, received=1250, sent=1240, acknowledged=1234, dead_lettered=10, errors=3,
    reconnects=2, queued=4, in_flight=2, last_frame=0, lag_s=0.0421, last_error="",
)  # fmt: skip


class Steady:
    """Replaces a `Producer`, in one fixed state."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self.is_running = False

    def status(self) -> Status:
        return replace(
            self._status, state=self._status.state if self.is_running else FeedState.STOPPED
        )

    async def start(self) -> None:
        self.is_running = True

    async def stop(self) -> None:
        self.is_running = False


def panel(**changes: Any) -> ProducerPanel:
    return ProducerPanel([cast("Producer", Steady(replace(STATUS, **changes)))])


def shown(made: ProducerPanel) -> str:
    return str(made.widget.children[-1].value)


def buttons(made: ProducerPanel) -> Any:
    return made.widget.children[1].children


def test_every_number_is_shown() -> None:
    page = shown(panel())
    for number in ("12.5/s", "1,240", "1,234", ">6<", ">3<", ">2<", ">10<", "42 ms"):
        assert number in page
    assert "<mark>" not in page
    assert "last error" not in page


def test_a_warning_is_shown_beside_the_last_error() -> None:
    page = shown(panel(warning="the disk is <full>", last_error="gone"))
    assert "<p>warning: the disk is &lt;full&gt;</p><p>last error: gone</p>" in page


def test_a_simulated_producer_is_marked() -> None:
    assert "<mark>simulated</mark>" in shown(panel(source=Source.SIMULATOR))


def test_text_from_outside_is_escaped() -> None:
    page = shown(panel(url="<b>", last_error="<script>"))
    assert "<script>" not in page
    assert "last error: &lt;script&gt;" in page
    assert "&lt;b&gt;" in page


def test_the_sparkline_follows_the_rate() -> None:
    made = panel()
    before = shown(made).count(",")
    made.refresh()
    assert shown(made).count(",") == before + 1
    assert "at most 12.5/s" in shown(made)


async def test_the_panel_shows_a_running_producer_and_offers_its_actions() -> None:
    made = panel()
    start, stop = buttons(made)
    assert (start.disabled, stop.disabled) == (False, True)
    await made.start()
    made.refresh()
    assert 'class="liq-running"' in shown(made)
    assert (start.disabled, stop.disabled) == (True, False)
    await made.stop()
    assert 'class="liq-stopped"' in shown(made)
    assert (start.disabled, stop.disabled) == (False, True)


async def test_a_run_without_seconds_leaves_the_producers_to_the_buttons() -> None:
    made = panel()
    await made.run(None)
    assert 'class="liq-stopped"' in shown(made)


@pytest.mark.parametrize(
    ("state", "acknowledged", "expect", "fails"),
    [
        (FeedState.RUNNING, 1, True, False),
        (FeedState.RUNNING, 0, False, False),  # a live venue may be quiet
        (FeedState.RUNNING, 0, True, True),
        (FeedState.CONNECTING, 0, False, True),
    ],
)
async def test_a_run_that_publishes_nothing_fails(
    *, state: FeedState, acknowledged: int, expect: bool, fails: bool
) -> None:
    made = panel(state=state, acknowledged=acknowledged, last_error="refused")
    if not fails:
        await made.run(0.01, expect=expect)
        return
    with pytest.raises(FeedError, match=r"published nothing in 0\.01 s .*refused"):
        await made.run(0.01, expect=expect)


async def test_a_failed_start_is_shown_and_can_be_retried(tmp_path: Any) -> None:
    settings = Settings.load(home=tmp_path, **find_free_ports())
    made = ProducerPanel([Producer(instruments={}, settings=settings)])
    with pytest.raises(KafkaError):
        await made.start()

    start, stop = buttons(made)
    start.click()
    problem = made.widget.children[2]
    await asyncio.to_thread(eventually, lambda: problem.value)
    assert "liq up" in problem.value
    assert (start.disabled, stop.disabled) == (False, True)
