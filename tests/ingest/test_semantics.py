"""What venues' messages mean: every venue has an example that its own parser understands."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from liq.errors import ConfigError
from liq.ingest import semantics
from liq.ingest.venues import PRICE_FEEDS, VENUES

FEEDS = VENUES | PRICE_FEEDS


def fields(frame: pd.DataFrame, record: int = 1) -> dict[str, tuple[object, str]]:
    part = frame[frame["record"] == record]
    rows: Iterator[Any] = part.itertuples()
    return {row.field: (row.value, row.unit) for row in rows}


@pytest.mark.parametrize("name", FEEDS)
def test_every_venue_has_an_example_that_becomes_a_record(name: str) -> None:
    found = fields(semantics.explain(name))
    assert found["exchange"] == (name.removesuffix("_mark"), "")
    value, unit = found["price"]
    assert isinstance(value, float)
    assert " per " in unit
    assert semantics.read_example(name).startswith(("{\n", "[\n"))


def test_the_case_of_a_venue_s_name_does_not_matter() -> None:
    assert semantics.explain("OKX").equals(semantics.explain("okx"))


def test_the_documented_message_in_units() -> None:
    found = fields(semantics.explain("binance_usdm"))
    assert found["side"] == ("long", "")
    assert found["raw_side"] == ("SELL", "")
    assert found["price"] == (9910.0, "USDT per BTC")
    assert found["quantity"] == (0.014, "BTC")
    assert found["notional"] == (pytest.approx(138.74), "USD")
    assert found["ts"] == (pd.Timestamp("2019-09-09T07:34:20.893Z"), "UTC")


def test_a_message_of_several_records_and_one_of_ones_own() -> None:
    assert semantics.explain("gate")["record"].unique().tolist() == [1, 2]
    raw = semantics.read_example("binance_usdm").replace('"SELL"', '"BUY"')
    found = fields(semantics.explain("binance_usdm", raw, recv_ts=1_600_000_000_000_000))
    assert found["side"] == ("short", "")
    assert found["recv_ts"] == (pd.Timestamp("2020-09-13T12:26:40Z"), "UTC")


def test_a_rejected_message_has_its_reason_and_keeps_its_good_records() -> None:
    frame = semantics.explain("bybit", '{"topic":"allLiquidation.X","data":[{"T":1}]}')
    assert frame["field"].tolist() == ["rejected"]
    assert "missing required field" in frame["value"][0]
    two = semantics.read_example("gate").replace('"-10.5"', '"many"')
    frame = semantics.explain("gate", two)
    assert "Expected a decimal number" in str(fields(frame, 0)["rejected"])
    assert fields(frame)["symbol"] == ("BTC_USDT", "")


def test_a_message_that_holds_nothing_is_reported_as_such() -> None:
    frame = semantics.explain("binance_usdm", '{"result":null,"id":1}')
    assert frame["field"].tolist() == ["nothing to store"]
    old = semantics.read_example("okx")
    assert semantics.explain("okx", old)["field"].tolist() == ["skipped"]  # history by now


def test_the_listing_says_how_venues_differ() -> None:
    frame = semantics.list_venues().set_index("venue")
    assert list(frame.index) == list(FEEDS)
    kinds = frame[["completeness", "price_kind"]].agg(tuple, axis=1)
    assert kinds["binance_usdm"] == ("throttled", "average")
    assert kinds["bybit"] == ("full", "bankruptcy")
    assert frame.loc["okx", "shows"] == "some of its liquidations: sums are lower bounds"
    assert frame.loc["kraken", "shows"] == "every liquidation of the contracts that it covers"
    assert "contracts quoted in XBT" in frame["not_covered"]["kraken"]
    assert frame.loc["bybit", "shows"] == "every liquidation"
    assert frame.loc["bitmex", "shows"] == "every liquidation of the contracts that it covers"
    assert "margin loans and options" in frame["not_covered"]["okx"]
    assert frame["not_covered"]["bybit"] == ""
    assert kinds["binance_usdm_mark"] == ("", "mark")
    assert frame["documentation"].str.startswith("https://").all()


def test_an_unknown_venue_is_an_error_that_lists_the_known() -> None:
    for call in (semantics.explain, semantics.read_example):
        with pytest.raises(ConfigError, match="valid are: binance_usdm"):
            call("nowhere")
