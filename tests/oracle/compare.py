"""Where two answers differ: QuestDB may give rows that tie in the order in any order."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

_RELATIVE, _ABSOLUTE = 1e-9, 1e-6


@dataclass(frozen=True, slots=True)
class Answer:
    """All rows that the documentation asks for, in its order, before ``limit`` cuts them.

    ``order`` names the columns by which rows are sorted: rows that agree in these may come in any
    order, and a limit may cut between them anywhere. ``newest`` cuts off the first rows instead of
    the last. ``loose`` columns may differ by this share. ``running`` names a column, and
    the one whose running sum it holds, whatever the order of rows that tie.
    """

    rows: pd.DataFrame
    order: tuple[str, ...] = ()
    limit: int | None = None
    newest: bool = False
    loose: Mapping[str, float] = field(default_factory=dict)
    running: tuple[str, str] | None = None


def differences(answer: Answer, frame: pd.DataFrame) -> str:
    """Return what is wrong with ``frame``, "" if nothing is."""
    rows = answer.rows.reset_index(drop=True)
    if list(frame.columns) != list(rows.columns):
        return f"columns {list(frame.columns)}, expected {list(rows.columns)}"
    most = len(rows) if answer.limit is None else min(answer.limit, len(rows))
    if len(frame) != most:
        return f"{len(frame)} rows, expected {most}"
    if not most:
        return ""
    if answer.running:
        total, part = answer.running
        if _wrong(frame[part].cumsum(), frame[total], _RELATIVE).any():
            return f"{total} is not the running sum of {part}"
        rows, frame = rows.drop(columns=total), frame.drop(columns=total)
    expected = _cut(answer, rows, most)
    if len(expected) > most:
        return _fitting(answer, expected, frame)
    return _equal(answer, expected, frame)


def _cut(answer: Answer, rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the rows that the limit leaves, with all that tie with the last of them."""
    keys = _keys(rows, answer.order or tuple(rows.columns))
    left = {*(keys[-most:] if answer.newest else keys[:most])}
    return rows[[key in left for key in keys]]


def _fitting(answer: Answer, expected: pd.DataFrame, frame: pd.DataFrame) -> str:
    """Compare where the limit cuts between rows that tie: any of these may be there."""
    every, some = (_keys(rows, tuple(expected.columns)) for rows in (expected, frame))
    if extra := list((Counter(some) - Counter(every)).elements()):
        return f"unexpected row {extra[0]}"
    keys = _keys(expected, answer.order)
    edge = keys[0 if answer.newest else -1]
    certain = Counter(row for row, key in zip(every, keys, strict=True) if key != edge)
    if missing := list((certain - Counter(some)).elements()):
        return f"missing row {missing[0]}"
    return _disorder(answer, expected, frame)


def _disorder(answer: Answer, expected: pd.DataFrame, frame: pd.DataFrame) -> str:
    """Return True if the rows are in another order than the same rows of ``expected``."""
    places = {key: place for place, key in enumerate(_keys(expected, answer.order))}
    found = [places.get(key, -1) for key in _keys(frame, answer.order)]
    return "" if found == sorted(found) else f"rows are not in order of {answer.order}"


def _equal(answer: Answer, expected: pd.DataFrame, frame: pd.DataFrame) -> str:
    if answer.order:
        if _keys(expected, answer.order) != _keys(frame, answer.order):
            pairs = zip(_keys(expected, answer.order), _keys(frame, answer.order), strict=True)
            place, pair = next((n, p) for n, p in enumerate(pairs) if p[0] != p[1])
            return f"row {place} is {pair[1]} by {answer.order}, expected {pair[0]}"
        expected, frame = _settled(expected, answer.order), _settled(frame, answer.order)
    for name in expected.columns:
        wrong = _wrong(expected[name], frame[name], answer.loose.get(name, _RELATIVE))
        if wrong.any():
            place = int(np.argmax(wrong))
            return (
                f"{name} is {frame[name].iloc[place]!r}, expected {expected[name].iloc[place]!r}"
                f" ({wrong.sum()} of {len(wrong)} rows)\n{frame.iloc[place].to_dict()}"
            )
    return ""


def _settled(frame: pd.DataFrame, order: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows with those that tie in one order."""
    keys = _keys(frame, order)
    group = np.cumsum([False, *(one != other for one, other in pairwise(keys))])
    ranked = frame.assign(_group=group)
    rest = [name for name in frame.columns if name not in order]
    by = ["_group", *sorted(rest, key=lambda name: frame[name].dtype.kind == "f")]
    return ranked.sort_values(by, ignore_index=True, key=_plain).drop(columns="_group")


def _plain(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return column.round(6) if column.dtype.kind == "f" else column


def _wrong(expected: "pd.Series[Any]", found: "pd.Series[Any]", relative: float) -> np.ndarray:
    if expected.dtype.kind == "f" or found.dtype.kind == "f":
        one, other = (column.to_numpy(dtype=float, na_value=np.nan) for column in (expected, found))
        differs: np.ndarray = ~np.isclose(one, other, rtol=relative, atol=_ABSOLUTE, equal_nan=True)
        return differs
    pairs = zip(_values(expected), _values(found), strict=True)
    return np.array([one != other for one, other in pairs])


def _keys(frame: pd.DataFrame, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return list(zip(*(_values(frame[name]) for name in names), strict=True))


def _values(column: "pd.Series[Any]") -> list[Any]:
    """Return plain values: a number's first digits, a time as microseconds, None for null."""
    if column.dtype.kind == "M":
        return [None if pd.isna(moment) else moment.value // 1000 for moment in column]
    if column.dtype.kind == "f":
        return [None if np.isnan(number) else float(f"{number:.7e}") for number in column]
    return [None if pd.isna(value) else value for value in column]
