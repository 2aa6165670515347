import io
import json
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from liq.query.formats import Format, decode_arrow, decode_csv, encode, encode_lines


@pytest.fixture
def frame() -> pd.DataFrame:
    moments: list[Any] = ["2026-01-01T00:10:05.000001Z", "2026-01-01T00:00:00Z", None]
    frame = pd.DataFrame(
        {
            "ts": pd.Series(pd.to_datetime(moments, format="ISO8601")).astype(
                "datetime64[us, UTC]"
            ),
            "symbol": pd.Series(["BTCUSDT", 'a"b,ü\n', None], dtype="str"),
            "event_id": pd.Series([2**62 + 1, -1, 0], dtype="int64"),
            "price": pd.Series([0.1, 1e300, None], dtype="float64"),
            "count": pd.Series([1, None, 3], dtype="Int64"),
            "live": pd.Series([True, False, True], dtype="bool"),
        }
    )
    frame.attrs = {"query": "q", "units": {"price": "USD"}}
    return frame


def test_json_keeps_every_microsecond_digit_and_number(frame: pd.DataFrame) -> None:
    assert json.loads(encode(frame, Format.JSON)) == [
        {"ts": "2026-01-01T00:10:05.000001Z", "symbol": "BTCUSDT", "event_id": 2**62 + 1,
         "price": 0.1, "count": 1, "live": True},
        {"ts": "2026-01-01T00:00:00.000000Z", "symbol": 'a"b,ü\n', "event_id": -1,
         "price": 1e300, "count": None, "live": False},
        {"ts": None, "symbol": None, "event_id": 0, "price": None, "count": 3, "live": True},
    ]  # fmt: skip


def test_lines_of_json_are_the_same_rows(frame: pd.DataFrame) -> None:
    """pandas rounds to 15 places, which is little for the price of a small coin."""
    lines = encode_lines(frame.assign(price=[1 / 3, 0.1 + 0.2, 1.2345678901234567e-05]))
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["price"] for row in rows] == [1 / 3, 0.1 + 0.2, 1.2345678901234567e-05]
    whole = [json.loads(line) for line in encode_lines(frame).splitlines()]
    assert whole == json.loads(encode(frame, Format.JSON))


def test_csv_reads_back(frame: pd.DataFrame) -> None:
    back = pd.read_csv(io.BytesIO(encode(frame, Format.CSV)), dtype={"count": "Int64"})
    assert back["ts"].tolist()[:2] == ["2026-01-01T00:10:05.000001Z", "2026-01-01T00:00:00.000000Z"]
    back["ts"] = pd.to_datetime(back["ts"], format="ISO8601").astype("datetime64[us, UTC]")
    assert_frame_equal(back, frame, check_exact=True)


@pytest.mark.parametrize("rows", [3, 0])
def test_arrow_and_parquet_keep_dtypes_and_units(frame: pd.DataFrame, rows: int) -> None:
    frame = frame.head(rows)
    arrow = decode_arrow(encode(frame, Format.ARROW))
    parquet = pq.read_table(io.BytesIO(encode(frame, Format.PARQUET))).to_pandas()
    for back in (arrow, parquet):
        assert_frame_equal(back, frame, check_exact=True)
        assert back.attrs == frame.attrs


@pytest.mark.parametrize("out", Format)
def test_no_rows_is_no_error(frame: pd.DataFrame, out: Format) -> None:
    assert encode(frame.head(0), out)


FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1")  # noqa: RUF001 - wide


def test_a_spreadsheet_gets_no_formula_and_exact_csv_is_left_as_it_is() -> None:
    texts = pd.Series([*FORMULAS, "BTC-USDT=", "", None], dtype="str")
    frame = pd.DataFrame({"=name": texts, "price": -1.5, "count": pd.array([-1] * 11, "Int64")})
    frame["object"] = texts.astype(object)

    exact = read(encode(frame, Format.CSV))
    assert exact["=name"].tolist() == [*FORMULAS, "BTC-USDT=", "", ""]

    shown = read(encode(frame, Format.SPREADSHEET))
    quoted = [*(f"'{text}" for text in FORMULAS), "BTC-USDT=", "", ""]
    assert list(shown.columns) == ["'=name", "price", "count", "object"]
    assert shown["'=name"].tolist() == shown["object"].tolist() == quoted
    assert set(shown["price"]) == {"-1.5"}
    assert set(shown["count"]) == {"-1"}
    assert frame["=name"].tolist()[0] == "=1+1"


def read(csv: bytes) -> pd.DataFrame:
    text = io.StringIO(csv.decode(), newline="")
    return pd.read_csv(text, dtype=str, keep_default_na=False)


def test_csv_reads_back_with_its_types(frame: pd.DataFrame) -> None:
    dtypes = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    for rows in (frame, frame.head(0), frame.head(1)):
        back = decode_csv(encode(rows, Format.CSV), {str(k): v for k, v in dtypes.items()})
        assert_frame_equal(back, rows.reset_index(drop=True), check_exact=True)


def test_csv_without_known_types_finds_times_and_numbers(frame: pd.DataFrame) -> None:
    back = decode_csv(encode(frame, Format.CSV), {})
    assert str(back["ts"].dtype) == "datetime64[us, UTC]"
    assert back["ts"].equals(frame["ts"])
    assert back["price"].equals(frame["price"])


BOUNDS = (datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2200-01-01"))


@given(
    st.lists(
        st.tuples(
            st.datetimes(*BOUNDS),
            st.integers(-(2**63), 2**63 - 1) | st.none(),
            st.floats(allow_nan=False) | st.none(),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
        )
    )
)
def test_any_row_survives_csv(rows: list[tuple[datetime, int | None, float | None, str]]) -> None:
    dtypes = {"ts": "datetime64[us, UTC]", "n": "Int64", "x": "float64", "s": "str"}
    columns: list[tuple[Any, ...]] = [*zip(*rows, strict=True)] if rows else [()] * 4
    frame = pd.DataFrame(
        {
            "ts": pd.Series(columns[0], dtype="datetime64[us]").dt.tz_localize("UTC"),
            "n": pd.Series(columns[1], dtype="Int64"),
            "x": pd.Series(columns[2], dtype="float64"),
            "s": pd.Series(columns[3], dtype="str"),
        }
    )
    assert_frame_equal(decode_csv(encode(frame, Format.CSV), dtypes), frame, check_exact=True)
