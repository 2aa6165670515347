"""What holds in a forked child: its own connections, threads and locks, on each Python there is."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from liq.common import forks
from liq.config import Settings
from liq.delivery import messaging
from liq.delivery.journal import Journal
from liq.delivery.messaging import Publisher
from liq.errors import KafkaError
from liq.ingest.recording import Recorder
from liq.monitoring.diagnosis import Examiner
from liq.records.model import Source
from liq.records.streams import LIQUIDATIONS
from liq.web.api.app import QueryLimit
from support import forked
from support.helpers import PATIENCE_S, eventually, find_free_ports
from support.records import numbered
from support.rows import insert, liquidation, own_table

ROOT = Path(__file__).parents[2]


def other_pythons() -> list[str]:
    """Python 3.13 where this machine has one that works; it warns of forks, 3.11 does not."""
    if sys.version_info >= (3, 13):
        return []
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = [shutil.which("python3.13"), *sorted(map(str, versions.glob("3.13*/bin/python3.13")))]
    return [one for one in found if one and _works(one)][:1]


def _works(python: str) -> bool:
    return not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode


def other_environment(python: str, folder: Path) -> str:
    """Install what `liq` needs for another Python; return that environment's Python."""
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    subprocess.run(
        [uv, "sync", "--quiet", "--frozen", "--no-default-groups", "--python", python],
        cwd=ROOT,
        env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(folder)},
        check=True,
    )
    return str(folder / "bin" / "python")


@pytest.mark.stack
@pytest.mark.timeout(900)
@pytest.mark.parametrize("python", [sys.executable, *other_pythons()])
def test_children_forked_in_every_way_get_their_own_answers_and_deliver_their_records(
    python: str, broker: Settings, tmp_path: Path
) -> None:
    settings = own_table(broker)
    moment = "2026-01-01T10:00:00"
    insert(settings, [liquidation(moment, n + 1.0, event_id=n) for n in range(forked.ROWS)])
    if python != sys.executable:
        python = other_environment(python, tmp_path / "environment")
    done = subprocess.run(
        [python, "-W", "ignore::DeprecationWarning", forked.__file__],
        env=os.environ | settings.environ() | {"PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [], done.stderr


def test_a_child_does_not_hold_its_parents_journal_once_that_is_gone(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from liq.delivery.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]), 1000); journal.append(b'kept', held=False)\n"
        "journal.flush()\n"
        "child = os.fork()\n"
        "if not child: time.sleep(600)\n"
        "print(child, flush=True); os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.wait()

    def kept() -> bool:
        heir = Journal(tmp_path, 1000)
        try:
            return heir.read(1) == [b"kept"]
        finally:
            heir.close()

    try:
        eventually(kept)  # the child may not have begun yet
    finally:
        os.kill(child, 9)


def test_a_child_adds_nothing_to_its_parents_recording(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "okx")
    recorder.write(b'{"one": 1}', 1, Source.LIVE)
    assert not forked.in_fork(lambda: _closed(recorder))
    recorder.write(b'{"two": 2}', 2, Source.LIVE)
    recorder.close()
    assert recorder.path
    lines = gzip.decompress(recorder.path.read_bytes()).splitlines()
    assert [json.loads(line)["recv_ts"] for line in lines] == [1, 2]


def _closed(recorder: Recorder) -> list[str]:
    recorder.close()
    return []


def test_a_child_passes_a_query_limit_that_its_parents_threads_keep_full() -> None:
    limit, over = QueryLimit(running=1, waiting=0), threading.Event()

    def stay() -> None:
        with limit.admit(PATIENCE_S):
            over.wait()

    stayer = threading.Thread(target=stay)
    stayer.start()
    eventually(lambda: not limit._all.acquire(blocking=False))
    try:
        assert not forked.in_fork(lambda: _passed(limit))
    finally:
        over.set()
        stayer.join()


def _passed(limit: QueryLimit) -> list[str]:
    with limit.admit(1):
        return []


def test_a_child_examines_without_the_thread_of_its_parents_examiner(tmp_path: Path) -> None:
    examiner = Examiner(Settings.load(home=tmp_path, **find_free_ports()))
    assert _examined(examiner) == []
    assert not forked.in_fork(lambda: _examined(examiner))


def _examined(examiner: Examiner) -> list[str]:
    examiner.forget()

    def has_reported() -> bool:
        examiner.ask()
        return bool(examiner.found)

    try:
        eventually(has_reported)
    except AssertionError as error:
        return [str(error)]
    return []


@pytest.mark.stack
async def test_a_child_is_refused_the_records_that_its_parent_reads(broker: Settings) -> None:
    async with Publisher(broker) as publisher:
        for number in range(10):
            await publisher.publish(numbered(number))
    reader = messaging.read(LIQUIDATIONS.topic(broker), broker)
    first = next(reader)
    assert not forked.in_fork(lambda: _refused(reader))
    ids = {json.loads(one.value or b"")["event_id"] for one in [first, *reader]}
    assert ids == set(range(10))


def _refused(reader: Iterator[messaging.StoredMessage]) -> list[str]:
    try:
        next(reader)
    except KafkaError as error:
        return [] if "start one in this process" in str(error) else [str(error)]
    return ["it was given the next record"]


def test_a_private_file_is_nothing_in_a_child_and_goes_on_in_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "file"
    private = forks.Private(os.open(file, os.O_RDWR | os.O_CREAT))
    assert not forked.in_fork(lambda: _written(private, b"child"))
    assert not _written(private, b"parent")
    private.close()
    assert file.read_bytes() == b"parent"


def _written(private: forks.Private, text: bytes) -> list[str]:
    os.write(private.fileno(), text)
    return []
