"""Lines and columns in JSON files, for error messages that an editor can follow."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"  # that editors on Windows put before a text
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_BEFORE_KEY = re.compile(r"[{,\s]*")
_BEFORE_VALUE = re.compile(r"[:\s]*")


class _Member(NamedTuple):
    """Offsets of a member of an object."""

    key: int
    value: int


def explain_unreadable(path: Path, data: bytes, error: Exception) -> str:
    """Return why a file cannot be read, or where its ``data`` is not JSON."""
    byte = _find_byte(error, data)
    place = str(path) if byte is None else f"{path}:{describe_byte(data, byte)}"
    return f"cannot read {place}: {error.strerror if isinstance(error, OSError) else error}"


def _find_byte(error: Exception, data: bytes) -> int | None:
    """Return where in ``data`` it is not JSON; None if the error does not say."""
    if isinstance(error, UnicodeDecodeError):
        return error.start
    found = re.search(r"\(byte (\d+)\)|truncated", str(error))
    return int(found[1] or len(data)) if found else None


def describe_byte(data: bytes, offset: int) -> str:
    """Return the place of a byte as ``line:column``, both counted from 1."""
    text = data[:offset].decode(errors="replace")
    return _describe(text, len(text))


def describe_path(text: str, path: Sequence[str]) -> str:
    """Return the place of a key in nested objects of valid JSON as ``line:column``.

    ``path`` has the keys from the outermost object on. If an inner key is missing, it is the place
    of the last key that exists; 1:1 if none does.
    """
    place = start = 0
    for key in path:
        member = _list_members(text, start).get(key)
        if member is None:
            break
        place, start = member
    return _describe(text, place)


def list_twice(text: str) -> set[str]:
    """Return the keys that the outermost object of valid JSON has more than once."""
    keys = Counter(key for key, _ in _scan(text, 0))
    return {key for key, count in keys.items() if count > 1}


@lru_cache(maxsize=8)  # each entry of a file is looked for
def _list_members(text: str, start: int) -> Mapping[str, _Member]:
    """Return the members of the object at ``start`` by key; empty if something else is there."""
    return dict(_scan(text, start))


def _scan(text: str, start: int) -> Iterator[tuple[str, _Member]]:
    at = _end(_SPACE, text, start)
    if text[at : at + 1] != "{":
        return
    at = _end(_BEFORE_KEY, text, at)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        value = _end(_BEFORE_VALUE, text, end)
        yield key, _Member(at, value)
        at = _end(_BEFORE_KEY, text, _DECODER.raw_decode(text, value)[1])


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _describe(text: str, place: int) -> str:
    line, begin = text.count("\n", 0, place), text.rfind("\n", 0, place) + 1
    return f"{line + 1}:{place - begin + 1}"
