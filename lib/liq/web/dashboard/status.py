"""Producers in a notebook: buttons that start and stop them, and what they are doing."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from markupsafe import Markup

from liq.analysis.charts import LIVE_SOURCES
from liq.common.html import join
from liq.delivery.producer import FeedState, Producer, Status
from liq.errors import FeedError
from liq.web.dashboard.frame import ButtonPanel
from liq.web.dashboard.html import Html

_REFRESH = 0.5  # seconds
HISTORY = 240  # rates that a sparkline shows
_WIDTH, _HEIGHT = 240, 28  # pixels of a sparkline


class ProducerPanel(ButtonPanel):
    """Shows producers and runs them as tasks of the kernel: a notebook goes on meanwhile.

    ``widget`` is what a notebook shows. Start and Stop do what `start` and `stop` do.
    """

    def __init__(self, producers: Sequence[Producer]) -> None:
        self.producers = producers
        self._rates: list[deque[float]] = [deque(maxlen=HISTORY) for _ in producers]
        self._refreshing: asyncio.Task[None] | None = None
        self._statuses = Html()
        super().__init__(self._statuses)
        self._start = self._button("Start", self.start, button_style="success")
        self._stop = self._button("Stop", self.stop)
        self.refresh()

    async def start(self) -> None:
        """Start all producers and keep what is shown up to date. Raises as they do."""
        for producer in self.producers:
            await producer.start()
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="liq-producer-panel")

    async def stop(self) -> None:
        """Stop all producers, delivering what is queued. Raises as they do."""
        try:
            for producer in self.producers:
                await producer.stop()
        finally:
            self.refresh()

    async def run(self, seconds: float | None, *, expect: bool = False) -> None:
        """Produce for ``seconds`` and stop: for runs without a reader, as papermill's.

        Returns at once when ``seconds`` is None. Raises what made a producer fail, and `FeedError`
        if one published nothing: always with ``expect``, else unless its venue was merely quiet.
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
        """Show the producers as they are now."""
        statuses = [producer.status() for producer in self.producers]
        for status, rates in zip(statuses, self._rates, strict=True):
            rates.append(status.rate)
        self._statuses.value = join(map(_section, statuses, self._rates))
        running = self._any_runs()
        self._start.disabled, self._stop.disabled = running, not running

    def _any_runs(self) -> bool:
        return any(producer.running for producer in self.producers)

    async def _refresh(self) -> None:
        while self._any_runs():
            with self._display:
                self.refresh()
            await asyncio.sleep(_REFRESH)
        with self._display:
            self.refresh()

    async def _settle(self) -> None:
        self.refresh()


def _section(status: Status, rates: Sequence[float]) -> Markup:
    simulated = status.source and status.source not in LIVE_SOURCES
    badge = Markup("<mark>{}</mark>").format(status.source) if simulated else Markup()
    problems = {
        "passed over on purpose": status.passed_text,
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
        sparkline=sparkline(rates),
        numbers=numbers(_numbers(status)),
        problems=shown,
    )


def numbers(named: Iterable[tuple[str, str]]) -> Markup:
    """Return values, each with its name above it."""
    one = Markup("<span><small>{}</small>{}</span>")
    return join(one.format(name, value) for name, value in named)


def _numbers(status: Status) -> Iterator[tuple[str, str]]:
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


def sparkline(rates: Sequence[float]) -> Markup:
    """Draw rates, oldest to newest, scaled to their greatest."""
    top = max(rates, default=0.0) or 1.0
    step = _WIDTH / (HISTORY - 1)
    points = " ".join(
        f"{i * step:.1f},{(_HEIGHT - 1) * (1 - rate / top) + 0.5:.1f}"
        for i, rate in enumerate(rates)
    )
    label = f"rate of the last {HISTORY * _REFRESH:.0f} s, at most {top:.1f}/s"
    return Markup(
        '<svg width="{}" height="{}" role="img" aria-label="{}"><polyline points="{}"/></svg>'
    ).format(_WIDTH, _HEIGHT, label, points)
