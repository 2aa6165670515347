"""Frames that no venue should send: each is rejected in words, soon, and costs no good row.

The frames are those of the golden files, with one fault at every place, and with several at random.
No time is asserted in seconds: a frame may take a multiple of its plain counterpart's time.
"""

import copy
import gzip
import random
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.venues.test_all import EVERY, FEEDS, assert_sound
from liq.errors import RejectedMessage
from liq.ingest.venues.base import Instrument
from liq.ingest.venues.canonical import MOST_BYTES, MOST_ROWS, find_contract
from liq.records.model import Liquidation, Record
from support.faults import HOLE, HUGE, MEGABYTE, NO_JSON, VALUES, at, nodes, put, spoil, write
from support.recordings import GZIPPED, load_recording

MOST_TIMES = 30  # what a plain frame of the same length takes
MOST_MEMORY = 40 * MEGABYTE  # of a frame of one megabyte
BUDGET_S = 0.25  # for the random frames of a feed
BOMB = gzip.compress(b"[" + b" " * 64 * MEGABYTE, 1)


class Target:
    """A feed's parser with all but the frame, and the recorded frames to spoil."""

    def __init__(self, name: str) -> None:
        recording = load_recording(name)
        documents = recording.documents.values()
        self.documents = [one for one in documents if isinstance(one, dict | list)]
        self._feed = FEEDS[name]
        self._instruments = recording.instruments
        self._recv_ts = recording.recv_ts
        self._is_packed = name in GZIPPED
        # the most CPU seconds that a byte of a good frame takes
        good = [text for text in map(write, self.documents) if self.parse(self.pack(text))]
        self._pace = max(self.measure(self.pack(text), 100) / len(text) for text in good)

    def listing(self, number: int) -> "Target":
        """Return the same parser after as many other contracts."""
        others = {f"X{n}": Instrument(f"X{n}", "X", "USD", number=-n) for n in range(1, number)}
        target = copy.copy(self)
        target._instruments = {**others, **self._instruments}
        return target

    def pack(self, text: bytes) -> bytes:
        """Return a frame as it travels."""
        return gzip.compress(text, 1) if self._is_packed else text

    def parse(self, raw: bytes) -> list[Record]:
        """Receive a frame; return its records, also those that a rejection leaves."""
        assert isinstance(self._feed.reply(raw), str | None)
        try:
            return list(self._feed.parse(raw, self._instruments, self._recv_ts))
        except RejectedMessage as rejection:
            reason, found = str(rejection), list(rejection.accepted)
        assert 0 < len(reason) <= RejectedMessage.MOST
        assert "the parser failed" not in reason
        return found

    def read(self, text: bytes) -> list[Record]:
        """Parse a frame's content; its records are sound, and it takes no longer than others."""
        raw, most_s = self.pack(text), MOST_TIMES * self._pace * (len(text) + 100)
        began = time.process_time()
        found = self.parse(raw)
        if time.process_time() - began > most_s:  # a machine is slow at random, not five times
            assert self.measure(raw) < most_s
        assert_sound(found)
        return found

    def measure(self, raw: bytes, times: int = 1) -> float:
        """Return the CPU seconds that a frame takes at best."""
        spent = []
        for _ in range(5):
            began = time.process_time()
            for _ in range(times):
                self.parse(raw)
            spent.append((time.process_time() - began) / times)
        return min(spent)


target_of = cache(Target)


