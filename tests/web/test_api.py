"""The API over a real QuestDB: every key, every format, and what is answered to nonsense."""

import io
import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pandas as pd
import pyarrow.parquet as pq
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from msgspec.structs import replace
from pandas.testing import assert_frame_equal
from pydantic import SecretStr
from schemathesis import CheckFunction, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema
from werkzeug.test import TestResponse

from liq.common import web
from liq.config import Settings
from liq.errors import QueryError
from liq.query import queries, questdb, views
from liq.query.catalogue import Query
from liq.query.formats import MEDIA_TYPES, Format, decode_arrow
from liq.query.parameters import Parameter
from liq.records.model import Side, Source
from liq.records.streams import LIQUIDATIONS
from liq.web import api
from liq.web.api import endpoint, openapi
from liq.web.api.endpoint import PAGING
from support.helpers import PATIENCE_S, eventually, running
from support.proxy import Statements
from support.rows import ask, insert, liquidation, own_table, refresh_views

END = "2026-01-01T01:00:00"
ROWS = [
    liquidation("2026-01-01T00:10:05.000001", 1000, source=Source.SIMULATOR),
    liquidation("2026-01-01T00:10:59.999999", 400.1, side=Side.SHORT),
    liquidation("2026-01-01T00:12:00", 250, exchange="bybit", symbol="ETHUSDT"),
]
SHIPPED = queries.queries()
API_PARAMS = {**PAGING, "format": Parameter(type="string", choices=list(Format))}


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    insert(settings, ROWS)
    return settings


def window(key: str) -> dict[str, str]:
    return {"until": END} if "until" in SHIPPED[key].params else {}


