import json
import os
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pytest

import liq
from liq.config import Settings
from liq.errors import LiqWarning, QueryError, QuestDBMemoryError, QuestDBTimeoutError
from liq.query import queries
from liq.query.catalogue import Query
from liq.query.parameters import Parameter
from liq.records.model import Completeness, Side, Source, Sums
from support.rows import (
    ask,
    insert,
    insert_one_of_each,
    insert_prices,
    insert_sums,
    liquidation,
    micros_of,
    own_table,
    price,
)

END = "2026-01-01T01:00:00"
HOUR = {"window": "1h", "until": END}
ROWS = [
    liquidation("2025-12-31T23:59:59.999999", 9),  # before the window
    liquidation("2026-01-01T00:10:05.000001", 1000, source=Source.SIMULATOR),
    liquidation("2026-01-01T00:10:59.999999", 400, side=Side.SHORT),
    liquidation("2026-01-01T00:12:00", 250, exchange="bybit", symbol="ETHUSDT",
                completeness=Completeness.FULL),
    liquidation("2026-01-01T00:12:30", 50, exchange="bybit", side=Side.SHORT,
                completeness=Completeness.FULL, source=Source.CRYPTOFEED),
    liquidation("2026-01-01T00:59:59.999999", 5000, exchange="okx", symbol="BTC-USDT-SWAP",
                completeness=Completeness.SAMPLED, source=Source.REPLAY),
    liquidation("2026-01-01T01:00:00", 7),  # after it: its end is exclusive
]  # fmt: skip
SUMS = Sums(
    ts=micros_of("2026-01-01T00:10:00"), exchange="binance_usdm", symbol="BTCUSDT", base="BTC",
    bucket=60, long_usd=1000.0, short_usd=400.0, prints=2, largest_usd=1000.0,
    not_live=1, partial=2,
)  # fmt: skip
SHIPPED = queries.queries()


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    insert(settings, ROWS)
    insert_prices(settings, [price("2026-01-01T00:10:59.5", 100)])
    insert_sums(settings, [SUMS])
    return settings


def hit(key: str, settings: Settings, **params: Any) -> pd.DataFrame:
    window = HOUR if "window" in SHIPPED[key].params else {}
    return queries.fetch(key, settings, **(window | params))


def moments(frame: pd.DataFrame, column: str = "ts") -> list[str]:
    return [f"{moment:%H:%M:%S.%f}" for moment in frame[column]]


@pytest.mark.stack
@pytest.mark.parametrize("key", SHIPPED)
@pytest.mark.parametrize("until", [END, "2000-01-01"], ids=["rows", "no rows"])
def test_every_query_gives_the_columns_it_declares(own: Settings, key: str, until: str) -> None:
    frame = hit(key, own, **({"until": until} if "until" in SHIPPED[key].params else {}))
    declared = {name: column.dtype for name, column in SHIPPED[key].columns.items()}
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == declared
    assert frame.attrs["query"] == key


@pytest.mark.stack
@pytest.mark.parametrize("key", [key for key in SHIPPED if "symbols" in SHIPPED[key].params])
def test_every_query_takes_all_its_parameters_at_once(own: Settings, key: str) -> None:
    everything = {
        "symbols": "BTCUSDT,ETHUSDT",
        "exchange": ["binance_usdm", "bybit"],
        "assets": "BTC",
        "asset": "BTC",
        "min_notional": "60",
        "bucket": "5m",
        "limit": "3",
        "min_prints": "2",
        "gap": "1m",
        "by": "symbol",
        "bps": "5",
        "from_ts": "2026-01-01",
        "to_ts": END,
        "width": "60",
    }
    given = {name: value for name, value in everything.items() if name in SHIPPED[key].params}
    assert 1 <= len(hit(key, own, **given)) <= 3


@pytest.mark.stack
def test_latest_timestamp(own: Settings, stack: Settings) -> None:
    frame = hit("latest_timestamp", own)
    assert frame["ts"].item() == datetime(2026, 1, 1, 1, tzinfo=UTC)
    oldest = datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert frame["first_ts"].item() == oldest
    assert frame["rows"].item() == len(ROWS)
    empty = hit("latest_timestamp", own_table(stack))
    assert empty[["ts", "first_ts"]].isna().all(axis=None)
    assert empty["rows"].item() == 0


