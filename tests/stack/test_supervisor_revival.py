"""Commands that restart the supervisor: real processes, and a simulated exchange to supervise."""

import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from liq import stack as local
from liq.common import heartbeat
from liq.config import Settings
from liq.stack import ServiceState, Supervisor, apps, control, process, supervisor
from liq.stack.service import Service
from stack.conftest import liq
from support.helpers import PATIENCE_S, eventually, finish, running

pytestmark = pytest.mark.timeout(600)
UNHEALTHY = 3


def process_of(service: Service) -> psutil.Process | None:
    found = process.find(service.pid_file)
    return found.process if found else None


def kill(service: Service) -> psutil.Process:
    killed = process_of(service)
    assert killed
    killed.kill()
    eventually(lambda: process_of(service) is None)
    return killed


def supervisors(settings: Settings) -> list[int]:
    def is_one(each: psutil.Process) -> bool:
        try:
            ours = each.environ().get("LIQ_HOME") == str(settings.home)
            return ours and each.cmdline()[-1:] == ["supervise"]
        except psutil.Error:
            return False

    return [each.pid for each in psutil.process_iter() if is_one(each)]


def test_status_names_dead_services_then_starts_the_supervisor_which_restarts_them(
    supervised: Settings,
) -> None:
    assert liq(supervised, "status").returncode == 0
    kill(apps.define_supervisor(supervised))
    kill(apps.define_simulator(supervised))
    first = liq(supervised, "status")
    assert first.returncode == UNHEALTHY
    assert "simulator: see `liq logs simulator`" in first.stdout
    assert "the supervisor died or hangs" in first.stdout
    assert first.stderr == "the supervisor died; started it again\n"
    eventually(lambda: process_of(apps.define_simulator(supervised)))
    eventually(lambda: liq(supervised, "status").returncode == 0, every=0.5)
    event_lines = [f"{one.subject}: {one.event}" for one in local.recent_events(supervised)]
    assert "supervisor: died, started again" in event_lines
    assert any(line.startswith("simulator: died, started again") for line in event_lines)


def test_any_command_that_uses_the_stack_starts_a_killed_supervisor(supervised: Settings) -> None:
    kill(apps.define_supervisor(supervised))
    for words in (["logs", "--help"], ["env"], ["--help"]):
        assert liq(supervised, *words).stderr == ""
    assert supervisors(supervised) == []
    done = liq(supervised, "logs", "simulator")
    assert done.returncode == 0
    assert done.stderr == "the supervisor died; started it again\n"
    assert liq(supervised, "logs", "simulator").stderr == ""
    assert len(supervisors(supervised)) == 1


def test_a_stopped_supervisor_is_shown_and_replaced_once_it_is_silent(
    supervised: Settings,
) -> None:
    stopped = process_of(apps.define_supervisor(supervised))
    assert stopped
    stopped.send_signal(signal.SIGSTOP)
    shown = liq(supervised, "status")
    assert shown.returncode == UNHEALTHY
    assert f"supervisor: it is stopped: `kill -CONT {stopped.pid}`" in shown.stdout
    assert stopped.is_running()
    before = time.monotonic_ns() - 40 * 10**9
    os.utime(apps.heartbeat_file(supervised), ns=(before, before))
    done = liq(supervised, "status")
    assert done.returncode == UNHEALTHY
    assert re.search(r"the supervisor did not respond for \d+ s", done.stderr)
    assert [stopped.pid] != supervisors(supervised)
    assert len(supervisors(supervised)) == 1
    assert liq(supervised, "status").returncode == 0


def test_commands_at_once_start_one_supervisor(supervised: Settings) -> None:
    kill(apps.define_supervisor(supervised))
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: liq(supervised, "logs", "simulator"), range(5)))
    assert sorted(one.stderr for one in done)[-2:] == [
        "",
        "the supervisor died; started it again\n",
    ]
    assert len(supervisors(supervised)) == 1


