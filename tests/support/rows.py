"""Rows to ask for: written straight into a QuestDB table of the test's own."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pandas as pd

from liq.config import Settings
from liq.query import questdb, views
from liq.records.model import (
    Alert,
    Cascade,
    Completeness,
    FeedHealth,
    Liquidation,
    Price,
    PriceKind,
    ReferenceKind,
    Severity,
    Side,
    Source,
    Sums,
    Text,
)
from liq.records.streams import (
    ALERTS,
    CASCADES,
    FEED_HEALTH,
    LIQUIDATIONS,
    PRICES,
    STREAMS,
    SUMS,
    Stream,
)
from support.helpers import PATIENCE_S, eventually, own_streams

_LINE_ESCAPES = re.compile(r"[,= \\]")
_MANY = 100  # rows, from which the line protocol costs less than a statement
_NEXT_ID = iter(range(1, 1_000_000))


def own_table(stack: Settings) -> Settings:
    """Return settings with a new, empty table of each stream."""
    settings = own_streams(stack, names=["table"])
    for stream in STREAMS:
        questdb.ensure_table(settings, stream)
    return settings


def refresh_views(settings: Settings) -> None:
    """Have the views follow their tables now, and wait until they have."""
    names = [view.name(settings) for view in views.VIEWS]
    for name in names:
        questdb.execute(f"REFRESH MATERIALIZED VIEW {name} INCREMENTAL", None, settings)
    sql = (
        "SELECT view_name FROM materialized_views() WHERE view_status = 'valid'"
        " AND refresh_base_table_txn = base_table_txn"
    )
    eventually(lambda: {*names} <= {*questdb.fetch(sql, None, settings)["view_name"]})


def ask(sql: str, settings: Settings) -> pd.DataFrame:
    """Fetch ``sql``, in which ``{table}`` is the settings' table."""
    return questdb.fetch(sql.replace("{table}", LIQUIDATIONS.table(settings)), settings=settings)


def micros_of(ts: str | datetime) -> int:
    """Return a time as microseconds since 1970; without a zone it is UTC."""
    moment = datetime.fromisoformat(ts) if isinstance(ts, str) else ts
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)


def price(ts: str | datetime, amount: float, **changes: Any) -> Price:
    """Return a mark price at ``ts``, with ``changes`` to its fields."""
    micros = micros_of(ts)
    fields: dict[str, Any] = dict(  # noqa: C408 - as of a record
        ts=micros,
        recv_ts=micros + 30_000,
        exchange="binance_usdm",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        kind=ReferenceKind.MARK,
        price=amount,
        source=Source.LIVE,
    )
    return Price(**fields | changes)


def liquidation(ts: str | datetime, notional: float, **changes: Any) -> Liquidation:
    """Return a liquidation of ``notional`` dollars at ``ts``, with ``changes`` to its fields."""
    micros = micros_of(ts)
    fields: dict[str, Any] = dict(  # noqa: C408 - as of a record
        ts=micros,
        recv_ts=micros + 30_000,
        exchange="binance_usdm",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        side=Side.LONG,
        raw_side="SELL",
        price=100.0,
        price_kind=PriceKind.AVERAGE,
        quantity=notional / 100.0,
        notional=notional,
        event_id=next(_NEXT_ID),
        completeness=Completeness.THROTTLED,
        source=Source.LIVE,
    )
    return Liquidation(**fields | changes)


def health(ts: str | datetime, **changes: Any) -> FeedHealth:
    """Return a row of feed health at ``ts``, with ``changes`` to its fields."""
    record = FeedHealth(
        ts=micros_of(ts), exchange="bybit", source=Source.LIVE, completeness=Completeness.FULL,
        connected=True, messages=1, gaps=0, reconnects=0, lag=None, queued=0,
    )  # fmt: skip
    return msgspec.structs.replace(record, **changes)


def insert(settings: Settings, records: Sequence[Liquidation]) -> None:
    """Write ``records`` and wait until they show."""
    _insert(settings, LIQUIDATIONS, records)


def report(settings: Settings, reports: Sequence[FeedHealth]) -> None:
    """Write feed health and wait until it is visible."""
    _insert(settings, FEED_HEALTH, reports)


def insert_prices(settings: Settings, prices: Sequence[Price]) -> None:
    """Write ``prices`` and wait until they show."""
    _insert(settings, PRICES, prices)


