"""Programs within which this machine has another clock or boot, and all processes of a home."""

import subprocess
from pathlib import Path

import psutil
import pytest

from liq.config import Settings

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def stepped(folder: Path, hours: int) -> list[str]:
    """Return the program within which the clock was stepped by ``hours``, by /proc/stat."""
    lines = Path("/proc/stat").read_text().splitlines()
    lines = [
        f"btime {int(line.split()[1]) + 3600 * hours}" if line.startswith("btime") else line
        for line in lines
    ]
    file = folder / f"stat{hours}"
    file.write_text("\n".join(lines) + "\n")
    return _mount(file, "/proc/stat")


def another_boot(folder: Path) -> list[str]:
    """Return the program within which the machine has another boot's id."""
    file = folder / "boot_id"
    file.write_text("00000000-0000-4000-8000-000000000000\n")
    return _mount(file, BOOT_ID)


def of_home(settings: Settings) -> list[int]:
    """Return all processes that work for this home, whatever pid files say."""

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


def _mount(file: Path, place: str) -> list[str]:
    """Return the program within which others see ``file`` in place of one of the system's."""
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    within = ["unshare", "--mount", "sh", "-c", script, str(file), place]
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount, test_process.py edits pid files instead")
    return within
