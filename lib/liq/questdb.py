"""The door to QuestDB's PostgreSQL wire; no other module imports psycopg.

Reads go out as the read-only user over pooled connections with the binary protocol and bound
values; statements that change something go out as the admin, each on a connection of its own.
Rows are written by the Kafka Connect sink, never from here.
"""

import atexit
import contextlib
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.adapt import Loader
from psycopg.pq import Format

from liq.config import Settings
from liq.config import settings as current_settings
from liq.errors import QuestDBAwayError, QuestDBError, QuestDBTimeoutError
from liq.streams import LIQUIDATIONS, Stream

if TYPE_CHECKING:
    import pandas as pd

Params = Mapping[str, Any] | Sequence[Any] | None

_POSTGRES_EPOCH_US = 946_684_800_000_000
_DTYPES = {16: "bool", 20: "int64", 21: "int64", 23: "int64", 700: "float64", 701: "float64"}
_TIMESTAMP_OID = 1114
_GIVEN_UP = "timeout, query aborted"
_NAT = -(2**63)  # numpy's and pandas' null timestamp


class WalState(NamedTuple):
    """How far a table's write-ahead log is applied.

    ``pending`` transactions are acknowledged but not yet visible; a ``suspended`` table takes
    writes that never show until ``ALTER TABLE … RESUME WAL``, and ``reason`` says why.
    """

    suspended: bool
    pending: int
    reason: str


def ensure_table(settings: Settings | None = None, stream: Stream = LIQUIDATIONS) -> None:
    """Create the table of ``stream`` unless it is there, and have it drop rows past its days.

    Raises `QuestDBError`.
    """
    settings = settings or current_settings()
    table = stream.table(settings)
    execute(table_ddl(table, stream), settings=settings)
    execute(f"ALTER TABLE {table} SET TTL {stream.ttl_days(settings)} DAYS", settings=settings)


def table_ddl(table: str, stream: Stream = LIQUIDATIONS) -> str:
    """Return the statement that creates ``table``, one column for each field of the record."""
    columns = ", ".join(f"{name} {kind}" for name, kind in stream.columns().items())
    return (
        f"CREATE TABLE IF NOT EXISTS {table} ({columns})"
        f" TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS({', '.join(stream.keys)})"
    )


def fetch(
    sql: str, params: Params = None, settings: Settings | None = None, *, timeout: float = 30.0
) -> "pd.DataFrame":
    """Return the rows of a SELECT, run as the read-only user.

    Values stand in ``sql`` as ``%s`` or ``%(name)s`` and travel bound; without ``params`` the text
    is taken as it is. TIMESTAMP columns come as ``datetime64[us, UTC]``, LONG and INT as ``int64``
    (``Int64`` when a value is null), DOUBLE as ``float64``, strings as ``str``. The server gives
    up after ``timeout`` seconds. Safe to call from any thread.

    Raises `QuestDBError` when QuestDB is away or refuses the statement, and as
    `QuestDBTimeoutError` when it has given up.
    """
    login = _Login.reader(settings or current_settings(), timeout)
    # an idle connection may have died with an earlier QuestDB: then once more on a new one
    with contextlib.suppress(IndexError, _ConnectionLostError):
        return _read(_pool[login].pop(), login, sql, params)
    return _read(_open(login), login, sql, params)


def execute(sql: str, params: Params = None, settings: Settings | None = None) -> None:
    """Run a statement that changes something, as the admin. Raises `QuestDBError`."""
    login = _Login.admin(settings or current_settings())
    with _open(login) as connection, _translated(connection, login):
        connection.execute(sql, params)


def wal_state(table: str | None = None, settings: Settings | None = None) -> WalState:
    """Return how far the write-ahead log of ``table`` (the settings' one) is applied.

    Raises `QuestDBError` when there is no such table.
    """
    settings = settings or current_settings()
    table = table or settings.table
    rows = fetch("SELECT * FROM wal_tables() WHERE name = %s", [table], settings)
    if rows.empty:
        raise QuestDBError(f"QuestDB has no table {table}; create it with: liq up")
    row = rows.iloc[0]
    return WalState(
        suspended=bool(row["suspended"]),
        pending=int(row["sequencerTxn"] - row["writerTxn"]),
        reason=str(row["errorMessage"] or ""),
    )


def suspended_tables(settings: Settings | None = None) -> dict[str, str]:
    """Return why each suspended table, or view, is: its writes are kept but do not show.

    Raises `QuestDBError`.
    """
    login = _Login.admin(settings or current_settings())
    sql = "SELECT name, errorMessage FROM wal_tables() WHERE suspended"
    with _open(login) as connection, _translated(connection, login):
        return {name: reason or "" for name, reason in connection.execute(sql).fetchall()}


