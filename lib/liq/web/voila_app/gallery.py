"""The gallery of apps: their names, titles and descriptions.

Every notebook in the folder is an app, unless its metadata has ``"app": false``.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = "dashboard"  # the app at the server's root
PICTURES = "pictures"  # the folder of the apps' pictures, NAME.png, beside the notebooks
_MARKUP = re.compile(r"`([^`]*)`|\*\*(.+?)\*\*|\[(.+?)\]\(.*?\)")
_SENTENCE = re.compile(r"(?<=[.!?])\s")


@dataclass(frozen=True, slots=True)
class App:
    """A served notebook: its name in addresses, its title and its first sentence."""

    name: str
    title: str
    about: str

    @property
    def path(self) -> str:
        """The path of the app, relative to the server's address."""
        return "" if self.name == HOME else f"apps/{self.name}"


def list_apps(folder: Path) -> list[App]:
    """Return the apps in ``folder``, the live dashboard first."""
    notebooks = sorted(folder.glob("*.ipynb"), key=lambda path: (path.stem != HOME, path.stem))
    return [app for path in notebooks if (app := _read_app(path))]


def find(folder: Path, name: str) -> App | None:
    """Return the app with this name; None if there is no such notebook or it is no app."""
    return next((app for app in list_apps(folder) if app.name == name), None)


def _read_app(path: Path) -> App | None:
    try:
        notebook = json.loads(path.read_text())
        if notebook["metadata"].get("app", True) is False:
            return None
        title, about = _read_introduction(notebook)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return App(path.stem, path.stem, f"This notebook cannot be read: {error!r}")
    return App(path.stem, title or path.stem, about)


def _read_introduction(notebook: dict[str, Any]) -> tuple[str, str]:
    """Return the title and the first sentence of the first cell, as plain text."""
    cell = notebook["cells"][0]
    if cell["cell_type"] != "markdown":
        return "", ""
    title, _, rest = "".join(cell["source"]).partition("\n")
    paragraph = " ".join(rest.strip().split("\n\n")[0].split())
    return title.lstrip("# "), _SENTENCE.split(_strip_markdown(paragraph), 1)[0]


def _strip_markdown(markdown: str) -> str:
    return _MARKUP.sub(lambda found: next(filter(None, found.groups()), ""), markdown)