def fault(response: TestResponse, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.mimetype == "application/json"
    assert list(response.get_json()) == ["error"]
    return str(response.get_json()["error"])


@pytest.mark.stack
@pytest.mark.parametrize("key", SHIPPED)
def test_every_key_is_served_in_every_format(own: Settings, client: FlaskClient, key: str) -> None:
    frame = queries.fetch(key, own, **window(key))
    bodies = {}
    for out, kind in MEDIA_TYPES.items():
        response = client.get(f"/{key}", query_string={**window(key), "format": out})
        assert (response.status_code, response.mimetype) == (200, kind)
        bodies[out] = response.data
    assert_frame_equal(decode_arrow(bodies[Format.ARROW]), frame, check_exact=True)
    assert_frame_equal(
        pq.read_table(io.BytesIO(bodies[Format.PARQUET])).to_pandas(), frame, check_exact=True
    )
    assert decode_arrow(bodies[Format.ARROW]).attrs == frame.attrs
    rows = json.loads(bodies[Format.JSON])
    assert len(rows) == len(frame)
    assert all(list(row) == list(frame.columns) for row in rows)
    lines = bodies[Format.CSV].decode().splitlines()
    assert lines[0].split(",") == list(frame.columns)
    assert len(lines) == len(frame) + 1


@pytest.mark.stack
def test_rows_are_json_by_default_exact_and_typed(client: FlaskClient) -> None:
    rows = client.get("/latest_prints", query_string={"until": END, "limit": "2"}).get_json()
    assert [(row["ts"], row["notional"], row["symbol"]) for row in rows] == [
        ("2026-01-01T00:12:00.000000Z", 250, "ETHUSDT"),
        ("2026-01-01T00:10:59.999999Z", 400.1, "BTCUSDT"),
    ]


@pytest.mark.stack
def test_lists_come_with_commas_or_repeated_and_empty_means_unset(client: FlaskClient) -> None:
    def prints(query: str) -> int:
        return int(client.get(f"/totals?until={END}&{query}").get_json()[0]["prints"])

    assert prints("symbols=ETHUSDT") == 1
    assert prints("symbols=ETHUSDT,BTCUSDT") == 3
    assert prints("symbols=ETHUSDT&symbols=BTCUSDT") == 3
    assert prints("symbols=&min_notional=&exchange=") == 3


def following(response: TestResponse) -> str:
    assert response.headers["X-Truncated"] == "true"
    address, relation = response.headers["Link"].split("; ")
    assert relation == 'rel="next"'
    return address.strip("<>")


@pytest.mark.stack
def test_since_begins_the_window_of_every_page(client: FlaskClient) -> None:
    since = {"since": "2026-01-01T00:10:30"}
    whole = client.get("/prints", query_string={**since, "until": END}).get_json()
    assert [row["notional"] for row in whole] == [400.1, 250]
    first = client.get("/prints", query_string={**since, "rows": 1})
    second = client.get(following(first)).get_json()
    assert [*first.get_json(), *second] == whole
    for ends in (
        "since=2026-01-01T01:10:30+01:00&until=2026-01-01T02:00+0100",
        f"since=2026-01-01T00:10:30Z&until={END}",
    ):
        assert client.get(f"/prints?{ends}").get_json() == whole
    assert client.get(following(client.get(f"/prints?rows=1&{ends}"))).get_json() == second
    assert "give since or window" in fault(client.get("/prints?since=2026-01-01&window=2h"), 400)
    assert "is not before the end" in fault(client.get(f"/prints?since={END}&until={END}"), 400)


@pytest.mark.stack
@pytest.mark.parametrize("key", SHIPPED)
def test_every_key_comes_in_pages_that_make_the_whole(client: FlaskClient, key: str) -> None:
    whole = client.get(f"/{key}", query_string=window(key))
    address = f"/{key}?rows=2&{urlencode(window(key))}"
    rows: list[dict[str, Any]] = []
    while len(rows) + 2 < len(whole.get_json()) and len(rows) < 10:
        page = client.get(address)
        assert len(page.get_json()) == 2
        rows += page.get_json()
        address = following(page)
    rows += client.get(address).get_json() if len(rows) < 10 else []
    assert rows == whole.get_json()[: len(rows)]
    last = client.get(f"/{key}", query_string={**window(key), "offset": len(whole.get_json())})
    assert (last.get_json(), "Link" in last.headers) == ([], False)


@pytest.mark.stack
def test_a_plain_query_without_a_limit_is_cut_with_a_note(own: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"many": "SELECT x FROM long_sequence(25000); "}))
    client = api.create_app(own.model_copy(update={"queries": file})).test_client()
    first = client.get("/many?format=csv")
    second = client.get(following(first))
    third = client.get(following(second))
    texts = [part.text.splitlines()[1:] for part in (first, second, third)]
    assert [int(line) for text in texts for line in text] == list(range(1, 25_001))
    assert [len(text) for text in texts] == [10_000, 10_000, 5_000]
    assert "X-Truncated" not in third.headers
    assert "rows='100001' is above" in fault(client.get("/many?rows=100001"), 400)


@pytest.mark.stack
def test_pages_of_a_window_that_ends_now_are_of_one_window(stack: Settings) -> None:
    settings, now = own_table(stack), datetime.now(UTC)
    insert(settings, [liquidation(now - timedelta(seconds=age), age) for age in (5, 4, 3)])
    client = api.create_app(settings).test_client()
    first = client.get("/latest_prints?rows=2")
    insert(settings, [liquidation(datetime.now(UTC), 1)])
    second = client.get(following(first))
    assert [row["notional"] for row in first.get_json() + second.get_json()] == [3, 4, 5]


@pytest.mark.stack
def test_a_query_that_takes_too_long_is_given_up(
    own: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questdb, "_GRACE_S", PATIENCE_S)  # a busy QuestDB gives up late
    file = tmp_path / "mine.json"
    slow = "SELECT sum(a.x * b.x) FROM long_sequence(1000000) a CROSS JOIN long_sequence(1000000) b"
    file.write_text(json.dumps({"slow": slow, "quick": "SELECT 1 AS one"}))
    settings = own.model_copy(update={"queries": file, "query_timeout": 0.5})
    client = api.create_app(settings).test_client()
    assert "took longer than 0.5 s: ask for a shorter window" in fault(client.get("/slow"), 504)
    # half a second may be too short for a busy machine
    eventually(lambda: client.get("/quick").get_json() == [{"one": 1}])


