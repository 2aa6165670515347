"""JSON files that people write: read strictly, with faults in plain words and their places."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from liq.common import files

BOM = b"\xef\xbb\xbf"  # that editors on Windows put before a text
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_BEFORE_KEY = re.compile(r"[{,\s]*")
_BEFORE_VALUE = re.compile(r"[:\s]*")
_WORDS = re.compile(r"[$\w]+")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
# of a character, where the file may go on: msgspec takes it for the end of the file
_HALF = re.compile(rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F]).{0,8}\Z", re.DOTALL)
_COMMENTS = (b"//", b"/*", b"#")
_TOKEN = re.compile(r'"((?:[^"\\\n]|\\.)*)("?)(\s*:)?|[{}\[\]]')
_NO_PAIR = r"half of a character is missing; \ud83d\ude00 is a whole one"
_REASONS = {  # in what msgspec says of a text that is not JSON
    "truncated": "the file ends too early: a }, a ] or a quotation mark is missing",
    "object keys must be strings": 'a name in double quotes belongs here, like "name"',
    "expected ':'": "a colon is missing after the name",
    "expected ',' or '}'": "a comma or a } is missing",
    "expected ',' or ']'": "a comma or a ] is missing",
    "trailing comma": "the comma before the closing bracket is one too many",
    "trailing characters": "the file goes on after its last }",
    "invalid number": "a number is written like 5, -0.5 or 1e6",
    "out of range": "the number is too large",
    "surrogate": _NO_PAIR,
    "end of hex escape": _NO_PAIR,
    "escape": r"a backslash in a text is written twice, \\",
}
_ODD = {  # what JSON does not have
    **{mark.decode(): "JSON has no comments" for mark in _COMMENTS},
    "'": "JSON has double quotes only",
    "\n": "the text goes on in the next line; end it with a quotation mark, or write \\n",
    "\t": "a tab in a text is written \\t",
}
_WORD = re.compile(r"-?\w+")


class MalformedError(ValueError):
    """A file does not hold an object of JSON; ``text`` is what it holds, as far as it is text."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.text = text


class _Member(NamedTuple):
    """Offsets of a member of an object."""

    key: int
    value: int


@dataclass(frozen=True, slots=True)
class Document:
    """A file with an object of JSON. ``twice`` says which members have a name twice, and where."""

    path: Path
    data: bytes
    text: str
    members: Mapping[str, msgspec.Raw]
    twice: Mapping[str, str]

    def decode(self, key: str) -> Any:
        """Return the value of a member. Raises `ValueError` with the reason if it has none."""
        try:
            return msgspec.json.decode(self.members[key])
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(explain(error, bytes(self.members[key]))) from error

    def find_place(self, *names: str) -> str:
        """Return ``file:line:column`` of a key in nested objects, as `describe_path` does."""
        try:
            return f"{self.path}:{describe_path(self.text, names)}"
        except (ValueError, RecursionError):  # json reads no integers of 5,000 digits
            return str(self.path)


def read_document(path: Path) -> Document:
    """Read a file with an object of JSON.

    Raises `OSError` if it cannot be read, `MalformedError` with its place if it is no such object.
    """
    whole = files.read_file(path)
    data = whole.removeprefix(BOM)
    try:
        text = data.decode()
        members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        offset = 0 if data[:2] in _UTF16 else _find_byte(error, data)
        place = str(path) if offset is None else f"{path}:{_describe_byte(data, offset)}"
        encoding = "utf-16" if data[:2] in _UTF16 else "utf-8"
        reason = f"cannot read {place}: {explain(error, data)}"
        raise MalformedError(reason, data.decode(encoding, "replace")) from error
    return Document(path, whole, text, members, _find_twice(text, members))


