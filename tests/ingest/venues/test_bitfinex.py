import pytest

from ingest.venues.conftest import Recording, accepted, liquidations, listed
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument
from liq.ingest.venues.bitfinex import BITFINEX
from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source

RECV = 1_594_036_711_000_000


def test_a_long_taken_over_by_the_venue(recording: Recording) -> None:
    assert liquidations(BITFINEX, recording.frames["taken_over"], recording.instruments, RECV) == [
        Liquidation(
            ts=1_593_522_802_742_000,
            recv_ts=RECV,
            exchange="bitfinex",
            symbol="tBTCF0:USTF0",
            base="BTC",
            quote="USDT",
            side=Side.LONG,
            raw_side="+",
            price=9080.0,
            price_kind=PriceKind.BANKRUPTCY,
            quantity=0.00268657,
            notional=0.00268657 * 9080,
            event_id=-5_538_984_328_287_301_068,
            completeness=Completeness.FULL,
            source=Source.LIVE,
        )
    ]


def test_a_short_sold_in_the_market_counts_once_at_its_entry_price(recording: Recording) -> None:
    (short,) = liquidations(BITFINEX, recording.frames["sold"], recording.instruments, RECV)
    assert (short.side, short.raw_side, short.quantity) == (Side.SHORT, "-", 8.6007)
    assert (short.price, short.price_kind) == (222.248906484356, PriceKind.ENTRY)


def test_a_pair_quoted_in_bitcoin_rejects_only_itself(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="'tETHBTC' is quoted in BTC") as caught:
        liquidations(BITFINEX, recording.frames["not_in_dollars"], recording.instruments, RECV)
    assert [(one.symbol, one.notional) for one in accepted(caught.value)] == [("tBSVUSD", 225.0)]


@pytest.mark.parametrize("frame", ["match", "heartbeat", "info", "subscribed"])
def test_other_frames_hold_nothing(recording: Recording, frame: str) -> None:
    assert liquidations(BITFINEX, recording.frames[frame], recording.instruments, RECV) == []


def test_a_refused_request_is_reported(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="refused a request: 10300 status: invalid"):
        liquidations(BITFINEX, recording.frames["refused"], recording.instruments, RECV)


def test_the_listing_reads_all_ways_to_write_a_pair(recording: Recording) -> None:
    contracts, _ = listed(BITFINEX, recording.listing)
    assert contracts == [
        Instrument("tBSVUSD", "BSV", "USD"),
        Instrument("tBTCUSD", "BTC", "USD"),
        Instrument("tBTCUST", "BTC", "USDT"),
        Instrument("tETHBTC", "ETH", "BTC"),
        Instrument("tDOGE:USD", "DOGE", "USD"),
        Instrument("tBTCF0:USTF0", "BTC", "USDT"),
        Instrument("tETHF0:USTF0", "ETH", "USDT"),
    ]
