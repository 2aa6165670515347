"""Grafana's dashboard against a real QuestDB: each query as Grafana sends it, as the reader."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from grafana_dashboard import SOURCE, build_dashboard
from msgspec.structs import replace

from liq.config import Settings
from liq.query import queries
from liq.records.model import Completeness, Side, Source
from liq.records.streams import STREAMS
from support.rows import health, insert, liquidation, micros_of, own_table, report

ROOT = Path(__file__).parents[2]
DASHBOARD = build_dashboard()
PANELS: dict[str, dict[str, Any]] = {panel["title"]: panel for panel in DASHBOARD["panels"]}
SHADES = DASHBOARD["annotations"]["list"][0]["target"]["rawSql"]
[VARIABLE] = DASHBOARD["templating"]["list"]
SQL = {title: panel["targets"][0]["rawSql"] for title, panel in PANELS.items()}
SQL |= {"annotation": SHADES, "variable": VARIABLE["query"]}
BARS = "Liquidated longs (up) and shorts (down)"
# of Grafana's intervals those that are not below the panels' least
INTERVALS = ["1s", "2s", "5s", "10s", "15s", "20s", "30s", "1m", "2m", "5m", "10m", "15m", "20m",
             "30m", "1h", "2h", "3h", "6h", "12h", "1d", "7d", "30d", "1y"]  # fmt: skip
FULL = {"completeness": Completeness.FULL}
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = SINCE + timedelta(hours=1)


def interpolate(
    sql: str,
    since: datetime = SINCE,
    until: datetime = UNTIL,
    *,
    interval: str = "1m",
    exchanges: Sequence[str] = ("binance_usdm", "bybit", "okx"),
) -> str:
    """Put values into ``sql`` as Grafana does: variables by name, then macros of its datasource."""
    quoted = ",".join("'" + each.replace("'", "''") + "'" for each in exchanges)
    text = sql.replace("${exchange:sqlstring}", quoted or "''").replace("$__interval", interval)

    def expand(match: re.Match[str]) -> str:
        moment = {"__timeFrom": since, "__timeTo": until}[match[1]]
        return f"'{format_nano(moment)}'"

    text = re.sub(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)", expand, text)
    assert "$" not in text
    return text


def format_nano(moment: datetime) -> str:
    """Return ``moment`` as Go's RFC3339Nano: without zeros at the end of the fraction."""
    fraction = f"{moment.microsecond:06}".rstrip("0")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction and '.'}{fraction}Z"


def ask(settings: Settings, sql: str) -> pd.DataFrame:
    """Return the rows of a text without bound values, of QuestDB's simple query protocol."""
    for stream in STREAMS:
        sql = re.sub(rf"\b{stream.default_table}\b(?!')", stream.table(settings), sql)
    with psycopg.connect(
        host=settings.questdb_host,
        port=settings.questdb_pg_port,
        user=settings.questdb_reader_user,
        password=settings.questdb_reader_password.get_secret_value(),
        dbname="qdb",
    ) as connection:
        found = connection.execute(sql)
        names = [column.name for column in found.description or ()]
        return pd.DataFrame(found.fetchall(), columns=names)


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    """An hour in which bybit reports all the time, okx for its second half, and nobody before."""
    settings = own_table(stack)
    half = micros_of(SINCE) + 1_800_000_000
    moments = range(half, micros_of(UNTIL), 1_000_000)
    report(settings, [replace(health(UNTIL, exchange="bybit", lag=0.5), ts=ts) for ts in moments])
    early = [replace(health(UNTIL, exchange="okx"), ts=ts - 1_800_000_000) for ts in moments[:60]]
    report(settings, early)
    insert(
        settings,
        [
            liquidation("2026-01-01T00:00:30", 100, exchange="okx", **FULL),
            liquidation("2026-01-01T00:40:30", 1000, exchange="bybit", **FULL),
            liquidation("2026-01-01T00:41:30", 50, exchange="bybit", side=Side.SHORT,
                        source=Source.SIMULATOR, symbol="ETHUSDT", **FULL),
            liquidation("2026-01-01T00:50:00", 7, exchange="binance_usdm", side=Side.SHORT,
                        completeness=Completeness.THROTTLED),
        ],
    )  # fmt: skip
    return settings


def test_the_dashboard_of_the_checkout_is_the_generated_one() -> None:
    file = ROOT / "docker" / "grafana" / "dashboards" / "liquidations.json"
    assert json.loads(file.read_text()) == DASHBOARD
    text = json.dumps(DASHBOARD)
    assert all(panel["datasource"] == SOURCE for panel in DASHBOARD["panels"])
    assert "password" not in text.lower()
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.stack
@pytest.mark.parametrize("title", SQL)
def test_each_query_runs_as_grafana_sends_it(own: Settings, title: str) -> None:
    found = ask(own, interpolate(SQL[title]))
    assert len(found)
    if title in PANELS and PANELS[title]["targets"][0]["format"] == "time_series":
        assert found["time"].dtype.kind == "M"
        assert found["time"].is_monotonic_increasing
    empty = ask(own, interpolate(SQL[title], exchanges=[]))
    assert list(empty.columns) == list(found.columns)


