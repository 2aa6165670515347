"""The dashboard's address: round trips, hostile text, links to a moment."""

import math
import random
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from liq.analysis import links
from liq.analysis.links import Place, decode, encode
from liq.config import Settings
from liq.errors import ConfigError
from liq.query.parameters import format_duration, parse_duration
from liq.web.dashboard.board_queries import BOARDS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CHOICES = {"board": list(BOARDS), "bucket": ["1m", "5m"], "theme": ["dark", "light"]}


def read(query: str, default: Place = Place()) -> links.Decoded:  # noqa: B008 - immutable
    return decode(query, default, CHOICES)


def test_an_address_without_a_query_is_the_default() -> None:
    default = Place(window="4h", symbols=("BTCUSDT",))
    assert encode(default, default) == ""
    assert read("", default) == (default, ())


def test_an_encoded_place_is_readable() -> None:
    names = ("BTC", ("bybit", "okx"), ("BTCUSDT",))
    place = Place("Prices", "5m", "90m", NOON, *names, 1e5, 1e6, "light", "local")
    assert encode(place) == (
        "board=Prices&bucket=5m&from=2026-03-02T10:30:00Z&to=2026-03-02T12:00:00Z&asset=BTC"
        "&venues=bybit,okx&symbols=BTCUSDT&minimum=100000&maximum=1000000&theme=light"
        "&zone=local"
    )
    assert encode(Place(window="4h")) == "window=4h"


@pytest.mark.parametrize("seed", range(50))
def test_a_place_survives_its_address(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    names = ["BTCUSDT", "1000PEPE", "ÄÖ", "a&b=c", "x y", "<b>", "100%", "+", "#", "?", '"', "'"]

    def draw() -> Place:
        return Place(
            board=chance.choice(CHOICES["board"]),
            bucket=chance.choice(CHOICES["bucket"]),
            window=chance.choice(["1s", "90s", "15m", "4h", "1d", "30d"]),
            until=chance.choice(
                [None, NOON, NOON + timedelta(microseconds=chance.randrange(10**9))]
            ),
            asset=chance.choice(["", *names]),
            exchanges=tuple(chance.sample(names, chance.randrange(3))),
            symbols=tuple(chance.sample(names, chance.randrange(3))),
            min_notional=chance.choice([0.0, 0.1, 123456.789]),
            max_notional=chance.choice([0.0, 1e12, 123456.79]),
            theme=chance.choice(CHOICES["theme"]),
            zone=chance.choice(links.ZONES),
        )

    default, place = draw()._replace(until=None), draw()
    assert read(encode(place, default), default) == (place, ())
    growing = place._replace(window=default.window, until=None, since=NOON)
    assert read(encode(growing, default), default) == (growing, ())


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("board=prices&theme=LIGHT", Place(board="Prices", theme="light")),
        ("zone=Local", Place(zone="local")),
        ("zone=utc", Place()),
        ("window=60m", Place(window="1h")),
        ("window=7200", Place(window="2h")),
        ("from=2026-03-01&to=2026-03-01", Place(window="1d", until=NOON - timedelta(hours=12))),
        ("from=20260301&to=2026-W09-7", Place(window="1d", until=NOON - timedelta(hours=12))),
        ("from=2026-02-23&to=2026-W10", Place(window="7d", until=NOON - timedelta(hours=12))),
        ("from=2026-03-02T11:00&to=2026-03-02T12:00", Place(until=NOON)),
        ("from=2026-03-02T13:00%2B02:00&to=2026-03-02T12:00", Place(until=NOON)),
        ("from=2026-03-02T13:00+02:00&to=2026-03-02T12:00", Place(until=NOON)),
        ("from=2026-03-02 12:00", Place(since=NOON)),
        ("from=2026-03-02T12:00", Place(since=NOON)),
        ("symbols=A,,B,A", Place(symbols=("A", "B"))),
        ("minimum=1e3", Place(min_notional=1000.0)),
        ("minimum=1e4&maximum=1e5", Place(min_notional=1e4, max_notional=1e5)),
        ("maximum=1e4", Place(max_notional=1e4)),
    ],
)
def test_an_address_that_people_type_is_understood(query: str, place: Place) -> None:
    assert read(query) == (place, ())


