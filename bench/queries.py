"""How long each query of the catalogue takes on millions of rows, from views and from the table."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from rich.progress import Progress

from bench.environment import temporary_settings, wait_until
from bench.rows import load_health, load_liquidations, load_prices
from liq import stack as local
from liq.config import Settings
from liq.query import queries as catalogue
from liq.query import questdb, views
from liq.query.catalogue import Query
from liq.records.streams import STREAMS
from liq.stack import jars
from liq.stack.control import launch, wait_healthy
from liq.stack.servers import QUESTDB, define_servers
from liq.stack.service import ignore_event

_DAYS, _OTHER_DAYS = 30, 7  # of liquidations; of feed health and prices
_WINDOWS = {"1h": "1m", "1d": "15m", "30d": "1h"}  # with the width of a bar that suits it
_REPEATS, _LEAST, _SECONDS = 100, 5, 2.0  # of one measurement: at most, at least, about
_ROWS = 10_000  # that are fetched: of larger results the first page, as the API gives it
_ASSET = "A000"


HEAD = ("query", "window", "p50 ms", "p99 ms", "from the table, p50 ms", "times")


class Figure(NamedTuple):
    """Milliseconds of one query in one window; ``table`` when views are not read, else None."""

    key: str
    window: str
    p50: float
    p99: float
    table: float | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The figure below `HEAD`, as text."""
        table = ("", "")
        if self.table is not None:
            table = (f"{self.table:,.1f}", f"{self.table / self.p50:,.1f}")
        return self.key, self.window, f"{self.p50:,.1f}", f"{self.p99:,.1f}", *table


@dataclass(frozen=True, slots=True)
class Loaded:
    """A QuestDB with rows up to ``end``."""

    settings: Settings
    end: datetime


def measure_queries(progress: Progress, rows: int = 10_000_000) -> Iterator[Figure]:
    """Load ``rows`` of a month into a QuestDB of its own; yield what each query takes there."""
    with temporary_settings() as settings:
        try:
            _start_questdb(settings)
            loaded = _load(settings, rows, progress)
            yield from _measure(loaded, progress)
        finally:
            local.down(settings)


def _start_questdb(settings: Settings) -> None:
    """Start it as ever, but with a folder to import from, which rows come by fastest."""
    jars.ensure(settings, ignore_event)
    (found,) = (service for service in define_servers(settings) if service.name == QUESTDB)
    service = replace(found, env={**found.env, "QDB_CAIRO_SQL_COPY_ROOT": "import"})
    launch([service], settings)
    wait_healthy(service)


def _load(settings: Settings, rows: int, progress: Progress) -> Loaded:
    end = datetime.now(UTC).replace(microsecond=0)
    for stream in STREAMS:
        questdb.ensure_table(settings, stream)
    task = progress.add_task("loading liquidations", total=rows)
    for count in load_liquidations(settings, rows, _DAYS, end):
        progress.advance(task, count)
    for name, load in (("feed health", load_health), ("prices", load_prices)):
        task = progress.add_task(f"loading {name}", total=_OTHER_DAYS)
        for _ in load(settings, _OTHER_DAYS, end):
            progress.advance(task)
    task = progress.add_task("building views", total=None)
    views.ensure(settings)
    wait_until(lambda: _built(settings), timeout=300, every=0.2)
    progress.update(task, total=1, completed=1)
    return Loaded(settings, end)


def _built(settings: Settings) -> bool:
    states = questdb.fetch("SELECT * FROM materialized_views()", None, settings)
    behind = states["refresh_base_table_txn"] < states["base_table_txn"]
    return bool(not behind.any() and (states["view_status"] == "valid").all())


def _measure(loaded: Loaded, progress: Progress) -> Iterator[Figure]:
    known = catalogue.queries(loaded.settings)
    cases = [
        (query, window)
        for query in known.values()
        for window in (_WINDOWS if "window" in query.params else ["all"])
    ]
    task = progress.add_task("measuring", total=len(cases))
    for query, window in cases:
        progress.update(task, description=f"measuring {query.key}, {window}")
        yield _figure(query, window, loaded)
        progress.advance(task)


def _figure(query: Query, window: str, loaded: Loaded) -> Figure:
    params = _params(query, window, loaded.end)
    viewed = _read_from_view(query, params, loaded.settings)
    ways: list[list[float]] = [[], []]
    end = time.monotonic() + _SECONDS * (2 if viewed else 1)
    _timed(query.key, params, loaded.settings)  # what is measured is not the first one
    while len(ways[0]) < _LEAST or (time.monotonic() < end and len(ways[0]) < _REPEATS):
        ways[0].append(_timed(query.key, params, loaded.settings))
        if viewed:  # in turn, so that both meet the same machine
            with patch.object(views, "VIEWS", ()):
                ways[1].append(_timed(query.key, params, loaded.settings))
    p50, p99 = np.percentile(ways[0], [50, 99])
    table = float(np.median(ways[1])) if viewed else None
    return Figure(query.key, window, float(p50), float(p99), table)


def _params(query: Query, window: str, end: datetime) -> dict[str, Any]:
    everything = {
        "window": window,
        "until": end,
        "bucket": _WINDOWS.get(window),
        "asset": _ASSET,
        "from_ts": end - timedelta(minutes=10),
        "to_ts": end,
    }
    return {name: value for name, value in everything.items() if name in query.params}


def _read_from_view(query: Query, params: dict[str, Any], settings: Settings) -> bool:
    resolved = catalogue.resolve(query, params)
    return "view_to" in views.expand(query, resolved, settings)[1]


def _timed(key: str, params: dict[str, Any], settings: Settings) -> float:
    begin = time.perf_counter()
    catalogue.fetch_page(key, _ROWS, settings=settings, **params)
    return (time.perf_counter() - begin) * 1000
