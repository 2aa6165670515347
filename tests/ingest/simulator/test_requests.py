"""A simulated exchange answers every request, also one that no client should send."""

import json

import pytest

from liq.ingest.simulator.exchanges import create_exchange
from liq.ingest.venues import PRICE_FEEDS, VENUES
from liq.ingest.venues.base import Instrument
from support.faults import NO_JSON, VALUES, spoil

FEEDS = VENUES | PRICE_FEEDS
CONTRACTS = {"BTCUSDT": Instrument("BTCUSDT", "BTC", "USDT")}


@pytest.mark.parametrize("name", FEEDS)
def test_a_request_with_a_fault_is_answered(name: str) -> None:
    exchange = create_exchange(name)
    for request in FEEDS[name].subscribe(CONTRACTS):
        for text in (*spoil(json.loads(request), [*NO_JSON, *VALUES]), *NO_JSON, *VALUES):
            answers = exchange.session("").answer(text)
            assert all(isinstance(answer, bytes) for answer in answers)
