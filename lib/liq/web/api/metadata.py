"""What limits an answer: units, window, where its rows came from, what is missing."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from liq.config import Settings
from liq.query import coverage, queries
from liq.query.catalogue import END, SINCE
from liq.records.model import Completeness, find_kind
from liq.web.api.endpoint import Endpoint, Endpoints

if TYPE_CHECKING:
    import pandas as pd

NOTES = "names that no row has, with similar names; a limit that is reached; a window in the future"
Metadata = dict[str, Any]
FACTS: dict[str, str] = {
    "query": "name of the query",
    "since": "begin of the window, null for a query without a window",
    "until": "end of the window",
    "units": "unit by column",
    "sources": "where the prints of the window came from, with the query's filters: real, replayed"
    " or simulated, and how complete the feed is; null if the rows are about something else",
    "coverage": "feeds that were expected in the window up to now, and the time that each was"
    " disconnected; null if the rows are about something else, no row has the exchange, or the"
    " window is in the future",
    "left_out": "number of odd rows in the window, which no query counts",
    "lower_bound": "true if liquidations are missing: a feed is throttled or sampled, or was"
    " disconnected; null if that is unknown",
    "notes": NOTES,
    "rows": "number of rows in this answer",
    "offset": "number of rows before them",
    "next": "address of the next rows, null if there are none",
}


def describe(
    endpoint: Endpoint,
    frame: "pd.DataFrame",
    values: Mapping[str, Any],
    endpoints: Endpoints,
    settings: Settings,
) -> Metadata:
    """Return the facts about ``frame``, rows for values of `Endpoint.validate`, but its paging.

    Queries of ``endpoints`` find them. Raises as `liq.hit` does.
    """
    since, until = _find_window(endpoint, values)
    beside = {**values, "until": until} if until else values
    window = coverage.find_window(endpoint.query, frame, beside)
    past = window and window.cut()
    sources, feeds, odd = (
        coverage.fetch_beside(
            key, endpoints.find_query(key), frame, beside, span, settings=settings
        )
        for key, span in (("sources", window), ("feed_coverage", past), ("left_out", window))
    )
    return {
        "query": endpoint.key,
        "since": _format(since),
        "until": _format(until),
        "units": {name: column.unit for name, column in endpoint.columns.items() if column.unit},
        "sources": None if sources is None else [*_list_sources(sources)],
        "coverage": None if feeds is None else _describe_coverage(feeds),
        "left_out": None if odd is None else int(odd["rows"].sum()),
        "lower_bound": _is_lower_bound(sources, feeds),
        "notes": frame.attrs.get("notes", []),
    }


def _find_window(
    endpoint: Endpoint, values: Mapping[str, Any]
) -> tuple[datetime | None, datetime | None]:
    if endpoint.query is None or not {"window", "until"} <= values.keys():
        return None, None
    completed = queries.complete(values)
    return completed[SINCE], completed[END]


def _list_sources(sources: "pd.DataFrame") -> Iterator[dict[str, Any]]:
    rows: Iterator[Any] = sources.itertuples(index=False)
    for row in rows:
        yield {
            "exchange": row.exchange,
            "source": row.source,
            "kind": find_kind(row.source),
            "completeness": row.completeness,
            "prints": row.prints,
        }


def _describe_coverage(feeds: "pd.DataFrame") -> dict[str, Any]:
    rows: Iterator[Any] = feeds.itertuples(index=False)
    return {
        # without a feed nobody knows what is missing
        "complete": None if feeds.empty else not (feeds["missing_s"] > 0).any(),
        "summary": coverage.summarise_feeds(feeds),
        "feeds": [
            {
                "exchange": row.exchange,
                "source": row.source,
                "kind": find_kind(row.source),
                "connected": row.connected,
                "stopped": row.stopped,
                "missing_s": row.missing_s,
            }
            for row in rows
        ],
    }


def _is_lower_bound(sources: "pd.DataFrame | None", feeds: "pd.DataFrame | None") -> bool | None:
    """Return whether sums are too small; None if no feed says what is missing."""
    if sources is None or feeds is None:
        return None
    if (sources["completeness"] != Completeness.FULL).any() or (feeds["missing_s"] > 0).any():
        return True
    return None if feeds.empty else False


def _format(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None
