"""What the reader's password is good for: reading this stack's tables, and nothing else."""

from contextlib import suppress

import psycopg
import pytest
from typer.testing import CliRunner

from liq.cli import app
from liq.config import Settings
from liq.errors import QueryError, QuestDBError
from liq.query import queries, questdb
from liq.records.streams import LIQUIDATIONS
from support.rows import ask, insert, liquidation, own_table

pytestmark = pytest.mark.stack

INJECTIONS = (
    "'; DROP TABLE {table}; --",
    "BTCUSDT'); TRUNCATE TABLE {table}; --",
    "1; INSERT INTO {table} (ts) VALUES (now())",
    "0) UNION ALL SELECT * FROM {table} --",
    "$1",
    "{{table}}",
    "%(symbols)s",
    "\\'; DROP TABLE {table} --",
    "ts\x00",
)


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    insert(settings, [liquidation("2026-01-01T10:00:00", 1234.5)])
    return settings


def content(settings: Settings) -> tuple[int, frozenset[str]]:
    """The number of rows, and the names of all tables there are."""
    count = ask("SELECT count() AS n FROM {table}", settings)
    tables = questdb.fetch("SELECT table_name FROM tables()", settings=settings)
    return int(count["n"][0]), frozenset(tables["table_name"])


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {table} (ts, exchange) VALUES (now(), 'x')",
        "INSERT INTO {table} SELECT * FROM {table}",
        "UPDATE {table} SET notional = 0",
        "DROP TABLE {table}",
        "DROP ALL TABLES",
        "TRUNCATE TABLE {table}",
        "RENAME TABLE {table} TO gone",
        "CREATE TABLE mine (ts TIMESTAMP) TIMESTAMP(ts)",
        "CREATE TABLE mine AS (SELECT * FROM {table})",
        "CREATE MATERIALIZED VIEW mine AS (SELECT ts, count() FROM {table} SAMPLE BY 1h)",
        "CREATE VIEW mine AS (SELECT * FROM {table})",
        "ALTER TABLE {table} ADD COLUMN x INT",
        "ALTER TABLE {table} DROP COLUMN notional",
        "ALTER TABLE {table} DROP PARTITION LIST '2026-01-01'",
        "ALTER TABLE {table} SET TTL 1 HOUR",
        "ALTER TABLE {table} DEDUP DISABLE",
        "COPY {table} FROM '/etc/passwd'",
        "COPY {table} TO 'out' WITH FORMAT PARQUET",
        "VACUUM TABLE {table}",
        "REINDEX TABLE {table} LOCK EXCLUSIVE",
        "CHECKPOINT CREATE",
        "CHECKPOINT RELEASE",
        "BACKUP TABLE {table}",
        "SELECT * FROM {table}; DROP TABLE {table}",
    ],
)
def test_the_reader_cannot_write(statement: str, own: Settings) -> None:
    # Not among them is SUSPEND WAL: only in the development mode of these tests does QuestDB take
    # it, then from anybody.
    before = content(own)
    with pytest.raises(QuestDBError):
        questdb.fetch(statement.replace("{table}", LIQUIDATIONS.table(own)), settings=own)
    assert content(own) == before


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM read_parquet('../conf/server.conf')",
        "SELECT * FROM glob('*')",
        "SELECT * FROM import_files()",
        "SELECT * FROM export_files()",
    ],
)
def test_the_reader_cannot_read_files(statement: str, own: Settings) -> None:
    with pytest.raises(QuestDBError):
        questdb.fetch(statement, settings=own)


def test_the_reader_is_not_shown_the_passwords(own: Settings) -> None:
    shown = questdb.fetch("(SHOW PARAMETERS)", settings=own).to_csv()
    assert "pg.readonly.user" in shown
    for secret in ("questdb_admin_password", "questdb_reader_password"):
        assert getattr(own, secret).get_secret_value() not in shown


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("liq_admin", "wrong"),
        ("liq_reader", "wrong"),
        ("liq_reader", ""),
        ("admin", "quest"),
        ("user", "quest"),
    ],
)
def test_nobody_gets_in_with_another_password(user: str, password: str, own: Settings) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            host=own.questdb_host,
            port=own.questdb_pg_port,
            user=user,
            password=password,
            dbname="qdb",
        )


GIVEN_TO = {  # through which query the command is given a parameter of each kind
    (name, param.type): key
    for key, query in queries.queries().items()
    for name, param in query.params.items()
}


@pytest.mark.parametrize("key", queries.queries())
def test_no_parameter_of_a_query_is_a_way_in(
    key: str, own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value is data: it is refused, or compared with, never run."""
    before = content(own)
    monkeypatch.setattr("liq.config.settings", lambda: own)  # the command's
    for name, param in queries.queries()[key].params.items():
        for injection in INJECTIONS:
            value = injection.replace("{table}", LIQUIDATIONS.table(own))
            with suppress(QueryError):  # and no QuestDBError: then it would have been run
                queries.fetch(key, **{name: value})
            # no shell can give a null; the command does the same for each query
            if GIVEN_TO[name, param.type] == key and "\x00" not in value:
                ran = CliRunner().invoke(app, ["hit", key, "-p", f"{name}={value}"])
                assert not isinstance(ran.exception, QuestDBError)
    assert content(own) == before
