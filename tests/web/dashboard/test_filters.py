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
    ("name", "least", "below", "text"),
    [
        ("10000,100000", 10_000, 100_000, "$10k to $100k"),
        ("0,10000", 0, 10_000, "below $10k"),
        ("1000000,", 1_000_000, 0, "at least $1M"),
    ],
)
def test_a_size_class_is_a_filter_of_both_bounds_with_one_chip(
    name: str, least: float, below: float, text: str
) -> None:
    model = DashboardModel(min_notional=50_000)
    filters.choose(model, "notional", name)
    assert (model.min_notional, model.max_notional) == (least, below)
    (chip,) = filters.list_chips(model)
    assert chip.text == text
    filters.remove(model, chip.field, chip.name)
    assert filters.list_chips(model) == []
    filters.choose(model, "notional", name)
    filters.choose(model, "notional", name)  # once more lifts it
    assert filters.list_chips(model) == []


def test_a_typed_minimum_narrows_a_size_class_or_lifts_its_maximum() -> None:
    model = DashboardModel(min_notional=10_000, max_notional=100_000)
    model.min_notional = 50_000
    assert [chip.text for chip in filters.list_chips(model)] == ["$50k to $100k"]
    model.min_notional = 100_000
    assert [chip.text for chip in filters.list_chips(model)] == ["at least $100k"]


def test_bounds_without_sizes_between_are_refused() -> None:
    with pytest.raises(QueryError, match="max_notional=100000 is not above min_notional=1000000"):
        DashboardModel(min_notional=1e6, max_notional=1e5)


@pytest.mark.parametrize(
    ("text", "size"),
    [("100k", 1e5), ("2.5M", 2.5e6), (" $1 b ", 1e9), ("100,000", 1e5), (".5m", 5e5), ("0", 0),
     ("1e+16", 1e16)],
)  # fmt: skip
def test_a_size_may_have_a_unit_in_any_case(text: str, size: float) -> None:
    assert filters.parse_size(text) == size


@pytest.mark.parametrize("text", ["-50", "1,5", "k", "10kk", "5 %", "1e999", "inf", "٣"])
def test_a_text_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="is no size in USD"):
        filters.parse_size(text)


def test_a_chip_of_sizes_can_be_removed_whatever_its_name_is() -> None:
    model = DashboardModel(min_notional=10, max_notional=100)
    filters.remove(model, "notional", "100,10")
    assert filters.list_chips(model) == []


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
     ("min_notional", "nan"), ("min_notional", "-inf"), ("max_notional", "5"), ("notional", ""),
     ("notional", "5,5"), ("notional", "1,nan"), ("notional", "1,2,3")],
)  # fmt: skip
def test_a_message_about_no_filter_is_refused_in_a_line(field: str, name: str) -> None:
    model = DashboardModel()
    with pytest.raises(QueryError) as refused:
        filters.choose(model, field, name)
    assert "\n" not in str(refused.value)
    assert filters.list_chips(model) == []
    assert model.window == "1h"
