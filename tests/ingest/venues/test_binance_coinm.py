import pytest

from ingest.venues.conftest import Recording, liquidations, listed
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument
from liq.ingest.venues.binance import BINANCE_COINM
from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source

RECV = 1_591_154_241_000_000


def test_the_documented_long_is_a_contract_of_100_dollars(recording: Recording) -> None:
    assert liquidations(
        BINANCE_COINM, recording.frames["documented"], recording.instruments, RECV
    ) == [
        Liquidation(
            ts=1_591_154_240_949_000,
            recv_ts=RECV,
            exchange="binance_coinm",
            symbol="BTCUSD_200925",
            base="BTC",
            quote="USD",
            side=Side.LONG,
            raw_side="SELL",
            price=9496.5,
            price_kind=PriceKind.AVERAGE,
            quantity=100 / 9496.5,
            notional=100.0,
            event_id=-4_144_562_071_078_785_285,
            completeness=Completeness.THROTTLED,
            source=Source.LIVE,
        )
    ]


def test_a_short_counts_what_was_filled_at_what_was_paid(recording: Recording) -> None:
    (short,) = liquidations(BINANCE_COINM, recording.frames["short"], recording.instruments, RECV)
    assert (short.side, short.notional, short.quantity) == (Side.SHORT, 400.0, 2.0)


@pytest.mark.parametrize("frame", ["open", "subscribed", "control"])
def test_other_frames_hold_nothing(recording: Recording, frame: str) -> None:
    assert liquidations(BINANCE_COINM, recording.frames[frame], recording.instruments, RECV) == []


def test_the_size_of_an_unknown_contract_is_not_guessed(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="unknown contract 'NEWUSD_PERP'"):
        liquidations(BINANCE_COINM, recording.frames["unknown"], recording.instruments, RECV)


def test_the_listing_says_contract_sizes(recording: Recording) -> None:
    assert listed(BINANCE_COINM, recording.listing)[0] == [
        Instrument("BTCUSD_200925", "BTC", "USD", 100.0, inverse=True),
        Instrument("BTCUSD_PERP", "BTC", "USD", 100.0, inverse=True),
        Instrument("ETHUSD_PERP", "ETH", "USD", 10.0, inverse=True),
    ]
