"""A first picture for new users, with or without servers: stored rows, or simulated ones."""

import time
from datetime import timedelta

import msgspec
import pandas as pd

from liq.config import Settings, choose_settings
from liq.errors import QuestDBError
from liq.ingest.simulator.exchanges import DEFAULT, create_exchange
from liq.ingest.simulator.hawkes import HawkesProcess
from liq.ingest.venues import find_venue
from liq.query import queries
from liq.records.model import LIVE_SOURCES, Record, Source

_RATE = 0.5  # liquidations a second


def load_first_picture(window: str = "1h", settings: Settings | None = None) -> pd.DataFrame:
    """Return ``liquidations_by_bucket`` per minute, of stored or else of simulated prints.

    ``attrs["origin"]`` describes the origin of the prints.

    Args:
        window: How far back.
        settings: Settings of the stack; the current ones by default.
    """
    settings = choose_settings(settings)
    key = "liquidations_by_bucket"
    try:
        with queries.show_query(key, settings):
            frame = queries.hit(key, window=window, settings=settings)
        if len(frame):
            return _mark_origin(frame, "the rows in QuestDB")
        why = f"QuestDB has no liquidations of the last {window}"
    except QuestDBError as error:
        why = str(error)
    return _mark_origin(
        sum_by_minute(simulate_prints()), f"simulated in this kernel, because: {why}"
    )


def simulate_prints(span: timedelta = timedelta(hours=1), seed: int = 1) -> pd.DataFrame:
    """Return prints of a simulated exchange up to now, parsed from messages like real prints.

    Needs no servers. The columns are the fields of `liq.records.model.Liquidation`.
    """
    feed, market = find_venue(DEFAULT), create_exchange(DEFAULT)
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


def sum_by_minute(prints: pd.DataFrame) -> pd.DataFrame:
    """Return the prints' sums per minute, with the columns of ``liquidations_by_bucket``."""
    long, usd = prints["side"] == "long", prints["notional"]
    columns = {
        "long_usd": usd.where(long, 0.0),
        "short_usd": usd.where(~long, 0.0),
        "long_count": long.astype("int64"),
        "short_count": (~long).astype("int64"),
        "not_live": (~prints["source"].isin(LIVE_SOURCES)).astype("int64"),
        "partial": (prints["completeness"] != "full").astype("int64"),
    }
    frame = pd.DataFrame(columns).set_index(pd.DatetimeIndex(prints["ts"]))
    return frame.resample("1min").sum().reset_index()


def _mark_origin(frame: pd.DataFrame, origin: str) -> pd.DataFrame:
    frame.attrs["origin"] = origin
    return frame
