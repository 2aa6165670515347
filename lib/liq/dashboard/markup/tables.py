"""The boards' tables, from frames of the catalogue's queries."""

from collections.abc import Iterable
from html import escape
from typing import Any

import pandas as pd

from liq.dashboard import inspector
from liq.dashboard.markup.text import clock, code, dollars, seconds, source_mark


def tape(prints: pd.DataFrame) -> str:
    """The newest prints, newest first; a row's key is that of `liq.dashboard.inspector`."""
    if prints.empty:
        return '<p class="liq-none">no prints</p>'
    names = ("time (UTC)", "side", "symbol", "size (USD)", "price", "exchange")
    return _table(names, map(_print, prints.itertuples(index=False)))


def feeds(health: pd.DataFrame) -> str:
    """How each feed fares, from ``feed_health``."""
    if health.empty:
        return f'<p class="liq-none">{code("no feed has reported; start one: `liq run`")}</p>'
    names = ("feed", "state", "shows", "last report (UTC)", "frames", "gaps", "reconnects",
             "lag, mean", "lag, worst", "waiting, most")  # fmt: skip
    return _table(names, map(_feed, health.itertuples(index=False)))


def _feed(row: Any) -> str:
    state = "connected" if row.connected else "not heard"
    cells = (
        f"{row.messages:,}", f"{row.gaps:,}", f"{row.reconnects:,}",
        seconds(row.lag_s), seconds(row.max_lag_s), f"{row.max_queued:,}",
    )  # fmt: skip
    return (
        f'<tr class="liq-{"heard" if row.connected else "unheard"}">'
        f"<td>{escape(str(row.exchange))}{source_mark(str(row.source))}</td><td>{state}</td>"
        f"<td>{escape(str(row.completeness))}</td><td>{row.ts:%H:%M:%S}</td>"
        f"{_cells(cells)}</tr>"
    )


def cascades(found: pd.DataFrame) -> str:
    """The greatest cascades, from ``cascades``."""
    if found.empty:
        return '<p class="liq-none">no cascades in this window</p>'
    names = ("asset", "began (UTC)", "lasted", "prints", "venues", "first", "longs", "shorts",
             "peak in 1 s", "burst score")  # fmt: skip
    return _table(names, map(_cascade, found.itertuples(index=False)))


def sizes(quantiles: pd.DataFrame) -> str:
    """Quantiles of the notional of a print, a column a side, from ``size_distribution``."""
    if quantiles.empty:
        return '<p class="liq-none">no prints</p>'
    rows = {"prints": "prints", "total_usd": "all together", "p10_usd": "10 % are below",
            "p25_usd": "25 %", "p50_usd": "50 %", "p75_usd": "75 %", "p90_usd": "90 %",
            "p99_usd": "99 %", "largest_usd": "largest"}  # fmt: skip
    columns = quantiles.set_index("side")
    shown = (
        f"<tr><td>{name}</td>{_cells(_size(column, value) for value in columns[column])}</tr>"
        for column, name in rows.items()
    )
    return _table(("", *(f"{side}s" for side in columns.index)), shown)


def _size(column: str, value: float) -> str:
    return f"{value:,}" if column == "prints" else dollars(value)


def _cascade(row: Any) -> str:
    cells = (
        f"{row.from_ts:%m-%d %H:%M:%S}", seconds(row.duration_s), f"{row.prints:,}",
        f"{row.exchanges}", escape(str(row.first_exchange)), dollars(row.long_usd),
        dollars(row.short_usd), dollars(row.peak_1s_usd), f"{row.burst_score:,.1f}",
    )  # fmt: skip
    side = "long" if row.long_usd >= row.short_usd else "short"
    return f'<tr><td class="liq-{side}">{escape(str(row.name))}</td>{_cells(cells)}</tr>'


def _print(row: Any) -> str:
    side = escape(str(row.side))
    big = ' class="liq-big"' if row.notional >= 100_000 else ""
    return (
        f'<tr{big} data-key="{escape(inspector.key(row))}" tabindex="0">'
        f'<td>{clock(row.ts)}</td><td class="liq-{side}">{side}</td>'
        f"<td>{escape(str(row.symbol))}</td><td>{row.notional:,.0f}</td>"
        f"<td>{row.price:,.6g}</td>"
        f"<td>{escape(str(row.exchange))}{source_mark(str(row.source))}</td></tr>"
    )


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _table(names: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
