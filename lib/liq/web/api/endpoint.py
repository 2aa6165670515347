"""An endpoint of the API: a query of the catalogue, or your own function."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from liq.config import Settings
from liq.errors import QueryError
from liq.query import queries, questdb
from liq.query.catalogue import RESERVED, Column, Query
from liq.query.lastgood import LastGood
from liq.query.parameters import Parameter, create_paging
from liq.records.streams import STREAMS

if TYPE_CHECKING:
    import pandas as pd

_SLIDE_S = 5  # without new rows a window that ends now still moves on, this often


# parameters of every endpoint
PAGING = create_paging(10_000, 100_000)


class ResultPage(NamedTuple):
    """One page of rows; ``next`` has the arguments of the next page, if there is one."""

    frame: "pd.DataFrame"
    next: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The endpoint ``GET /<key>``.

    Args:
        key: The path.
        description: Shown in the API's docs.
        rows: Receives the validated ``params`` by name and returns a DataFrame.
        params: The parameters by name.
        columns: Describe the result.
        query: The catalogue's entry, for an endpoint of the catalogue.

    Raises:
        QueryError: A parameter has a name that the API itself uses.
    """

    key: str
    description: str
    rows: "Callable[..., pd.DataFrame]"
    params: Mapping[str, Parameter] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    query: Query | None = None

    @classmethod
    def of(cls, query: Query, settings: Settings) -> "Endpoint":
        """Return the endpoint of a query in the catalogue."""

        def rows(**params: Any) -> "pd.DataFrame":
            return queries.hit(query.key, settings=settings, **params)

        return cls(query.key, query.description, rows, query.params, query.columns, query)

    def __post_init__(self) -> None:
        if taken := sorted(self.params.keys() & set(RESERVED)):
            raise QueryError(f"the API itself uses {taken[0]}: rename {self.key}'s parameter")

    def validate(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a value for each parameter. Raises `QueryError`, which lists the valid values."""
        return queries.validate(self.key, self.params, given)

    def fetch_page(
        self, values: Mapping[str, Any], rows: int, offset: int, settings: Settings
    ) -> ResultPage:
        """Return ``rows`` rows after the first ``offset`` rows, for values of `validate`."""
        following = {"offset": str(offset + rows)}
        if self.query is None:
            frame = self.rows(**values)
            more = len(frame) > offset + rows
            return ResultPage(frame[offset : offset + rows], following if more else {})
        completed = queries.complete(values)
        frame, more = queries.execute_page(self.query, completed, rows, offset, settings)
        if not more:
            return ResultPage(frame, {})
        if "until" not in values:
            return ResultPage(frame, following)
        if values["until"] is None:
            # all pages need the same window, so it is fixed to end now
            return self.fetch_page(queries.end_now(values), rows, offset, settings)
        return ResultPage(frame, following | {"until": values["until"].isoformat()})

    def read_version(self, values: Mapping[str, Any], settings: Settings) -> str | None:
        """Return a text that changes with the rows, or None if that cannot be found out cheaply.

        It runs one statement for each table of the query; most queries read one table.
        """
        reads = self.query.reads if self.query else frozenset()
        streams = [stream for stream in STREAMS if stream.placeholder in reads]
        if self.query is None or not streams or any(each.is_continuous for each in streams):
            return None
        names = sorted(stream.table(settings) for stream in streams)
        tables = [(name, questdb.read_version(name, settings)) for name in names]
        moves = "until" in values and values["until"] is None
        slide = int(time.time() // _SLIDE_S) if moves else 0
        return hash_parts(tables, self.query.sql, repr(sorted(values.items())), slide)


def hash_parts(*parts: object) -> str:
    """Return a short hash of ``parts``."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


class Endpoints:
    """All endpoints: the last valid version of the catalogue's queries, and your ``own``."""

    def __init__(self, settings: Settings, own: Iterable[Endpoint] = ()) -> None:
        self._settings = settings
        self._own = {endpoint.key: endpoint for endpoint in own}
        self._catalogue = LastGood(settings)

    def __iter__(self) -> Iterator[Endpoint]:
        """Yield each endpoint."""
        found = self._catalogue.load().queries
        known = {key: Endpoint.of(query, self._settings) for key, query in found.items()}
        yield from {**known, **self._own}.values()

    def find(self, key: str) -> Endpoint | None:
        """Return the endpoint of that name, None if there is none."""
        if endpoint := self._own.get(key):
            return endpoint
        query = self._catalogue.load().queries.get(key)
        return Endpoint.of(query, self._settings) if query else None

    def find_query(self, key: str) -> Query | None:
        """Return the catalogue's query behind an endpoint."""
        if endpoint := self._own.get(key):
            return endpoint.query
        return self._catalogue.load().queries.get(key)

    def has_fault(self, key: str) -> bool:
        """Whether the catalogue has an entry of that name that cannot be used."""
        return self._catalogue.load().has_fault(key)

    def describe_faults(self) -> list[dict[str, str]]:
        """Return what is wrong in the catalogue's files, for a visitor."""
        return self._catalogue.load().describe_faults()
