"""The filters of the page: a click that chooses a name, and a chip that removes a filter."""

import contextlib
import math
from typing import NamedTuple

from liq.common.text import format_usd
from liq.errors import QueryError
from liq.web.dashboard.model import DashboardModel

_LISTS = {"exchanges": "venue", "symbols": "symbol"}  # fields of the model with several names
_ASSET, _LEAST = "asset", "min_notional"
_WHOLE = {_ASSET: "", _LEAST: 0.0} | {field: [] for field in _LISTS}
FIELDS = tuple(_WHOLE)  # of the model


class Chip(NamedTuple):
    """A filter in use: a name of a field of the model, and its text for people."""

    field: str
    name: str
    text: str


def list_chips(model: DashboardModel) -> list[Chip]:
    """Return the filters in use; none for a page that shows all prints."""
    chips = [Chip(_ASSET, model.asset, f"asset {model.asset}")] if model.asset else []
    for field, what in _LISTS.items():
        chips += [Chip(field, name, f"{what} {name}") for name in getattr(model, field)]
    if least := model.min_notional:
        chips.append(Chip(_LEAST, f"{least:.15g}", f"at least {format_usd(least)}"))
    return chips


def choose(model: DashboardModel, field: str, name: str) -> None:
    """Show only the prints of ``name``, or all again if it is the only name already.

    Raises `QueryError` for an unknown field, and for a minimum size that is no number.
    """
    chosen = _read(field, name)
    model.set_trait(field, _WHOLE[field] if getattr(model, field) == chosen else chosen)


def remove(model: DashboardModel, field: str, name: str) -> None:
    """Remove one filter; one that is gone already stays gone. Raises as `choose`."""
    _read(field, name)
    if field in _LISTS:
        model.set_trait(field, [each for each in getattr(model, field) if each != name])
    else:
        model.set_trait(field, _WHOLE[field])


def remove_all(model: DashboardModel) -> None:
    """Show all prints of the window."""
    with model.hold_trait_notifications():
        for field, whole in _WHOLE.items():
            model.set_trait(field, whole)


def _read(field: str, name: str) -> str | float | list[str]:
    """Return the value of the model's trait for a name that a page sent."""
    if field in _LISTS:
        return [name]
    if field == _ASSET:
        return name
    if field != _LEAST:
        raise QueryError(f"there is no filter {field[:40]!r}; there are: {', '.join(_WHOLE)}")
    with contextlib.suppress(ValueError):
        if 0 <= (least := float(name)) < math.inf:
            return least
    raise QueryError(f"{name[:40]!r} is no size in USD")
