import json

from liq.ingest.venues.base import Instrument
from liq.ingest.venues.bybit import BYBIT


def test_bybit_is_asked_for_each_contract_and_a_control_stream() -> None:
    contracts = {f"C{n}USDT": Instrument(f"C{n}USDT", f"C{n}", "USDT") for n in range(450)}
    requests = [json.loads(frame) for frame in BYBIT.subscribe(contracts)]
    topics = [topic for request in requests for topic in request["args"]]
    assert topics == ["kline.1.BTCUSDT", *(f"allLiquidation.{symbol}" for symbol in contracts)]
    assert all(request["op"] == "subscribe" for request in requests)
    assert all(len(json.dumps(request["args"])) < 21_000 for request in requests)
