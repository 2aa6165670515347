"""The contracts of a venue and their sizes: from its REST API, a cache on disk or a snapshot.

This module alone calls a venue's REST API. Its answer is cached for hours, so a restart asks
nothing. While the venue is out of reach, an older cached answer is used. Without a cached answer,
the snapshot that ships beside the parsers is used: it has the main contracts only.
`ListedInstruments.origin` names the source.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import httpx
import msgspec
from msgspec.structs import replace

from liq.common import files, http
from liq.config import Settings, choose_settings
from liq.errors import FeedError, RejectedMessage
from liq.ingest.venues.base import Instrument, Instruments, Listing, Venue
from liq.records.model import Completeness, Liquidation, Record, Source

_LOG = logging.getLogger(__name__)

FRESH = timedelta(hours=6)
_TIMEOUT_S = 10.0  # for a page
_ALL_S = 60.0
_PAGES = 50  # of 1,000 contracts: a venue that goes on is broken
_MOST_CONTRACTS = 10_000  # ten times what any venue has: a connection may take but 32 of them
_LEAST_SHARE = 0.5  # of the known contracts, in a listing that is believed
_SNAPSHOTS = Path(__file__).parent / "venues" / "snapshots"


class Origin(StrEnum):
    """The origin of a venue's contracts."""

    REST = "REST"
    CACHE = "cache"
    STALE_CACHE = "stale cache"
    SNAPSHOT = "snapshot"
    NAMES = "names"  # the venue needs no list: the contract's name has all details


class ListedInstruments(dict[str, Instrument]):
    """A venue's contracts by symbol, and their origin.

    ``as_of`` is when the venue sent them, ``fault`` why the request just now failed. The feed does
    not subscribe to ``unsubscribed`` of them.
    """

    def __init__(
        self, instruments: Iterable[Instrument], origin: Origin, as_of: datetime, fault: str = ""
    ) -> None:
        super().__init__((instrument.symbol, instrument) for instrument in instruments)
        self.origin = origin
        self.as_of = as_of
        self.fault = fault
        self.unsubscribed = 0

    @property
    def is_sample(self) -> bool:
        """Whether their feed lacks contracts of the venue, as the snapshot lacks most."""
        return self.origin is Origin.SNAPSHOT or self.unsubscribed > 0

    def __str__(self) -> str:
        """Return number, origin and age of the contracts; empty if their names say all."""
        if self.origin is Origin.NAMES:
            return ""
        text = f"{describe_number(self)} from the {self.origin} of {self.as_of:%Y-%m-%d %H:%M} UTC"
        if self.unsubscribed:
            text += f", {self.unsubscribed:,} of them not subscribed to: restart the feed"
        return f"{text} ({self.fault})" if self.fault else text


def describe_number(contracts: Sized) -> str:
    """Return e.g. ``1 contract``, ``1,204 contracts``."""
    return "1 contract" if len(contracts) == 1 else f"{len(contracts):,} contracts"


@dataclass(frozen=True, slots=True)
class _Kept:
    """The content of a file with a cached answer or a shipped snapshot."""

    header: str
    as_of: datetime
    instruments: list[Instrument]


def load(venue: Venue, settings: Settings | None = None) -> ListedInstruments:
    """Return the venue's contracts: fresh cache, else REST, else stale cache, else snapshot.

    Blocks while the venue's REST API is read, a minute at most. Raises `FeedError` if no source has
    them.
    """
    now = datetime.now(UTC)
    settings = choose_settings(settings)
    if venue.listing is None:
        return ListedInstruments(venue.chosen(settings), Origin.NAMES, now)
    cached = _read(_locate(venue, settings))
    if cached and timedelta() <= now - cached.as_of < FRESH:  # not of a clock that was ahead
        return ListedInstruments(cached.instruments, Origin.CACHE, cached.as_of)
    try:
        instruments = fetch(venue)
    except FeedError as error:
        return _load_without_venue(venue, cached, error)
    _cache(venue, instruments, now, settings)
    return ListedInstruments(instruments, Origin.REST, now)


