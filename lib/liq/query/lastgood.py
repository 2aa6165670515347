"""The catalogue of a server that goes on while somebody edits it."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from liq.common import forks
from liq.config import Settings
from liq.errors import QueryError
from liq.query.catalogue import Catalogue, Query
from liq.query.queries import load_catalogue

_LOG = logging.getLogger(__name__)


class Served(NamedTuple):
    """The queries in use, and the reasons why newer ones are not: `Catalogue`'s; usually none."""

    queries: Mapping[str, Query]
    faults: Mapping[str, str]
    file_faults: Mapping[str, str]

    def has_fault(self, key: str) -> bool:
        """Whether a fault stops the query ``key``. A file that cannot be opened may have any."""
        return key in self.faults or not self.queries

    def describe_faults(self) -> list[dict[str, str]]:
        """Return each fault for a visitor: without reasons, which name files of the host."""
        found = [("LIQ_QUERIES has a fault", "The last valid queries are served")] * len(
            self.file_faults
        )
        found += [(f"entry {key!r} is invalid", self._describe_use(key)) for key in self.faults]
        return [
            {"part": "catalogue", "what": what, "detail": f"{use}. `liq queries` says why."}
            for what, use in found
        ]

    def _describe_use(self, key: str) -> str:
        return "Its last valid version is served" if key in self.queries else "It is not served"


class LastGood:
    """Keeps the last valid version of each entry that was served since the start.

    An edit that makes an entry invalid leaves its last valid version in use. An edit after which a
    file is no JSON leaves its entries as they were, unless a later file has them. Faults are logged
    once each.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._served = Served({}, {}, {})
        self._lock = threading.Lock()
        forks.in_child(self, LastGood._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def load(self) -> Served:
        """Return the queries to serve now. Files that have changed are read again.

        Threads wait for each other: an older reading must not replace a newer one.
        """
        with self._lock:
            return self._load()

    def _load(self) -> Served:
        kept = self._served.queries
        try:
            found = load_catalogue(self._settings)
        except QueryError as error:
            found = Catalogue(kept, {}, {str(self._settings.queries): str(error)})
        still = {
            key: query
            for key, query in kept.items()
            if key in found.faults
            or (query.file in found.file_faults and not _is_later(found.queries.get(key), query))
        }
        if (found.faults, found.file_faults) != self._served[1:]:
            for reason in found.list_faults():
                _LOG.error("the last valid queries are served: %s", reason)
        valid = {key: query for key, query in found.queries.items() if key not in still}
        self._served = Served(valid | still, found.faults, found.file_faults)
        return self._served


def _is_later(found: Query | None, kept: Query) -> bool:
    """Whether ``found`` is of a file that is read after the file of ``kept``."""
    if found is None or Path(found.file).parent != Path(kept.file).parent:  # the shipped one
        return False
    return found.file > kept.file
