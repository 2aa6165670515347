"""A first picture for who has just opened liq, whatever runs: real rows, or ones made up here."""

import time
from datetime import timedelta

import msgspec
import pandas as pd

from liq.config import Settings
from liq.errors import QuestDBError
from liq.ingest.simulator.exchanges import DEFAULT, exchange
from liq.ingest.simulator.hawkes import HawkesProcess
from liq.ingest.venues import venue
from liq.query import queries
from liq.records.model import Record, Source

_RATE = 0.5  # liquidations a second


def first_picture(window: str = "1h", settings: Settings | None = None) -> pd.DataFrame:
    """Return ``liquidations_by_bucket`` a minute, or where nothing is stored, of `made_up` prints.

    ``attrs["origin"]`` says in words which it is.
    """
    try:
        frame = queries.hit("liquidations_by_bucket", window=window, settings=settings)
        if len(frame):
            return _from(frame, "the rows that QuestDB holds")
        why = f"QuestDB holds no liquidations of the last {window}"
    except QuestDBError as error:
        why = str(error)
    return _from(by_minute(made_up()), f"made up in this kernel, because: {why}")


def made_up(span: timedelta = timedelta(hours=1), seed: int = 1) -> pd.DataFrame:
    """Return prints of a simulated exchange up to now, parsed from its messages as real ones are.

    Needs no servers. Columns: those of the record `liq.records.model.Liquidation`.
    """
    feed, market = venue(DEFAULT), exchange(DEFAULT)
    begin_ms = time.time_ns() // 1_000_000 - round(span.total_seconds() * 1000)
    records: list[Record] = []
    for order in HawkesProcess(_RATE, seed, market.market).orders():
        if order.due_ms >= span.total_seconds() * 1000:
            break
        moment = begin_ms + order.due_ms
        message = market.row(order, moment)
        records += feed.parse(message, {}, moment * 1000, Source.SIMULATOR)
    frame = pd.DataFrame([msgspec.structs.asdict(record) for record in records])
    return frame.assign(ts=pd.to_datetime(frame["ts"], unit="us", utc=True))


def by_minute(prints: pd.DataFrame) -> pd.DataFrame:
    """Return prints summed a minute, with the columns of ``liquidations_by_bucket``."""
    long, usd = prints["side"] == "long", prints["notional"]
    columns = {
        "long_usd": usd.where(long, 0.0),
        "short_usd": usd.where(~long, 0.0),
        "long_count": long.astype("int64"),
        "short_count": (~long).astype("int64"),
        "not_live": (prints["source"] != Source.LIVE).astype("int64"),
        "partial": (prints["completeness"] != "full").astype("int64"),
    }
    frame = pd.DataFrame(columns).set_index(pd.DatetimeIndex(prints["ts"]))
    return frame.resample("1min").sum().reset_index()


def _from(frame: pd.DataFrame, origin: str) -> pd.DataFrame:
    frame.attrs["origin"] = origin
    return frame
