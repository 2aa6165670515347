"""Files of results, from a real QuestDB."""

import io
import json
import re
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

import liq
from liq.config import Settings
from liq.errors import ExportError, LiqWarning
from liq.notebook import reports
from liq.query import queries, views
from liq.query.coverage import UNKNOWN
from liq.query.exports import Stamp, hash_rows, list_stamped_notes, read_stamp, write_export
from liq.query.formats import Format, encode
from liq.records.streams import LIQUIDATIONS
from support.helpers import find_free_ports
from support.proxy import Statements
from support.rows import health, insert, liquidation, own_table, refresh_views, report

UNTIL = "2026-01-01T01:00:00"
MOMENTS: list[Any] = ["2026-01-01T00:00:00.000001Z", None]
OTHERS: list[Any] = ["2026-01-01T00:00:00.000002Z", None]
FRAME = pd.DataFrame(
    {
        "ts": pd.to_datetime(MOMENTS).astype("datetime64[us, UTC]"),
        "symbol": ["BTCUSDT", None],
        "count": pd.array([1, None], dtype="Int64"),
        "usd": [0.1 + 0.2, float("nan")],
        "on": [True, False],
    }
)


@pytest.fixture(scope="module")
def own(stack: Settings) -> Settings:
    settings = own_table(stack)
    insert(settings, [liquidation(f"2026-01-01T00:10:{n:02}.000001", n + 0.1) for n in range(60)])
    return settings


@pytest.mark.stack
def test_parquet_has_the_rows_of_hit_and_carries_the_stamp(own: Settings, tmp_path: Path) -> None:
    path = tmp_path / "prints.parquet"
    given: dict[str, Any] = {"until": UNTIL, "window": "1h", "symbols": "BTCUSDT"}
    stamp = liq.export("prints", path, settings=own, **given)
    frame = liq.hit("prints", settings=own, **given)
    assert_frame_equal(pd.read_parquet(path), frame, check_exact=True)
    assert read_stamp(path) == stamp
    assert stamp.query == "prints"
    assert f"FROM {LIQUIDATIONS.table(own)}\n" in stamp.sql
    assert "symbol IN (%(symbols_0)s)" in stamp.sql
    assert stamp.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert stamp.until == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert (stamp.rows, stamp.row_hash) == (60, hash_rows(frame))
    assert stamp.version
    again = liq.hit("prints", settings=own, **stamp.params)
    assert hash_rows(again) == stamp.row_hash


@pytest.mark.stack
def test_the_stamp_has_the_text_that_ran(stack: Settings, tmp_path: Path) -> None:
    settings = own_table(stack)
    views.ensure(settings)
    insert(settings, [liquidation(f"2026-01-0{day}T00:10:00", 5) for day in range(1, 5)])
    refresh_views(settings)
    with Statements(settings.questdb_pg_port) as wire:
        tapped = settings.model_copy(update={"questdb_pg_port": wire.port})
        stamp = liq.export(
            "totals", tmp_path / "totals.csv", settings=tapped, window="3d", until="2026-01-04"
        )
    assert f"FROM {LIQUIDATIONS.table(settings)}_1m" in stamp.sql
    # the last statement: what is asked after it may get another answer, and so another text
    assert re.sub(r"\$\d+", "?", wire.texts[-1]) == re.sub(r"%\(\w+\)s", "?", stamp.sql)


@pytest.mark.stack
def test_csv_is_exact(own: Settings, tmp_path: Path) -> None:
    path = tmp_path / "prints.CSV"
    stamp = liq.export("prints", path, settings=own, until=UNTIL)
    frame = pd.read_csv(io.StringIO(path.read_text()))
    assert frame["ts"].iloc[-1] == "2026-01-01T00:10:59.000001Z"
    assert frame["notional"].tolist() == [n + 0.1 for n in range(60)]
    assert stamp.rows == 60
    assert [file.name for file in tmp_path.iterdir()] == ["prints.CSV"]