def test_a_late_command_leaves_the_new_supervisor_alone(
    supervised: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(apps.define_supervisor(supervised))
    is_as_started = supervisor._is_as_started

    def overtaken(supervisor: Service) -> bool:
        assert control.revive(supervisor, supervised)  # as another command may do just then
        return is_as_started(supervisor)

    monkeypatch.setattr(supervisor, "_is_as_started", overtaken)
    assert supervisor.revive_supervisor(supervised) == ""
    assert process_of(apps.define_supervisor(supervised))
    assert len(supervisors(supervised)) == 1


def test_a_stack_that_was_ended_or_never_ran_is_not_started(settings: Settings) -> None:
    assert liq(settings, "status").returncode == 0
    control.launch([apps.define_supervisor(settings)], settings)
    assert liq(settings, "down").returncode == 0
    done = liq(settings, "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert supervisors(settings) == []


def test_a_supervisor_with_other_settings_is_left_to_liq_run(supervised: Settings) -> None:
    kill(apps.define_supervisor(supervised))
    other = supervised.model_copy(update={"query_timeout": 7.0})
    done = liq(other, "logs", "simulator")
    assert done.stderr.startswith("the supervisor died, so nothing that dies is started again")
    assert "`liq run`" in done.stderr
    assert supervisors(supervised) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_supervisor_in_the_foreground_leaves_nothing_when_it_is_ended(
    settings: Settings, number: signal.Signals
) -> None:
    with running(settings, "-m", "liq", "supervise") as foreground:
        eventually(apps.heartbeat_file(settings).exists)
        finish(foreground, number)
    assert not apps.define_supervisor(settings).pid_file.exists()
    assert liq(settings, "status").returncode == 0


def test_a_killed_supervisor_of_a_terminal_or_container_is_not_started_in_the_background(
    settings: Settings,
) -> None:
    with running(settings, "-m", "liq", "supervise") as foreground:
        eventually(apps.heartbeat_file(settings).exists)
        foreground.kill()
        foreground.wait()
    done = liq(settings, "status")
    assert done.returncode == UNHEALTHY
    assert "the supervisor died, so nothing that dies is started again" in done.stderr
    assert supervisors(settings) == []


def test_a_supervisor_that_hangs_in_a_check_falls_silent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liq.stack.supervisor._CHECK_S", 0.01)
    monkeypatch.setattr("liq.stack.supervisor._CHECK_MAX_S", 0.2)
    monkeypatch.setattr("liq.common.heartbeat.BEAT_S", 0.01)
    monkeypatch.setattr("liq.common.heartbeat.STALE_S", 0.5)
    ended, released = threading.Event(), threading.Event()

    class Hanging(Supervisor):
        def check(self) -> None:
            super().check()
            released.wait(PATIENCE_S)

    thread = threading.Thread(target=Hanging(settings).run, args=(ended,))
    thread.start()
    try:
        beats = apps.heartbeat_file(settings)
        eventually(lambda: heartbeat.silence_s(beats) > 0.5)
        [shown] = [one for one in local.status(settings) if one.name == "supervisor"]
        assert shown.state is ServiceState.UNHEALTHY
    finally:
        ended.set()
        released.set()
        thread.join()


def test_a_clock_that_is_set_changes_no_heartbeat(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    assert heartbeat.silence_s(file) == 0
    heartbeat.beat(file)
    assert heartbeat.silence_s(file) == 0
    # the file's time is no time of day: it is that since the machine's boot, without its sleep
    assert abs(file.stat().st_mtime - time.monotonic()) < PATIENCE_S


def test_the_event_of_a_cancelled_query_says_if_its_text_is_unknown() -> None:
    assert (
        supervisor.describe_overdue("SELECT\n  1") == "a query took too long, cancelled: SELECT 1"
    )
    assert supervisor.describe_overdue(" ") == (
        "a query whose text QuestDB does not give took too long, cancelled"
    )
