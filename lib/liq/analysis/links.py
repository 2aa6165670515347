"""The dashboard's address: what a page shows, as the query of its URL, and links to a moment.

===========  ====================================================  ======================
parameter    accepts                                               example
===========  ====================================================  ======================
``board``    a tab                                                 ``Prices``
``bucket``   the width of a bar                                    ``5m``
``window``   how far back from now                                 ``4h``
``from``     start of a window, ISO 8601, UTC                      ``2026-03-02T13:00:00Z``
``to``       its end, a day as a whole; without it ends now        ``2026-03-02T14:00:00Z``
``asset``    one asset                                             ``BTC``
``venues``   exchanges, with commas between                        ``bybit,okx``
``symbols``  symbols, with commas between                          ``BTCUSDT``
``minimum``  minimum size of a print in USD                        ``100000``
``maximum``  size in USD that prints are below                     ``1000000``
``theme``    ``dark`` or ``light``                                 ``light``
``zone``     ``UTC`` or ``local``, the time zone of the browser    ``local``
===========  ====================================================  ======================

Anybody can write an address, so `decode` never raises. It keeps the default of a parameter that it
cannot use, and says so. Whether rows have a name is checked by its caller.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from liq.common.text import find_meant, shorten
from liq.config import Settings
from liq.errors import QueryError
from liq.query.parameters import (
    Parameter,
    format_duration,
    is_day,
    parse_duration,
    restore_plus,
)

Choices = Mapping[str, Sequence[str]]
SCOPES: Mapping[str, str] = {"asset": "assets", "symbol": "symbols"}  # parameters by column
ZONES = ("UTC", "local")

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # moment of an address
_LONGEST = 4000  # characters of an address
_LONGEST_VALUE = 64  # characters of a value that is no list
_MOST_NAMES = 100  # in a list
_SHOWN = 120  # characters of a reason
_LONGEST_PART = 48  # characters of a file's name that list names
_LONGEST_SPAN = timedelta(days=3660)
_AROUND_ALERT = timedelta(minutes=5)  # shown after it, so that what followed is in view
_AROUND_CASCADE = timedelta(minutes=5)
_BOARDS = {  # of an alert's query; other alerts are about prints
    "feed_health": "Feeds",
    "coverage": "Feeds",
    "feed_coverage": "Feeds",
    "covered": "Feeds",
    "cascades": "Cascades",
    "stored_cascades": "Cascades",
}
_MOMENT = Parameter(type="timestamp", min=f"{EARLIEST:%Y-%m-%d}", max="2100-01-01")
_TEXT = Parameter(type="string")
_NAMES = Parameter(type="list")
_PARAMETERS = {
    "board": _TEXT,
    "bucket": _TEXT,
    "window": Parameter(type="duration", min="1s", max=_LONGEST_SPAN.total_seconds()),
    "from": _MOMENT,
    "to": _MOMENT,
    "asset": _TEXT,
    "venues": _NAMES,
    "symbols": _NAMES,
    "minimum": Parameter(type="float", min=0, max=1e12),
    "maximum": Parameter(type="float", min=0, max=1e12),
    "theme": _TEXT,
    "zone": Parameter(type="string", choices=list(ZONES)),
}
_FIELDS = {  # of `Place`; others have their name
    "venues": "exchanges",
    "minimum": "min_notional",
    "maximum": "max_notional",
}
_SIZES = ("min_notional", "max_notional")
_FILTERS = ("asset", "exchanges", "symbols", *_SIZES)  # fields of `Place`

_MOMENTS: Mapping[str, Mapping[str, type]] = {  # columns
    "alerts": {"ts": datetime, "query": str},
    "cascades": {"from_ts": datetime, "to_ts": datetime, "name": str},
}


class Place(NamedTuple):
    """What the dashboard shows. ``until`` is None for a window that ends now.

    ``since`` is the fixed start of such a window, in place of the length ``window``.
    An empty ``asset``, ``exchanges`` or ``symbols`` means all. Prints are at least ``min_notional``
    and below ``max_notional``, in USD; 0 is no limit.
    """

    board: str = "Overview"
    bucket: str = "1m"
    window: str = "1h"
    until: datetime | None = None
    asset: str = ""
    exchanges: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    min_notional: float = 0.0
    max_notional: float = 0.0
    theme: str = "dark"
    zone: str = "UTC"
    since: datetime | None = None


_OF_NO_BOARD = Place(board="", bucket="")


class Decoded(NamedTuple):
    """The place that an address names, and why a part of the address was ignored."""

    place: Place
    ignored: tuple[str, ...]


def encode(place: Place, default: Place = Place()) -> str:  # noqa: B008 - immutable
    """Return the query of a URL, without ``?``, for what differs from ``default``.

    Example:
        >>> from liq.analysis.links import Place, encode
        >>> encode(Place(board="Prices", asset="BTC"))
        'board=Prices&asset=BTC'
    """
    return urlencode(dict(_list_differences(place, default)), safe=",:")


def decode(query: str, default: Place = Place(), choices: Choices | None = None) -> Decoded:  # noqa: B008 - immutable
    """Return the place that the query of a URL names; ``default`` has what it does not name.

    ``choices`` are the values that ``board``, ``bucket`` and ``theme`` may have, in any case.

    Example:
        >>> from liq.analysis.links import decode
        >>> decode("asset=BTC&minimum=lots").ignored
        ("minimum='lots' is no number: give a number, like 5 or 0.5",)
    """
    if len(query) > _LONGEST:
        return Decoded(default, (f"it has more than {_LONGEST:,} characters",))
    values: dict[str, Any] = {}
    ignored, unusable = [], set()
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name in values:
            ignored.append(f"{name} is there twice")
            continue
        try:
            values[name] = _parse(name, text, choices or {})
        except QueryError as error:
            ignored.append(shorten(str(error), _SHOWN))
            unusable.add(name)
    if "to" in unusable:  # the usual window, and not all the time from the start until now
        values.pop("from", None)
    span, reasons = _take_span(values)
    found = {_FIELDS.get(name, name): value for name, value in values.items()}
    place = default._replace(**found | span)
    if 0 < place.max_notional <= place.min_notional:
        place = place._replace(max_notional=0.0)
        if "maximum" in values:
            reasons.append("maximum is not above minimum")
    return Decoded(place, (*ignored, *reasons))


def build_link(place: Place) -> str:
    """Return a link to ``place`` from a page of the dashboard, which may have other defaults."""
    return f"?{encode(place, _OF_NO_BOARD)}"


def build_url(place: Place, settings: Settings) -> str:
    """Return the dashboard's public URL with ``place`` in it, and without the token."""
    return f"{settings.public_dashboard_url}/{build_link(place)}"


