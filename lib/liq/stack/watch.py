"""Who watches the supervisor: each `liq` command looks whether it died or hangs.

A supervisor that `liq run` started is started again, with the settings that it had. One that was
ended on purpose or never ran is not there to be watched. One that somebody runs in a terminal or a
container is theirs, or the container's, to start again.
"""

from liq import config
from liq.common import heartbeat
from liq.config import Settings
from liq.errors import StackError
from liq.stack import apps, control, history, process
from liq.stack.service import Service

_KILL_S = 5.0


def revive_supervisor(settings: Settings | None = None) -> str:
    """Start the supervisor again if it died or hangs; return what was found and done, in a line.

    The line is empty if there is nothing to do. Raises `StackError` if it cannot be started.
    """
    settings = settings or config.settings()
    supervisor = apps.supervisor(settings)
    if not supervisor.pid_file.exists():
        return ""
    found = process.find(supervisor.pid_file)
    fault = _fault(found, supervisor, settings)
    if not fault:
        return ""
    if not _is_as_started(supervisor):
        return (
            f"the supervisor {fault}, so nothing that dies is started again;"
            " `liq run` starts it with these settings"
        )
    if found:  # this very one, not the one that another command has started meanwhile
        process.kill(found.process, timeout=_KILL_S)
    if not control.revive(supervisor, settings):  # another command was faster, or `liq down`
        return ""
    history.add(settings, supervisor.name, f"{fault}, started again")
    return f"the supervisor {fault}; started it again"


def _fault(found: process.Remembered | None, supervisor: Service, settings: Settings) -> str:
    """Return what is wrong with the supervisor, nothing if it works or is starting."""
    if found is None:
        return "died" if supervisor.pid_file.exists() else ""
    silence = heartbeat.silence_s(apps.heartbeat_file(settings))
    return f"did not respond for {silence:.0f} s" if silence else ""


def _is_as_started(supervisor: Service) -> bool:
    """Return True if it was started with the present settings, by its pid file."""
    try:
        return process.definition(supervisor.pid_file) == supervisor.definition
    except StackError:
        return False
