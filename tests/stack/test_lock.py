"""The lock between processes, on a disk that is full."""

from pathlib import Path

from liq.stack.lock import lock
from support.disk import small_disk


def test_a_full_disk_keeps_nobody_from_the_lock(tmp_path: Path) -> None:
    with small_disk("limit", tmp_path / "disk") as disk:
        disk.fill()
        with lock(tmp_path / "lock"):
            pass
        with lock(tmp_path / "lock"):
            pass
