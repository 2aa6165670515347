"""Reports of a real QuestDB: the same window gives the same hashes, and the file needs no other."""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from liq.analysis import charts
from liq.config import Settings
from liq.errors import NotebookError, QueryError
from liq.notebook import reports
from liq.notebook.reports import Report
from liq.query.exports import hash_rows
from liq.records.model import Alert, Severity, Side, Source, Text
from liq.records.streams import LIQUIDATIONS
from support.rows import (
    health,
    insert,
    insert_alerts,
    liquidation,
    micros_of,
    own_table,
    report,
)

pytestmark = pytest.mark.stack

UNTIL = "2026-01-01T06:00:00"
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    insert(settings, [
        liquidation(start + timedelta(minutes=n), 1_000 + n / 7, side=list(Side)[n % 2],
                    source=Source.SIMULATOR, symbol=EVIL if n == 7 else "BTCUSDT")
        for n in range(300)
    ])  # fmt: skip
    return settings


def hashes(page: Path) -> dict[str, str]:
    found = re.findall(r'data-hash="(\w{64})" data-query="(\w+)"', page.read_text())
    return {query: value for value, query in found}


def test_the_same_window_gives_the_same_hashes(own: Settings, tmp_path: Path) -> None:
    first, second = tmp_path / "first.html", tmp_path / "second.html"
    for file in (first, second):
        reports.write(file, "6h", UNTIL, settings=own)
    insert(own, [liquidation("2026-01-01T05:59:59", 5)])
    later = Report("6h", UNTIL, own).table("totals").stamp.row_hash
    assert {"sources", "totals", "liquidations_by_bucket", "largest_prints"} < hashes(first).keys()
    assert hashes(first) == hashes(second)
    assert later != hashes(first)["totals"]

    text = first.read_text()
    assert "2026-01-01 00:00:00.000000 to 2026-01-01 06:00:00.000000 UTC" in text
    assert "SIMULATED DATA" in text
    assert "<img" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "liq.notebook.reports" not in text  # code stays out


def test_a_missing_value_of_a_report_is_blank() -> None:
    assert "nan" not in reports._render_table(pd.DataFrame({"usd": [1.5, math.nan]})).lower()


def test_a_piece_is_stamped_with_its_basis(own: Settings) -> None:
    report = Report("6h", UNTIL, own)
    piece = report.chart(charts.bars, "liquidations_by_bucket", symbols=["BTCUSDT"])
    assert piece.stamp.params["bucket"] == "1m"
    html = piece._repr_html_()
    assert "symbols=[&#39;BTCUSDT&#39;]" in html
    assert f"FROM {LIQUIDATIONS.table(own)}" in html
    assert "coverage unknown" in html  # no feed reported
    assert piece.stamp.row_hash in html
    assert piece.figure is not None
    assert piece.figure["data"][0]["type"] == "bar"
    assert "<script" not in html
    table = report.table("largest_prints")
    assert EVIL not in table._repr_html_()
    assert table.stamp.row_hash != hash_rows(report._sources)


def test_a_report_links_to_its_window_its_cascades_and_its_alerts(own: Settings) -> None:
    public = own.model_copy(update={"public_url": "https://liq.example.org", "base_url": "/liq"})
    start = datetime(2026, 1, 1, 3, tzinfo=UTC)
    insert(own, [liquidation(start + timedelta(seconds=n), 10, symbol=EVIL) for n in range(6)])
    alert = Alert(
        ts=micros_of(start), rule="a", severity=Severity.INFO, message=Text(EVIL), value=1.0,
        threshold=1.0, query="totals", measure="prints", live=True,
    )  # fmt: skip
    insert_alerts(own, [alert])
    report = Report("6h", UNTIL, public)
    base = "https://liq.example.org/liq/?board=Overview&amp;bucket="
    window = "from=2026-01-01T00:00:00Z&amp;to=2026-01-01T06:00:00Z"
    assert f'href="{base}1m&amp;{window}"' in report.heading()._repr_html_()
    moment = "from=2026-01-01T02:05:00Z&amp;to=2026-01-01T03:05:00Z"
    assert f'href="{base}1m&amp;{moment}"' in report.table("alerts")._repr_html_()
    cascades = report.table("cascades", by="symbol", limit=1)._repr_html_()
    assert f'href="{base}5s&amp;from=2026-01-01T02:55:00Z' in cascades
    assert "&amp;symbols=%3Cimg" in cascades
    assert "<img" not in cascades
    assert "on the dashboard" not in report.table("totals")._repr_html_()
    assert own.token.get_secret_value() not in cascades


