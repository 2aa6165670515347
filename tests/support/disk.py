"""A disk that tests can fill: a small one of its own where mounting is allowed, else a limit."""

import contextlib
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

KINDS = ("limit", "tmpfs")


class Disk:
    """A folder whose disk can be filled and freed again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Leave no room for another byte."""
        with contextlib.suppress(OSError), (self.path / "filler").open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass

    def free(self) -> None:
        """Make room again."""
        (self.path / "filler").unlink(missing_ok=True)


class LimitedDisk(Disk):
    """The same for a user who may not mount: the system refuses this process each write to files.

    What other processes do is left alone.
    """

    def fill(self) -> None:
        """Refuse writes of this process."""
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))

    def free(self) -> None:
        """Allow writes of this process again."""
        lift_limit()


def lift_limit() -> None:
    """Let this process write files again."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@contextlib.contextmanager
def small_disk(kind: str, path: Path, megabytes: int = 2) -> Iterator[Disk]:
    """Give a disk at ``path`` with room for 100 files, or one that a process limit makes full."""
    path.mkdir()
    if kind == "limit":
        disk: Disk = LimitedDisk(path)
        try:
            yield disk
        finally:
            disk.free()
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,nr_inodes=100", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this user may not mount, the test with a limit covers it: {done.stderr}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)  # noqa: S607 - util-linux's
