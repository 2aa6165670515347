"""From recordings to Kafka: the same parsers and topic as a live feed, at any speed."""

import asyncio
import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from liq.common import waiting
from liq.config import Settings
from liq.delivery.intake import Intake
from liq.delivery.messaging import Publisher
from liq.ingest.instruments import load
from liq.ingest.recording import RecordedFrame, Recording
from liq.ingest.venues import find_venue
from liq.records.model import Source

_SHOW_S = 0.1


@dataclass(frozen=True, slots=True)
class Replayed:
    """Progress of a replay: ``position`` of ``size`` bytes of the files, and counts.

    ``recv_ts`` is the recorded time of receipt of the last frame, UTC microseconds.
    ``liquidations`` counts prices too. ``passed`` counts reports that were skipped on purpose.
    """

    position: int
    size: int
    recv_ts: int
    frames: int
    liquidations: int
    dead_lettered: int
    passed: int = 0


async def replay(
    files: Sequence[str | Path], speed: float | None = None, settings: Settings | None = None
) -> Replayed:
    """Replay files with a progress bar, in a terminal or a notebook; return the final state.

    ``speed`` and errors are as in `Replay`; the default is as fast as Kafka accepts messages.
    """
    work = Replay([Path(file) for file in files], speed, settings)
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("", total=None)

        def show(state: Replayed) -> None:
            bar.update(task, completed=state.position, total=state.size, description=_line(state))

        await work.run(show)
    return work.status()


def _line(state: Replayed) -> str:
    at = datetime.fromtimestamp(state.recv_ts / 1e6, UTC)
    passed = f"  {state.passed:,} skipped" if state.passed else ""  # a terminal is narrow
    return (
        f"{at:%Y-%m-%d %H:%M:%S} UTC  {state.frames:,} frames  {state.liquidations:,} liquidations"
        f"  {state.dead_lettered:,} dead-lettered{passed}"
    )


class Replay:
    """Publishes recorded frames of any venues, merged by time of receipt.

    Frames are parsed as of their own time of receipt. So a liquidation has the ``ts`` and
    ``event_id`` of the live run, and replaces its own row if that exists. Rows are marked
    `Source.REPLAY`, but rows of a recorded simulator stay `Source.SIMULATOR`, so they never look
    like a real market's. Contract sizes are today's.
    """

    def __init__(
        self, files: Sequence[Path], speed: float | None = 1.0, settings: Settings | None = None
    ) -> None:
        """``speed`` is a multiple of the recorded speed, None for as fast as Kafka accepts.

        Raises `RecordingError` if a file does not exist.
        """
        self._recordings = [Recording(file) for file in files]
        self._speed = speed
        self._settings = settings
        self._publisher = Publisher(settings)
        self._intakes: dict[str, Intake] = {}
        self._frames = self._recv_ts = 0
        self._show: Callable[[Replayed], None] = lambda _: None
        self._shown = 0.0

    def status(self) -> Replayed:
        """Return the progress."""
        stats = self._publisher.stats()
        return Replayed(
            position=sum(recording.position for recording in self._recordings),
            size=sum(recording.size for recording in self._recordings),
            recv_ts=self._recv_ts,
            frames=self._frames,
            liquidations=stats.sent,
            dead_lettered=stats.dead_lettered,
            passed=sum(intake.passed.total() for intake in self._intakes.values()),
        )

    async def run(self, show: Callable[[Replayed], None] | None = None) -> None:
        """Publish all frames until the end, SIGINT or SIGTERM, and wait until Kafka has them.

        ``show`` gets the state ten times a second and at the end. Raises `KafkaError`, and
        `RecordingError` for a file that is no recording.
        """
        self._show = show or self._show
        with waiting.catch_signals() as ended:
            async with self._publisher:
                await self._publish(ended)
        self._show(self.status())

    async def _publish(self, ended: asyncio.Event) -> None:
        began, first = time.monotonic(), 0
        for frame in heapq.merge(*self._recordings, key=lambda frame: frame.recv_ts):
            first = first or frame.recv_ts
            after_s = (frame.recv_ts - first) / 1e6
            if await self._ended_before(began + after_s / self._speed if self._speed else 0, ended):
                return
            await self._take(frame)

    async def _ended_before(self, due: float, ended: asyncio.Event) -> bool:
        """Wait until a frame is due; return True if the replay was ended before."""
        while not ended.is_set():
            now = time.monotonic()
            if now - self._shown >= _SHOW_S:
                self._shown = now
                self._show(self.status())
                await asyncio.sleep(0)  # at full speed nothing else lets a signal through
            if due <= now:
                return False
            await waiting.wait(min(due - now, _SHOW_S), ended)
        return True

    async def _take(self, frame: RecordedFrame) -> None:
        intake = self._intakes.get(frame.venue) or await self._open(frame.venue)
        simulated = frame.source is Source.SIMULATOR
        source = Source.SIMULATOR if simulated else Source.REPLAY
        await intake.take(frame.raw, frame.recv_ts, source)
        self._frames += 1
        self._recv_ts = frame.recv_ts

    async def _open(self, name: str) -> Intake:
        instruments = await asyncio.to_thread(load, find_venue(name), self._settings)
        self._intakes[name] = Intake(find_venue(name), instruments, self._publisher)
        return self._intakes[name]
