"""The coin of a base asset: multipliers are left out, and names that only look so are kept."""

import pytest

from liq.records import coins
from liq.records.coins import Coin, find_coin


@pytest.mark.parametrize(
    ("base", "asset", "units"),
    [
        ("BTC", "BTC", 1),
        ("1000PEPE", "PEPE", 1e3),
        ("1000SHIB", "SHIB", 1e3),
        ("SHIB1000", "SHIB", 1e3),
        ("1MBABYDOGE", "BABYDOGE", 1e6),
        ("1000000BABYDOGE", "BABYDOGE", 1e6),
        ("MBABYDOGE", "BABYDOGE", 1e6),
        ("1000000MOG", "MOG", 1e6),
        ("10000000AIDOGE", "AIDOGE", 1e7),
        ("1000SATS", "SATS", 1e3),
        ("10000SATS", "SATS", 1e4),
        ("1000CAT", "CAT", 1e3),
        ("1000X", "X", 1e3),
        ("1000PEPE2", "PEPE2", 1e3),
        ("1000NEIROCTO", "NEIRO", 1e3),
        ("kPEPE", "PEPE", 1e3),
        ("XBT", "BTC", 1),
        ("XDG", "DOGE", 1),
        ("LUNA2", "LUNA", 1),
        ("RONIN", "RON", 1),
        ("1000LUNC", "LUNC", 1e3),
        *((name, name, 1) for name in (
            "1INCH", "0G", "2Z", "4", "42", "1000", "1MIL", "A8", "API3", "C98", "HPOS10I", "KSM",
            "NAS100", "R1000", "SPX6900", "US2000", "kas", "币安人生", "1000\n", "1000 ", "",
        )),
    ],
)  # fmt: skip
def test_a_base_has_a_coin_and_a_number_of_it(base: str, asset: str, units: float) -> None:
    assert find_coin(base) == Coin(asset, units)


def test_the_sinks_configuration_has_the_whole_rule() -> None:
    pattern, *named = coins.describe().split(" ")
    assert pattern == coins.PATTERN
    assert "MBABYDOGE=1000000*BABYDOGE" in named
    assert len(named) == len(coins.NAMED)
