"""What a print was made of: its row, the venue's rule, and the raw message where it was kept."""

import gzip
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import LiqError, QueryError
from liq.ingest import recording
from liq.ingest.venues import VENUES
from liq.ingest.venues.base import Venue
from liq.query import queries

_GZIP = b"\x1f\x8b"
_key = msgspec.json.Decoder(tuple[str, int, str, str])


@dataclass(frozen=True, slots=True)
class Inspection:
    """A print: ``row`` and ``units`` of the query ``print``, its venue if that is known.

    ``raw`` is the message it came in, as text; "" when it was not kept, and ``problem`` says why.
    """

    row: dict[str, Any]
    units: dict[str, str]
    venue: Venue | None
    raw: str
    problem: str = ""


def key(row: Any) -> str:
    """Return what tells a row of ``latest_prints`` from all others, as text."""
    parts = (row.ts.isoformat(), int(row.event_id), str(row.exchange), str(row.symbol))
    return msgspec.json.encode(parts).decode()


def inspect(key: str, settings: Settings | None = None) -> Inspection:
    """Return what is known of the print of that `key`.

    Raises `QueryError` when there is no such print, `QuestDBError` when QuestDB is away.
    """
    settings = settings or current_settings()
    ts, event_id, exchange, symbol = _key.decode(key)
    found = queries.fetch(
        "print",
        settings,
        ts=datetime.fromisoformat(ts),
        event_id=event_id,
        exchange=exchange,
        symbol=symbol,
    )
    if found.empty:
        raise QueryError(f"no print of {exchange} {symbol} at {ts}: its partition was dropped")
    row = {str(name): value for name, value in found.iloc[0].items()}
    raw, problem = _raw(exchange, row["recv_ts"].value // 1000, settings)
    return Inspection(row, found.attrs["units"], VENUES.get(exchange), raw, problem)


def _raw(exchange: str, recv_ts: int, settings: Settings) -> tuple[str, str]:
    """Return the message and, where there is none, why."""
    try:
        frame = recording.find(settings.recordings, exchange, recv_ts)
    except LiqError as error:
        return "", str(error)
    if frame is None:
        return "", "not kept here: `liq run` and `liq produce --record` keep raw messages"
    return readable(frame.raw), ""


def readable(raw: bytes) -> str:
    """Return a raw frame as indented JSON, or as the text it is; unzipped where it was zipped."""
    plain = gzip.decompress(raw) if raw.startswith(_GZIP) else raw
    try:
        return msgspec.json.format(plain, indent=2).decode()
    except msgspec.DecodeError:
        return plain.decode(errors="replace")