@pytest.mark.stack
def test_liquidations_by_bucket_are_zero_filled_from_the_windows_start(own: Settings) -> None:
    frame = hit("liquidations_by_bucket", own)
    assert frame["ts"].tolist() == list(pd.date_range("2026-01-01", periods=60, freq="min", tz=UTC))
    shown = frame[frame["long_count"] + frame["short_count"] > 0].set_index("ts")
    assert {f"{ts:%H:%M}": tuple(row) for ts, *row in shown.itertuples()} == {
        "00:10": (1000.0, 400.0, 1, 1, 1, 2),
        "00:12": (250.0, 50.0, 1, 1, 0, 0),
        "00:59": (5000.0, 0.0, 1, 0, 1, 1),
    }
    assert frame.attrs["units"]["long_usd"] == "USD"


@pytest.mark.stack
def test_a_window_that_starts_within_a_bucket_takes_a_part_of_it(own: Settings) -> None:
    frame = hit("liquidations_by_bucket", own, window="30m", until="2026-01-01T00:40:30")
    assert moments(frame)[0] == "00:10:00.000000"
    assert frame.iloc[0][["long_usd", "short_usd"]].tolist() == [0, 400]


@pytest.mark.stack
@pytest.mark.parametrize("bucket", ["1m", "1h", "1d"])
@pytest.mark.parametrize(
    "key",
    [
        key
        for key, query in SHIPPED.items()
        if "bucket" in query.params and "prints" in query.columns
    ],
)
def test_buckets_add_up_to_totals(own: Settings, key: str, bucket: str) -> None:
    window = {"window": "30m", "until": "2026-01-01T00:40:30"}
    totals = hit("totals", own, **window).iloc[0]
    frame = hit(key, own, bucket=bucket, **window)
    for name in ("long_usd", "short_usd", "prints", "not_live", "partial"):
        assert frame[name].sum() == totals[name]
    assert totals["prints"] == 3


@pytest.mark.stack
@pytest.mark.parametrize(
    "bucket", [str(b) for b in SHIPPED["cumulative_net"].params["bucket"].choices]
)
def test_buckets_of_any_width_add_up_to_the_same(own: Settings, bucket: str) -> None:
    window = {"window": "1d", "until": END, "bucket": bucket, "limit": 100_000}
    bars = hit("liquidations_by_bucket", own, **window)
    assert bars["long_usd"].sum() == 6250 + 9
    assert bars["short_usd"].sum() == 450
    assert hit("cumulative_net", own, **window)["cumulative_usd"].iloc[-1] == 6259 - 450


@pytest.mark.stack
def test_cumulative_net_runs_from_the_windows_start_also_when_cut(own: Settings) -> None:
    frame = hit("cumulative_net", own)
    assert frame["cumulative_usd"].iloc[[9, 10, 11, 12, 58, 59]].tolist() == [
        0, 600, 600, 800, 800, 5800,
    ]  # fmt: skip
    assert frame["cumulative_usd"].tolist() == frame["net_usd"].cumsum().tolist()
    newest = hit("cumulative_net", own, limit=2)
    assert newest["cumulative_usd"].tolist() == [800, 5800]
    assert newest.attrs["notes"] == ["limit=2 is reached: older rows may be left out"]


@pytest.mark.stack
def test_a_query_that_takes_too_long_says_how_many_buckets_it_makes(own: Settings) -> None:
    hurried = own.model_copy(update={"query_timeout": 0.5})
    window = {"window": "3660d", "until": END, "bucket": "1s"}
    with pytest.raises(
        (QuestDBTimeoutError, QuestDBMemoryError),
        match=r"has 316,224,000 buckets of 1s: choose a longer bucket; .* ask for a shorter window",
    ):
        hit("cumulative_net", hurried, **window)


