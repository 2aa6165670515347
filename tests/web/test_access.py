"""The login of Jupyter's servers without a server: the address to which it leads."""

import pytest

from liq.web.access import Login, LoginForm, escape_colons


@pytest.mark.parametrize(
    ("address", "escaped"),
    [
        ("/?from=2026-03-02T11:05:00Z", "/?from=2026-03-02T11%3A05%3A00Z"),
        ("/lab/tree/at 11:05.ipynb?to=12:00", "/lab/tree/at 11%3A05.ipynb?to=12%3A00"),
        ("/lab", "/lab"),
        ("lab?from=11:05", "lab?from=11%3A05"),
        # what jupyter_server refuses or allows by its scheme and host
        (
            "https://elsewhere.example:443/?from=11:05",
            "https://elsewhere.example:443/?from=11%3A05",
        ),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_the_address_after_a_login_has_no_colon_but_of_another_server(
    address: str, escaped: str
) -> None:
    assert escape_colons(address) == escaped


def test_the_login_of_each_server_escapes_colons() -> None:
    assert Login(token="t").login_handler_class is LoginForm
