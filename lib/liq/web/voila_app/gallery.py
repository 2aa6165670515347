"""The gallery: which notebooks are apps, and what each of them is about.

Every notebook in the folder is one, unless its metadata says ``"app": false``.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = "dashboard"  # the app that the server's own address shows
PICTURES = "pictures"  # the folder beside the notebooks with a picture of each, NAME.png
_MARKUP = re.compile(r"`([^`]*)`|\*\*(.+?)\*\*|\[(.+?)\]\(.*?\)")
_SENTENCE = re.compile(r"(?<=[.!?])\s")


@dataclass(frozen=True, slots=True)
class App:
    """A notebook that is served: the name it has in addresses, its title, its first sentence."""

    name: str
    title: str
    about: str

    @property
    def path(self) -> str:
        """Where it is served, relative to the server's address."""
        return "" if self.name == HOME else f"apps/{self.name}"


def apps(folder: Path) -> list[App]:
    """Return the apps in ``folder``, the live dashboard first."""
    notebooks = sorted(folder.glob("*.ipynb"), key=lambda path: (path.stem != HOME, path.stem))
    return [app for path in notebooks if (app := _app(path))]


def find(folder: Path, name: str) -> App | None:
    """Return the app with that name; None if no notebook has it, or it is not an app."""
    return next((app for app in apps(folder) if app.name == name), None)


def _app(path: Path) -> App | None:
    try:
        notebook = json.loads(path.read_text())
        if notebook["metadata"].get("app", True) is False:
            return None
        title, about = _introduction(notebook)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return App(path.stem, path.stem, f"This notebook cannot be read: {error!r}")
    return App(path.stem, title or path.stem, about)


def _introduction(notebook: dict[str, Any]) -> tuple[str, str]:
    """Return the title and the first sentence of the first cell, as plain text."""
    cell = notebook["cells"][0]
    if cell["cell_type"] != "markdown":
        return "", ""
    title, _, rest = "".join(cell["source"]).partition("\n")
    paragraph = " ".join(rest.strip().split("\n\n")[0].split())
    return title.lstrip("# "), _SENTENCE.split(_plain(paragraph), 1)[0]


def _plain(markdown: str) -> str:
    return _MARKUP.sub(lambda found: next(filter(None, found.groups()), ""), markdown)
