"""Build the dashboard of Grafana from the catalogue: each panel is a query, as Grafana runs it.

`make docs` writes it. Grafana puts the shown time range, the width of a bar and the chosen
exchanges into the text. Tables have their default names.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from liq.analysis import charts
from liq.config import Settings
from liq.query import catalogue, queries
from liq.query.catalogue import Query
from liq.query.parameters import Parameter
from liq.records.model import Source

ROOT = Path(__file__).parents[1]
SOURCE = {"type": "grafana-postgresql-datasource", "uid": "liq"}
_FROM, _TO = "$__timeFrom()::timestamp", "$__timeTo()::timestamp"
# such a window has no view, see `liq.query.views`: a static text cannot know whether one is usable
_UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
_WINDOW = timedelta(hours=1)
_TEXTS = {
    "since": _FROM,
    "until": _TO,
    "end": _TO,
    "reported_from": f"dateadd('h', -12, {_FROM})",
    "window": f"({_TO}::long - {_FROM}::long)",
    "exchange_0": "${exchange:sqlstring}",
}
_VALUE = re.compile(r"%\((\w+)\)s")
_THEME = charts.THEMES["dark"]
_COLUMNS = 24
_SHARED = ("window", "until", "exchange", "look_back")
_KINDS = " ".join(f"WHEN '{source}' THEN '{source.kind}'" for source in Source)
_KIND = f"CASE source {_KINDS} ELSE source END"
_SOURCES = (
    "SELECT coalesce(replace(string_agg(kind, ','), ',', ' + '), 'no liquidations') AS data FROM ("  # noqa: S608 - our own texts
    f"SELECT DISTINCT {_KIND} AS kind FROM ({{sources}}) ORDER BY kind)"
)
_COVERAGE = (
    "SELECT CASE WHEN count() = 0 THEN 'unknown: no feed reported'"
    " WHEN sum(CASE WHEN missing_s > 0 THEN 1 ELSE 0 END) = 0 THEN 'complete'"
    " ELSE concat('≥ lower bounds: ', sum(CASE WHEN missing_s > 0 THEN 1 ELSE 0 END), ' of ',"
    " count(), ' feeds were disconnected') END AS coverage FROM ({feed_coverage})"
)
_COMPLETENESS = (
    "SELECT CASE WHEN prints = 0 THEN 'no liquidations' WHEN partial = 0 THEN 'full' ELSE"
    " concat('≥ lower bounds: ', partial, ' of ', prints, ' prints are of throttled or sampled"
    " feeds') END AS completeness FROM ({totals})"
)
# A bar without a print is 0 only if a feed was connected: else nobody knows.
_BARS = (
    "WITH reported AS (SELECT ts, count() AS reports FROM {health_table}"
    " WHERE ts >= %(since)s AND ts < %(until)s AND connected"
    " AND exchange IN (%(exchange)s)"
    " SAMPLE BY {bucket} FROM timestamp_floor('{bucket}', %(since)s))"
    " SELECT bars.ts AS time,"
    " CASE WHEN long_count + short_count > 0 OR reports > 0 THEN long_usd END AS long,"
    " CASE WHEN long_count + short_count > 0 OR reports > 0 THEN 0.0 - short_usd END AS short"
    " FROM ({liquidations_by_bucket}) bars LEFT JOIN reported ON bars.ts = reported.ts"
    " ORDER BY bars.ts"
)
_GAPS = (
    "SELECT from_ts AS time, to_ts AS timeend,"
    " concat(exchange, ' (', source, ') disconnected') AS text, exchange AS tags FROM ({coverage})"
)
_LAG = (
    "SELECT ts AS time, exchange, avg(lag) AS lag FROM {health_table}"
    " WHERE ts >= %(since)s AND ts < %(until)s AND lag IS NOT NULL"
    " AND exchange IN (%(exchange)s) SAMPLE BY {bucket} ORDER BY ts"
)
_QUEUED = (
    "SELECT ts AS time, exchange, max(queued) AS queued FROM {health_table}"
    " WHERE ts >= %(since)s AND ts < %(until)s"
    " AND exchange IN (%(exchange)s) SAMPLE BY {bucket} ORDER BY ts"
)
_FEEDS = (
    f"SELECT exchange, {_KIND} AS source, completeness,"  # noqa: S608 - our own texts
    " CASE WHEN connected THEN 'connected' WHEN stopped THEN 'stopped' ELSE 'disconnected' END"
    " AS state, ts AS reported, lag_s, max_queued, gaps, reconnects, contracts_fault"
    " FROM ({feed_health}) WHERE known"
)
_EXCHANGES = (
    "SELECT exchange FROM ("
    "SELECT exchange FROM {any_table} WHERE ts >= %(since)s AND ts < %(until)s"
    " UNION SELECT exchange FROM {any_health_table} WHERE ts >= dateadd('h', -12, %(since)s)"
    " AND ts < %(until)s) ORDER BY exchange"
)


def render_files() -> dict[Path, str]:
    """Return the files of the dashboard and their texts."""
    file = ROOT / "docker" / "grafana" / "dashboards" / "liquidations.json"
    return {file: json.dumps(build_dashboard(), indent=2, ensure_ascii=False) + "\n"}


def build_dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana's JSON."""
    panels = [
        _stat("Data", _SOURCES, "where the rows came from", 6, marks="simulated|replayed"),
        _stat("Coverage", _COVERAGE, "whether feeds were disconnected", 9, marks="≥|unknown"),
        _stat("Completeness", _COMPLETENESS, "whether feeds show everything", 9, marks="≥"),
        _sum("Longs", "long_usd", _THEME.long),
        _sum("Shorts", "short_usd", _THEME.short),
        _sum("Largest", "largest_usd", _THEME.net),
        _sum("Liquidations", "prints", _THEME.text, unit="short"),
        _bars(),
        _top_symbols(),
        _feeds(),
        _lines("Lag", _LAG, "time from venue time to receipt, mean", unit="s"),
        _lines("Backlog", _QUEUED, "records that waited for Kafka, maximum", unit="short"),
        _table("Gaps", "SELECT * FROM ({coverage})", "when feeds were disconnected", 24),
    ]
    return {
        "uid": "liquidations",
        "title": "Liquidations",
        "tags": ["liq"],
        "timezone": "utc",
        "editable": False,
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "annotations": {"list": [_shade_gaps()]},
        "templating": {"list": [_choose_exchange()]},
        "panels": _place(panels),
    }


