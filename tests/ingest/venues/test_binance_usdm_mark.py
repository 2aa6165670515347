import json
from pathlib import Path
from typing import Any

import pytest

from ingest.venues.conftest import Recording
from liq.config import Settings
from liq.errors import ConfigError, RejectedMessage
from liq.ingest.instruments import load
from liq.ingest.venues.binance_mark import BINANCE_USDM_MARK
from liq.records.model import Price, ReferenceKind, Source

parse = BINANCE_USDM_MARK.parse
RECV = 1_562_305_380_050_123
DOCUMENTED = Price(
    ts=1_562_305_380_000_000,
    recv_ts=RECV,
    exchange="binance_usdm",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    kind=ReferenceKind.MARK,
    price=11794.15,
    source=Source.LIVE,
)


def update(**changes: Any) -> bytes:
    event = {"e": "markPriceUpdate", "E": 1562305380000, "s": "BTCUSDT", "p": "1"}
    return json.dumps(event | changes).encode()


@pytest.mark.parametrize("frame", ["documented", "combined"])
def test_the_documented_price_bare_and_in_a_combined_stream(
    recording: Recording, frame: str
) -> None:
    assert parse(recording.frames[frame], {}, RECV) == [DOCUMENTED]


def test_a_price_is_of_the_base_that_its_liquidations_name(recording: Recording) -> None:
    (pepe,) = parse(recording.frames["thousand"], {}, RECV, Source.SIMULATOR)
    assert (pepe.base, pepe.quote, pepe.price) == ("1000PEPE", "USDC", 0.0189)
    assert pepe.source is Source.SIMULATOR


def test_an_acknowledgement_holds_nothing_and_a_refusal_is_reported(recording: Recording) -> None:
    assert parse(recording.frames["acknowledged"], {}, RECV) == []
    with pytest.raises(RejectedMessage, match="refused a request: 2 Invalid request"):
        parse(recording.frames["refused"], {}, RECV)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{}", "neither an event nor the answer"),
        (update(p="0"), "mark price p '0' is no positive number"),
        (update(p=None), "not the documented JSON"),
        (update(E=1562305380), "no time in milliseconds"),
        (update(s="ETHBTC"), "not quoted in a known dollar"),
    ],
)
def test_what_is_no_price_is_rejected(raw: Any, reason: str) -> None:
    with pytest.raises(RejectedMessage, match=reason):
        parse(raw, {}, RECV)


def test_the_settings_name_the_contracts(tmp_path: Path) -> None:
    chosen = load(BINANCE_USDM_MARK, Settings(home=tmp_path, price_symbols="BTCUSDT,ETHUSDC"))
    assert list(chosen) == ["BTCUSDT", "ETHUSDC"]
    [request] = map(json.loads, BINANCE_USDM_MARK.subscribe(chosen))
    assert request["params"] == ["btcusdt@markPrice@1s", "ethusdc@markPrice@1s"]
    with pytest.raises(ConfigError, match="LIQ_PRICE_SYMBOLS: 'ETHBTC' is not quoted"):
        load(BINANCE_USDM_MARK, Settings(home=tmp_path, price_symbols="ETHBTC"))
    with pytest.raises(ConfigError, match="one contract a base asset"):
        load(BINANCE_USDM_MARK, Settings(home=tmp_path, price_symbols="BTCUSDT,BTCUSDC"))
