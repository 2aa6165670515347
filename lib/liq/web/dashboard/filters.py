"""The filters of the page: a click that chooses a name, and a chip that removes a filter."""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from liq.common.text import format_usd, suggest
from liq.errors import QueryError
from liq.web.dashboard.model import DashboardModel

_LISTS = {"exchanges": "venue", "symbols": "symbol"}  # traits of the model with several names
_ASSET, _LEAST, _BELOW = "asset", "min_notional", "max_notional"
_BAND = "notional"  # the field of both; its names are like 10000,100000
_FIELDS = (_ASSET, _LEAST, _BAND, *_LISTS)
_WHOLE: dict[str, Any] = {_ASSET: "", _LEAST: 0.0, _BELOW: 0.0} | {field: [] for field in _LISTS}
_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_SIZE = re.compile(
    r"\$? ?(?P<number>(\d{1,3}(,\d{3})+|\d+)(\.\d*)?(e[+-]?\d+)?|\.\d+) ?(?P<unit>[kmbt]?)",
    re.ASCII | re.IGNORECASE,
)
FIELDS = tuple(_WHOLE)  # traits of the model


class Chip(NamedTuple):
    """A filter in use: its field, the name that it has there, and its text for people."""

    field: str
    name: str
    text: str


def list_chips(model: DashboardModel) -> list[Chip]:
    """Return the filters in use; none for a page that shows all prints."""
    chips = [Chip(_ASSET, model.asset, f"asset {model.asset}")] if model.asset else []
    for field, what in _LISTS.items():
        chips += [Chip(field, name, f"{what} {name}") for name in getattr(model, field)]
    least, below = model.min_notional, model.max_notional
    if below:
        text = (
            f"{format_usd(least)} to {format_usd(below)}" if least else f"below {format_usd(below)}"
        )
        chips.append(Chip(_BAND, f"{least:.15g},{below:.15g}", text))
    elif least:
        chips.append(Chip(_LEAST, f"{least:.15g}", f"at least {format_usd(least)}"))
    return chips


def choose(model: DashboardModel, field: str, name: str) -> None:
    """Show only the prints of ``name``, or all again if it is the only name already.

    Raises `QueryError` for an unknown field, and for a size that is no number.
    """
    chosen = _read(field, name)
    is_chosen = all(getattr(model, trait) == value for trait, value in chosen.items())
    _set(model, {trait: _WHOLE[trait] for trait in chosen} if is_chosen else chosen)


def remove(model: DashboardModel, field: str, name: str) -> None:
    """Remove one filter; one that is gone already stays gone. Raises as `choose`."""
    if field in _LISTS:
        _set(model, {field: [each for each in getattr(model, field) if each != name]})
    else:
        _set(model, {trait: _WHOLE[trait] for trait in _list_traits(field)})


def remove_all(model: DashboardModel) -> None:
    """Show all prints of the window."""
    _set(model, _WHOLE)


def parse_size(text: str) -> float:
    """Return a size in USD: a number, with k, M, B or T in any case behind it, and $ before.

    Raises `QueryError` for any other text.
    """
    if found := _SIZE.fullmatch(text.strip()):
        size = float(found["number"].replace(",", "")) * _UNITS[found["unit"].lower()]
        if size < math.inf:
            return size
    raise QueryError(f"{text[:40]!r} is no size in USD: give one like 100000, 100k or 2.5M")


def _set(model: DashboardModel, values: Mapping[str, Any]) -> None:
    with model.hold_trait_notifications():
        for trait, value in values.items():
            model.set_trait(trait, value)


def _list_traits(field: str) -> tuple[str, ...]:
    if field not in _FIELDS:
        raise QueryError(f"there is no filter {field[:40]!r}{suggest(field, [*_FIELDS])}")
    return (_LEAST, _BELOW) if field == _BAND else (field,)


def _read(field: str, name: str) -> dict[str, Any]:
    """Return the values of the model's traits for a name that a page sent."""
    if field in _LISTS:
        return {field: [name]}
    if field == _ASSET:
        return {field: name}
    if field == _LEAST:
        return {field: parse_size(name)}
    _list_traits(field)
    least, _, below = name.partition(",")
    band = {_LEAST: parse_size(least), _BELOW: parse_size(below) if below else 0.0}
    if below and band[_BELOW] <= band[_LEAST]:
        raise QueryError(f"{name[:40]!r} has no sizes")
    return band
