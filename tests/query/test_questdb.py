import contextlib
import multiprocessing
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from liq.config import Settings
from liq.errors import QuestDBError, QuestDBLoginError, QuestDBTimeoutError
from liq.query import questdb, views
from liq.records.model import Alert, Liquidation, Severity, Text
from liq.records.streams import ALERTS, FEED_HEALTH, LIQUIDATIONS, PRICES, Stream
from liq.stack.servers import QUESTDB
from support.helpers import (
    PATIENCE_S,
    eventually,
    find_free_ports,
    own_streams,
    resolve_to,
    stopped,
)
from support.proxy import Proxy, Requests, Statements
from support.rows import ask, health, insert, insert_alerts, liquidation, own_table, report
from support.tls import certify, terminated

pytestmark = pytest.mark.stack
SLOW = "SELECT count_distinct(x % 1000003) FROM long_sequence(2000000000)"


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    insert(settings, [liquidation("2026-01-01T00:00:00.123457", 1000.5, event_id=-(2**62) - 1)])
    return settings


def test_table_has_a_column_for_each_field_and_making_it_again_keeps_the_rows(
    own: Settings,
) -> None:
    questdb.ensure_table(own)
    frame = ask("SELECT * FROM {table}", own)
    assert list(frame.columns) == list(Liquidation.__struct_fields__)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "ts": "datetime64[us, UTC]", "recv_ts": "datetime64[us, UTC]", "exchange": "str",
        "symbol": "str", "base": "str", "quote": "str", "asset": "str", "side": "str",
        "raw_side": "str", "price": "float64", "price_kind": "str", "quantity": "float64",
        "asset_quantity": "float64", "notional": "float64", "event_id": "int64",
        "completeness": "str", "source": "str",
    }  # fmt: skip
    row = frame.iloc[0]
    assert row["ts"] == datetime(2026, 1, 1, 0, 0, 0, 123457, tzinfo=UTC)
    assert row["event_id"] == -(2**62) - 1  # exact, where a float would round
    assert row["notional"] == 1000.5


def test_a_row_sent_twice_is_there_once_and_two_events_of_one_moment_are_two(
    stack: Settings,
) -> None:
    settings = own_table(stack)
    one, other = liquidation("2026-01-01", 5, event_id=1), liquidation("2026-01-01", 5, event_id=2)
    insert(settings, [one, other])
    insert(settings, [one])
    rows = ask("SELECT event_id FROM {table} ORDER BY 1", settings)
    assert rows["event_id"].tolist() == [1, 2]


def test_a_table_of_an_older_version_gets_its_missing_columns_and_keeps_its_rows(
    stack: Settings,
) -> None:
    settings = own_streams(stack, FEED_HEALTH, ALERTS, names=["table"])
    later = {"stopped", "contracts", "contracts_age", "contracts_fault"}
    for stream, new, keys in ((FEED_HEALTH, later, "ts, exchange, source"),
                              (ALERTS, {"subject"}, "ts, rule")):  # fmt: skip
        table = stream.table(settings)
        columns = {name: kind for name, kind in stream.columns().items() if name not in new}
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        questdb.execute(
            f"CREATE TABLE {table} ({typed}) TIMESTAMP(ts) PARTITION BY DAY WAL"
            f" DEDUP UPSERT KEYS({keys})",
            settings=settings,
        )
        questdb.execute(f"INSERT INTO {table} (ts) VALUES ('2025-12-31')", settings=settings)  # noqa: S608
        questdb.ensure_table(settings, stream)
        questdb.ensure_table(settings, stream)  # again does nothing
    report(settings, [health("2026-01-01"), health("2026-01-02", stopped=True, contracts="REST")])
    sql = f"SELECT stopped FROM {FEED_HEALTH.table(settings)} ORDER BY ts"  # noqa: S608
    assert questdb.fetch(sql, settings=settings)["stopped"].tolist() == [False, False, True]
    sql = f"SELECT contracts FROM {FEED_HEALTH.table(settings)} ORDER BY ts"  # noqa: S608
    assert questdb.fetch(sql, settings=settings)["contracts"].dropna().tolist() == ["REST"]
    alert = Alert(
        ts=1, rule="a", severity=Severity.INFO, query="q", measure="m", value=1, threshold=1,
        message=Text(""), live=True,
    )  # fmt: skip
    subjects = ("okx, live", "gate, live", "okx, live", None, None)
    insert_alerts(settings, [replace(alert, subject=subject) for subject in subjects])
    sql = f"SELECT subject FROM {ALERTS.table(settings)} WHERE rule = 'a' ORDER BY subject"  # noqa: S608
    found = questdb.fetch(sql, settings=settings)["subject"]
    assert [value for value in found if isinstance(value, str)] == ["gate, live", "okx, live"]
    assert len(found) == 3