def insert_alerts(settings: Settings, alerts: Sequence[Alert]) -> None:
    """Write alerts into the settings' table of those."""
    _insert(settings, ALERTS, alerts)


def insert_sums(settings: Settings, sums: Sequence[Sums]) -> None:
    """Write what Spark found, into the settings' table of those."""
    _insert(settings, SUMS, sums)


def insert_cascades(settings: Settings, cascades: Sequence[Cascade]) -> None:
    """Write what Spark found, into the settings' table of those."""
    _insert(settings, CASCADES, cascades)


def insert_one_of_each(settings: Settings, ts: str | datetime) -> None:
    """Write a row into each table, dated ``ts``."""
    insert(settings, [liquidation(ts, 1000)])
    insert_prices(settings, [price(ts, 100)])
    report(settings, [health(ts)])
    micros = micros_of(ts)
    alert = Alert(
        ts=micros, rule="a", severity=Severity.INFO, message=Text(""), value=1.0, threshold=1.0,
        query="totals", measure="prints", live=True,
    )  # fmt: skip
    cascade = Cascade(
        ts=micros, base="BTC", gap=5, to_ts=micros, prints=5, exchanges=1, symbols=1,
        first_exchange="bybit", long_usd=1.0, short_usd=0.0, not_live=0, partial=0,
    )  # fmt: skip
    sums = Sums(
        ts=micros, exchange="bybit", symbol="BTCUSDT", base="BTC", bucket=60, long_usd=1.0,
        short_usd=0.0, prints=1, largest_usd=1.0, not_live=0, partial=0,
    )  # fmt: skip
    insert_alerts(settings, [alert])
    insert_cascades(settings, [cascade])
    insert_sums(settings, [sums])


def load(settings: Settings, stream: Stream, frame: pd.DataFrame) -> None:
    """Write the rows of ``frame``, its times in microseconds, in a fraction of `insert`'s time."""
    kinds, table = stream.columns(), stream.table(settings)
    names = [name for name, kind in kinds.items() if kind == "SYMBOL"]
    tags = [f"{name}=" for name in names]
    fields = [name for name in kinds if name not in (*names, "ts")]
    lines = []
    for row in frame.to_dict("records"):
        tagged = [
            tag + _LINE_ESCAPES.sub(r"\\\g<0>", row[name])
            for name, tag in zip(names, tags, strict=True)
            if isinstance(row[name], str)
        ]
        values_text = [
            f"{name}={_line_value(row[name], kinds[name])}"
            for name in fields
            if row[name] is not None and row[name] == row[name]
        ]
        lines.append(f"{','.join([table, *tagged])} {','.join(values_text)} {row['ts']}000")
    user = settings.questdb_admin_user, settings.questdb_admin_password.get_secret_value()
    for start in range(0, len(lines), 20_000):
        body = "\n".join(lines[start : start + 20_000]) + "\n"
        httpx.post(
            f"{settings.questdb_url}/write", content=body.encode(), auth=user, timeout=PATIENCE_S
        ).raise_for_status()
    eventually(lambda: questdb.read_wal_state(table, settings).pending == 0)


def _line_value(value: Any, kind: str) -> str:
    if kind == "VARCHAR":
        return json.dumps(value, ensure_ascii=False)
    if kind == "TIMESTAMP":
        return f"{value}t"
    if kind == "LONG":
        return f"{value}i"
    return repr(float(value)) if kind == "DOUBLE" else "t" if value else "f"


def _insert(settings: Settings, stream: Stream, records: Sequence[msgspec.Struct]) -> None:
    if len(records) > _MANY:
        rows = [msgspec.structs.asdict(record) for record in records]
        load(settings, stream, pd.DataFrame(rows, dtype=object))
        return
    kinds = stream.columns().values()
    row = ", ".join(f"%s::{kind}" if kind == "TIMESTAMP" else "%s" for kind in kinds)
    table = stream.table(settings)
    values = [value for record in records for value in msgspec.structs.astuple(record)]
    sql = f"INSERT INTO {table} VALUES {', '.join([f'({row})'] * len(records))}"  # noqa: S608
    questdb.execute(sql, [str(v) if isinstance(v, str) else v for v in values], settings)
    eventually(lambda: questdb.read_wal_state(table, settings).pending == 0)