@pytest.mark.stack
@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("title", [title for title in SQL if "$__interval" in SQL[title]])
def test_every_width_of_grafana_is_a_bucket(own: Settings, title: str, interval: str) -> None:
    assert len(ask(own, interpolate(SQL[title], interval=interval)))


@pytest.mark.stack
@pytest.mark.parametrize("micros", [0, 120_000, 1_000, 123_000, 100_000])
def test_the_shown_time_may_begin_at_any_millisecond(own: Settings, micros: int) -> None:
    since = SINCE + timedelta(microseconds=micros)
    for title, sql in SQL.items():
        assert len(ask(own, interpolate(sql, since, UNTIL + timedelta(microseconds=micros)))), title


@pytest.mark.stack
def test_sums_are_those_of_the_catalogue(own: Settings) -> None:
    window: dict[str, Any] = {"window": UNTIL - SINCE, "until": UNTIL}
    totals = queries.fetch("totals", own, **window).iloc[0]
    shown = {"Longs": "long_usd", "Shorts": "short_usd", "Largest": "largest_usd",
             "Liquidations": "prints"}  # fmt: skip
    for title, column in shown.items():
        assert ask(own, interpolate(SQL[title])).iloc[0, 0] == totals[column], title
    top = queries.fetch("top_symbols", own, **window)
    assert ask(own, interpolate(SQL["Top symbols"]))["symbol"].tolist() == top["symbol"].tolist()
    gaps = queries.fetch("coverage", own, **window)
    shades = ask(own, interpolate(SHADES))
    assert shades["tags"].tolist() == gaps["exchange"].tolist()
    assert pd.to_datetime(shades["time"], utc=True).tolist() == gaps["from_ts"].tolist()
    assert list(shades.columns) == ["time", "timeend", "text", "tags"]


@pytest.mark.stack
def test_a_bar_without_prints_is_zero_only_where_a_feed_was_connected(own: Settings) -> None:
    bars = ask(own, interpolate(SQL[BARS])).set_index("time")

    def at(minute: int, column: str = "long") -> float | None:
        value = bars[column][pd.Timestamp(f"2026-01-01T00:{minute:02}:00")]
        return None if pd.isna(value) else float(value)

    assert (at(0), at(40), at(41, "short")) == (100, 1000, -50)
    assert at(10) is None  # nobody was connected
    assert (at(35), at(35, "short")) == (0, 0)  # bybit was, and nothing came
    bybit = ask(own, interpolate(SQL[BARS], exchanges=["bybit"])).set_index("time")["long"]
    assert pd.isna(bybit[pd.Timestamp("2026-01-01T00:00:00")])


@pytest.mark.stack
def test_simulated_rows_gaps_and_throttled_feeds_are_named(own: Settings) -> None:
    def text(title: str, *exchanges: str) -> str:
        chosen = exchanges or ("binance_usdm", "bybit", "okx")
        return str(ask(own, interpolate(SQL[title], exchanges=chosen)).iloc[0, 0])

    assert text("Data") == "real + simulated"
    assert text("Data", "okx") == "real"
    assert text("Data", "gate") == "no liquidations"
    assert text("Coverage") == "≥ lower bounds: 2 of 2 feeds were disconnected"
    assert text("Coverage", "gate") == "unknown: no feed reported"
    assert text("Completeness") == (
        "≥ lower bounds: 1 of 4 prints are of throttled or sampled feeds"
    )
    assert text("Completeness", "bybit") == "full"
    feeds = ask(own, interpolate(SQL["Feeds"])).set_index("exchange")["state"]
    assert dict(feeds) == {"bybit": "connected", "okx": "disconnected"}
    whole = ask(own, interpolate(SQL["Coverage"], SINCE + timedelta(minutes=31),
                                 exchanges=["bybit"]))  # fmt: skip
    assert whole.iloc[0, 0] == "complete"


@pytest.mark.stack
def test_the_choice_lists_exchanges_with_rows_or_reports(own: Settings) -> None:
    found = ask(own, interpolate(VARIABLE["query"]))["exchange"].tolist()
    assert found == ["binance_usdm", "bybit", "okx"]


@pytest.mark.stack
def test_the_name_of_an_exchange_is_quoted(own: Settings) -> None:
    hostile = "x') OR 1=1 --"
    assert ask(own, interpolate(SQL["Liquidations"], exchanges=[hostile])).iloc[0, 0] == 0


@pytest.mark.stack
@pytest.mark.parametrize("days", [3, 40])
def test_long_times_are_shown_too(own: Settings, days: int) -> None:
    since = UNTIL - timedelta(days=days)
    for title, sql in SQL.items():
        assert len(ask(own, interpolate(sql, since, interval="1h"))), title


@pytest.mark.stack
def test_the_reader_changes_nothing(own: Settings) -> None:
    table = STREAMS[0].table(own)
    with pytest.raises(psycopg.Error):
        ask(own, f"DROP TABLE {table}")
