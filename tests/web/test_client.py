"""The API's client against the API itself, served as users serve it."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import waitress
from pandas.testing import assert_frame_equal
from pydantic import SecretStr

import liq
from liq.config import Settings
from liq.errors import ApiError
from liq.query import queries
from liq.web import api
from liq.web.client import ApiClient
from support.helpers import find_free_ports
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
def test_a_request_that_the_api_refuses_is_reported(served: Settings) -> None:
    with closing(ApiClient(served)) as client:
        with pytest.raises(ApiError, match="did you mean 'window'"):
            client.hit("totals", windw="1h")
        with pytest.raises(ApiError, match=r"no endpoint 'a/\.\./totals\?b'; there are: .*by_exch"):
            client.hit("a/../totals?b")
    wrong = served.model_copy(update={"token": SecretStr("wrong")})
    with closing(ApiClient(wrong)) as stranger, pytest.raises(ApiError, match="give the token"):
        stranger.hit("totals")


@pytest.mark.stack
def test_all_pages_are_read_as_one(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"until": "2026-01-01T01:00:00", "bucket": "1s"}
    expected = liq.hit("liquidations_by_bucket", settings=served, **params)
    monkeypatch.setattr("liq.web.client._PAGE_ROWS", 100)
    with closing(ApiClient(served)) as client:
        frame = client.hit("liquidations_by_bucket", **params)
    assert len(frame) > 500
    assert_frame_equal(frame, expected, check_exact=True)
    assert frame.attrs == expected.attrs


def test_an_api_that_is_unreachable_is_reported_with_the_fix(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path, **find_free_ports())
    with (
        closing(ApiClient(settings)) as client,
        pytest.raises(ApiError, match="start it with: liq api"),
    ):
        client.hit("totals")
