"""Recordings: ``payloads/<venue>.json`` holds what a venue's documentation shows it to send."""

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from liq.errors import RejectedMessage
from liq.ingest.venues import venue
from liq.ingest.venues.base import Instrument, Instruments, Venue
from liq.records.model import Liquidation, Record, Source

RECV = 1_750_000_000_000_000
_GZIPPED = ("htx", "htx_inverse")


@dataclass(frozen=True)
class Recording:
    """One venue's frames as they travel, by name, and its listing of contracts."""

    venue: str
    documents: dict[str, Any]
    listing: bytes

    @property
    def frames(self) -> dict[str, bytes]:
        return {name: self.frame(document) for name, document in self.documents.items()}

    @property
    def instruments(self) -> Instruments:
        listing = venue(self.venue).listing
        if listing is None:
            return {}
        instruments, _ = listing.parse(self.listing)
        return {instrument.symbol: instrument for instrument in instruments}

    def frame(self, document: Any) -> bytes:
        """Return a document as the venue sends it: a bare word, JSON or gzipped JSON."""
        text = document if document == "pong" else json.dumps(document)
        return gzip.compress(text.encode()) if self.venue in _GZIPPED else text.encode()


RecordingOf = Callable[[str], Recording]


def liquidations(
    feed: Venue,
    raw: str | bytes,
    instruments: Instruments,
    recv_ts: int,
    source: Source = Source.LIVE,
) -> list[Liquidation]:
    """Parse a frame that holds nothing but liquidations."""
    return _all(feed.parse(raw, instruments, recv_ts, source))


def accepted(rejection: RejectedMessage) -> list[Liquidation]:
    """Return what a rejected message held of liquidations."""
    return _all(rejection.accepted)


def _all(records: Iterable[Record]) -> list[Liquidation]:
    found = []
    for one in records:
        assert isinstance(one, Liquidation)
        found.append(one)
    return found


def listed(feed: Venue, page: bytes) -> tuple[list[Instrument], str]:
    """Parse a page of the venue's listing."""
    assert feed.listing
    return feed.listing.parse(page)


def _load(name: str) -> Recording:
    file = Path(__file__).parent / "payloads" / f"{name}.json"
    content = json.loads(file.read_text())
    return Recording(name, content["frames"], json.dumps(content.get("listing")).encode())


@pytest.fixture(scope="session")
def recording_of() -> RecordingOf:
    return _load


@pytest.fixture
def recording(request: pytest.FixtureRequest) -> Recording:
    """Return the recording that the test module is named after."""
    return _load(request.module.__name__.rpartition("test_")[2])