def name_file(place: Place, end: datetime, suffix: str) -> str:
    """Return the name of a file of a place's prints until ``end``: its dates in UTC, its filters.

    Example:
        >>> from datetime import UTC, datetime
        >>> from liq.analysis.links import Place, name_file
        >>> name_file(Place(asset="BTC"), datetime(2026, 3, 2, 14, tzinfo=UTC), ".csv")
        'liquidations_20260302T130000Z_20260302T140000Z_BTC.csv'
    """
    span = (end - parse_duration(place.window), end)
    parts = [f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" for moment in span]
    parts += [place.asset, _join_names(place.exchanges, "venues")]
    parts.append(_join_names(place.symbols, "symbols"))
    parts.append(f"min{place.min_notional:.15g}USD" if place.min_notional else "")
    parts.append(f"below{place.max_notional:.15g}USD" if place.max_notional else "")
    name = "_".join(["liquidations", *filter(None, parts)])
    return re.sub(r"[^\w.+-]", "-", name) + suffix


def keep_filters(place: Place, here: Place) -> Place:
    """Return ``place``, limited to the prints that ``here`` is limited to."""
    return place._replace(**{name: getattr(here, name) for name in _FILTERS})


def locate_alert(ts: datetime, query: str, scope: Mapping[str, Any] | None = None) -> Place:
    """Return the hour around an alert of ``query``; the alert itself is shown above the board.

    ``scope`` has parameters of the query, such as its symbols, to which the place is limited.
    """
    until = ts + _AROUND_ALERT
    return Place(board=_BOARDS.get(query, Place().board), until=until, **_limit(scope or {}))


def locate_cascade(
    start: datetime,
    end: datetime,
    name: str,
    by: str = "asset",
    here: Place = Place(),  # noqa: B008 - immutable
) -> Place:
    """Return the time around a cascade of the asset, symbol or exchange ``name``.

    It keeps the other filters of ``here``.
    """
    window = format_duration(end - start + 2 * _AROUND_CASCADE)
    scope = SCOPES.get(by, by)
    place = Place(bucket="5s", window=window, until=end + _AROUND_CASCADE)
    return keep_filters(place, here)._replace(**_limit({scope: [name]}))


def locate_row(query: str, row: Any, by: str = "asset") -> Place | None:
    """Return the place of a row of ``alerts``, or of ``cascades`` by ``by``; None for others.

    Users may have queries of these names without these columns, or with other values in them.
    """
    values = {name: getattr(row, name, None) for name in _MOMENTS.get(query, ())}
    if not all(_is_value(value, _MOMENTS[query][name]) for name, value in values.items()):
        return None
    with contextlib.suppress(OverflowError):  # a time at the end of the calendar
        if query == "alerts":
            return locate_alert(row.ts, row.query)
        if query == "cascades":
            return locate_cascade(row.from_ts, row.to_ts, row.name, by)
    return None


def _is_value(value: object, kind: type) -> bool:
    return isinstance(value, kind) and value == value  # noqa: PLR0124 - NaT is a datetime, but not


def _list_differences(place: Place, default: Place) -> Iterator[tuple[str, str]]:
    for name in _PARAMETERS:
        if name in ("from", "to"):
            continue
        field = _FIELDS.get(name, name)
        value = getattr(place, field)
        if name == "window" and place.until:
            yield "from", _format_moment(place.until - parse_duration(place.window))
            yield "to", _format_moment(place.until)
        elif name == "window" and place.since:
            yield "from", _format_moment(place.since)
        elif value != getattr(default, field):
            yield name, _format_value(value)


def _format_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.15g}"
    return value if isinstance(value, str) else ",".join(value)