def explain(error: Exception, data: bytes) -> str:
    """Return in plain words why ``data`` is no JSON, or no object where there must be one."""
    if data[:2] in _UTF16:
        return "it is UTF-16; save it as UTF-8"
    if not data.strip():
        return "it is empty; the least is {}"
    if isinstance(error, UnicodeDecodeError):
        return "this is not UTF-8; save the file as UTF-8"
    if isinstance(error, RecursionError):
        return "its brackets are nested too deeply"
    if isinstance(error, msgspec.ValidationError) and "Expected" in str(error):
        return "it is no object; its first character is {, and its last one }"
    return _explain_rest(str(error), data[_find_byte(error, data) or 0 :])


def _explain_rest(said: str, rest: bytes) -> str:
    """Return in plain words what msgspec ``said`` of a text; ``rest`` begins where it is wrong."""
    if rest.startswith(_COMMENTS) and "escape" not in said:  # wherever something else belongs
        return _explain_character(rest)
    if "truncated" in said and _HALF.match(rest):
        return _NO_PAIR
    found = (words for part, words in _REASONS.items() if part in said)
    return next(found, "") or _explain_character(rest)


def _explain_character(data: bytes) -> str:
    rest = data.decode(errors="replace")
    word = _WORD.match(rest)
    shown = word[0] if word else rest[:1]
    found = (words for begin, words in _ODD.items() if rest.startswith(begin))
    known = next(
        found, "JSON has numbers, texts in double quotes, true, false, null, lists, objects"
    )
    return f"{shown!r} is nothing of JSON's: {known}" if shown.strip() else known


def _find_byte(error: Exception, data: bytes) -> int | None:
    """Return where in ``data`` it is not JSON; None if the error does not say."""
    if isinstance(error, UnicodeDecodeError):
        return error.start
    if "truncated" in str(error):
        half = _HALF.search(data)
        return half.start() if half else len(data)
    found = re.search(r"\(byte (\d+)\)", str(error))
    return int(found[1]) if found else None


def _describe_byte(data: bytes, offset: int) -> str:
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


def list_words(text: str) -> set[str]:
    """Return the words of a damaged file, any of which may be a name."""
    # without the zeros of UTF-16
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text.replace("\0", ""))
    return set(_WORDS.findall(plain))


def list_outer_names(text: str) -> set[str]:
    """Return the outer names of a damaged object of JSON.

    There are none where brackets or quotation marks do not match: any name may be outer then.
    """
    depth, certain, outer = 0, True, set[str]()
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        else:
            certain = certain and bool(token[2])
            if token[3] and depth == 1:
                outer.add(token[1])
        certain = certain and depth >= 0
    return outer if certain and depth == 0 else set()


def _find_twice(text: str, members: Mapping[str, msgspec.Raw]) -> dict[str, str]:
    """Return which members have a name twice, or are there twice themselves, and the places."""
    try:
        found = dict(_find_same(text, 0))
        for key, raw in members.items():
            if key not in found and _has_same(bytes(raw)):
                start = _list_members(text, 0)[key].value
                found[key] = next(_find_inner(text, start), "a name is in one object twice")
    except (ValueError, RecursionError):  # json reads no integers of 5,000 digits
        return {}
    return found


def _has_same(data: bytes) -> bool:
    """Whether an object in ``data`` has a name twice."""
    found = False

    def check(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.loads(data, object_pairs_hook=check)
    return found


def _find_same(text: str, start: int) -> Iterator[tuple[str, str]]:
    """Yield each name that the object at ``start`` has twice, with a line that has both places."""
    first: dict[str, int] = {}
    for key, member in _scan(text, start):
        if key in first:
            both = f"{_describe(text, first[key])} and {_describe(text, member.key)}"
            yield key, f"{key!r} is there twice, at {both}; keep one"
        first.setdefault(key, member.key)


def _find_inner(text: str, start: int) -> Iterator[str]:
    yield from (line for _, line in _find_same(text, start))
    for _, member in _scan(text, start):
        yield from _find_inner(text, member.value)


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