def find_rows(target: Target) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield the documents with rows, and the path to each list of them."""
    for document in target.documents:
        before = len(target.read(write(document)))
        for path in nodes(document):
            longer = copy.deepcopy(document)
            rows = at(longer, path)
            if before and isinstance(rows, list) and rows:
                rows.append(copy.deepcopy(rows[-1]))
                if len(target.read(write(longer))) > before:
                    yield document, path


def known(records: Iterable[Record]) -> set[Record]:
    """Return records without ids: a spoilt row may have the id of a good one."""
    return {replace(one, event_id=0) if isinstance(one, Liquidation) else one for one in records}


BATCHED = [name for name in FEEDS if any(find_rows(target_of(name)))]
BATCHES = pytest.mark.parametrize("name", BATCHED)


@EVERY
def test_a_fault_at_any_place_is_rejected_or_sound(name: str) -> None:
    target = target_of(name)
    for document in target.documents:
        for text in spoil(document, [*NO_JSON, *VALUES]):
            target.read(text)


@BATCHES
def test_good_rows_survive_a_bad_one_beside_them(name: str) -> None:
    target = target_of(name)
    for document, path in find_rows(target):
        plain = known(target.read(write(document)))
        hole = write(HOLE)
        for text in spoil(at(document, path)[-1], VALUES):
            longer = copy.deepcopy(document)
            at(longer, path).append(HOLE)
            assert known(target.read(write(longer).replace(hole, text))) >= plain
        for value in VALUES:
            longer = copy.deepcopy(document)
            at(longer, path).insert(0, HOLE)
            assert known(target.read(write(longer).replace(hole, value))) >= plain


@EVERY
def test_a_frame_with_a_megabyte_at_any_place_takes_bounded_time(name: str) -> None:
    target = target_of(name)
    [document, *_] = [one for one in target.documents if target.read(write(one))]
    for path in nodes(document):
        changed = copy.deepcopy(document)
        put(changed, path, HOLE)
        for value in HUGE:
            target.read(write(changed).replace(write(HOLE), value))


@BATCHES
@pytest.mark.parametrize("row", [b"", b"1", b"{}"], ids=["good", "number", "empty"])
def test_a_megabyte_of_rows_takes_bounded_time_and_memory(name: str, row: bytes) -> None:
    target = target_of(name)
    document, path = next(find_rows(target))
    row = row or write(at(document, path)[-1])
    longer = copy.deepcopy(document)
    at(longer, path).append(HOLE)
    rows = b",".join([row] * (MEGABYTE // (len(row) + 1)))
    text = write(longer).replace(write(HOLE), rows)
    found = target.read(text)
    assert known(found) >= known(target.read(write(document)))
    assert len(found) <= 2 * MOST_ROWS  # a trade of Deribit can be of two liquidations
    assert measure_memory(target, target.pack(text)) < MOST_MEMORY


@BATCHES
def test_rows_take_no_longer_with_many_contracts(name: str) -> None:
    target = target_of(name)
    document, path = next(find_rows(target))
    longer = copy.deepcopy(document)
    at(longer, path).extend([at(document, path)[-1]] * MOST_ROWS)
    raw = target.pack(write(longer))
    assert target.listing(10_000).measure(raw) < 5 * target.measure(raw)


def measure_memory(target: Target, raw: bytes) -> int:
    """Return the most bytes that a frame takes while it is parsed."""
    tracemalloc.start()
    try:
        target.parse(raw)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@EVERY
def test_random_faults_are_rejected_or_sound(name: str) -> None:
    target, chance = target_of(name), random.Random(name)  # noqa: S311 - the same each time
    until = time.monotonic() + BUDGET_S
    while time.monotonic() < until:
        document = copy.deepcopy(chance.choice(target.documents))
        for _ in range(chance.randint(1, 3)):
            places = [*nodes(document)]
            if places:
                put(document, chance.choice(places), f"{HOLE}{chance.randrange(len(VALUES))}")
        text = write(document)
        for number, value in enumerate(VALUES):
            text = text.replace(write(f"{HOLE}{number}"), value)
        target.read(text)
        raw = bytearray(target.pack(text))
        raw[chance.randrange(len(raw))] = chance.randrange(256)
        for spoilt in (raw, raw[: chance.randrange(len(raw))]):
            assert_sound(target.parse(bytes(spoilt)))


@EVERY
def test_a_bomb_is_not_inflated(name: str) -> None:
    assert measure_memory(target_of(name), BOMB) < 4 * MOST_BYTES


@pytest.mark.parametrize("symbol", ["", " ", "X" * 101, "X" * MEGABYTE, "X\n"])
def test_no_listing_is_requested_for_what_is_no_name(symbol: str) -> None:
    with pytest.raises(RejectedMessage, match="unknown contract") as rejection:
        find_contract(symbol, {})
    assert not rejection.value.unknown
