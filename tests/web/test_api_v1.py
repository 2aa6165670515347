"""What /v1 adds to the rows: units, sources, completeness, coverage and paging."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from msgspec.structs import replace

import liq
from liq.config import Settings
from liq.query import catalogue, queries
from liq.query.formats import Format
from liq.records.model import Alert, Completeness, Severity, Source, Text
from liq.web import api
from liq.web.api import metadata
from liq.web.assistants import answers
from support.helpers import find_free_ports
from support.rows import (
    health,
    insert,
    insert_alerts,
    insert_one_of_each,
    liquidation,
    micros_of,
    own_table,
    report,
)

END = "2026-01-01T01:00:00"
SHIPPED = queries.queries()


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    insert(
        settings,
        [
            liquidation("2026-01-01T00:10:05", 1000, source=Source.SIMULATOR),
            liquidation("2026-01-01T00:10:06", 10, source=Source.REPLAY),
            liquidation("2026-01-01T00:10:07", 20, exchange="bybit", symbol="ETHUSDT"),
        ],
    )
    return settings


def meta(client: FlaskClient, query: str) -> dict[str, Any]:
    response = client.get(f"/v1/{query}")
    assert response.status_code == 200, response.text
    return dict(response.get_json()["meta"])


@pytest.mark.stack
@pytest.mark.parametrize("key", SHIPPED)
def test_v1_has_the_rows_of_each_key_and_facts_about_them(client: FlaskClient, key: str) -> None:
    given = {"until": END} if "until" in SHIPPED[key].params else {}
    answer = client.get(f"/v1/{key}", query_string=given).get_json()
    assert list(answer) == ["meta", "rows"]
    assert answer["rows"] == client.get(f"/{key}", query_string=given).get_json()
    found = answer["meta"]
    assert {*found} == {*metadata.FACTS}
    assert (found["query"], found["rows"], found["offset"]) == (key, len(answer["rows"]), 0)
    units = {name: column.unit for name, column in SHIPPED[key].columns.items() if column.unit}
    assert found["units"] == units
    has_window = {"window", "until"} <= SHIPPED[key].params.keys()
    assert (found["since"] is not None) == has_window


@pytest.mark.stack
@pytest.mark.parametrize("out", [out for out in Format if out is not Format.JSON])
def test_other_formats_of_v1_are_the_rows_alone(client: FlaskClient, out: Format) -> None:
    given = {"until": END, "format": out}
    first, second = (client.get(path, query_string=given) for path in ("/v1/totals", "/totals"))
    assert first.data == second.data
    assert first.headers["ETag"] == second.headers["ETag"]


@pytest.mark.stack
def test_sources_are_named_real_simulated_or_replayed_with_the_querys_filters(
    client: FlaskClient,
) -> None:
    def kinds(query: str) -> dict[str, int]:
        sources = meta(client, f"totals?until={END}&{query}")["sources"]
        return {source["kind"]: source["prints"] for source in sources}

    assert kinds("") == {"simulated": 1, "replayed": 1, "real": 1}
    assert kinds("exchange=bybit") == {"real": 1}
    assert kinds("symbols=btcusdt&min_notional=100") == {"simulated": 1}
    assert kinds("window=1m") == {}


@pytest.mark.stack
def test_rows_about_something_else_have_no_sources(client: FlaskClient) -> None:
    found = meta(client, f"feed_health?until={END}")
    assert (found["sources"], found["coverage"], found["lower_bound"]) == (None, None, None)
    assert meta(client, "alerts")["coverage"] is None


@pytest.mark.stack
def test_a_gap_and_a_throttled_feed_make_sums_lower_bounds(stack: Settings) -> None:
    settings = own_table(stack)
    client = api.create_app(settings).test_client()
    path = f"totals?until={END}"
    insert(settings, [liquidation("2026-01-01T00:10:00", 1, completeness=Completeness.FULL)])
    unknown = meta(client, path)
    assert (unknown["lower_bound"], unknown["coverage"]["complete"]) == (None, None)
    tag = client.get(f"/v1/{path}").headers["ETag"]
    assert client.get(f"/v1/{path}", headers={"If-None-Match": tag}).status_code == 304

    moments = [micros_of(END) - micros for micros in range(0, 3_600_000_001, 1_000_000)]
    report(settings, [replace(health(END, exchange="binance_usdm"), ts=ts) for ts in moments])
    covered = meta(client, path)
    assert (covered["lower_bound"], covered["coverage"]["complete"]) == (False, True)
    # no row has arrived, but what is known of the rows has changed
    again = client.get(f"/v1/{path}", headers={"If-None-Match": tag})
    assert again.status_code == 200

    report(settings, [health("2026-01-01T00:00:00", exchange="okx")])
    gap = meta(client, path)
    assert gap["lower_bound"] is True
    assert gap["coverage"]["summary"] == "1 of 2 feeds disconnected: okx"
    feeds = {feed["exchange"]: feed for feed in gap["coverage"]["feeds"]}
    assert (feeds["okx"]["connected"], feeds["binance_usdm"]["missing_s"]) == (False, 0)
    assert feeds["okx"]["missing_s"] == pytest.approx(3600, abs=1)
    assert meta(client, f"{path}&exchange=binance_usdm")["lower_bound"] is False

    throttled = liquidation("2026-01-01T00:10:01", 1, completeness=Completeness.THROTTLED)
    insert(settings, [throttled])
    assert meta(client, f"{path}&exchange=binance_usdm")["lower_bound"] is True


@pytest.mark.stack
def test_all_doors_note_gaps_of_the_same_queries(stack: Settings) -> None:
    settings = own_table(stack)
    insert_one_of_each(settings, "2026-01-01T00:10:00")
    report(settings, [health("2026-01-01T00:00:00", exchange="okx")])
    client = api.create_app(settings).test_client()
    noted: dict[str, dict[str, bool]] = {}
    for key in (key for key, query in SHIPPED.items() if "until" in query.params):
        rows = liq.hit(key, settings=settings, until=END)
        data = answers.answer(key, {"until": END}, settings).data
        noted[key] = {
            "hit": _has_gap(rows.attrs.get("notes", [])),
            "API": meta(client, f"{key}?until={END}")["coverage"] is not None,
            "MCP": _has_gap(data["notes"]),
        }
    assert [key for key, doors in noted.items() if len({*doors.values()}) > 1] == []
    without = {key for key, doors in noted.items() if not any(doors.values())}
    assert {"totals", "cascades", "stored_cascades", "stored_sums"} <= noted.keys() - without
    assert {"alerts", "price_by_bucket", "feed_health", "covered"} <= without


def _has_gap(notes: list[str]) -> bool:
    return any("disconnected: bybit, okx" in note for note in notes)


@pytest.mark.stack
def test_the_future_is_no_gap_for_v1(stack: Settings) -> None:
    settings = own_table(stack)
    now = datetime.now(UTC)
    report(settings, [health(now - timedelta(seconds=second)) for second in range(-300, 61)])
    client = api.create_app(settings).test_client()
    for since, complete in ((now - timedelta(minutes=1), True), (now + timedelta(hours=1), None)):
        ends = {"since": since.isoformat(), "until": (now + timedelta(days=1)).isoformat()}
        found = client.get("/v1/totals", query_string=ends).get_json()["meta"]
        assert (found["coverage"] or {}).get("complete") is complete
        assert any("in the future" in note for note in found["notes"]) is (since > now)
    unknown = client.get("/v1/totals?exchange=bybitt").get_json()["meta"]
    assert unknown["coverage"] is None  # no feed of that name can be missing
    assert len(unknown["notes"]) == 1


@pytest.mark.stack
def test_the_tag_of_v1_changes_with_the_answer_alone(stack: Settings) -> None:
    settings = own_table(stack)
    client = api.create_app(settings).test_client()
    insert(settings, [liquidation("2026-01-01T00:10:00", 1)])
    path = f"/v1/totals?until={END}"
    tag = client.get(path).headers["ETag"]
    assert tag.startswith("W/")

    insert(settings, [liquidation("2026-01-01T02:00:00", 1)])  # after the window
    for sent in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        for method in (client.get, client.head):
            same = method(path, headers={"If-None-Match": sent})
            assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag)
    for sent in ('"other"', "other", ""):
        assert client.get(path, headers={"If-None-Match": sent}).status_code == 200
    other_pages = {client.get(f"{path}&{page}").headers["ETag"] for page in ("rows=1", "offset=1")}
    assert tag not in other_pages

    insert(settings, [liquidation("2026-01-01T00:20:00", 1)])
    again = client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.get_json()["rows"][0]["prints"]) == (200, 2)
    assert again.headers["ETag"] != tag


@pytest.mark.stack
def test_the_tag_of_a_page_changes_when_another_page_follows(stack: Settings) -> None:
    settings = own_table(stack)
    client = api.create_app(settings).test_client()

    def add(moment: str) -> None:
        alert = Alert(
            ts=micros_of(moment), rule="a", severity=Severity.INFO, message=Text(""), value=1.0,
            threshold=1.0, query="totals", measure="prints", live=True,
        )  # fmt: skip
        insert_alerts(settings, [alert])

    add("2026-01-01T00:20:00")
    path = f"/v1/alerts?until={END}&rows=1"
    first = client.get(path)
    assert first.get_json()["meta"]["next"] is None
    add("2026-01-01T00:10:00")  # before the page's row
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200
    assert again.get_json()["rows"] == first.get_json()["rows"]
    assert again.get_json()["meta"]["next"]


@pytest.mark.stack
def test_pages_of_v1_are_linked_in_the_metadata(client: FlaskClient) -> None:
    first = meta(client, f"latest_prints?until={END}&rows=2")
    assert (first["rows"], first["offset"]) == (2, 0)
    assert first["next"].startswith("/v1/latest_prints?")
    second = client.get(first["next"]).get_json()
    assert (second["meta"]["rows"], second["meta"]["offset"]) == (1, 2)
    assert second["meta"]["next"] is None


@pytest.mark.stack
def test_a_window_that_ends_now_is_stated(client: FlaskClient) -> None:
    found = meta(client, "totals?window=15m")
    since, until = (
        queries.validate("x", SHIPPED["totals"].params, {"until": found[name]})["until"]
        for name in ("since", "until")
    )
    assert until - since == timedelta(minutes=15)


@pytest.mark.stack
def test_unknown_names_are_notes(client: FlaskClient) -> None:
    [note] = meta(client, f"totals?until={END}&symbols=NOPE")["notes"]
    assert "no row has the symbol 'NOPE'" in note


@pytest.mark.stack
def test_a_catalogue_without_coverage_has_facts_too(own: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"mine": "SELECT count() AS prints FROM {table}"}))
    client = api.create_app(own.model_copy(update={"queries": file})).test_client()
    answer = client.get("/v1/mine").get_json()
    assert answer["rows"] == [{"prints": 3}]
    assert (answer["meta"]["coverage"], answer["meta"]["units"]) == (None, {})


@pytest.mark.stack
def test_a_query_of_ones_own_that_questdb_refuses_is_a_note_of_others(
    own: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "mine.json"
    sql = "SELECT nope FROM {table} WHERE ts > %(since)s AND ts < %(until)s"
    wrong = {"description": "x", "common": ["window", "until"], "sql": sql}
    file.write_text(json.dumps({"left_out": wrong}))
    client = api.create_app(own.model_copy(update={"queries": file})).test_client()
    answer = client.get(f"/v1/totals?until={END}").get_json()
    assert answer["rows"][0]["prints"] == 3
    assert answer["meta"]["left_out"] is None
    [note] = answer["meta"]["notes"]
    assert note.startswith("what the rows lack is not known: left_out fails: QuestDB refused")


@pytest.mark.stack
def test_v1_builds_one_endpoint_for_a_request(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    of = api.Endpoint.of

    def build(*given: Any) -> api.Endpoint:
        built.append(given)
        return of(*given)

    client = api.create_app(own).test_client()
    monkeypatch.setattr(api.Endpoint, "of", build)
    assert client.get("/v1/totals").status_code == 200
    assert len(built) == 1


def test_v1_answers_errors_as_before(tmp_path: Path) -> None:
    client = api.create_app(Settings.load(home=tmp_path, **find_free_ports())).test_client()
    assert "no endpoint 'top'" in client.get("/v1/top").get_json()["error"]
    assert "did you mean 'window'" in client.get("/v1/totals?windw=1h").get_json()["error"]
    assert client.get("/v1/totals").status_code == 503
    for index in ("/v1", "/v1/"):
        paths = [known["path"] for known in client.get(index).get_json()["endpoints"]]
        assert paths == [f"/v1/{key}" for key in SHIPPED]


def test_one_endpoint_is_built_and_checked_once_for_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    checked: list[str] = []
    of, validate = api.Endpoint.of, queries.validate

    def build(*given: Any) -> api.Endpoint:
        built.append(given)
        return of(*given)

    def check(key: str, *given: Any) -> dict[str, Any]:
        checked.append(key)
        return validate(key, *given)

    monkeypatch.setattr(api.Endpoint, "of", build)
    monkeypatch.setattr(queries, "validate", check)
    client = api.create_app(Settings.load(home=tmp_path, **find_free_ports())).test_client()
    client.get("/totals?window=1h")
    assert len(built) == 1
    assert checked == ["paging", "totals"]


@pytest.mark.parametrize("key", ["v1", "health", "metrics"])
def test_no_query_takes_the_place_of_a_page(tmp_path: Path, key: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({key: "SELECT 1"}))
    assert "is a page of the HTTP API" in catalogue.load(file).faults[key]


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/v1/health", "/health"),
        ("/v1/metrics", "/metrics"),
        ("/swagger", "/docs"),
        ("/help", "/docs"),
    ],
)
def test_a_page_that_is_elsewhere_is_named(tmp_path: Path, path: str, page: str) -> None:
    client = api.create_app(Settings.load(home=tmp_path, **find_free_ports())).test_client()
    assert f"did you mean {page}? valid are: alerts" in client.get(path).get_json()["error"]


def test_a_request_that_is_no_get_is_told_so(tmp_path: Path) -> None:
    client = api.create_app(Settings.load(home=tmp_path, **find_free_ports())).test_client()
    response = client.post("/v1/totals", json={"window": "1h"})
    assert response.status_code == 405
    assert "only answers GET" in response.get_json()["error"]