def test_rows_go_after_as_many_days_as_the_settings_say(stack: Settings) -> None:
    settings = own_table(stack)

    def kept(stream: Stream, days: int) -> bool:
        sql = "SELECT ttlValue, ttlUnit FROM tables() WHERE table_name = %s"
        row = questdb.fetch(sql, [stream.table(settings)], settings).iloc[0]
        return bool(row["ttlValue"] == days and (row["ttlUnit"] == "DAY" or not days))

    for stream, days in ((LIQUIDATIONS, 0), (FEED_HEALTH, 30), (PRICES, 30)):
        eventually(partial(kept, stream, days))
    for days in (5, 0):  # of a table that is there already
        questdb.ensure_table(settings.with_streams(price={"ttl_days": days}), PRICES)
        eventually(partial(kept, PRICES, days))


def test_empty_results_keep_their_dtypes(own: Settings) -> None:
    sql = "SELECT ts, notional, event_id, symbol FROM {table} WHERE symbol = 'none'"
    dtypes = ask(sql, own).dtypes.astype(str).tolist()
    assert dtypes == ["datetime64[us, UTC]", "float64", "int64", "str"]


def test_nulls_stay_nulls(stack: Settings) -> None:
    sql = "SELECT null::timestamp AS t, null::long AS n, null::double AS f, null::string AS s"
    frame = questdb.fetch(sql, settings=stack)
    assert frame.isna().all(axis=None)
    assert frame.dtypes.astype(str).tolist() == ["datetime64[us, UTC]", "Int64", "float64", "str"]


def test_values_travel_bound_whatever_they_hold(own: Settings) -> None:
    rows = f"SELECT count() AS n FROM {LIQUIDATIONS.table(own)} WHERE"  # noqa: S608 - an identifier
    sql = f"{rows} symbol = %(symbol)s AND asset IN (%(symbol)s)"
    attacks = [
        "' OR '1'='1",
        f"'; DROP TABLE {LIQUIDATIONS.table(own)}; --",
        "BTCUSDT' --",
        "%s",
        "\\'",
        *("{", "{}", "{1}", "{'î': []}", "[1]", "ARRAY[1]", "1", "1e400", "NaN", "true", "null"),
        *("10.0.0.1", "2026-01-01", "2026-01-01T00:00:00Z", "#u33", "##01", "0x1f", "\\xff", "$1"),
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "é\x00",
    ]
    for attack in attacks[:-1]:
        assert questdb.fetch(sql, {"symbol": attack}, own)["n"].item() == 0
    with pytest.raises(QuestDBError):
        questdb.fetch(sql, {"symbol": attacks[-1]}, own)
    named = f"{rows} symbol = %(symbol)s"
    assert questdb.fetch(named, {"symbol": "BTCUSDT"}, own)["n"].item() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {table} (ts, notional) VALUES (now(), 1)",
        "UPDATE {table} SET notional = 0",
        "TRUNCATE TABLE {table}",
        "DROP TABLE {table}",
        "ALTER TABLE {table} DROP COLUMN side",
        "CREATE TABLE {table}_more (a INT)",
    ],
)
def test_reader_cannot_write(own: Settings, statement: str) -> None:
    with pytest.raises(QuestDBError, match=r"[Ww]rite permission denied"):
        ask(statement, own)
    count = ask("SELECT count() AS n FROM {table}", own)
    assert count["n"].item() == 1


