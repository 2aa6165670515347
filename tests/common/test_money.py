import pytest

from liq.common.money import format_compact, format_usd


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0"),
        (999, "$999"),
        (999.6, "$1,000"),
        (1500, "$1.5k"),
        (1_234_567, "$1.235M"),
        (-2_500_000, "−$2.5M"),  # noqa: RUF001
        (1.5e9, "$1.5B"),
    ],
)
def test_an_amount_of_dollars_has_four_digits(amount: float, text: str) -> None:
    assert format_usd(amount) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.01, "0.01"), (100, "100"), (1e3, "1k"), (1_234_567, "1.23M"), (1e12, "1e+03B")],
)
def test_a_compact_amount_has_three_digits(amount: float, text: str) -> None:
    assert format_compact(amount) == text