def test_an_endpoint_cannot_take_the_names_of_the_api() -> None:
    mine = {"rows": Parameter(type="int")}
    with pytest.raises(QueryError, match="the API itself uses rows"):
        api.Endpoint("squares", "Squares.", pd.DataFrame, mine)


@pytest.mark.stack
def test_polling_is_cheap_until_something_newer_comes(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_SLIDE_S", 1e12)  # a window that ends now does not move here
    settings = own_table(stack)
    insert(settings, ROWS)
    client = api.create_app(settings).test_client()
    paths = ["/latest_timestamp", f"/totals?until={END}", f"/totals?until={END}&format=csv"]
    tags = {path: client.get(path).headers["ETag"] for path in paths}
    assert len(set(tags.values())) == len(paths)
    for path, tag in tags.items():
        again = client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    insert(settings, [liquidation("2026-01-01T00:20:00", 7)])
    for path, tag in tags.items():
        again = client.get(path, headers={"If-None-Match": tag})
        assert again.status_code == 200
        assert again.headers["ETag"] != tag


@pytest.fixture(scope="module")
def with_views(stack: Settings) -> Settings:
    settings = own_table(stack)
    views.ensure(settings)
    insert(settings, [liquidation(f"2026-01-0{day}T00:10:00", 5) for day in range(1, 5)])
    refresh_views(settings)
    return settings


@pytest.mark.stack
@pytest.mark.parametrize("key", [key for key in SHIPPED if SHIPPED[key].reads == {"table"}])
def test_a_poll_costs_questdb_one_cheap_statement(with_views: Settings, key: str) -> None:
    given = {"window": "3d", "until": "2026-01-04T12:00:00"}
    given = {name: value for name, value in given.items() if name in SHIPPED[key].params}
    with Statements(with_views.questdb_pg_port) as wire:
        tapped = with_views.model_copy(update={"questdb_pg_port": wire.port})
        client = api.create_app(tapped).test_client()
        tag = client.get(f"/{key}", query_string=given).headers["ETag"]
        asked = len(wire.texts)
        again = client.get(f"/{key}", query_string=given, headers={"If-None-Match": tag})
        assert (again.status_code, again.headers["ETag"]) == (304, tag)
        [cheap] = wire.texts[asked:]
    assert "FROM wal_tables()" in cheap
    assert "WHERE ts" not in cheap  # of the table its size and its newest row, no scan


@pytest.mark.stack
def test_rows_that_replace_others_end_the_state_of_a_poll(stack: Settings) -> None:
    settings = own_table(stack)
    print_ = liquidation("2026-01-01T00:10:00", 5)
    insert(settings, [print_])
    client = api.create_app(settings).test_client()
    path = f"/sources?until={END}"
    tag = client.get(path).headers["ETag"]
    insert(settings, [replace(print_, source=Source.REPLAY)])
    again = client.get(path, headers={"If-None-Match": tag})
    assert [row["source"] for row in again.get_json()] == ["replay"]


@pytest.mark.stack
def test_a_query_of_the_clock_or_another_table_is_run_at_each_poll(
    stack: Settings, tmp_path: Path
) -> None:
    settings = own_table(stack)
    other = own_table(stack)
    file = tmp_path / "mine.json"
    mine = {
        "clock": "SELECT micros(now()) AS t, count() AS n FROM {table}",
        "other": f"SELECT count() AS n FROM {{table}} CROSS JOIN {LIQUIDATIONS.table(other)}",  # noqa: S608
    }
    file.write_text(json.dumps(mine))
    client = api.create_app(settings.model_copy(update={"queries": file})).test_client()
    tags = {key: client.get(f"/{key}").headers["ETag"] for key in mine}
    insert(settings, [liquidation("2026-01-01T00:10:00", 5)])
    tags["other"] = client.get("/other").headers["ETag"]
    insert(other, [liquidation("2026-01-01T00:10:00", 5)])
    for key, tag in tags.items():
        assert client.get(f"/{key}", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.stack
def test_polling_sees_rows_ahead_of_now_in_a_window_that_ends_in_the_future(
    stack: Settings,
) -> None:
    settings, tomorrow = own_table(stack), datetime.now(UTC) + timedelta(days=1)
    client = api.create_app(settings).test_client()
    path = f"/totals?window=4h&until={tomorrow + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
    tag = client.get(path).headers["ETag"]
    insert(settings, [liquidation(tomorrow, 5)])
    again = client.get(path, headers={"If-None-Match": tag})
    assert again.get_json()[0]["prints"] == 1


@pytest.mark.stack
def test_a_window_that_ends_now_moves_on_without_new_rows(stack: Settings) -> None:
    settings, now = own_table(stack), datetime.now(UTC)
    insert(settings, [liquidation(now - timedelta(seconds=1), 5)])
    client = api.create_app(settings).test_client()
    first = client.get("/totals?window=20s")  # in which a busy machine reads the row
    assert first.get_json()[0]["prints"] == 1
    tag = first.headers["ETag"]

    def moved() -> bool:
        again = client.get("/totals?window=20s", headers={"If-None-Match": tag})
        return again.status_code == 200 and again.get_json()[0]["prints"] == 0

    eventually(moved)


@pytest.mark.stack
def test_other_tables_are_polled_by_their_content(own: Settings, client: FlaskClient) -> None:
    first = client.get("/feed_health")
    again = client.get("/feed_health", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)


def test_unknown_names_are_answered_with_the_valid_ones(offline: Settings) -> None:
    client = api.create_app(offline).test_client()
    missing = fault(client.get("/top_symbls"), 404)
    assert all(key in missing for key in SHIPPED)
    assert "did you mean 'window'" in fault(client.get("/totals?windw=1h"), 400)
    seven = fault(client.get("/cumulative_net?bucket=7s"), 400)
    assert "bucket='7s' is not a choice, did you mean '5s'? valid are: 1s, 5s" in seven
    assert "did you mean 'symbol'" in fault(client.get("/v1/cascades?by=symbl"), 400)
    assert "did you mean 'json'" in fault(client.get("/v1/totals?format=jsn"), 400)
    assert "limit='0' is below the least, 1" in fault(client.get("/top_symbols?limit=0"), 400)
    assert "json, csv, spreadsheet, parquet, arrow" in fault(client.get("/totals?format=xml"), 400)
    for name, one, other in (("window", "1h", "2h"), ("rows", 1, 2), ("offset", 0, 9),
                             ("format", "csv", "json")):  # fmt: skip
        address = f"/totals?{name}={one}&{name}={other}"
        assert f"{name} is given 2 times" in fault(client.get(address), 400)
    assert "no parameter 'limit'" in fault(client.get("/totals?limit=5"), 400)
    post = client.post("/totals")
    fault(post, 405)
    assert "GET" in post.headers["Allow"]


@pytest.mark.stack
def test_no_window_reaches_before_the_calendar(client: FlaskClient) -> None:
    assert "no window of" in fault(client.get("/totals?until=0001-01-01T00:00:00"), 400)


@pytest.mark.stack
def test_a_refused_password_is_reported_with_its_fix(stack: Settings) -> None:
    wrong = stack.model_copy(update={"questdb_reader_password": SecretStr("wrong")})
    error = fault(api.create_app(wrong).test_client().get("/totals"), 503)
    assert "refused the password" in error
    assert "set LIQ_QUESTDB_READER_PASSWORD" in error


def test_while_questdb_is_unreachable_the_error_names_the_fix(offline: Settings) -> None:
    client = api.create_app(offline).test_client()
    for path in ("/totals", "/latest_timestamp", "/feed_health"):
        response = client.get(path)
        assert "start it with: liq up" in fault(response, 503)
        assert int(response.headers["Retry-After"]) > 0
    assert client.get("/").status_code == client.get("/docs").status_code == 200


@pytest.mark.stack
def test_an_error_of_questdb_is_reported_to_the_log_only(
    own: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    lost = own.with_streams(liquidations={"table": "no_such_table"})
    assert "no_such" not in fault(api.create_app(lost).test_client().get("/totals"), 502)
    assert "no_such_table" in caplog.text


@pytest.mark.stack
@pytest.mark.parametrize("attack", ["' OR 1=1 --", "x'); DROP TABLE {}; --", "{table}", "%(x)s"])
@pytest.mark.parametrize("key", SHIPPED)
def test_injections_change_nothing_and_leak_nothing(
    own: Settings, client: FlaskClient, key: str, attack: str
) -> None:
    attack = attack.replace("{}", LIQUIDATIONS.table(own))
    for name, param in {**SHIPPED[key].params, **API_PARAMS}.items():
        response = client.get(f"/{key}", query_string={**window(key), name: attack})
        text = param.type in ("list", "string") and not param.choices
        assert response.status_code == (200 if text else 400), name
        if response.status_code == 400:
            assert name in fault(response, 400)
    assert ask("SELECT count() AS n FROM {table}", own)["n"].item() == len(ROWS)
    assert "error" in client.get(f"/{key}'; DROP TABLE x; --").get_json()


def test_edits_of_the_catalogue_show_at_once(offline: Settings) -> None:
    file = offline.home / "mine.json"
    client = api.create_app(offline.model_copy(update={"queries": file})).test_client()
    assert "`liq queries` says why" in fault(client.get("/totals"), 500)  # the file may replace it
    file.write_text("{}")
    assert "no endpoint 'one'" in fault(client.get("/one"), 404)
    file.write_text(json.dumps({"one": "SELECT 1", "bad": "SELECT %(x)s"}))
    assert paths(client) == [*(f"/{key}" for key in SHIPPED), "/one"]
    fault(client.get("/one"), 503)
    assert "`liq queries` says why" in fault(client.get("/bad"), 500)


def paths(client: FlaskClient) -> list[str]:
    return [known["path"] for known in client.get("/").get_json()["endpoints"]]


def test_the_last_good_catalogue_is_served_and_health_says_so(
    offline: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    file = offline.home / "mine.json"
    good = json.dumps({"one": "SELECT 1", "totals": "SELECT 2"})
    file.write_text(good)
    client = api.create_app(offline.model_copy(update={"queries": file})).test_client()

    def health() -> list[str]:
        answer = client.get("/health")
        assert str(offline.home) not in answer.text
        found = [p for p in answer.get_json()["problems"] if p["part"] == "catalogue"]
        return [f"{problem['what']}: {problem['detail']}" for problem in found]

    served = paths(client)
    assert "/one" in served
    assert not health()

    for text in ("{", "", "[]", good.replace("}", ",}")):
        file.write_text(text)
        assert paths(client) == served
        assert "LIQ_QUERIES has a fault: The last valid queries are served." in health()[0]
    assert "mine.json:1:" in caplog.text

    file.write_text(json.dumps({"one": "SELECT %(x)s", "new": {}, "two": "SELECT 1"}))
    assert set(paths(client)) == {*served, "/two"}
    assert health() == [
        "entry 'one' is invalid: Its last valid version is served. `liq queries` says why.",
        "entry 'new' is invalid: It is not served. `liq queries` says why.",
    ]
    fault(client.get("/one"), 503)  # it runs: QuestDB alone is away
    caplog.clear()
    client.get("/one")
    assert "last valid" not in caplog.text  # a fault is logged once

    file.write_text(json.dumps({"two": "SELECT 1"}))
    assert "/one" not in paths(client)
    assert not health()


@pytest.mark.stack
def test_the_last_good_entry_answers(own: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"one": "SELECT 1 AS n"}))
    client = api.create_app(own.model_copy(update={"queries": file})).test_client()
    assert client.get("/one").get_json() == [{"n": 1}]
    for text in ('{"one": {}}', "{"):
        file.write_text(text)
        assert client.get("/one").get_json() == [{"n": 1}]


@pytest.mark.stack
def test_a_plain_entry_is_an_endpoint(own: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"usdt": "SELECT symbol FROM {table} ORDER BY ts LIMIT 1"}))
    client = api.create_app(own.model_copy(update={"queries": file})).test_client()
    assert client.get("/usdt").get_json() == [{"symbol": "BTCUSDT"}]


