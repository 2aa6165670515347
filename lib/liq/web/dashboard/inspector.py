"""The details of one print: its row, the venue's rule, and the raw message if it was recorded."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from liq.config import Settings, choose_settings
from liq.errors import LiqError, QueryError
from liq.ingest import recording
from liq.ingest.venues import VENUES
from liq.ingest.venues.base import Venue
from liq.ingest.venues.canonical import unpack
from liq.query import queries

_WRITTEN_S = 2 * recording.FLUSH_S  # a received frame is on disk
_key = msgspec.json.Decoder(tuple[str, int, str, str])


@dataclass(frozen=True, slots=True)
class Inspection:
    """A print: ``row`` and ``units`` of the query ``print``, and its venue if liq knows it.

    ``raw`` is the venue's message as text. It is "" if there is none; ``problem`` gives the cause.
    After ``wait_s`` seconds another reading has it, if it is recorded; 0 if no reading will.
    """

    row: dict[str, Any]
    units: dict[str, str]
    venue: Venue | None
    raw: str
    problem: str = ""
    wait_s: float = 0.0


def build_key(row: Any) -> str:
    """Return the unique key of a row of ``latest_prints``, as text."""
    parts = (row.ts.isoformat(), int(row.event_id), str(row.exchange), str(row.symbol))
    return msgspec.json.encode(parts).decode()


def inspect(key: str, settings: Settings | None = None) -> Inspection:
    """Return the details of the print with this `build_key`.

    Raises:
        QueryError: No row has this key.
        QuestDBError: QuestDB cannot be reached.
    """
    settings = choose_settings(settings)
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
    raw = _find_raw(exchange, row["recv_ts"].value // 1000, settings)
    return Inspection(row, found.attrs["units"], VENUES.get(exchange), *raw)


def _find_raw(exchange: str, recv_ts: int, settings: Settings) -> tuple[str, str, float]:
    """Return the recorded message, the cause if there is none, and when it may be there."""
    age = time.time() - recv_ts / 1e6  # before the recording is read
    try:
        frame = recording.find(settings.recordings, exchange, recv_ts)
        if frame is not None:
            return format_raw(frame.raw), "", 0.0
    except LiqError as error:
        return "", str(error), 0.0
    if 0 <= age < _WRITTEN_S:  # a clock may have been wrong
        within = f"a message that is recorded appears here within {_WRITTEN_S:.0f} s"
        return "", f"not yet: {within}", _WRITTEN_S - age
    return "", "not recorded: `liq run` and `liq produce --record` keep raw messages", 0.0


def format_raw(raw: bytes) -> str:
    """Return a raw frame as indented JSON, or as plain text; a gzipped frame is unpacked.

    Raises:
        RejectedMessage: The gzip is broken or too large.
    """
    plain = unpack(raw)
    try:
        return msgspec.json.format(plain, indent=2).decode()
    except msgspec.DecodeError:
        return plain.decode(errors="replace")
