"""No fault of clock, disk, pid file or machine starts twice, leaves behind, or hits a stranger.

Private mounts stand for a clock that was stepped and for another boot: the machine's own stay.
"""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from liq import stack as local
from liq.config import Settings
from liq.errors import StackError
from liq.stack import apps, control, identity, process
from liq.stack.service import Service
from stack.conftest import liq, shows_healthy
from support.disk import KINDS, small_disk
from support.helpers import PATIENCE_S, eventually, running
from support.machine import another_boot, of_home, stepped

pytestmark = pytest.mark.timeout(900)
DAMAGES = ["", "{", '{"pid": 1', "[]", "\0" * 200, None]  # None: the file is gone
SLEEP = ["sleep", "1000"]


def pids(settings: Settings) -> dict[str, int]:
    return {each.name: each.pid for each in local.status(settings) if each.pid}


def damage(service: Service, text: str | None) -> None:
    if text is None:
        service.pid_file.unlink(missing_ok=True)
    else:
        service.pid_file.write_text(text)


def test_a_stepped_clock_changes_nothing(supervised: Settings, tmp_path: Path) -> None:
    before = pids(supervised)
    for hours in (5, -5):
        clock = stepped(tmp_path, hours)

        def is_unchanged() -> bool:
            done = liq(supervised, "status", within=clock)  # noqa: B023
            assert (done.returncode, done.stdout.count("healthy")) == (0, len(before)), done
            assert done.stdout.count("  0:0") == len(before), done  # up for minutes, not for hours
            return True

        eventually(is_unchanged)
        done = liq(supervised, "supervise", within=clock)  # it finds that there is one
        assert "a supervisor runs already" in done.stderr, done
        assert (pids(supervised), of_home(supervised)) == (before, sorted(before.values()))
    assert liq(supervised, "down", within=clock).returncode == 0
    assert of_home(supervised) == []


def test_damaged_pid_files_lose_no_process_and_double_none(supervised: Settings) -> None:
    services = [apps.define_simulator(supervised), apps.define_supervisor(supervised)]
    before = pids(supervised)

    def are_shown() -> bool:
        for service in services:
            damage(service, "")
        return shows_healthy(supervised, len(before))

    eventually(are_shown)
    for text in DAMAGES:
        for service in services:
            damage(service, text)
        assert pids(supervised) == before
        for service in services:
            damage(service, text)
        control.launch(services, supervised)
        assert (pids(supervised), of_home(supervised)) == (before, sorted(before.values()))
    for service in services:
        damage(service, None)
    assert sorted(local.down(supervised)) == sorted(before)
    assert of_home(supervised) == []


@pytest.mark.parametrize("text", DAMAGES)
def test_down_ends_a_process_with_a_damaged_pid_file(settings: Settings, text: str | None) -> None:
    simulator = replace(apps.define_simulator(settings), argv=SLEEP)
    control.launch([simulator], settings)
    damage(simulator, text)
    assert local.down(settings) == ["simulator"]
    assert of_home(settings) == []


def test_the_supervisor_restarts_no_service_with_a_damaged_pid_file_and_is_one_without_its_own(
    supervised: Settings,
) -> None:
    before = pids(supervised)
    beats = apps.heartbeat_file(supervised)
    for _ in range(3):
        damage(apps.define_simulator(supervised), "")
        begin = beats.stat().st_mtime_ns
        eventually(apps.define_simulator(supervised).pid_file.read_text)
        eventually(lambda: beats.stat().st_mtime_ns > begin + 2e9)  # noqa: B023
    damage(apps.define_supervisor(supervised), None)
    assert "a supervisor runs already" in liq(supervised, "supervise").stderr
    assert (pids(supervised), of_home(supervised)) == (before, sorted(before.values()))


def test_a_supervisor_in_the_foreground_writes_its_own_damaged_pid_file_again(
    settings: Settings,
) -> None:
    file = apps.define_supervisor(settings).pid_file
    with running(settings, "-m", "liq", "supervise") as supervisor:
        for text in ("", "{", None):
            eventually(lambda: process.find(file))
            damage(apps.define_supervisor(settings), text)
            found = eventually(lambda: process.find(file))
            assert found
            assert found.process.pid == supervisor.pid
        assert local.down(settings) == ["supervisor"]
        supervisor.wait(PATIENCE_S)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_no_process_that_nobody_knows(settings: Settings, kind: str) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    simulator = apps.define_simulator(settings)
    with small_disk(kind, settings.home / "run") as disk:
        control.launch([simulator], settings)
        control.end([simulator], settings)
        disk.fill()
        with pytest.raises(StackError, match=r"free disk|No space left|File too large"):
            control.launch([simulator], settings)
        with pytest.raises(StackError, match=r"free disk|No space left|File too large"):
            control.adopt(apps.define_supervisor(settings), settings)
        assert of_home(settings) == []
        assert not simulator.pid_file.exists()
        disk.free()
        control.launch([simulator], settings)
        disk.fill()  # what runs is known, and can be ended, without a byte of room
        assert list(pids(settings)) == ["simulator"]
        damage(simulator, "")
        assert list(pids(settings)) == ["simulator"]
        assert local.down(settings) == ["simulator"]
        assert of_home(settings) == []


def test_after_a_reboot_strangers_with_the_old_pids_are_left_alone(
    supervised: Settings, tmp_path: Path
) -> None:
    boot, files = another_boot(tmp_path), sorted((supervised.home / "run").glob("*.json"))
    for pid in of_home(supervised):
        psutil.Process(pid).kill()
    strangers = [subprocess.Popen(SLEEP) for _ in files]
    for file, stranger in zip(files, strangers, strict=True):
        # it began at the same tick, but of this boot
        begun = {"pid": stranger.pid, "born": identity.read_start(stranger.pid)}
        file.write_text(json.dumps(json.loads(file.read_text()) | begun))
    done = liq(supervised, "status", within=boot)
    assert done.returncode == 3, done.stdout  # all of it died with the machine
    assert "simulator" in done.stdout
    done = liq(supervised, "down", within=boot)
    assert done.returncode == 0, done.stderr
    assert of_home(supervised) == []
    assert all(stranger.poll() is None for stranger in strangers)
    for stranger in strangers:
        stranger.kill()
        stranger.wait()
