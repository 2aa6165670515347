"""Mark prices: through Kafka into QuestDB."""

import asyncio
from pathlib import Path

import pandas as pd
import pytest

from liq.config import Settings
from liq.delivery.intake import Intake
from liq.delivery.messaging import Publisher
from liq.delivery.producer import Producer, create_producers
from liq.delivery.replay import Replay
from liq.ingest.recording import Recorder
from liq.ingest.simulator.server import Schedule, Simulator
from liq.ingest.venues import PRICE_FEEDS, VENUES
from liq.ingest.venues.binance_mark import BINANCE_USDM_MARK
from liq.query import questdb
from liq.records.model import Price, Source
from liq.records.streams import FEED_HEALTH, PRICES
from support.helpers import consume, eventually

pytestmark = pytest.mark.stack


async def test_prices_of_the_settings_contracts_are_stored(pipeline: Settings) -> None:
    settings = pipeline.model_copy(update={"price_symbols": "BTCUSDT,ETHUSDT"})

    def stored() -> pd.DataFrame:
        return questdb.fetch(f"SELECT * FROM {PRICES.table(settings)} ORDER BY ts", None, settings)  # noqa: S608

    async with Simulator(Schedule(rate=50), settings) as simulator:
        producer = Producer("binance_usdm_mark", simulator.urls, settings=settings)
        await producer.start()
        await asyncio.to_thread(eventually, lambda: len(stored()) >= 6)
        await producer.stop()
    status = producer.status()
    assert status.acknowledged == status.sent
    await asyncio.to_thread(eventually, lambda: len(stored()) >= status.sent)
    rows = stored()
    assert len(rows) == status.sent
    assert (status.dead_lettered, status.source) == (0, "simulator")
    names = rows[["exchange", "symbol", "base", "quote", "kind", "source"]]
    assert set(names.itertuples(index=False, name=None)) == {
        ("binance_usdm", "BTCUSDT", "BTC", "USDT", "mark", "simulator"),
        ("binance_usdm", "ETHUSDT", "ETH", "USDT", "mark", "simulator"),
    }
    assert rows.loc[rows["base"] == "BTC", "price"].between(90_000, 105_000).all()
    assert set(rows["ts"].dt.microsecond) == {0}  # each second, on the second
    # coverage derives from the health of liquidation feeds only, so price feeds report none
    assert consume(FEED_HEALTH.topic(settings), settings) == []


async def test_a_price_that_cannot_be_understood_is_dead_lettered(broker: Settings) -> None:
    bad = b'{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"dear"}'
    async with Publisher(broker) as publisher:
        intake = Intake(BINANCE_USDM_MARK, {}, publisher)
        await intake.take(bad, 1_562_305_380_050_123, Source.LIVE)
    [letter] = consume(broker.dlq_topic, broker)
    headers = {name: value.decode() for name, value in letter.headers}
    assert letter.value == bad
    assert headers["venue"] == "binance_usdm_mark"
    assert headers["reason"] == "mark price p 'dear' is no positive number"


async def test_recorded_prices_are_replayed(broker: Settings, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, BINANCE_USDM_MARK.name)
    update = b'{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15"}'
    recorder.write(update, 1_562_305_380_050_123, Source.LIVE)
    recorder.close()
    assert recorder.path
    await Replay([recorder.path], None, broker).run()
    [message] = consume(PRICES.topic(broker), broker)
    price = PRICES.decode(message.value)
    assert isinstance(price, Price)
    assert (price.price, price.recv_ts, price.source) == (11794.15, 1_562_305_380_050_123, "replay")
    assert message.key == b"binance_usdm:BTCUSDT"


@pytest.mark.parametrize("venues", [["binance_usdm"], list(VENUES), ["bybit", *PRICE_FEEDS]])
def test_prices_are_followed_beside_any_venue(venues: list[str]) -> None:
    def named(url: str = "", *, prices: bool = True) -> list[str]:
        return [one.status().venue for one in create_producers(venues, url, prices=prices)]

    with_prices = list(dict.fromkeys([*venues, *PRICE_FEEDS]))
    assert named() == named("ws://127.0.0.1/{venue}") == with_prices
    assert named(prices=False) == venues
    # the market's prices do not belong to a simulated exchange's liquidations
    assert named("ws://127.0.0.1/") == venues