def test_a_refused_statement_says_why_and_spoils_nothing(own: Settings) -> None:
    with pytest.raises(QuestDBError, match=r"refused the statement: table does not exist"):
        questdb.fetch("SELECT * FROM nowhere", settings=own)
    assert questdb.fetch("SELECT 1 AS one", settings=own)["one"].item() == 1


def test_a_slow_statement_is_given_up(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questdb, "_GRACE_S", PATIENCE_S)  # a busy QuestDB gives up late
    with pytest.raises(QuestDBTimeoutError, match=r"longer than 0\.5 s"):
        questdb.fetch(SLOW, settings=stack, timeout=0.5)


@pytest.mark.parametrize("call", [questdb.ensure_table, lambda away: ask("SELECT 1", away)])
def test_without_questdb_the_error_names_address_and_fix(
    tmp_path: Path, call: Callable[[Settings], object]
) -> None:
    away = Settings.load(home=tmp_path, **find_free_ports())
    where = f"127.0.0.1:{away.questdb_pg_port}"
    with pytest.raises(QuestDBError, match=f"cannot reach QuestDB at {where}; .*liq up"):
        call(away)


def test_a_wrong_user_is_distinguished(stack: Settings) -> None:
    settings = stack.model_copy(update={"questdb_reader_user": "nobody"})
    with pytest.raises(QuestDBLoginError, match="refused the password of nobody"):
        questdb.fetch("SELECT 1", settings=settings)


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_distinguished_with_its_fix(stack: Settings, password: str) -> None:
    calls: dict[str, list[Callable[[Settings], object]]] = {
        "reader": [lambda settings: ask("SELECT 1", settings)],
        "admin": [questdb.list_suspended_tables, questdb.list_skipped, questdb.list_contracts],
    }
    for role, some in calls.items():
        name = f"questdb_{role}_password"
        settings = stack.model_copy(update={name: SecretStr(password)})
        for call in (*some, questdb.check_logins):
            with pytest.raises(
                QuestDBLoginError, match=f"refused the password of .*: set LIQ_{name.upper()}"
            ):
                call(settings)
    questdb.check_logins(stack)


def test_a_slow_login_is_waited_for_before_a_change(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questdb, "_LOGIN_S", 3)  # as it is outside of tests
    with Proxy(stack.questdb_pg_port) as proxy:
        settings = stack.model_copy(update={"questdb_pg_port": proxy.port})
        proxy.delay(0.8)  # a login takes six pieces, so that a reader gives up first
        with pytest.raises(QuestDBTimeoutError, match="did not answer a login within 3 s"):
            questdb.check_logins(settings)
        questdb.execute("SELECT 1", settings=settings)


def test_reading_survives_an_outage(stack: Settings) -> None:
    with Proxy(stack.questdb_pg_port) as proxy:
        settings = stack.model_copy(update={"questdb_pg_port": proxy.port})
        # several idle connections, all of which will be dead
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: questdb.fetch("SELECT 1", settings=settings), range(8)))
        proxy.cut()
        for _ in range(2):
            with pytest.raises(QuestDBError):
                questdb.fetch("SELECT 1", settings=settings)
        proxy.restore()
        assert len(questdb.fetch("SELECT 1 AS one", settings=settings)) == 1
        questdb.close()


def test_threads_get_their_own_answers(stack: Settings) -> None:
    def ask(number: int) -> int:
        frame = questdb.fetch("SELECT %(n)s::long AS n", {"n": number}, stack)
        return int(frame["n"].item())

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(200))) == list(range(200))


def test_wal_state_says_pending_and_unknown_tables(own: Settings) -> None:
    state = questdb.read_wal_state(settings=own)
    assert (state.suspended, state.pending, state.reason) == (False, 0, "")
    with pytest.raises(QuestDBError, match="has no table nowhere"):
        questdb.read_wal_state("nowhere", own)


