import pytest

from liq.common.spelling import find_nearest, match, suggest

NAMES = ["BTC", "ETH", "1000PEPE", "tBTCUSD", "TBTCUSD"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("BTC", "BTC"),
        ("btc", "BTC"),
        ("1000pepe", "1000PEPE"),
        ("tBTCUSD", "tBTCUSD"),
        ("tbtcusd", None),  # two are alike
        ("BT", None),
        ("", None),
    ],
)
def test_a_name_is_found_by_another_case_if_it_is_the_only_one(text: str, name: str | None) -> None:
    assert match(text, NAMES) == name


def test_the_nearest_names_begin_alike_or_look_alike() -> None:
    assert find_nearest("pepe", NAMES) == ["1000PEPE"]
    assert find_nearest("tbtc", NAMES)[0].casefold() == "tbtcusd"
    assert find_nearest("binance", ["bybit", "binance_usdm", "binance_coinm"]) == [
        "binance_usdm",
        "binance_coinm",
    ]
    assert find_nearest("", NAMES) == find_nearest("#" * 1_000, NAMES) == []


def test_an_error_ends_with_the_guess_and_all_names() -> None:
    assert suggest("bct", ["BTC", "ETH"]) == ", did you mean 'BTC'? valid are: BTC, ETH"
    assert suggest("zzz", ["BTC", "ETH"]) == "; valid are: BTC, ETH"
    assert suggest("zzz", []) == "; valid are: (none)"
