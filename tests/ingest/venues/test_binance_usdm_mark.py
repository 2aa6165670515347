import json
from pathlib import Path
from typing import Any

import pytest

from liq.config import Settings
from liq.errors import ConfigError, RejectedMessage
from liq.ingest.instruments import load
from liq.ingest.venues.binance_mark import BINANCE_USDM_MARK

parse = BINANCE_USDM_MARK.parse
RECV = 1_562_305_380_050_123


def update(**changes: Any) -> bytes:
    event = {"e": "markPriceUpdate", "E": 1562305380000, "s": "BTCUSDT", "p": "1"}
    return json.dumps(event | changes).encode()


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
def test_a_mark_price_that_is_not_understood_is_rejected(raw: Any, reason: str) -> None:
    with pytest.raises(RejectedMessage, match=reason):
        parse(raw, {}, RECV)


def test_the_settings_name_the_contracts_of_mark_prices(tmp_path: Path) -> None:
    chosen = load(BINANCE_USDM_MARK, Settings(home=tmp_path, price_symbols="BTCUSDT,ETHUSDC"))
    assert list(chosen) == ["BTCUSDT", "ETHUSDC"]
    [request] = map(json.loads, BINANCE_USDM_MARK.subscribe(chosen))
    assert request["params"] == ["btcusdt@markPrice@1s", "ethusdc@markPrice@1s"]
    with pytest.raises(ConfigError, match="LIQ_PRICE_SYMBOLS: 'ETHBTC' is not quoted"):
        load(BINANCE_USDM_MARK, Settings(home=tmp_path, price_symbols="ETHBTC"))
    with pytest.raises(ConfigError, match="one contract an asset"):
        load(BINANCE_USDM_MARK, Settings(home=tmp_path, price_symbols="BTCUSDT,BTCUSDC"))