def test_a_frozen_questdb_is_given_up_on_a_connection_that_it_answered_before(
    stack: Settings,
) -> None:
    # its connection is idle from here on
    eventually(lambda: answers_within(1, stack))
    with stopped(stack, QUESTDB):
        begin = time.monotonic()
        with pytest.raises(QuestDBTimeoutError, match=r"did not answer within 1 s; `liq status`"):
            questdb.fetch("SELECT 1", settings=stack, timeout=1)
        assert 1 < time.monotonic() - begin < 30  # as long as it takes by default
    eventually(lambda: answers_within(1, stack))


def answers_within(seconds: float, settings: Settings) -> bool:
    """Return whether QuestDB, which may be busy, answers in time."""
    with contextlib.suppress(QuestDBTimeoutError):
        return len(questdb.fetch("SELECT 1", settings=settings, timeout=seconds)) == 1
    return False


def test_reads_of_one_block_share_its_time(stack: Settings) -> None:
    begin = time.monotonic()
    with questdb.within(1.0):
        for _ in range(3):
            # a busy QuestDB may take all of the time for the login
            with pytest.raises(
                QuestDBTimeoutError, match=r"answer (within 1|a login within [\d.]+) s"
            ):
                questdb.fetch(SLOW, settings=stack)
    assert time.monotonic() - begin < 30  # as long as one of them takes by default


def test_a_process_has_a_limited_number_of_connections(stack: Settings) -> None:
    places = questdb._CONNECTIONS
    sql = "SELECT count_distinct(x % 1000003) FROM long_sequence(200000000)"
    is_over = threading.Event()

    def keep_busy() -> None:
        while not is_over.is_set():  # a busy machine may not log in all of them in time
            with contextlib.suppress(QuestDBError):
                questdb.fetch(sql, settings=stack, timeout=5)

    def is_refused() -> bool:
        try:
            questdb.fetch("SELECT 1", settings=stack, timeout=0.1)
        except QuestDBTimeoutError as error:
            return f"all {places} connections" in str(error)
        return False

    with ThreadPoolExecutor(places) as threads:
        slow = [threads.submit(keep_busy) for _ in range(places)]
        try:
            eventually(is_refused)
        finally:
            is_over.set()
        for each in slow:
            each.result()
    eventually(lambda: accepts_logins(stack))  # it runs for a while what nobody waits for


def accepts_logins(settings: Settings) -> bool:
    """Return whether QuestDB is free to accept a login in time."""
    with contextlib.suppress(QuestDBTimeoutError):
        questdb.check_logins(settings)
        return True
    return False


class SlowStatements(Statements):
    """Keeps the first statement for ``seconds`` before it is passed on."""

    def __init__(self, target: int, seconds: float) -> None:
        super().__init__(target)
        self._seconds = seconds

    def _look(self, sender: socket.socket, data: bytes) -> None:
        had_none = not self.texts
        super()._look(sender, data)
        if had_none and self.texts:
            time.sleep(self._seconds)


@pytest.mark.parametrize(
    ("call", "later"),
    [
        (lambda settings: questdb.resume("no_such_table", settings), "RESUME WAL"),
        (questdb.ensure_table, "SET TTL"),
        (views.ensure, "CREATE MATERIALIZED VIEW"),
    ],
    ids=["resume", "ensure_table", "views"],
)
def test_statements_of_one_call_share_one_limit_of_time(
    stack: Settings,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[Settings], object],
    later: str,
) -> None:
    monkeypatch.setattr(questdb, "_ADMIN_S", 2.0)
    monkeypatch.setattr(views, "_VIEW_S", 2.0)
    # the first statement takes all of the time but a part of the second of grace
    with SlowStatements(stack.questdb_pg_port, 2.3) as proxy:
        settings = stack.model_copy(update={"questdb_pg_port": proxy.port})
        with pytest.raises(QuestDBTimeoutError, match="did not answer within 2 s"):
            call(settings)
    assert len(proxy.texts) == 1
    assert later not in proxy.texts[0]


