"""Rows in a terminal: whole lines, whatever its width."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from rich.cells import cell_len

from liq.cli import output, tables
from liq.errors import QueryError
from liq.query import coverage, queries

SECOND = datetime(2026, 1, 1, 10, 0, 0, 123456, UTC)


def frame(columns: int = 12, rows: int = 3, **more: Any) -> pd.DataFrame:
    made = pd.DataFrame([{f"usd_{n}": 7_654_321.25 for n in range(columns)} | more] * rows)
    made.attrs["units"] = {"usd_0": "USD"}
    return made


def shown(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rows: pd.DataFrame,
    width: int = 80,
    **style: Any,
) -> list[str]:
    monkeypatch.setattr(output.console, "_width", width)
    tables.print_table(rows, tables.Style(**style))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert style.get("wide") or max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize(("columns", "number"), [(4, "7,654,321.25"), (7, "7.654M")])
def test_numbers_are_exact_where_they_fit_and_short_otherwise(
    columns: int, number: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, frame(columns))
    assert [line.count(number) for line in lines] == [0, 0, *[columns] * 3]
    assert "(USD)" in lines[1]


@pytest.mark.parametrize("style", [{}, {"wide": True}])
def test_an_id_is_printed_as_it_is_typed(
    style: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame({"event_id": [-(2**62), 2**62], "prints": [1_234, 5]})
    for made in (rows, rows[:1]):
        text = " ".join(shown(capsys, monkeypatch, made, **style))
        assert str(-(2**62)) in text
        assert "1,234" in text


def test_columns_that_do_not_fit_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, last, note = shown(capsys, monkeypatch, frame())
    fitting = last.count("7.654M")
    assert 8 < fitting < 12
    left_out = ", ".join(f"usd_{n}" for n in range(fitting, 12))
    assert note == f"not shown: {left_out}; --columns chooses, --wide shows all"


def test_columns_that_a_query_is_about_are_shown_before_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, head, *_, note = shown(capsys, monkeypatch, frame(), leads=["usd_11", "usd_9"])
    assert head.split()[:2] == ["(USD)", "usd_1"]
    assert head.split()[-2:] == ["usd_9", "usd_11"]  # in their places
    assert note == "not shown: usd_8, usd_10; --columns chooses, --wide shows all"


@pytest.mark.parametrize("key", [key for key, each in queries.queries().items() if each.leads])
def test_leads_of_a_query_fit_a_terminal(
    key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    query = queries.queries()[key]
    texts = {"exchange": "binance_usdm", "symbol": "1000PEPEUSDT", "side": "short", "name": "BTC"}
    values = {
        name: pd.Timestamp(SECOND) if column.dtype.startswith("datetime") else
        texts.get(name, "x") if column.dtype == "str" else column.dtype == "bool" or 7_654_321.25
        for name, column in query.columns.items()
    }  # fmt: skip
    made = pd.DataFrame([values] * 2)
    for name in made.columns[[dtype.kind == "M" for dtype in made.dtypes]]:
        made[name] += pd.to_timedelta([0, 1], "D")  # so that each time has its day
    made.attrs["units"] = query.units
    text = " ".join(shown(capsys, monkeypatch, made, leads=query.leads))
    hidden = text.partition("not shown: ")[2].partition(";")[0].split(", ")
    assert not {*query.leads[:5]} & {*hidden}


@pytest.mark.parametrize(
    ("names", "first", "others"),
    [(["ts", "n"], "80", "80 earlier rows"), (["n", "ts"], "0", "80 further rows")],
)
def test_rows_beyond_a_screen_are_counted(
    names: list[str],
    first: str,
    others: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = pd.DataFrame({"n": range(120)})
    many["ts"] = pd.Timestamp(SECOND) + many["n"] * timedelta(seconds=1)
    lines = shown(capsys, monkeypatch, many[names], most=40)
    assert first in lines[-41].split()
    assert lines[-1] == f"not shown: {others}; --rows 0 shows all"
    assert len(shown(capsys, monkeypatch, many[names])) == len(lines) - 1 + 80
    assert shown(capsys, monkeypatch, many[names], most=40, columns="n")[-41].strip() == first


def test_of_rows_of_one_time_the_first_are_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, pd.DataFrame({"ts": SECOND, "n": range(120)}), most=40)
    assert lines[-41].split()[-1] == "0"
    assert lines[-1].startswith("not shown: 80 further rows; ")


def test_each_value_is_formatted_once_whatever_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many rows with many columns took minutes: they were formatted again for each column."""
    formatted: list[object] = []

    def record(value: object, _unit: str) -> str:
        formatted.append(value)
        return "7.654M"

    monkeypatch.setattr(tables, "_format_short", record)
    lines = shown(capsys, monkeypatch, frame(rows=1_200))
    assert len(lines) == 2 + 1_200 + 1
    assert len(formatted) == 12 * 1_200


