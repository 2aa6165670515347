"""What an endpoint is: a query of the catalogue, or a function of your own."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from liq import queries
from liq.catalogue import IDENTIFIER, Column, Query
from liq.config import Settings
from liq.parameters import Parameter

if TYPE_CHECKING:
    import pandas as pd

LATEST = "latest_timestamp"
_SLIDE_S = 5  # without new rows a window that ends now still moves on, this often


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``GET /<key>``: ``rows`` gets the checked ``params`` by name and returns a DataFrame.

    ``query`` is the catalogue's entry, if it is one; ``columns`` describe the result.
    """

    key: str
    description: str
    rows: "Callable[..., pd.DataFrame]"
    params: Mapping[str, Parameter] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    query: Query | None = None

    @classmethod
    def of(cls, query: Query, settings: Settings) -> "Endpoint":
        """Return the endpoint of a query of the catalogue."""

        def rows(**params: Any) -> "pd.DataFrame":
            return queries.hit(query.key, settings=settings, **params)

        return cls(query.key, query.description, rows, query.params, query.columns, query)

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a value for each parameter. Raises `QueryError` naming what is valid."""
        return queries.checked(self.key, self.params, given)

    def version(self, values: Mapping[str, Any], settings: Settings) -> str | None:
        """Return a text that changes when the rows may have: None if that is not cheap to tell.

        It is cheap for queries of the table of liquidations alone, by its newest row.
        """
        if self.query is None or set(IDENTIFIER.findall(self.query.sql)) & _TABLES != {"table"}:
            return None
        if LATEST not in queries.queries(settings):
            return None
        latest = queries.hit(LATEST, settings=settings).to_csv(index=False)
        moves = "window" in values and not values.get("until")
        slide = int(time.time() // _SLIDE_S) if moves else 0
        return digest(latest, self.query.sql, settings.table, repr(sorted(values.items())), slide)


_TABLES = {"table", "health_table"}


def digest(*parts: object) -> str:
    """Return a short hash of ``parts``."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