def test_both_logins_share_one_limit_of_time(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questdb, "_STATE_S", 1.5)
    with Proxy(stack.questdb_pg_port) as proxy:
        settings = stack.model_copy(update={"questdb_pg_port": proxy.port})
        proxy.delay(0.3)  # a login takes six pieces: with grace there is time for one of them
        with pytest.raises(QuestDBTimeoutError, match="did not answer"):
            questdb.check_logins(settings)


def test_a_silent_address_of_a_name_does_not_hide_the_next_one(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = stack.model_copy(update={"questdb_host": "questdb.test"})
    with socket.create_server(("127.0.0.2", stack.questdb_pg_port)):
        resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
        assert len(questdb.fetch("SELECT 1", settings=settings)) == 1


def test_an_address_that_refuses_the_password_is_the_last(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"questdb_host": "questdb.test", "questdb_reader_password": SecretStr("wrong")}
    with socket.create_server(("127.0.0.2", stack.questdb_pg_port)):
        resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")
        with pytest.raises(QuestDBLoginError, match="refused the password"):
            questdb.fetch("SELECT 1", settings=stack.model_copy(update=changes))


def test_a_name_without_an_address_is_named_with_its_setting(tmp_path: Path) -> None:
    away = Settings.load(home=tmp_path, questdb_host="questdb.invalid")
    with pytest.raises(QuestDBError, match=r"at questdb\.invalid:8812: .*; see LIQ_QUESTDB_HOST"):
        questdb.fetch("SELECT 1", settings=away)


def test_a_statement_at_which_questdb_fails_inside_is_sent_again(stack: Settings) -> None:
    failing = "SELECT 1 OVER"  # of which it fails at each
    times = 1 + len(questdb._PAUSES_S)
    with Statements(stack.questdb_pg_port) as proxy:
        settings = stack.model_copy(update={"questdb_pg_port": proxy.port})
        questdb.fetch("SELECT 1", settings=settings)
        for run in (questdb.fetch, questdb.execute):
            proxy.texts.clear()
            with pytest.raises(QuestDBError, match="failed at the statement: Cannot invoke"):
                run(failing, settings=settings)
            assert proxy.texts.count(failing) == times
    with Requests(stack.questdb_http_port) as requests:
        settings = stack.model_copy(update={"questdb_http_port": requests.port})
        with pytest.raises(QuestDBError, match=r"failed at the statement: .*Cannot invoke"):
            questdb._query_over_http(failing, settings)
        assert requests.count == times


def test_a_statement_that_works_at_last_has_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questdb, "_PAUSES_S", (0.0, 0.0))
    failures = [questdb._FailedInsideError("first"), questdb._FailedInsideError("again")]

    def run() -> int:
        if failures:
            raise failures.pop()
        return 7

    assert questdb._repeat(run) == 7


def test_a_statement_that_fails_until_its_time_is_over_says_why() -> None:
    errors = [QuestDBTimeoutError("took too long"), questdb._FailedInsideError("Cannot invoke")]

    def run() -> None:
        raise errors.pop()

    with pytest.raises(QuestDBError, match="Cannot invoke"):
        questdb._repeat(run)
    with pytest.raises(QuestDBTimeoutError):
        questdb._repeat(partial(_fail, QuestDBTimeoutError("took too long")))


def _fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("reason", "failed"),
    [
        ('Cannot invoke "io.questdb.griffin.SqlCompiler.close()" because "c" is null', True),
        ('Cannot read field "type" because "this.rhs" is null', True),
        ("not enough columns in group by", True),
        ("Index 4620 out of bounds for length 4096", True),
        ("Internal error. Exception type: ArrayIndexOutOfBoundsException", True),
        ("Invalid column: index", False),
        ("table does not exist [table=nothing]", False),
        ("timeout, query aborted [fd=7]", False),
    ],
)
def test_only_failures_inside_questdb_are_sent_again(reason: str, *, failed: bool) -> None:
    assert questdb._failed_inside(reason) is failed


