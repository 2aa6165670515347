"""A rehearsal against the real exchanges: connect, count what comes, and keep the frames.

It needs no Kafka. It shows on a new machine which exchanges can be reached from there, and whether
they still send what liq's parsers expect.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liq.common import waiting
from liq.config import Settings
from liq.errors import LiqError, RecordingError, RejectedMessage
from liq.ingest.feed import Feed, FeedStats
from liq.ingest.instruments import load
from liq.ingest.recording import Recorder
from liq.ingest.semantics import read_shapes
from liq.ingest.venues import build_url, find_venue
from liq.ingest.venues.base import Instruments, Parsed, parse_safely
from liq.ingest.venues.canonical import unpack
from liq.records.model import Source

_SHOW_S = 0.5
_DEEPEST = 20
_LONGEST = 200  # characters of a path: a frame may have a megabyte of them, for each field


@dataclass(slots=True)
class VenueCheck:
    """What one venue sent.

    ``contracts`` is the number and the origin of its contracts. ``subscribed`` counts the requests
    for streams that were sent over the connections, 0 for a REST API. ``parsed`` counts records,
    ``skipped`` the reports that are skipped on purpose, ``rejected`` the frames that a producer
    would dead-letter. ``unknown_field`` is the first field that no documented message of the
    venue has. ``fault`` says why there is no connection, or why frames are not kept.
    """

    venue: str
    contracts: str = ""
    connected: bool = False
    subscribed: int = 0
    frames: int = 0
    parsed: int = 0
    skipped: int = 0
    rejected: int = 0
    first_rejection: str = ""
    unknown_field: str = ""
    fault: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the venue sent frames, and none that liq rejects."""
        return self.frames > 0 and not self.rejected

    @property
    def notes(self) -> list[str]:
        """What a report to liq's maintainers should name."""
        found = {
            "first rejection": self.first_rejection,
            "first unknown field": self.unknown_field,
            "connection": self.fault,
        }
        return [f"{name}: {text}" for name, text in found.items() if text]


async def check_venues(
    venues: Sequence[str],
    folder: Path,
    *,
    seconds: float = 60,
    url: str = "",
    show: Callable[[Sequence[VenueCheck], float], None] = lambda *_: None,
    settings: Settings | None = None,
) -> list[VenueCheck]:
    """Connect to ``venues`` for some time, or until SIGINT or SIGTERM; return a check of each.

    A venue that cannot be reached does not stop the others. Nothing is published or stored but the
    raw frames.

    Args:
        venues: Names of feeds, see `liq.ingest.venues.resolve_names`.
        folder: For the raw frames, as `liq replay` reads them.
        seconds: The time for each venue, from when its contracts are listed.
        url: As in `liq.ingest.venues.build_url`.
        show: Receives the checks and the elapsed seconds, twice a second.
        settings: Where contracts are cached; the current settings by default.

    Raises:
        ConfigError: A venue is unknown.
    """
    started = time.monotonic()
    rehearsals = [_Rehearsal(name, folder, build_url(name, url)) for name in venues]
    checks = [one.check for one in rehearsals]
    with waiting.catch_signals() as ended, ThreadPoolExecutor(len(venues)) as pool:
        tasks = [asyncio.create_task(one.run(seconds, pool, settings)) for one in rehearsals]
        try:
            while not all(task.done() for task in tasks):
                show(checks, time.monotonic() - started)
                if await waiting.wait(_SHOW_S, ended):
                    break
        finally:
            failures = await waiting.cancel_all(tasks)
    for failure in failures:
        raise failure
    return checks


class _Rehearsal:
    """One venue's check while it runs."""

    def __init__(self, name: str, folder: Path, url: str) -> None:
        self.check = VenueCheck(name)
        self._venue = find_venue(name)
        self._url = url
        self._recorder = Recorder(folder, name)
        self._documented = {field for shape in read_shapes(name) for field in list_fields(shape)}
        self._parse = self._venue.create_parser()
        self._instruments: Instruments = {}

    async def run(
        self, seconds: float, pool: ThreadPoolExecutor, settings: Settings | None
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            listed = await loop.run_in_executor(pool, load, self._venue, settings)
        except LiqError as error:
            self.check.fault = str(error)
            return
        self._instruments, self.check.contracts = listed, str(listed)
        feed = Feed(self._venue, self._take, self._url, listed)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._follow(feed)

    async def _follow(self, feed: Feed) -> None:
        reading = asyncio.create_task(feed.run())
        try:
            while not reading.done():
                await asyncio.wait({reading}, timeout=_SHOW_S)
                self._note(feed.stats())
            await reading
        except LiqError as error:
            self.check.fault = str(error)
        finally:
            self._note(feed.stats())  # while the connections are open
            reading.cancel()
            await asyncio.wait({reading})  # it may still write a frame
            self._note(feed.stats())
            with contextlib.suppress(RecordingError):
                self._recorder.close()

    def _note(self, stats: FeedStats) -> None:
        self.check.connected |= stats.connected or stats.frames > 0
        self.check.subscribed = max(self.check.subscribed, stats.requests)
        self.check.fault = self.check.fault or stats.last_error

    async def _take(self, raw: bytes, recv_ts: int, source: Source) -> None:
        self._recorder.write(raw, recv_ts, source)
        check, rejected = self.check, self.check.rejected
        check.frames += 1
        try:
            records = parse_safely(self._parse, raw, self._instruments, recv_ts, source)
        except RejectedMessage as rejection:
            records = rejection.accepted
            check.rejected += 1
            check.first_rejection = check.first_rejection or str(rejection)
        skipped = sum(records.passed.values()) if isinstance(records, Parsed) else 0
        check.parsed += len(records)
        check.skipped += skipped
        if not check.unknown_field and (records or skipped or check.rejected > rejected):
            unknown = (name for name in list_fields(raw) if name not in self._documented)
            check.unknown_field = next(unknown, "")


def list_fields(raw: bytes) -> list[str]:
    """Return the paths of a message's fields, in its order, e.g. ``data[].price``.

    A field of an array with fixed places is named by its place, e.g. ``[1][][3]``. Returns nothing
    for a frame that is not JSON, or is too large.
    """
    try:
        message = json.loads(unpack(raw))
    except (ValueError, RecursionError, RejectedMessage):
        return []
    return list(dict.fromkeys(_walk(message, "", 0)))


def _walk(value: Any, path: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, one in value.items():
            inner = f"{path}.{name}" if path else name
            yield from _walk(one, inner[:_LONGEST], depth + 1)
    elif isinstance(value, list):
        rows = all(isinstance(one, dict | list) for one in value)
        for place, one in enumerate(value):
            yield from _walk(one, f"{path}[]" if rows else f"{path}[{place}]", depth + 1)
    else:
        yield path
