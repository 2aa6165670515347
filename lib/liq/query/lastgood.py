"""The catalogue of a server that goes on while somebody edits it."""

import logging
import threading
from collections.abc import Mapping
from typing import NamedTuple

from liq.common import forks
from liq.config import Settings
from liq.errors import QueryError
from liq.query.catalogue import Catalogue, Query, is_path
from liq.query.queries import load_catalogue

_LOG = logging.getLogger(__name__)


class Served(NamedTuple):
    """The queries in use. ``faults`` has the reasons why newer ones are not; usually none."""

    queries: Mapping[str, Query]
    faults: Mapping[str, str]

    def describe_faults(self) -> list[dict[str, str]]:
        """Return each fault for a visitor: without reasons, which name files of the host."""
        return [
            {
                "part": "catalogue",
                "what": "a file cannot be read" if is_path(key) else f"entry {key!r} is invalid",
                "detail": f"{self._describe_use(key)}. `liq queries` says why.",
            }
            for key in self.faults
        ]

    def _describe_use(self, key: str) -> str:
        if is_path(key):
            return "The last valid queries are served"
        return "Its last valid version is served" if key in self.queries else "It is not served"


class LastGood:
    """Keeps the last valid version of each entry, at first the shipped one.

    An edit that makes an entry invalid leaves its last valid version in use. An edit after which a
    file is no JSON leaves all its entries as they were. Faults are logged once each.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        shipped = settings.model_copy(update={"queries": None})
        self._served = Served(load_catalogue(shipped).queries, {})
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
            found = Catalogue(kept, {str(self._settings.queries): str(error)})
        still = {
            key: query
            for key, query in kept.items()
            if key in found.faults or query.file in found.faults
        }
        if found.faults != self._served.faults:
            for reason in found.list_faults():
                _LOG.error("the last valid queries are served: %s", reason)
        valid = {key: query for key, query in found.queries.items() if key not in still}
        self._served = Served(valid | still, found.faults)
        return self._served