@pytest.mark.stack
def test_a_window_without_an_end_ends_now_and_stays_so(own: Settings, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    stamp = liq.export("totals", tmp_path / "totals.csv", settings=own, window="15m")
    assert stamp.until
    assert stamp.since
    assert before <= stamp.until <= datetime.now(UTC)
    assert stamp.until - stamp.since == timedelta(minutes=15)
    assert stamp.params["until"] == stamp.until.isoformat()


@pytest.mark.stack
def test_gaps_of_the_window_are_stamped(stack: Settings, tmp_path: Path) -> None:
    settings = own_table(stack)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    report(
        settings, [health(start + timedelta(seconds=n)) for n in (*range(100), *range(400, 600))]
    )
    stamp = liq.export(
        "totals", tmp_path / "a.parquet", settings=settings, until=start + timedelta(seconds=600),
        window="10m",
    )  # fmt: skip
    assert stamp.coverage
    [gap] = stamp.coverage
    assert (gap.exchange, gap.missing_s) == ("bybit", 301)
    assert gap.from_ts == start + timedelta(seconds=99)
    of_another = liq.export(
        "totals", tmp_path / "d.csv", settings=settings, until=start + timedelta(seconds=600),
        window="10m", exchange=["okx"],
    )  # fmt: skip
    assert not of_another.coverage
    before = liq.export("totals", tmp_path / "c.csv", settings=settings, until=start, window="1m")
    assert before.coverage is None  # nobody listened: that is no complete coverage
    assert liq.export("latest_timestamp", tmp_path / "b.csv", settings=settings).coverage is None


@pytest.mark.stack
def test_the_future_of_a_window_is_no_gap(stack: Settings, tmp_path: Path) -> None:
    settings, now = own_table(stack), datetime.now(UTC)
    report(settings, [health(now + timedelta(seconds=second)) for second in range(-60, 120)])
    with pytest.warns(LiqWarning, match="exchange 'bybitt'"):
        stamp = liq.export("totals", tmp_path / "a.csv", settings=settings, exchange="bybitt")
    assert stamp.coverage is None  # an empty list would say that nothing is missing
    assert len(list_stamped_notes(stamp, pd.DataFrame(), settings)) == 1
    for start in (now - timedelta(minutes=1), now + timedelta(hours=1)):
        with warnings.catch_warnings(action="ignore", category=LiqWarning):
            stamp = liq.export(
                "totals", tmp_path / "a.csv", settings=settings, since=start,
                until=now + timedelta(hours=2),
            )  # fmt: skip
        assert not stamp.coverage
        if start < now:
            assert stamp.until
            assert stamp.known_until
            assert now <= stamp.known_until < stamp.until
        else:
            assert stamp.known_until is None
            [note] = list_stamped_notes(stamp, pd.DataFrame(), settings)
            assert "in the future" in note


@pytest.mark.stack
def test_gaps_are_stamped_for_the_exchange_that_a_query_of_ones_own_takes_as_text(
    stack: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "mine.json"
    sql = "SELECT 1 AS prints FROM {table} WHERE ts >= %(since)s AND ts < %(until)s"
    sql += " AND exchange = %(exchange)s"
    exchange = {"type": "string", "default": "okx"}
    mine = {"sql": sql, "description": "x", "common": ["window", "until"]}
    file.write_text(json.dumps({"mine": mine | {"params": {"exchange": exchange}}}))
    settings = own_table(stack).model_copy(update={"queries": file})
    start = datetime(2026, 1, 1, tzinfo=UTC)
    reported = (*range(100), *range(400, 600))
    report(settings, [health(start + timedelta(seconds=second)) for second in reported])
    for name, gaps in {"bybit": 1, "okx": 0}.items():
        stamp = liq.export(
            "mine", tmp_path / "a.csv", settings=settings, until=start + timedelta(seconds=600),
            window="10m", exchange=name,
        )  # fmt: skip
        assert len(stamp.coverage or ()) == gaps, name


def test_a_spreadsheet_is_a_csv_file(tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match=r"spreadsheet is for \.csv files, and a\.parquet is none"
    ):
        liq.export("totals", tmp_path / "a.parquet", spreadsheet=True)


@pytest.mark.stack
def test_a_file_that_cannot_be_written_is_reported(own: Settings, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"end its name with \.csv or \.parquet"):
        liq.export("totals", tmp_path / "totals.xlsx", settings=own)
    with pytest.raises(ExportError, match=r"cannot write .*: there is no folder .*no$"):
        liq.export("totals", tmp_path / "no" / "totals.csv", settings=own)
    with pytest.raises(ExportError, match=r"cannot write .*: File name too long"):
        liq.export("totals", tmp_path / (300 * "x") / "totals.csv", settings=own)


def test_an_export_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "totals.csv").mkdir()
    with pytest.raises(ExportError, match="cannot write"):
        write_export(tmp_path / "totals.csv", b"ts")
    assert [file.name for file in tmp_path.iterdir()] == ["totals.csv"]


def test_a_file_without_a_stamp_is_reported(tmp_path: Path) -> None:
    pd.DataFrame({"n": [1]}).to_parquet(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text(json.dumps("x"))
    for name in ("other.parquet", "text.parquet", "none.parquet"):
        with pytest.raises(ExportError, match="carries no stamp"):
            read_stamp(tmp_path / name)


def test_the_hash_is_as_documented() -> None:
    # made by hand of the definition, e.g. with sha256sum
    #   ["ts","symbol","count","usd","on"]
    #   ["","","","","False"]
    #   ["2026-01-01T00:00:00.000001Z","BTCUSDT","1","0.3","True"]
    assert hash_rows(FRAME) == "4232961b2389fa81006355ea2a017b22a4351d917804b59d67243d0dc805c24a"


def test_the_order_of_rows_and_the_last_bits_of_sums_do_not_count() -> None:
    other = FRAME[::-1].assign(usd=[float("nan"), 0.3])
    assert FRAME["usd"][0] != 0.3
    assert hash_rows(other) == hash_rows(FRAME)


@pytest.mark.parametrize(
    "change",
    [
        {"usd": [0.3000001, float("nan")]},
        {"usd": [0.3, 0.0]},
        {"symbol": ["BTCUSDT", "ETHUSDT"]},
        {"count": [1, 0]},
        {"on": [True, True]},
        {"ts": pd.to_datetime(OTHERS)},
    ],
)
def test_every_value_counts(change: dict[str, list[object]]) -> None:
    assert hash_rows(FRAME.assign(**change)) != hash_rows(FRAME)  # type: ignore[arg-type] # any column


def test_names_and_doubled_rows_count() -> None:
    hashes = {hash_rows(each) for each in (FRAME, FRAME.rename(columns={"usd": "eur"}),
                                          pd.concat([FRAME, FRAME]), FRAME.head(0))}  # fmt: skip
    assert len(hashes) == 4


@pytest.mark.stack
@pytest.mark.parametrize("key", queries.queries())
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_exported_file_reads_back_with_types_and_units(
    own: Settings, tmp_path: Path, key: str, suffix: str
) -> None:
    window = {"window": "7d", "until": UNTIL} if "window" in queries.queries()[key].params else {}
    rows = queries.fetch(key, own, **window)
    file = tmp_path / f"rows.{suffix}"
    write_export(file, encode(rows, Format(suffix)))
    back = liq.read(file, key, settings=own)
    assert_frame_equal(back, rows, check_exact=True)
    assert back.attrs["units"] == rows.attrs["units"]
    assert back.attrs["query"] == key
    if suffix == "csv":  # without its key, too
        assert_frame_equal(liq.read(file, settings=own), rows, check_exact=True)


@pytest.mark.stack
def test_a_parquet_file_has_the_notes_of_its_query_and_is_read_once(
    stack: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read_bytes(path), path.unlink())[0])
    settings, file = own_table(stack), tmp_path / "totals.parquet"
    span: dict[str, Any] = {"window": "1h", "until": UNTIL, "settings": settings}
    insert(settings, [liquidation("2026-01-01T00:10:00", 1.0)])
    for known in ("coverage is unknown", "disconnected for a part of the window: bybit 100 %"):
        liq.export("totals", file, **span)
        [note] = liq.read(file, settings=settings).attrs["notes"]
        assert note.startswith(known)
        report(settings, [health("2026-01-01T00:20:00"), health("2026-01-01T00:40:00")])


def test_a_stamp_from_before_its_known_end_says_that_coverage_is_unknown() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    stamp = Stamp(
        query="totals", sql="", params={}, since=start, until=start + timedelta(hours=1),
        coverage=None, rows=0, row_hash="", version="0.1.0",
    )  # fmt: skip
    assert list_stamped_notes(stamp, pd.DataFrame()) == [UNKNOWN]


def describe_frame(facts: object) -> bytes:
    """Return a file of Arrow with these facts for pandas, as another program may write them."""
    table = pa.table({"a": [1]}).replace_schema_metadata({"pandas": json.dumps(facts)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("none.csv", None, r"none\.csv: No such file or directory$"),
        ("rows.xlsx", b"", "its name ends with none of .csv, .parquet, .arrow"),
        ("rows.parquet", b"no parquet", "cannot read"),
        ("rows.arrow", b"no arrow", "cannot read"),
        ("rows.csv", b"", "cannot read"),
        ("rows.csv", b"exchange,prints\nokx,many\n", "cannot read"),
        ("rows.csv", b"\xff\xfe", "cannot read"),
        ("rows.csv", b"exchange,prints\nokx,1.5\n", "cannot read"),
        ("rows.csv", b"exchange,prints\nokx,18446744073709551615\n", "cannot read"),
        ("rows.csv", b"exchange,prints\nokx,99999999999999999999\n", "cannot read"),
        ("rows.csv", b"exchange,prints\nokx,inf\n", "cannot read"),
        ("rows.csv", b"exchange,prints\nokx,1,2\n", "more values than names"),
        ("rows.csv", b"ts\nsoon\n", "ISO8601"),
        ("rows.csv", b'"' + b"a" * 200_000 + b'"\n1\n', "field limit"),
        ("rows.arrow", describe_frame({}), "columns"),
        ("rows.arrow", describe_frame([]), "list indices"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(
    tmp_path: Path, name: str, data: bytes | None, reason: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ExportError, match=reason) as raised:
        liq.read(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_a_csv_of_an_unknown_query_reads_back_by_the_names_of_columns(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("ts,exchange,long_usd,mine\n2026-01-01T00:00:00.000001Z,NA,1,x\n")
    frame = liq.read(file)
    assert [str(dtype) for dtype in frame.dtypes] == [
        "datetime64[us, UTC]", "str", "float64", "str",
    ]  # fmt: skip
    assert frame["exchange"].tolist() == ["NA"]
    assert frame.attrs == {"units": {"long_usd": "USD"}}


SAMPLES: dict[str, list[Any]] = {
    "datetime64[us, UTC]": ["2026-01-01T00:00:00.000001Z", None, "1969-12-31T23:59:59.999999Z"],
    "int64": [2**62 + 1, -1, 0],
    "float64": [0.1 + 0.2, None, -1e-300],
    "str": ["1000PEPE", None, 'NA, "x"\n'],
    "bool": [True, False, True],
}


@pytest.mark.parametrize("key", queries.queries())
@pytest.mark.parametrize("rows", [3, 0])
def test_every_column_of_a_query_reads_back_from_csv(tmp_path: Path, key: str, rows: int) -> None:
    columns = queries.queries()[key].columns
    frame = pd.DataFrame(
        {
            name: pd.to_datetime(pd.Series(SAMPLES[column.dtype]), format="ISO8601")
            if column.dtype.startswith("datetime")
            else SAMPLES[column.dtype]
            for name, column in columns.items()
        }
    ).astype({name: column.dtype for name, column in columns.items()})
    frame = frame.head(rows)
    file = tmp_path / "rows.csv"
    file.write_bytes(encode(frame, Format.CSV))
    back = liq.read(file)
    assert_frame_equal(back, frame, check_exact=True)
    assert back.attrs["units"] == queries.queries()[key].units


def test_missing_integers_read_back(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("exchange,prints\nokx,9007199254740993\nbybit,\n")
    assert liq.read(file)["prints"].tolist() == [9007199254740993, pd.NA]
    assert str(liq.read(file)["prints"].dtype) == "Int64"


def test_a_missing_folder_is_reported_before_any_query(tmp_path: Path) -> None:
    away = Settings.load(home=tmp_path / "home", **find_free_ports())
    with pytest.raises(ExportError, match="there is no folder"):
        liq.export("totals", tmp_path / "no" / "totals.csv", settings=away)
    with pytest.raises(ExportError, match="there is no folder"):
        reports.write(tmp_path / "no" / "report.html", settings=away)
