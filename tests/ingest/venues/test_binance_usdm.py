import contextlib
import json
import math
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liq.errors import RejectedMessage
from liq.ingest.venues import VENUES
from liq.ingest.venues.base import Instrument, Parsed, SkipReason
from liq.ingest.venues.binance import BINANCE_USDM
from liq.ingest.venues.canonical import DOLLAR_SUFFIXES, DOLLARS
from support.recordings import liquidations

parse = partial(liquidations, BINANCE_USDM)
RECV = 1_568_014_460_901_234


def order(**changes: Any) -> bytes:
    given = {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "T": 1568014460893}
    given |= {"q": "1", "p": "9900", "ap": "9910", "X": "FILLED", "l": "1", "z": "1"} | changes
    return json.dumps({"e": "forceOrder", "E": 1568014460893, "o": given}).encode()


def test_a_given_instrument_wins_over_the_name() -> None:
    instruments = {"BTCUSDT": Instrument("BTCUSDT", "XBT", "USDT")}
    (one,) = parse(order(), instruments, RECV)
    assert one.base == "XBT"


@pytest.mark.parametrize(
    "field", ["s", "S", "o", "f", "q", "p", "ap", "l", "z", "T"], ids=lambda name: f"other-{name}"
)
def test_orders_that_differ_in_one_raw_field_have_ids_of_their_own(field: str) -> None:
    other = {"s": "ETHUSDT", "S": "BUY", "o": "MARKET", "f": "GTC", "T": 1568014460894, "z": "0.5"}
    (one,), (two,) = (
        parse(order(), {}, RECV),
        parse(order(**{field: other.get(field, "2")}), {}, RECV),
    )
    assert one.event_id != two.event_id


@pytest.mark.parametrize("venue", ["binance_usdm", "aster"])
@pytest.mark.parametrize("symbol", ["ETHBTC", "ETHBTC_260925"])
def test_contracts_quoted_in_bitcoin_are_skipped_and_counted(venue: str, symbol: str) -> None:
    found = VENUES[venue].parse(order(s=symbol), {}, RECV)
    assert isinstance(found, Parsed)
    assert (list(found), found.passed) == ([], {SkipReason.NOT_IN_DOLLARS: 1})


def test_the_same_order_received_twice_has_one_id() -> None:
    (one,), (two,) = parse(order(), {}, RECV), parse(order(), {}, RECV + 1)
    assert one.event_id == two.event_id


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not the documented JSON"),
        (b"\xff", "not the documented JSON"),
        (b"[1]", "not the documented JSON"),
        (b"{}", "neither an event nor the answer"),
        (b'{"e":"forceOrder"}', "not the documented JSON"),
        (b'{"data":' * 100_000, "not the documented JSON"),
        (
            b'{"error":{"code":2,"msg":"unknown stream"},"id":1}',
            "refused a request.*unknown stream",
        ),
        (order(s="ETHEUR"), "'ETHEUR' is not quoted in a known dollar"),
        (order(s="USDT"), "not quoted in a known dollar"),
        (order(S="HOLD"), "side 'HOLD'"),
        (order(X="NEW_INSURANCE"), "status 'NEW_INSURANCE'"),
        (order(z="0"), "z '0' is no positive number"),
        (order(z="many"), "z 'many'"),
        (order(z="1.1"), "filled quantity z 1.1 is above the ordered q 1"),
        (order(q="many"), "q 'many' is no positive number"),
        (order(q="0.5", X="EXPIRED"), "z 1 is above"),
        (order(st=3), "unknown kind of contract st 3"),
        (order(ap="1_000"), "ap '1_000'"),
        (order(ap="9" * 100_000), "ap '9999"),
        (order(ap="1e1000000"), "ap '1e1000000'"),
        (order(s="X" * 97 + "USDT"), "not quoted in a known dollar"),
        (order(s="\nUSDT"), "not quoted in a known dollar"),
        (order(ap="-1"), "ap '-1'"),
        (order(ap="nan"), "ap 'nan'"),
        (order(ap="1e400"), "ap '1e400'"),
        (order(ap="1e17", z="1e17", q="1e17"), "notional"),
        (order(T="1568014460893"), "not the documented JSON"),
        (order(T=1568014460), "no time in milliseconds"),
        (order(T=1568014460893000), "no time in milliseconds"),
    ],
)
def test_an_order_that_is_not_understood_is_rejected_with_its_reason(raw: Any, reason: str) -> None:
    with pytest.raises(RejectedMessage, match=reason):
        parse(raw, {}, RECV)


def accepts_or_rejects(raw: str | bytes) -> None:
    with contextlib.suppress(RejectedMessage):
        assert all(0 < one.notional < math.inf for one in parse(raw, {}, RECV))


@given(st.one_of(st.binary(), st.text()))
def test_no_bytes_crash_the_parser_of_binance(raw: Any) -> None:
    accepts_or_rejects(raw)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NUMBER = st.decimals().map(str) | st.text()


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys("sSofX", JSON),
            **dict.fromkeys(("q", "p", "ap", "l", "z"), NUMBER),
            "T": JSON,
        },
    )
)
def test_no_order_crashes_the_parser_of_binance(changes: dict[str, Any]) -> None:
    accepts_or_rejects(order(**changes))


def test_the_control_stream_of_binance_is_beside_its_liquidations() -> None:
    (request,) = BINANCE_USDM.subscribe({})
    assert json.loads(request)["params"] == ["btcusdt@markPrice"]
    assert BINANCE_USDM.url == "wss://fstream.binance.com/market/ws/!forceOrder@arr"


def test_each_quote_that_ends_a_name_counts_as_a_dollar() -> None:
    assert set(DOLLAR_SUFFIXES) < DOLLARS
