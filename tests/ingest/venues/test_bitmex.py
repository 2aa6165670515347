import pytest

from ingest.venues.conftest import Recording, liquidations, listed
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument
from liq.ingest.venues.bitmex import BITMEX
from liq.records.model import Completeness, Liquidation, PriceKind, Side, Source

RECV = 1_537_800_000_000_000


def test_the_documented_short_of_an_inverse_contract(recording: Recording) -> None:
    assert liquidations(BITMEX, recording.frames["documented"], recording.instruments, RECV) == [
        Liquidation(
            ts=RECV,
            recv_ts=RECV,
            exchange="bitmex",
            symbol="XBTUSD",
            base="BTC",
            quote="USD",
            side=Side.SHORT,
            raw_side="Buy",
            price=657.8,
            price_kind=PriceKind.BANKRUPTCY,
            quantity=30000 / 657.8,
            notional=30000.0,
            event_id=-7_758_068_046_267_840_509,
            completeness=Completeness.FULL,
            source=Source.LIVE,
        )
    ]


def test_several_inverse_and_linear(recording: Recording) -> None:
    found = liquidations(BITMEX, recording.frames["several"], recording.instruments, RECV)
    assert [(one.symbol, one.side, one.quantity, one.notional) for one in found] == [
        ("XBTUSD", Side.LONG, pytest.approx(2020 / 6833.5), 2020.0),
        ("XBTUSDT", Side.LONG, 0.25, 15000.0),
    ]


def test_a_contract_quoted_in_bitcoin_has_no_dollars(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="'ETHXBT' is quoted in BTC"):
        liquidations(BITMEX, recording.frames["not_in_dollars"], recording.instruments, RECV)


@pytest.mark.parametrize(
    "frame", ["partial", "update", "delete", "greeting", "subscribed", "pong", "control"]
)
def test_only_inserts_are_liquidations(recording: Recording, frame: str) -> None:
    assert liquidations(BITMEX, recording.frames[frame], recording.instruments, RECV) == []


def test_a_refused_request_is_reported(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="refused a request: Unknown or expired symbol"):
        liquidations(BITMEX, recording.frames["refused"], recording.instruments, RECV)


def test_the_listing_leaves_out_quanto_contracts_and_spot(recording: Recording) -> None:
    contracts, _ = listed(BITMEX, recording.listing)
    assert contracts == [
        Instrument("XBTUSD", "BTC", "USD", 1.0, inverse=True),
        Instrument("XBTUSDT", "BTC", "USDT", 1e-06),
        Instrument("ETHXBT", "ETH", "BTC", 1.0),
    ]
