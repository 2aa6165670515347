"""No fault of clock, disk, pid file or machine starts twice, leaves behind, or hits a stranger.

Private mounts stand for a clock that was stepped and for another boot: the machine's own stay.
"""

import json
import subprocess
from pathlib import Path

import psutil
import pytest

from liq import stack as local
from liq.config import Settings
from liq.errors import StackError
from liq.query import questdb
from liq.stack import ServiceState, apps, control, identity, process
from liq.stack.servers import SERVERS
from liq.stack.service import Service
from stack.conftest import liq, shows_healthy
from support.disk import KINDS, small_disk
from support.helpers import PATIENCE_S, eventually, running

pytestmark = pytest.mark.timeout(900)
DAMAGES = ["", "{", '{"pid": 1', "[]", "\0" * 200, None]  # None: the file is gone
SLEEP = ["sleep", "1000"]
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def mounted(file: Path, place: str) -> list[str]:
    """Return the program within which others see ``file`` in place of one of the system's."""
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    within = ["unshare", "--mount", "sh", "-c", script, str(file), place]
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount, test_process.py edits pid files instead")
    return within


def stepped(folder: Path, hours: int) -> list[str]:
    """Return the program within which the clock was stepped by ``hours``, by /proc/stat."""
    lines = Path("/proc/stat").read_text().splitlines()
    lines = [
        f"btime {int(line.split()[1]) + 3600 * hours}" if line.startswith("btime") else line
        for line in lines
    ]
    file = folder / f"stat{hours}"
    file.write_text("\n".join(lines) + "\n")
    return mounted(file, "/proc/stat")


def another_boot(folder: Path) -> list[str]:
    """Return the program within which the machine has another boot's id."""
    file = folder / "boot_id"
    file.write_text("00000000-0000-4000-8000-000000000000\n")
    return mounted(file, BOOT_ID)


def pids(settings: Settings) -> dict[str, int]:
    return {each.name: each.pid for each in local.status(settings) if each.pid}


def states(settings: Settings) -> set[ServiceState]:
    return {each.state for each in local.status(settings)}


def of_home(settings: Settings) -> list[int]:
    """All processes that work for this home, whatever pid files say."""

    def is_one(each: psutil.Process) -> bool:
        try:
            words = " ".join(each.cmdline())
            home = each.environ().get("LIQ_HOME") == str(settings.home)
            return each.status() != psutil.STATUS_ZOMBIE and (
                home or (f"{settings.home}/" in words and "java" in words)
            )
        except psutil.Error:
            return False

    return sorted(each.pid for each in psutil.process_iter() if is_one(each))


def damage(service: Service, text: str | None) -> None:
    if text is None:
        service.pid_file.unlink(missing_ok=True)
    else:
        service.pid_file.write_text(text)


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_stepped_clock_changes_nothing(supervised: Settings, hours: int, tmp_path: Path) -> None:
    before, clock = pids(supervised), stepped(tmp_path, hours)
    eventually(lambda: shows_healthy(supervised, len(before), within=clock))
    done = liq(supervised, "status", within=clock)
    assert done.stdout.count("  0:0") == len(before), done.stdout  # up for minutes, not for hours
    done = liq(supervised, "supervise", within=clock)  # it finds that there is one
    assert "a supervisor runs already" in done.stderr, done
    assert (pids(supervised), of_home(supervised)) == (before, sorted(before.values()))
    assert liq(supervised, "down", within=clock).returncode == 0
    assert of_home(supervised) == []


@pytest.mark.parametrize("text", DAMAGES)
def test_damaged_pid_files_lose_no_process_and_double_none(
    supervised: Settings, text: str | None
) -> None:
    services = [apps.define_simulator(supervised), apps.define_supervisor(supervised)]
    before = pids(supervised)

    def are_found() -> bool:
        for service in services:
            damage(service, text)
        return shows_healthy(supervised, len(before))

    eventually(are_found)
    assert pids(supervised) == before
    for service in services:
        damage(service, text)
    control.launch(services, supervised)
    assert (pids(supervised), of_home(supervised)) == (before, sorted(before.values()))
    for service in services:
        damage(service, text)
    assert sorted(local.down(supervised)) == sorted(before)
    assert of_home(supervised) == []


def test_the_supervisor_does_not_restart_a_service_with_a_damaged_pid_file(
    supervised: Settings,
) -> None:
    before = pids(supervised)
    beats = apps.heartbeat_file(supervised)
    for _ in range(3):
        damage(apps.define_simulator(supervised), "")
        begin = beats.stat().st_mtime_ns
        eventually(apps.define_simulator(supervised).pid_file.read_text)
        eventually(lambda: beats.stat().st_mtime_ns > begin + 2e9)  # noqa: B023
    assert (pids(supervised), of_home(supervised)) == (before, sorted(before.values()))


def test_there_is_one_supervisor_though_its_pid_file_is_gone(supervised: Settings) -> None:
    damage(apps.define_supervisor(supervised), None)
    assert "a supervisor runs already" in liq(supervised, "supervise").stderr


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


@pytest.mark.stack
def test_a_real_stack_goes_through_a_stepped_clock_damage_a_kill_and_a_reboot(
    settings: Settings, tmp_path: Path
) -> None:
    local.up(settings)
    questdb.execute("insert into liquidations(ts, symbol) values(0, 'KEPT')", settings=settings)
    before, clock = pids(settings), stepped(tmp_path, 7)
    assert set(before) == set(SERVERS)

    eventually(lambda: shows_healthy(settings, len(SERVERS), within=clock))
    for text in ("", None):
        for name in SERVERS:
            file = settings.home / "run" / f"{name}.json"
            file.unlink() if text is None else file.write_text(text)
        done = liq(settings, "up", within=clock)
        assert done.returncode == 0, done.stderr
        assert (pids(settings), of_home(settings)) == (before, sorted(before.values()))

    for pid in before.values():
        psutil.Process(pid).kill()
    eventually(lambda: states(settings) == {ServiceState.DIED})
    assert of_home(settings) == []
    assert liq(settings, "down").returncode == 0  # nothing is left of it, so it is down
    assert states(settings) == {ServiceState.STOPPED}

    # as after a boot: other processes have the pids by now
    strangers = [subprocess.Popen(SLEEP) for _ in SERVERS]
    for name, stranger in zip(SERVERS, strangers, strict=True):
        entry = {"pid": stranger.pid, "created": 0, "born": "then 1", "definition": "", "argv": []}
        (settings.home / "run" / f"{name}.json").write_text(json.dumps(entry))
    assert states(settings) == {ServiceState.DIED}
    assert liq(settings, "up", within=clock).returncode == 0
    assert len(of_home(settings)) == len(SERVERS)
    sql = "select symbol from liquidations where symbol = 'KEPT'"
    eventually(lambda: len(questdb.fetch(sql, settings=settings)) == 1)
    assert liq(settings, "down", within=clock).returncode == 0
    assert of_home(settings) == []
    assert all(stranger.poll() is None for stranger in strangers)
    for stranger in strangers:
        stranger.kill()
        stranger.wait()
