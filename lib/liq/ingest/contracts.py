"""The contracts of a venue while its feed runs: reloaded in the background, within limits.

A venue lists new contracts every week. So its listing is requested again every hour, after a
reconnect, and once for a contract that a message names and no listing had. Neither a contract that
stays unknown nor a connection that is lost again and again causes many requests: there is a pause
after each, which doubles while requests fail or find nothing.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from liq.common import waiting
from liq.config import Settings
from liq.ingest.instruments import ListedInstruments, Origin, describe_number, load, reload
from liq.ingest.venues.base import Instruments, Venue, list_names

_MISSING = 1_000  # unknown contracts that are remembered, the newest ones


@dataclass(frozen=True, slots=True)
class ReloadLimits:
    """When a venue's listing is requested, in seconds."""

    every: float = 3600  # after a good answer
    pause: float = 30  # at least, after any request
    pause_max: float = 900  # the pause is doubled with each useless request in a row
    patience: float = 60  # a message waits for a request that is due sooner
    again: float = 900  # until a contract that was not found may cause another request


class Contracts:
    """A venue's contracts: ``listed`` by its newest answer, ``known`` since the start.

    A contract that is gone from the listing stays known, since late messages may name it. Contracts
    that are ``given`` are never reloaded, nor those of a venue without a listing.
    """

    def __init__(
        self,
        venue: Venue,
        settings: Settings | None = None,
        *,
        given: Instruments | None = None,
        limits: ReloadLimits | None = None,
    ) -> None:
        self._venue = venue
        self._settings = settings
        self._limits = limits or ReloadLimits()
        self._is_reloadable = venue.listing is not None and given is None
        self._is_loaded = given is not None
        self._changed: asyncio.Event | None = None
        self._wanted: set[str] = set()  # by messages that wait
        self._missing: dict[str, float] = {}  # until when each causes no request
        self._useless = 0  # requests in a row
        self._due = self._allowed = -math.inf  # time.monotonic()
        self.requests = 0
        self.listed: Instruments = {} if given is None else given
        self.known: Instruments = self.listed

    def __str__(self) -> str:
        """Return number, origin and age of the contracts; empty if their names say all.

        Also empty until they are loaded.
        """
        if self._venue.listing is None or not self._is_loaded:
            return ""
        if isinstance(self.listed, ListedInstruments):
            return str(self.listed)
        return f"{describe_number(self.listed)} from the caller"

    async def load(self) -> None:
        """Load the contracts unless they are there. Raises `FeedError` if no source has them."""
        if self._is_loaded:
            return
        listed = await asyncio.to_thread(load, self._venue, self._settings)
        self._is_loaded = True
        self.listed = self.known = listed
        if listed.origin is Origin.REST or listed.fault:
            self._plan(is_useless=bool(listed.fault), has_failed=bool(listed.fault))
        else:
            self._due = time.monotonic() + self._limits.every - _measure_age(listed)

    def request(self) -> None:
        """Reload as soon as the limits allow."""
        self._due = min(self._due, max(self._allowed, time.monotonic()))
        if self._changed:
            self._changed.set()

    def request_for(self, unknown: Collection[str]) -> bool:
        """Reload for unknown contracts; return False if their message is not to wait for it.

        It is not if each of them was missing lately, or if no request is due soon.
        """
        now = time.monotonic()
        if not self._is_reloadable or self._allowed - now > self._limits.patience:
            return False
        wanted = {symbol for symbol in unknown if self._missing.get(symbol, now) <= now}
        if not wanted or len(self._wanted | wanted) > _MISSING:
            return False
        self._wanted |= wanted
        self.request()
        return True

    def note_unsubscribed(self, count: int) -> None:
        """Note that the feed does not subscribe to ``count`` of the listed contracts."""
        for contracts in (self.listed, self.known):
            if isinstance(contracts, ListedInstruments):
                contracts.unsubscribed = count

    async def reloads(self) -> AsyncIterator["Contracts"]:
        """Yield after each request of the listing, whether the venue answered or not."""
        self._changed = asyncio.Event()
        while self._is_reloadable:
            await self._wait()
            await self._reload()
            yield self

    async def _wait(self) -> None:
        assert self._changed  # noqa: S101 - for the type checker
        while (left := self._due - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

    async def _reload(self) -> None:
        assert isinstance(self.listed, ListedInstruments)  # noqa: S101 - none are given
        self.requests += 1
        wanted, self._wanted = self._wanted, set()
        listed = await asyncio.to_thread(reload, self._venue, self.listed, self._settings)
        missing = wanted - list_names(listed)
        if not listed.fault:
            self._remember(missing, listed)
            known = ({**self.known, **listed}).values()
            self.known = ListedInstruments(known, listed.origin, listed.as_of)
        self.listed = listed
        has_failed = bool(listed.fault)
        is_useless = has_failed or bool(wanted and wanted == missing)
        self._plan(is_useless=is_useless, has_failed=has_failed)
        self._wanted -= list_names(listed)
        if self._wanted:  # by messages that came after the request
            self.request()

    def _remember(self, missing: set[str], listed: ListedInstruments) -> None:
        now, found = time.monotonic(), list_names(listed)
        remembered = [
            (symbol, until)
            for symbol, until in self._missing.items()
            if until > now and symbol not in found
        ]
        remembered += [(symbol, now + self._limits.again) for symbol in missing]
        self._missing = dict(remembered[-_MISSING:])

    def _plan(self, *, is_useless: bool, has_failed: bool) -> None:
        self._useless = self._useless + 1 if is_useless else 0
        limits, now = self._limits, time.monotonic()
        pause = waiting.pause_s(self._useless + 1, limits.pause, limits.pause_max)
        self._allowed = now + pause
        self._due = self._allowed if has_failed else now + limits.every


def _measure_age(listed: ListedInstruments) -> float:
    return (datetime.now(UTC) - listed.as_of).total_seconds()