def test_an_endpoint_of_your_own_is_a_few_lines(offline: Settings) -> None:
    def squares(upto: int) -> pd.DataFrame:
        return pd.DataFrame({"n": range(upto), "square": [n * n for n in range(upto)]})

    mine = api.Endpoint(
        "squares", "Squares.", squares, {"upto": Parameter(type="int", default=3, max=5)}
    )
    client = api.create_app(offline, [mine]).test_client()
    assert client.get("/squares?upto=2").get_json() == [
        {"n": 0, "square": 0},
        {"n": 1, "square": 1},
    ]
    assert len(client.get("/squares").get_json()) == 3
    assert "above the greatest, 5" in fault(client.get("/squares?upto=6"), 400)
    part = client.get("/squares?rows=1&offset=1")
    assert part.get_json() == [{"n": 1, "square": 1}]
    assert client.get(following(part)).get_json() == [{"n": 2, "square": 4}]
    assert "/squares" in client.get("/openapi.json").get_json()["paths"]
    assert "GET /v1/squares" in client.get("/docs").text


def test_the_index_lists_keys_with_parameters(offline: Settings) -> None:
    index = api.create_app(offline).test_client().get("/").get_json()
    known = {entry["path"]: entry for entry in index["endpoints"]}
    assert list(known) == [f"/{key}" for key in SHIPPED]
    bucket = known["/cumulative_net"]["parameters"]["bucket"]
    assert (bucket["type"], bucket["choices"][0]) == ("interval", "1s")


