"""How often a venue's listing is requested, against a real HTTP server."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest

from ingest.test_instruments import age
from liq.config import Settings
from liq.errors import FeedError
from liq.ingest import instruments
from liq.ingest.contracts import Contracts, ReloadLimits
from liq.ingest.instruments import FRESH, ListedInstruments, Origin
from liq.ingest.venues import VENUES
from liq.ingest.venues.base import Venue
from support.helpers import PATIENCE_S, reached
from support.listings import Exchange, serve_listings

SOON = ReloadLimits(every=3600, pause=0.05, pause_max=0.4)


@pytest.fixture
def rest() -> Iterator[Exchange]:
    with serve_listings() as served:
        yield served


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path)


@asynccontextmanager
async def reloading(
    venue: Venue, settings: Settings, limits: ReloadLimits
) -> AsyncIterator[Contracts]:
    contracts = Contracts(venue, settings, limits=limits)
    await contracts.load()

    async def follow() -> None:
        async for _ in contracts.reloads():
            pass

    task = asyncio.create_task(follow())
    try:
        yield contracts
        assert not task.done() or venue.listing is None
    finally:
        task.cancel()
        await asyncio.wait({task})


def origin(contracts: Contracts) -> Origin:
    assert isinstance(contracts.listed, ListedInstruments)
    return contracts.listed.origin


async def test_the_listing_is_requested_regularly_and_cached(
    rest: Exchange, settings: Settings
) -> None:
    venue = rest.list_bybit("AUSDT")
    async with reloading(venue, settings, replace(SOON, every=0.1)) as contracts:
        rest.list_bybit("BUSDT")
        await reached(lambda: "BUSDT" in contracts.listed)
        await reached(lambda: len(rest.asked) > 3)
    assert set(contracts.listed) == {"BUSDT"}
    assert set(contracts.known) == {"AUSDT", "BUSDT"}  # late messages may name what is gone
    assert set(instruments.load(venue, settings)) == {"BUSDT"}


async def test_an_old_cached_answer_is_requested_again_at_once(
    rest: Exchange, settings: Settings
) -> None:
    venue = rest.list_bybit("AUSDT")
    instruments.load(venue, settings)
    age(settings, "bybit", FRESH - timedelta(minutes=1))
    rest.list_bybit("AUSDT", "BUSDT")
    async with reloading(venue, settings, SOON) as contracts:
        await reached(lambda: "BUSDT" in contracts.listed)
        assert origin(contracts) is Origin.REST


@pytest.mark.slow
async def test_a_venue_that_is_away_is_asked_ever_more_slowly(
    rest: Exchange, settings: Settings
) -> None:
    venue = rest.venue("bybit", "/bybit")
    async with reloading(venue, settings, SOON) as contracts:
        await reached(lambda: len(rest.asked) == 5)
        assert origin(contracts) is Origin.SNAPSHOT
        assert "503" in str(contracts)
        rest.list_bybit("AUSDT")
        await reached(lambda: origin(contracts) is Origin.REST)
        assert str(contracts).startswith("1 contract from the REST of ")
    gaps = [later - earlier for earlier, later in pairwise(rest.times)]
    assert all(gap >= min(0.05 * 2 ** (n + 1), 0.4) for n, gap in enumerate(gaps))


async def test_a_fault_later_keeps_the_contracts_and_is_reported(
    rest: Exchange, settings: Settings
) -> None:
    venue = rest.list_bybit("AUSDT")
    async with reloading(venue, settings, SOON) as contracts:
        rest.bodies.clear()
        contracts.request()
        await reached(lambda: "503" in str(contracts))
        assert origin(contracts) is Origin.REST
        assert set(contracts.listed) == {"AUSDT"}


async def test_a_listing_that_lost_most_contracts_is_a_fault(
    rest: Exchange, settings: Settings
) -> None:
    venue = rest.list_bybit("AUSDT", "BUSDT", "CUSDT", "DUSDT")
    async with reloading(venue, settings, SOON) as contracts:
        rest.list_bybit("AUSDT")
        contracts.request()
        await reached(lambda: contracts.requests > 0 and "but had 4" in str(contracts))
        assert len(contracts.listed) == 4
        rest.list_bybit("AUSDT", "EUSDT")
        await reached(lambda: set(contracts.listed) == {"AUSDT", "EUSDT"})


@pytest.mark.slow
async def test_a_storm_of_unknown_contracts_causes_ever_fewer_requests(
    rest: Exchange, settings: Settings
) -> None:
    venue = rest.list_bybit("AUSDT")
    numbers = count()
    async with reloading(venue, settings, SOON) as contracts:
        while len(rest.asked) < 6:
            for _ in range(10):
                contracts.request_for([f"X{next(numbers)}USDT"])
            await asyncio.sleep(0.001)
    gaps = [later - earlier for earlier, later in pairwise(rest.times)]
    assert all(gap >= min(0.05 * 2**n, 0.4) for n, gap in enumerate(gaps))


async def test_no_message_waits_for_a_request_that_is_far_away(
    rest: Exchange, settings: Settings
) -> None:
    venue = rest.list_bybit("AUSDT")
    limits = ReloadLimits(pause=1000, pause_max=1000, patience=60)
    async with reloading(venue, settings, limits) as contracts:
        assert not contracts.request_for(["X"])
        contracts.request()  # a reconnect
        await asyncio.sleep(0.1)  # nothing is to come
    assert len(rest.asked) == 1


async def test_a_contract_that_was_not_found_causes_no_other_request(
    rest: Exchange, settings: Settings
) -> None:
    venue = rest.list_bybit("AUSDT")
    async with reloading(venue, settings, SOON) as contracts:
        assert contracts.request_for(["X"])
        assert contracts.request_for(["X", "AUSDT"])  # it waits for the same one
        await reached(lambda: contracts.requests == 1)
        await reached(lambda: not contracts.request_for(["X"]))
        assert contracts.request_for(["X", "Y"])
        await reached(lambda: contracts.requests == 2)


async def test_a_contract_that_was_found_by_its_number_is_not_missing(
    rest: Exchange, settings: Settings
) -> None:
    async with reloading(rest.serve("lighter"), settings, SOON) as contracts:
        for _ in range(3):
            before = contracts.listed
            number = next(iter(before.values())).number
            assert contracts.request_for([str(number)])
            await reached(lambda: contracts.listed is not before)  # noqa: B023 - awaited here


async def test_a_contract_named_while_a_request_runs_causes_the_next(
    rest: Exchange, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def reload(*arguments: Any) -> ListedInstruments:
        begun.set()
        may_end.wait(PATIENCE_S)
        return instruments.reload(*arguments)

    monkeypatch.setattr("liq.ingest.contracts.reload", reload)
    async with reloading(rest.list_bybit("BTCUSDT"), settings, SOON) as contracts:
        assert contracts.request_for(["ETHUSDT"])
        await reached(begun.is_set)
        assert contracts.request_for(["SOLUSDT"])
        may_end.set()
        await reached(lambda: contracts.requests == 2)


async def test_remembered_contracts_are_bounded(rest: Exchange, settings: Settings) -> None:
    venue = rest.list_bybit("AUSDT")
    async with reloading(venue, settings, SOON) as contracts:
        assert contracts.request_for([f"X{number}" for number in range(1_000)])
        assert not contracts.request_for(["Y"])
        await reached(lambda: contracts.requests == 1)
        await reached(lambda: not contracts.request_for(["X1"]))
        assert contracts.request_for(["Y"])
        await reached(lambda: contracts.requests == 2)
        assert len(contracts._missing) == 1_000


async def test_given_contracts_and_names_are_never_requested(
    rest: Exchange, settings: Settings
) -> None:
    given = Contracts(rest.list_bybit("AUSDT"), settings, given={})
    await given.load()
    assert str(given) == "0 contracts from the caller"
    named = Contracts(VENUES["binance_usdm"], settings)
    assert str(named) == ""
    assert str(Contracts(VENUES["bybit"], settings)) == ""  # not loaded yet
    for contracts in (given, named):
        await contracts.load()
        contracts.request()
        assert not contracts.request_for(["X"])
        assert [one async for one in contracts.reloads()] == []
    assert rest.asked == []


async def test_a_start_without_any_contracts_is_an_error(
    rest: Exchange, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "_SNAPSHOTS", tmp_path)
    with pytest.raises(FeedError, match="bybit does not list its contracts"):
        await Contracts(rest.venue("bybit", "/away"), settings).load()