def test_an_empty_list_means_all_though_the_default_has_some() -> None:
    default = Place(symbols=("BTCUSDT",), asset="BTC")
    assert encode(Place(), default) == "asset=&symbols="
    assert read("asset=&symbols=", default) == (Place(), ())


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("board=<script>alert(1)</script>", "is not a choice; valid are: Overview"),
        ("board=constructor", "is not a choice; valid are: Overview"),
        ("bucket=1m; DROP TABLE liquidations", "is not a choice; valid are: 1m, 5m"),
        ("window=99999999999999999999w", "is no duration"),
        ("window=1e308", "is no duration"),
        ("window=3661d", "is above the greatest"),
        ("window=-1h", "is no duration"),
        ("window=", "is no duration"),
        ("to=2026-03-01", "to needs from"),
        ("from=2099-01-01", "from is not before now"),
        ("from=2099-01-01&to=2099-01-02", "from is in the future"),
        ("from=2001-01-01", "from and now are more than 3,660 days apart"),
        ("to=yesterday&from=2026-03-01", "to='yesterday' is no timestamp"),
        ("from=2026-03-02&to=2026-03-01", "from is not before to"),
        ("from=2000-01-01&to=2099-01-01", "more than 3,660 days apart"),
        ("from=0001-01-01&to=9999-12-31", "is below the least"),
        ("asset=%00", "cannot hold a NUL"),
        ("asset=😀", "beyond U+FFFF"),
        ("asset=" + "A" * 65, "asset has more than 64 characters"),
        ("symbols=" + ",".join(map(str, range(101))), "symbols has more than 100 names"),
        ("from=2099-12-31&to=2100-01-01", "is above the greatest"),
        ("minimum=nan", "is not finite"),
        ("minimum=1e13", "is above the greatest"),
        ("minimum=-0.1", "is below the least"),
        ("zone=Europe/Berlin", "is not a choice; valid are: UTC, local"),
        ("minimum[]=1", "there is no parameter 'minimum[]', did you mean minimum?"),
        ("theme=dark&theme=light", "theme is there twice"),
        ("__class__=1", "there is no parameter '__class__'"),
        ("<img src=x onerror=alert(1)>=1", "there is no parameter"),
        ("x=" + "y" * 4000, "it has more than 4,000 characters"),
    ],
)
def test_hostile_text_gives_the_default_and_a_reason(query: str, reason: str) -> None:
    place, ignored = read(query)
    assert place == Place()
    assert any(reason in each for each in ignored), ignored
    assert max(map(len, ignored)) <= 121


def test_valid_parameters_count_beside_invalid_ones() -> None:
    place, ignored = read("asset=BTC&minimum=much&window=4h&colour=red")
    assert place == Place(asset="BTC", window="4h")
    assert [each.split("=")[0] for each in ignored] == ["minimum", "there is no parameter 'colour'"]


def test_a_maximum_that_is_not_above_the_minimum_is_ignored() -> None:
    reasons = ("maximum is not above minimum",)
    assert read("minimum=5&maximum=5") == (Place(min_notional=5.0), reasons)
    assert read("maximum=3", Place(min_notional=5.0)) == (Place(min_notional=5.0), reasons)
    below = Place(max_notional=5.0)  # the page's own, which the address cannot be blamed for
    assert read("minimum=7", below) == (Place(min_notional=7.0), ())


def test_a_window_beside_from_and_to_is_ignored() -> None:
    place, ignored = read("window=4h&from=2026-03-02T11:00&to=2026-03-02T12:00")
    assert place == Place(until=NOON)
    assert ignored == ("window cannot be combined with from and to",)
    place, ignored = read("window=4h&from=2026-03-02T12:00")
    assert place == Place(since=NOON)
    assert ignored == ("window cannot be combined with from",)


@pytest.mark.parametrize("seed", range(300))
def test_random_text_raises_nothing(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    letters = "".join(chr(chance.randrange(0x11000)) for _ in range(5)) + "&=%;,?#<>'\"\\0aZ\ud800"
    keys = [*links._PARAMETERS, "x", ""]
    text = "&".join(
        f"{chance.choice(keys)}={''.join(chance.choices(letters, k=chance.randrange(12)))}"
        for _ in range(chance.randrange(6))
    )
    place, _ = read(text)
    assert place.board in BOARDS
    assert parse_duration(place.window) >= timedelta(seconds=1)
    encode(place._replace(asset="", exchanges=(), symbols=()))


def test_an_alert_links_to_its_hour_and_to_what_its_rule_measures() -> None:
    place = links.locate_alert(NOON, "totals", {"symbols": "A,B", "assets": ["BTC"], "limit": 3})
    assert place == Place(until=NOON + timedelta(minutes=5), symbols=("A", "B"), asset="BTC")
    assert links.locate_alert(NOON, "totals", {"assets": ["BTC", "ETH"]}).asset == ""
    assert links.locate_alert(NOON, "feed_health", {"exchange": ["okx"]}).exchanges == ("okx",)
    sized = links.locate_alert(NOON, "totals", {"min_notional": 5, "max_notional": 9})
    assert (sized.min_notional, sized.max_notional) == (5.0, 9.0)


def test_boards_of_alerts_are_boards_of_the_dashboard() -> None:
    assert {*links._BOARDS.values(), Place().board} <= {*BOARDS}


def test_a_cascade_keeps_the_other_filters_of_the_page() -> None:
    here = Place(asset="ETH", exchanges=("okx",), min_notional=5.0, max_notional=9.0, window="7d")
    place = links.locate_cascade(NOON, NOON, "BTC", here=here)
    assert place == here._replace(
        asset="BTC", bucket="5s", window="10m", until=NOON + timedelta(minutes=5)
    )


def test_a_cascade_links_to_its_time_and_name() -> None:
    end = NOON + timedelta(minutes=2)
    found = {by: links.locate_cascade(NOON, end, "X", by) for by in ("asset", "symbol", "exchange")}
    assert found["asset"].asset == "X"
    assert found["symbol"].symbols == found["exchange"].exchanges == ("X",)
    assert {(each.window, each.until) for each in found.values()} == {
        ("12m", end + timedelta(minutes=5))
    }


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({}, "http://127.0.0.1:8866/"),
        ({"base_url": "/liq"}, "http://127.0.0.1:8866/liq/"),
        ({"public_url": "https://liq.example.org"}, "https://liq.example.org/"),
        ({"public_url": "https://liq.example.org/"}, "https://liq.example.org/"),
        (
            {"public_url": "https://liq.example.org:8443", "base_url": "/a/b"},
            "https://liq.example.org:8443/a/b/",
        ),
        (
            {"public_url": "https://hub.example.org/user/me/liq/", "base_url": "/liq"},
            "https://hub.example.org/user/me/liq/",
        ),
    ],
)
def test_links_have_the_public_address_and_no_token(given: dict[str, str], base: str) -> None:
    settings = Settings.load(dashboard_port=8866, token=SecretStr("a-secret"), **given)
    url = links.build_url(Place(asset="BTC"), settings)
    assert url == f"{base}?board=Overview&bucket=1m&asset=BTC"
    assert read(urlsplit(url).query) == (Place(asset="BTC"), ())


