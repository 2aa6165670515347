import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liq.errors import RejectedMessage
from liq.records import model
from liq.records.model import (
    LARGEST,
    SMALLEST,
    Cascade,
    Completeness,
    Liquidation,
    Price,
    PriceKind,
    ReferenceKind,
    Side,
    Source,
    Sums,
)
from liq.records.streams import PRICES

MICROS = st.integers(1_262_304_000_000_000, 253_402_300_799_999_999)  # 2010 to 9999
INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
POSITIVE = st.floats(SMALLEST, LARGEST, exclude_max=True)
MOMENT = 1_568_014_460_893_000
NAMES = st.text(min_size=1, max_size=100)

liquidations = st.builds(
    Liquidation,
    ts=MICROS,
    recv_ts=MICROS,
    exchange=NAMES,
    symbol=NAMES,
    base=NAMES,
    quote=NAMES,
    raw_side=NAMES,
    price=POSITIVE,
    quantity=POSITIVE,
    notional=POSITIVE,
    event_id=INT64,
)
fields = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x1f")), min_size=1)


def record(**changes: Any) -> Liquidation:
    fields = {
        "ts": 1_568_014_460_893_000,
        "recv_ts": 1_568_014_460_901_234,
        "exchange": "binance_usdm",
        "symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "side": Side.LONG,
        "raw_side": "SELL",
        "price": 9910.0,
        "price_kind": PriceKind.AVERAGE,
        "quantity": 0.014,
        "notional": 138.74,
        "event_id": -42,
        "completeness": Completeness.THROTTLED,
        "source": Source.LIVE,
    }
    return Liquidation(**{**fields, **changes})


@given(liquidations)
def test_a_record_survives_the_wire(liquidation: Liquidation) -> None:
    assert model.decode(model.encode(liquidation)) == liquidation


@pytest.mark.parametrize("changes", [{"price": 0.0}, {"price": -1.0}, {"ts": -1}, {"ts": 10**18}])
def test_no_price_passes_that_cannot_be_stored_or_means_nothing(changes: dict[str, Any]) -> None:
    price = Price(
        ts=MOMENT, recv_ts=MOMENT + 1, exchange="binance_usdm", symbol="BTCUSDT", base="BTC",
        quote="USDT", kind=ReferenceKind.MARK, price=1.0, source=Source.LIVE,
    )  # fmt: skip
    assert PRICES.decode(model.encode(price)) == price
    with pytest.raises(RejectedMessage):
        PRICES.decode(model.encode(msgspec.structs.replace(price, **changes)))


def test_the_wire_holds_plain_numbers_and_strings() -> None:
    assert json.loads(model.encode(record())) == {
        "ts": 1_568_014_460_893_000,
        "recv_ts": 1_568_014_460_901_234,
        "exchange": "binance_usdm",
        "symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "asset": "BTC",
        "side": "long",
        "raw_side": "SELL",
        "price": 9910.0,
        "price_kind": "average",
        "quantity": 0.014,
        "asset_quantity": 0.014,
        "notional": 138.74,
        "event_id": -42,
        "completeness": "throttled",
        "source": "live",
    }


@pytest.mark.parametrize("of", [Liquidation, Price, Sums, Cascade])
def test_a_message_of_an_earlier_version_gets_its_asset(of: type[msgspec.Struct]) -> None:
    amounts = {"price": 0.02, "quantity": 3.0}
    fields = msgspec.to_builtins(record(base="1000PEPE", **amounts)) | {
        "kind": "mark", "bucket": 60, "long_usd": 1.0, "short_usd": 0.0, "prints": 1,
        "largest_usd": 1.0, "not_live": 0, "partial": 0, "gap": 5, "to_ts": MOMENT,
        "exchanges": 1, "symbols": 1, "first_exchange": "okx",
    }  # fmt: skip
    old = {name: fields[name] for name in of.__struct_fields__ if not name.startswith("asset")}
    found = msgspec.to_builtins(msgspec.json.decode(msgspec.json.encode(old), type=of))
    assert found["asset"] == "PEPE"
    assert found.get("asset_quantity", 3_000.0) == 3_000.0
    assert found.get("asset_price", 0.000_02) == pytest.approx(0.000_02)
    kept = msgspec.json.decode(msgspec.json.encode(found | {"asset": "DOGE"}), type=of)
    assert msgspec.to_builtins(kept) == found | {"asset": "DOGE"}


def test_a_cascade_without_asset_and_base_is_no_record() -> None:
    with pytest.raises(msgspec.ValidationError, match="neither asset nor base"):
        msgspec.convert(
            {"ts": MOMENT, "gap": 5, "to_ts": MOMENT, "prints": 5, "exchanges": 1, "symbols": 1,
             "first_exchange": "bybit", "long_usd": 1.0, "short_usd": 0.0, "not_live": 0,
             "partial": 0},
            Cascade,
        )  # fmt: skip


def test_demo_rows_are_marked_as_such() -> None:
    assert model.decode(model.encode(record(source=Source.SIMULATOR))).source is Source.SIMULATOR


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{}",
        model.encode(record()).replace(b'"long"', b'"sell"'),
        model.encode(record()).replace(b"9910.0", b'"9910"'),
    ],
)
def test_anything_else_is_no_record(message: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        model.decode(message)


@given(fields, fields)
def test_event_ids_are_int64_and_differ_with_the_fields(one: list[str], other: list[str]) -> None:
    assert -(2**63) <= model.hash_fields(*one) < 2**63
    assert (model.hash_fields(*one) == model.hash_fields(*other)) == (one == other)


def test_event_ids_are_stable() -> None:
    # they are part of the stored dedup key: a change would double every replayed row
    assert model.hash_fields("BTCUSDT", "SELL") == 6_931_312_927_639_834_542
