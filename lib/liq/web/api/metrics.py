"""The pipeline's state as metrics of Prometheus.

A scrape asks QuestDB, Kafka and Kafka Connect, all at once and for a few seconds at most. A part
that does not answer has ``liq_up`` 0, and its metrics are absent, since 0 would be a statement. So
is the rate of a feed that is not connected. A part that hangs is not asked again until it has given
up. Scrapes within `_FRESH_S` get the same text.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from liq.common import forks, http
from liq.config import Settings
from liq.delivery import connect, messaging
from liq.errors import LiqError, QuestDBAwayError, QuestDBTimeoutError
from liq.query import queries, questdb
from liq.records.model import find_kind
from liq.records.streams import STREAMS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONTENT_TYPE", "Scraper"]

Metrics = list[Metric]
_PATIENCE_S = 4.0  # Prometheus itself waits for 10 s by default
_FRESH_S = 5.0
_WINDOW_S = 60
_MOST_FEEDS = 200  # other programs may report feeds of any name
_FEED = ["exchange", "source", "kind"]
_LOG = logging.getLogger(__name__)


class Scraper:
    """Reads the state when it is asked for, and not more often than each `_FRESH_S` seconds."""

    def __init__(self, settings: Settings) -> None:
        self._parts: Mapping[str, Callable[[], Metrics]] = {
            "questdb": lambda: _read_questdb(settings),
            "kafka": lambda: _read_kafka(settings),
            "connect": lambda: _read_connect(settings),
        }
        self._begin()
        forks.in_child(self, Scraper._begin)  # threads stay with the parent

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(len(self._parts), thread_name_prefix="liq-metrics")
        self._running: dict[str, Future[Metrics]] = {}
        self._text, self._ends_at = b"", float("-inf")

    def scrape(self) -> bytes:
        """Return the metrics as Prometheus's text, without those of servers that do not answer."""
        with self._lock:
            if time.monotonic() >= self._ends_at:
                self._text = _render(self._ask())
                self._ends_at = time.monotonic() + _FRESH_S
            return self._text

    def _ask(self) -> Metrics:
        for part, read in self._parts.items():
            if part not in self._running:
                self._running[part] = self._pool.submit(read)
        wait(self._running.values(), _PATIENCE_S)
        up = GaugeMetricFamily(
            "liq_up", "Whether the part of the pipeline answers", labels=["part"]
        )
        build = GaugeMetricFamily("liq_build_info", "The version of liq", labels=["version"])
        build.add_metric([version("liq")], 1)
        found: Metrics = [build, up]
        for part in self._parts:
            metrics = self._take(part)
            up.add_metric([part], metrics is not None)
            found += metrics or []
        return found

    def _take(self, part: str) -> Metrics | None:
        """Return what the part answered, None if it did not; it stays asked if it still may."""
        if not self._running[part].done():
            return None
        try:
            return self._running.pop(part).result()
        except LiqError:
            return None


class _Collected(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _render(metrics: Metrics) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Collected([metric for metric in metrics if metric.samples]))
    return generate_latest(registry)


def _read_questdb(settings: Settings) -> Metrics:
    found: Metrics = []
    with questdb.within(_PATIENCE_S):
        for read in (_list_feeds, _list_prints, _list_tables):
            try:
                found += read(settings)
            except (QuestDBAwayError, QuestDBTimeoutError):
                raise
            # e.g. a table that is not there, or a user's own query without the shipped columns
            except (LiqError, LookupError, AttributeError) as error:
                _LOG.warning("/metrics leaves out some metrics: %r", error)
    return found


def _list_feeds(settings: Settings) -> Iterator[Metric]:
    families = {
        name: GaugeMetricFamily(f"liq_feed_{name}", text, labels=_FEED)
        for name, text in {
            "connected": "Whether the feed is connected",
            "stopped": "Whether the feed was stopped on purpose",
            "last_report_timestamp_seconds": "Time of the feed's last report",
            "messages_per_second": "Messages of any kind, in the last minute",
            "lag_seconds": "Mean time from venue time to receipt, in the last minute",
            "queued_messages": "Most records that waited for Kafka, in the last minute",
            "disconnections": "Disconnections that left no connection, in the last minute",
            "reconnects": "Reconnects, planned ones included, in the last minute",
            "skipped_liquidations": "Liquidations skipped on purpose, in the last minute",
        }.items()
    }
    rows = queries.fetch("feed_health", settings, window=_WINDOW_S)
    for row in _list_rows(rows[rows["known"]]):
        reported = row.first_ts == row.first_ts  # NaT is not: no report in the last minute
        values = {
            "connected": row.connected,
            "stopped": row.stopped,
            "last_report_timestamp_seconds": row.ts.timestamp(),
            "messages_per_second": row.messages / _WINDOW_S if row.connected else None,
            "lag_seconds": row.lag_s,
            "queued_messages": row.max_queued if reported else None,
            "disconnections": row.gaps if reported else None,
            "reconnects": row.reconnects if reported else None,
            "skipped_liquidations": row.passed if reported else None,
        }
        for name, value in values.items():
            _add(families[name], _label(row.exchange, row.source), value)
    yield from families.values()
    yield _count_prints(rows, settings)


