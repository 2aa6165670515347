"""The API's client against the API itself, served as users serve it, and against broken ones."""

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import httpx
import numpy as np
import pandas as pd
import pytest
import waitress
from pandas.testing import assert_frame_equal
from pydantic import SecretStr

from liq.common import http
from liq.config import Settings
from liq.errors import (
    ApiAwayError,
    ApiBusyError,
    ApiError,
    ApiLoginError,
    ApiRequestError,
    ApiTimeoutError,
    ConfigError,
    QueryError,
)
from liq.query import coverage, queries
from liq.query.callables import fetch_noted
from liq.query.formats import Format, encode
from liq.query.parameters import Kind, Parameter
from liq.web import api
from liq.web.client import ApiClient
from support.helpers import find_free_ports
from support.local_http import serve_http
from support.rows import insert, liquidation, own_table


@pytest.fixture(scope="module", params=["", "/liq"])
def served(stack: Settings, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of an API that asks for the token, of its own or behind a proxy."""
    own = {"api_token_required": True, "base_url": request.param}
    settings = own_table(stack).model_copy(
        update={"api_port": find_free_ports()["api_port"], **own}
    )
    insert(settings, [liquidation("2026-01-01T00:10:05.000001", 1000)])
    server = waitress.create_server(
        api.create_app(settings),
        host=settings.host,
        port=settings.api_port,
        url_prefix=settings.find_path("api").rstrip("/"),
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    yield settings
    server.close()
    thread.join(10)


@pytest.mark.stack
def test_rows_come_as_from_hit(served: Settings) -> None:
    params = {"until": "2026-01-01T01:00:00", "symbols": ["BTCUSDT", "ETHUSDT"]}
    for key in ("latest_prints", "top_symbols", "liquidations_by_bucket"):
        direct = queries.fetch(key, served, **params)
        with closing(ApiClient(served)) as client:
            over_http = client.fetch(key, **params, min_notional=None, exchange=[])
        assert_frame_equal(over_http, direct, check_exact=True)
        assert over_http.attrs == direct.attrs  # that no row has ETHUSDT, too


@pytest.mark.stack
@pytest.mark.filterwarnings("ignore:symbols", "ignore:print has no rows without")
@pytest.mark.parametrize("key", ["totals", "latest_prints", "print_reactions", "sources", "print"])
def test_rows_have_the_notes_of_hit(served: Settings, key: str) -> None:
    given = {"until": "2026-01-01T01:00:00", "symbols": ["BTCUSDT", "ETHUSDT"]}
    params = {name: given[name] for name in given.keys() & queries.queries()[key].params}
    direct = fetch_noted(key, served, params).frame
    with closing(ApiClient(served)) as client:
        assert client.hit(key, **params).attrs == direct.attrs
    assert key != "totals" or coverage.UNKNOWN in direct.attrs["notes"]


def test_a_value_without_a_name_is_refused_with_the_way_to_give_it(tmp_path: Path) -> None:
    with faulty(tmp_path) as (settings, asked), closing(ApiClient(settings)) as client:
        for ask in (client.hit, client.fetch, client.describe):
            with pytest.raises(
                ApiRequestError, match=r'by name, e\.g\. hit\("totals", window="1h"\)'
            ):
                ask("totals", "1h")
            with pytest.raises(ApiRequestError, match="takes the name of a query first"):
                ask()
    assert asked == []


def test_rows_whose_facts_cannot_be_read_say_so(tmp_path: Path) -> None:
    with faulty(tmp_path) as (settings, _), closing(ApiClient(settings)) as client:
        [note] = client.hit("totals").attrs["notes"]
    assert note.startswith(f"{coverage.LACKS_UNKNOWN}: ")


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"coverage": None, "left_out": None, "notes": ["not known: x"]}, "not known: x"),
        ({"coverage": None, "left_out": "3"}, f"{coverage.LACKS_UNKNOWN}: "),
        ({"coverage": None, "left_out": 3, "notes": []}, coverage.describe_left_out(3)),
    ],
)
def test_rows_have_the_notes_of_their_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], note: str
) -> None:
    monkeypatch.setattr(ApiClient, "describe", lambda *_, **__: facts)
    with faulty(tmp_path) as (settings, _), closing(ApiClient(settings)) as client:
        [found] = client.hit("totals").attrs["notes"]
    assert found.startswith(note)


@pytest.mark.stack
def test_a_request_that_the_api_refuses_is_reported(served: Settings) -> None:
    with closing(ApiClient(served)) as client:
        with pytest.raises(ApiRequestError, match="did you mean 'window'"):
            client.hit("totals", windw="1h")
        with pytest.raises(
            ApiRequestError, match=r"no endpoint 'a/\.\./totals\?b'.* valid are: .*by_exch"
        ):
            client.hit("a/../totals?b")
    wrong = served.model_copy(update={"token": SecretStr("wrong")})
    with (
        closing(ApiClient(wrong)) as stranger,
        pytest.raises(ApiLoginError, match="give the token"),
    ):
        stranger.hit("totals")


@pytest.mark.stack
def test_values_of_python_are_taken_as_hit_takes_them(served: Settings) -> None:
    given: dict[str, object] = {
        "until": datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=1))),
        "window": timedelta(minutes=50, microseconds=500_000),
        "symbols": pd.Series(["BTCUSDT", "ETHUSDT"]),
        "exchange": {"binance_usdm"},
    }
    direct = queries.fetch("latest_prints", served, **given)
    with closing(ApiClient(served)) as client:
        assert_frame_equal(client.fetch("latest_prints", **given), direct, check_exact=True)
        for name in ("rows", "offset", "format"):
            with pytest.raises(ApiRequestError, match=f"totals has no parameter '{name}'"):
                client.hit("totals", **{name: 5})


class Coin(str, Enum):  # noqa: UP042 - as users write it, with another text than its value
    """A name of a symbol."""

    BTC = "BTCUSDT"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("BTCUSDT", "=BTCUSDT"),
        (Coin.BTC, "=BTCUSDT"),
        ([Coin.BTC, "X"], "=BTCUSDT&given=X"),
        (pd.Series(["A", "B"]), "=A&given=B"),
        (5, "=5"),
        (np.int64(5), "=5"),
        (np.float64(0.5), "=0.5"),
        (Decimal("1.5"), "=1.5"),
        (Decimal("1E+3"), "=1000"),
        (10**400, f"=1{400 * '0'}"),
        (1e16, "=10000000000000000"),
        (math.inf, "=inf"),
        (pd.Timedelta("1min"), "=60.0"),
        (date(2026, 1, 1), "=2026-01-01"),
        ([], None),
        (None, None),
    ],
)
def test_a_value_is_sent_as_hit_takes_it(tmp_path: Path, value: object, sent: str | None) -> None:
    with faulty(tmp_path) as (settings, asked), closing(ApiClient(settings)) as client:
        client.fetch("totals", given=value)
    given = f"given{sent}&" if sent else ""
    assert asked == [f"/v1/totals?{given}format=arrow&rows=100000"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([None, 1], "given holds None, which is not text"),
        (["BTCUSDT", 1], "given holds 1, which is not text"),
        (pd.Series(["BTCUSDT", None]), r"given holds (None|nan), which is not text"),
        ([["BTCUSDT"]], "given holds .*, which is not text"),
        ([b"BT"], "given holds b'BT', which is not text"),
        ({"x": 1}, "given is of type dict"),
        (b"BT", "given is of type bytes"),
        (bytearray(b"BT"), "given holds 66, which is not text"),
        (True, "given is of type bool"),
        (np.True_, "given is of type bool"),
        (1j, "given is of type complex"),
        (np.timedelta64(1, "h"), "given is of type timedelta64"),
        (object(), "given is of type object"),
    ],
)
def test_a_value_that_hit_refuses_is_not_sent(tmp_path: Path, value: object, reason: str) -> None:
    with faulty(tmp_path) as (settings, asked), closing(ApiClient(settings)) as client:
        for ask in (client.fetch, client.describe):
            with pytest.raises(ApiRequestError, match=f"^{reason}; give a text, .* list of texts$"):
                ask("totals", given=value)
    assert asked == []
    for kind in get_args(Kind):
        with pytest.raises(QueryError):
            Parameter(type=kind).value("given", value)


@pytest.mark.parametrize("value", [Decimal("sNaN"), 1 << 20_000], ids=["sNaN", "2**20000"])
def test_a_number_that_no_text_can_hold_is_not_sent(tmp_path: Path, value: object) -> None:
    with (
        faulty(tmp_path) as (settings, asked),
        closing(ApiClient(settings)) as client,
        pytest.raises(ApiRequestError, match=r"^given is no number that the API takes"),
    ):
        client.fetch("totals", given=value)
    assert asked == []


@pytest.mark.parametrize("name", ["token", "format", "settings", "spreadsheet"])
def test_a_reserved_name_is_refused_as_such(tmp_path: Path, name: str) -> None:
    with faulty(tmp_path) as (settings, asked), closing(ApiClient(settings)) as client:
        with pytest.raises(
            ApiRequestError, match=f"^totals has no parameter '{name}': the name is reserved$"
        ):
            client.hit("totals", **{name: "x"})
        with pytest.raises(ApiRequestError, match="'rows': the client asks for all rows"):
            client.hit("totals", rows=5)
    assert asked == []


@pytest.mark.stack
def test_all_pages_are_read_as_one(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"until": "2026-01-01T01:00:00", "bucket": "1s"}
    expected = queries.fetch("liquidations_by_bucket", served, **params)
    monkeypatch.setattr("liq.web.client._PAGE_ROWS", 100)
    send, left = ApiClient._send, []

    def delay(client: ApiClient, path: str, given: dict[str, Any] | None) -> httpx.Response:
        left.append(http.time_left())
        time.sleep(0.05)
        return send(client, path, given)

    monkeypatch.setattr(ApiClient, "_send", delay)
    with closing(ApiClient(served, timeout=60)) as client:
        frame = client.hit("liquidations_by_bucket", **params)
    assert len(frame) > 500
    assert_frame_equal(frame, expected, check_exact=True)
    assert frame.attrs.pop("notes") == [coverage.UNKNOWN]
    assert frame.attrs == expected.attrs
    assert len(left) > 6
    assert min(left) > 60 - 0.2  # many pages have no limit in common


def test_an_api_that_is_unreachable_is_reported_with_the_fix(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path, **find_free_ports())
    with (
        closing(ApiClient(settings)) as client,
        pytest.raises(ApiAwayError, match="start it with: liq api"),
    ):
        client.hit("totals")


@pytest.mark.stack
def test_facts_about_rows_come_from_the_api(served: Settings) -> None:
    with closing(ApiClient(served)) as client:
        facts = client.describe("totals", until="2026-01-01T01:00:00", symbols=None)
        assert (facts["units"]["long_usd"], facts["until"]) == (
            "USD",
            "2026-01-01T01:00:00.000000Z",
        )
        [source] = facts["sources"]
        assert (source["kind"], source["prints"]) == ("real", 1)
        assert facts["lower_bound"] is True  # the feed is throttled
        with pytest.raises(ApiRequestError, match="did you mean 'window'"):
            client.describe("totals", windw="1h")


ROWS = encode(pd.DataFrame({"n": [1, 2]}), Format.ARROW)
OK = 200


class Faulty(BaseHTTPRequestHandler):
    """Answers with the next of ``faults``: a status and its ``Retry-After``; 200 after the last."""

    protocol_version = "HTTP/1.1"
    faults: list[tuple[int, str]]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, pause = self.faults.pop(0) if self.faults else (OK, "")
        if status == LOST:
            self.close_connection = True
            return
        body = ROWS if status == OK else b'{"error": "busy"}'
        self.send_response(status)
        if pause:
            self.send_header("Retry-After", pause)
        # a connection that is lost in the middle of the answer
        self.send_header("Content-Length", str(len(body) + (status == TORN)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = status == TORN

    def log_message(self, *_: object) -> None:
        pass


LOST, TORN = 0, 299


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liq.web.client._FIRST_S", 0.02)


@contextmanager
def faulty(tmp_path: Path, *faults: tuple[int, str]) -> Iterator[tuple[Settings, list[str]]]:
    Faulty.faults, Faulty.asked = [*faults], []
    with serve_http(Faulty) as url:
        settings = Settings.load(home=tmp_path, api_port=urlsplit(url).port)
        yield settings, Faulty.asked


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    "fault",
    [(429, ""), (503, ""), (503, "0.1"), (429, "Wed, 21 Oct 2026 07:28:00 GMT"), (LOST, ""),
     (TORN, "")],
)  # fmt: skip
def test_a_request_that_may_succeed_is_sent_again(tmp_path: Path, fault: tuple[int, str]) -> None:
    with (
        faulty(tmp_path, fault, fault) as (settings, asked),
        closing(ApiClient(settings)) as client,
    ):
        assert client.fetch("totals", window="4h")["n"].tolist() == [1, 2]
    assert asked == ["/v1/totals?window=4h&format=arrow&rows=100000"] * 3


@pytest.mark.parametrize(
    ("fault", "error"),
    [((429, ""), ApiBusyError), ((503, ""), ApiBusyError), ((LOST, ""), ApiAwayError)],
)
@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("retries", [0, 2])
def test_retries_end(
    tmp_path: Path, retries: int, fault: tuple[int, str], error: type[ApiError]
) -> None:
    with (
        faulty(tmp_path, *[fault] * 9) as (settings, asked),
        closing(ApiClient(settings, retries=retries)) as client,
        pytest.raises(error),
    ):
        client.hit("totals")
    assert len(asked) == 1 + retries


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, ApiRequestError), (401, ApiLoginError), (403, ApiLoginError), (404, ApiRequestError),
     (500, ApiError), (502, ApiError), (504, ApiTimeoutError), (302, ApiError)],
)  # fmt: skip
def test_a_request_that_would_fail_again_is_sent_once(
    tmp_path: Path, status: int, error: type[ApiError]
) -> None:
    with (
        faulty(tmp_path, (status, "")) as (settings, asked),
        closing(ApiClient(settings)) as client,
        pytest.raises(error, match="busy") as raised,
    ):
        client.hit("totals")
    assert type(raised.value) is error
    assert len(asked) == 1


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("pause", ["60", "1e999", "-5", "nan"])
def test_a_pause_beyond_the_time_limit_is_not_waited_for(tmp_path: Path, pause: str) -> None:
    with (
        faulty(tmp_path, *[(503, pause)] * 9) as (settings, _),
        closing(ApiClient(settings, timeout=30.0, retries=1)) as client,
        pytest.raises(ApiBusyError) as raised,
    ):
        client.hit("totals")
    assert raised.value.retry_after_s == (60 if pause == "60" else 0)


def test_retries_share_one_time_limit(tmp_path: Path) -> None:
    class Slow(Faulty):
        def do_GET(self) -> None:
            time.sleep(0.4)
            with contextlib.suppress(BrokenPipeError):  # the client has gone
                super().do_GET()

    Faulty.faults, Faulty.asked = [(503, "")] * 9, []
    with serve_http(Slow) as url:
        settings = Settings.load(home=tmp_path, api_port=urlsplit(url).port)
        with (
            closing(ApiClient(settings, timeout=1.0, retries=9)) as client,
            pytest.raises((ApiBusyError, ApiTimeoutError)),
        ):
            client.hit("totals")
    assert len(Faulty.asked) <= 3


@pytest.mark.parametrize(
    "body", [b"", b"<html>log in</html>", b"null", b"[]", b"{}", b'{"meta": 1}', ROWS[:-20]]
)
def test_an_answer_of_another_program_is_reported(tmp_path: Path, body: bytes) -> None:
    class Other(Faulty):
        def do_GET(self) -> None:
            self.send_response(OK)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serve_http(Other) as url:
        settings = Settings.load(home=tmp_path, api_port=urlsplit(url).port)
        with closing(ApiClient(settings)) as client:
            for ask in (client.hit, client.describe):
                with pytest.raises(ApiError, match=r"/v1/totals answered without .* is it liq's"):
                    ask("totals")


@pytest.mark.parametrize(
    "link",
    ["http://localhost:{port}/v1/totals?offset=1", "", "http://[", "ftp://127.0.0.1:{port}/"],
)
def test_the_token_goes_to_no_other_server(tmp_path: Path, link: str) -> None:
    asked = []

    class Linking(Faulty):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            self.send_response(OK)
            self.send_header("Content-Length", str(len(ROWS)))
            self.send_header("Link", f'<{link.format(port=self.server.server_port)}>; rel="next"')  # type: ignore[attr-defined]
            self.end_headers()
            self.wfile.write(ROWS)

    with serve_http(Linking) as url:
        settings = Settings.load(home=tmp_path, api_port=urlsplit(url).port)
        with closing(ApiClient(settings)) as client, pytest.raises(ApiError, match="next page"):
            client.hit("totals")
    assert asked == [f"127.0.0.1:{settings.api_port}"]


def test_a_url_in_place_of_settings_is_refused_with_the_settings_that_name_it() -> None:
    given: Any
    for given in ("http://127.0.0.1:8000", 5):  # as people try
        with pytest.raises(ConfigError, match="LIQ_HOST, LIQ_API_PORT and LIQ_TOKEN name the API"):
            ApiClient(given)
