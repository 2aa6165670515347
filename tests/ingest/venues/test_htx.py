import gzip
import json

import pytest

from ingest.venues.conftest import Recording, RecordingOf, liquidations, listed
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument
from liq.ingest.venues.htx import HTX, HTX_INVERSE
from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source

RECV = 1_608_226_503_500_000


def test_the_documented_long(recording: Recording) -> None:
    assert liquidations(HTX, recording.frames["documented"], recording.instruments, RECV) == [
        Liquidation(
            ts=1_608_226_502_284_000,
            recv_ts=RECV,
            exchange="htx",
            symbol="BTC-USDT",
            base="BTC",
            quote="USDT",
            side=Side.LONG,
            raw_side="sell",
            price=23350.5,
            price_kind=PriceKind.BANKRUPTCY,
            quantity=0.227,
            notional=5300.5635,
            event_id=5_670_909_688_428_816_744,
            completeness=Completeness.FULL,
            source=Source.LIVE,
        )
    ]


def test_a_recording_may_hold_the_json_itself(recording: Recording) -> None:
    packed = recording.frames["documented"]
    plain = gzip.decompress(packed)
    expected = liquidations(HTX, packed, recording.instruments, RECV)
    assert liquidations(HTX, plain, recording.instruments, RECV) == expected
    assert liquidations(HTX, plain.decode(), recording.instruments, RECV) == expected


def test_several_of_two_contracts(recording: Recording) -> None:
    found = liquidations(HTX, recording.frames["several"], recording.instruments, RECV)
    assert [(one.symbol, one.side, one.quantity, one.notional) for one in found] == [
        ("BTC-USDT", Side.SHORT, 0.01, 234.0),
        ("BTC-USDT-210326", Side.SHORT, 0.02, 470.0),
    ]


def test_the_documented_short_of_an_inverse_contract(recording_of: RecordingOf) -> None:
    recording = recording_of("htx_inverse")
    (short,) = liquidations(
        HTX_INVERSE, recording.frames["documented"], recording.instruments, RECV
    )
    assert (short.exchange, short.side, short.notional) == ("htx_inverse", Side.SHORT, 2600.0)
    assert short.quantity == pytest.approx(0.13214766383260754)  # the venue's own amount
    (long,) = liquidations(HTX_INVERSE, recording.frames["long"], recording.instruments, RECV)
    assert (long.side, long.notional, long.quantity) == (Side.LONG, 400.0, 0.02)


def test_a_volume_in_another_unit_is_not_believed(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match=r"this is 0\.234 USD, by the venue 234 USD"):
        liquidations(HTX, recording.frames["another_unit"], recording.instruments, RECV)


@pytest.mark.parametrize("frame", ["subscribed", "ping"])
def test_other_frames_hold_nothing(recording: Recording, frame: str) -> None:
    assert liquidations(HTX, recording.frames[frame], recording.instruments, RECV) == []


@pytest.mark.parametrize("frame", ["refused", "closed"])
def test_a_refused_request_is_reported(recording: Recording, frame: str) -> None:
    with pytest.raises(RejectedMessage, match="refused a request"):
        liquidations(HTX, recording.frames[frame], recording.instruments, RECV)


def test_a_broken_gzip_is_rejected(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="no gzip"):
        liquidations(HTX, b"\x1f\x8b" + b"\x00" * 20, recording.instruments, RECV)


def test_only_a_ping_is_answered(recording: Recording) -> None:
    answers = {name: HTX.reply(frame) for name, frame in recording.frames.items()}
    assert json.loads(answers.pop("ping") or "") == {"op": "pong", "ts": "1489474081631"}
    assert set(answers.values()) == {None}
    assert HTX.reply(b"\x1f\x8b no gzip") is None


def test_the_listing_says_contract_sizes(recording: Recording, recording_of: RecordingOf) -> None:
    assert listed(HTX, recording.listing)[0] == [
        Instrument("BTC-USDT", "BTC", "USDT", 0.001),
        Instrument("BTC-USDT-210326", "BTC", "USDT", 0.001),
    ]
    assert listed(HTX_INVERSE, recording_of("htx_inverse").listing)[0] == [
        Instrument("BTC-USD", "BTC", "USD", 100.0, inverse=True)
    ]