def resume(table: str, settings: Settings | None = None) -> None:
    """Apply a suspended table's, or view's, write-ahead log again. Raises `QuestDBError`."""
    login = _Login.admin(settings or current_settings())
    sql = "SELECT 1 FROM materialized_views() WHERE view_name = %s"
    with _open(login) as connection, _translated(connection, login):
        kind = "MATERIALIZED VIEW" if connection.execute(sql, [table]).fetchall() else "TABLE"
        connection.execute(f'ALTER {kind} "{table}" RESUME WAL')


def close() -> None:
    """Close the pooled connections; later calls open new ones."""
    for connections in _pool.values():
        while connections:
            connections.pop().close()


@dataclass(frozen=True, slots=True)
class _Login:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    timeout_ms: int

    @property
    def where(self) -> str:
        return f"QuestDB at {self.host}:{self.port}"

    @classmethod
    def reader(cls, settings: Settings, timeout: float) -> "_Login":
        password = settings.questdb_reader_password.get_secret_value()
        return cls._of(settings, settings.questdb_reader_user, password, timeout)

    @classmethod
    def admin(cls, settings: Settings) -> "_Login":
        password = settings.questdb_admin_password.get_secret_value()
        return cls._of(settings, settings.questdb_admin_user, password, timeout=60)

    @classmethod
    def _of(cls, settings: Settings, user: str, password: str, timeout: float) -> "_Login":
        host, port = settings.questdb_host, settings.questdb_pg_port
        return cls(host, port, user, password, timeout_ms=round(timeout * 1000))


_Connection = psycopg.Connection[tuple[Any, ...]]
_pool: defaultdict[_Login, deque[_Connection]] = defaultdict(deque)  # idle ones, by login
atexit.register(close)


class _ConnectionLostError(QuestDBAwayError):
    """QuestDB hung up in the middle of a statement."""


class _MicrosLoader(Loader):
    """A TIMESTAMP as integer microseconds since 1970: exact, and what numpy wants."""

    format = Format.BINARY

    def load(self, data: bytes | bytearray | memoryview) -> int:
        return int.from_bytes(data, "big", signed=True) + _POSTGRES_EPOCH_US


def _open(login: _Login) -> _Connection:
    try:
        connection = psycopg.connect(
            host=login.host,
            port=login.port,
            user=login.user,
            password=login.password,
            dbname="qdb",
            autocommit=True,
            connect_timeout=3,
            prepare_threshold=None,  # QuestDB caches plans by text; a name would pin a stale one
            options=f"-c statement_timeout={login.timeout_ms}",
        )
    except psycopg.OperationalError as error:
        raise QuestDBAwayError(_unreachable(login, error)) from error
    connection.adapters.register_loader(_TIMESTAMP_OID, _MicrosLoader)
    return connection


def _unreachable(login: _Login, error: psycopg.OperationalError) -> str:
    if "invalid username/password" in str(error):
        return (
            f"{login.where} refused the password of {login.user};"
            " is it the QuestDB of this LIQ_HOME? `liq status` shows what runs"
        )
    return f"cannot reach {login.where}; start it with: liq up"


def _read(connection: _Connection, login: _Login, sql: str, params: Params) -> "pd.DataFrame":
    with _translated(connection, login), connection.cursor(binary=True) as cursor:
        cursor.execute(sql, params)
        columns = [(column.name, column.type_code) for column in cursor.description or ()]
        rows = cursor.fetchall() if columns else []
    _pool[login].append(connection)
    return _frame(columns, rows)


@contextlib.contextmanager
def _translated(connection: _Connection, login: _Login) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        lost = connection.broken or connection.closed
        connection.close()
        if lost:
            raise _ConnectionLostError(f"{login.where} hung up: {error}") from error
        if _GIVEN_UP in str(error):
            raise QuestDBTimeoutError(
                f"the query took longer than {login.timeout_ms / 1000:g} s:"
                " ask for a shorter window, or raise LIQ_QUERY_TIMEOUT"
            ) from error
        raise QuestDBError(f"QuestDB refused the statement: {error}") from error
    except BaseException:
        connection.close()  # interrupted: its answer is still to come, so nobody else may have it
        raise


def _frame(columns: Sequence[tuple[str, int]], rows: Sequence[tuple[Any, ...]]) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 - creating the table need not wait for it

    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pd.DataFrame(
        {name: _series(oid, column) for (name, oid), column in zip(columns, values, strict=True)}
    )


def _series(oid: int, values: Sequence[Any]) -> "pd.Series[Any]":
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    if oid == _TIMESTAMP_OID:
        micros = np.array([_NAT if value is None else value for value in values], dtype=np.int64)
        return pd.Series(micros.view("datetime64[us]")).dt.tz_localize("UTC")
    dtype = _DTYPES.get(oid, "str")
    if dtype == "int64" and None in values:
        dtype = "Int64"
    return pd.Series(values, dtype=dtype)
