"""A PATH that has few programs, and neither Java nor Maven among them."""

from pathlib import Path


def link_programs(folder: Path, *names: str) -> str:
    """Return a PATH of some programs of the system, as links in a new ``folder``."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return str(folder)
