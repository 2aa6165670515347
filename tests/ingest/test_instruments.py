import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from liq.common import http
from liq.config import Settings
from liq.errors import FeedError
from liq.ingest import instruments
from liq.ingest.instruments import FRESH, Origin, fetch, load
from liq.ingest.venues import VENUES
from liq.ingest.venues.base import Instrument
from liq.records.model import Completeness, Liquidation, Source
from support.disk import small_disk
from support.listings import Exchange, listing_of, serve_listings
from support.recordings import load_recording

PAYLOADS = Path(__file__).parent / "venues" / "payloads"

LISTED = sorted(name for name, venue in VENUES.items() if venue.listing)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with serve_listings() as served:
        yield served


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path)


def age(settings: Settings, venue: str, by: timedelta) -> None:
    file = settings.cache / "instruments" / f"{venue}.json"
    kept = json.loads(file.read_text())
    kept["as_of"] = (datetime.now(UTC) - by).isoformat()
    file.write_text(json.dumps(kept))


def test_rest_is_asked_once_and_then_the_cache(exchange: Exchange, settings: Settings) -> None:
    venue = exchange.serve("okx")
    first, second = load(venue, settings), load(venue, settings)
    assert (first.origin, second.origin) == (Origin.REST, Origin.CACHE)
    assert first == second
    assert first["BTC-USD-SWAP"] == Instrument("BTC-USD-SWAP", "BTC", "USD", 100.0, inverse=True)
    assert len(exchange.asked) == 1


def test_an_old_cache_is_refreshed(exchange: Exchange, settings: Settings) -> None:
    venue = exchange.serve("gate")
    load(venue, settings)
    age(settings, "gate", FRESH + timedelta(minutes=1))
    assert load(venue, settings).origin is Origin.REST


def test_a_cache_of_a_clock_that_was_ahead_is_refreshed(
    exchange: Exchange, settings: Settings
) -> None:
    venue = exchange.serve("gate")
    load(venue, settings)
    age(settings, "gate", -timedelta(days=365))
    assert load(venue, settings).origin is Origin.REST


def test_an_old_cache_serves_while_the_venue_is_unreachable(
    exchange: Exchange, settings: Settings
) -> None:
    venue = exchange.serve("gate")
    load(venue, settings)
    age(settings, "gate", timedelta(days=9))
    exchange.bodies.clear()
    found = load(venue, settings)
    assert found.origin is Origin.STALE_CACHE
    assert "HEI_USDT" in found
    assert "gate does not list its contracts: Server error '503" in str(found)


def test_the_snapshot_serves_a_first_start_offline(exchange: Exchange, settings: Settings) -> None:
    found = load(exchange.venue("bitmex", "/away"), settings)
    assert found.origin is Origin.SNAPSHOT
    assert found["XBTUSDT"] == Instrument("XBTUSDT", "BTC", "USDT", 1e-06)
    assert str(found).startswith(f"{len(found)} contracts from the snapshot of 2026-")
    assert not (settings.cache / "instruments").exists()  # a snapshot never turns into a cache


def test_contracts_whose_names_say_all_are_not_counted(settings: Settings) -> None:
    found = load(VENUES["binance_usdm"], settings)
    assert found.origin is Origin.NAMES
    assert str(found) == ""


def test_records_of_a_feed_with_the_snapshot_are_sampled() -> None:
    recording = load_recording("bitmex")
    frame = recording.frames[next(iter(recording.expected["records"]))]
    records = VENUES["bitmex"].parse(frame, recording.instruments, recording.recv_ts)
    assert instruments.limit_records(records, recording.instruments) == records
    shipped = instruments.load_snapshot(VENUES["bitmex"])
    assert shipped
    limited = instruments.limit_records(records, shipped)
    assert {one.completeness for one in limited if isinstance(one, Liquidation)} == {"sampled"}
    assert len(limited) == len(records)


def test_a_simulated_feed_with_the_snapshot_is_as_complete_as_its_venues() -> None:
    recording = load_recording("bitmex")
    frame = recording.frames[next(iter(recording.expected["records"]))]
    arguments = recording.instruments, recording.recv_ts, Source.SIMULATOR
    records = VENUES["bitmex"].parse(frame, *arguments)
    shipped = instruments.load_snapshot(VENUES["bitmex"])
    assert shipped
    assert instruments.limit_records(records, shipped) == records
    for source in Source:
        expected = "full" if source is Source.SIMULATOR else "sampled"
        assert instruments.limit_completeness(shipped, Completeness.FULL, source) == expected


def test_without_a_snapshot_there_is_an_error(
    exchange: Exchange, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "_SNAPSHOTS", tmp_path)
    with pytest.raises(FeedError, match="bitmex does not list its contracts"):
        load(exchange.venue("bitmex", "/away"), settings)


def test_a_spoilt_cache_is_none(exchange: Exchange, settings: Settings) -> None:
    venue = exchange.serve("gate")
    load(venue, settings)
    (settings.cache / "instruments" / "gate.json").write_text("{")
    assert load(venue, settings).origin is Origin.REST


