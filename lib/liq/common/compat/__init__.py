"""Changes to libraries and uses of their private names; `docs/workarounds.md` has the reasons.

A `Workaround` names a library and the version that the change was tried on. It raises an error of
ours, before the library is used, if a private name is gone. The changes themselves are the modules
of this package. They import the libraries, so only the module that needs a change imports it.
"""

import sys
import threading
from dataclasses import dataclass
from typing import Any

from liq.errors import DependencyError

_GONE = object()


@dataclass(frozen=True, slots=True)
class Workaround:
    """A library whose behaviour liq changes, or whose private names liq uses.

    ``seen_on`` is the newest version that the change was tried on.
    """

    library: str
    seen_on: str

    def get(self, owner: object, name: str) -> Any:
        """Return the attribute ``name`` of ``owner``. Raises `DependencyError` if it is gone."""
        found = getattr(owner, name, _GONE)
        place = getattr(owner, "__name__", type(owner).__name__)
        self.require(found is not _GONE, f"{place}.{name}")
        return found

    def require(self, holds: object, part: str) -> None:
        """Raise `DependencyError` unless ``holds``; ``part`` is what the library should have."""
        if not holds:
            raise DependencyError(
                f"{self.library} {self._installed()} has no {part}, which liq needs; install "
                f"{self.library} {self.seen_on}, or see docs/workarounds.md"
            )

    def _installed(self) -> str:
        from importlib import metadata  # noqa: PLC0415 - only an error needs it

        if self is PYTHON:
            return sys.version.split()[0]
        try:
            return metadata.version(self.library)
        except metadata.PackageNotFoundError:  # e.g. copied, or packed into a program
            return "of an unknown version"


ANYIO = Workaround("anyio", "4.16.0")
ANYWIDGET = Workaround("anywidget", "0.11.0")
CRYPTOFEED = Workaround("cryptofeed", "3.0.1")
HTTPX = Workaround("httpx", "0.28.1")
IPYKERNEL = Workaround("ipykernel", "7.4.0")
JSONSCHEMA = Workaround("jsonschema", "4.26.0")
JUPYTER_CLIENT = Workaround("jupyter-client", "8.10.0")
KAFKA_PYTHON = Workaround("kafka-python", "3.0.12")
PSYCOPG = Workaround("psycopg", "3.3.9")
PYSPARK = Workaround("pyspark", "4.2.0")
PYTHON = Workaround("Python", "3.14")
TORNADO = Workaround("tornado", "6.6.1")
VOILA = Workaround("voila", "0.5.13")
WAITRESS = Workaround("waitress", "3.0.2")
WIDGETSNBEXTENSION = Workaround("widgetsnbextension", "4.0.16")


def skip_url_grammar() -> None:
    """Prevent jsonschema from importing ``rfc3987_syntax``, which checks internationalised URLs.

    Its import builds a grammar, which takes four fifths of a server's start. Nothing of liq needs
    that check.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # read: not installed


def end_idle_workers() -> None:
    """End anyio's threads of this process, once its loops have stopped.

    Jupyter's server reads notebooks in them. They end with the task that began them, and a loop
    that stops within a request never ends its task: Python would wait for the thread for ever.
    """
    from anyio._backends import _asyncio  # noqa: PLC0415 - only a server of JupyterLab needs it

    kind = ANYIO.get(_asyncio, "WorkerThread")
    for thread in threading.enumerate():
        if isinstance(thread, kind):
            ANYIO.get(thread, "stop")()
