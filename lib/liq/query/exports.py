"""Results as files: `liq.export("totals", "totals.parquet", window="1d")`."""

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from liq.config import Settings
from liq.errors import ExportError
from liq.query import queries
from liq.query.formats import Format, encode, parquet, parquet_notes
from liq.query.stamps import Stamp, fetch_stamped

_KEY = "liq"


def export(
    key: str,
    path: str | Path,
    /,
    *,
    spreadsheet: bool = False,
    settings: Settings | None = None,
    **params: Any,
) -> Stamp:
    """Write the rows of the query ``key`` to a ``.csv`` or ``.parquet`` file.

    A ``.csv`` file is exact. A Parquet file carries the stamp, which `stamp_of` reads. The file is
    written whole or not at all. A window without an end ends now.

    Args:
        key: A query of the catalogue.
        path: The file; its suffix is the format.
        spreadsheet: Put an apostrophe before each text that a spreadsheet would run as a formula.
        settings: The process's settings by default.
        params: Parameters of the query, as for `liq.hit`.

    Returns:
        The stamp of the rows.

    Raises:
        ExportError: The suffix is unknown, or the file cannot be written.
        LiqError: As for `liq.hit`.

    Example:
        >>> liq.export("totals", "totals.parquet", window="1d")  # doctest: +SKIP
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ExportError(f"cannot export to {path.name}: end its name with .csv or .parquet")
    out = Format.SPREADSHEET if spreadsheet and suffix == ".csv" else Format(suffix[1:])
    content, stamp = export_bytes(key, out, settings=settings, **params)
    write_whole(path, content)
    queries.warn(stamp.notes)
    return stamp


def export_bytes(
    key: str, out: Format, /, *, settings: Settings | None = None, **params: Any
) -> tuple[bytes, Stamp]:
    """Return the bytes that `export` writes in the format ``out``, and the stamp."""
    frame, stamp = fetch_stamped(key, settings=settings, **params)
    if out is Format.PARQUET:
        return parquet(frame, {_KEY: msgspec.json.encode(stamp).decode()}), stamp
    return encode(frame, out), stamp


def stamp_of(path: str | Path) -> Stamp:
    """Return the stamp that a Parquet file of `export` carries. Raises `ExportError`."""
    try:
        return msgspec.json.decode(parquet_notes(Path(path))[_KEY], type=Stamp)
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(f"{path} carries no stamp of liq: {error}") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises `ExportError`."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(data)
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from error
