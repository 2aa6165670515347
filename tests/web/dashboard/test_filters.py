"""Filters: what a click chooses, and which chips show it."""

import pytest

from liq.errors import QueryError
from liq.web.dashboard import filters
from liq.web.dashboard.filters import Chip
from liq.web.dashboard.model import DashboardModel

HOSTILE = ["<img src=x onerror=alert(1)>", "A" * 200, "a,b", ""]


def test_a_page_without_filters_has_no_chips() -> None:
    assert filters.list_chips(DashboardModel()) == []


def test_each_filter_has_a_chip() -> None:
    model = DashboardModel(
        asset="BTC", exchanges=["okx"], symbols=["X", "Y"], min_notional=250_000.5
    )
    assert filters.list_chips(model) == [
        Chip("asset", "BTC", "asset BTC"),
        Chip("exchanges", "okx", "venue okx"),
        Chip("symbols", "X", "symbol X"),
        Chip("symbols", "Y", "symbol Y"),
        Chip("min_notional", "250000.5", "at least $250k"),
    ]


@pytest.mark.parametrize(
    ("field", "name", "chosen"),
    [
        ("asset", "BTC", "BTC"),
        ("exchanges", "okx", ["okx"]),
        *(("symbols", name, [name]) for name in HOSTILE),
        ("min_notional", "1500.5", 1500.5),
    ],
)
def test_a_chosen_name_limits_the_page_and_once_more_lifts_it(
    field: str, name: str, chosen: object
) -> None:
    model = DashboardModel(symbols=["A", "B"])
    filters.choose(model, field, name)
    assert getattr(model, field) == chosen
    filters.choose(model, field, name)
    assert not getattr(model, field)


def test_a_chip_removes_its_filter_only() -> None:
    model = DashboardModel(asset="BTC", exchanges=["okx"], symbols=["X", "Y"], min_notional=5)
    for chip in (Chip("symbols", "X", ""), Chip("symbols", "gone", ""), Chip("asset", "BTC", "")):
        filters.remove(model, chip.field, chip.name)
    assert [chip.name for chip in filters.list_chips(model)] == ["okx", "Y", "5"]
    filters.remove_all(model)
    assert filters.list_chips(model) == []


@pytest.mark.parametrize(
    ("field", "name"),
    [("window", "4h"), ("paused", "1"), ("__class__", "x"), ("", ""), ("min_notional", "lots"),
     ("min_notional", "nan"), ("min_notional", "-inf")],
)  # fmt: skip
def test_a_message_about_no_filter_is_refused_in_a_line(field: str, name: str) -> None:
    model = DashboardModel()
    with pytest.raises(QueryError) as refused:
        filters.choose(model, field, name)
    assert "\n" not in str(refused.value)
    assert filters.list_chips(model) == []
    assert model.window == "1h"
