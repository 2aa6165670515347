"""Query results as bytes and back: JSON rows, CSV (also for spreadsheets), Parquet, Arrow.

Arrow and Parquet keep every dtype, and ``frame.attrs`` with the columns' units. JSON and CSV write
timestamps as ISO 8601 in UTC with six digits of microseconds. A missing value is null in JSON and
empty in CSV. CSV is exact. Spreadsheets run some texts as formulas, so they have their own format.
"""

import csv
import io
import warnings
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa


class Format(StrEnum):
    """A format of rows."""

    JSON = "json"
    CSV = "csv"
    SPREADSHEET = "spreadsheet"  # CSV in which no text is a formula
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def suffix(self) -> str:
        """How the name of a file ends, e.g. ``.csv``."""
        return ".csv" if self is Format.SPREADSHEET else f".{self.value}"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.SPREADSHEET: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.ARROW: "application/vnd.apache.arrow.stream",
}


# what pandas and pyarrow raise for a damaged file, or one of another program
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    csv.Error,
)

# with which a spreadsheet's formula may begin, or what it makes of it
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - the wide forms of East Asian keyboards


_MOMENT: Final = "datetime64[us, UTC]"
# integers may be missing; pandas 3.0 reads the last digit of a number wrongly
_READ_AS = {_MOMENT: "str", "int64": "Int64", "float64": "str"}
_WRITTEN_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


def encode(frame: pd.DataFrame, out: Format) -> bytes:
    """Return the rows of ``frame`` in the format ``out``; its index is left out."""
    return _ENCODERS[out](frame)


def encode_lines(frame: pd.DataFrame) -> bytes:
    """Return the rows as JSON, one object a line, as jq, DuckDB and pandas read them."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in _list_rows(frame))


def decode_arrow(data: bytes) -> pd.DataFrame:
    """Return the frame that `encode` made Arrow of, with its dtypes and units."""
    import pyarrow as pa  # noqa: PLC0415 - only two of the formats need it

    frame: pd.DataFrame = pa.ipc.open_stream(data).read_pandas()
    return frame


def decode_parquet(data: bytes) -> pd.DataFrame:
    """Return the frame that `encode_parquet` made Parquet of, with its dtypes and units.

    Raises `ValueError` if it is none.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
    return frame


def decode_csv(data: bytes, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """Return the frame that `encode` made CSV of, whose columns had these ``dtypes``.

    Another column has the type that its values look like, times included. An empty text comes back
    as missing. Raises `ValueError` if a value does not fit, or if rows have more values than names.
    """
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            frame = pd.read_csv(
                io.BytesIO(data),
                dtype={name: _READ_AS.get(dtype, dtype) for name, dtype in dtypes.items()},
                index_col=False,  # else the first of too many values is taken for an index
                keep_default_na=False,
                na_values=[""],
            )
    except pd.errors.ParserWarning as error:
        raise ValueError("its rows have more values than names") from error
    for name, column in frame.items():
        dtype = dtypes.get(str(name))
        if dtype == _MOMENT or (dtype is None and _are_moments(column)):
            frame[name] = pd.to_datetime(column, format="ISO8601", utc=True).astype(_MOMENT)
        elif dtype == "float64":
            frame[name] = column.astype("float64")
        elif dtype == "int64" and not column.hasnans:
            frame[name] = column.astype("int64")
    return frame


def read_head(data: bytes) -> list[str]:
    """Return the names of a CSV file's columns. Raises `ValueError` if it is not UTF-8."""
    return next(csv.reader(io.StringIO(data.decode(), newline="")), [])


def _are_moments(column: "pd.Series[Any]") -> bool:
    texts = column.dropna()
    is_text = len(texts) > 0 and not pd.api.types.is_numeric_dtype(texts)
    return is_text and bool(texts.astype(str).str.fullmatch(_WRITTEN_MOMENT).all())


def encode_parquet(frame: pd.DataFrame, notes: Mapping[str, str] | None = None) -> bytes:
    """Return ``frame`` as a Parquet file that carries ``notes``, texts by name."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    table, sink = _build_table(frame), io.BytesIO()
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **(notes or {})}), sink)
    return sink.getvalue()


def read_parquet_notes(source: Path | io.BytesIO) -> dict[str, str]:
    """Return the notes in a Parquet file. Raises `OSError` or `ValueError` if it is none."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    found = pq.read_schema(source).metadata or {}
    return {name.decode(): text.decode() for name, text in found.items()}


def format_times(moments: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return times as ISO 8601 text in UTC with microseconds; None for what is missing."""
    micros = moments.dt.tz_convert("UTC").dt.tz_localize(None) if moments.dt.tz else moments
    texts = np.datetime_as_string(micros.to_numpy("datetime64[us]"), unit="us")
    return pd.Series(texts, moments.index, dtype=object).add("Z").where(moments.notna(), None)


def _encode_json(frame: pd.DataFrame) -> bytes:
    return msgspec.json.encode([*_list_rows(frame)])


def _list_rows(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    names = [str(name) for name in frame.columns]
    columns = [_list_values(frame[name]) for name in frame.columns]
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def _list_values(column: "pd.Series[Any]") -> list[Any]:
    if column.dtype.kind == "M":
        column = format_times(column)
    return column.astype(object).where(column.notna(), None).tolist()


def _encode_csv(frame: pd.DataFrame) -> bytes:
    texts = {
        str(name): format_times(frame[name]) for name in frame if frame[name].dtype.kind == "M"
    }
    shown = frame.assign(**texts)
    # Python's writer does not see that a return in a text would be read as the end of a row
    returns = any(_has_return(shown[name]) for name in shown if shown[name].dtype.kind == "O")
    text = shown.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL)
    return text.encode()


def _has_return(column: "pd.Series[Any]") -> bool:
    return any(isinstance(value, str) and "\r" in value for value in column.unique())


def _encode_spreadsheet(frame: pd.DataFrame) -> bytes:
    shown = frame.rename(columns=_escape_formula)
    for name in shown.columns[[dtype.kind == "O" for dtype in shown.dtypes]]:
        shown[name] = shown[name].map(_escape_formula)
    return _encode_csv(shown)


def _escape_formula(value: Any) -> Any:
    """Return text that begins a formula with an apostrophe before it: a spreadsheet hides that."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _encode_arrow(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa  # noqa: PLC0415

    table = _build_table(frame)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _build_table(frame: pd.DataFrame) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415

    return pa.Table.from_pandas(frame, preserve_index=False)


_ENCODERS = {
    Format.JSON: _encode_json,
    Format.CSV: _encode_csv,
    Format.SPREADSHEET: _encode_spreadsheet,
    Format.PARQUET: encode_parquet,
    Format.ARROW: _encode_arrow,
}
