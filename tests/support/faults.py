"""Faults that a message can have: values that no number or name is, missing and doubled parts."""

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

HOLE = "<hole>"  # a value that a fault replaces
MEGABYTE = 1_000_000
DEEP = b"[" * 100_000 + b"]" * 100_000
# no JSON, or deeper than the decoder follows: such a frame has no rows
NO_JSON = [
    *(b"NaN", b"-Infinity", b"1e", b"0x10", b"01", b'"', b"[", b"}", b"", b"\xff", DEEP),
    b'"\\ud800"',
]
VALUES = [
    *(b"1e400", b"-1e400", b"1e1000000", b"-1e1000000", b"1e-1000000", b"1e99", b"1e300000"),
    *(b"9" * 30, b"-" + b"9" * 4_300, b"9" * 5_000, b"0." + b"9" * 50_000, b"-0", b"0", b"-1"),
    *(b'"NaN"', b'"sNaN"', b'"-sNaN123"', b'"Infinity"', b'"1e1000000"', b'"1_000"', b'" 1 "'),
    *(b'"' + b"9" * 50_000 + b'"', '"٣"'.encode(), '"\uffff"'.encode(), b'"\\u0000"'),
    *(b'"\xff"', b'""', b'"x"', b'"' + b"\\u0001" * 9_000 + b'"', b"null", b"true", b"{}", b"[]"),
    *(b"[[1]]", b'{"a":1,"a":{}}', b"[" * 200 + b"]" * 200, b"[" + b"1," * 20_000 + b"1]"),
]
HUGE = [b'"' + b"x" * MEGABYTE + b'"', b"9" * MEGABYTE, b"[" + b"1," * 500_000 + b"1]"]


def nodes(document: Any, path: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """Return the paths of all values below ``document``."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from nodes(value, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def write(document: Any) -> bytes:
    return json.dumps(document).encode()


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def spoil(document: Any, values: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the document with each value at each place, without each part, and with parts twice."""
    for path in nodes(document):
        changed = copy.deepcopy(document)
        value = write(at(changed, path))
        put(changed, path, HOLE)
        text, hole = write(changed), write(HOLE)
        for other in values:
            yield text.replace(hole, other)
            if isinstance(path[-1], str):
                key = b"," + write(path[-1]) + b":"
                yield text.replace(hole, value + key + other)
                yield text.replace(hole, other + key + value)
        del at(changed, path[:-1])[path[-1]]
        yield write(changed)