def _join_names(names: Sequence[str], what: str) -> str:
    joined = "+".join(names)
    return joined if len(joined) <= _LONGEST_PART else f"{len(names)}-{what}"


def _format_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse(name: str, text: str, choices: Choices) -> Any:
    """Return a parameter's value. Raises `QueryError` with a reason in one line."""
    if name not in _PARAMETERS:
        meant = find_meant(name, list(_PARAMETERS))
        hint = f", did you mean {meant}?" if meant else ""
        raise QueryError(f"there is no parameter {shorten(name)!r}{hint}")
    parameter = _PARAMETERS[name]
    if parameter.type != "list" and len(text) > _LONGEST_VALUE:
        raise QueryError(f"{name} has more than {_LONGEST_VALUE} characters")
    if name in choices:
        parameter = Parameter(type="string", choices=list(choices[name]))
    value = parameter.value(name, restore_plus(text) if parameter.type == "timestamp" else text)
    if name == "to" and is_day(text):  # the field To means it so too
        value = parameter.value(name, (value + timedelta(days=1)).isoformat())
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, list):
        if len(value) > _MOST_NAMES:
            raise QueryError(f"{name} has more than {_MOST_NAMES} names")
        return tuple(dict.fromkeys(value))
    return value


def _take_span(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Take ``from`` and ``to`` out of ``values``; return the span that they name, or the fault."""
    start, end = values.pop("from", None), values.pop("to", None)
    if start is None:
        return {}, ["to needs from"] if end else []
    now = datetime.now(UTC)
    last, name = (end, "to") if end else (now, "now")
    if start >= last:
        return {}, [f"from is not before {name}"]
    if start >= now:
        return {}, ["from is in the future"]
    if last - start > _LONGEST_SPAN:
        return {}, [f"from and {name} are more than {_LONGEST_SPAN.days:,} days apart"]
    both = f"window cannot be combined with from{' and to' * bool(end)}"
    reasons = [both] if "window" in values else []
    if end is None:
        values.pop("window", None)
        return {"until": None, "since": start}, reasons
    return {"window": format_duration(end - start), "until": end, "since": None}, reasons


def _limit(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `Place` for parameters of a query; one asset, as a page has one."""
    names = {key: _list_names(scope[key]) for key in _SCOPED if scope.get(key)}
    found: dict[str, Any] = {
        field: names[key] for key, field in _SCOPED.items() if field and key in names
    }
    if len(assets := names.get("assets", ())) == 1:
        found["asset"] = assets[0]
    return found | {name: float(scope[name]) for name in _SIZES if scope.get(name)}


def _list_names(given: str | Sequence[str]) -> tuple[str, ...]:
    texts = given.split(",") if isinstance(given, str) else given
    return tuple(text.strip() for text in texts if text.strip())


_SCOPED = {"symbols": "symbols", "exchange": "exchanges", "assets": ""}
