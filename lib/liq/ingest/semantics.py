"""The meaning of venues' messages: how feeds differ, and a message explained field by field.

``venues/examples.json`` holds a message of each venue: the one that its documentation shows, or one
of that shape where none is shown, or of a contract that liq's snapshots do not know.
"""

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from liq.errors import RejectedMessage
from liq.ingest.instruments import load_snapshot
from liq.ingest.venues import PRICE_FEEDS, VENUES, find_venue
from liq.ingest.venues.base import Parsed
from liq.records.model import Completeness, Record

if TYPE_CHECKING:
    import pandas as pd

_EXAMPLES = Path(__file__).parent / "venues" / "examples.json"
_TIMES = ("ts", "recv_ts")
_SHOWS = {
    None: "prices, every one",
    Completeness.FULL: "every liquidation",
    Completeness.THROTTLED: "at most one a second of a contract or side: sums are lower bounds",
    Completeness.SAMPLED: "some of its liquidations: sums are lower bounds",
}
_FULL_IN_PART = "every liquidation of the contracts that it covers"


class _Example(msgspec.Struct):
    """A venue's message; ``others`` are its messages of another shape or with other fields."""

    recv_ts: int
    message: msgspec.Raw
    others: list[msgspec.Raw] = []


def list_venues() -> "pd.DataFrame":
    """Return all feeds: ``venue``, ``completeness``, what it ``shows``, what is ``not_covered``,
    ``price_kind`` (its example's), ``documentation`` (a URL). A feed of prices has no completeness.
    """
    import pandas as pd  # noqa: PLC0415 - importing this module stays quick

    rows = []
    for name, feed in (VENUES | PRICE_FEEDS).items():
        record = _parse(name, "", None)[0]
        kind = getattr(record, "price_kind", None) or getattr(record, "kind", "")
        shows = _SHOWS[feed.completeness]
        if feed.completeness is Completeness.FULL and feed.not_covered:
            shows = _FULL_IN_PART
        completeness, left_out = str(feed.completeness or ""), feed.not_covered
        rows.append((name, completeness, shows, left_out, str(kind), feed.documentation))
    columns = ["venue", "completeness", "shows", "not_covered", "price_kind", "documentation"]
    return pd.DataFrame(rows, columns=columns)


def read_example(name: str) -> str:
    """Return the venue's example as indented JSON. Raises `ConfigError` for an unknown venue."""
    return msgspec.json.format(
        bytes(_read_examples()[find_venue(name).name].message), indent=2
    ).decode()


def read_shapes(name: str) -> list[bytes]:
    """Return a message of each documented shape. Raises `ConfigError` for an unknown venue."""
    example = _read_examples()[find_venue(name).name]
    return [bytes(message) for message in (example.message, *example.others)]


def explain(name: str, raw: str | bytes = "", recv_ts: int | None = None) -> "pd.DataFrame":
    """Parse a message as the producer would: ``record`` (from 1), ``field``, ``value``, ``unit``.

    Contract sizes come from the snapshots that ship with liq. A message that is rejected, skipped
    or empty gives a row with the reason as its value.

    Args:
        name: The venue.
        raw: The message; the venue's `read_example` if it is empty.
        recv_ts: The time of receipt, UTC microseconds, by which parsers reject old news. The
            default is now.

    Raises:
        ConfigError: The venue is unknown.
    """
    import pandas as pd  # noqa: PLC0415 - as above

    rows: list[tuple[int, str, Any, str]] = []
    try:
        records = _parse(name, raw, recv_ts)
    except RejectedMessage as rejection:
        records = rejection.accepted
        rows.append((0, "rejected", str(rejection), ""))
    passed = records.passed if isinstance(records, Parsed) else {}
    rows += [(0, "skipped", f"{count}: {reason}", "") for reason, count in passed.items()]
    if not records and not rows:
        rows.append((0, "nothing to store", _NOTHING, ""))
    for number, record in enumerate(records, 1):
        rows += [(number, *row) for row in _list_fields(record)]
    return pd.DataFrame(rows, columns=["record", "field", "value", "unit"])


_NOTHING = "an answer or a heartbeat: see the venue's rule"


def _parse(name: str, raw: str | bytes, recv_ts: int | None) -> Sequence[Record]:
    feed = find_venue(name)
    if not raw:
        kept = _read_examples()[feed.name]
        raw, recv_ts = bytes(kept.message), recv_ts or kept.recv_ts
    now = time.time_ns() // 1000
    return feed.parse(raw, load_snapshot(feed) or {}, now if recv_ts is None else recv_ts)


@cache
def _read_examples() -> dict[str, _Example]:
    return msgspec.json.decode(_EXAMPLES.read_bytes(), type=dict[str, _Example])


def _list_fields(record: Record) -> list[tuple[str, Any, str]]:
    import pandas as pd  # noqa: PLC0415 - as above

    units = {
        "price": f"{record.quote} per {record.base}",
        "asset_price": f"{record.quote} per {record.asset}",
        "quantity": record.base,
        "asset_quantity": record.asset,
        "notional": "USD",
        **dict.fromkeys(_TIMES, "UTC"),
    }
    return [
        (
            field,
            pd.Timestamp(value, unit="us", tz="UTC") if field in _TIMES else _format_value(value),
            units.get(field, ""),
        )
        for field, value in msgspec.structs.asdict(record).items()
    ]


def _format_value(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
