"""The panel of producers: starts and stops them and shows their state."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from liq.common.html import join
from liq.delivery.producer import FeedState, Producer, Status
from liq.errors import FeedError
from liq.web.dashboard.markup import render_source_mark
from liq.web.dashboard.panels.base import (
    HISTORY,
    REFRESH_S,
    Panel,
    render_numbers,
    render_sparkline,
)
from liq.web.dashboard.widgets import Html


class ProducerPanel(Panel):
    """Runs producers as tasks of the kernel and shows their state.

    Other cells can run meanwhile. The buttons Start and Stop call `start` and `stop`.

    Args:
        producers: From `liq.delivery.producer.create_producers`.

    Example:
        panel = ProducerPanel(create_producers(["binance_usdm"]))
        panel
    """

    def __init__(self, producers: Sequence[Producer]) -> None:
        self.producers = producers
        self._rates: list[deque[float]] = [deque(maxlen=HISTORY) for _ in producers]
        self._refreshing: asyncio.Task[None] | None = None
        self._statuses = Html()
        super().__init__(self._statuses)
        self._start = self._add_button("Start", self.start, button_style="success")
        self._stop = self._add_button("Stop", self.stop)
        self.refresh()

    async def start(self) -> None:
        """Start all producers and refresh the panel. Raises the error of a producer."""
        for producer in self.producers:
            await producer.start()
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="liq-producer-panel")

    async def stop(self) -> None:
        """Deliver the queued records and stop all producers. Raises the error of a producer."""
        try:
            for producer in self.producers:
                await producer.stop()
        finally:
            self.refresh()

    async def run(self, seconds: float | None, *, expect: bool = False) -> None:
        """Produce for ``seconds`` and stop: for unattended runs, e.g. with papermill.

        Args:
            seconds: How long to produce; None returns at once.
            expect: Fail for a quiet venue too.

        Raises:
            FeedError: A producer published nothing, unless its venue was only quiet.
            LiqError: The error of a producer.
        """
        if seconds is None:
            return
        await self.start()
        if self._refreshing:  # it ends early when no producer runs any more
            await asyncio.wait({self._refreshing}, timeout=seconds)
        states = [producer.status().state for producer in self.producers]
        await self.stop()
        for state, producer in zip(states, self.producers, strict=True):
            status = producer.status()
            if not status.acknowledged and (expect or state is not FeedState.RUNNING):
                raise FeedError(
                    f"{status.venue} published nothing in {seconds:g} s"
                    f" ({state}, {status.last_error or 'no error'}); is {status.url} up?"
                )

    def refresh(self) -> None:
        """Show the current state of the producers."""
        statuses = [producer.status() for producer in self.producers]
        for status, rates in zip(statuses, self._rates, strict=True):
            rates.append(status.rate)
        self._statuses.value = join(map(_render_section, statuses, self._rates))
        running = self._any_runs()
        self._start.disabled, self._stop.disabled = running, not running

    def _any_runs(self) -> bool:
        return any(producer.is_running for producer in self.producers)

    async def _refresh(self) -> None:
        while self._any_runs():
            with self._display:
                self.refresh()
            await asyncio.sleep(REFRESH_S)
        with self._display:
            self.refresh()

    async def _update(self) -> None:
        self.refresh()


def _render_section(status: Status, rates: Sequence[float]) -> Markup:
    badge = render_source_mark(status.source) if status.source else Markup()
    problems = {
        "contracts": status.contracts,
        "skipped on purpose": status.passed_text,
        "warning": status.warning,
        "last error": status.last_error,
    }
    shown = Markup().join(
        Markup("<p>{}: {}</p>").format(name, text) for name, text in problems.items() if text
    )
    return Markup(
        '<section class="liq-{state}"><header><b>{venue}</b><i>{state}</i>{badge}'
        "<small>{url}</small></header>"
        '<div class="liq-numbers">{sparkline}{numbers}</div>{problems}</section>'
    ).format(
        state=status.state,
        venue=status.venue,
        badge=badge,
        url=status.url,
        sparkline=render_sparkline(rates),
        numbers=render_numbers(_list_numbers(status)),
        problems=shown,
    )


def _list_numbers(status: Status) -> Iterator[tuple[str, str]]:
    yield "rate", f"{status.rate:,.1f}/s"
    for name, count in (
        ("sent", status.sent),
        ("acknowledged", status.acknowledged),
        ("waiting", status.queued + status.in_flight),
        ("errors", status.errors),
        ("reconnects", status.reconnects),
        ("dead-lettered", status.dead_lettered),
    ):
        yield name, f"{count:,}"
    yield "lag", "-" if status.lag_s is None else f"{status.lag_s * 1000:,.0f} ms"