def test_wide_rows_have_all_columns_on_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, frame(), wide=True)
    assert [line.count("7,654,321.25") for line in lines] == [0, 0, 12, 12, 12]


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("rows", [1, 3])
def test_lower_bounds_have_a_mark(
    rows: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, wide: bool
) -> None:
    made = pd.DataFrame({"prints": [5, 0, 7], "net_usd": 5.0, "partial": [1, 0, 0]})[:rows]
    for has_gaps, marked in ((False, 1), (True, rows)):
        bounds = {"prints": coverage.find_bounds(made, has_gaps=has_gaps)}
        text = "\n".join(shown(capsys, monkeypatch, made, wide=wide, bounds=bounds))
        assert text.count("≥") == marked
        assert "≥5" in text
        assert ("≥7" in text) is (has_gaps and rows == 3)
    assert coverage.list_sums(made) == ["prints"]
    feeds = pd.DataFrame({"completeness": ["sampled", "full"], "prints": [5, 7]})
    assert coverage.find_bounds(feeds, has_gaps=False).tolist() == [True, False]
    assert coverage.list_sums(made.rename(columns={"prints": "long_usd", "partial": "x"})) == []


@pytest.mark.parametrize("width", [80, 20])
def test_one_row_is_a_line_for_each_field(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, frame(3, 1, at=pd.Timestamp(SECOND)), width)
    text = "".join(line.replace(" ", "") for line in lines)
    assert text.startswith("usd_0(USD)7,654,321.25usd_17,654,321.25")
    assert "at(UTC)2026-01-01" in text
    assert text.endswith("10:00:00.123456")


def test_rows_are_fields_where_no_number_fits_beside_the_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = frame(2, 2)
    rows.insert(0, "symbol", "1000PEPEUSDT")
    lines = shown(capsys, monkeypatch, rows, 20, bounds={"usd_0": pd.Series([True, False])})
    first = ["symbol", "  1000PEPEUSDT", "usd_0 (USD)", "  ≥7,654,321.25"]
    assert lines[:6] == [*first, "usd_1", "  7,654,321.25"]
    assert len(lines) == 2 * 6 + 1
    assert "7.654M" in " ".join(shown(capsys, monkeypatch, rows, 24))


def test_a_usual_terminal_has_a_table_though_no_number_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame([{f"text_{n}": "x" * 20 for n in range(5)} | {"usd": 7_654_321.25}] * 2)
    *_, first, second, note = shown(capsys, monkeypatch, rows)
    assert first.split() == second.split() == ["x" * 20] * 3
    assert note == "not shown: text_3, text_4, usd; --columns chooses, --wide shows all"
    assert shown(capsys, monkeypatch, rows, 39)[0] == f"text_0  {'x' * 20}"
    long = rows[["text_0", "usd"]].rename(columns={"usd": "a_number_of_a_long_name"})
    lines = shown(capsys, monkeypatch, long, 44)  # even one column leaves no room for it
    assert lines.count("a_number_of_a_long_name  7,654,321.25") == 2


