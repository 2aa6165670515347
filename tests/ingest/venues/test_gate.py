import json

import pytest

from ingest.venues.conftest import Recording, RecordingOf, liquidations, listed
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument
from liq.ingest.venues.gate import GATE, GATE_INVERSE
from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source

RECV = 1_541_505_434_200_000


def test_the_documented_longs(recording: Recording) -> None:
    first, second = liquidations(GATE, recording.frames["documented"], recording.instruments, RECV)
    assert first == Liquidation(
        ts=1_541_486_601_123_000,
        recv_ts=RECV,
        exchange="gate",
        symbol="BTC_USDT",
        base="BTC",
        quote="USDT",
        side=Side.LONG,
        raw_side="-",
        price=215.1,
        price_kind=PriceKind.LIMIT,
        quantity=124.5 * 0.0001,
        notional=124.5 * 0.0001 * 215.1,
        event_id=5_127_912_799_701_947_980,
        completeness=Completeness.FULL,
        source=Source.LIVE,
    )
    assert (second.ts, second.side) == (1_541_486_601_456_000, Side.LONG)


def test_a_buy_closes_a_short(recording: Recording) -> None:
    (short,) = liquidations(GATE, recording.frames["short"], recording.instruments, RECV)
    assert (short.side, short.raw_side) == (Side.SHORT, "+")
    assert short.quantity == pytest.approx(0.0077)


def test_the_shapes_before_the_batches_are_read(recording: Recording) -> None:
    (bare,) = liquidations(GATE, recording.frames["bare_object"], recording.instruments, RECV)
    assert (bare.ts, bare.quantity) == (1_786_327_033_531_000, 230.0)
    (slow,) = liquidations(GATE, recording.frames["in_seconds"], recording.instruments, RECV)
    assert slow.ts == 1_541_486_601_000_000


def test_inverse_contracts_are_one_dollar(recording_of: RecordingOf) -> None:
    recording = recording_of("gate_inverse")
    long, short = liquidations(GATE_INVERSE, recording.frames["both"], recording.instruments, RECV)
    assert (long.exchange, long.side, long.notional) == ("gate_inverse", Side.LONG, 1000.0)
    assert (short.side, short.notional, short.quantity) == (Side.SHORT, 500.0, 0.01)


@pytest.mark.parametrize("frame", ["subscribed", "pong", "control"])
def test_other_frames_hold_nothing(recording: Recording, frame: str) -> None:
    assert liquidations(GATE, recording.frames[frame], recording.instruments, RECV) == []


def test_a_refused_request_is_reported(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="refused a request: 2 unknown contract NONE"):
        liquidations(GATE, recording.frames["refused"], recording.instruments, RECV)


def test_all_contracts_are_one_subscription() -> None:
    payloads = [json.loads(frame) for frame in GATE.subscribe({})]
    assert [(one["channel"], one["payload"]) for one in payloads] == [
        ("futures.public_liquidates", ["!all"]),
        ("futures.tickers", ["BTC_USDT"]),
    ]


def test_the_listing_leaves_out_quanto_contracts(
    recording: Recording, recording_of: RecordingOf
) -> None:
    assert listed(GATE, recording.listing)[0] == [
        Instrument("BTC_USDT", "BTC", "USDT", 0.0001),
        Instrument("HEI_USDT", "HEI", "USDT", 10.0),
    ]
    assert listed(GATE_INVERSE, recording_of("gate_inverse").listing)[0] == [
        Instrument("BTC_USD", "BTC", "USD", inverse=True)
    ]