def test_the_docs_ask_nothing_of_other_hosts(offline: Settings) -> None:
    response = api.create_app(offline).test_client().get("/docs")
    assert all(f"GET /v1/{key}" in response.text for key in SHIPPED)
    assert "http" not in response.text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    policy = response.headers["Content-Security-Policy"]
    assert re.findall("script-src ([^;]+)", policy) == [web.allow_scripts(response.text)]
    for path in ("/", "/totals"):
        others = api.create_app(offline).test_client().get(path)
        assert "script-src" not in others.headers["Content-Security-Policy"]
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in response.headers


def test_the_token_opens_the_api(offline: Settings) -> None:
    settings = offline.model_copy(update={"api_token_required": True})
    token = settings.token.get_secret_value()
    client = api.create_app(settings).test_client()
    wrong: list[dict[str, Any]] = [
        {},
        {"headers": {"Authorization": "Bearer wröng"}},
        {"query_string": {"token": token[:-1]}},
    ]
    pages = ("/", "/docs", "/openapi.json", "/totals", "/none", "/v1/totals", "/health", "/metrics")
    for path in pages:
        for attempt in wrong:
            response = client.get(path, **attempt)
            assert token not in fault(response, 401)
            assert response.headers["WWW-Authenticate"] == "Bearer"
    for right in (
        {"headers": {"Authorization": f"Bearer {token}"}},
        {"query_string": {"token": token}},
    ):
        assert client.get("/", **right).status_code == 200
        fault(client.get("/totals", **right), 503)
    assert api.build_url(settings).endswith(f"/docs?token={token}")
    assert client.get("/openapi.json", headers={"Authorization": f"Bearer {token}"}).get_json()[
        "security"
    ]


