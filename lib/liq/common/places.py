"""Lines and columns in JSON files, for error messages that an editor can follow."""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_BEFORE_KEY = re.compile(r"[{,\s]*")
_BEFORE_VALUE = re.compile(r"[:\s]*")


class _Member(NamedTuple):
    """Offsets of a member of an object."""

    key: int
    value: int


def describe_byte(data: bytes, offset: int) -> str:
    """Return the place of a byte as ``line:column``, both counted from 1."""
    return _describe(data[:offset].decode(errors="replace"))


def describe_path(text: str, path: Sequence[str]) -> str:
    """Return the place of a key in nested objects of valid JSON as ``line:column``.

    ``path`` has the keys from the outermost object on. If an inner key is missing, it is the place
    of the last key that exists; 1:1 if none does.
    """
    place = start = 0
    for key in path:
        member = list_members(text, start).get(key)
        if member is None:
            break
        place, start = member
    return _describe(text[:place])


def list_members(text: str, start: int = 0) -> dict[str, _Member]:
    """Return the members of the object at ``start`` by key; empty if something else is there."""
    at = _end(_SPACE, text, start)
    found: dict[str, _Member] = {}
    if text[at : at + 1] != "{":
        return found
    at = _end(_BEFORE_KEY, text, at)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        value = _end(_BEFORE_VALUE, text, end)
        found[key] = _Member(at, value)
        at = _end(_BEFORE_KEY, text, _DECODER.raw_decode(text, value)[1])
    return found


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _describe(before: str) -> str:
    line = before.rpartition("\n")[2]
    return f"{before.count(chr(10)) + 1}:{len(line) + 1}"