def test_pages_are_followed_to_the_last(exchange: Exchange, settings: Settings) -> None:
    first = json.loads((PAYLOADS / "bybit.json").read_text())["listing"]
    last = {"result": {"list": [{"symbol": "XUSDT", "baseCoin": "X", "quoteCoin": "USDT"}]}}
    exchange.bodies["/linear?limit=2"] = json.dumps(first).encode()
    exchange.bodies["/linear?limit=2&cursor=first%3DROSEUSDT"] = json.dumps(last).encode()
    found = fetch(exchange.venue("bybit", "/linear?limit=2"))
    assert [one.symbol for one in found] == ["BTCUSDT", "ROSEUSDT", "XUSDT"]


@pytest.mark.parametrize("cursor", [{"nextPageCursor": None}, {"nextPageCursor": ""}, {}])
def test_a_page_of_bybit_without_a_cursor_is_the_last(
    exchange: Exchange, cursor: dict[str, str | None]
) -> None:
    page = {"list": [{"symbol": "XUSDT", "baseCoin": "X", "quoteCoin": "USDT"}]}
    exchange.bodies["/linear"] = json.dumps({"result": {**page, **cursor}}).encode()
    assert [one.symbol for one in fetch(exchange.venue("bybit", "/linear"))] == ["XUSDT"]


@pytest.mark.parametrize("name", ["bybit", "bybit_inverse"])
def test_bybit_is_asked_for_pre_market_contracts_too(name: str) -> None:
    urls = listing_of(name).urls
    assert [url.partition("&status=")[2] for url in urls] == [
        "Trading&limit=1000",
        "PreLaunch&limit=1000",
    ]


def test_pages_without_end_are_an_error(exchange: Exchange) -> None:
    body = json.dumps(json.loads((PAYLOADS / "bybit.json").read_text())["listing"]).encode()
    exchange.bodies["/linear?limit=2"] = body
    exchange.bodies["/linear?limit=2&cursor=first%3DROSEUSDT"] = body
    with pytest.raises(FeedError, match="has no last page"):
        fetch(exchange.venue("bybit", "/linear?limit=2"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"<html>", "not the documented JSON"), (b'{"data":[]}', "okx lists no contracts")],
)
def test_an_undocumented_answer_is_an_error(exchange: Exchange, body: bytes, reason: str) -> None:
    exchange.bodies["/swaps"] = body
    with pytest.raises(FeedError, match=reason):
        fetch(exchange.venue("okx", "/swaps"))


@pytest.mark.parametrize("host", ["xn--", "a" * 64, "..."])
def test_a_redirect_to_a_name_that_no_host_has_is_an_error(exchange: Exchange, host: str) -> None:
    exchange.redirects["/moved"] = f"http://{host}/"
    with pytest.raises(FeedError, match="no host has this name"):
        fetch(exchange.venue("gate", "/moved"))


def test_a_listing_of_more_contracts_than_any_venue_has_is_an_error(exchange: Exchange) -> None:
    venue = exchange.list_bybit(*(f"X{number}USDT" for number in range(10_001)))
    with pytest.raises(FeedError, match="bybit lists 10001 contracts"):
        fetch(venue)


def test_an_answer_without_end_is_an_error(exchange: Exchange) -> None:
    exchange.bodies["/long"] = b"x" * 100
    with http.Client(10) as client:
        assert client.download(f"{exchange.url}/long", 100)[1] == b"x" * 100
        with pytest.raises(httpx.DecodingError, match="more than 99 bytes"):
            client.download(f"{exchange.url}/long", 99)


def test_a_venue_that_is_not_there_is_an_error() -> None:
    listing = replace(listing_of("okx"), urls=("http://127.0.0.1:9/",))
    with pytest.raises(FeedError, match="okx does not list its contracts: the connection is re"):
        fetch(replace(VENUES["okx"], listing=listing))


def test_a_venue_whose_server_cannot_be_found_is_said_in_plain_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    listing = replace(listing_of("okx"), urls=("http://nowhere.invalid/",))
    with pytest.raises(FeedError) as caught:
        fetch(replace(VENUES["okx"], listing=listing))
    assert str(caught.value) == (
        "okx does not list its contracts:"
        " the name of its server, or of the proxy, cannot be resolved"
    )
    assert "Errno" in caplog.text


def test_a_venue_whose_names_say_all_is_not_asked(settings: Settings) -> None:
    assert load(VENUES["binance_usdm"], settings).origin is Origin.NAMES


@pytest.mark.parametrize("name", LISTED)
def test_each_snapshot_agrees_with_the_venue_s_documentation(
    exchange: Exchange, settings: Settings, name: str
) -> None:
    shipped = load(exchange.venue(name, "/away"), settings)
    documented, _ = listing_of(name).parse(
        json.dumps(json.loads((PAYLOADS / f"{name}.json").read_text())["listing"]).encode()
    )
    common = [one for one in documented if one.symbol in shipped]
    assert common
    assert [shipped[one.symbol] for one in common] == common
    assert all(one.multiplier > 0 for one in shipped.values())


def test_a_full_disk_keeps_no_venue_from_being_asked(exchange: Exchange, tmp_path: Path) -> None:
    venue = exchange.serve(LISTED[0])
    settings = Settings.load(home=tmp_path / "home", cache=tmp_path / "cache")
    with small_disk("limit", tmp_path / "disk") as disk:
        disk.fill()
        found = load(venue, settings)
    assert found.origin is Origin.REST
    assert list((tmp_path / "cache" / "instruments").iterdir()) == []