def test_away_from_loopback_the_token_is_always_asked_for(offline: Settings) -> None:
    wide = offline.model_copy(update={"host": "0.0.0.0"})  # noqa: S104 - nothing is bound
    fault(api.create_app(wide).test_client().get("/"), 401)


def test_behind_a_proxy_the_token_is_asked_for_and_addresses_are_below_the_base_url(
    offline: Settings,
) -> None:
    behind = offline.model_copy(update={"base_url": "/liq"})
    client = api.create_app(behind).test_client()
    url = "http://127.0.0.1:8000/liq/api"  # as waitress passes it on
    fault(client.get("/", base_url=url), 401)
    bearer = {"Authorization": f"Bearer {behind.token.get_secret_value()}"}
    index = client.get("/", base_url=url, headers=bearer).get_json()
    assert (index["docs"], index["openapi"]) == ("/liq/api/docs", "/liq/api/openapi.json")
    description = client.get("/openapi.json", base_url=url, headers=bearer).get_json()
    assert description["servers"] == [{"url": "/liq/api"}]
    assert api.build_url(behind).startswith(f"{behind.api_url}/docs?token=")


def test_without_a_token_other_names_of_this_host_are_refused(offline: Settings) -> None:
    client = api.create_app(offline).test_client()
    fault(client.get("/", base_url="http://rebound.example:8000"), 403)
    assert client.get("/", base_url="http://127.0.0.1:8000").status_code == 200
    proxied = offline.model_copy(update={"allowed_hosts": "liq.example"})
    client = api.create_app(proxied).test_client()
    assert client.get("/", base_url="https://liq.example").status_code == 200
    fault(client.get("/", base_url="https://liq.example.evil.example"), 403)


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-site", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_a_page_of_another_site_has_no_query_run(
    offline: Settings, site: str, mode: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    answer = api.create_app(offline).test_client().get("/", headers=headers)
    assert answer.status_code == status