def render_sql(sql: str) -> str:
    """Return ``sql``, in which ``{name}`` is a query of the catalogue or a table, for Grafana."""
    known = catalogue.load(ROOT / "queries.json").queries
    used = [known[name] for name in catalogue.IDENTIFIER.findall(sql) if name in known]
    text = sql
    params: dict[str, Parameter] = {name: known["coverage"].params[name] for name in _SHARED}
    for query in used:
        text = text.replace(f"{{{query.key}}}", query.sql)
        params |= query.params
    text = text.replace("{bucket}", "$__interval")
    params.pop("bucket", None)
    return _render(replace(known["coverage"], sql=text, params=params))


def _render(query: Query) -> str:
    given = {"until": _UNTIL, "window": _WINDOW, "exchange": ["any"]}
    values = queries.resolve(query, given)
    sql, bound = queries.render_sql(query, values, Settings())
    return _VALUE.sub(lambda match: _write(match[1], bound or {}), sql)


def _write(name: str, bound: Mapping[str, Any]) -> str:
    if text := _TEXTS.get(name):
        return text
    value = bound[name]
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else f"{value}"


def _place(panels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the panels side by side, in rows as wide as the page."""
    placed, x, y = [], 0, 0
    for number, panel in enumerate(panels, 1):
        width, height = panel["gridPos"]["w"], panel["gridPos"]["h"]
        position = {"x": x, "y": y, "w": width, "h": height}
        placed.append(panel | {"id": number, "gridPos": position})
        x += width
        if x >= _COLUMNS:
            x, y = 0, y + height
    return placed


def _panel(
    kind: str,
    title: str,
    sql: str,
    description: str,
    size: tuple[int, int],
    *,
    defaults: Mapping[str, Any] | None = None,
    overrides: Sequence[Mapping[str, Any]] = (),
    options: Mapping[str, Any] | None = None,
    is_series: bool = False,
) -> dict[str, Any]:
    target = {
        "refId": "A",
        "datasource": SOURCE,
        "format": "time_series" if is_series else "table",
        "editorMode": "code",
        "rawQuery": True,
        "rawSql": render_sql(sql),
    }
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "gridPos": {"w": size[0], "h": size[1]},
        "interval": "1s",  # QuestDB has no buckets of milliseconds
        "targets": [target],
        "fieldConfig": {"defaults": dict(defaults or {}), "overrides": [*overrides]},
        "options": dict(options or {}),
    }


def _stat(title: str, sql: str, description: str, width: int, *, marks: str) -> dict[str, Any]:
    """Return a text; one that matches ``marks`` is in the colour of warnings."""
    warning = {"pattern": f".*({marks}).*", "result": {"color": _THEME.warning, "index": 0}}
    return _panel(
        "stat",
        title,
        sql,
        description,
        (width, 3),
        defaults={
            "mappings": [{"type": "regex", "options": warning}],
            "color": {"mode": "fixed", "fixedColor": _THEME.text},
        },
        options={
            "reduceOptions": {"values": True, "fields": "/.*/", "calcs": []},
            "graphMode": "none",
            "colorMode": "value",
            "textMode": "value",
            "text": {"valueSize": 18},
        },
    )


def _sum(title: str, column: str, color: str, unit: str = "currencyUSD") -> dict[str, Any]:
    return _panel(
        "stat",
        title,
        f"SELECT {column} FROM ({{totals}})",  # noqa: S608 - our own texts
        "Sum of the shown time. A lower bound (≥) if Coverage or Completeness says so.",
        (6, 4),
        defaults={"unit": unit, "decimals": 1, "color": {"mode": "fixed", "fixedColor": color}},
        options={
            "reduceOptions": {"values": False, "fields": "", "calcs": ["lastNotNull"]},
            "graphMode": "none",
            "colorMode": "value",
        },
    )


def _bars() -> dict[str, Any]:
    custom = {
        "drawStyle": "bars",
        "fillOpacity": 80,
        "lineWidth": 0,
        "stacking": {"mode": "normal"},
        "spanNulls": False,
    }
    return _panel(
        "timeseries",
        "Liquidated longs (up) and shorts (down)",
        _BARS,
        "USD a bar. No bar where no feed was connected; shaded while a feed was disconnected.",
        (24, 9),
        defaults={"unit": "currencyUSD", "custom": custom},
        overrides=[_color("long", _THEME.long), _color("short", _THEME.short)],
        is_series=True,
    )


def _top_symbols() -> dict[str, Any]:
    return _panel(
        "barchart",
        "Top symbols",
        "SELECT symbol, long_usd AS long, short_usd AS short FROM ({top_symbols})",
        "USD by symbol, longs and shorts",
        (12, 9),
        defaults={"unit": "currencyUSD"},
        overrides=[_color("long", _THEME.long), _color("short", _THEME.short)],
        options={"xField": "symbol", "orientation": "horizontal", "stacking": "normal"},
    )


def _feeds() -> dict[str, Any]:
    states = {
        "connected": {"color": _THEME.text, "index": 0},
        "stopped": {"color": _THEME.muted, "index": 1},
        "disconnected": {"color": _THEME.warning, "index": 2},
    }
    shown = [
        {"id": "mappings", "value": [{"type": "value", "options": states}]},
        {"id": "custom.cellOptions", "value": {"type": "color-text"}},
    ]
    units = [
        {
            "matcher": {"id": "byName", "options": "lag_s"},
            "properties": [{"id": "unit", "value": "s"}],
        },
        {"matcher": {"id": "byName", "options": "state"}, "properties": shown},
    ]
    panel = _table("Feeds", _FEEDS, "The state of each expected feed, by its last report")
    return panel | {"fieldConfig": {"defaults": {}, "overrides": units}}


def _table(title: str, sql: str, description: str, width: int = 12) -> dict[str, Any]:
    return _panel("table", title, sql, description, (width, 9))


def _lines(title: str, sql: str, description: str, *, unit: str) -> dict[str, Any]:
    return _panel(
        "timeseries",
        title,
        sql,
        description,
        (12, 7),
        defaults={"unit": unit, "custom": {"spanNulls": False}},
        is_series=True,
    )


def _color(column: str, color: str) -> dict[str, Any]:
    value = {"mode": "fixed", "fixedColor": color}
    return {
        "matcher": {"id": "byName", "options": column},
        "properties": [{"id": "color", "value": value}],
    }


def _shade_gaps() -> dict[str, Any]:
    return {
        "name": "Gaps",
        "datasource": SOURCE,
        "enable": True,
        "hide": True,  # the switch: what is missing is always shown
        "iconColor": _THEME.warning,
        "target": {
            "refId": "Gaps",
            "format": "table",
            "editorMode": "code",
            "rawQuery": True,
            "rawSql": render_sql(_GAPS),
        },
    }


def _choose_exchange() -> dict[str, Any]:
    sql = render_sql(_EXCHANGES)
    return {
        "name": "exchange",
        "label": "Exchange",
        "type": "query",
        "datasource": SOURCE,
        "query": sql,
        "definition": sql,
        "refresh": 2,  # when the shown time changes
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }
