"""Contracts of one coin count together, whatever their multiplier, and meet the price of a coin."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import liq
from liq.config import Settings
from liq.query import views
from support.rows import insert, insert_prices, liquidation, own_table, price, refresh_views

pytestmark = pytest.mark.stack

START = datetime(2026, 3, 2, tzinfo=UTC)
# contract, base and the price of its base: each is PEPE at 0.00002 dollars
CONTRACTS = (
    ("bybit", "1000PEPEUSDT", "1000PEPE", 0.02),
    ("okx", "PEPE-USDT-SWAP", "PEPE", 0.00002),
    ("gate", "1MPEPE_USDT", "1MPEPE", 20.0),
)
LARGE = 200_000.0


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    """One liquidation of each contract, a second apart, and the mark price of 1000PEPE."""
    settings = own_table(stack)
    insert(
        settings,
        [
            liquidation(
                at(second), LARGE, exchange=venue, symbol=symbol, base=base,
                price=amount, quantity=LARGE / amount,
            )
            for second, (venue, symbol, base, amount) in enumerate(CONTRACTS)
        ],
    )  # fmt: skip
    quoted = {"symbol": "1000PEPEUSDT", "base": "1000PEPE"}
    marks = [price(at(second), 0.02, **quoted) for second in (-1, 0.5, 1.5, 2)]
    insert_prices(settings, [*marks, price(at(11), 0.0198, **quoted)])
    return settings


def hit(key: str, settings: Settings, **params: Any) -> pd.DataFrame:
    return liq.hit(key, settings=settings, **{"window": "1h", "until": at(3000), **params})


def test_rankings_and_cascades_are_by_asset(own: Settings) -> None:
    [top] = hit("top_assets", own).to_dict("records")
    assert (top["asset"], top["prints"], top["total_usd"]) == ("PEPE", 3, 3 * LARGE)
    [run] = hit("cascades", own, min_prints=3).to_dict("records")
    assert (run["name"], run["exchanges"], run["symbols"]) == ("PEPE", 3, 3)
    assert hit("totals", own, assets=["pepe"])["prints"].item() == 3
    span = {"from_ts": run["from_ts"], "to_ts": run["to_ts"]}
    prints = liq.hit("cascade_prints", settings=own, assets=["PEPE"], **span)
    assert prints["base"].tolist() == ["1000PEPE", "PEPE", "1MPEPE"]


def test_a_view_ranks_assets_as_the_table_does(own: Settings) -> None:
    views.ensure(own)
    refresh_views(own)
    long = hit("top_assets", own, window="30d", until=at(3 * 86_400))
    assert long[["asset", "prints"]].to_numpy().tolist() == [["PEPE", 3]]


def test_prints_have_their_quantity_in_coins(own: Settings) -> None:
    found = hit("prints", own)
    assert found["asset_quantity"].tolist() == pytest.approx([LARGE / 0.00002] * 3)
    assert (found["quantity"] * found["price"]).tolist() == pytest.approx([LARGE] * 3)


def test_prices_and_bins_are_of_one_coin(own: Settings) -> None:
    frame = hit("price_by_bucket", own, asset="PEPE")
    assert frame["open"].dropna().tolist() == pytest.approx([0.00002] * 2)
    [cell] = hit("heatmap", own, asset="PEPE", bps=50, bucket="1h").to_dict("records")
    assert (cell["prints"], cell["long_usd"]) == (3, 3 * LARGE)
    assert cell["price_from"] <= 0.00002 * (1 + 1e-9)
    assert cell["price_to"] >= 0.00002 * (1 - 1e-9)


def test_reactions_meet_the_price_of_the_asset_in_units_of_their_base(own: Settings) -> None:
    found = hit("print_reactions", own).sort_values("ts")
    assert found["mark_price"].tolist() == pytest.approx([0.02, 0.00002, 20.0])
    assert found["moved_10s_bps"].tolist()[1] == pytest.approx(100)
    path = hit("price_path", own).set_index("offset_s")
    assert path.loc[0, "prints"] == 3