def _count_prints(feeds: "pd.DataFrame", settings: Settings) -> Metric:
    """Return the rate of prints; 0 only for a connected feed."""
    rate = GaugeMetricFamily(
        "liq_liquidations_per_second",
        "Liquidations by venue time, in the last minute",
        labels=_FEED,
    )
    counts = {
        (row.exchange, row.source): 0 for row in _list_rows(feeds[feeds["connected"]]) if row.known
    }
    for row in _list_rows(queries.fetch("sources", settings, window=_WINDOW_S)):
        pair = (row.exchange, row.source)
        counts[pair] = counts.get(pair, 0) + row.prints
    for (exchange, source), prints in counts.items():
        _add(rate, _label(exchange, source), prints / _WINDOW_S)
    return rate


def _list_prints(settings: Settings) -> Iterator[Metric]:
    row: Any = queries.fetch("latest_timestamp", settings).iloc[0]
    yield _single("liq_stored_liquidations", "Rows of the table of liquidations", row["rows"])
    newest = row["ts"]  # NaT in an empty table
    seconds = newest.timestamp() if newest == newest else None  # noqa: PLR0124 - NaT is not
    name = "liq_newest_liquidation_timestamp_seconds"
    yield _single(name, "Venue time of the newest liquidation", seconds)


def _list_tables(settings: Settings) -> Iterator[Metric]:
    pending = GaugeMetricFamily(
        "liq_table_pending_transactions",
        "Transactions that QuestDB keeps but does not show yet",
        labels=["table"],
    )
    suspended = GaugeMetricFamily(
        "liq_table_suspended", "Whether QuestDB suspended the table", labels=["table"]
    )
    for stream in STREAMS:
        table = stream.table(settings)
        state = questdb.read_wal_state(table, settings)
        pending.add_metric([table], state.pending)
        suspended.add_metric([table], state.suspended)
    yield from (pending, suspended)


def _read_kafka(settings: Settings) -> Metrics:
    groups = {stream.topic(settings): f"connect-{stream.connector(settings)}" for stream in STREAMS}
    partitions = messaging.read_offsets(
        {**groups, settings.dlq_topic: settings.dlq_topic}, settings
    )
    sent = CounterMetricFamily("liq_topic_messages", "Messages of the topic", labels=["topic"])
    lag = GaugeMetricFamily(
        "liq_sink_lag_messages", "Messages that the sink has not read yet", labels=["topic"]
    )
    dead = CounterMetricFamily(
        "liq_dead_letters", "Messages of the dead-letter topic, with notes of redrives"
    )
    for topic in dict.fromkeys(each.topic for each in partitions):
        own = [each for each in partitions if each.topic == topic]
        total = sum(each.end for each in own)
        if topic == settings.dlq_topic:
            dead.add_metric([], total)
            continue
        sent.add_metric([topic], total)
        lag.add_metric([topic], sum(each.lag for each in own))
    return [sent, lag, dead]


def _read_connect(settings: Settings) -> Metrics:
    with http.within(_PATIENCE_S):
        sinks = connect.read_statuses(settings, STREAMS, timeout=_PATIENCE_S)
    running = GaugeMetricFamily("liq_sink_running", "Whether the sink runs", labels=["sink"])
    failed = GaugeMetricFamily("liq_sink_failed_tasks", "Failed tasks of the sink", labels=["sink"])
    for sink in sinks:
        running.add_metric([sink.name], sink.is_running)
        failed.add_metric([sink.name], len(sink.failures))
    return [running, failed]


def _list_rows(frame: "pd.DataFrame") -> list[Any]:
    return [*frame.head(_MOST_FEEDS).itertuples(index=False)]


def _add(family: GaugeMetricFamily, labels: list[str], value: Any) -> None:
    if value is not None and value == value:  # noqa: PLR0124 - NaN is not
        family.add_metric(labels, float(value))


def _single(name: str, text: str, value: Any) -> Metric:
    family = GaugeMetricFamily(name, text)
    _add(family, [], value)
    return family


def _label(exchange: str, source: str) -> list[str]:
    return [exchange, source, find_kind(source)]
