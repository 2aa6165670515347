"""The numbers of the queries about prices, against those of a hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

import liq
from liq.config import Settings
from liq.records.model import Price, Side, Source
from support.rows import insert, insert_prices, liquidation, own_table, price

pytestmark = pytest.mark.stack
START = datetime(2026, 3, 2, tzinfo=UTC)
LARGE = 100_000.0


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def prices_of(base: str, *quoted: tuple[float, float], **changes: Any) -> list[Price]:
    return [price(at(second), amount, base=base, **changes) for second, amount in quoted]


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    """Longs of five assets with a price of 100, and prints without a price to be seen against."""
    settings = own_table(stack)
    quoted = prices_of("BTC", (540, 101), (600, 100), (610, 100), (660, 98), (900, 99.5))
    for number, base in enumerate(["A", "B", "C", "D"], 1):
        quoted += prices_of(base, (600, 100), (610, 100 - number), symbol=base)
    quoted += prices_of("ETH", (600, 200), (610, 202), symbol="E")
    quoted += prices_of("OLD", (595.4, 1), (610, 2), symbol="O")
    quoted += prices_of("SIM", (600, 1), (610, 2), symbol="S", source=Source.SIMULATOR)
    insert_prices(settings, quoted)
    longs = [
        liquidation(at(600.5), LARGE, base=base, symbol=f"{base}USDT", exchange="okx")
        for base in ("BTC", "A", "B", "C", "D", "OLD", "SIM", "NONE")
    ]
    short = {"base": "ETH", "symbol": "ETHUSDT", "side": Side.SHORT, "source": Source.REPLAY}
    insert(settings, [*longs, liquidation(at(600.5), 2 * LARGE, **short)])
    return settings


def hit(key: str, settings: Settings, **params: Any) -> pd.DataFrame:
    return liq.hit(key, settings=settings, **{"window": "1h", "until": at(3600), **params})


def test_the_path_is_above_zero_where_the_price_moved_on(own: Settings) -> None:
    path = hit("price_path", own, symbols=["BTCUSDT"])
    assert set(path["side"]) == {"long"}
    assert dict(zip(path["offset_s"], path["mean_bps"], strict=True)) == pytest.approx(
        {-60: -100, 0: 0, 10: 0, 60: 200, 300: 50}
    )
    shorts = hit("price_path", own, symbols=["ETHUSDT"])
    assert shorts.to_dict("records")[1] == {
        "side": "short", "offset_s": 10, "mean_bps": pytest.approx(100),
        "q1_bps": pytest.approx(100), "median_bps": pytest.approx(100),
        "q3_bps": pytest.approx(100), "prints": 1, "not_live": 1,
    }  # fmt: skip


def test_the_path_has_quartiles_over_the_prints_whose_prices_are_known(own: Settings) -> None:
    path = hit("price_path", own, exchange=["okx"]).set_index("offset_s")
    after = path.loc[10]
    assert after["prints"] == path.loc[0, "prints"] == 5
    found = [after[name] for name in ("mean_bps", "q1_bps", "median_bps", "q3_bps")]
    assert found == pytest.approx([200, 100, 200, 300])
    assert path.loc[300, "prints"] == 1


def test_the_path_takes_large_and_the_newest_prints(own: Settings) -> None:
    assert hit("price_path", own, min_notional=LARGE + 1)["side"].tolist() == ["short", "short"]
    assert hit("price_path", own, limit=1)["prints"].max() == 1


def test_reactions_are_null_where_no_young_price_of_the_kind_is_known(own: Settings) -> None:
    found = hit("print_reactions", own).set_index("base")
    assert len(found) == 9
    assert [*found.loc["BTC", ["price", "mark_price", "notional"]]] == [100, 100, LARGE]
    moves = ["moved_10s_bps", "moved_1m_bps", "moved_5m_bps"]
    assert [*found.loc["BTC", moves]] == pytest.approx([0, 200, 50])
    assert [*found.loc["ETH", moves]] == pytest.approx([100, np.nan, np.nan], nan_ok=True)
    for base in ("OLD", "SIM", "NONE"):
        assert found.loc[base, ["mark_price", *moves]].isna().all()
    patient = hit("print_reactions", own, tolerance="6s").set_index("base")
    assert patient.loc["OLD", "mark_price"] == 1


def test_two_prints_of_one_moment_are_two(stack: Settings) -> None:
    settings = own_table(stack)
    insert_prices(settings, prices_of("BTC", (600, 100), (610, 99)))
    insert(settings, [liquidation(at(600), LARGE) for _ in range(2)])
    assert len(hit("print_reactions", settings)) == 2
    assert hit("price_path", settings)["prints"].tolist() == [2, 2]


def test_prices_by_bucket_are_null_where_none_was_received(stack: Settings) -> None:
    settings = own_table(stack)
    quoted = [(0, 10), (20, 12), (40, 9), (59, 11), (130, 20), (3600, 30)]
    insert_prices(settings, prices_of("BTC", *quoted) + prices_of("ETH", (1, 1), symbol="E"))
    frame = hit("price_by_bucket", settings)
    assert list(frame["ts"]) == [at(0), at(60), at(120)]
    bars = frame[["open", "high", "low", "close"]].to_numpy()
    assert bars[0].tolist() == [10, 12, 9, 11]
    assert np.isnan(bars[1]).all()
    assert bars[2].tolist() == [20, 20, 20, 20]
    assert frame["not_live"].tolist() == [0, 0, 0]
    assert hit("price_by_bucket", settings, asset="ETH")["close"].tolist() == [1]