@pytest.mark.parametrize(("kind", "is_time"), [("interval", True), ("string", False)])
def test_only_a_bucket_of_time_is_counted(kind: Any, *, is_time: bool) -> None:
    query = Query("own", "SELECT 1", "Mine.", {"bucket": Parameter(type=kind)}, {})
    values = {"window": timedelta(days=3660), "bucket": "1s"}
    assert bool(queries._describe_buckets(query, values)) == is_time


@pytest.mark.stack
def test_totals(own: Settings) -> None:
    row = hit("totals", own).iloc[0].to_dict()
    assert row == {
        "long_usd": 6250, "short_usd": 450, "net_usd": 5800, "long_count": 3, "short_count": 2,
        "prints": 5, "largest_usd": 5000, "not_live": 2, "partial": 3,
    }  # fmt: skip
    nothing = hit("totals", own, symbols=["NONE"]).iloc[0].to_dict()
    assert set(nothing.values()) == {0}


@pytest.mark.stack
def test_rankings(own: Settings) -> None:
    symbols = hit("top_symbols", own)
    assert symbols["symbol"].tolist() == ["BTC-USDT-SWAP", "BTCUSDT", "ETHUSDT"]
    assert symbols["total_usd"].tolist() == [5000, 1450, 250]
    assert symbols.iloc[1].to_dict() == {
        "symbol": "BTCUSDT", "asset": "BTC", "long_usd": 1000, "short_usd": 450,
        "total_usd": 1450, "prints": 3, "largest_usd": 1000, "not_live": 1, "partial": 2,
    }  # fmt: skip
    assert hit("top_symbols", own, limit=1)["symbol"].tolist() == ["BTC-USDT-SWAP"]
    venues = hit("by_exchange", own)
    assert venues["exchange"].tolist() == ["okx", "binance_usdm", "bybit"]
    assert venues["completeness"].tolist() == ["sampled", "throttled", "full"]
    assert venues["total_usd"].tolist() == [5000, 1400, 300]


@pytest.mark.stack
def test_prints(own: Settings) -> None:
    assert hit("largest_prints", own, limit=3)["notional"].tolist() == [5000, 1000, 400]
    tape = hit("latest_prints", own)
    assert tape["notional"].tolist() == [5000, 50, 250, 400, 1000]
    assert moments(tape)[-1] == "00:10:05.000001"  # to the microsecond
    assert tape["event_id"].is_unique
    assert tape.drop(columns="event_id").iloc[1].to_dict() == {
        "ts": pd.Timestamp("2026-01-01T00:12:30Z"), "exchange": "bybit", "symbol": "BTCUSDT",
        "side": "short", "price": 100.0, "quantity": 0.5, "notional": 50.0,
        "completeness": "full", "source": "cryptofeed",
    }  # fmt: skip


@pytest.mark.stack
def test_sources(own: Settings) -> None:
    frame = hit("sources", own)
    shown = set(frame[["exchange", "source", "completeness", "prints"]].itertuples(index=False))
    assert {tuple(row) for row in shown} == {
        ("binance_usdm", "simulator", "throttled", 1),
        ("binance_usdm", "live", "throttled", 1),
        ("bybit", "live", "full", 1),
        ("bybit", "cryptofeed", "full", 1),
        ("okx", "replay", "sampled", 1),
    }
    assert moments(frame, "first_ts") == moments(frame, "last_ts")


@pytest.mark.stack
def test_filters_choose_rows(own: Settings) -> None:
    def sizes(**params: Any) -> list[float]:
        return sorted(hit("largest_prints", own, **params)["notional"].tolist())

    assert sizes(symbols=["ETHUSDT"]) == [250]
    assert sizes(symbols=["ETHUSDT", "BTC-USDT-SWAP"]) == [250, 5000]
    assert sizes(exchange="bybit") == [50, 250]
    assert sizes(assets=["ETH"]) == []
    assert len(sizes(assets=["ETH", "BTC"])) == 5
    assert sizes(min_notional=400) == [400, 1000, 5000]
    assert sizes(min_notional=0) == [50, 250, 400, 1000, 5000]
    assert sizes(max_notional=400) == [50, 250]
    assert sizes(min_notional=250, max_notional=1000) == [250, 400]
    with pytest.raises(QueryError, match=r"max_notional=0 is below the least, 0\.01"):
        sizes(max_notional=0)
    assert sizes(window=timedelta(minutes=1)) == [5000]
    assert sizes(until=datetime(2026, 1, 1, 0, 11, tzinfo=UTC)) == [9, 400, 1000]


