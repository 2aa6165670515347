"""The door to QuestDB's PostgreSQL wire; no other module imports psycopg.

Reads use the read-only user, pooled connections, the binary protocol and bound values. Statements
that change something use the admin, each on a connection of its own. Only the Kafka Connect sink
writes rows.

Every call has a time limit. QuestDB cancels a slow statement itself. If it does not (it is stopped
or swapped out), this module gives up a second later.
"""

import atexit
import contextlib
import math
import re
import select
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import httpx
import psycopg
from psycopg import generators, waiting
from psycopg.abc import PQGen
from psycopg.adapt import Loader
from psycopg.conninfo import make_conninfo
from psycopg.pq import Format
from psycopg.types.string import StrDumper
from pydantic import SecretStr

from liq.common import addresses, forks, http
from liq.common.compat import PSYCOPG
from liq.common.text import describe_error
from liq.common.waiting import poll_until
from liq.config import Settings, choose_settings
from liq.errors import (
    QuestDBAwayError,
    QuestDBError,
    QuestDBLoginError,
    QuestDBMemoryError,
    QuestDBTimeoutError,
)
from liq.records import coins
from liq.records.streams import FEED_HEALTH, LIQUIDATIONS, Stream

if TYPE_CHECKING:
    import pandas as pd

Params = Mapping[str, Any] | Sequence[Any] | None
T = TypeVar("T")

_POSTGRES_EPOCH_US = 946_684_800_000_000
_DTYPES = {16: "bool", 20: "int64", 21: "int64", 23: "int64", 700: "float64", 701: "float64"}
_TIMESTAMP_OID = 1114
_GIVEN_UP = "timeout, query aborted"
_NO_MEMORY = "memory limit exceeded"
# of statements that succeed when they are sent again: NullPointerExceptions, others of an array's
# index that cascades and hour_of_day met while a dashboard queried too, and one without a name
_FAILED_INSIDE = re.compile(
    "Cannot (invoke|read field|read the array length|load from|store to|assign field)"
    r"|Index \d+ out of bounds for length \d+|ArrayIndexOutOfBoundsException"
    "|not enough columns in group by"
)
_PAUSES_S = 0.05, 0.1, 0.2, 0.4  # before such a statement is sent again
_NAT = -(2**63)  # numpy's and pandas' null timestamp

_CONNECTIONS = 16  # of one process at once
_IDLE_S = 60.0  # a local QuestDB disconnects sooner, see `liq.stack.servers`
_LIFETIME_S = 1800.0  # so that a host name that moved to another server is noticed
_ADMIN_S = 60.0
_STATE_S = 10.0  # for the state of tables, which callers poll
_OVERDUE_S = 5.0
_AMENDED_POLL_S = 0.05
_FILLED_S = 120.0  # ten million rows take seconds
_FILLED_AT_ONCE = 1_000  # bases: QuestDB refuses a statement of megabytes
_UNFILLED = "asset IS NULL AND base IS NOT NULL"
_AMENDED_S = 10.0  # a suspended table does not show what was changed
_REFUSED = ("invalid username/password", "no password supplied")
_NO_OP = "statement is either no-op"
_GRACE_S = 1.0  # QuestDB itself gives up first, which says more and keeps the connection
_LOGIN_S = 3  # at least; a busy QuestDB takes longer, which changes of it have time for
_LOGIN_SHARE = 1 / 6  # of the whole time
_WAIT_TIMEOUT: type[psycopg.Error] = PSYCOPG.get(psycopg.errors, "_WaitTimeout")
_INTERRUPT_S = 0.1  # as psycopg looks for Ctrl-C


class WalState(NamedTuple):
    """How far a table's write-ahead log is applied.

    Of ``sent`` transactions ``applied`` are visible. A ``suspended`` table accepts writes but does
    not show them until ``ALTER TABLE … RESUME WAL``; ``reason`` says why.
    """

    suspended: bool
    sent: int
    applied: int
    reason: str

    @property
    def pending(self) -> int:
        """Transactions that are acknowledged but not yet visible."""
        return self.sent - self.applied