@pytest.mark.slow
def test_liq_api_serves_until_it_is_ended(offline: Settings) -> None:
    with running(offline, "-m", "liq", "api") as process:
        assert process.stdout
        assert process.stdout.readline().strip() == f"API: {offline.api_url}/docs"

        def keys() -> list[str]:
            try:
                return list(httpx.get(f"{offline.api_url}/openapi.json").json()["paths"])
            except httpx.TransportError as error:
                raise AssertionError from error

        folders = ("", "/v1")
        paths = [f"{folder}/{key}" for folder in folders for key in SHIPPED]
        assert eventually(keys) == [*paths, "/health", "/metrics"]
        with running(offline, "-m", "liq", "api") as second:
            output, _ = second.communicate(timeout=PATIENCE_S)
            assert second.returncode == 1
            assert "LIQ_API_PORT" in output
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def description(app: Flask) -> OpenApiSchema:
    """The API's own, but for names of Latin and some Chinese: Hypothesis tries each of 65,535."""
    names = r"^[\u0001-\u02af\u4e00-\u4eff]*$"
    text = app.test_client().get("/openapi.json").text
    assert json.dumps(openapi.NAMES["pattern"]) in text
    described = json.loads(text.replace(json.dumps(openapi.NAMES["pattern"]), json.dumps(names)))
    schema = schemathesis.openapi.from_dict(described)
    schema.app = app
    return schema


def list_requests() -> Iterator[tuple[str, GenerationMode]]:
    """Yield paths and whether their parameters are right, wrong ones only where some are new.

    /v1 has the same parameters and rows: three of its paths show that its object is described.
    """
    known: set[tuple[str, ...]] = set()
    for path in [*SHIPPED, "v1/totals", "v1/latest_prints", "v1/alerts"]:
        yield path, GenerationMode.POSITIVE
        folder, _, key = path.rpartition("/")
        found = {(folder, name, param.type) for name, param in SHIPPED[key].params.items()}
        if found - known:
            yield path, GenerationMode.NEGATIVE
        known |= found


@pytest.mark.stack
@pytest.mark.parametrize(("path", "mode"), [*list_requests()])
def test_the_api_conforms_to_its_description(
    description: OpenApiSchema, path: str, mode: GenerationMode
) -> None:
    described = description[f"/{path}"]["GET"]
    key = path.removeprefix("v1/")

    @hypothesis_settings(max_examples=15, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=described.as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(excluded_checks=list(beyond_schemas(case, SHIPPED[key])))

    holds()


def beyond_schemas(case: schemathesis.Case[Any], query: Query) -> Iterator[CheckFunction]:
    """Give the check of what must be accepted, where a JSON schema cannot say that it must not.

    It has no words for the shortest and the longest span of time, for a window that would begin
    before the calendar does, nor for bounds without sizes between.
    """
    given = {
        name: text
        for name, text in case.query.items()
        if name in query.params
        and (query.params[name].type in ("duration", "timestamp") or name.endswith("_notional"))
    }
    try:
        queries.resolve(query, given)
    except QueryError:
        yield positive_data_acceptance