def test_a_forked_process_leaves_the_connections_of_its_parent_alone(stack: Settings) -> None:
    questdb.fetch("SELECT 1", settings=stack)
    child = multiprocessing.get_context("fork").Process(target=_fetch_and_close, args=(stack,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has threads, none of which is in the way here
        child.start()
    child.join(PATIENCE_S)
    assert child.exitcode == 0
    with no_new_connection():
        assert len(questdb.fetch("SELECT 1", settings=stack)) == 1


def _fetch_and_close(settings: Settings) -> None:
    assert not questdb._pool._idle
    questdb.fetch("SELECT 1", settings=settings)
    questdb.close()


def test_a_connection_that_questdb_closed_meanwhile_is_not_used_again(stack: Settings) -> None:
    with Proxy(stack.questdb_pg_port) as proxy:
        settings = stack.model_copy(update={"questdb_pg_port": proxy.port})
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: questdb.fetch("SELECT 1", settings=settings), range(8)))
        mine = [each for each in questdb._pool._idle if each.login.port == proxy.port]
        assert mine
        proxy.cut()
        eventually(lambda: not any(each.is_fit(time.monotonic()) for each in mine))
        proxy.restore()
        assert len(questdb.fetch("SELECT 1", settings=settings)) == 1
        (fresh,) = [each for each in questdb._pool._idle if each.login.port == proxy.port]
        assert fresh not in mine
        assert all(each.connection.closed for each in mine)
        questdb.close()


def test_a_connection_is_not_used_for_ever(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questdb, "_LIFETIME_S", 0.0)
    questdb.close()
    questdb.fetch("SELECT 1", settings=stack)
    (old,) = questdb._pool._idle
    questdb.fetch("SELECT 1", settings=stack)
    (new,) = questdb._pool._idle
    assert new.connection is not old.connection
    assert old.connection.closed
    questdb.close()


@contextmanager
def no_new_connection() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questdb, "_open", None)
        yield


def test_results_are_plain_frames(own: Settings) -> None:
    frame = ask("SELECT side, notional FROM {table}", own)
    pd.testing.assert_frame_equal(
        frame, pd.DataFrame({"side": pd.Series(["long"], dtype="str"), "notional": [1000.5]})
    )


@pytest.fixture(scope="module")
def encrypted(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """QuestDB behind TLS, which the open one lacks: as QuestDB's cloud and Enterprise are."""
    folder = tmp_path_factory.mktemp("tls")
    ca = certify(folder, "IP:127.0.0.1")
    with (
        terminated(own.questdb_pg_port, folder, postgres=True) as pg,
        terminated(own.questdb_http_port, folder) as http,
    ):
        ports = {"questdb_pg_port": pg, "questdb_http_port": http}
        yield own.model_copy(update={"questdb_ca": ca, **ports})
        questdb.close()


def test_questdb_is_read_written_and_watched_by_tls(encrypted: Settings) -> None:
    questdb.check_logins(encrypted)
    assert len(ask("SELECT * FROM {table}", encrypted)) == 1
    questdb.ensure_table(encrypted)
    assert questdb.list_skipped(encrypted) == []
    assert questdb.cancel_overdue(encrypted) == []


@pytest.mark.parametrize("call", [questdb.check_logins, questdb.cancel_overdue])
def test_a_certificate_of_another_authority_is_refused(
    encrypted: Settings, tmp_path: Path, call: Callable[[Settings], object]
) -> None:
    other = encrypted.model_copy(update={"questdb_ca": certify(tmp_path, "IP:127.0.0.1")})
    with pytest.raises(QuestDBError, match="certificate"):
        call(other)


def test_a_server_without_tls_gets_no_password(own: Settings, tmp_path: Path) -> None:
    plain = own.model_copy(update={"questdb_ca": certify(tmp_path, "IP:127.0.0.1")})
    with pytest.raises(QuestDBError, match="LIQ_QUESTDB_CA"):
        questdb.check_logins(plain)
