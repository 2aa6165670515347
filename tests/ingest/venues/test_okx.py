import json

import pytest

from ingest.venues.conftest import Recording, accepted, liquidations, listed
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument
from liq.ingest.venues.okx import OKX
from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source

RECV = 1_692_266_435_000_000


def test_the_documented_short(recording: Recording) -> None:
    assert liquidations(OKX, recording.frames["documented"], recording.instruments, RECV) == [
        Liquidation(
            ts=1_692_266_434_010_000,
            recv_ts=RECV,
            exchange="okx",
            symbol="IOST-USDT-SWAP",
            base="IOST",
            quote="USDT",
            side=Side.SHORT,
            raw_side="buy",
            price=0.007831,
            price_kind=PriceKind.BANKRUPTCY,
            quantity=13000.0,
            notional=13000 * 0.007831,
            event_id=-643_845_146_813_553_265,
            completeness=Completeness.SAMPLED,
            source=Source.LIVE,
        )
    ]


def test_several_contracts_linear_and_inverse(recording: Recording) -> None:
    found = liquidations(OKX, recording.frames["several"], recording.instruments, RECV)
    assert [(one.symbol, one.side, one.quantity, one.notional) for one in found] == [
        ("BTC-USDT-SWAP", Side.LONG, 10.0, pytest.approx(635_246)),
        ("BTC-USDT-SWAP", Side.LONG, pytest.approx(2.4627), pytest.approx(156_248.95674)),
        ("BTC-USD-SWAP", Side.SHORT, 0.01, 500.0),
    ]


def test_history_is_passed_over(recording: Recording) -> None:
    an_hour_later = RECV + 3_600_000_000
    assert (
        liquidations(OKX, recording.frames["several"], recording.instruments, an_hour_later) == []
    )


def test_an_order_that_closes_no_such_position_rejects_only_itself(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="a sell order closes no short position") as caught:
        liquidations(OKX, recording.frames["contradictory"], recording.instruments, RECV)
    assert [one.side for one in accepted(caught.value)] == [Side.LONG]


@pytest.mark.parametrize("frame", ["subscribed", "pong", "control"])
def test_other_frames_hold_nothing(recording: Recording, frame: str) -> None:
    assert liquidations(OKX, recording.frames[frame], recording.instruments, RECV) == []


def test_a_refused_request_is_reported(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="refused a request: 60018"):
        liquidations(OKX, recording.frames["refused"], recording.instruments, RECV)


def test_all_contracts_are_one_subscription_a_kind() -> None:
    (frame,) = OKX.subscribe({})
    assert json.loads(frame)["args"] == [
        {"channel": "liquidation-orders", "instType": "SWAP"},
        {"channel": "liquidation-orders", "instType": "FUTURES"},
        {"channel": "open-interest", "instId": "BTC-USDT-SWAP"},
    ]


def test_the_listing_says_contract_sizes(recording: Recording) -> None:
    assert listed(OKX, recording.listing) == (
        [
            Instrument("BTC-USDT-SWAP", "BTC", "USDT", 0.01),
            Instrument("BTC-USD-SWAP", "BTC", "USD", 100.0, inverse=True),
            Instrument("IOST-USDT-SWAP", "IOST", "USDT", 1000.0),
        ],
        "",
    )