def ensure_table(settings: Settings | None = None, stream: Stream = LIQUIDATIONS) -> None:
    """Create the table of ``stream`` unless it exists, and set its retention.

    A table of an older version gets the columns and keys that it lacks. It takes a minute at most.
    Raises `QuestDBError`.
    """
    settings = choose_settings(settings)
    table = stream.table(settings)
    with within(_ADMIN_S):
        execute(render_ddl(table, stream), settings=settings)
        _amend(table, stream, settings)
        execute(f"ALTER TABLE {table} SET TTL {stream.ttl_days(settings)} DAYS", settings=settings)


def render_ddl(table: str, stream: Stream = LIQUIDATIONS) -> str:
    """Return the statement that creates ``table``, one column for each field of the record."""
    columns = ", ".join(f"{name} {kind}" for name, kind in stream.columns().items())
    return (
        f"CREATE TABLE IF NOT EXISTS {table} ({columns})"
        f" TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS({', '.join(stream.keys)})"
    )


def _amend(table: str, stream: Stream, settings: Settings) -> None:
    """Add missing columns and keys, and wait until they are visible, since views need them."""
    for sql in _list_amendments(table, stream, settings):
        try:
            execute(sql, settings=settings)
        except QuestDBError as error:
            if _NO_OP not in str(error):  # else it waits in the table's log
                raise
    poll_until(
        lambda: not [*_list_amendments(table, stream, settings)],
        _AMENDED_S,
        every_s=_AMENDED_POLL_S,
    )


def _list_amendments(table: str, stream: Stream, settings: Settings) -> Iterator[str]:
    """Yield the statements that bring a table up to date; its rows stay as they are."""
    there = fetch(f"SELECT * FROM table_columns('{table}')", settings=settings)  # noqa: S608
    for name, kind in stream.columns().items():
        if name not in set(there["column"]):
            yield f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} {kind}"
    keys = set(there["column"][there["upsertKey"]])
    if keys and not {*stream.keys} <= keys:  # without any it is not of our making
        yield f"ALTER TABLE {table} DEDUP ENABLE UPSERT KEYS({', '.join(stream.keys)})"


def fill_assets(settings: Settings | None = None, stream: Stream = LIQUIDATIONS) -> bool:
    """Add the asset to rows that an earlier version wrote, wait until it shows; return if any had.

    `liq.records.coins` derives it from the base asset. The official connector writes such rows too,
    if it reads messages of an earlier version. Rows of a suspended table wait for the next call.
    Raises `QuestDBError`.
    """
    settings = choose_settings(settings)
    table, names = stream.table(settings), stream.columns().keys() & coins.FIELDS.keys()
    if not names or read_wal_state(table, settings).suspended:
        return False
    sql = f"SELECT DISTINCT base FROM {table} WHERE {_UNFILLED}"  # noqa: S608 - our own texts
    bases = [*fetch(sql, settings=settings)["base"]]
    for start in range(0, len(bases), _FILLED_AT_ONCE):
        _fill(table, names, bases[start : start + _FILLED_AT_ONCE], settings)
    return bool(bases)


def _fill(table: str, names: Collection[str], bases: Sequence[str], settings: Settings) -> None:
    """Add the asset of some bases, and wait until it shows or the table is suspended."""
    found = {base: coins.find_coin(base) for base in bases}
    values = {
        "asset": _render_cases({base: coin.asset for base, coin in found.items()}),
        "units": _render_cases({base: coin.units for base, coin in found.items()}),
    }
    changes = ", ".join(f"{name} = {coins.FIELDS[name].format(**values)}" for name in names)
    listed = ", ".join(map(_quote, bases))
    execute(
        f"UPDATE {table} SET {changes} WHERE {_UNFILLED} AND base IN ({listed})",  # noqa: S608
        None,
        settings,
    )
    sent = read_wal_state(table, settings).sent

    def is_over() -> bool:
        now = read_wal_state(table, settings)
        return now.applied >= sent or now.suspended

    poll_until(is_over, _FILLED_S, every_s=_AMENDED_POLL_S)


def _render_cases(values: Mapping[str, str | float]) -> str:
    cases = (f"WHEN {_quote(base)} THEN {_quote(value)}" for base, value in values.items())
    return f"CASE base {' '.join(cases)} END"


def _quote(value: str | float) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else f"{value}"


