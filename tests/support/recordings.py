"""Golden files of venues: the frames that a venue documents, and the records expected of each."""

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liq.errors import RejectedMessage
from liq.ingest.venues import find_venue
from liq.ingest.venues.base import Instrument, Instruments, Venue
from liq.records.model import Liquidation, Record, Source

_FOLDER = Path(__file__).parents[1] / "ingest" / "venues" / "payloads"
GZIPPED = ("htx", "htx_inverse", "htx_delivery")


@dataclass(frozen=True)
class Recording:
    """One venue's frames as they travel, by name, its listing of contracts, and what is expected.

    ``expected`` holds the ``records`` of frames at ``recv_ts``; the names of frames with
    ``nothing``; ``rejected`` frames with reason and accepted records; the ``requests`` of a
    subscription; ``answers`` to frames; the ``instruments`` and ``next_page`` of the listing.
    ``shows`` names the case that a frame is there for.
    """

    venue: str
    documents: dict[str, Any]
    listing: bytes
    expected: dict[str, Any]

    @property
    def recv_ts(self) -> int:
        """The time at which frames are received (UTC microseconds)."""
        return int(self.expected["recv_ts"])

    @property
    def frames(self) -> dict[str, bytes]:
        """The frames as they travel, by name."""
        return {name: self.frame(document) for name, document in self.documents.items()}

    @property
    def instruments(self) -> Instruments:
        """The contracts of the listing, by symbol."""
        listing = find_venue(self.venue).listing
        if listing is None:
            return {}
        instruments, _ = listing.parse(self.listing)
        return {instrument.symbol: instrument for instrument in instruments}

    def frame(self, document: Any) -> bytes:
        """Return a document as the venue sends it: a bare word, JSON or gzipped JSON."""
        text = document if document == "pong" else json.dumps(document)
        return gzip.compress(text.encode()) if self.venue in GZIPPED else text.encode()


def load_recording(name: str) -> Recording:
    """Return the golden file of a venue."""
    content = json.loads((_FOLDER / f"{name}.json").read_text())
    listing = json.dumps(content.get("listing")).encode()
    return Recording(name, content["frames"], listing, content["expected"])


def liquidations(
    feed: Venue,
    raw: str | bytes,
    instruments: Instruments,
    recv_ts: int,
    source: Source = Source.LIVE,
) -> list[Liquidation]:
    """Parse a frame that holds nothing but liquidations."""
    return _all(feed.parse(raw, instruments, recv_ts, source))


def listed(feed: Venue, page: bytes) -> tuple[list[Instrument], str]:
    """Parse a page of the venue's listing."""
    assert feed.listing
    return feed.listing.parse(page)


def parsed(
    feed: Venue,
    raw: str | bytes,
    instruments: Instruments,
    recv_ts: int,
    source: Source = Source.LIVE,
) -> list[Record]:
    """Parse, and take the records that a rejection leaves; any other error fails the test."""
    try:
        return list(feed.parse(raw, instruments, recv_ts, source))
    except RejectedMessage as rejection:
        return list(rejection.accepted)


def _all(records: Iterable[Record]) -> list[Liquidation]:
    found = []
    for one in records:
        assert isinstance(one, Liquidation)
        found.append(one)
    return found
