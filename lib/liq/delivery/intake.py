"""From a venue's raw frames to Kafka, for live feeds and replays."""

from collections import Counter
from collections.abc import Sequence

from liq.delivery.messaging import Publisher
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instruments, Parsed, SkipReason, Venue
from liq.records.model import Record, Source


class Intake:
    """Parses a venue's frames and publishes the records; invalid messages become dead letters.

    ``received`` counts messages that hold records, including invalid ones. ``newest`` is the last
    published record. ``passed`` counts reports of liquidations that the parser skipped on purpose,
    by the reason.
    """

    def __init__(self, venue: Venue, instruments: Instruments, publisher: Publisher) -> None:
        self._venue = venue
        self._parser = venue.create_parser()
        self._instruments = instruments
        self._publisher = publisher
        self.received = 0
        self.newest: Record | None = None
        self.passed: Counter[SkipReason] = Counter()

    async def take(self, raw: bytes, recv_ts: int, source: Source) -> None:
        """Publish the records of one frame; wait while Kafka's queue is full."""
        try:
            records: Sequence[Record] = self._parser(raw, self._instruments, recv_ts, source)
        except Exception as error:  # a parser's own fault must not end the feed either
            records = await self._reject(raw, recv_ts, source, error)
        else:
            self.received += bool(records)
        if isinstance(records, Parsed):
            self.passed.update(records.passed)
        for record in records:
            await self._publisher.publish(record)
            self.newest = record

    async def _reject(
        self, raw: bytes, recv_ts: int, source: Source, error: Exception
    ) -> Sequence[Record]:
        """Send a message to the dead letters; return the valid records in it."""
        accepted: Sequence[Record] = ()
        if isinstance(error, RejectedMessage):
            reason, accepted = str(error), error.accepted
        else:
            reason = str(RejectedMessage(f"the parser failed: {error!r}"))
        self.received += 1
        await self._publisher.dead_letter(self._venue.name, reason, raw, recv_ts, source)
        return accepted
