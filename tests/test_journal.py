"""The journal on a real disk: order, limits, rotation, dead owners, torn and damaged files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liq.errors import JournalError
from liq.journal import Journal


def entries(count: int, start: int = 0) -> list[bytes]:
    return [f"entry {number}".encode() for number in range(start, start + count)]


def fill(journal: Journal, what: list[bytes], *, held: bool = False) -> None:
    for entry in what:
        journal.append(entry, held=held)
    journal.flush()


def segments(parent: Path) -> list[Path]:
    return sorted(parent.glob("*/*.log"))


def die(journal: Journal) -> None:
    """End like a killed owner: the system frees its lock, nothing else is done."""
    os.close(journal._file)
    os.close(journal._lock)


def everything(journal: Journal) -> list[bytes]:
    found: list[bytes] = []
    while journal.unread:
        found += journal.read(7)
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path, limit=10_000, segment=200)
    yield opened
    opened.close()


def test_entries_come_back_in_order_once(journal: Journal) -> None:
    fill(journal, entries(100))
    assert journal.unread
    assert journal.read(3) == entries(3)
    assert everything(journal) == entries(97, 3)
    assert not journal.unread
    assert everything(journal) == []
    fill(journal, entries(5, 100))
    assert everything(journal) == entries(5, 100)


def test_what_its_owner_holds_is_not_read(journal: Journal, tmp_path: Path) -> None:
    fill(journal, entries(50), held=True)
    assert not journal.unread
    fill(journal, entries(50, 50))
    assert everything(journal) == entries(50, 50)
    journal.acknowledge(100)
    assert len(segments(tmp_path)) == 1


def test_acknowledged_segments_are_deleted_from_the_oldest_on(
    journal: Journal, tmp_path: Path
) -> None:
    fill(journal, entries(100), held=True)
    before = segments(tmp_path)
    assert len(before) > 5
    journal.acknowledge(50)
    after = segments(tmp_path)
    assert 0 < len(after) < len(before)
    assert after == before[-len(after) :]
    journal.acknowledge(50)
    assert len(segments(tmp_path)) == 1


def test_it_is_full_until_something_is_acknowledged(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=2_000, segment=200)
    count = 0
    while not journal.full:
        journal.append(b"x" * 42, held=True)
        count += 1
    assert count == 40
    journal.acknowledge(4)
    assert not journal.full
    journal.acknowledge(36)
    journal.close()


def test_an_acknowledged_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=10**9)
    for _ in range(1_000):
        journal.append(b"x" * 1_000, held=True)
        journal.acknowledge(1)
    [file] = segments(tmp_path)
    assert file.stat().st_size < 100_000
    journal.append(b"last", held=False)
    assert journal.read(9) == [b"last"]
    journal.close()


def test_a_delivered_journal_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=10_000)
    fill(journal, entries(10), held=True)
    journal.acknowledge(10)
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_the_next_one_inherits_what_dead_owners_left_ahead_of_its_own(tmp_path: Path) -> None:
    first = Journal(tmp_path, limit=10_000, segment=200)
    second = Journal(tmp_path, limit=10_000, segment=200)
    fill(first, entries(40), held=True)
    first.acknowledge(15)  # the segment of the 15th is there still
    fill(second, entries(10, 40))
    die(first)
    die(second)
    third = Journal(tmp_path, limit=10_000)
    fill(third, entries(3, 50))
    found = everything(third)
    assert found == entries(53)[-len(found) :]
    assert 38 <= len(found) < 53
    third.acknowledge(len(found))
    third.close()
    assert list(tmp_path.iterdir()) == []


def test_the_living_keep_theirs(journal: Journal, tmp_path: Path) -> None:
    fill(journal, entries(10))
    other = Journal(tmp_path, limit=10_000)
    assert not other.unread
    other.close()
    assert everything(journal) == entries(10)


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from liq.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]), 10**6)\n"
        "for n in range(500): journal.append(f'entry {n}'.encode(), held=True)\n"
        "journal.flush()\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    journal = Journal(tmp_path, limit=10**6)
    assert everything(journal) == entries(500)
    journal.acknowledge(500)
    journal.close()


@pytest.mark.parametrize("cut", range(1, 15))
def test_a_torn_end_costs_the_torn_entry_only(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path, limit=10_000)
    fill(journal, entries(10))
    die(journal)
    [file] = segments(tmp_path)
    os.truncate(file, file.stat().st_size - cut)
    journal = Journal(tmp_path, limit=10_000)
    fill(journal, entries(1, 99))
    assert everything(journal) == [*entries(9), *entries(1, 99)]
    [kept] = journal.damaged
    assert kept.parent == tmp_path
    assert kept.exists()
    journal.acknowledge(10)
    journal.close()


@settings(max_examples=50, deadline=None)
@given(place=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_and_later_segments_are_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, limit=10_000, segment=100)
    fill(journal, entries(20))
    die(journal)
    first, *_ = segments(folder)
    data = bytearray(first.read_bytes())
    data[place % len(data)] ^= 1 << bit
    first.write_bytes(data)
    journal = Journal(folder, limit=10_000)
    found = everything(journal)
    assert set(found) < set(entries(20))
    assert found == sorted(found, key=entries(20).index)
    assert found[-10:] == entries(20)[-10:]
    assert journal.damaged[0].read_bytes() == bytes(data)
    journal.acknowledge(100)
    journal.close()


def test_damage_to_its_own_file_costs_no_later_entry(journal: Journal, tmp_path: Path) -> None:
    fill(journal, entries(3))
    [file] = segments(tmp_path)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert everything(journal) == entries(2)
    fill(journal, entries(3, 3))
    assert everything(journal) == entries(3, 3)
    assert len(journal.damaged) == 1


def test_a_disk_that_fails_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"LIQ_BUFFER_MB=0"):
        Journal(tmp_path / "file", limit=1)
