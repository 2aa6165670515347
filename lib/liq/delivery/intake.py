"""From a venue's raw frames to Kafka, for live feeds and replays."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from liq.delivery.messaging import Publisher
from liq.errors import RejectedMessage
from liq.ingest.instruments import limit_records
from liq.ingest.venues.base import Instruments, Parsed, SkipReason, Venue, parse_safely
from liq.records.model import Record, Source

_WAITING_BYTES = 16 * 1024 * 1024


class _Waiting(NamedTuple):
    """A message that names unknown contracts; records of the ``published`` ones are published.

    ``reports`` is the number of its records and skipped reports, which are counted already.
    """

    raw: bytes
    recv_ts: int
    source: Source
    published: frozenset[str]
    reports: int


def _never(_unknown: Collection[str]) -> bool:
    return False


class Intake:
    """Parses a venue's frames and publishes the records; invalid messages become dead letters.

    ``received`` counts messages that hold records, including invalid ones. ``newest`` is the last
    published record. ``passed`` counts reports of liquidations that the parser skipped on purpose,
    by the reason.

    ``request`` asks for a listing with the unknown contracts of a message, and returns whether the
    message is to wait for `renew`. Records of a contract keep their order.
    """

    def __init__(
        self,
        venue: Venue,
        instruments: Instruments,
        publisher: Publisher,
        request: Callable[[Collection[str]], bool] = _never,
    ) -> None:
        self._venue = venue
        self._parser = venue.create_parser()
        self._instruments = instruments
        self._publisher = publisher
        self._request = request
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._renewing = asyncio.Lock()
        self.received = 0
        self.newest: Record | None = None
        self.passed: Counter[SkipReason] = Counter()

    async def take(self, raw: bytes, recv_ts: int, source: Source) -> None:
        """Publish the records of one frame; wait while Kafka's queue is full."""
        if self._renewing.locked():  # what waited is published before later messages
            async with self._renewing:
                await self._take(raw, recv_ts, source)
        else:  # a lock would cost a microsecond a frame
            await self._take(raw, recv_ts, source)

    async def renew(self, instruments: Instruments) -> None:
        """Use these contracts from now on, and parse the messages that waited for them."""
        async with self._renewing:
            self._instruments = instruments
            while self._waiting:
                await self._take_again(self._waiting[0])  # again if this is cancelled
                self._waiting_bytes -= len(self._waiting.popleft().raw)

    async def _take(self, raw: bytes, recv_ts: int, source: Source) -> None:
        try:
            records = self._parse(raw, recv_ts, source)
        except RejectedMessage as error:
            self.received += 1
            records = error.accepted
            if not self._keep(raw, recv_ts, source, error):
                await self._dead_letter(raw, recv_ts, source, error)
        else:
            self.received += bool(records)
        if isinstance(records, Parsed):
            self.passed.update(records.passed)
        await self._publish(records)

    async def _take_again(self, one: _Waiting) -> None:
        """Publish the records of contracts that were unknown: the others are published already."""
        try:
            records = self._parse(one.raw, one.recv_ts, one.source)
        except RejectedMessage as error:
            records = error.accepted
            await self._dead_letter(one.raw, one.recv_ts, one.source, error)
        new = [record for record in records if record.symbol not in one.published]
        # a parser looks up the contract last, so its quote is all that a report is skipped for now
        skipped = _count_reports(records) - one.reports - len(new)
        if skipped > 0:
            self.passed[SkipReason.NOT_IN_DOLLARS] += skipped
        await self._publish(new)

    def _parse(self, raw: bytes, recv_ts: int, source: Source) -> Sequence[Record]:
        return parse_safely(self._parser, raw, self._instruments, recv_ts, source)

    def _keep(self, raw: bytes, recv_ts: int, source: Source, error: RejectedMessage) -> bool:
        """Keep a message until `renew`; return False if it is not to wait."""
        size = self._waiting_bytes + len(raw)
        if not error.unknown or size > _WAITING_BYTES or not self._request(error.unknown):
            return False
        published = frozenset(record.symbol for record in error.accepted)
        reports = _count_reports(error.accepted)
        self._waiting.append(_Waiting(raw, recv_ts, source, published, reports))
        self._waiting_bytes = size
        return True

    async def _publish(self, records: Sequence[Record]) -> None:
        for record in limit_records(records, self._instruments):
            await self._publisher.publish(record)
            self.newest = record

    async def _dead_letter(
        self, raw: bytes, recv_ts: int, source: Source, error: RejectedMessage
    ) -> None:
        await self._publisher.dead_letter(self._venue.name, str(error), raw, recv_ts, source)


def _count_reports(records: Sequence[Record]) -> int:
    skipped = sum(records.passed.values()) if isinstance(records, Parsed) else 0
    return len(records) + skipped
