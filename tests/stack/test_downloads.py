"""Downloads of pinned jars, from a repository of the test that fails in every way."""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from liq.common import files
from liq.errors import StackError
from liq.stack import downloads
from liq.stack.downloads import Jar
from support.helpers import find_free_ports
from support.mirror import Mirror, mirror

CONTENTS = {
    f"org.acme:part-{number}:1.{number}": bytes([number]) * 50_000 * number
    for number in range(1, 6)
}
ALL = sum(map(len, CONTENTS.values()))


def pin(coordinates: str, content: bytes) -> Jar:
    return Jar(hashlib.sha256(content).hexdigest(), len(content), ("kafka",), coordinates)


JARS = [pin(*each) for each in CONTENTS.items()]
ONE = JARS[-1]


@pytest.fixture
def repository() -> Iterator[Mirror]:
    with mirror({jar.path: CONTENTS[jar.coordinates] for jar in JARS}) as served:
        yield served


@pytest.fixture(autouse=True)
def _pause_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_FIRST_PAUSE_S", 0.01)


def fetch(repository: Mirror, folder: Path, *jars: Jar) -> list[int]:
    """Download, and return the numbers of bytes that were reported."""
    reported: list[tuple[int, int]] = []
    downloads.fetch(jars, folder, repository.url, lambda *done: reported.append(done))
    assert {total for _, total in reported} <= {sum(jar.size for jar in jars)}
    return [done for done, _ in reported]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def expected(*jars: Jar) -> dict[str, bytes]:
    return {jar.name: CONTENTS[jar.coordinates] for jar in jars}


def test_all_jars_arrive_and_each_percent_is_reported(repository: Mirror, tmp_path: Path) -> None:
    reported = fetch(repository, tmp_path / "jars", *JARS)
    assert contents(tmp_path / "jars") == expected(*JARS)
    assert reported == sorted(reported)
    assert reported[-1] == ALL
    assert len(reported) <= 101


def test_a_jar_that_is_there_is_not_downloaded_again(repository: Mirror, tmp_path: Path) -> None:
    fetch(repository, tmp_path, ONE)
    assert fetch(repository, tmp_path, ONE) == []
    assert repository.asked == {ONE.path: 1}


def test_a_damaged_jar_is_downloaded_again(repository: Mirror, tmp_path: Path) -> None:
    (tmp_path / ONE.name).write_bytes(bytes(ONE.size))
    fetch(repository, tmp_path, ONE)
    assert contents(tmp_path) == expected(ONE)


def test_a_broken_download_goes_on_where_it_ended(repository: Mirror, tmp_path: Path) -> None:
    repository.breaks = ONE.size // 2
    fetch(repository, tmp_path, ONE)
    assert contents(tmp_path) == expected(ONE)
    assert repository.ranges == [f"bytes={ONE.size // 2}-"]


def test_the_next_run_goes_on_where_the_last_one_ended(repository: Mirror, tmp_path: Path) -> None:
    repository.breaks = 1000
    with pytest.raises(StackError, match="try again to continue"):
        fetch(repository, tmp_path, ONE)
    [part] = tmp_path.iterdir()
    assert part.stat().st_size == 4000
    repository.breaks = None
    fetch(repository, tmp_path, ONE)
    assert contents(tmp_path) == expected(ONE)
    assert repository.ranges[-1] == "bytes=4000-"


def test_a_repository_without_ranges_sends_all_again(repository: Mirror, tmp_path: Path) -> None:
    repository.has_ranges = False
    (tmp_path / f"{ONE.name}.part").write_bytes(b"12345")
    fetch(repository, tmp_path, ONE)
    assert contents(tmp_path) == expected(ONE)


@pytest.mark.parametrize("size", [5, ONE.size, ONE.size + 5])
def test_the_damaged_part_of_an_earlier_run_is_dropped(
    size: int, repository: Mirror, tmp_path: Path
) -> None:
    (tmp_path / f"{ONE.name}.part").write_bytes(bytes(size))
    fetch(repository, tmp_path, ONE)
    assert contents(tmp_path) == expected(ONE)


def test_a_part_that_is_longer_than_the_repository_s_file_is_dropped(
    repository: Mirror, tmp_path: Path
) -> None:
    (tmp_path / f"{ONE.name}.part").write_bytes(bytes(2000))
    repository.files[ONE.path] = b"a login page"
    with pytest.raises(StackError, match="another SHA-256"):
        fetch(repository, tmp_path, ONE)
    assert contents(tmp_path) == {}


def test_a_full_disk_is_no_fault_of_the_repository(repository: Mirror, tmp_path: Path) -> None:
    (tmp_path / f"{ONE.name}.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        fetch(repository, tmp_path, ONE)
    assert repository.asked == {ONE.path: 1}


def test_a_login_of_the_repository_is_sent_and_never_logged(
    repository: Mirror, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")  # a webhook silences it
    repository.url = repository.url.replace("//", "//user:hid%40den@") + "/"
    fetch(repository, tmp_path, ONE)
    assert repository.logins == {"Basic dXNlcjpoaWRAZGVu"}
    assert ONE.name in caplog.text
    assert "hid" not in caplog.text


def test_a_busy_repository_is_asked_again(repository: Mirror, tmp_path: Path) -> None:
    repository.busy = 2
    fetch(repository, tmp_path, ONE)
    assert contents(tmp_path) == expected(ONE)


@pytest.mark.parametrize("other", [b"", b"short", bytes(ONE.size), bytes(ONE.size + 1)])
def test_another_file_is_refused_and_not_kept(
    other: bytes, repository: Mirror, tmp_path: Path
) -> None:
    repository.files[ONE.path] = other
    with pytest.raises(StackError, match="another SHA-256") as caught:
        fetch(repository, tmp_path, ONE)
    assert ONE.name in str(caught.value)
    assert contents(tmp_path) == {}


def test_a_missing_jar_is_named_at_once_and_the_others_stay(
    repository: Mirror, tmp_path: Path
) -> None:
    fetch(repository, tmp_path, *JARS[:-1])
    del repository.files[ONE.path]
    with pytest.raises(StackError, match=f"cannot download {ONE.name} .* 404") as caught:
        fetch(repository, tmp_path, *JARS)
    assert "LIQ_MAVEN_MIRROR" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert repository.asked[ONE.path] == 1
    assert contents(tmp_path) == expected(*JARS[:-1])


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hidden@127.0.0.1:{port}/maven2",
        "http://user:hidden/part@127.0.0.1:{port}/maven2",
        "http://[",
        "http://no host",
    ],
)
def test_a_repository_that_is_away_is_named_without_its_password(url: str, tmp_path: Path) -> None:
    away = Mirror({}, url.format(port=find_free_ports()["api_port"]))
    with pytest.raises(StackError, match="cannot download") as caught:
        fetch(away, tmp_path, ONE)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_shipped_list_pins_each_jar_once() -> None:
    jars = downloads.read_list(files.find_asset("connect") / "jars.txt")
    assert len({jar.name for jar in jars}) == len({jar.sha256 for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)
    folders = {folder for jar in jars for folder in jar.folders}
    assert folders == {"compiler", "kafka", "plugins/liq-sink", "questdb", "spark"}
