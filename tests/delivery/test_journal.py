"""The journal on a real disk: order, limits, rotation, dead owners, torn and damaged files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liq.delivery.journal import Journal
from liq.errors import JournalError
from support.disk import KINDS, Disk, small_disk
from support.helpers import eventually


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
    if journal._file >= 0:
        os.close(journal._file)
    journal._unlock()


def everything(journal: Journal) -> list[bytes]:
    found: list[bytes] = []
    while journal.has_unread:
        found += journal.read(7)
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path, limit=10_000, segment=200)
    yield opened
    opened.close()


def is_full(journal: Journal) -> bool:
    """Read it again: a type checker takes a property for a constant."""
    return journal.is_full


def _flushed(journal: Journal) -> bool:
    """Write what memory holds; return whether nothing is wrong."""
    journal.flush()
    return not journal.fault


def test_entries_come_back_in_order_once(journal: Journal) -> None:
    fill(journal, entries(100))
    assert (journal.has_unread, journal.is_full) == (True, False)
    assert journal.read(3) == entries(3)
    assert everything(journal) == entries(97, 3)
    assert not journal.has_unread
    assert everything(journal) == []
    fill(journal, entries(5, 100))
    assert everything(journal) == entries(5, 100)


def test_entries_that_their_owner_holds_are_not_read(journal: Journal, tmp_path: Path) -> None:
    fill(journal, entries(50), held=True)
    assert not journal.has_unread
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


def test_a_full_journal_stays_full_until_an_entry_is_acknowledged(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=2_000, segment=200)
    count = 0
    while not is_full(journal):
        journal.append(b"x" * 42, held=True)
        count += 1
    assert count == 40
    journal.acknowledge(4)
    assert not is_full(journal)
    journal.acknowledge(36)
    journal.close()


def test_an_acknowledged_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=10**9)
    for _ in range(1_000):
        journal.append(b"x" * 1_000, held=True)
        journal.flush()
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


def test_a_journal_inherits_the_entries_of_dead_owners_ahead_of_its_own(tmp_path: Path) -> None:
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
    assert not other.has_unread
    other.close()
    assert everything(journal) == entries(10)


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from liq.delivery.journal import Journal\n"
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


@settings(max_examples=50)
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


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with small_disk(request.param, tmp_path / "disk") as made:
        yield made


def open_journal(disk: Disk, limit: int = 10**9) -> Journal:
    return Journal(disk.path / "journal", limit, segment=1_000)


def test_a_full_disk_leaves_new_entries_in_memory_until_there_is_room(disk: Disk) -> None:
    journal = open_journal(disk)
    fill(journal, entries(10), held=True)
    disk.fill()
    fill(journal, entries(500, 10), held=True)
    assert journal.fault
    assert "free disk" in str(journal.fault)
    assert 0 < journal.unwritten <= 500
    journal.acknowledge(300)  # of which memory must not keep any
    assert journal.unwritten <= 210
    disk.free()
    eventually(partial(_flushed, journal))
    assert journal.unwritten == 0
    die(journal)
    heir = open_journal(disk)
    assert everything(heir)[-210:] == entries(210, 300)
    heir.acknowledge(510)
    heir.close()


def test_entries_that_a_full_disk_left_in_memory_are_read_in_order(disk: Disk) -> None:
    journal = open_journal(disk)
    fill(journal, entries(10))
    disk.fill()
    fill(journal, entries(200, 10))
    assert journal.read(7) == entries(7)
    assert everything(journal) == entries(203, 7)
    journal.append(b"one more", held=True)
    journal.acknowledge(205)
    disk.free()
    journal.flush(insist=True)
    die(journal)
    heir = open_journal(disk)
    assert everything(heir)[-6:] == [*entries(5, 205), b"one more"]
    heir.acknowledge(1_000)
    heir.close()


def test_a_full_disk_bounds_the_entries_in_memory(disk: Disk) -> None:
    journal = open_journal(disk)
    disk.fill()
    count = 0
    while not is_full(journal):
        fill(journal, [b"x" * 10_000], held=True)
        count += 1
    assert 400 < count < 450  # of 4 MiB
    journal.acknowledge(1)
    assert not is_full(journal)
    journal.acknowledge(count)
    assert journal.unwritten == 0
    journal.close()


def test_an_acknowledged_journal_gives_a_full_disk_its_room_back(disk: Disk) -> None:
    journal = open_journal(disk)
    fill(journal, [b"x" * 200_000], held=True)
    disk.fill()
    fill(journal, entries(10), held=True)
    assert journal.fault
    journal.acknowledge(1)
    if disk.path.is_mount():
        fill(journal, entries(10, 10), held=True)
        eventually(partial(_flushed, journal))
    journal.acknowledge(20)
    journal.close()


def test_entries_of_a_dead_owner_on_a_full_disk_are_inherited(disk: Disk) -> None:
    dead = open_journal(disk)
    fill(dead, entries(100))
    die(dead)
    disk.fill()
    heir = open_journal(disk)
    fill(heir, entries(50, 100))
    assert everything(heir) == entries(150)
    heir.acknowledge(150)
    heir.close()
    assert segments(disk.path / "journal") == []


def test_a_journal_begins_on_a_full_disk_without_a_folder(tmp_path: Path) -> None:
    with small_disk("tmpfs", tmp_path / "disk") as disk:
        for number in count():  # folders need inodes, which a filler does not take
            try:
                (disk.path / f"{number}").mkdir()
            except OSError:
                break
        journal = open_journal(disk)
        fill(journal, entries(3))
        assert journal.fault
        assert everything(journal) == entries(3)
        journal.acknowledge(3)
        (disk.path / "0").rmdir()
        (disk.path / "1").rmdir()
        (disk.path / "2").rmdir()
        fill(journal, entries(3))
        eventually(partial(_flushed, journal))
        die(journal)


def test_a_journal_whose_folder_is_deleted_begins_another(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", limit=10_000)
    fill(journal, entries(10), held=True)
    shutil.rmtree(tmp_path / "journal")
    fill(journal, entries(10, 10))
    assert everything(journal) == entries(10, 10)
    fill(journal, entries(10, 20))
    journal.acknowledge(15)
    die(journal)
    heir = Journal(tmp_path / "journal", limit=10_000)
    assert everything(heir) == entries(20, 10)
    heir.acknowledge(20)
    heir.close()


def test_unread_entries_that_somebody_deleted_hold_nothing_up(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", limit=10_000, segment=100)
    fill(journal, entries(20))
    shutil.rmtree(tmp_path / "journal")
    fill(journal, entries(5, 20))
    assert everything(journal) == entries(5, 20)
    assert journal.damaged
    journal.acknowledge(5)
    journal.close()


def test_zeros_that_a_power_loss_left_are_no_entries(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=10_000)
    fill(journal, entries(3))
    die(journal)
    [file] = segments(tmp_path)
    with file.open("ab") as torn:
        torn.write(bytes(64))
    heir = Journal(tmp_path, limit=10_000)
    assert everything(heir) == entries(3)
    assert heir.damaged
    heir.acknowledge(3)
    heir.close()


@settings(max_examples=200)
@given(st.data())
def test_order_and_count_of_a_journal_hold_whatever_the_disk_does(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Entries go out in order, once; what was written and not acknowledged, the heir has."""
    folder = tmp_path_factory.mktemp("journal") / "here"
    journal = Journal(folder, limit=10**6, segment=60)
    with small_disk("limit", folder.with_name("disk")) as disk:
        added = handed = acknowledged = 0
        for step in data.draw(st.lists(st.sampled_from("aaarrkkfFw"), max_size=60)):
            match step:
                case "a":
                    held = not journal.has_unread
                    journal.append(f"entry {added}".encode(), held=held)
                    added += 1
                    handed += held
                case "r":
                    found = journal.read(data.draw(st.integers(1, 5)))
                    assert found == entries(len(found), handed)
                    handed += len(found)
                case "k":
                    done = data.draw(st.integers(0, handed - acknowledged))
                    journal.acknowledge(done)
                    acknowledged += done
                case "f":
                    journal.flush(insist=data.draw(st.booleans()))
                case "F":
                    disk.fill()
                case "w":
                    disk.free()
            assert journal.has_unread == (handed < added)
        unwritten = journal.unwritten
        die(journal)
        disk.free()
    heir = Journal(folder, limit=10**6)
    kept = everything(heir)
    expected = entries(added - unwritten - acknowledged, acknowledged)
    assert kept[len(kept) - len(expected) :] == expected
    assert not heir.damaged
    heir.acknowledge(len(kept))
    heir.close()
    assert list(folder.iterdir()) == []