@pytest.mark.stack
def test_without_an_end_rows_less_than_a_minute_ahead_count(stack: Settings) -> None:
    settings, now = own_table(stack), datetime.now(UTC)
    ages = (-90, -30, 30, 120)
    insert(settings, [liquidation(now - timedelta(seconds=age), 100 + age) for age in ages])
    tape = liq.hit("latest_prints", settings=settings, window="1m")
    assert tape["notional"].tolist() == [70, 130]
    bars = liq.hit("liquidations_by_bucket", settings=settings, window="1m", bucket="1s")
    assert bars["long_usd"].sum() == 200


NOW = datetime.now(UTC)  # tables of prices and health drop rows that are days old


class Clock(datetime):
    """A clock that does not advance."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:  # noqa: ARG003 - datetime's own name
        return cls.fromtimestamp(NOW.timestamp(), UTC)


@pytest.fixture(scope="module")
def future(stack: Settings) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """What each query without an end gives before, and after rows far in the future came."""
    settings = own_table(stack)
    given = {"min_prints": 2, "gap": "1h", "min_notional": 0}

    def answers() -> dict[str, pd.DataFrame]:
        return {
            key: liq.hit(
                key, settings=settings, **{n: given[n] for n in given.keys() & query.params}
            )
            for key, query in SHIPPED.items()
            if "until" in query.params
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queries, "datetime", Clock)
        for age in (20, 40, 130):
            insert_one_of_each(settings, NOW - timedelta(seconds=age))
        before = answers()
        for ts in (NOW + timedelta(days=1), datetime(2099, 1, 1, tzinfo=UTC)):
            insert_one_of_each(settings, ts)
        return {key: (before[key], frame) for key, frame in answers().items()}


@pytest.mark.stack
@pytest.mark.parametrize("key", [key for key in SHIPPED if "until" in SHIPPED[key].params])
def test_rows_far_in_the_future_change_nothing(
    future: dict[str, tuple[pd.DataFrame, pd.DataFrame]], key: str
) -> None:
    before, after = future[key]
    assert (len(before) > 0) == (key not in ("left_out", "odd_rows"))
    pd.testing.assert_frame_equal(before, after)


@pytest.mark.stack
@pytest.mark.parametrize(
    "attack", ["' OR 1=1 --", "x'); DROP TABLE {table}; --", "{table}", "%(x)s"]
)
def test_injections_are_values_like_any_other(own: Settings, attack: str) -> None:
    for name in ("symbols", "exchange"):
        assert hit("largest_prints", own, **{name: [attack]}).empty
    for name in ("window", "until", "min_notional", "max_notional", "limit"):
        with pytest.raises(QueryError, match=name):
            hit("largest_prints", own, **{name: attack})
    with pytest.raises(QueryError, match="bucket"):
        hit("cumulative_net", own, bucket=attack)
    assert ask("SELECT count() AS n FROM {table}", own)["n"].item() == len(ROWS)


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("totals", {"min_notional": 5, "max_notional": 5}),
        ("price_path", {"max_notional": 50_000}),  # its minimum is 100,000 by default
    ],
)
def test_bounds_without_sizes_between_are_an_error(key: str, given: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="no print has at least min_notional="):
        liq.hit(key, **given)


def test_unknown_names_are_answered_with_the_valid_ones() -> None:
    with pytest.raises(QueryError, match=r"'top_symbls', did you mean 'top_symbols'\?") as raised:
        liq.hit("top_symbls")
    assert all(key in str(raised.value) for key in SHIPPED)
    with pytest.raises(QueryError, match=r"totals has no parameter 'windw', did you mean 'window'"):
        liq.hit("totals", windw="1h")
    with pytest.raises(QueryError, match=r"latest_timestamp has no parameter .*until"):
        liq.hit("latest_timestamp", window="1h")
    with pytest.raises(QueryError, match=r"bucket='7s' is not a choice, did you mean '5s'"):
        liq.hit("cumulative_net", bucket="7s")


def test_optional_clauses_stay_only_with_their_values() -> None:
    query = Query(
        key="q",
        sql="SELECT {bucket} FROM {table} WHERE a > %(a)s [[ AND b IN (%(b)s) ]] [[AND c = %(c)s]]",
        description="",
        params={},
        columns={},
    )
    values = {"bucket": "1m", "a": 1, "b": ["x", "y"], "c": None}
    sql, bound = queries.substitute(query, values, {"table": "t"})
    assert sql == "SELECT 1m FROM t WHERE a > %(a)s  AND b IN (%(b_0)s, %(b_1)s)  "
    assert bound == {"a": 1, "b_0": "x", "b_1": "y"}


MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "span"),
    [
        ({"since": "2026-01-01", "until": "2026-01-01T02:30"}, timedelta(hours=2.5)),
        ({"since": "2026-01-01", "until": "2026-01-02", "window": "4h"}, timedelta(days=1)),
        ({"window": "4h", "until": MOMENT + timedelta(hours=4)}, timedelta(hours=4)),
        ({"since": None, "window": "4h", "until": MOMENT + timedelta(hours=4)}, timedelta(hours=4)),
    ],
)
def test_since_begins_the_window_in_place_of_its_length(
    given: dict[str, Any], span: timedelta
) -> None:
    values = queries.resolve(SHIPPED["totals"], given)
    assert (values["since"], values["end"]) == (MOMENT, MOMENT + span)
    assert values["window"] == span


def test_since_without_until_ends_now() -> None:
    since = datetime.now(UTC) - timedelta(hours=3)
    values = queries.resolve(SHIPPED["totals"], {"since": since})
    assert values["since"] == since
    assert timedelta(hours=3) <= values["window"] < timedelta(hours=4)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"since": "2026-01-02", "until": "2026-01-01"}, "is not before the end, 2026-01-01"),
        ({"since": "2026-01-01", "until": "2026-01-01"}, "is not before the end"),
        ({"since": "2500-01-01"}, "is not before the end"),
        ({"since": "2026-01-01", "window": "2h"}, "give since or window"),
        ({"since": "1900-01-01"}, "is no window; it has from 1s to 3660d"),
        ({"since": "yesterday"}, "give ISO 8601"),
    ],
)
def test_a_wrong_since_is_an_error(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        queries.resolve(SHIPPED["totals"], given)


@pytest.mark.parametrize("key", SHIPPED)
def test_each_query_with_a_window_takes_its_start(key: str) -> None:
    assert ("window" in SHIPPED[key].params) == ("since" in SHIPPED[key].params)


@pytest.mark.stack
def test_since_counts_the_rows_of_the_same_window(own: Settings) -> None:
    expected = queries.fetch("by_exchange", own, **HOUR)
    since = datetime.fromisoformat(END).replace(tzinfo=UTC) - timedelta(hours=1)
    frame = queries.fetch("by_exchange", own, since=since, until=END)
    pd.testing.assert_frame_equal(frame, expected)


def test_plain_text_is_sent_as_it_is() -> None:
    query = Query("q", "SELECT * FROM t WHERE s LIKE '%USDT'", "", {}, {})
    assert queries.substitute(query, {}, {"table": "t"}) == (query.sql, None)


def test_durations_are_bound_as_microseconds() -> None:
    query = Query("q", "SELECT %(gap)s", "", {"gap": Parameter(type="duration")}, {})
    assert queries.substitute(query, {"gap": timedelta(seconds=2)}, {"table": "t"})[1] == {
        "gap": 2_000_000
    }


def test_edits_are_picked_up_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    settings = Settings.load(home=tmp_path, queries=file)
    with pytest.raises(QueryError, match=r"cannot read .*mine\.json.*LIQ_QUERIES"):
        queries.queries(settings)
    for names in (["one"], ["one", "two"]):
        file.write_text(json.dumps(dict.fromkeys(names, "SELECT 1")))
        os.utime(file, ns=(0, len(names)))  # a coarse clock must not hide the change
        assert list(queries.queries(settings)) == [*SHIPPED, *names]


def test_a_folder_of_queries_adds_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "queries"
    folder.mkdir()
    settings = Settings.load(home=tmp_path, queries=folder)
    with pytest.warns(LiqWarning, match=r"/queries: this folder has no file NAME\.json; `liq"):
        assert list(queries.queries(settings)) == list(SHIPPED)
    (folder / "b.json").write_text('{"one": "SELECT 2", "totals": "SELECT 3"}')
    (folder / "a.json").write_text('{"one": "SELECT 1", "two": "SELECT 2"}')
    (folder / "queries.schema.json").write_text("{}")
    (folder / ".a.json.swp").write_text("a draft")
    (folder / ".#a.json").symlink_to("user@host.1")  # an editor's lock
    (folder / "notes.txt").write_text("text")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "more.json").mkdir()
    (folder / "OLD.JSON").write_text('{"three": "SELECT 3"}')
    found = queries.queries(settings)
    assert set(found) == {*SHIPPED, "one", "two", "three"}
    assert [found[key].sql for key in ("one", "two", "totals")] == [f"SELECT {n}" for n in "223"]
    (folder / "b.json").unlink()
    assert queries.find("totals", settings).sql == SHIPPED["totals"].sql
    (folder / "c.json").write_text('{"totals": "SELECT 4",')
    (folder / "d.json").write_text('{"wrong": 5}')
    text = r"queries can be used \(1 of 2 faults\): cannot read .*queries/c\.json:1:23: .*check` li"
    with pytest.warns(LiqWarning, match=text):
        assert set(queries.queries(settings)) == {*SHIPPED, "one", "two", "three"} - {"totals"}
    for key in ("totals", "unknown"):
        with pytest.raises(QueryError, match=r"cannot read .*queries/c\.json:1:23: the file ends"):
            queries.find(key, settings)
    (folder / "c.json").unlink()
    (folder / "d.json").unlink()
    for target in ("c.json", "gone"):  # to itself, and to nowhere
        (folder / "c.json").symlink_to(folder / target)
        with pytest.raises(QueryError, match=r"cannot read .*queries/c\.json: .*LIQ_QUERIES"):
            queries.queries(settings)
        (folder / "c.json").unlink()


def test_a_broken_entry_is_reported_when_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"good": "SELECT 1", "bad": "SELECT %(x)s"}))
    settings = Settings.load(home=tmp_path, queries=file)
    assert queries.find("good", settings).sql == "SELECT 1"
    for _ in range(2):
        with pytest.raises(QueryError, match=r"mine\.json:1:22: entry 'bad': its sql binds x"):
            liq.hit("bad", settings=settings)


@pytest.mark.stack
def test_a_plain_entry_runs(own: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"usdt": "SELECT symbol FROM {table} WHERE symbol LIKE '%USDT'"}))
    frame = liq.hit("usdt", settings=own.model_copy(update={"queries": file}))
    assert set(frame["symbol"]) == {"BTCUSDT", "ETHUSDT"}


@pytest.mark.stack
def test_waiting_for_rows_is_bounded(own: Settings) -> None:
    queries.wait_for_rows(None, settings=own, symbols=["NONE"])
    queries.wait_for_rows(0.1, settings=own, **HOUR)
    with pytest.raises(QueryError, match=r"no liquidations within 0\.1 s; start a producer"):
        queries.wait_for_rows(0.1, settings=own, symbols=["NONE"], **HOUR)


def test_listing_names_every_query_with_parameters_and_columns() -> None:
    listing = queries.list_queries().set_index("key")
    assert list(listing.index) == list(SHIPPED)
    assert str(listing.loc["top_symbols", "parameters"]).startswith("window, since, until, symbols")
    assert listing.loc["latest_timestamp", "columns"] == "ts, first_ts, rows"
