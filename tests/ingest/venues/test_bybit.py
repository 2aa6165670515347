import json

import pytest

from ingest.venues.conftest import Recording, RecordingOf, accepted, liquidations, listed
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument
from liq.ingest.venues.bybit import BYBIT, BYBIT_INVERSE
from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source

RECV = 1_739_502_304_500_000


def test_the_documented_short(recording: Recording) -> None:
    assert liquidations(BYBIT, recording.frames["documented"], recording.instruments, RECV) == [
        Liquidation(
            ts=1_739_502_302_929_000,
            recv_ts=RECV,
            exchange="bybit",
            symbol="ROSEUSDT",
            base="ROSE",
            quote="USDT",
            side=Side.SHORT,
            raw_side="Sell",
            price=0.04499,
            price_kind=PriceKind.BANKRUPTCY,
            quantity=20000.0,
            notional=20000 * 0.04499,
            event_id=-6_561_916_271_848_605_295,
            completeness=Completeness.FULL,
            source=Source.LIVE,
        )
    ]


def test_several_in_one_message_of_which_two_are_alike(recording: Recording) -> None:
    found = liquidations(BYBIT, recording.frames["several"], recording.instruments, RECV)
    assert [(one.side, one.quantity, one.notional) for one in found] == [
        (Side.LONG, 0.01, 0.01 * 63339.4),
        (Side.LONG, 0.01, 0.01 * 63339.4),
        (Side.SHORT, 2.0, 2 * 63211.5),
    ]
    assert len({one.event_id for one in found}) == 3
    again = liquidations(BYBIT, recording.frames["several"], recording.instruments, RECV + 1)
    assert [one.event_id for one in again] == [one.event_id for one in found]


def test_inverse_size_is_in_dollars(recording_of: RecordingOf) -> None:
    recording = recording_of("bybit_inverse")
    long, short = liquidations(BYBIT_INVERSE, recording.frames["both"], recording.instruments, RECV)
    assert (long.side, long.notional, long.quantity) == (Side.LONG, 1637.0, 1637 / 40000)
    assert (short.side, short.notional, short.quantity) == (Side.SHORT, 800.0, 0.02)
    assert (long.exchange, long.base, long.quote) == ("bybit_inverse", "BTC", "USD")


def test_an_unknown_contract_rejects_only_itself(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="unknown contract 'NEWUSDT'") as caught:
        liquidations(BYBIT, recording.frames["partly_unknown"], recording.instruments, RECV)
    assert [one.symbol for one in accepted(caught.value)] == ["BTCUSDT"]


@pytest.mark.parametrize("frame", ["subscribed", "pong", "control"])
def test_other_frames_hold_nothing(recording: Recording, frame: str) -> None:
    assert liquidations(BYBIT, recording.frames[frame], recording.instruments, RECV) == []


def test_a_refused_request_is_reported(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="refused a request: error:handler not found"):
        liquidations(BYBIT, recording.frames["refused"], recording.instruments, RECV)


def test_each_contract_is_subscribed_to_beside_a_control_stream() -> None:
    contracts = {f"C{n}USDT": Instrument(f"C{n}USDT", f"C{n}", "USDT") for n in range(450)}
    requests = [json.loads(frame) for frame in BYBIT.subscribe(contracts)]
    topics = [topic for request in requests for topic in request["args"]]
    assert topics == ["kline.1.BTCUSDT", *(f"allLiquidation.{symbol}" for symbol in contracts)]
    assert all(request["op"] == "subscribe" for request in requests)
    assert all(len(json.dumps(request["args"])) < 21_000 for request in requests)


def test_the_listing_goes_on_to_the_next_page(recording: Recording) -> None:
    contracts, following = listed(BYBIT, recording.listing)
    assert contracts[0] == Instrument("BTCUSDT", "BTC", "USDT")
    assert following == "&cursor=first%3DROSEUSDT"


def test_an_inverse_listing_ends(recording_of: RecordingOf) -> None:
    contracts, following = listed(BYBIT_INVERSE, recording_of("bybit_inverse").listing)
    assert contracts[0] == Instrument("BTCUSD", "BTC", "USD", inverse=True)
    assert following == ""
