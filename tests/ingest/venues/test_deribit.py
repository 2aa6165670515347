import json

import pytest

from ingest.venues.conftest import Recording, liquidations, listed
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument
from liq.ingest.venues.deribit import DERIBIT
from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source

RECV = 1_584_058_044_100_000


def test_a_liquidated_taker_who_sold_was_long(recording: Recording) -> None:
    assert liquidations(DERIBIT, recording.frames["taker"], recording.instruments, RECV) == [
        Liquidation(
            ts=1_584_058_044_032_000,
            recv_ts=RECV,
            exchange="deribit",
            symbol="BTC-PERPETUAL",
            base="BTC",
            quote="USD",
            side=Side.LONG,
            raw_side="sell T",
            price=4469.5,
            price_kind=PriceKind.AVERAGE,
            quantity=1120 / 4469.5,
            notional=1120.0,
            event_id=-133_259_806_436_700_177,
            completeness=Completeness.FULL,
            source=Source.LIVE,
        )
    ]


def test_a_maker_is_on_the_other_side_and_other_trades_do_not_count(recording: Recording) -> None:
    found = liquidations(DERIBIT, recording.frames["several"], recording.instruments, RECV)
    assert [(one.symbol, one.side, one.raw_side, one.notional) for one in found] == [
        ("BTC-PERPETUAL", Side.LONG, "buy M", 2500.0),
        ("BTC_USDC-PERPETUAL", Side.SHORT, "buy T", 1115.0),
    ]
    assert found[1].quantity == 0.25


def test_a_trade_of_two_liquidated_sides_is_two_liquidations(recording: Recording) -> None:
    maker, taker = liquidations(
        DERIBIT, recording.frames["both_sides"], recording.instruments, RECV
    )
    assert (maker.side, taker.side) == (Side.SHORT, Side.LONG)
    assert maker.notional == taker.notional == 890.0
    assert maker.raw_side == taker.raw_side == "sell MT"
    assert maker.event_id != taker.event_id


def test_an_unknown_mark_is_rejected(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="unknown liquidation mark 'X'"):
        liquidations(DERIBIT, recording.frames["unknown_mark"], recording.instruments, RECV)


@pytest.mark.parametrize(
    "frame", ["subscribed", "heartbeat_set", "test_answered", "heartbeat", "test_request"]
)
def test_other_frames_hold_nothing(recording: Recording, frame: str) -> None:
    assert liquidations(DERIBIT, recording.frames[frame], recording.instruments, RECV) == []


def test_a_refused_request_is_reported(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="refused a request: 11050 bad_request"):
        liquidations(DERIBIT, recording.frames["refused"], recording.instruments, RECV)


def test_only_the_test_request_is_answered(recording: Recording) -> None:
    answers = {name: DERIBIT.reply(frame) for name, frame in recording.frames.items()}
    answer = json.loads(answers.pop("test_request") or "")
    assert answer["method"] == "public/test"
    assert set(answers.values()) == {None}
    assert DERIBIT.reply(b"\xff{") is None


def test_a_heartbeat_is_asked_for_before_the_trades() -> None:
    first, second = map(json.loads, DERIBIT.subscribe({}))
    assert first["method"] == "public/set_heartbeat"
    assert second["params"] == {"channels": ["trades.future.any.100ms"]}


def test_the_listing_distinguishes_inverse_from_linear(recording: Recording) -> None:
    contracts, _ = listed(DERIBIT, recording.listing)
    assert contracts == [
        Instrument("BTC-PERPETUAL", "BTC", "USD", inverse=True),
        Instrument("BTC_USDC-PERPETUAL", "BTC", "USDC"),
    ]