def fetch(
    sql: str, params: Params = None, settings: Settings | None = None, *, timeout: float = 30.0
) -> "pd.DataFrame":
    """Return the rows of a SELECT, run as the read-only user.

    ``%s`` or ``%(name)s`` in ``sql`` is a bound value; without ``params`` the text is sent
    unchanged. TIMESTAMP columns become ``datetime64[us, UTC]``, LONG and INT ``int64`` (``Int64``
    when a value is null), DOUBLE ``float64``, strings ``str``. The server gives up after
    ``timeout`` seconds, or this call a second later. Safe to call from any thread.

    Raises `QuestDBError` when QuestDB is unreachable or refuses the statement, as
    `QuestDBLoginError` when it refuses the password, and as
    `QuestDBTimeoutError` when it has given up or does not answer.
    """
    login, deadline = _Login.reader(choose_settings(settings), timeout), _Deadline.of(timeout)

    def read() -> "pd.DataFrame":
        if idle := _pool.take(login):
            with contextlib.suppress(_ConnectionLostError):  # to an earlier QuestDB process
                return _read(idle, login, sql, params, deadline)
        return _read(_open(login, deadline), login, sql, params, deadline)

    with _pool.place(login, deadline):
        return _repeat(read)


def require(settings: Settings | None = None) -> None:
    """Raise `QuestDBError` unless QuestDB answers within two seconds."""
    fetch("SELECT 1", settings=settings, timeout=1.0)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit all statements of this block (and thread) to ``seconds`` in total, plus one of grace.

    A nested block can only shorten the time.
    """
    token = _limit.set(min(_limit.get(), (time.monotonic() + seconds, seconds)))
    try:
        yield
    finally:
        _limit.reset(token)


def execute(sql: str, params: Params = None, settings: Settings | None = None) -> None:
    """Run a statement that changes something, as the admin. Raises `QuestDBError`."""
    _run_as_admin(sql, params, settings)


def read_version(table: str, settings: Settings | None = None) -> str:
    """Return a text that changes with each transaction of ``table`` that shows, by one statement.

    Replaced rows and a recreated table change it too. Raises `QuestDBError`.
    """
    rows = f"(SELECT max(ts) AS newest, count() AS rows FROM {table})"  # noqa: S608 - an identifier
    sql = "SELECT writerTxn, newest, rows FROM wal_tables() CROSS JOIN {} WHERE name = %s"
    return fetch(sql.format(rows), [table], settings, timeout=_STATE_S).to_csv(index=False)


def check_logins(settings: Settings | None = None) -> None:
    """Log in as the reader and as the admin, on new connections; takes 10 s at most.

    Raises `QuestDBLoginError` if QuestDB refuses one of them, `QuestDBError` if it is unreachable.
    """
    settings = choose_settings(settings)
    deadline = _Deadline.of(_STATE_S)
    for login in (_Login.reader(settings, _STATE_S), _Login.admin(settings, _STATE_S)):
        _open(login, deadline).close()


def read_wal_state(table: str | None = None, settings: Settings | None = None) -> WalState:
    """Return how far the write-ahead log of ``table`` (the settings' one) is applied.

    Raises `QuestDBError` when there is no such table.
    """
    settings = choose_settings(settings)
    table = table or LIQUIDATIONS.table(settings)
    sql = "SELECT * FROM wal_tables() WHERE name = %s"
    rows = fetch(sql, [table], settings, timeout=_STATE_S)
    if rows.empty:
        raise QuestDBError(f"QuestDB has no table {table}; create it with: liq up")
    row = rows.iloc[0]
    return WalState(
        suspended=bool(row["suspended"]),
        sent=int(row["sequencerTxn"]),
        applied=int(row["writerTxn"]),
        reason=str(row["errorMessage"] or ""),
    )


def list_suspended_tables(
    settings: Settings | None = None, *, as_reader: bool = False, timeout: float = _STATE_S
) -> dict[str, str]:
    """Return the suspended tables and views, each with the reason.

    Their writes are kept but not visible. ``as_reader`` logs in as queries do, so that a fault of
    the reader's login is raised too. Raises `QuestDBError`.
    """
    sql = "SELECT name, errorMessage FROM wal_tables() WHERE suspended"
    if as_reader:
        found = fetch(sql, settings=settings, timeout=timeout)
        rows = [*zip(found["name"], found["errorMessage"], strict=True)]
    else:
        rows = _run_as_admin(sql, None, settings, timeout)
    return {name: reason or "" for name, reason in rows}


class SkippedReports(NamedTuple):
    """How many reports of liquidations a feed skipped on purpose, or because they were too old.

    ``seconds`` is in how many seconds it also received young ones; 0 if our clock is far ahead.
    """

    exchange: str
    passed: int
    too_old: int
    seconds: int


def list_skipped(settings: Settings | None = None) -> list[SkippedReports]:
    """Return the feeds that skipped reports within the hour; takes 10 s at most.

    Raises `QuestDBError`.
    """
    settings = choose_settings(settings)
    since = f"ts > dateadd('h', -1, now()) AND {FEED_HEALTH.valid_condition}"
    sums = "exchange, sum(passed) AS passed, sum(too_old), count(lag)"
    all_ = f"SELECT {sums} FROM {FEED_HEALTH.table(settings)} WHERE {since} GROUP BY exchange"  # noqa: S608 - our own texts
    sql = f"SELECT * FROM ({all_}) WHERE passed > 0 ORDER BY exchange"  # noqa: S608 - as above
    with http.within(_STATE_S):
        return [SkippedReports(*row) for row in _query_over_http(sql, settings)]


class LoadedContracts(NamedTuple):
    """The contracts of a feed: their origin and age, and why there are no newer ones."""

    exchange: str
    completeness: str
    origin: str
    age_s: float | None
    fault: str | None
    source: str


def list_contracts(settings: Settings | None = None) -> list[LoadedContracts]:
    """Return the contracts of feeds that reported within a minute; takes 10 s at most.

    Raises `QuestDBError`.
    """
    settings = choose_settings(settings)
    names = "completeness", "contracts", "contracts_age", "contracts_fault", "source"
    columns = ", ".join(f"last({name}) AS {name}" for name in names)
    since = f"ts > dateadd('m', -1, now()) AND contracts != '' AND {FEED_HEALTH.valid_condition}"
    sql = f"SELECT exchange, {columns} FROM {FEED_HEALTH.table(settings)} WHERE {since}"  # noqa: S608 - our own texts
    with http.within(_STATE_S):
        rows = _query_over_http(f"{sql} GROUP BY exchange ORDER BY exchange", settings)
    return [LoadedContracts(*row) for row in rows]


def resume(table: str, settings: Settings | None = None) -> None:
    """Apply a suspended table's, or view's, write-ahead log again; takes a minute at most.

    Raises `QuestDBError`.
    """
    sql = "SELECT 1 FROM materialized_views() WHERE view_name = %s"
    with within(_ADMIN_S):
        kind = "MATERIALIZED VIEW" if _run_as_admin(sql, [table], settings) else "TABLE"
        _run_as_admin(f'ALTER {kind} "{table}" RESUME WAL', None, settings)


def cancel_overdue(settings: Settings | None = None) -> list[str]:
    """Cancel statements that run far longer than every user's time limit; return their SQL.

    A client of QuestDB 9.3 may raise its own limit as it logs in, whatever the server's is. QuestDB
    does not report whose statement it is, so the admin's limit must have passed too. HTTP is used,
    since such statements may hold all threads of the PostgreSQL wire. The SQL is "" where QuestDB
    does not give it.

    Raises `QuestDBError`.
    """
    settings = choose_settings(settings)
    limit = math.ceil(max(settings.query_timeout, _ADMIN_S) + _OVERDUE_S)
    activity = "query_id, query, datediff('s', query_start, now()) age FROM query_activity()"
    with http.within(_STATE_S):
        rows = _query_over_http(f"SELECT {activity} WHERE NOT is_wal", settings)
        overdue = [(int(number), text or "") for number, text, age in rows if age > limit]
        for number, _ in overdue:
            with contextlib.suppress(QuestDBError):  # it has just ended
                _query_over_http(f"CANCEL QUERY {number}", settings)
    return [text for _, text in overdue]


def _query_over_http(sql: str, settings: Settings) -> list[list[Any]]:
    user, password = settings.questdb_admin_user, settings.questdb_admin_password
    login = (user, password.get_secret_value())
    try:
        # without TLS nothing is verified, and to read the authorities takes time
        verify = (
            ssl.create_default_context(cafile=settings.questdb_ca) if settings.questdb_ca else False
        )
        with http.Client(_STATE_S, trust_env=False, verify=verify, auth=login) as client:
            return _repeat(lambda: _ask(client, sql, settings))
    except (httpx.HTTPError, OSError) as error:
        raise QuestDBAwayError(
            f"QuestDB at {settings.questdb_url}: {describe_error(error)};"
            " `liq status` shows whether it runs"
        ) from error


def _ask(client: http.Client, sql: str, settings: Settings) -> list[list[Any]]:
    answer = client.get(f"{settings.questdb_url}/exec", params={"query": sql})
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise _Login.admin(settings, _STATE_S).create_refusal()
    if answer.is_error:
        if _failed_inside(answer.text):
            raise _FailedInsideError(f"QuestDB failed at the statement: {answer.text}")
        raise QuestDBError(f"QuestDB refused the statement: {answer.text}")
    rows: list[list[Any]] = answer.json().get("dataset", [])
    return rows


def _repeat(run: Callable[[], T]) -> T:
    """Run a statement, a few times if QuestDB fails inside at it."""
    failure, pauses = None, iter(_PAUSES_S)
    while True:
        try:
            return run()
        except _FailedInsideError as error:
            failure = error
            if (pause := next(pauses, None)) is None:
                raise
            time.sleep(pause)
        except QuestDBTimeoutError as error:
            if failure:  # which says more than the time that it took
                raise failure from error
            raise


def _failed_inside(reason: str) -> bool:
    return bool(_FAILED_INSIDE.search(reason))


def close() -> None:
    """Close the pooled connections; later calls open new ones."""
    _pool.close()


@dataclass(frozen=True, slots=True)
class _Login:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    timeout_ms: int
    setting: str  # of the password
    ca: Path | None = None

    @property
    def where(self) -> str:
        return f"QuestDB at {self.host}:{self.port}"

    def create_refusal(self) -> QuestDBLoginError:
        return QuestDBLoginError(
            f"{self.where} refused the password of {self.user}: set {self.setting} to the one that"
            " it was started with. If it is that of this LIQ_HOME, `liq up` starts it with yours"
        )

    @classmethod
    def reader(cls, settings: Settings, timeout: float) -> "_Login":
        return cls._of(settings, "reader", timeout)

    @classmethod
    def admin(cls, settings: Settings, timeout: float) -> "_Login":
        return cls._of(settings, "admin", timeout)

    @classmethod
    def _of(cls, settings: Settings, role: str, timeout: float) -> "_Login":
        password: SecretStr = getattr(settings, f"questdb_{role}_password")
        return cls(
            settings.questdb_host,
            settings.questdb_pg_port,
            getattr(settings, f"questdb_{role}_user"),
            password.get_secret_value(),
            timeout_ms=round(timeout * 1000),
            setting=f"LIQ_QUESTDB_{role.upper()}_PASSWORD",
            ca=settings.questdb_ca,
        )


class _Deadline(NamedTuple):
    """When a call ends, by `time.monotonic`, after it was given ``seconds``."""

    at: float
    seconds: float

    @classmethod
    def of(cls, seconds: float) -> Self:
        """Return the deadline in ``seconds``, or sooner by `within`; both with their grace."""
        end, seconds = min((time.monotonic() + seconds, seconds), _limit.get())
        return cls(end + _GRACE_S, seconds)

    @property
    def left(self) -> float:
        return max(self.at - time.monotonic(), 0.0)

    def create_timeout(self, login: "_Login") -> QuestDBTimeoutError:
        return QuestDBTimeoutError(
            f"{login.where} did not answer within {self.seconds:.3g} s; `liq status` shows whether"
            " it runs. If it does: ask for a shorter window, or raise LIQ_QUERY_TIMEOUT"
        )


_limit: ContextVar[tuple[float, float]] = ContextVar("limit", default=(math.inf, math.inf))


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose waits end at ``deadline``."""

    deadline: _Deadline
    expires_at: float

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait as psycopg does; psycopg itself passes ``timeout``, for a cancellation."""
        left = self.deadline.left
        return super().wait(gen, interval, left if timeout is None else min(timeout, left))


class _Idle(NamedTuple):
    """A connection that waits for its next statement, and since when, by `time.monotonic`."""

    login: _Login
    connection: _Connection
    since: float

    def is_fit(self, now: float) -> bool:
        """Return whether the connection can be used again: not closed by QuestDB, not too old."""
        return (
            now < min(self.since + _IDLE_S, self.connection.expires_at)
            and not self.connection.closed
            and not _has_input(self.connection)  # one that idles gets nothing but the end
        )


def _has_input(connection: _Connection) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class _Pool:
    """The idle connections of this process, and a limited number of places for busy ones.

    It has no threads: the caller opens, checks and closes a connection. psycopg_pool opens
    connections on threads, so a caller does not learn why there is none. It also counts failed
    checks as connection attempts, with growing pauses. docs/architecture.md has the figures.
    """

    def __init__(self) -> None:
        self._parents: list[list[_Idle]] = []  # kept, since what is collected is closed
        self._idle: list[_Idle] = []  # the one last used is the last
        self._renew()
        forks.in_child(self, _Pool._renew)

    def _renew(self) -> None:
        """Reset in a forked child, which must not share connections and cannot free the locks."""
        self._parents.append(self._idle)
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        self._idle = []

    @contextlib.contextmanager
    def place(self, login: _Login, deadline: _Deadline) -> Iterator[None]:
        """Wait for one of the places, at most until ``deadline``."""
        places = self._places
        if not places.acquire(timeout=deadline.left):
            raise QuestDBTimeoutError(
                f"all {_CONNECTIONS} connections to {login.where} were in use for"
                f" {deadline.seconds:.3g} s; `liq status` shows whether it runs"
            )
        try:
            yield
        finally:
            places.release()

    def take(self, login: _Login) -> _Connection | None:
        """Return the idle connection of ``login`` that was used last, None if there is none.

        Those that QuestDB has closed meanwhile, and those too old, are closed.
        """
        now = time.monotonic()
        with self._lock:
            fit = [each for each in self._idle if each.is_fit(now)]
            unfit = [each for each in self._idle if each not in fit]
            found = next((each for each in reversed(fit) if each.login == login), None)
            self._idle = [each for each in fit if each is not found]
        for each in unfit:
            each.connection.close()
        return found.connection if found else None

    def give(self, login: _Login, connection: _Connection) -> None:
        """Keep a connection; close the least recently used one if there are too many."""
        with self._lock:
            self._idle.append(_Idle(login, connection, time.monotonic()))
            surplus = self._idle[:-_CONNECTIONS]
            del self._idle[:-_CONNECTIONS]
        for each in surplus:
            each.connection.close()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.connection.close()


_pool = _Pool()
atexit.register(close)


class _ConnectionLostError(QuestDBAwayError):
    """QuestDB disconnected in the middle of a statement."""


class _FailedInsideError(QuestDBError):
    """QuestDB failed at a statement that works when it is repeated.

    In QuestDB 9.3.4 these are about one in a thousand, when it runs their text for the first time
    and others beside it. One repeat now and then fails too. Nothing of the statement was done.
    """


class _MicrosLoader(Loader):
    """A TIMESTAMP as integer microseconds since 1970: exact, and what numpy wants."""

    format = Format.BINARY

    def load(self, data: bytes | bytearray | memoryview) -> int:
        return int.from_bytes(data, "big", signed=True) + _POSTGRES_EPOCH_US


def _open(login: _Login, deadline: _Deadline, login_s: float = _LOGIN_S) -> _Connection:
    if deadline.left < _GRACE_S:
        raise deadline.create_timeout(login)
    connection = _connect(login, min(login_s, deadline.left))
    connection.deadline = deadline
    connection.autocommit = True
    connection.prepare_threshold = None  # QuestDB caches plans by text; a name pins a stale one
    connection.expires_at = time.monotonic() + _LIFETIME_S
    connection.adapters.register_loader(_TIMESTAMP_OID, _MicrosLoader)
    # without a type QuestDB guesses one from the text, and takes "{…" for an array
    connection.adapters.register_dumper(str, StrDumper)
    return connection


def _connect(login: _Login, seconds: float) -> _Connection:
    """Connect to the first address of the host that takes the login, within ``seconds``.

    As in libpq, an address that refuses the password is the last one. But libpq and psycopg give
    all of the time to each address, and 2 s at least.
    """
    failure: psycopg.Error | None = None
    for address, share in _share_time(login, seconds):
        attempt = generators.connect(_render_address(login, address))
        try:
            return _Connection(waiting.wait_conn(attempt, _INTERRUPT_S, share))
        except _WAIT_TIMEOUT as error:
            failure = error
        except psycopg.OperationalError as error:
            if _is_refusal(error):
                raise login.create_refusal() from error
            if not isinstance(failure, _WAIT_TIMEOUT):  # which says more
                failure = error
    if isinstance(failure, _WAIT_TIMEOUT):
        raise QuestDBTimeoutError(
            f"{login.where} did not answer a login within {seconds:.3g} s;"
            " `liq status` shows whether it runs"
        ) from failure
    raise _create_away_error(login, failure) from failure


def _share_time(login: _Login, seconds: float) -> Iterator[tuple[str, float]]:
    try:
        yield from addresses.share_time(login.host, login.port, seconds)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise QuestDBAwayError(
            f"cannot reach {login.where}: {reason}; see LIQ_QUESTDB_HOST"
        ) from error


def _render_address(login: _Login, address: str) -> str:
    return make_conninfo(
        host=login.host,  # which a certificate names
        hostaddr=address,
        port=login.port,
        user=login.user,
        password=login.password,
        dbname="qdb",
        options=f"-c statement_timeout={login.timeout_ms}",
        sslmode="verify-full" if login.ca else None,
        sslrootcert=str(login.ca) if login.ca else None,
    )


def _run_as_admin(
    sql: str, params: Params, settings: Settings | None, seconds: float = _ADMIN_S
) -> list[tuple[Any, ...]]:
    login, deadline = _Login.admin(choose_settings(settings), seconds), _Deadline.of(seconds)
    login_s = max(_LOGIN_S, seconds * _LOGIN_SHARE)

    def run() -> list[tuple[Any, ...]]:
        with _open(login, deadline, login_s) as connection, _translate_errors(connection, login):
            cursor = connection.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    return _repeat(run)


def _is_refusal(error: psycopg.OperationalError) -> bool:
    return any(words in str(error) for words in _REFUSED)


def _create_away_error(login: _Login, error: Exception | None) -> QuestDBAwayError:
    if login.ca:
        return QuestDBAwayError(f"cannot reach {login.where} by TLS, see LIQ_QUESTDB_CA: {error}")
    return QuestDBAwayError(f"cannot reach {login.where}; start it with: liq up")


def _read(
    connection: _Connection, login: _Login, sql: str, params: Params, deadline: _Deadline
) -> "pd.DataFrame":
    connection.deadline = deadline
    with _translate_errors(connection, login), connection.cursor(binary=True) as cursor:
        cursor.execute(sql, params)
        columns = [(column.name, column.type_code) for column in cursor.description or ()]
        rows = cursor.fetchall() if columns else []
    _pool.give(login, connection)
    return _build_frame(columns, rows)


@contextlib.contextmanager
def _translate_errors(connection: _Connection, login: _Login) -> Iterator[None]:
    try:
        yield
    except _WAIT_TIMEOUT as error:
        connection.close()
        raise connection.deadline.create_timeout(login) from error
    except psycopg.Error as error:
        lost = connection.broken or connection.closed
        connection.close()
        if lost:
            raise _ConnectionLostError(f"{login.where} closed the connection: {error}") from error
        if _failed_inside(str(error)):
            raise _FailedInsideError(f"QuestDB failed at the statement: {error}") from error
        if _GIVEN_UP in str(error):
            raise QuestDBTimeoutError(
                f"the query took longer than {login.timeout_ms / 1000:g} s:"
                " ask for a shorter window, or raise LIQ_QUERY_TIMEOUT"
            ) from error
        if _NO_MEMORY in str(error):
            raise QuestDBMemoryError(
                "QuestDB has too little memory for this query: ask for a shorter window, or raise"
                " LIQ_QUESTDB_MEMORY_MB"
            ) from error
        raise QuestDBError(f"QuestDB refused the statement: {error}") from error
    except BaseException:
        connection.close()  # interrupted: its answer is still to come, so it cannot be reused
        raise


def _build_frame(
    columns: Sequence[tuple[str, int]], rows: Sequence[tuple[Any, ...]]
) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 - creating the table need not wait for it

    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pd.DataFrame(
        {
            name: _build_series(oid, column)
            for (name, oid), column in zip(columns, values, strict=True)
        }
    )


def _build_series(oid: int, values: Sequence[Any]) -> "pd.Series[Any]":
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    if oid == _TIMESTAMP_OID:
        micros = np.array([_NAT if value is None else value for value in values], dtype=np.int64)
        return pd.Series(micros.view("datetime64[us]")).dt.tz_localize("UTC")
    dtype = _DTYPES.get(oid, "str")
    if dtype == "int64" and None in values:
        dtype = "Int64"
    return pd.Series(values, dtype=dtype)