@pytest.mark.parametrize(
    "url",
    [
        "liq.example.org",
        "ftp://liq.example.org",
        "javascript:alert(1)",
        "https://",
        "https://me:secret@liq.example.org",
        "https://liq.example.org/?token=x",
        "https://liq.example.org/#x",
        "https://liq.example.org/ x",
        "https://[",
        "https://liq.example.org:99999",
        "https://liq.example.org:x",
        'https://liq.example.org/"><script>',
    ],
)
def test_a_public_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="LIQ_PUBLIC_URL") as refused:
        Settings.load(public_url=url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1s"),
        (1, "1s"),
        (59.6, "1m"),
        (90, "90s"),
        (5400, "90m"),
        (86400, "1d"),
        (604800, "7d"),
    ],
)
def test_a_span_of_time_is_written_in_its_greatest_unit(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


def test_urls_of_other_programs_are_read_alike() -> None:
    """Such as those of Python's and browsers' own encoders."""
    assert read(urlencode({"venues": "bybit,okx", "asset": "x y"})).place == Place(
        exchanges=("bybit", "okx"), asset="x y"
    )


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("alerts", {"ts": pd.NaT, "query": "totals"}),
        ("alerts", {"ts": None, "query": "totals"}),
        ("alerts", {"ts": NOON, "query": math.nan}),
        ("alerts", {"ts": datetime.max.replace(tzinfo=UTC), "query": "totals"}),
        ("alerts", {"query": "totals"}),
        ("cascades", {"from_ts": pd.NaT, "to_ts": pd.NaT, "name": "BTC"}),
        ("cascades", {"from_ts": NOON, "to_ts": NOON, "name": None}),
        ("cascades", {"from_ts": NOON, "to_ts": NOON, "name": 5}),
        ("cascades", {"from_ts": 1, "to_ts": 2, "name": "BTC"}),
        ("totals", {"ts": NOON}),
    ],
)
def test_a_row_without_a_moment_has_no_link(query: str, row: dict[str, Any]) -> None:
    assert links.locate_row(query, SimpleNamespace(**row)) is None


@hypothesis_settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*links._PARAMETERS]), st.text())))
def test_the_place_of_any_address_survives_another_round(
    pairs: list[tuple[str, str]],
) -> None:
    place = decode(urlencode(pairs, errors="replace")).place
    assert decode(encode(place)) == (place, ())


def test_a_file_is_named_by_its_dates_and_filters() -> None:
    assert links.name_file(Place(window="1d"), NOON, ".csv") == (
        "liquidations_20260301T120000Z_20260302T120000Z.csv"
    )
    place = Place(
        asset="BTC", exchanges=("bybit", "okx"), symbols=("BTCUSDT",), min_notional=100000.0
    )
    assert "_min100000USD_below1000000USD." in links.name_file(
        place._replace(max_notional=1e6), NOON, ".csv"
    )
    assert links.name_file(place, NOON.astimezone(timezone(timedelta(hours=2))), ".parquet") == (
        "liquidations_20260302T110000Z_20260302T120000Z_BTC_bybit+okx_BTCUSDT_min100000USD.parquet"
    )


def test_odd_names_make_a_file_name_that_every_system_takes() -> None:
    odd = ('../a\\b:c*?"<>|\n\0', "x/y", "")
    name = links.name_file(Place(asset=odd[0], symbols=odd), NOON, ".csv")
    assert not set('/\\:*?"<>|\n\0 ') & set(name)
    many = tuple(f"SYMBOL{number}USDT" for number in range(100))
    name = links.name_file(Place(asset="1000PEPE", symbols=many, exchanges=many), NOON, ".csv")
    assert name.endswith("_1000PEPE_100-venues_100-symbols.csv")
    assert len(name) < 200