def reload(
    venue: Venue, known: ListedInstruments, settings: Settings | None = None
) -> ListedInstruments:
    """Request the contracts again, whatever the cache has; cache a good answer.

    Returns ``known``, with the fault, while the venue is away. A listing that has lost most of them
    is a fault too: its connections would be left, and nothing would say so. Blocks for a minute at
    most.
    """
    now = datetime.now(UTC)
    try:
        instruments = fetch(venue)
        _require_most(venue, known, instruments)
    except FeedError as error:
        return ListedInstruments(known.values(), known.origin, known.as_of, str(error))
    _cache(venue, instruments, now, choose_settings(settings))
    return ListedInstruments(instruments, Origin.REST, now)


def limit_completeness(
    instruments: Instruments, completeness: Completeness, source: Source
) -> Completeness:
    """Return how complete a feed with these contracts is.

    A simulated exchange trades only the contracts of the snapshot, so its feed lacks none.
    """
    is_limited = source is not Source.SIMULATOR and _is_sample(instruments)
    return Completeness.SAMPLED if is_limited else completeness


def limit_records(records: Sequence[Record], instruments: Instruments) -> Sequence[Record]:
    """Return the records, as complete as a feed with these contracts is."""
    if not _is_sample(instruments):
        return records
    return [
        replace(one, completeness=limit_completeness(instruments, one.completeness, one.source))
        if isinstance(one, Liquidation)
        else one
        for one in records
    ]


def _is_sample(instruments: Instruments) -> bool:
    return isinstance(instruments, ListedInstruments) and instruments.is_sample


def load_snapshot(venue: Venue) -> ListedInstruments | None:
    """Return the snapshot that ships beside the parsers, if there is one of the venue."""
    kept = _read(_SNAPSHOTS / f"{venue.name}.json")
    return ListedInstruments(kept.instruments, Origin.SNAPSHOT, kept.as_of) if kept else None


def fetch(venue: Venue) -> list[Instrument]:
    """Request the contracts from the venue's REST API.

    Raises `FeedError` if it is unreachable or its answer is undocumented.
    """
    try:
        with http.within(_ALL_S):
            listed = list(_list_instruments(venue.listing)) if venue.listing else []
    except (httpx.HTTPError, httpx.InvalidURL, RejectedMessage) as error:
        _LOG.info("the contracts of %s cannot be loaded: %s", venue.name, error)
        reason = http.explain(error)
        raise FeedError(f"{venue.name} does not list its contracts: {reason}") from error
    if not 0 < len(listed) <= _MOST_CONTRACTS:
        raise FeedError(f"{venue.name} lists {len(listed) or 'no'} contracts")
    return listed


def _list_instruments(listing: Listing) -> Iterator[Instrument]:
    with http.Client(_TIMEOUT_S, follow_redirects=True) as client:
        for url in listing.urls:
            yield from _fetch_pages(client, listing, url)


def _fetch_pages(client: http.Client, listing: Listing, url: str) -> Iterator[Instrument]:
    following = ""
    for _ in range(_PAGES):
        _, content = client.download(url + following)
        instruments, following = listing.parse(content)
        yield from instruments
        if not following:
            return
    raise RejectedMessage(f"{url} has no last page")


def _require_most(venue: Venue, known: ListedInstruments, listed: Sequence[Instrument]) -> None:
    if known.origin is not Origin.SNAPSHOT and len(listed) < len(known) * _LEAST_SHARE:
        raise FeedError(f"{venue.name} lists {len(listed)} contracts, but had {len(known)}")


def _load_without_venue(venue: Venue, cached: _Kept | None, error: FeedError) -> ListedInstruments:
    if cached:
        return ListedInstruments(cached.instruments, Origin.STALE_CACHE, cached.as_of, str(error))
    snapshot = load_snapshot(venue)
    if snapshot is None:
        raise error
    snapshot.fault = str(error)
    return snapshot


def _locate(venue: Venue, settings: Settings) -> Path:
    return settings.cache / "instruments" / f"{venue.name}.json"


def _cache(
    venue: Venue, instruments: list[Instrument], as_of: datetime, settings: Settings
) -> None:
    with contextlib.suppress(OSError):  # a full disk: the answer is good without a cache
        _write(_locate(venue, settings), _Kept(f"contracts of {venue.name}", as_of, instruments))


def _read(file: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None  # a cache that cannot be read is no cache


def _write(file: Path, kept: _Kept) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(file, msgspec.json.format(msgspec.json.encode(kept)), mode=0o600)
