"""The contract of every venue, by its golden file: a new venue gets all of it with its file."""

import json
from itertools import combinations
from typing import Any

import msgspec
import pytest

from liq.errors import RejectedMessage
from liq.ingest.venues import PRICE_FEEDS, VENUES
from liq.ingest.venues.base import Instrument
from liq.records.model import Liquidation, Price, Record
from support.recordings import Recording, listed, load_recording, parsed

FEEDS = VENUES | PRICE_FEEDS
RECORDINGS = {name: load_recording(name) for name in FEEDS}
LISTED = [name for name in FEEDS if FEEDS[name].listing]
JUNK = (b"", b"\xff", b"\xff{", b"{", b"\x1f\x8b no gzip", b"\x1f\x8b" + b"\x00" * 20)
MOST_IN_A_REQUEST = 21_000  # characters of arguments that Bybit takes
every_feed = pytest.mark.parametrize("name", FEEDS)


def frames_with(key: str) -> pytest.MarkDecorator:
    """Parametrize over the frames of all venues that a golden file names under ``key``."""
    cases = [(name, frame) for name in FEEDS for frame in RECORDINGS[name].expected[key]]
    return pytest.mark.parametrize(("name", "frame"), cases)


def plain(records: list[Record]) -> list[Any]:
    return [msgspec.to_builtins(one) for one in records]


def complete(golden: list[Any]) -> list[Any]:
    """Return golden records with the fields that follow from others, such as the asset."""
    return [
        msgspec.to_builtins(msgspec.convert(one, Price if "kind" in one else Liquidation))
        for one in golden
    ]


def parse(recording: Recording, frame: str, later: int = 0) -> list[Record]:
    raw = recording.frames[frame]
    feed = FEEDS[recording.venue]
    return list(feed.parse(raw, recording.instruments, recording.recv_ts + later))


def ids(records: list[Record]) -> list[int]:
    return [one.event_id for one in records if isinstance(one, Liquidation)]


@every_feed
def test_a_golden_file_expects_one_outcome_of_each_frame(name: str) -> None:
    expected = RECORDINGS[name].expected
    outcomes = [{*expected[key]} for key in ("records", "nothing", "rejected")]
    assert set.union(*outcomes) == {*RECORDINGS[name].documents}
    assert not any(one & other for one, other in combinations(outcomes, 2))
    assert {*expected["shows"]} <= {*RECORDINGS[name].documents}
    assert expected["records"]
    assert expected["nothing"]


@frames_with("records")
def test_a_good_frame_gives_its_golden_records(name: str, frame: str) -> None:
    recording = RECORDINGS[name]
    golden = complete(recording.expected["records"][frame])
    assert plain(parse(recording, frame)) == golden
    text = json.dumps(recording.documents[frame])  # not gzipped, as in a recording
    for raw in (text, text.encode()):
        found = FEEDS[name].parse(raw, recording.instruments, recording.recv_ts)
        assert plain(list(found)) == golden


@frames_with("nothing")
def test_a_frame_without_liquidations_gives_no_record(name: str, frame: str) -> None:
    assert parse(RECORDINGS[name], frame) == []


@frames_with("rejected")
def test_a_rejected_frame_has_its_reason_and_keeps_its_good_records(name: str, frame: str) -> None:
    golden = RECORDINGS[name].expected["rejected"][frame]
    with pytest.raises(RejectedMessage) as caught:
        parse(RECORDINGS[name], frame)
    assert str(caught.value) == golden["reason"]
    assert plain(list(caught.value.accepted)) == complete(golden["accepted"])


@every_feed
@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_rejected_and_not_answered(name: str, junk: bytes) -> None:
    recording = RECORDINGS[name]
    with pytest.raises(RejectedMessage):
        FEEDS[name].parse(junk, recording.instruments, recording.recv_ts)
    assert FEEDS[name].reply(junk) is None


@frames_with("records")
def test_duplicates_have_equal_ids_and_other_liquidations_have_their_own(
    name: str, frame: str
) -> None:
    found, again = (ids(parse(RECORDINGS[name], frame, later)) for later in (0, 1))
    assert found == again
    assert len({*found}) == len(found)


@every_feed
def test_notional_is_quantity_times_price(name: str) -> None:
    recording = RECORDINGS[name]
    for raw in recording.frames.values():
        for one in parsed(FEEDS[name], raw, recording.instruments, recording.recv_ts):
            if isinstance(one, Liquidation):
                assert one.notional == pytest.approx(one.quantity * one.price)


@every_feed
def test_symbols_have_the_base_and_quote_of_their_instrument(name: str) -> None:
    recording = RECORDINGS[name]
    for raw in recording.frames.values():
        for one in parsed(FEEDS[name], raw, recording.instruments, recording.recv_ts):
            known = recording.instruments.get(one.symbol)
            assert known is None or (one.base, one.quote) == (known.base, known.quote)
            assert known or not FEEDS[name].listing


@every_feed
def test_only_a_heartbeat_of_the_venue_is_answered(name: str) -> None:
    recording = RECORDINGS[name]
    answers = {frame: FEEDS[name].reply(raw) for frame, raw in recording.frames.items()}
    given = {frame: json.loads(answer) for frame, answer in answers.items() if answer}
    assert given == recording.expected["answers"]


@every_feed
def test_a_subscription_without_contracts_sends_its_golden_requests(name: str) -> None:
    requests = [json.loads(frame) for frame in FEEDS[name].subscribe({})]
    assert requests == RECORDINGS[name].expected["requests"]


@every_feed
def test_requests_of_a_subscription_to_many_contracts_are_bounded(name: str) -> None:
    contracts = {f"C{n}USDT": Instrument(f"C{n}USDT", f"C{n}", "USDT") for n in range(450)}
    requests = FEEDS[name].subscribe(contracts)
    assert all(len(request) < MOST_IN_A_REQUEST for request in requests)


@every_feed
def test_requests_without_contracts_are_apart_from_those_with_contracts(name: str) -> None:
    contracts = {f"C{n}USDT": Instrument(f"C{n}USDT", f"C{n}", "USDT") for n in range(450)}
    once, requests = FEEDS[name].subscribe({}), FEEDS[name].subscribe(contracts)
    assert FEEDS[name].listing is None or list(requests[: len(once)]) == list(once)


@pytest.mark.parametrize("name", LISTED)
def test_a_listing_gives_its_golden_instruments(name: str) -> None:
    recording = RECORDINGS[name]
    instruments, following = listed(FEEDS[name], recording.listing)
    assert instruments == [Instrument(**one) for one in recording.expected["instruments"]]
    assert following == recording.expected["next_page"]