def test_disconnected_feeds_are_listed_by_name_and_share(stack: Settings) -> None:
    settings, end = own_table(stack), datetime(2026, 1, 1, tzinfo=UTC)
    insert(settings, [liquidation(end - timedelta(seconds=30), 153_312_710.5)])
    moments = [end - timedelta(seconds=second) for second in range(1, 101)]
    report(settings, [health(moment, exchange="okx") for moment in moments])
    report(settings, [health(moment, exchange="gate") for moment in moments[75:]])
    report(settings, [health(end - timedelta(hours=2), exchange="htx")])
    made = Report("100s", end.isoformat(), settings)
    heading = made.heading()._repr_html_()
    assert "<b>≥</b> 2 of 3 feeds disconnected: gate, htx: sums are lower bounds" in heading
    assert "disconnected: htx 100 %, gate 76 % of the window" in heading
    assert "153,312,710.50" in made.table("totals")._repr_html_()
    for draw, key in ((charts.by_exchange, "by_exchange"), (charts.top_symbols, "top_symbols")):
        figure = made.chart(draw, key).figure
        assert figure
        assert "lower bound" in figure["layout"]["xaxis"]["title"]["text"]


@pytest.mark.parametrize("key", ["left_out", "feed_coverage", "coverage"])
def test_a_report_names_the_query_that_cannot_be_used(
    own: Settings, tmp_path: Path, key: str
) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({key: {}}))
    made = Report("6h", UNTIL, own.model_copy(update={"queries": mine}))
    heading = made.heading()._repr_html_()
    assert "SIMULATED DATA" in heading
    assert f"the query <code>{key}</code> cannot be used" in heading
    assert "coverage unknown" in made.table("totals")._repr_html_()


@pytest.mark.parametrize(
    ("window", "bucket"),
    [("1m", "1s"), ("1h", "10s"), ("1d", "5m"), ("30d", "4h"), ("3660d", "1d")],
)
def test_bars_are_as_wide_as_the_window_needs(own: Settings, window: str, bucket: str) -> None:
    piece = Report(window, UNTIL, own).chart(charts.bars, "liquidations_by_bucket")
    assert piece.stamp.params["bucket"] == bucket


def test_a_report_marks_the_bucket_that_its_end_cuts(own: Settings) -> None:
    report = Report("1h", "2026-01-01T04:30:05", own)
    bars = report.chart(charts.bars, "liquidations_by_bucket", bucket="5m").figure
    net = report.chart(charts.cumulative_net, "cumulative_net", bucket="5m").figure
    assert bars
    assert net
    parts = [shape.get("name") for shape in bars["layout"]["shapes"]]
    assert parts[-2:] == ["only from 03:30:05", "only until 04:30:05"]
    assert net["data"][0]["x"][-1] == net["layout"]["xaxis"]["range"][1]


def test_a_wrong_window_or_an_empty_report_raises(own: Settings, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="window='soon' is no duration"):
        reports.write(tmp_path / "x.html", "soon", settings=own)
    with pytest.raises(QueryError, match="until='later' is no timestamp"):
        reports.write(tmp_path / "x.html", "1h", "later", settings=own)
    lost = own.with_streams(liquidations={"table": "no_such_table"})
    with pytest.raises(NotebookError, match=r"report\.ipynb failed"):
        reports.write(tmp_path / "x.html", "1h", settings=lost)
    assert not (tmp_path / "x.html").exists()
