"""What an endpoint is: a query of the catalogue, or a function of your own."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from liq.config import Settings
from liq.errors import QueryError
from liq.query import queries, questdb
from liq.query.catalogue import RESERVED, Column, Query
from liq.query.parameters import Parameter

if TYPE_CHECKING:
    import pandas as pd

_RESTLESS = {"health_table", "price_table"}  # they get rows each second: that saves nothing
_SLIDE_S = 5  # without new rows a window that ends now still moves on, this often


# what every endpoint takes beside its own parameters
PAGING = {
    "rows": Parameter(
        type="int", default=10_000, min=1, max=100_000, description="most rows of an answer"
    ),
    "offset": Parameter(
        type="int",
        default=0,
        min=0,
        max=100_000_000,
        description="how many rows to leave out first",
    ),
}


class Page(NamedTuple):
    """Part of an answer; ``next`` are the arguments that ask for the part after it, if there is."""

    frame: "pd.DataFrame"
    next: Mapping[str, str]


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

    def __post_init__(self) -> None:
        if taken := sorted(self.params.keys() & set(RESERVED)):
            raise QueryError(f"the API itself uses {taken[0]}: rename {self.key}'s parameter")

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a value for each parameter. Raises `QueryError` naming what is valid."""
        return queries.validate(self.key, self.params, given)

    def page(self, values: Mapping[str, Any], rows: int, offset: int, settings: Settings) -> Page:
        """Return the ``rows`` rows after the first ``offset``, for checked ``values``."""
        if self.query is None:
            frame = self.rows(**values)
            more = len(frame) > offset + rows
            return Page(
                frame[offset : offset + rows], {"offset": str(offset + rows)} if more else {}
            )
        frame, more = queries.page(self.key, rows, offset, settings=settings, **values)
        if not more:
            return Page(frame, {})
        if "until" not in values:
            return Page(frame, {"offset": str(offset + rows)})
        if values["until"] is None:
            # pages must be of one window, so that it ends now for all of them
            return self.page({**values, "until": datetime.now(UTC)}, rows, offset, settings)
        until = values["until"].isoformat()
        return Page(frame, {"offset": str(offset + rows), "until": until})

    def version(self, values: Mapping[str, Any], settings: Settings) -> str | None:
        """Return a text that changes when the rows may have: None if that is not cheap to tell.

        It takes a statement a table that the query reads, which is one for all but a few.
        """
        reads = self.query.reads if self.query else frozenset()
        if self.query is None or not reads or reads & _RESTLESS:
            return None
        names = sorted(str(getattr(settings, table)) for table in reads)
        tables = [(name, questdb.version(name, settings)) for name in names]
        moves = "until" in values and values["until"] is None
        slide = int(time.time() // _SLIDE_S) if moves else 0
        return digest(tables, self.query.sql, repr(sorted(values.items())), slide)


def digest(*parts: object) -> str:
    """Return a short hash of ``parts``."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
