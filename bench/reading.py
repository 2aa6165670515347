"""Catalogue queries over the PostgreSQL wire and over REST, each to the same DataFrame."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from statistics import median
from typing import Any

import httpx
import pandas as pd

from bench.compare import Figure, Figures, Row
from bench.environment import own_names, wait_until
from bench.events import events
from bench.scripts.direct import line
from bench.sizes import Sizes
from bench.watch import rows
from liq.config import Settings
from liq.query import queries as catalogue
from liq.query import questdb
from liq.records.streams import LIQUIDATIONS

# by number of rows: a query that returns them
_QUERIES = {1: "totals", 1_000: "prints", 10_000: "prints"}
_AT_ONCE = 10_000

Sql = tuple[str, Mapping[str, Any]]


def reading(stack: Settings, sizes: Sizes) -> list[Row]:
    """Compare liq's way with httpx and QuestDB's ``/exec``, for results of three sizes."""
    settings = own_names(stack)
    questdb.ensure_table(settings)
    with rest(settings) as client:
        load(client, settings, sizes.stored)
    return [_row(settings, key, size, sizes) for size, key in _QUERIES.items()]


def _row(settings: Settings, key: str, size: int, sizes: Sizes) -> Row:
    statement = sql(settings, key, size)

    def measure(fetch: Callable[[], pd.DataFrame]) -> Figures:
        fetch()  # the first one connects
        return {"time": median(_milliseconds(fetch) for _ in range(sizes.asked))}

    def by_rest() -> Figures:
        with rest(settings) as client:
            return measure(lambda: fetch_by_rest(client, statement))

    return Row(
        key=f"read-{size}",
        title=f"A result of {size:,} {'rows' if size > 1 else 'row'}, `{key}`, as a DataFrame",
        figures=(Figure("time", "ms"),),
        contenders={
            "liq, psycopg": lambda: measure(lambda: fetch_by_psycopg(settings, statement)),
            "httpx, REST": by_rest,
        },
        note=f"From a table of {sizes.stored:,} rows; a round is the median of {sizes.asked}.",
    )


def sql(settings: Settings, key: str, size: int) -> Sql:
    """Return what QuestDB is asked for the first ``size`` rows of a day's query."""
    given = {"window": "1d", "until": datetime.now(UTC)}
    query = catalogue.find(key, settings)
    text, bound = catalogue.render_sql(query, catalogue.resolve(query, given), settings)
    return f"SELECT * FROM ({text}) LIMIT {size}", bound or {}  # noqa: S608 - a number


def fetch_by_psycopg(settings: Settings, statement: Sql) -> pd.DataFrame:
    """Return the rows as liq does."""
    text, bound = statement
    return questdb.fetch(text, bound, settings)


def fetch_by_rest(client: httpx.Client, statement: Sql) -> pd.DataFrame:
    """Return the rows as a script does that knows only REST: values stand in the text there."""
    text, bound = statement
    query = text % {name: _literal(value) for name, value in bound.items()}
    answer = client.get("/exec", params={"query": query}).raise_for_status().json()
    columns = answer["columns"]
    frame = pd.DataFrame(answer["dataset"], columns=[column["name"] for column in columns])
    for column in columns:
        if column["type"] == "TIMESTAMP":
            frame[column["name"]] = pd.to_datetime(frame[column["name"]]).dt.as_unit("us")
    return frame


@contextmanager
def rest(settings: Settings) -> Iterator[httpx.Client]:
    """Give a client of QuestDB's HTTP, logged in."""
    password = settings.questdb_admin_password.get_secret_value()
    auth = httpx.BasicAuth(settings.questdb_admin_user, password)
    address = f"http://{settings.questdb_host}:{settings.questdb_http_port}"
    with httpx.Client(base_url=address, auth=auth, trust_env=False, timeout=60) as client:
        yield client


def load(client: httpx.Client, settings: Settings, count: int) -> None:
    """Write ``count`` liquidations of the last minutes into the table and wait until they show."""
    lines = (line(LIQUIDATIONS.table(settings), event) for event in events(count))
    while some := "".join(islice(lines, _AT_ONCE)):
        client.post("/write", content=some).raise_for_status()
    wait_until(lambda: rows(settings) == count, timeout=60)


def _milliseconds(fetch: Callable[[], pd.DataFrame]) -> float:
    begin = time.perf_counter()
    fetch()
    return 1000 * (time.perf_counter() - begin)


def _literal(value: object) -> str:
    if isinstance(value, datetime):
        return f"'{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z'"
    return f"{value}"
