import math

import pytest

from liq.common.text import (
    describe_error,
    find_meant,
    find_nearest,
    format_compact,
    format_number,
    format_usd,
    match,
    suggest,
)

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


def test_swapped_letters_are_nearer_than_missing_ones() -> None:
    assert find_nearest("=>", [">", ">=", "=="], 1) == [">="]


def test_an_error_ends_with_the_guess_and_all_names() -> None:
    assert suggest("bct", ["BTC", "ETH"]) == ", did you mean 'BTC'? valid are: BTC, ETH"
    assert suggest("zzz", ["BTC", "ETH"]) == "; valid are: BTC, ETH"
    assert suggest("zzz", []) == "; valid are: (none)"


def test_a_guess_is_a_typo_and_no_other_word() -> None:
    names = ["since", "symbols", "until", "window", "1m"]
    typos = {"windw": "window", "sym": "symbols", "untill": "until", "Sicne": "since", "1min": "1m"}
    assert {text: find_meant(text, names) for text in typos} == typos
    assert [find_meant(text, names) for text in ("side", "unit", "w_", "")] == [None] * 4


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0"),
        (999, "$999"),
        (999.6, "$1,000"),
        (1500, "$1.5k"),
        (1_234_567, "$1.235M"),
        (-2_500_000, "−$2.5M"),  # noqa: RUF001
        (999_960, "$1M"),
        (1.5e9, "$1.5B"),
        (-math.inf, "−$inf"),  # noqa: RUF001
    ],
)
def test_an_amount_of_dollars_has_four_digits(amount: float, text: str) -> None:
    assert format_usd(amount) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.01, "0.01"),
        (100, "100"),
        (999.6, "1k"),
        (-999.6, "-1k"),
        (1e3, "1k"),
        (999_600, "1M"),
        (1_234_567, "1.23M"),
        (1e12, "1T"),
        (math.nan, "nan"),
    ],
)
def test_a_compact_amount_has_three_digits(amount: float, text: str) -> None:
    assert format_compact(amount) == text


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (153_312_710.5, "USD", "153,312,710.50"),
        (153_312_710.5, "", "153,312,710.50"),
        (1.5e15, "", "1,500,000,000,000,000.00"),
        (-2.5, "USD", "-2.50"),
        (0.0, "USD", "0"),
        (0.000001234, "USD", "1.234e-06"),
        (67_234.125, "quote per base", "67,234.125"),
        (1 / 3, "", "0.333333333"),
    ],
)
def test_dollars_are_never_in_powers_of_ten(value: float, unit: str, shown: str) -> None:
    assert format_number(value, unit) == shown


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TimeoutError(), "timeout error"),
        (OSError(), "os error"),
        (ValueError("no JSON"), "no JSON"),
        (ConnectionResetError(), "connection reset error"),
        (OSError(2, "No such file", "x.csv"), "No such file: x.csv"),
        (OSError(111, "Connection refused"), "Connection refused"),
    ],
)
def test_errors_are_described_without_a_number_and_else_by_their_kind(
    error: Exception, text: str
) -> None:
    assert describe_error(error) == text