def test_rows_of_long_texts_can_be_listed_field_by_field(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables.print_fields(pd.DataFrame({"kind": ["a", "b"], "fields": ["x" * 300, "y" * 300]}))
    text = "".join(capsys.readouterr().out.split())
    assert text == f"kindafields{'x' * 300}kindbfields{'y' * 300}"


def test_a_terminal_of_no_width_gets_one_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "…" in "".join(shown(capsys, monkeypatch, frame(), 3))


@pytest.mark.parametrize(
    ("value", "unit", "exact", "short"),
    [
        (153_312_710.5, "USD", "153,312,710.50", "153.3M"),
        (1.5e12, "USD", "1,500,000,000,000.00", "1.5T"),
        (67_234.125, "", "67,234.125", "67,234"),
        (0.000001234, "", "1.234e-06", "1.234e-06"),
        (-12.5, "USD", "-12.50", "-12.5"),
        (999_999_999, "", "999,999,999", "1B"),
        (0.0, "USD", "0", "0"),
        (math.nan, "USD", "-", "-"),
        (math.inf, "", "inf", "inf"),
        (None, "", "-", "-"),
        (pd.NaT, "", "-", "-"),
        (True, "", "True", "True"),
        ("x" * 99, "", "x" * 99, "x" * 23 + "…"),
    ],
)
def test_a_value_has_an_exact_and_a_short_form(
    value: object, unit: str, exact: str, short: str
) -> None:
    assert tables._format_exact(value, unit) == exact
    assert tables._format_short(value, unit) == short


@pytest.mark.parametrize(
    ("days", "text", "unit"), [(0, "10:00:00", "(2026-01-01"), (1, "2026-01-01 10:00:00", "(UTC)")]
)
def test_times_are_short_and_name_a_common_day_once(
    days: int,
    text: str,
    unit: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = frame(rows=3)
    moments = pd.Series([SECOND, SECOND + timedelta(days=days), pd.NaT])
    rows.insert(0, "ts", moments)
    assert tables._format_exact(SECOND, "UTC") == "2026-01-01 10:00:00.123456"
    lines = shown(capsys, monkeypatch, rows)
    assert any(line.startswith(f"{text}  ") for line in lines)
    assert any(line.startswith("-  ") for line in lines)
    assert unit in "".join(lines[:3])


def test_columns_are_chosen_in_the_given_order() -> None:
    chosen = tables.select_columns(frame(), "usd_2, usd_0,usd_2")
    assert list(chosen.columns) == ["usd_2", "usd_0"]
    assert chosen.attrs["units"] == {"usd_0": "USD"}
    with pytest.raises(QueryError, match=r"no column 'usd', did you mean 'usd_0'\? valid are"):
        tables.select_columns(frame(), "usd")
    for nothing in ("", " , "):
        with pytest.raises(QueryError, match="names no column"):
            tables.print_table(frame(), tables.Style(nothing))


def test_no_rows_are_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(capsys, monkeypatch, frame().head(0)) == ["no rows"]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_missing_value_of_any_type_is_a_dash(
    rows: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pd.DataFrame(
        {
            "count": pd.array([None] * rows, "Int64"),
            "usd": [math.nan] * rows,
            "ts": pd.array([None] * rows, "datetime64[us, UTC]"),
            "text": [None] * rows,
            "names": [["a", None]] * rows,
        }
    )
    shown_words = " ".join(shown(capsys, monkeypatch, made)).split()
    assert shown_words.count("-") == 4 * rows


def test_no_text_looks_like_another_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pd.DataFrame({"symbol": ["A\nB\tC\rD\u2028E"] * 2, "usd": [1.0, 2.0]})
    for rows in (made, made.head(1)):
        lines = shown(capsys, monkeypatch, rows)
        assert [line.count("A␊B␉C␍D␊E") for line in lines].count(1) == len(rows)


@pytest.mark.parametrize("width", [1, 2, 10, 1000])
def test_a_terminal_of_any_width_shows_wide_and_odd_characters(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["比特币永续合约" * 9, "📈👨\u200d👩", "e\u0301" * 30, "\x1b[31m", "", "x" * 5000]
    made = pd.DataFrame({"symbol": texts, "usd": [math.inf, -math.inf, 1e308, -1e-300, 0, 1]})
    monkeypatch.setattr(output.console, "_width", width)
    tables.print_table(made)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(cell_len, lines)) <= width
