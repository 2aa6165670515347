"""What must hold of every venue, whatever it sends."""

import copy
import gzip
import inspect
import json
import math
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.venues.conftest import RecordingOf
from liq.config import Settings
from liq.errors import ConfigError, FeedError, RejectedMessage
from liq.ingest.instruments import Origin, load
from liq.ingest.venues import PRICE_FEEDS, VENUES, find_venue
from liq.ingest.venues.base import Instrument
from liq.records.model import Liquidation, Record, Side, Source, decode, encode
from support import recordings
from support.faults import nodes, put
from support.recordings import listed

RECV = 1_692_266_435_000_000  # just after the documented orders of OKX, whose old ones are history
# a loaded machine is slow at random, which is no fault of a parser
SEARCH = settings(max_examples=50)
FEEDS = VENUES | PRICE_FEEDS
EVERY = pytest.mark.parametrize("name", FEEDS)

_HOSTILE = st.sampled_from(
    [0, -1, -0.0, 1e308, 1e-308, 10**30, True, None, "", "0", "-1", "NaN", "Infinity", "1e400", "٣"]
)
_LEAVES = _HOSTILE | st.text(max_size=8) | st.integers() | st.floats()
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def parsed(
    name: str, raw: str | bytes, instruments: Any, source: Source = Source.LIVE
) -> list[Record]:
    return recordings.parsed(FEEDS[name], raw, instruments, RECV, source)


def assert_sound(found: Iterable[Record]) -> None:
    for one in found:
        assert 0 < one.price < math.inf
        assert 2000 <= 1970 + one.ts / 1e6 / 86400 / 365.25 <= 2100
        if isinstance(one, Liquidation):
            assert all(0 < value < math.inf for value in (one.quantity, one.notional))
            assert decode(encode(one)) == one


@EVERY
def test_a_venue_names_its_documentation(name: str) -> None:
    parse = FEEDS[name].parse
    module = sys.modules[(parse.func if isinstance(parse, partial) else parse).__module__]
    assert "Source: https://" in (inspect.getdoc(module) or "")
    assert FEEDS[name].documentation.startswith("https://")
    assert FEEDS[name].url.startswith("https://" if FEEDS[name].poll else "wss://")
    assert all(url.startswith("https://") for url in getattr(FEEDS[name].listing, "urls", ()))


@pytest.mark.parametrize("name", VENUES)
def test_a_recording_shows_both_sides(recording_of: RecordingOf, name: str) -> None:
    recording = recording_of(name)
    found = [
        one
        for raw in recording.frames.values()
        for one in parsed(name, raw, recording.instruments)
        if isinstance(one, Liquidation)
    ]
    assert {one.side for one in found} == {Side.LONG, Side.SHORT}
    assert {one.exchange for one in found} == {name}
    assert {one.completeness for one in found} == {FEEDS[name].completeness}
    assert_sound(found)


@EVERY
@pytest.mark.parametrize("source", [Source.REPLAY, Source.SIMULATOR])
def test_records_have_the_source_that_the_caller_gives(
    recording_of: RecordingOf, name: str, source: Source
) -> None:
    recording = recording_of(name)
    for raw in recording.frames.values():
        live = parsed(name, raw, recording.instruments)
        other = parsed(name, raw, recording.instruments, source)
        assert {one.source for one in live} <= {Source.LIVE}
        assert {one.source for one in other} <= {source}
        for one, again in zip(live, other, strict=True):
            assert replace(one, source=source) == again


@EVERY
def test_requests_of_a_venue_are_text(name: str) -> None:
    frames = list(FEEDS[name].subscribe({"BTCUSDT": Instrument("BTCUSDT", "BTC", "USDT")}))
    if heartbeat := FEEDS[name].heartbeat:
        frames.append(heartbeat.frame)
        assert heartbeat.seconds < FEEDS[name].silence
    assert all(frame == "ping" or json.loads(frame) for frame in frames)


@EVERY
def test_a_first_start_offline_has_contracts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("liq.ingest.instruments.fetch", unreachable)
    found = load(FEEDS[name], Settings(cache=tmp_path))
    assert found.origin is (Origin.SNAPSHOT if FEEDS[name].listing else Origin.NAMES)


def unreachable(_venue: Any) -> Any:
    raise FeedError("offline")


@EVERY
@SEARCH
@given(raw=st.binary(max_size=64) | st.text(max_size=64))
def test_random_bytes_of_a_venue_are_rejected(name: str, raw: Any) -> None:
    assert parsed(name, raw, {}) is not None


@EVERY
@SEARCH
@given(document=_JSON)
def test_any_json_is_rejected_or_holds_nothing(
    recording_of: RecordingOf, name: str, document: Any
) -> None:
    recording = recording_of(name)
    assert_sound(parsed(name, recording.frame(document), recording.instruments))


@EVERY
@SEARCH
@given(data=st.data())
def test_a_changed_message_is_rejected_or_sound(
    recording_of: RecordingOf, name: str, data: st.DataObject
) -> None:
    recording = recording_of(name)
    changeable = [one for one in recording.documents.values() if one and not isinstance(one, str)]
    document = copy.deepcopy(data.draw(st.sampled_from(changeable)))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(nodes(document))))
        put(document, path, data.draw(_JSON))
        if not any(nodes(document)):
            break
    assert_sound(parsed(name, recording.frame(document), recording.instruments))


@EVERY
@SEARCH
@given(data=st.data())
def test_a_cut_or_spoilt_frame_is_rejected_or_sound(
    recording_of: RecordingOf, name: str, data: st.DataObject
) -> None:
    recording = recording_of(name)
    raw = bytearray(data.draw(st.sampled_from(list(recording.frames.values()))))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for spoilt in (bytes(raw), bytes(raw[:cut])):
        assert_sound(parsed(name, spoilt, recording.instruments))
        FEEDS[name].reply(spoilt)


@pytest.mark.parametrize("name", [name for name in FEEDS if FEEDS[name].listing])
@SEARCH
@given(data=st.data())
def test_a_changed_listing_is_rejected_or_sound(
    recording_of: RecordingOf, name: str, data: st.DataObject
) -> None:
    document = json.loads(recording_of(name).listing)
    path = data.draw(st.sampled_from(list(nodes(document))))
    put(document, path, data.draw(_JSON))
    try:
        found, following = listed(FEEDS[name], json.dumps(document).encode())
    except RejectedMessage:
        return
    assert all(0 < one.multiplier < math.inf for one in found)
    assert all(isinstance(one.symbol, str) for one in found)
    assert isinstance(following, str)


@EVERY
def test_a_deep_or_huge_frame_ends(name: str) -> None:
    for raw in ("[" * 100_000, '{"data":' * 100_000, "1" * 100_000):
        assert not list(parsed(name, raw, {}))
        assert not list(parsed(name, gzip.compress(raw.encode()), {}))


def test_an_unknown_venue_lists_the_known_ones() -> None:
    with pytest.raises(
        ConfigError,
        match="unknown venue 'binance', did you mean 'binance_usdm'\\? valid are: binance_usdm, ",
    ):
        find_venue("binance")
