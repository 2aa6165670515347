"""What results lack, in words: feeds that were disconnected in a window, and odd rows.

The rule itself is in the catalogue: the queries ``coverage``, ``feed_coverage`` and ``covered``.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from liq.config import Settings
from liq.errors import QueryError, QuestDBError
from liq.query import names, queries
from liq.query.catalogue import END, IDENTIFIER, SINCE, WINDOW, Query
from liq.records.model import LIVE_SOURCES, Completeness, find_kind
from liq.records.streams import CASCADES, LIQUIDATIONS, SUMS

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "coverage is unknown: no feed reported in this window"
LACKS_UNKNOWN = "not known whether feeds were disconnected or rows left out"
PARTLY = "disconnected for a part of the window"
_LEAST = 0.001
_MANY = 3  # feeds, of which all are not named
_ALIKE = 0.01
_MOST = 0.5
# that this package reads; a query of the user's own may replace the shipped one, without them
_COLUMNS: Mapping[str, Set[str]] = {
    "coverage": {"exchange", "source", "from_ts", "to_ts", "missing_s"},
    "feed_coverage": {"exchange", "source", "connected", "stopped", "missing_s", "missing"},
    "left_out": {"rows"},
    "sources": {"exchange", "source", "completeness", "prints"},
}
# of results: what is too small while liquidations are missing; nets, means and shares may be either
_SUMS = {
    "long_usd", "short_usd", "total_usd", "largest_usd", "peak_1s_usd",
    "prints", "long_count", "short_count",
}  # fmt: skip
_OF_PRINTS = {"notional", "partial", "prints"}  # columns of results about liquidations
# placeholders of liquidations and of their stored sums
_TABLES = {"bars", *(stream.placeholder for stream in (LIQUIDATIONS, CASCADES, SUMS))}
# Reads prints only to see when a feed ran. A table that another program fills has no reports. Its
# hours without a print in the window are unknown, and count as covered no more than a gap does.
# Prints before or after the window say nothing of the feed in it.
_ABOUT_FEEDS = {"covered"}
_EXCHANGE = "exchange"
_ENDS = {WINDOW, SINCE, "until"}


class Window(NamedTuple):
    """The time of rows about liquidations, for which a result says what they lack."""

    since: datetime
    until: datetime

    def cut(self) -> "Window | None":
        """Return the window up to now, as no feed reports from the future; None for the future."""
        until = min(self.until, datetime.now(UTC))
        return Window(self.since, until) if self.since < until else None


def find_window(
    query: Query | None, frame: "pd.DataFrame", values: Mapping[str, Any]
) -> Window | None:
    """Return the window whose gaps and odd rows limit ``frame``, None if nothing limits it.

    `liq.hit`, the API and the assistants decide by this function whether a result says what it
    lacks. ``frame`` are the rows of ``query`` for ``values``, parameters of `queries.resolve` or
    `queries.validate`. Of a function and a query of the user's, the columns say too whether they
    are about liquidations. Nothing limits the rows of exchanges that do not exist: a note on the
    wrong names is enough.
    """
    if not is_about_prints(query, frame) or not isinstance(values.get(WINDOW), timedelta):
        return None
    if not can_have_rows(values, frame.attrs.get("notes", ())):
        return None
    completed = values if END in values else queries.complete(values)
    return Window(completed[SINCE], completed[END])


def can_have_rows(values: Mapping[str, Any], notes: Iterable[str]) -> bool:
    """Return False if the result's ``notes`` miss every exchange that ``values`` are limited to.

    It queries nothing, so that a file of a result can be read without QuestDB.
    """
    given = values.get(_EXCHANGE)
    texts = {given} if isinstance(given, str) else {*(given or ())}
    missed = [note for note in notes if note.startswith(names.begin_note(_EXCHANGE, _EXCHANGE))]
    return not missed or len(missed) < len(texts)


def is_about_prints(query: Query | None, frame: "pd.DataFrame") -> bool:
    """Whether ``frame``, the rows of ``query``, are liquidations or made of them."""
    return has_prints(frame) or (query is not None and reads_prints(query))


def reads_prints(query: Query) -> bool:
    """Whether the rows of ``query`` are liquidations or made of them, be it by a Spark job."""
    return query.key not in _ABOUT_FEEDS and bool(_TABLES & {*IDENTIFIER.findall(query.sql)})


def has_prints(frame: "pd.DataFrame") -> bool:
    """Whether the columns of ``frame`` are those of liquidations, or of sums of them."""
    return bool(_OF_PRINTS & {*frame.columns})


def find_bounds(frame: "pd.DataFrame", *, has_gaps: "bool | pd.Series[bool]") -> "pd.Series[bool]":
    """Return for each row of ``frame`` whether its sums are lower bounds.

    They are where a row counts prints of partial feeds, and everywhere if feeds were disconnected.
    ``has_gaps`` may differ by row.
    """
    import pandas as pd  # noqa: PLC0415 - importing this module stays quick

    if "partial" in frame:
        return (frame["partial"].fillna(0) > 0) | has_gaps
    if "completeness" in frame:
        return (frame["completeness"] != Completeness.FULL) | has_gaps
    return pd.Series(data=has_gaps, index=frame.index)


def list_sums(frame: "pd.DataFrame") -> list[str]:
    """Return the columns of ``frame`` that are sums, counts or maxima over liquidations."""
    return [name for name in frame.columns if name in _SUMS] if has_prints(frame) else []


def can_be_read(key: str, frame: "pd.DataFrame") -> bool:
    """Whether the rows of the query ``key`` have the columns that the shipped one has."""
    return _COLUMNS[key] <= {*frame.columns}


def share_filters(query: Query, values: Mapping[str, Any], window: Window) -> dict[str, Any]:
    """Return parameters of ``query`` for the filters among ``values`` and another window."""
    shared = {name: values[name] for name in query.params.keys() - _ENDS if name in values}
    return {**shared, SINCE: window.since, "until": window.until}


def fetch_beside(
    key: str,
    query: Query | None,
    frame: "pd.DataFrame",
    values: Mapping[str, Any],
    window: Window | None,
    *,
    settings: Settings,
) -> "pd.DataFrame | None":
    """Return the rows of ``query``, named ``key``, for the filters of ``frame`` and its ``window``.

    ``values`` are the parameters that ``frame`` was made with. None without a window. If there is
    no such query, or a user's own that QuestDB refuses or that lacks the shipped columns, a note of
    ``frame`` says so.
    """
    if window is None:
        return None
    fault = f"your query {key} cannot be used"
    if query:
        try:
            values = queries.resolve(query, share_filters(query, values, window))
            found = queries.execute(query, values, settings).frame
            if can_be_read(key, found):
                return found
            fault = f"your query {key} has other columns"
        except (QueryError, QuestDBError) as error:
            fault = f"{key} fails: {queries.explain_refusal(error)}"
    note = f"what the rows lack is not known: {fault}"
    frame.attrs["notes"] = [*frame.attrs.get("notes", ()), note]
    return None


def name_feed(exchange: str, source: str) -> str:
    """Return the exchange, followed by the kind of the source unless the source is live.

    Example:
        >>> from liq.query.coverage import name_feed
        >>> name_feed("okx", "live"), name_feed("okx", "simulator")
        ('okx', 'okx (simulated)')
    """
    return exchange if source in LIVE_SOURCES else f"{exchange} ({find_kind(source)})"


def summarise_feeds(feeds: "pd.DataFrame") -> str:
    """Return one line about the rows of ``feed_coverage``, "" if none was disconnected.

    For example ``11 of 12 feeds disconnected: okx, gate, …``. For feeds that reconnected or were
    stopped on purpose, it names the share of the window without a connection.
    """
    rows: list[Any] = list(feeds.itertuples(index=False))
    expected = [row for row in rows if not row.stopped]
    lost = [row for row in expected if not row.connected]
    partly = [row for row in rows if row not in lost and row.missing_s > 0]
    texts = []
    if lost:
        names = ", ".join(name_feed(row.exchange, row.source) for row in lost)
        texts.append(f"{len(lost)} of {_count_feeds(len(expected))} disconnected: {names}")
    if partly:
        shares = [(name_feed(row.exchange, row.source), row.missing) for row in partly]
        summed = _sum_up(shares) if len(partly) == len(rows) else ""
        texts.append(f"{PARTLY}: {f'all {summed}' if summed else _list_shares(shares)}")
    return "; ".join(texts)


def describe_left_out(rows: int) -> str:
    """Return a line about ``rows`` odd rows, from the query ``left_out``; "" for none."""
    return f"{rows:,} odd row(s) left out: `liq odd` shows them" if rows else ""


def describe_gaps(gaps: Iterable[Any], window_s: float) -> str:
    """Return each feed of ``gaps`` with the share of the window that it was disconnected.

    They are rows of ``coverage``; "" if there are none. Many feeds that missed about the same share
    of most of the window, as before liq ran, are counted only.
    """
    seconds: dict[str, float] = {}
    for gap in gaps:
        name = name_feed(gap.exchange, gap.source)
        seconds[name] = seconds.get(name, 0.0) + gap.missing_s
    ordered = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    shares = [(name, missed / window_s) for name, missed in ordered]
    is_most = bool(shares) and shares[-1][1] > _MOST
    return (_sum_up(shares) if is_most else "") or _list_shares(shares)


def format_share(part: float) -> str:
    """Return a part of one, e.g. ``46.8 %``."""
    return f"< {_LEAST:.1%}".replace("%", " %") if 0 < part < _LEAST else f"{100 * part:.3g} %"


def _sum_up(shares: Sequence[tuple[str, float]]) -> str:
    """Return the number of feeds and their share; "" for few feeds, or if the shares differ."""
    parts = [part for _, part in shares]
    if len(parts) <= _MANY or max(parts) - min(parts) > _ALIKE:
        return ""
    ends = dict.fromkeys(map(format_share, (min(parts), max(parts))))
    return f"{len(parts)} feeds {' to '.join(ends)}"


def _list_shares(shares: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {format_share(part)}" for name, part in shares)


def _count_feeds(count: int) -> str:
    return f"{count} feed" if count == 1 else f"{count} feeds"
