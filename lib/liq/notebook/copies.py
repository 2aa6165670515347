"""The shipped notebooks, and the user's own copies of them in ``<home>/notebooks``.

JupyterLab and the apps of the dashboard work on the copies. A copy that the user changed is never
overwritten. Another copy is replaced when the shipped notebook has changed.
"""

import hashlib
import json
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from liq.common import files
from liq.common.text import suggest
from liq.config import Settings, choose_settings
from liq.errors import NotebookError

_RECORD = ".shipped.json"  # the hash of the shipped file that each copy was made from


class CopyState(StrEnum):
    """How a copy differs from what ships."""

    MISSING = "not copied yet"
    SHIPPED = "as shipped"
    CHANGED = "changed by you"
    OUTDATED = "changed by you; a newer one ships"


class Copy(NamedTuple):
    """The user's copy of a shipped notebook."""

    name: str
    path: Path
    state: CopyState


def list_shipped() -> list[Path]:
    """Return the paths of the shipped notebooks."""
    return sorted(files.find_asset("notebooks").glob("*.ipynb"))


def find_shipped(name: str) -> Path:
    """Return the path of a shipped notebook. Raises `NotebookError`, which lists the names."""
    shipped = {path.stem: path for path in list_shipped()}
    if name not in shipped:
        raise NotebookError(f"there is no notebook {name!r}{suggest(name, list(shipped))}")
    return shipped[name]


def read_summary(path: Path) -> str:
    """Return the first paragraph below a notebook's title, empty for a damaged notebook."""
    try:
        first = json.loads(path.read_bytes())["cells"][0]["source"]
        _, _, about = (first if isinstance(first, str) else "".join(first)).partition("\n")
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return str(about.strip().partition("\n")[0])


def update(settings: Settings | None = None) -> Path:
    """Make missing copies, renew those that the user has not changed, and return their folder.

    Raises:
        NotebookError: The folder cannot be written.
    """
    settings = choose_settings(settings)
    shipped, mine = files.find_asset("notebooks"), settings.home / "notebooks"
    known, made = _read_record(mine), {}
    try:
        for file in sorted(file for file in shipped.rglob("*") if file.is_file()):
            name = file.relative_to(shipped).as_posix()
            copy, data = mine / name, file.read_bytes()
            found = _hash(copy.read_bytes()) if copy.exists() else None
            if found in (None, known.get(name), _hash(data)):
                made[name] = _hash(data)
                if found != made[name]:
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    files.write_whole(copy, data)  # another server may read it now
            elif name in known:
                made[name] = known[name]
        files.write_whole(mine / _RECORD, json.dumps(made))
    except OSError as error:
        raise NotebookError(f"cannot write notebooks to {mine}: {error.strerror}") from error
    return mine


def list_copies(settings: Settings | None = None) -> list[Copy]:
    """Return the user's copy of each shipped notebook."""
    folder = choose_settings(settings).home / "notebooks"
    known = _read_record(folder)
    return [
        Copy(file.stem, folder / file.name, _compare(file, folder / file.name, known))
        for file in list_shipped()
    ]


def restore(name: str, settings: Settings | None = None) -> Path | None:
    """Copy a shipped notebook again, and keep a changed copy under another name.

    Args:
        name: A shipped notebook, e.g. ``02-explore``.
        settings: The process's settings by default.

    Returns:
        Where the changed copy is now; None if there was none.

    Raises:
        NotebookError: There is no such notebook, or the folder cannot be written.
    """
    settings = choose_settings(settings)
    path = settings.home / "notebooks" / find_shipped(name).name
    found = next(each for each in list_copies(settings) if each.path == path)
    kept = None
    if found.state in (CopyState.CHANGED, CopyState.OUTDATED):
        kept = _choose_name(path)
        try:
            path.rename(kept)
        except OSError as error:
            raise NotebookError(f"cannot rename {path}: {error.strerror}") from error
    update(settings)
    return kept


def _compare(shipped: Path, copy: Path, known: dict[str, str]) -> CopyState:
    if not copy.exists():
        return CopyState.MISSING
    found, new = _hash(copy.read_bytes()), _hash(shipped.read_bytes())
    if found in (new, known.get(copy.name)):
        return CopyState.SHIPPED
    return CopyState.CHANGED if known.get(copy.name) == new else CopyState.OUTDATED


def _choose_name(path: Path) -> Path:
    number = 1
    while (kept := path.with_name(f"{path.stem}.mine-{number}{path.suffix}")).exists():
        number += 1
    return kept


def _read_record(folder: Path) -> dict[str, str]:
    """Return the record, empty if it is missing or damaged: each copy is then the user's own."""
    try:
        found = json.loads((folder / _RECORD).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
